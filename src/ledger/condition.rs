//! How the ledger is, and why a command was not carried out: in words for those who ask.

use crate::domain::time::{MICROS_PER_SECOND, Timestamp};
use crate::log::space::Space;
use thiserror::Error;

/// Why a command was not carried out: at most once, and the caller may try again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Unavailable {
    /// The queue to the writer is full.
    #[error("too many requests are waiting to be recorded")]
    Busy,
    /// The log cannot be written now.
    #[error("nothing can be recorded at the moment")]
    NotRecording,
    /// There is too little room. Commands that only take something away are still carried out.
    #[error("the disk is nearly full: only deletions and narrower accesses can be recorded at the moment")]
    DiskFull,
    /// The wall clock is behind the log. Commands that only take something away are still carried out.
    #[error("the clock is behind the log: only deletions and narrower accesses can be recorded at the moment")]
    ClockBehind,
}

impl Unavailable {
    /// Seconds after which it is worth another try.
    pub fn retry_seconds(self) -> u64 {
        match self {
            Self::Busy | Self::NotRecording => 1,
            Self::DiskFull | Self::ClockBehind => 5,
        }
    }
}

/// How the last batch went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// Records.
    Recording,
    /// The last batch could not be recorded; it is tried again with the next.
    Impaired(String),
    /// It is not known what is in the file: the process must end, and a new start look.
    Failed(String),
}

/// A step of the wall clock that is not followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// How far the wall clock is from the time that records are given, in microseconds; negative if behind.
    pub by: i64,
    /// When it was first seen, in the time that records are given.
    pub seen_at: Timestamp,
}

/// What the writer thinks of the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClockState {
    /// A step that is not followed.
    pub step: Option<Step>,
    /// The start found the wall clock behind the log, and it still is.
    pub is_behind: bool,
}

/// Whether the ledger can do all of its work.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Readiness {
    /// Why not; none: it can.
    pub refusals: Vec<String>,
    /// What somebody should look at all the same.
    pub warnings: Vec<String>,
}

impl Readiness {
    pub(super) fn note_health(&mut self, health: &Health) {
        match health {
            Health::Recording => {}
            Health::Impaired(reason) | Health::Failed(reason) => self.refusals.push(reason.clone()),
        }
    }

    pub(super) fn note_space(&mut self, space: &Space) {
        if space.is_low() {
            self.refusals.push(format!(
                "the disk is nearly full: {} MiB are free; uses and creations are refused until {} MiB are, deletions and \
                 narrower accesses are recorded",
                space.free() >> 20,
                space.enough() >> 20
            ));
        }
    }

    pub(super) fn note_clock(&mut self, state: ClockState, now: Timestamp, last_recorded_at: Timestamp) {
        let behind = last_recorded_at.micros_since(now) / MICROS_PER_SECOND.cast_signed();
        if state.is_behind {
            self.refusals.push(format!(
                "the clock is {behind} s behind the last record; set it right, or accept it (POST /v1/clock/accept)"
            ));
        } else if behind > 0 {
            self.warnings.push(format!("times of records stand still for {behind} s, until the clock has caught up"));
        }
        if let Some(step) = state.step {
            self.warnings.push(format!(
                "the wall clock is off by {} s since {}; it is followed when that has lasted 10 minutes or is accepted (POST \
                 /v1/clock/accept)",
                step.by / MICROS_PER_SECOND.cast_signed(),
                step.seen_at.to_seconds_text()
            ));
        }
    }
}
