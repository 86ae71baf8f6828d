//! The looks of [`reads`](super::reads), as of a point of the past. What may be read is judged now, what is shown is judged
//! then.

use super::Answered;
use super::reads::{Page, look};
use crate::audit::answer::Basis;
use crate::audit::as_of::{Subject, state_of};
use crate::audit::past::Point;
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::http::App;
use crate::http::answer;
use crate::http::audit;
use crate::http::entry::Asked;
use crate::http::history_reads::Reader;
use crate::http::operations::Operation;
use crate::http::path;
use crate::http::problem::Problem;
use crate::ledger::View;
use warp::http::StatusCode;

/// Reads `as_of` or `as_of_position`.
pub(super) fn point(key: &str, value: &str) -> Result<Point, Box<Problem>> {
    let point = match key {
        "as_of" => Timestamp::parse(value).map(Point::Time).ok_or("must be a time such as 2026-03-01T12:00:00Z"),
        _ => path::whole_number(value).map(|number| Point::Position(Position(number))).ok_or("must be a number"),
    };
    point.map_err(|fault| Box::new(Problem::malformed(format!("{key} {fault}"))))
}

/// What an operation shows, as of a point: a look at history, which is recorded.
pub(super) async fn answer(
    app: &App,
    asked: &Asked,
    reader: &Reader,
    (operation, numbers, page): (Operation, Vec<u64>, Page),
    point: Point,
) -> Answered {
    let subject = subject(operation, &numbers, &page);
    let (looked, basis) = audit::at_desk(app, move |archive| {
        let moment = archive.moment(point)?;
        let projections = state_of(archive, moment, subject)?;
        let view = View { projections: &projections, texts: archive.texts(), now: moment.at };
        let basis = Basis::new(archive, moment.position, moment.at)?;
        Ok((look(&view, operation, &numbers, &page), basis))
    })
    .await?;
    // No ETag: it would be the version of then, and who shows one means the version of now.
    let (mut body, _) = looked?;
    app.read_history(asked, reader, query(subject, basis.position)).await?;
    body["as_of"] = basis.to_json();
    Ok(answer::json(StatusCode::OK, &body))
}

/// What is recorded of the look.
fn query(subject: Subject, position: Position) -> HistoryQuery {
    let query = HistoryQuery::of("as_of", position);
    match subject {
        Subject::Account(account)
        | Subject::Members(account, _)
        | Subject::AccountTokens(account, _)
        | Subject::Usage(account) => query.about_account(account),
        Subject::User(user) | Subject::UserTokens(user, _) => query.about_user(user),
        Subject::Token(token) => query.about_token(token),
        Subject::Accounts(_) | Subject::Users(_) | Subject::ServiceTokens { .. } => query,
    }
}

/// What of the read models an operation looks at.
pub fn subject(operation: Operation, numbers: &[u64], page: &Page) -> Subject {
    use Operation as Op;
    let number = |index: usize| numbers.get(index).copied().unwrap_or(0);
    let (account, user, rows) = (AccountId(number(0)), UserId(number(0)), page.rows());
    match operation {
        Op::ListUsers => Subject::Users(rows),
        Op::GetUser => Subject::User(user),
        Op::ListUserTokens => Subject::UserTokens(user, rows),
        Op::GetAccountToken | Op::GetUserToken => Subject::Token(TokenId(number(1))),
        Op::ListStaffTokens => Subject::ServiceTokens { of_gateways: false, rows },
        Op::ListGatewayTokens => Subject::ServiceTokens { of_gateways: true, rows },
        Op::GetGatewayToken => Subject::Token(TokenId(number(0))),
        Op::ListManagedAccounts => Subject::Accounts(rows),
        Op::ListMembers => Subject::Members(account, rows),
        Op::ListAccountTokens => Subject::AccountTokens(account, rows),
        Op::GetUsage => Subject::Usage(account),
        _ => Subject::Account(account),
    }
}
