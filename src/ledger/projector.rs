//! The projector thread: folds committed batches into the read models and takes snapshots from its own copy, so
//! that the writer never serialises anything.

use super::handle::Shared;
use crate::domain::decide::Recorded;
use crate::domain::ids::Position;
use crate::log::merkle::leaf_hash;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use crate::projections::snapshot::{self, Views};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;

/// Events folded while readers are kept out.
const FOLD_EVENTS: usize = 4_096;
/// Events that may wait before the projector is woken for them, if nobody reads.
const WAITING_EVENTS: usize = 4_096;
/// How often a snapshot that failed is tried again before the next one would be due.
const RETRIES_A_SNAPSHOT: u64 = 8;
/// How long events wait at most before they are folded, if nobody reads.
const TICK: Duration = Duration::from_millis(25);

/// Committed records on their way to the projector.
#[derive(Debug, Default)]
pub(super) struct Feed {
    inner: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    first: Position,
    records: Vec<Recorded>,
    wanted: bool,
    closed: bool,
}

impl Feed {
    pub fn push(&self, first: Position, mut records: Vec<Recorded>) {
        let mut waiting = self.inner.lock();
        if waiting.records.is_empty() {
            waiting.first = first;
            waiting.records = records;
        } else {
            waiting.records.append(&mut records);
        }
        if waiting.wanted || waiting.records.len() >= WAITING_EVENTS {
            self.wake.notify_one();
        }
    }

    /// A reader waits: fold now.
    pub fn want(&self) {
        self.inner.lock().wanted = true;
        self.wake.notify_one();
    }

    pub fn close(&self) {
        self.inner.lock().closed = true;
        self.wake.notify_one();
    }

    /// What waits; `None` when closed and empty.
    fn take(&self) -> Option<(Position, Vec<Recorded>)> {
        let mut waiting = self.inner.lock();
        let is_due = waiting.closed
            || (waiting.wanted && !waiting.records.is_empty())
            || waiting.records.len() >= WAITING_EVENTS;
        if !is_due {
            self.wake.wait_for(&mut waiting, TICK);
        }
        waiting.wanted = false;
        if waiting.closed && waiting.records.is_empty() {
            return None;
        }
        Some((waiting.first, std::mem::take(&mut waiting.records)))
    }
}

/// Runs until the feed is closed and empty; then takes a last snapshot.
pub(super) fn run(dir: &DataDir, shared: &Arc<Shared>) {
    let mut snapshots = Snapshots::new(dir, shared.folded());
    while let Some((first, records)) = shared.feed.take() {
        if !records.is_empty() {
            fold(shared, first, &records);
        }
        snapshots.take_if_due(shared);
    }
    snapshots.take(shared);
}

fn fold(shared: &Shared, first: Position, records: &[Recorded]) {
    let mut position = first;
    for chunk in records.chunks(FOLD_EVENTS) {
        let mut projections = shared.projections.write();
        for recorded in chunk {
            projections.fold(position, &recorded.header, &recorded.event);
            position = position.next();
        }
        drop(projections);
        shared.set_folded(Position(position.0 - 1));
    }
}

/// When to take a snapshot, and taking it.
struct Snapshots {
    dir: DataDir,
    last: Position,
    /// Nothing is tried before this one, after a try that failed.
    not_before: Position,
}

impl Snapshots {
    fn new(dir: &DataDir, last: Position) -> Self {
        Self { dir: dir.clone(), last, not_before: last }
    }

    fn take_if_due(&mut self, shared: &Shared) {
        let folded = shared.folded();
        let is_due = folded.0.saturating_sub(self.last.0) >= shared.settings.snapshot_events;
        // While the disk has no room it stays due, and is taken when there is some.
        if is_due && folded >= self.not_before && !shared.space.is_low() {
            self.take(shared);
        }
    }

    /// A snapshot that fails is only a slower start: the log has it all.
    fn take(&mut self, shared: &Shared) {
        if shared.folded() == self.last {
            return;
        }
        match self.try_take(shared) {
            Ok(true) => tracing::debug!(position = self.last.0, "snapshot taken"),
            Ok(false) => {
                tracing::warn!(free = shared.space.free(), "no snapshot was taken: the disk has no room for one");
                self.put_off(shared);
            }
            Err(error) => {
                tracing::warn!(%error, "no snapshot was taken");
                self.put_off(shared);
            }
        }
    }

    fn put_off(&mut self, shared: &Shared) {
        self.not_before = Position(shared.folded().0 + shared.settings.snapshot_events / RETRIES_A_SNAPSHOT);
    }

    /// False if the disk has no room: half a snapshot would take what is left for deletions.
    fn try_take(&mut self, shared: &Shared) -> Result<bool, LogError> {
        let (position, bytes) = {
            let projections = shared.projections.read();
            (projections.position, snapshot::encode(&projections)?)
        };
        // In the write-ahead log first, then in the file.
        if !shared.space.has_room_for(2 * bytes.len() as u64) {
            return Ok(false);
        }
        let missing = || LogError::Damaged { position, what: "the record is missing".to_owned() };
        let leaf = leaf_hash(&LogReader::open(&self.dir)?.record(position)?.ok_or_else(missing)?);
        Views::keep(&self.dir, position, leaf, &bytes)?;
        self.last = position;
        Ok(true)
    }
}
