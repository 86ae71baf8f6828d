//! What was signed: the stored checkpoints, and one that somebody kept. Signatures are checked here, under the name and
//! keys that the log had at that size; roots are compared where the tree is built.

use super::{Findings, Given, Kind, Scope, readable};
use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;
use crate::domain::log_keys::{LogKeySpan, LogKeys};
use crate::domain::time::Timestamp;
use crate::log::note::{Checkpoint, NoteError, Vkey};
use crate::log::signed_head::{SignedHead, read_checkpoints};
use crate::log::{DataDir, LogError};
use std::fmt;

/// A checkpoint that was read and not yet judged.
pub(super) struct Stored {
    pub head: SignedHead,
    origin: String,
    note: String,
    /// Where it was kept, if it is not the directory's own.
    pub given: Option<String>,
}

impl Stored {
    /// What is said of it, with where it is from.
    pub fn in_words(&self, what: impl fmt::Display) -> String {
        match &self.given {
            Some(from) => format!("{from}: {what}"),
            None => what.to_string(),
        }
    }
}

/// All checkpoints of a directory and those that were given, by size. What is no checkpoint is a finding at once.
pub(super) fn list(dir: &DataDir, given: Vec<Given>, findings: &mut Findings) -> Result<Vec<Stored>, LogError> {
    let rows = readable(read_checkpoints(dir))?.unwrap_or_else(|reason| {
        findings.add(None, Kind::Tree, format!("the checkpoints cannot be read: {reason}"));
        Vec::new()
    });
    let mut stored = Vec::with_capacity(rows.len());
    for (size, note) in rows {
        match read(note, None) {
            Some(checkpoint) if checkpoint.head.size == size => stored.push(checkpoint),
            _ => findings.add(size, Kind::Tree, "what is stored as the checkpoint of this size is none"),
        }
    }
    for Given { from, note } in given {
        let what = format!("{from} holds no checkpoint (C2SP tlog-checkpoint)");
        match read(note, Some(from)) {
            Some(checkpoint) => stored.push(checkpoint),
            None => findings.add(None, Kind::Tree, what),
        }
    }
    stored.sort_by_key(|stored| stored.head.size);
    Ok(stored)
}

/// The three lines before the first empty one; who signed them is looked at later.
fn read(note: String, given: Option<String>) -> Option<Stored> {
    let (body, _) = note.split_once("\n\n")?;
    let Checkpoint { origin, size, root } = Checkpoint::parse_body(&format!("{body}\n")).ok()?;
    Some(Stored { head: SignedHead { size: Position(size), root }, origin, note, given })
}

/// A log that has begun has the file of its signed head.
pub(super) fn look_for_head(dir: &DataDir, scope: &Scope, findings: &mut Findings) {
    if !scope.head.is_none() && !dir.head().exists() {
        findings.add(None, Kind::Tree, "head.db, which says what was signed, is missing");
    }
}

/// The names and keys that the log had, by its own records, and when the records that checkpoints end with were made.
pub(super) struct Names<'a> {
    keys: LogKeys,
    checkpoints: &'a [Stored],
    /// For each of the checkpoints, as far as its record was there.
    recorded_at: Vec<Option<Timestamp>>,
}

impl<'a> Names<'a> {
    pub fn new(checkpoints: &'a [Stored]) -> Self {
        Self { keys: LogKeys::default(), checkpoints, recorded_at: Vec::with_capacity(checkpoints.len()) }
    }

    /// Takes in a record, and checks that a name or key that it gives the log follows from what was before.
    pub fn take(&mut self, position: Position, header: &Header, event: &Event, findings: &mut Findings) {
        let current = self.keys.current().map(|span| (span.origin.as_str(), span.log_vkey.as_str()));
        match event {
            Event::LogContinued(e) => {
                if current != Some((e.old_origin.as_str(), e.old_vkey.as_str())) {
                    findings.add(position, Kind::Record, "the log continues one that it was not before");
                }
                if !e.lost_through.is_none() && e.lost_through < position {
                    findings.add(position, Kind::Record, "it says that records were lost which are here");
                }
            }
            Event::LogKeyRotated(e) => {
                if current.map(|(_, vkey)| vkey) != Some(e.old_vkey.as_str()) {
                    findings.add(position, Kind::Record, "it replaces a key that the log was not signed with");
                }
                if self.keys.had_key(&e.log_vkey) {
                    findings.add(position, Kind::Record, "its new key is one that the log had before");
                }
            }
            _ => {}
        }
        self.keys.take(position, event);
        self.note_time(position, header.recorded_at);
    }

    fn note_time(&mut self, position: Position, recorded_at: Timestamp) {
        while let Some(next) = self.checkpoints.get(self.recorded_at.len())
            && next.head.size <= position
        {
            self.recorded_at.push((next.head.size == position).then_some(recorded_at));
        }
    }

    /// Checks every signature with the keys of its time. A checkpoint of a name that the log had no longer at that size
    /// is a finding: the old log went on elsewhere, or the copy that was continued was behind it.
    pub fn check(&self, log_ends: Position, findings: &mut Findings) {
        for (index, stored) in self.checkpoints.iter().enumerate() {
            let recorded_at = self.recorded_at.get(index).copied().flatten();
            if let Some(what) = self.fault(stored, recorded_at, log_ends) {
                findings.add(stored.head.size, Kind::Tree, stored.in_words(what));
            }
        }
    }

    fn fault(&self, stored: &Stored, recorded_at: Option<Timestamp>, log_ends: Position) -> Option<String> {
        let Stored { head, origin, .. } = stored;
        let Some((from, until)) = self.keys.sizes_of(origin) else {
            return Some(format!("the checkpoint at size {} is of another log, {origin:?}", head.size));
        };
        if head.size < from {
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
        let signers = self.keys.signers(head.size, recorded_at?);
        let error = signature_fault(stored, &signers)?;
        Some(format!("the checkpoint at size {} does not verify: {error}", head.size))
    }
}

/// A stored checkpoint has the signatures of all keys of its time; of one that somebody kept one is enough, because who
/// keeps it may leave out the others. A wrong one is a fault in any case. A log that names no key lets nobody check.
fn signature_fault(stored: &Stored, signers: &[&LogKeySpan]) -> Option<String> {
    let mut has_signed = signers.is_empty();
    for span in signers {
        let Ok(vkey) = span.log_vkey.parse::<Vkey>() else { return None };
        match Checkpoint::verify(&stored.note, &vkey) {
            Ok(_) => has_signed = true,
            Err(NoteError::NotSigned) if stored.given.is_some() => {}
            Err(error) => return Some(format!("{error} ({})", span.log_vkey)),
        }
    }
    (!has_signed).then(|| NoteError::NotSigned.to_string())
}
