//! `/v1/events`: the log in words, for auditors and operators.

use super::answer;
use super::entry::{Asked, Query, reject_twice};
use super::event_export::{self, Selected};
use super::history_reads::Reader;
use super::manage::{Answered, authorize_actor, credential};
use super::operations::Operation;
use super::problem::Problem;
use super::{App, path, refusal};
use crate::audit::archive::Archive;
use crate::audit::describe::Words;
use crate::audit::explanation::Audience;
use crate::audit::export::lines::Form;
use crate::audit::history::{self, Events, Filter, PAGE_DEFAULT, PAGE_MAX, Page};
use crate::audit::own_looks::holds_only_looks_of;
use crate::domain::command::Actor;
use crate::domain::event::{EVENT_TYPES, ManagementOperation, outcomes_and_causes};
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::names::normalize_domain_name;
use crate::domain::time::Timestamp;
use crate::domain::token::Owner;
use crate::ledger::LogError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use warp::http::StatusCode;

/// Answers an operation on events.
pub async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str]) -> Answered {
    let actor = credential(app, asked)?;
    let is_session = matches!(actor, Actor::Session(_));
    if !is_session {
        authorize_actor(app, asked, actor, (ManagementOperation::ReadEvents, Owner::Service)).await?;
    }
    match operation {
        Operation::GetEvent => one(app, asked, actor, variables).await,
        _ => list(app, asked, actor).await,
    }
}

/// Lets whoever looks see what is this owner's. A member sees the records of an account, a person those of their own
/// tokens; of all others they are not told whether they are there.
async fn reader_of(app: &App, asked: &Asked, actor: Actor, whose: Owner) -> Result<Reader, Box<Problem>> {
    let whose = if matches!(actor, Actor::Session(_)) { whose } else { Owner::Service };
    authorize_actor(app, asked, actor, (ManagementOperation::ReadEvents, whose)).await
}

async fn one(app: &App, asked: &Asked, actor: Actor, variables: &[&str]) -> Answered {
    let raw = variables.first().copied().unwrap_or_default();
    let position = path::number(raw).map_err(|_| Box::new(Problem::malformed("the position is not a number")))?;
    let position = Position(position);
    let event = read(app, move |archive| history::event(archive.log(), &archive.words(), position)).await?;
    let about = |name: &str| event.as_ref().and_then(|event| event[name].as_u64());
    let whose = whose_is(app, about("account_id").map(AccountId), about("token_id").map(TokenId)).await;
    let not_there = || Box::new(Problem::not_found(format!("there is no event at position {position}")));
    let reader = match reader_of(app, asked, actor, whose).await {
        Ok(reader) => reader,
        Err(problem) if matches!(problem.status(), StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
            return Err(if matches!(actor, Actor::Session(_)) { not_there() } else { problem });
        }
        Err(problem) => return Err(problem),
    };
    match event {
        Some(mut event) => {
            explain(app, position, &mut event).await?;
            let query = HistoryQuery::of("event", position).after(Position(position.0 - 1));
            note(app, asked, &reader, about_for(&reader, query, whose)).await?;
            Ok(answer::json(StatusCode::OK, &json!({ "data": event })))
        }
        None => Err(not_there()),
    }
}

/// What no person may look at, and staff may: of a token that is the service's, or not there, a person is told the same as
/// of somebody else's.
const NOBODYS: Owner = Owner::Account(AccountId::NONE);

/// Whose a look is that names an account, or a token alone.
pub(super) async fn whose_is(app: &App, account: Option<AccountId>, token: Option<TokenId>) -> Owner {
    match (account, token) {
        (Some(account), _) => Owner::Account(account),
        (None, Some(token)) => {
            let owner = app.ledger.view(|view| view.projections.state.token(token).map(|token| token.owner)).await;
            owner.filter(|owner| *owner != Owner::Service).unwrap_or(NOBODYS)
        }
        (None, None) => Owner::Service,
    }
}

