//! `/v1/events`: the log in words, for auditors and operators.

use super::answer;
use super::entry::{Asked, Query};
use super::history_reads::Reader;
use super::manage::{Answered, authorize_read};
use super::operations::Operation;
use super::problem::Problem;
use super::{App, path, refusal};
use crate::audit::archive::Archive;
use crate::audit::describe::Words;
use crate::audit::explanation::Audience;
use crate::audit::history::{self, Events, Filter, PAGE_DEFAULT, PAGE_MAX, Page};
use crate::audit::own_looks::holds_only_looks_of;
use crate::domain::event::{EVENT_TYPES, ManagementOperation};
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::names::normalize_domain_name;
use crate::domain::time::Timestamp;
use crate::ledger::LogError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use warp::http::StatusCode;

/// Answers an operation on events.
pub async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str]) -> Answered {
    let reader = authorize_read(app, asked, ManagementOperation::ReadEvents).await?;
    match operation {
        Operation::GetEvent => one(app, asked, &reader, variables).await,
        _ => list(app, asked, &reader).await,
    }
}

async fn one(app: &App, asked: &Asked, reader: &Reader, variables: &[&str]) -> Answered {
    let raw = variables.first().copied().unwrap_or_default();
    let position = path::number(raw).map_err(|_| Box::new(Problem::malformed("the position is not a number")))?;
    let position = Position(position);
    let event = read(app, move |archive| history::event(archive.log(), &archive.words(), position)).await?;
    match event {
        Some(mut event) => {
            explain(app, position, &mut event).await?;
            let query = HistoryQuery::of("event", position).after(Position(position.0 - 1));
            note(app, asked, reader, query).await?;
            Ok(answer::json(StatusCode::OK, &json!({ "data": event })))
        }
        None => Err(Box::new(Problem::not_found(format!("there is no event at position {position}")))),
    }
}

/// A refusal shown by itself says why, as far as history shows it.
async fn explain(app: &App, position: Position, event: &mut Value) -> Result<(), Box<Problem>> {
    let Some(explanation) = refusal::explanation(app, position).await.map_err(|error| unreadable(&error))? else {
        return Ok(());
    };
    let groups = app.ledger.view(|view| view.projections.state.groups.clone()).await;
    let words = Words { texts: app.ledger.texts(), groups: &groups };
    event["explanation"] = explanation.members(Audience::Auditor(words)).into();
    Ok(())
}

/// Records the look, unless there was nothing to see but the reader's own looks.
async fn note(app: &App, asked: &Asked, reader: &Reader, query: HistoryQuery) -> Result<(), Box<Problem>> {
    let (token, after, through) = (reader.token, query.after, query.through);
    let own = app.ledger.read_log(move |log| holds_only_looks_of(log, token, after, through)).await;
    if own.map_err(|error| unreadable(&error))? { Ok(()) } else { app.read_history(asked, reader, query).await }
}

/// The part of the log that a page shows: after the first position, up to and with the second.
fn part_of(page: &Page, events: &Events) -> (Position, Position) {
    let last = page.before.unwrap_or(events.head.next()).min(events.head.next()).0.saturating_sub(1);
    match events.next {
        Some(next) if page.descending => (Position(next.0.saturating_sub(1)), Position(last)),
        Some(next) => (page.after, next),
        None => (page.after, Position(last)),
    }
}

async fn list(app: &App, asked: &Asked, reader: &Reader) -> Answered {
    let (filter, page) = read_query(asked.query()?)?;
    let query = HistoryQuery::of("events", Position::NONE)
        .about_account(filter.account.unwrap_or_default())
        .about_token(filter.token.unwrap_or_default())
        .between(filter.from, filter.to);
    let events = read(app, move |archive| history::page(archive, &filter, &page)).await?;
    let (after, through) = part_of(&page, &events);
    note(app, asked, reader, HistoryQuery { after, through, ..query }).await?;
    let body = json!({
        "data": events.events,
        "next": events.next.map(|position| position.0),
        "head": { "position": events.head.0, "root_hash": STANDARD.encode(events.root) },
    });
    Ok(answer::json(StatusCode::OK, &body))
}

async fn read<T: Send + 'static>(
    app: &App,
    read: impl FnOnce(&Archive) -> Result<T, LogError> + Send + 'static,
) -> Result<T, Box<Problem>> {
    app.with_archive(read).await.map_err(|error| unreadable(&error))
}

pub(super) fn unreadable(error: &LogError) -> Box<Problem> {
    tracing::error!(%error, "history could not be read");
    let detail = "the log could not be read; the operator finds the reason in the service's own log";
    Box::new(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "log-unreadable", "Log unreadable", detail))
}

fn read_query(query: &Query) -> Result<(Filter, Page), Box<Problem>> {
    let mut filter = Filter::default();
    let mut page = Page { after: Position(0), before: None, descending: false, limit: PAGE_DEFAULT };
    for (index, (key, value)) in query.iter().enumerate() {
        if query[..index].iter().any(|(other, _)| other == key) {
            return Err(Box::new(Problem::malformed(format!("{key} is given twice"))));
        }
        read_one(key, value, &mut filter, &mut page)
            .map_err(|fault| Box::new(Problem::malformed(format!("{key} {fault}"))))?;
    }
    Ok((filter, page))
}

fn read_one(key: &str, value: &str, filter: &mut Filter, page: &mut Page) -> Result<(), &'static str> {
    let number = || path::whole_number(value).ok_or("must be a number");
    let time = || Timestamp::parse(value).ok_or("must be a time such as 2026-03-01T12:00:00Z");
    match key {
        "after" => page.after = Position(number()?),
        "before" => page.before = Some(Position(number()?)),
        "limit" => page.limit = usize::try_from(number()?.max(1)).unwrap_or(PAGE_MAX).min(PAGE_MAX),
        "order" => {
            page.descending = match value {
                "asc" => false,
                "desc" => true,
                _ => return Err("must be asc or desc"),
            }
        }
        "account" => filter.account = Some(AccountId(number()?)),
        "token" => filter.token = Some(TokenId(number()?)),
        "type" if EVENT_TYPES.iter().any(|(_, _, name)| *name == value) => filter.type_name = Some(value.to_owned()),
        "type" => return Err("is not an event type"),
        "from" => filter.from = Some(time()?),
        "to" => filter.to = Some(time()?),
        "resource" => {
            // As names are kept; what is no name matches none.
            filter.resource = Some(normalize_domain_name(value).unwrap_or_else(|_| value.to_lowercase()));
        }
        "outcome" => filter.outcome = Some(value.to_owned()),
        _ => return Err("is not a parameter of this request"),
    }
    Ok(())
}
