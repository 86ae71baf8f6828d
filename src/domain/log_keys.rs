//! Names and keys that a log signs with, and from where to where in it: which key vouches for a checkpoint of some
//! size is answered here and nowhere else. The log itself says it, so anybody who has the log can tell.

use super::event::Event;
use super::ids::Position;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Longest time that a key which was replaced goes on signing: a year and a day.
pub const OVERLAP_SECONDS_MAX: u64 = 366 * 24 * 60 * 60;

/// How long it does where nobody says: an auditor who looks every quarter misses no change.
pub const OVERLAP_SECONDS_DEFAULT: u64 = 90 * 24 * 60 * 60;

/// Keys that sign at the same time at most. Each is a line of every checkpoint.
pub const KEYS_AT_ONCE_MAX: usize = 8;

/// One verifier key under one name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogKeySpan {
    /// Position of the record that names it. Checkpoints of this size and later are signed with it.
    pub from: Position,
    /// The log's name then: its C2SP origin.
    pub origin: String,
    /// Verifier key (C2SP signed-note).
    pub log_vkey: String,
    /// Until when it goes on signing beside the keys after it; none where none came after it under its name.
    pub signs_until: Option<Timestamp>,
}

/// All keys that a log had, oldest first. None is ever taken away: what was signed with them stays signed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LogKeys(Vec<LogKeySpan>);

impl LogKeys {
    /// Takes in an event at its position; what is not about names and keys is passed over.
    pub fn take(&mut self, position: Position, event: &Event) {
        let (origin, log_vkey) = match event {
            Event::LedgerInitialized(e) => (e.origin.clone(), e.log_vkey.clone()),
            Event::LogContinued(e) => (e.origin.clone(), e.log_vkey.clone()),
            Event::LogKeyRotated(e) => {
                let Some(replaced) = self.0.last_mut() else { return };
                replaced.signs_until = Some(e.signs_until);
                (replaced.origin.clone(), e.log_vkey.clone())
            }
            _ => return,
        };
        self.0.push(LogKeySpan { from: position, origin, log_vkey, signs_until: None });
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &LogKeySpan> {
        self.0.iter()
    }

    /// The key that is used today; none before the log's first record.
    pub fn current(&self) -> Option<&LogKeySpan> {
        self.0.last()
    }

    /// The keys that sign a checkpoint whose last record is at `size` and was recorded at `recorded_at`: the newest one
    /// first, then those it replaced that have not ended yet.
    pub fn signers(&self, size: Position, recorded_at: Timestamp) -> Vec<&LogKeySpan> {
        let known = &self.0[..self.0.partition_point(|span| span.from <= size)];
        let Some((newest, before)) = known.split_last() else { return Vec::new() };
        let overlaps = |span: &&LogKeySpan| {
            span.origin == newest.origin && span.signs_until.is_some_and(|until| recorded_at < until)
        };
        std::iter::once(newest).chain(before.iter().rev().filter(overlaps)).collect()
    }

    /// Sizes at which the log had this name: the first, and the first at which it had it no longer.
    pub fn sizes_of(&self, origin: &str) -> Option<(Position, Option<Position>)> {
        let first = self.0.iter().position(|span| span.origin == origin)?;
        let after = self.0[first..].iter().find(|span| span.origin != origin);
        Some((self.0[first].from, after.map(|span| span.from)))
    }

    /// Whether the log ever had this name.
    pub fn had_origin(&self, origin: &str) -> bool {
        self.0.iter().any(|span| span.origin == origin)
    }

    /// Whether the log ever had this key.
    pub fn had_key(&self, log_vkey: &str) -> bool {
        self.0.iter().any(|span| span.log_vkey == log_vkey)
    }
}
