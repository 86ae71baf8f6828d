//! `/v1/events/stream`: the log as it grows, as server-sent events (WHATWG HTML, section 9.2). The id of an event is its
//! position, so that whoever was cut off goes on behind the last one they have.

mod pump;

use super::answer::Reply;
use super::entry::{Asked, reject_twice};
use super::events::read_filter;
use super::history_reads::Reader;
use super::manage::{Answered, authorize_read, refused_look};
use super::problem::Problem;
use super::{App, path};
use crate::audit::history::Filter;
use crate::domain::event::ManagementOperation;
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::Position;
use crate::ledger::Opened;
use bytes::Bytes;
use futures_util::stream;
use pump::Pump;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use warp::Reply as _;
use warp::http::{HeaderName, HeaderValue, StatusCode, header};

/// Streams open at once. Past it they are told to come again.
pub const STREAMS_MAX: usize = 64;
/// Streams that read the log at the same time: those that catch up take turns, and leave the rest of the service its due.
pub const STREAM_READS_AT_ONCE: usize = 2;
/// How often something is sent where there is nothing to tell, so that nobody in between takes the line for dead. As long a
/// token that expires goes on being told nothing.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long what is sent may stay untaken before its reader is given up. Shorter than the server's own patience with a
/// socket, so that the record says why.
pub const SLOW_MAX: Duration = Duration::from_secs(20);
/// Seconds after which one that was turned away may come again.
const RETRY_SECONDS: u64 = 10;
/// How long the service waits at its end for the records of streams that it closed.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// What streams may take.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Open at once.
    pub streams_max: usize,
    /// Between two signs of life.
    pub heartbeat: Duration,
    /// Until a reader that takes nothing is given up.
    pub slow_max: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { streams_max: STREAMS_MAX, heartbeat: HEARTBEAT, slow_max: SLOW_MAX }
    }
}

/// The streams of a service.
#[derive(Debug)]
pub struct Streams {
    limits: StreamLimits,
    open: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

impl Default for Streams {
    fn default() -> Self {
        Self::new(StreamLimits::default())
    }
}

impl Streams {
    /// With limits of their own.
    pub fn new(limits: StreamLimits) -> Self {
        let (open, reads) = (Arc::new(Semaphore::new(limits.streams_max)), Semaphore::new(STREAM_READS_AT_ONCE));
        Self { limits, open, reads: Arc::new(reads), closing: watch::Sender::new(false) }
    }

    /// Room for one more; none where as many are open as may be. Exports take theirs here, too.
    pub(super) fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.open).try_acquire_owned().ok()
    }

    /// A turn to read the log.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.reads).acquire_owned().await.ok()
    }

    /// Ends them all: the service stops.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Waits, not for ever, until the end of each is recorded.
    pub async fn settled(&self) {
        let all = u32::try_from(self.limits.streams_max).unwrap_or(u32::MAX);
        if tokio::time::timeout(SETTLE_MAX, self.open.acquire_many(all)).await.is_err() {
            tracing::warn!("a stream of events did not end in time: its end is not recorded");
        }
    }
}

/// Answers with a stream.
pub async fn answer(app: &App, asked: &Asked) -> Answered {
    let reader = authorize_read(app, asked, ManagementOperation::ReadEvents).await?;
    let wish = Wish::read(asked, app.ledger.head())?;
    let Some(slot) = app.streams.slot() else { return Err(Box::new(too_many(app))) };
    let opened = open(app, asked, &reader, &wish).await?;
    let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
    let pump = Pump::new(app, asked, reader, wish, opened, sender);
    tokio::spawn(async move {
        pump.run().await;
        drop(slot);
    });
    let parts = stream::poll_fn(move |cx| receiver.poll_recv(cx).map(|part| part.map(Ok::<_, Infallible>)));
    Ok(streamed(warp::reply::stream(parts).into_response()))
}

fn streamed(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx gathers an answer before it hands it on, unless told not to.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    reply
}

/// Recorded before anything is sent, as every look at history.
async fn open(app: &App, asked: &Asked, reader: &Reader, wish: &Wish) -> Result<Option<Position>, Box<Problem>> {
    let filter = &wish.filter;
    let query = HistoryQuery::of("events_stream", Position::NONE)
        .after(wish.after)
        .about_account(filter.account.unwrap_or_default())
        .about_token(filter.token.unwrap_or_default())
        .between(filter.from, filter.to);
    match app.ledger.open_stream((reader.actor, reader.token), query, asked.origin()).await {
        Opened::Recorded(position) => Ok(Some(position)),
        Opened::Counted => Ok(None),
        Opened::Refused(reply) => Err(refused_look(app, *reply).await),
    }
}

pub(super) fn too_many(app: &App) -> Problem {
    let detail = format!("{} streams of events are open; come again", app.streams.limits.streams_max);
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-streams", "Too many streams", detail)
        .with_retry_after(RETRY_SECONDS)
}

/// What of the log is wanted.
#[derive(Clone, Debug)]
struct Wish {
    filter: Filter,
    /// Events after this position.
    after: Position,
    /// Events before this position; none goes on for ever.
    before: Option<Position>,
}

impl Wish {
    /// Without a position it begins at the head: what comes from now on.
    fn read(asked: &Asked, head: Position) -> Result<Self, Box<Problem>> {
        let query = asked.query()?;
        reject_twice(query)?;
        let mut wish = Self { filter: Filter::default(), after: head, before: None };
        for (key, value) in query {
            wish.read_one(key, value).map_err(|fault| Box::new(Problem::malformed(format!("{key} {fault}"))))?;
        }
        if let Some(last) = last_event_id(asked)? {
            wish.after = last;
        }
        // A log that is behind what its reader has is another log than the reader thinks: to wait would hide that.
        if wish.after > head {
            let detail = format!("the log has no position {}: it ends at {head}", wish.after);
            return Err(Box::new(Problem::malformed(detail)));
        }
        Ok(wish)
    }

    fn read_one(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        let position = || path::whole_number(value).map(Position).ok_or("must be a number");
        match key {
            "after" => self.after = position()?,
            "before" => self.before = Some(position()?),
            _ => return read_filter(key, value, &mut self.filter),
        }
        Ok(())
    }
}

/// The id of the last event that a client has, which it sends by itself when it connects again. An empty one is none.
fn last_event_id(asked: &Asked) -> Result<Option<Position>, Box<Problem>> {
    let mut values = asked.headers().get_all("last-event-id").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or("?");
    match (text, path::whole_number(text), values.next()) {
        ("", _, None) => Ok(None),
        (_, Some(position), None) => Ok(Some(Position(position))),
        _ => Err(Box::new(Problem::malformed("Last-Event-ID must be a position, given once"))),
    }
}

/// One event as it is sent. The JSON of an event has no line breaks.
fn event_text(out: &mut String, position: u64, event: &serde_json::Value) {
    out.push_str(&format!("id: {position}\ndata: {event}\n\n"));
}

/// A comment, and the id to go on behind where nothing was told for a while: a client that comes again need not have the
/// same looked through again.
fn heartbeat_text(through: Position) -> String {
    format!(": heartbeat\nid: {through}\n\n")
}

/// Says at once where it begins, and how long to wait before coming again after a break.
fn hello_text(after: Position) -> String {
    format!(": events after {after}\nretry: 3000\n\n")
}
