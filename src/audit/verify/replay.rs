//! The replay: what was decoded is folded again, and seals, snapshots and history tables must be what that gives.

use super::snapshots::{self, Due, Kept};
use super::{Findings, Kind, Scope, readable};
use crate::audit::compare;
use crate::audit::history_tables::HeldTables;
use crate::audit::seals::SealCheck;
use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use crate::projections::Projections;
use crate::projections::snapshot::PassedOver;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// Records handed on at a time, and bytes of theirs: decoded they take up to eight times that.
const CHUNK_RECORDS: usize = 1_024;
const CHUNK_BYTES: usize = 512 << 10;
/// Chunks that may wait for the replay.
const CHUNKS_WAITING: usize = 8;

/// A record with its place; none of one that does not decode.
pub(super) type Decoded = (Position, Option<(Header, Event)>);

/// Where decoded records are handed to the replay.
pub(super) struct Feed {
    chunk: Vec<Decoded>,
    /// Of the chunk's records, as they are stored.
    bytes: usize,
    /// Chunks that were folded: emptied here, so that memory is given back where it was taken.
    spare: Receiver<Vec<Decoded>>,
    ready: Receiver<()>,
    /// None once the replay has ended: then there is nobody to tell.
    sender: Option<SyncSender<Vec<Decoded>>>,
}

impl Feed {
    /// With the other end.
    pub fn open() -> (Self, Source) {
        let (sender, chunks) = sync_channel(CHUNKS_WAITING);
        let (give_back, spare) = channel();
        let (is_ready, ready) = sync_channel(1);
        let feed = Self { chunk: Vec::new(), bytes: 0, spare, ready, sender: Some(sender) };
        (feed, Source { chunks, give_back, ready: is_ready })
    }

    /// Waits until the replay takes chunks, or has ended. Before that a scan would stand still with its statement open, and
    /// the write-ahead log of a running server could not begin anew.
    pub fn wait(&self) {
        let _ = self.ready.recv();
    }

    /// Hands on a record of so many bytes.
    pub fn give(&mut self, decoded: Decoded, bytes: usize) {
        self.chunk.push(decoded);
        self.bytes += bytes;
        if self.chunk.len() >= CHUNK_RECORDS || self.bytes >= CHUNK_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.bytes = 0;
        let mut empty = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK_RECORDS));
        empty.clear();
        let chunk = std::mem::replace(&mut self.chunk, empty);
        let is_taken = self.sender.as_ref().is_some_and(|sender| sender.send(chunk).is_ok());
        if !is_taken {
            self.sender = None;
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The replay's end of the feed.
pub(super) struct Source {
    chunks: Receiver<Vec<Decoded>>,
    give_back: Sender<Vec<Decoded>>,
    ready: SyncSender<()>,
}

/// What this thread brings back.
#[derive(Default)]
pub(super) struct Checked {
    pub origin: String,
    pub log_vkey: String,
    pub log_vkeys: Vec<String>,
    pub snapshots: Vec<Position>,
    pub tables: Option<Position>,
    pub seals: u64,
    pub seals_passed_over: u64,
    pub snapshots_passed_over: Vec<PassedOver>,
}

pub(super) fn check(
    dir: &DataDir,
    scope: &Scope,
    kept: Kept,
    source: Source,
    reached: &AtomicU64,
) -> Result<(Checked, Findings), LogError> {
    let log = LogReader::open(dir)?;
    // That the file cannot be read to its end is said by whoever reads it.
    let seals = readable(SealCheck::of(&log, scope.head))?.unwrap_or_default();
    let mut check = ReplayCheck::new(dir, &log, kept, seals);
    // Its end may be gone: then there is no chunk either.
    let _ = source.ready.send(());
    while let Ok(chunk) = source.chunks.recv() {
        for (position, record) in &chunk {
            reached.store(position.0.saturating_sub(1), Ordering::Relaxed);
            check.take(*position, record.as_ref())?;
        }
        let _ = source.give_back.send(chunk);
    }
    reached.store(scope.head.0, Ordering::Relaxed);
    Ok(check.finish())
}

struct ReplayCheck<'a> {
    dir: &'a DataDir,
    log: &'a LogReader,
    /// Not yet reached, the next one last.
    due: Vec<Due>,
    /// Until the replay is where they stand; up to there it gathers what they hold.
    tables: Option<HeldTables>,
    projections: Projections,
    seals: SealCheck,
    /// All records up to here were there and were folded.
    whole: bool,
    last_position: Position,
    checked: Checked,
    findings: Findings,
}

impl<'a> ReplayCheck<'a> {
    fn new(dir: &'a DataDir, log: &'a LogReader, kept: Kept, seals: SealCheck) -> Self {
        let Kept { mut due, tables } = kept;
        due.reverse();
        Self {
            dir,
            log,
            due,
            projections: if tables.is_some() { compare::gathering() } else { Projections::default() },
            tables,
            seals,
            whole: true,
            last_position: Position(0),
            checked: Checked::default(),
            findings: Findings::default(),
        }
    }

    fn take(&mut self, position: Position, record: Option<&(Header, Event)>) -> Result<(), LogError> {
        // What is missing, and what does not decode, is said elsewhere.
        self.whole &= position.0 == self.last_position.0.saturating_add(1) && record.is_some();
        self.last_position = position;
        if let Some((header, event)) = record {
            self.projections.fold(position, header, event);
        }
        self.seals.take(position, self.whole, &self.projections.state);
        self.compare_snapshot(position)?;
        self.compare_tables(position)
    }

    fn compare_snapshot(&mut self, position: Position) -> Result<(), LogError> {
        // One whose record is not there was found to be of another log when the snapshots were listed.
        while let Some(due) = self.due.pop_if(|due| due.position <= position) {
            if self.whole && due.position == position {
                snapshots::compare(self.dir, self.log, &due, &self.projections, &mut self.findings)?;
                self.checked.snapshots.push(position);
            } else {
                let reason = "the replay up to it is not whole".to_owned();
                self.checked.snapshots_passed_over.push(PassedOver { position: due.position, reason });
            }
        }
        Ok(())
    }

    fn compare_tables(&mut self, position: Position) -> Result<(), LogError> {
        let Some(tables) = self.tables.take_if(|tables| tables.position <= position) else { return Ok(()) };
        // Gathered no further. Where records are missing, or cannot be read, that is what is wrong.
        let gathered = self.projections.history.take().filter(|_| self.whole && tables.position == position);
        if let Some(history) = gathered {
            snapshots::compare_tables(&tables, history.growing(), &mut self.findings)?;
            self.checked.tables = Some(position);
        }
        Ok(())
    }

    fn finish(mut self) -> (Checked, Findings) {
        let state = &self.projections.state;
        (self.checked.seals, self.checked.seals_passed_over) = (self.seals.right, self.seals.passed_over);
        for finding in self.seals.findings {
            self.findings.add(finding.position, Kind::Seal, finding.what);
        }
        (self.checked.origin, self.checked.log_vkey) = (state.origin.clone(), state.log_vkey.clone());
        let of_today = state.log_keys.iter().rev().filter(|span| span.origin == state.origin);
        self.checked.log_vkeys = of_today.map(|span| span.log_vkey.clone()).collect();
        (self.checked, self.findings)
    }
}
