//! The log, or a part of it, for other programs: lines of canonical JSON or CSV, and a relational file. (As tiles it is in
//! [`export_tiles`](super::export_tiles).)
//!
//! All of them stream: what is held in memory does not grow with the log's length. A further run can go on where the last one
//! ended: [`reached`] is what an export knows of itself for that. Files have their name when they are whole, or not at all.

pub mod canonical;
pub mod file;
pub mod lines;
pub mod reached;
pub mod selection;
pub mod sqlite;

use crate::domain::ids::Position;
use crate::log::LogError;
use crate::log::merkle::Hash;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

pub use selection::Selection;

/// Why an export ended before its end. What was written by then is no export.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// The file is no place for this export.
    #[error("{path}: {what}; nothing was written")]
    Target {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl ExportError {
    fn target(path: &Path, what: impl Into<String>) -> Self {
        Self::Target { path: path.to_owned(), what: what.into() }
    }

    fn io(path: &Path, source: io::Error) -> Self {
        Self::Log(LogError::Io { path: path.to_owned(), source })
    }
}

/// What was exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exported {
    /// Events written by this run.
    pub events: u64,
    /// The position that it began after.
    pub after: Position,
    /// The last position looked at.
    pub through: Position,
    /// Root of the tree over all records up to there.
    pub root: Hash,
}
