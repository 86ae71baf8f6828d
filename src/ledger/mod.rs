//! The one writer, the projector, and the handle that everything else holds.
//!
//! Owns: the bounded queue, group commit, answers after the commit, the projector thread and the published read
//! state. Refuses to know: HTTP, and anything of SQLite.
//!
//! Four threads: the *writer* owns the write connection and the decision state, and only it decides; the *projector*
//! folds what the writer committed into the read models and takes snapshots; the *signer* signs checkpoints of what
//! is durable; the *keeper* looks how much room the disk has. With an anchor a fifth keeps that.

pub mod anchor;
mod callers;
mod clock_watch;
mod condition;
pub mod continuation;
pub mod core;
mod handle;
mod history;
mod index_store;
pub mod initialize;
mod keeper;
mod outage;
mod projector;
mod queue;
pub mod rotation;
mod sealer;
mod signer;
mod sources;
mod trial;
mod unrecorded_reads;
mod views_store;
mod writer;

pub use condition::{ClockState, Health, Readiness, Step, Unavailable};
pub use handle::{Ledger, OpenLedger, Settings, View};
pub use signer::sign_head;
pub use sources::Sources;
pub use unrecorded_reads::{Looked, Opened, UNRECORDED_SHAPES_MAX};
pub use writer::Counters;

// Rooms above read log and history through these, and never name the rooms these are from.
pub use crate::log::personal::TextReader;
pub use crate::log::reader::LogReader;
pub use crate::log::space::{BALLAST_BYTES, LOW_WATER_BYTES, Space};
pub use crate::log::writer::AppendError;
pub use crate::log::{DataDir, LogError};
pub use crate::projections::history::{ClosedWindow, HourKey, HourUse};
pub use crate::projections::index::{SEGMENT_EVENTS, SEGMENT_EVENTS_ALLOWED};

use crate::domain::decide::Answer;
use crate::domain::ids::Position;

/// What a caller of the writer gets once its command is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The decision's answer.
    pub answer: Answer,
    /// Position of the command's last record, the receipt; none if it made no record.
    pub position: Option<Position>,
}
