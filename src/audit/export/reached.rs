//! What an export knows of itself, so that a further run goes on behind it, and not behind another log's or a fork's.

use super::{ExportError, Selection};
use crate::audit::archive::Archive;
use crate::domain::ids::Position;
use crate::domain::log_keys::LogKeys;
use crate::log::LogError;
use crate::projections::keys::Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::ops::ControlFlow;
use std::path::Path;

/// How far an export has come, of which log, and what of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reached {
    /// Name of the log.
    pub origin: String,
    /// Verifier key of the log.
    pub log_vkey: String,
    /// The last position in it.
    pub position: Position,
    /// Root of the tree over all records up to there (base64).
    pub root_hash: String,
    /// What was selected.
    pub selection: Selection,
}

impl Reached {
    /// What an export up to a position will say of itself.
    pub fn at(archive: &Archive, position: Position, selection: Selection) -> Result<Self, LogError> {
        let keys = log_keys(archive, position)?;
        let current = keys.current();
        Ok(Self {
            origin: current.map(|span| span.origin.clone()).unwrap_or_default(),
            log_vkey: current.map(|span| span.log_vkey.clone()).unwrap_or_default(),
            position,
            root_hash: STANDARD.encode(archive.root_at(position)?),
            selection,
        })
    }

    /// Whether a log goes on from here, and this is a part of the same selection.
    pub fn check(&self, archive: &Archive, selection: &Selection, path: &Path) -> Result<(), ExportError> {
        if self.selection != *selection {
            return Err(ExportError::target(path, "it holds another selection of the log"));
        }
        let keys = log_keys(archive, archive.head())?;
        if !keys.had_origin(&self.origin) {
            let name = keys.current().map(|span| span.origin.as_str()).unwrap_or_default();
            return Err(ExportError::target(path, format!("it is of the log {}, and this one is {name}", self.origin)));
        }
        if self.position > archive.head() {
            let (ends, held) = (archive.head(), self.position);
            let what = format!("it ends at position {held}, and the log at {ends}: the log is an older copy");
            return Err(ExportError::target(path, what));
        }
        if STANDARD.encode(archive.root_at(self.position)?) != self.root_hash {
            let what =
                format!("up to position {} it has another history than this log: one of them is a fork", self.position);
            return Err(ExportError::target(path, what));
        }
        Ok(())
    }
}

/// Names and keys that the log had up to a position.
fn log_keys(archive: &Archive, through: Position) -> Result<LogKeys, LogError> {
    let mut keys = LogKeys::default();
    archive.visit(&[Key::Service], (Position::NONE, through), &mut |position, _, event| {
        keys.take(position, event);
        ControlFlow::Continue(())
    })?;
    Ok(keys)
}
