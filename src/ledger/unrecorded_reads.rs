//! Looks at history while nothing can be recorded. They are answered all the same, since that is when somebody has to look;
//! counted here, and recorded by the writer as soon as it records again. Lost when the process is killed: the next
//! `RecordingStarted` says that the run before did not end in order.

use super::Reply;
use super::handle::{Ledger, Shared};
use crate::domain::command::{Actor, Change, ClosedStream, Command, Origin, UnrecordedReads};
use crate::domain::decide::Answer;
use crate::domain::history_read::{CountedReads, HistoryQuery, ReadShape};
use crate::domain::ids::{Position, TokenId};
use crate::domain::time::Timestamp;
use crate::domain::token::{Principal, Token};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// Different readers and shapes that are counted apart; what is more is counted as one, of no reader.
pub const UNRECORDED_SHAPES_MAX: usize = 1_000;
/// The question of looks that are counted as one.
const MANY: &str = "many";

type Counts = BTreeMap<(TokenId, ReadShape), UnrecordedReads>;

/// What is to be recorded of looks that went unrecorded.
#[derive(Debug, Default)]
pub(super) struct Unrecorded {
    /// Whether there is anything, so that the writer need not take the lock to know.
    is_any: AtomicBool,
    inner: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    counts: Counts,
    /// At most as many as streams can be open: those opened meanwhile are counted as looks, and leave no end.
    closed: Vec<ClosedStream>,
}

impl Unrecorded {
    fn count(&self, token: TokenId, asked: &HistoryQuery, at: Timestamp) {
        let mut waiting = self.inner.lock();
        let counts = &mut waiting.counts;
        let key = (token, asked.shape.clone());
        let is_full = counts.len() >= UNRECORDED_SHAPES_MAX && !counts.contains_key(&key);
        let (key, asked) = match is_full {
            false => (key, asked.clone()),
            true => ((TokenId::NONE, ReadShape::of(MANY)), HistoryQuery::of(MANY, asked.through)),
        };
        let row = counts.entry(key.clone()).or_insert_with(|| UnrecordedReads {
            token: key.0,
            asked: asked.clone(),
            counted: CountedReads { reads: 0, first: at, last: at },
        });
        row.counted.reads += 1;
        row.counted.last = row.counted.last.max(at);
        row.asked.through = row.asked.through.max(asked.through);
        drop(waiting);
        self.is_any.store(true, Ordering::Release);
    }

    fn keep_closed(&self, closed: ClosedStream) {
        self.inner.lock().closed.push(closed);
        self.is_any.store(true, Ordering::Release);
    }

    /// What is to be recorded now; nothing, at the price of one load, where nothing waits.
    pub fn to_record(&self) -> Vec<Change> {
        if !self.is_any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let waiting = self.inner.lock();
        let counts: Vec<UnrecordedReads> = waiting.counts.values().cloned().collect();
        let counted = (!counts.is_empty()).then_some(Change::CountReads(counts));
        counted.into_iter().chain(waiting.closed.iter().copied().map(Change::CloseStream)).collect()
    }

    /// It is in the log. What came in meanwhile goes on waiting.
    pub fn recorded(&self, change: &Change) {
        let mut waiting = self.inner.lock();
        match change {
            Change::CountReads(recorded) => recorded.iter().for_each(|row| subtract(&mut waiting.counts, row)),
            Change::CloseStream(closed) => waiting.closed.retain(|other| other != closed),
            _ => {}
        }
        let is_any = !waiting.counts.is_empty() || !waiting.closed.is_empty();
        self.is_any.store(is_any, Ordering::Release);
    }
}

fn subtract(counts: &mut Counts, recorded: &UnrecordedReads) {
    let key = (recorded.token, recorded.asked.shape.clone());
    let Some(row) = counts.get_mut(&key) else { return };
    row.counted.reads = row.counted.reads.saturating_sub(recorded.counted.reads);
    row.counted.first = recorded.counted.last;
    if row.counted.reads == 0 {
        counts.remove(&key);
    }
}

/// What became of a look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Looked {
    /// It is in the log, now or since earlier in the minute.
    Recorded,
    /// Nothing can be recorded now: it is counted.
    Counted,
    /// The token may not, any more.
    Refused(Box<Reply>),
}

/// Whether a command is a look at history: what is not recorded of it is counted by itself, not as turned away.
pub(super) fn is_look(command: &Command) -> bool {
    matches!(command, Command::Manage(_, change) if matches!(**change, Change::ReadHistory(_) | Change::OpenStream(_) | Change::CloseStream(_)))
}

/// What became of the opening of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opened {
    /// It is in the log, here.
    Recorded(Position),
    /// Nothing can be recorded now: it is counted as a look.
    Counted,
    /// The token may not, any more.
    Refused(Box<Reply>),
}

