//! The anchor: the last published checkpoint in a file outside the data directory.
//!
//! Whoever puts an older copy of the whole directory back, signed head included, leaves nothing in it that could tell.
//! The anchor tells: at a start the log must have grown out of what it says. Keep it where the directory's owner cannot
//! write, or at least where its backups are not restored to.
//!
//! A thread of its own keeps it, because the place may be slow or away. An anchor that cannot be written is a warning of
//! readiness and a line in the service's log, and never stops the service: the one that is there stays true, only older.

use crate::domain::ids::Position;
use crate::domain::log_keys::LogKeys;
use crate::domain::time::Timestamp;
use crate::log::codec;
use crate::log::note::{Checkpoint, Vkey};
use crate::log::reader::LogReader;
use crate::log::signed_head::root_at;
use crate::log::{DataDir, LogError};
use crate::projections::rebuild;
use parking_lot::{Condvar, Mutex};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two tries to write one that could not be written.
const PERIOD: Duration = Duration::from_secs(1);
/// How long an orderly end waits for the last one to be written.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// An anchor that a log was held against.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anchor {
    path: PathBuf,
    /// What was in it; none before its first checkpoint.
    found: Option<String>,
}

impl Anchor {
    /// Reads an anchor and holds the log of a directory against it: one that is shorter, or does not begin with what was
    /// signed, is refused, and so is an anchor of another log. Changes nothing.
    pub fn check(dir: &DataDir, path: &Path) -> Result<Self, LogError> {
        refuse_inside(dir, path)?;
        let found = read(path)?;
        let anchor = Self { path: path.to_owned(), found };
        let Some(note) = &anchor.found else {
            tracing::warn!(path = %path.display(), "there is no anchor yet: an older copy of the log would not be noticed");
            return Ok(anchor);
        };
        let said = parse(note).ok_or_else(|| anchor.refuse("it holds no checkpoint (C2SP tlog-checkpoint)"))?;
        let log = LogReader::open(dir)?;
        let (head, keys) = (log.head()?, rebuild::load(dir)?.projections.state.log_keys);
        anchor.check_name(&said, &keys)?;
        let size = Position(said.size);
        if head < size {
            return Err(anchor.refuse(format!(
                "position {size} was published, but the log ends at {head}: an older copy took its place. Put the newer \
                 ledger.db back; if it is lost, go on as another log (`token-ledger restore --new-log`) with an anchor of its own"
            )));
        }
        if root_at(&log, size)? != said.root {
            return Err(anchor.refuse(format!(
                "the log's records up to position {size} are not the ones that were published: a fork, or it was altered"
            )));
        }
        anchor.check_signature(&said, note, &keys, recorded_at(&log, size)?)?;
        Ok(anchor)
    }

    fn refuse(&self, what: impl Into<String>) -> LogError {
        LogError::BadFile { path: self.path.clone(), what: format!("the anchor and the log differ: {}", what.into()) }
    }

    /// A checkpoint of a name that the log had no longer at that size is of a log that went on elsewhere.
    fn check_name(&self, said: &Checkpoint, keys: &LogKeys) -> Result<(), LogError> {
        let size = Position(said.size);
        let Some((from, until)) = keys.sizes_of(&said.origin) else {
            return Err(self.refuse(format!("it is the anchor of another log, {:?}", said.origin)));
        };
        if size < from {
            return Err(self.refuse(format!("at size {size} the log was not called {:?} yet", said.origin)));
        }
        match until.filter(|until| size >= *until) {
            None => Ok(()),
            Some(until) => Err(self.refuse(format!(
                "it is of size {size} of {:?}, which this log continues from position {until} on without what came then: \
                 give the new log an anchor of its own",
                said.origin
            ))),
        }
    }

    fn check_signature(
        &self,
        said: &Checkpoint,
        note: &str,
        keys: &LogKeys,
        recorded_at: Timestamp,
    ) -> Result<(), LogError> {
        let signers = keys.signers(Position(said.size), recorded_at);
        let vkeys: Vec<Vkey> = signers.iter().filter_map(|span| span.log_vkey.parse().ok()).collect();
        // A log that names no key lets nobody check what it signs.
        if vkeys.is_empty() {
            return Ok(());
        }
        let verified = Checkpoint::verify_by_any(note, &vkeys);
        verified.map(drop).map_err(|error| self.refuse(format!("its checkpoint does not verify: {error}")))
    }
}

/// A directory's own copies would take the anchor along.
fn refuse_inside(dir: &DataDir, path: &Path) -> Result<(), LogError> {
    let io = |source| LogError::Io { path: path.to_owned(), source };
    // A place that is not there may be a disk that is not there: that is no first anchor.
    let above = fs::canonicalize(above(path)).map_err(io)?;
    let data = fs::canonicalize(dir.path()).map_err(|source| LogError::Io { path: dir.path().to_owned(), source })?;
    if above.starts_with(data) {
        let what = "an anchor belongs outside the data directory: a copy of that would take it along".to_owned();
        return Err(LogError::BadFile { path: path.to_owned(), what });
    }
    Ok(())
}