/// What a person looked at says whose it was: they may look at this and not at that.
pub(super) fn about_for(reader: &Reader, query: HistoryQuery, whose: Owner) -> HistoryQuery {
    if matches!(reader.actor, Actor::Session(_)) { query.about(whose) } else { query }
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

async fn list(app: &App, asked: &Asked, actor: Actor) -> Answered {
    let (form, query) = take_form(asked.query()?)?;
    let (filter, page) = read_query(&query)?;
    let whose = whose_is(app, filter.account, filter.token).await;
    let reader = reader_of(app, asked, actor, whose).await?;
    let shape = HistoryQuery::of("events", Position::NONE)
        .about_account(filter.account.unwrap_or_default())
        .about_token(filter.token.unwrap_or_default())
        .between(filter.from, filter.to);
    if let Some(form) = form {
        return export(app, asked, (&reader, whose), shape, (filter, page, form)).await;
    }
    let events = read(app, move |archive| history::page(archive, &filter, &page)).await?;
    let (after, through) = part_of(&page, &events);
    note(app, asked, &reader, about_for(&reader, HistoryQuery { after, through, ..shape }, whose)).await?;
    let body = json!({
        "data": events.events,
        "next": events.next.map(|position| position.0),
        "head": { "position": events.head.0, "root_hash": STANDARD.encode(events.root) },
    });
    Ok(answer::json(StatusCode::OK, &body))
}

/// The whole selection as lines, oldest first, recorded as one look.
async fn export(
    app: &App,
    asked: &Asked,
    (reader, whose): (&Reader, Owner),
    query: HistoryQuery,
    (filter, page, form): (Filter, Page, Form),
) -> Answered {
    let head = app.ledger.head();
    let through = page.before.map_or(head, |before| Position(before.0.saturating_sub(1)).min(head));
    let query = HistoryQuery { after: page.after, through, ..query };
    app.read_history(asked, reader, about_for(reader, query, whose)).await?;
    let mend = |_: &mut Value| {};
    event_export::answer(app, Selected { filter, after: page.after, through, form, mend })
}

/// The form is apart from what is asked for; none is a page of JSON.
fn take_form(query: &Query) -> Result<(Option<Form>, Query), Box<Problem>> {
    reject_twice(query)?;
    let malformed = |what: &str| Box::new(Problem::malformed(what));
    let (of_form, rest): (Query, Query) = query.iter().cloned().partition(|(name, _)| name == "format");
    let form = match of_form.first().map(|(_, text)| text.as_str()) {
        None | Some("json") => None,
        Some(text) => Some(event_export::form(text).ok_or_else(|| malformed("format must be json, ndjson or csv"))?),
    };
    if form.is_some() && rest.iter().any(|(name, _)| matches!(name.as_str(), "limit" | "order")) {
        return Err(malformed("limit and order are for pages: an export has all of the selection, oldest first"));
    }
    Ok((form, rest))
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
    reject_twice(query)?;
    for (key, value) in query {
        read_one(key, value, &mut filter, &mut page)
            .map_err(|fault| Box::new(Problem::malformed(format!("{key} {fault}"))))?;
    }
    Ok((filter, page))
}

fn read_one(key: &str, value: &str, filter: &mut Filter, page: &mut Page) -> Result<(), &'static str> {
    let number = || path::whole_number(value).ok_or("must be a number");
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
        _ => return read_filter(key, value, filter),
    }
    Ok(())
}

/// Which events: the same in pages and in streams.
pub(super) fn read_filter(key: &str, value: &str, filter: &mut Filter) -> Result<(), &'static str> {
    let number = || path::whole_number(value).ok_or("must be a number");
    let time = || Timestamp::parse(value).ok_or("must be a time such as 2026-03-01T12:00:00Z");
    match key {
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
        "outcome" if outcomes_and_causes().any(|name| name == value) => filter.outcome = Some(value.to_owned()),
        "outcome" => return Err("is no outcome of a use and no cause of a refusal"),
        _ => return Err("is not a parameter of this request"),
    }
    Ok(())
}