impl Shared {
    fn count_look(&self, token: TokenId, asked: &HistoryQuery, at: Timestamp) -> Looked {
        self.unrecorded.count(token, asked, at);
        Looked::Counted
    }
}

impl Ledger {
    /// Records that whoever shows this looks at history, unless that is in this minute's records. In an outage
    /// it is counted, to be recorded afterwards. The answer may go out once this returns.
    pub async fn read_history(&self, (actor, token): (Actor, TokenId), asked: HistoryQuery, origin: Origin) -> Looked {
        let is_due = self.view(|view| {
            let state = &view.projections.state;
            let principal = state.token(token).map_or(Principal::Staff(token), Token::principal);
            state.history_reads.due(principal, view.now, &asked.shape).is_some()
        });
        if !is_due.await {
            return Looked::Recorded;
        }
        let change = Change::ReadHistory(Box::new(asked.clone()));
        match self.submit(Command::Manage(actor, Box::new(change)), origin).await {
            Ok(reply) => looked(reply),
            Err(_) => self.shared.count_look(token, &asked, self.clock.now()),
        }
    }
}

impl Ledger {
    /// Records that whoever shows this follows the log from here on. In an outage that is counted as a look.
    pub async fn open_stream(&self, (actor, token): (Actor, TokenId), asked: HistoryQuery, origin: Origin) -> Opened {
        let change = Change::OpenStream(Box::new(asked.clone()));
        match self.submit(Command::Manage(actor, Box::new(change)), origin).await {
            Ok(reply) => match reply.position {
                Some(position) if !matches!(reply.answer, Answer::Rejected(_)) => Opened::Recorded(position),
                _ => Opened::Refused(Box::new(reply)),
            },
            Err(_) => {
                self.shared.count_look(token, &asked, self.clock.now());
                Opened::Counted
            }
        }
    }

    /// Records that a stream has ended. In an outage it is kept for afterwards.
    pub async fn close_stream(&self, closed: ClosedStream) {
        let command = Command::Manage(Actor::Init, Box::new(Change::CloseStream(closed)));
        if self.submit(command, Origin::default()).await.is_err() {
            self.shared.unrecorded.keep_closed(closed);
        }
    }

    /// The last position that the read models show, as it grows.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.shared.follow_folded()
    }
}

fn looked(reply: Reply) -> Looked {
    match reply.answer {
        Answer::Rejected(_) => Looked::Refused(Box::new(reply)),
        _ => Looked::Recorded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn asked(token: u64) -> HistoryQuery {
        HistoryQuery::of("token_usage", Position(token)).about_token(TokenId(token))
    }

    fn counts(unrecorded: &Unrecorded) -> Vec<(TokenId, String, u64)> {
        let rows = unrecorded.to_record().into_iter().filter_map(|change| match change {
            Change::CountReads(rows) => Some(rows),
            _ => None,
        });
        rows.flatten().map(|row| (row.token, row.asked.shape.question, row.counted.reads)).collect()
    }

    #[test]
    fn looks_are_counted_by_reader_and_shape_and_what_comes_meanwhile_waits_on() {
        let unrecorded = Unrecorded::default();
        assert_eq!(unrecorded.to_record().len(), 0);
        for (token, seconds) in [(7, 1), (7, 5), (8, 6)] {
            unrecorded.count(TokenId(1), &asked(token), at(seconds));
        }
        let recorded = unrecorded.to_record();
        let one = |token, reads, first, last| UnrecordedReads {
            token: TokenId(1),
            asked: asked(token),
            counted: CountedReads { reads, first: at(first), last: at(last) },
        };
        assert!(matches!(&recorded[..], [Change::CountReads(rows)] if rows[..] == [one(7, 2, 1, 5), one(8, 1, 6, 6)]));
        unrecorded.count(TokenId(1), &asked(7), at(9));
        unrecorded.recorded(&recorded[0]);
        assert_eq!(counts(&unrecorded), [(TokenId(1), "token_usage".to_owned(), 1)]);
        unrecorded.recorded(&unrecorded.to_record()[0]);
        assert_eq!(unrecorded.to_record().len(), 0);
    }

    #[test]
    fn past_a_thousand_shapes_they_are_counted_as_one() {
        let unrecorded = Unrecorded::default();
        for token in 1..=UNRECORDED_SHAPES_MAX as u64 + 5 {
            unrecorded.count(TokenId(1), &asked(token), at(token));
        }
        let counts = counts(&unrecorded);
        assert_eq!(counts.len(), UNRECORDED_SHAPES_MAX + 1);
        assert_eq!(counts.first(), Some(&(TokenId::NONE, MANY.to_owned(), 5)));
    }
}
