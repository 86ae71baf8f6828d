//! One stream on its way: reads what the log got, judges its reader, sends, and at the end says why it ended.
//!
//! What is sent waits in a queue of one part; while it is full nothing is read, so a slow reader costs a slot and no room.

use super::{Streams, Wish, event_text, heartbeat_text, hello_text};
use crate::audit::archives::Archives;
use crate::audit::history::{self, Events, Page};
use crate::domain::command::ClosedStream;
use crate::domain::decide::may_look;
use crate::domain::event::ManagementOperation;
use crate::domain::history_read::StreamEnd;
use crate::domain::ids::Position;
use crate::domain::token::Owner;
use crate::http::entry::Asked;
use crate::http::history_reads::Reader;
use crate::http::{App, on_a_thread};
use crate::ledger::{Ledger, LogError};
use bytes::Bytes;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// Events read at a time.
const EVENTS_A_PAGE: usize = 100;
/// A part that is sent ends with the event that reaches this.
const PART_BYTES: usize = 64 * 1024;

pub(super) struct Pump {
    ledger: Ledger,
    archives: Archives,
    streams: Arc<Streams>,
    reader: Reader,
    peer: IpAddr,
    wish: Wish,
    /// Position of the record that says it was opened; none where nothing could be recorded.
    opened: Option<Position>,
    sender: mpsc::Sender<Bytes>,
    closing: watch::Receiver<bool>,
    head: watch::Receiver<u64>,
    /// The last position looked at.
    through: Position,
    /// The last id that was sent.
    told: Position,
    sent: u64,
}

/// Goes on, or ends for a reason.
type Step = Result<(), StreamEnd>;

impl Pump {
    pub(super) fn new(
        app: &App,
        asked: &Asked,
        reader: Reader,
        wish: Wish,
        opened: Option<Position>,
        sender: mpsc::Sender<Bytes>,
    ) -> Self {
        let (streams, ledger) = (Arc::clone(&app.streams), app.ledger.clone());
        let (closing, head) = (streams.closing.subscribe(), ledger.follow());
        let (through, told) = (wish.after, wish.after);
        Self {
            ledger,
            archives: app.archives.clone(),
            streams,
            reader,
            peer: asked.peer(),
            wish,
            opened,
            sender,
            closing,
            head,
            through,
            told,
            sent: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let end = match self.pump().await {
            Ok(()) => StreamEnd::Complete,
            Err(end) => end,
        };
        let Some(opened) = self.opened else { return };
        let (token, through, sent) = (self.reader.token, self.through, self.sent);
        // The queue's other side is still there, so that an orderly end waits for the record.
        self.ledger.close_stream(ClosedStream { token, opened, through, sent, end }).await;
    }

    /// Until the part that was asked for is told.
    async fn pump(&mut self) -> Step {
        self.send(hello_text(self.wish.after)).await?;
        while self.wish.before.is_none_or(|before| self.through.next() < before) {
            if Position(*self.head.borrow_and_update()) > self.through {
                self.tell().await?;
            } else {
                self.wait().await?;
            }
        }
        self.tell_place().await
    }

    /// The next events. Whoever reads is judged after they are read: a token's end that is among them, or before them,
    /// counts.
    async fn tell(&mut self) -> Step {
        let events = self.read().await.map_err(|error| {
            tracing::error!(%error, "a stream could not read the log");
            StreamEnd::LogUnreadable
        })?;
        self.judge().await?;
        let mut part = String::new();
        for event in &events.events {
            let position = event["position"].as_u64().unwrap_or_default();
            event_text(&mut part, position, event);
            (self.told, self.through) = (Position(position), Position(position));
            self.sent += 1;
            if part.len() >= PART_BYTES {
                self.send(std::mem::take(&mut part)).await?;
            }
        }
        self.through = self.through.max(events.next.unwrap_or_else(|| self.last_of(events.head)));
        if part.is_empty() { Ok(()) } else { self.send(part).await }
    }

    /// The last position of what was asked for that a log with this head has.
    fn last_of(&self, head: Position) -> Position {
        self.wish.before.map_or(head, |before| head.min(Position(before.0.saturating_sub(1))))
    }

    async fn read(&self) -> Result<Events, LogError> {
        // Those that catch up take turns. The semaphore is never closed.
        let _turn = self.streams.reads.acquire().await;
        let page = Page { after: self.through, before: self.wish.before, descending: false, limit: EVENTS_A_PAGE };
        let filter = self.wish.filter.clone();
        let (archives, sources) = (self.archives.clone(), self.ledger.sources().await);
        on_a_thread(move || archives.with(sources, |archive| history::page(archive, &filter, &page))).await
    }

    async fn judge(&self) -> Step {
        let (actor, peer) = (self.reader.actor, Some(self.peer));
        let wanted = (ManagementOperation::ReadEvents, Owner::Service);
        let may = self.ledger.view_with_digests(|view, digests| {
            may_look(&view.projections.state, digests, actor, wanted, (view.now, peer)).is_ok()
        });
        if may.await { Ok(()) } else { Err(StreamEnd::TokenEnded) }
    }

    /// Until the log grows, or something is to be sent all the same.
    async fn wait(&mut self) -> Step {
        let through = self.through.0;
        let grown = tokio::select! {
            grown = self.head.wait_for(|&head| head > through) => grown.is_ok(),
            () = sleep(self.streams.limits.heartbeat) => true,
            () = self.sender.closed() => return Err(StreamEnd::ReaderLeft),
            _ = self.closing.wait_for(|closing| *closing) => return Err(StreamEnd::ServiceStopped),
        };
        if !grown {
            return Err(StreamEnd::ServiceStopped);
        }
        if Position(*self.head.borrow()) > self.through {
            return Ok(());
        }
        self.judge().await?;
        self.send(heartbeat_text(self.through)).await
    }

    /// Where nothing was told of the last that was looked at, its place.
    async fn tell_place(&mut self) -> Step {
        if self.told < self.through { self.send(heartbeat_text(self.through)).await } else { Ok(()) }
    }

    async fn send(&mut self, part: String) -> Step {
        tokio::select! {
            sent = timeout(self.streams.limits.slow_max, self.sender.send(Bytes::from(part))) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(StreamEnd::ReaderLeft),
                Err(_) => Err(StreamEnd::TooSlow),
            },
            _ = self.closing.wait_for(|closing| *closing) => Err(StreamEnd::ServiceStopped),
        }
    }
}
