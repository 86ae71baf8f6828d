//! A refusal with its cause: what its answer says beside the status, on `/v2`, to gateways and on `/v1`.
//!
//! What the decision itself knows is always said. A refusal that is a record of its own is looked up in history too:
//! after the commit, off the writer, and never so that the answer fails. One that is only counted is not: its
//! `decision_id` is null, and the same was said by those recorded before it. So a token makes at most as many look-ups
//! as records, sixty a minute, and each is bounded (`audit::explanation`).

use super::App;
use super::answer::{self, Reply};
use crate::audit::explanation::{Audience, Clues, Explanation, Refusal, Search, explain};
use crate::domain::event::Cause;
use crate::domain::ids::{AccountId, Position, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::Principal;
use crate::domain::window::WindowView;
use crate::ledger::LogError;
use serde_json::{Map, Value};
use std::time::Duration;
use warp::http::HeaderName;

/// How long a look-up may hold an answer up. What takes longer is left out.
const LOOK_UP_PATIENCE: Duration = Duration::from_secs(2);

/// The decision's id: the position of its record.
pub const DECISION_ID: HeaderName = HeaderName::from_static("x-decision-id");

/// What the token's holder is told of a refusal.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// The decision's id; none if the refusal was only counted.
    decision: Option<Position>,
    members: Map<String, Value>,
}

impl Told {
    /// Members of the answer's body.
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// Whether an event is named that took the access away.
    pub fn names_an_event(&self) -> bool {
        self.members.contains_key("taken_away_by")
    }

    /// With one more member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds the decision's id to an answer; a refusal that was only counted has none.
    pub fn add_decision(&self, reply: &mut Reply) {
        if let Some(position) = self.decision {
            reply.headers_mut().insert(DECISION_ID, position.0.into());
        }
    }
}

/// What the holder is told. `position`: where the refusal is recorded, if it is; `window`: the one that counted.
pub async fn tell(app: &App, cause: Cause, position: Option<Position>, window: Option<WindowView>) -> Told {
    let mut members = Map::new();
    members.insert("decision_id".to_owned(), position.map(|position| position.0).into());
    members.insert("cause".to_owned(), cause.name().into());
    let window = window.filter(|_| cause == Cause::QuotaExceeded);
    if let Some(window) = window {
        let time = |at: Option<u64>| at.map(|at| Timestamp::from_seconds(at).to_seconds_text());
        members.insert("limit".to_owned(), window.limit.into());
        members.insert("window_opened_at".to_owned(), time(window.opened_at).into());
        members.insert("resets_at".to_owned(), time(window.resets_at).into());
    }
    // From an address that the token is not for: whoever shows it there may not be its holder.
    let looked_up = position.filter(|_| cause != Cause::AddressNotAllowed);
    if let Some(position) = looked_up {
        let opened_at = window.and_then(|window| window.opened_at);
        let looked = tokio::time::timeout(LOOK_UP_PATIENCE, look_up(app, position, opened_at)).await;
        match looked {
            Ok(Ok(Some(explanation))) => members.extend(explanation.members(Audience::Holder)),
            Ok(Ok(None)) => tracing::error!(%position, "no refusal is recorded where one was"),
            Ok(Err(error)) => tracing::error!(%error, %position, "a refusal could not be explained"),
            Err(_) => tracing::warn!(%position, "a refusal was not explained: it took too long"),
        }
    }
    Told { decision: position, members }
}

async fn look_up(app: &App, position: Position, opened_at: Option<u64>) -> Result<Option<Explanation>, LogError> {
    let Some(refusal) = read(app, position).await? else { return Ok(None) };
    finish(app, refusal, opened_at, Search::ReadModels).await.map(Some)
}

/// Everything that history shows of the refusal at a position, for auditors; none if there is no refusal.
pub async fn explanation(app: &App, position: Position) -> Result<Option<Explanation>, LogError> {
    let Some(refusal) = read(app, position).await? else { return Ok(None) };
    let opened_at = match refusal.cause {
        Cause::QuotaExceeded => window_of(app, &refusal).await,
        _ => None,
    };
    finish(app, refusal, opened_at, Search::Log).await.map(Some)
}

async fn read(app: &App, position: Position) -> Result<Option<Refusal>, LogError> {
    app.ledger.read_log(move |log| Refusal::read(log, position)).await
}

async fn finish(app: &App, refusal: Refusal, opened_at: Option<u64>, search: Search) -> Result<Explanation, LogError> {
    let clues = app.ledger.view(|view| Clues::gather(view.projections, &refusal)).await;
    app.ledger.read_log(move |log| explain(log, refusal, &clues, opened_at, search)).await
}

/// When the window opened that a refusal for quota was in; none if it is in no table.
async fn window_of(app: &App, refusal: &Refusal) -> Option<u64> {
    let header = &refusal.header;
    let user = match header.principal {
        Principal::User(user) if header.account.is_none() => user,
        _ => UserId::NONE,
    };
    let pool: (AccountId, UserId) = (header.account, user);
    let at = header.recorded_at;
    let open = app.ledger.view(|view| {
        let window = view.projections.usage.window(pool)?;
        (window.opened_at <= at.seconds() && window.is_open(at)).then_some(window.opened_at)
    });
    if let Some(opened_at) = open.await {
        return Some(opened_at);
    }
    let seconds = at.seconds();
    let range = (seconds.saturating_sub(crate::domain::window::WINDOW_SECONDS - 1), seconds + 1);
    match app.ledger.closed_windows(pool, range, 1).await {
        Ok((windows, _)) => windows.first().map(|window| window.opened_at),
        // The tables are disposable: the rest of the explanation stands without them.
        Err(error) => {
            tracing::warn!(%error, "the window of a refusal is not known");
            None
        }
    }
}

/// DNSimple's error body with members beside `message`, which its clients pass over.
pub fn message(status: warp::http::StatusCode, words: &str, told: &Told) -> Reply {
    let mut body = Map::new();
    body.insert("message".to_owned(), words.into());
    body.extend(told.members.clone());
    let mut reply = answer::json(status, &Value::Object(body));
    answer::add_header(&mut reply, warp::http::header::CACHE_CONTROL, "no-cache");
    reply
}
