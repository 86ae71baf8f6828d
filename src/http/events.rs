//! `/v1/events`: the log in words, for auditors and operators.

use super::answer;
use super::entry::{Asked, Query};
use super::manage::{Answered, authorize_read};
use super::operations::Operation;
use super::problem::Problem;
use super::{App, path, refusal};
use crate::audit::archive::Archive;
use crate::audit::describe::Words;
use crate::audit::explanation::Audience;
use crate::audit::history::{self, Filter, PAGE_DEFAULT, PAGE_MAX, Page};
use crate::domain::event::{EVENT_TYPES, ManagementOperation};
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
    authorize_read(app, asked, ManagementOperation::ReadEvents).await?;
    match operation {
        Operation::GetEvent => one(app, variables).await,
        _ => list(app, asked.query()?).await,
    }
}

async fn one(app: &App, variables: &[&str]) -> Answered {
    let raw = variables.first().copied().unwrap_or_default();
    let position = path::number(raw).map_err(|_| Box::new(Problem::malformed("the position is not a number")))?;
    let position = Position(position);
    let event = read(app, move |archive| history::event(archive.log(), &archive.words(), position)).await?;
    match event {
        Some(mut event) => {
            explain(app, position, &mut event).await?;
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

async fn list(app: &App, query: &Query) -> Answered {
    let (filter, page) = read_query(query)?;
    let events = read(app, move |archive| history::page(archive, &filter, &page)).await?;
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
