//! Usage of the past: closed windows of an account, and uses and refusals of a token by clock hour.

use super::{Answered, authorize_read, path_number};
use crate::domain::event::ManagementOperation;
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::Owner;
use crate::http::App;
use crate::http::answer;
use crate::http::entry::Asked;
use crate::http::operations::Operation;
use crate::http::problem::Problem;
use crate::http::shapes;
use crate::ledger::{LogError, View};
use serde_json::{Value, json};
use warp::http::StatusCode;

/// Rows of a page where no number is asked for, and at most.
const LIMIT: (usize, usize) = (100, 1_000);

/// Answers an operation on usage of the past.
pub(super) async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str]) -> Answered {
    let reader = authorize_read(app, asked, ManagementOperation::ReadUsage).await?;
    let range = Range::read(asked)?;
    let owner = path_number(variables, 0, "id")?;
    let head = app.ledger.head();
    let body = match operation {
        Operation::GetUsageHistory => windows(app, AccountId(owner), &range).await?,
        Operation::GetUserTokenUsage => hours(app, Owner::User(UserId(owner)), variables, &range).await?,
        _ => hours(app, Owner::Account(AccountId(owner)), variables, &range).await?,
    };
    let query = HistoryQuery::of("usage_history", head).between((range.from.0 > 0).then_some(range.from), range.to);
    let query = match operation {
        Operation::GetUserTokenUsage => query.about_user(UserId(owner)),
        _ => query.about_account(AccountId(owner)),
    };
    let query = match operation {
        Operation::GetUsageHistory => query,
        _ => query.about_token(TokenId(path_number(variables, 1, "id")?)),
    };
    app.read_history(asked, &reader, query).await?;
    Ok(answer::json(StatusCode::OK, &body))
}

/// What of the past is asked for: `from` inclusive, `to` exclusive.
struct Range {
    from: Timestamp,
    to: Option<Timestamp>,
    limit: usize,
}

impl Range {
    fn read(asked: &Asked) -> Result<Self, Box<Problem>> {
        let mut range = Self { from: Timestamp::default(), to: None, limit: LIMIT.0 };
        let query = asked.query()?;
        for (index, (key, value)) in query.iter().enumerate() {
            let malformed = |fault: &str| Box::new(Problem::malformed(format!("{key} {fault}")));
            if query[..index].iter().any(|(other, _)| other == key) {
                return Err(malformed("is given twice"));
            }
            let time =
                || Timestamp::parse(value).ok_or_else(|| malformed("must be a time such as 2026-03-01T12:00:00Z"));
            match key.as_str() {
                "from" => range.from = time()?,
                "to" => range.to = Some(time()?),
                "limit" => match value.parse::<usize>() {
                    Ok(limit) if limit > 0 => range.limit = limit.min(LIMIT.1),
                    _ => return Err(malformed("must be a number from 1 on")),
                },
                _ => return Err(malformed("is not a parameter of this request")),
            }
        }
        Ok(range)
    }

    /// In units of some seconds, counted from the epoch: those that begin within it.
    fn units(&self, seconds: u64) -> (u64, u64) {
        let first_from = |at: Timestamp| at.0.div_ceil(seconds * 1_000_000);
        // Numbers in the tables are signed.
        (first_from(self.from), self.to.map_or(i64::MAX as u64, first_from))
    }
}

async fn windows(app: &App, account: AccountId, range: &Range) -> Result<Value, Box<Problem>> {
    let current = app.ledger.view(|view| current(&view, account)).await?;
    let pool = (account, UserId::NONE);
    let page = app.ledger.closed_windows(pool, range.units(1), range.limit).await;
    let (windows, next) = page.map_err(unreadable)?;
    let windows: Vec<Value> = windows.iter().map(shapes::closed_window).collect();
    Ok(json!({ "data": windows, "current": current, "next": next.map(shapes::unix_seconds) }))
}

/// The window that is open now, if one is.
fn current(view: &View<'_>, account: AccountId) -> Result<Value, Box<Problem>> {
    let found = view.projections.state.account(account);
    let found = found.ok_or_else(|| Box::new(Problem::not_found("account not found")))?;
    if !found.window.is_open(view.now) {
        return Ok(Value::Null);
    }
    let mut shape = shapes::window(&found.window.view(found.hourly_limit, view.now));
    let window = view.projections.usage.window((account, UserId::NONE));
    shape["refused"] = json!(window.map_or(0, |window| window.refused));
    Ok(shape)
}

/// A deleted token's too: what it did is not deleted with it.
async fn hours(app: &App, owner: Owner, variables: &[&str], range: &Range) -> Result<Value, Box<Problem>> {
    let token = TokenId(path_number(variables, 1, "id")?);
    let is_there = |view: View<'_>| view.projections.state.token(token).is_some_and(|token| token.owner == owner);
    if !app.ledger.view(is_there).await {
        return Err(Box::new(Problem::not_found("token not found")));
    }
    let (hours, next) = app.ledger.token_hours(token, range.units(3_600), range.limit).await.map_err(unreadable)?;
    let shape = |view: View<'_>| -> Vec<Value> {
        hours.iter().map(|(key, row)| shapes::token_hour(&view, *key, row)).collect()
    };
    let hours = app.ledger.view(shape).await;
    Ok(json!({ "data": hours, "next": next.map(|hour| shapes::unix_seconds(hour * 3_600)) }))
}

fn unreadable(error: LogError) -> Box<Problem> {
    tracing::error!(%error, "usage of the past could not be read");
    let detail = "usage of the past could not be read; the operator finds the reason in the service's own log";
    Box::new(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "log-unreadable", "Log unreadable", detail))
}