fn above(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn read(path: &Path) -> Result<Option<String>, LogError> {
    match fs::read_to_string(path) {
        Ok(note) => Ok(Some(note)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LogError::Io { path: path.to_owned(), source }),
    }
}

fn parse(note: &str) -> Option<Checkpoint> {
    let (body, _) = note.split_once("\n\n")?;
    Checkpoint::parse_body(&format!("{body}\n")).ok()
}

fn recorded_at(log: &LogReader, position: Position) -> Result<Timestamp, LogError> {
    let missing = || LogError::Damaged { position, what: "the record is missing".to_owned() };
    let record = log.record(position)?.ok_or_else(missing)?;
    let (_, _, header) = codec::decode_header(&record).map_err(|error| LogError::undecodable(position, &error))?;
    Ok(header.recorded_at)
}

/// The checkpoint that is to be anchored, and what became of the one before.
#[derive(Debug)]
pub(super) struct Keeper {
    path: PathBuf,
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Debug)]
struct Waiting {
    note: Option<String>,
    closed: bool,
    ended: bool,
    failing: Option<String>,
}

impl Keeper {
    pub fn new(path: PathBuf) -> Self {
        let waiting = Waiting { note: None, closed: false, ended: false, failing: None };
        Self { path, waiting: Mutex::new(waiting), wake: Condvar::new() }
    }

    /// Offers a published checkpoint; only the last one is written.
    pub fn offer(&self, note: &str) {
        self.waiting.lock().note = Some(note.to_owned());
        self.wake.notify_all();
    }

    /// Why the last one is not written.
    pub fn warning(&self) -> Option<String> {
        let waiting = self.waiting.lock();
        waiting.failing.as_ref().map(|why| format!("the anchor {} is not kept: {why}", self.path.display()))
    }

    /// Lets the last one be written, as long as an end may take.
    pub fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        self.wake.notify_all();
        while !waiting.ended {
            if self.wake.wait_for(&mut waiting, LAST_PATIENCE).timed_out() {
                tracing::warn!(path = %self.path.display(), "the last checkpoint was not anchored in time");
                return;
            }
        }
    }

    /// Waits for a checkpoint; none when closed and nothing is left.
    fn take(&self) -> Option<String> {
        let mut waiting = self.waiting.lock();
        while waiting.note.is_none() && !waiting.closed {
            self.wake.wait(&mut waiting);
        }
        waiting.note.take()
    }

    /// One that could not be written: tried again after a period, unless a later one came meanwhile. False when closed:
    /// this was the last try.
    fn give_back(&self, note: String, why: String) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.failing.as_ref() != Some(&why) {
            tracing::warn!(path = %self.path.display(), why, "the anchor could not be kept");
        }
        waiting.failing = Some(why);
        if !waiting.closed {
            self.wake.wait_for(&mut waiting, PERIOD);
        }
        waiting.note.get_or_insert(note);
        !waiting.closed
    }

    fn note_written(&self) {
        if self.waiting.lock().failing.take().is_some() {
            tracing::info!(path = %self.path.display(), "the anchor is kept again");
        }
    }

    /// Runs until closed.
    pub fn run(&self, mut known: Option<String>) {
        while let Some(note) = self.take() {
            match self.write(&note, known.as_deref()) {
                Ok(()) => {
                    known = Some(note);
                    self.note_written();
                }
                Err(why) => {
                    if !self.give_back(note, why) {
                        break;
                    }
                }
            }
        }
        self.waiting.lock().ended = true;
        self.wake.notify_all();
    }

    /// Writes it whole under another name and moves it to its own. What somebody else put there is left: another copy
    /// of the log may be served, and its anchor is what shows it.
    fn write(&self, note: &str, known: Option<&str>) -> Result<(), String> {
        let there = read(&self.path).map_err(|error| error.to_string())?;
        if there.as_deref().is_some_and(|there| there != note && Some(there) != known) {
            return Err("somebody else wrote it: another copy of this log may be served".to_owned());
        }
        self.replace(note).map_err(|error| error.to_string())
    }

    fn replace(&self, note: &str) -> io::Result<()> {
        let mut unfinished = self.path.as_os_str().to_owned();
        unfinished.push(".new");
        let unfinished = PathBuf::from(unfinished);
        // A checkpoint is for everybody.
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&unfinished)?;
        file.write_all(note.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, &self.path)?;
        File::open(above(&self.path))?.sync_all()
    }
}

impl Anchor {
    pub(super) fn into_parts(self) -> (PathBuf, Option<String>) {
        (self.path, self.found)
    }
}
