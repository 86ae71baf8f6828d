//! Access reviews (`POST /v1/audit/reviews…`): opened over what the log says at a point, decided row by row, closed. What is
//! read of them is a question of [`audit`](crate::http::audit).

use super::idempotency::posted;
use super::{Answered, authorize_change, path_number, show, submit};
use crate::audit::archive::Archive;
use crate::audit::biography::Biography;
use crate::audit::past::Point;
use crate::audit::questions::AuditError;
use crate::audit::reviewed::held;
use crate::domain::command::{Change, Decided, ReviewChange};
use crate::domain::decide::DoneSubject;
use crate::domain::event::ManagementOperation as Managed;
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::review::{Review, ReviewRow, ReviewVerdict};
use crate::domain::text::PersonalText;
use crate::http::App;
use crate::http::audit::at_desk;
use crate::http::entry::{Asked, Body};
use crate::http::fields::Fields;
use crate::http::operations::Operation;
use crate::http::problem::Problem;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(super) async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str], body: Body) -> Answered {
    let actor = authorize_change(app, asked, Managed::ChangeReviews).await?;
    let (fields, key) = posted(app, asked, body).await?;
    let change = match operation {
        Operation::OpenReview => open(app, fields).await?,
        Operation::DecideReview => decide(app, path_number(variables, 0, "review")?, fields).await?,
        _ => {
            fields.finish()?;
            ReviewChange::Close { review: path_number(variables, 0, "review")? }
        }
    };
    let carried = submit(app, asked, actor, key.guard(Change::Review(change))).await?;
    show(app, &carried, |view, subject| {
        let DoneSubject::Review(number) = subject else { return None };
        Some((shape(number, view.projections.state.reviews.get(number)?), None))
    })
    .await
}

fn shape(number: u64, review: &Review) -> Value {
    let counts = review.counts();
    json!({
        "id": number,
        "account_id": review.account.0,
        "as_of": {
            "position": review.position.0,
            "time": review.at.to_micros_text(),
            "root_hash": STANDARD.encode(review.root),
        },
        "opened_at": review.opened_at.to_micros_text(),
        "is_open": review.closed.is_none(),
        "rows": review.rows,
        "kept": counts.kept,
        "narrowed": counts.narrowed,
        "deleted": counts.deleted,
        "undecided": counts.undecided,
    })
}

/// What is looked at is read from the log here, so that the record cites what the reviewer is shown.
async fn open(app: &App, mut fields: Fields) -> Result<ReviewChange, Box<Problem>> {
    let account = fields.required("account_id", Fields::number);
    let as_of = fields.string("as_of");
    let point = match as_of.as_deref().map(Point::parse) {
        None => Point::Head,
        Some(Some(point)) => point,
        Some(None) => {
            fields.fault("as_of", "must be a position (\"1234\") or a time (\"2026-03-01T12:00:00Z\")");
            Point::Head
        }
    };
    fields.finish()?;
    opening(app, AccountId(account.unwrap_or_default()), point).await
}

/// A review of an account as it is, or was, at a point.
pub async fn opening(app: &App, account: AccountId, point: Point) -> Result<ReviewChange, Box<Problem>> {
    at_desk(app, move |archive| {
        let moment = archive.moment(point)?;
        let rows = rows(archive, account, moment.position)?;
        let (position, at, rows) = (moment.position, moment.at, rows.len() as u64);
        Ok(ReviewChange::Open { account, position, root: archive.root_at(position)?, at, rows })
    })
    .await
}

/// A decision is about a row that the review has.
async fn decide(app: &App, review: u64, mut fields: Fields) -> Result<ReviewChange, Box<Problem>> {
    let (token, user) = (fields.number("token_id"), fields.number("user_id"));
    let verdict =
        fields.required("verdict", |fields, name| fields.word(name, "keep, narrow or delete", ReviewVerdict::parse));
    let note = fields.text("note");
    let row = match (token, user) {
        (Some(token), None) => ReviewRow::Token(TokenId(token)),
        (None, Some(user)) => ReviewRow::Member(UserId(user)),
        _ => {
            fields.fault("token_id", "or user_id must be given, and not both");
            ReviewRow::Token(TokenId::NONE)
        }
    };
    fields.finish()?;
    deciding(app, (review, row), verdict.unwrap_or(ReviewVerdict::Keep), note).await
}

/// A decision of a row that the review has.
pub async fn deciding(
    app: &App,
    (review, row): (u64, ReviewRow),
    verdict: ReviewVerdict,
    note: Option<PersonalText>,
) -> Result<ReviewChange, Box<Problem>> {
    let found = app.ledger.view(|view| {
        let review = view.projections.state.reviews.get(review)?;
        Some((review.account, review.position))
    });
    let (account, position) = found.await.ok_or_else(|| Box::new(Problem::not_found("review not found")))?;
    let is_there = at_desk(app, move |archive| Ok(rows(archive, account, position)?.contains(&row))).await?;
    if !is_there {
        return Err(Box::new(Problem::not_found("the review has no such row")));
    }
    Ok(ReviewChange::Decide(Decided { review, row, verdict, note }))
}

fn rows(archive: &Archive, account: AccountId, position: Position) -> Result<Vec<ReviewRow>, AuditError> {
    let biography = Biography::of_account(archive, account, position)?;
    let rows = held(&biography, account, position);
    let rows = rows.ok_or_else(|| AuditError::NotFound(format!("there was no account {account} then")))?;
    Ok(rows.into_iter().map(|held| held.row).collect())
}
