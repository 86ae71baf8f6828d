//! What was signed: the stored checkpoints, and one that somebody kept. Signatures are checked here, under the name and
//! key that the log had at that size; roots are compared where the tree is built.

use super::{Findings, Kind, Scope, readable};
use crate::domain::event::Event;
use crate::domain::ids::Position;
use crate::log::note::{Checkpoint, Vkey};
use crate::log::signed_head::{SignedHead, read_checkpoints};
use crate::log::{DataDir, LogError};

/// A checkpoint that was read and not yet judged.
pub(super) struct Stored {
    pub head: SignedHead,
    origin: String,
    note: String,
}

/// All checkpoints of a directory and the one that was given, by size. What is no checkpoint is a finding at once.
pub(super) fn list(dir: &DataDir, given: Option<String>, findings: &mut Findings) -> Result<Vec<Stored>, LogError> {
    let rows = readable(read_checkpoints(dir))?.unwrap_or_else(|reason| {
        findings.add(None, Kind::Tree, format!("the checkpoints cannot be read: {reason}"));
        Vec::new()
    });
    let mut stored = Vec::with_capacity(rows.len());
    for (size, note) in rows {
        match read(note) {
            Some(checkpoint) if checkpoint.head.size == size => stored.push(checkpoint),
            _ => findings.add(size, Kind::Tree, "what is stored as the checkpoint of this size is none"),
        }
    }
    match given.map(read) {
        Some(Some(checkpoint)) => stored.push(checkpoint),
        Some(None) => findings.add(None, Kind::Tree, "the checkpoint that was given is none (C2SP tlog-checkpoint)"),
        None => {}
    }
    stored.sort_by_key(|stored| stored.head.size);
    Ok(stored)
}

/// The three lines before the first empty one; who signed them is looked at later.
fn read(note: String) -> Option<Stored> {
    let (body, _) = note.split_once("\n\n")?;
    let Checkpoint { origin, size, root } = Checkpoint::parse_body(&format!("{body}\n")).ok()?;
    Some(Stored { head: SignedHead { size: Position(size), root }, origin, note })
}

/// A log that has begun has the file of its signed head.
pub(super) fn look_for_head(dir: &DataDir, scope: &Scope, findings: &mut Findings) {
    if !scope.head.is_none() && !dir.head().exists() {
        findings.add(None, Kind::Tree, "head.db, which says what was signed, is missing");
    }
}

/// The names and keys that the log had, by its own records, each with the position from which on.
#[derive(Default)]
pub(super) struct Names {
    had: Vec<(Position, String, String)>,
}

impl Names {
    /// Takes in a record that gives the log its name, and checks that it follows from what was before.
    pub fn take(&mut self, position: Position, event: &Event, findings: &mut Findings) {
        match event {
            Event::LedgerInitialized(e) => self.had.push((position, e.origin.clone(), e.log_vkey.clone())),
            Event::LogContinued(e) => {
                let before = self.had.last().map(|(_, origin, vkey)| (origin.as_str(), vkey.as_str()));
                if before != Some((e.old_origin.as_str(), e.old_vkey.as_str())) {
                    findings.add(position, Kind::Record, "the log continues one that it was not before");
                }
                if !e.lost_through.is_none() && e.lost_through < position {
                    findings.add(position, Kind::Record, "it says that records were lost which are here");
                }
                self.had.push((position, e.origin.clone(), e.log_vkey.clone()));
            }
            _ => {}
        }
    }

    /// Checks every signature. A checkpoint of a name that the log had no longer at that size is a finding: the old
    /// log went on elsewhere, or the copy that was continued was behind it.
    pub fn check(&self, scope: &Scope, findings: &mut Findings) {
        let keys: Vec<Option<Vkey>> = self.had.iter().map(|(_, _, vkey)| vkey.parse().ok()).collect();
        for stored in &scope.checkpoints {
            if let Some(what) = self.fault(stored, &keys, scope.head) {
                findings.add(stored.head.size, Kind::Tree, what);
            }
        }
    }

    fn fault(&self, stored: &Stored, keys: &[Option<Vkey>], log_ends: Position) -> Option<String> {
        let Stored { head, origin, note } = stored;
        let Some(at) = self.had.iter().position(|(_, name, _)| name == origin) else {
            return Some(format!("the checkpoint at size {} is of another log, {origin:?}", head.size));
        };
        let until = self.had.get(at + 1).map(|(position, ..)| *position);
        if head.size < self.had[at].0 {
            return Some(format!("at size {} the log was not called {origin:?} yet", head.size));
        }
        if let Some(until) = until.filter(|until| head.size >= *until) {
            return Some(format!(
                "at size {} the log was no longer {origin:?}: position {until} continues it",
                head.size
            ));
        }
        if head.size > log_ends {
            return Some(format!("the log ends at {log_ends}, but {} was signed: this is an older copy", head.size));
        }
        // A log that names no key lets nobody check what it signs.
        let key = keys[at].as_ref()?;
        let error = Checkpoint::verify(note, key).err()?;
        Some(format!("the checkpoint at size {} does not verify: {error}", head.size))
    }
}
