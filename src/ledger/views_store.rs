//! Keeping read models in `views.db`, on the projector's thread: rows of history in batches, and snapshots from a copy
//! of its own. Either is done in small steps with folding in between, so that nobody who reads waits for all of it.

use super::handle::Shared;
use super::index_store::IndexProgress;
use super::projector::fold_waiting;
use crate::domain::ids::Position;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use crate::projections::Projections;
use crate::projections::rebuild::leaf_at;
use crate::projections::snapshot::Views;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A snapshot costs by its size what a start without it costs by records to replay: a big one is taken less often,
/// once in so many records as it has bytes, divided by this …
const BYTES_A_RECORD: u64 = 64;
/// … as far as it is bigger than this.
const SMALL_BYTES: u64 = 16 << 20;
/// How often a snapshot that failed is tried again before the next one would be due.
const RETRIES_A_SNAPSHOT: u64 = 8;
/// About what a row of the read models takes in a snapshot: more than most do.
const ROW_BYTES: u64 = 256;

/// What is kept, and when.
pub(super) struct ViewsStore {
    pub(super) dir: DataDir,
    views: Option<Views>,
    /// Position and size of the last snapshot.
    last: Position,
    last_bytes: u64,
    /// Nothing is tried before this one, after a try that failed.
    not_before: Position,
    pub(super) index: IndexProgress,
}

impl ViewsStore {
    pub fn new(dir: &DataDir, last: Position) -> Self {
        let found = Views::open_existing(dir).and_then(|views| views.map_or(Ok(0), |views| views.newest_bytes()));
        // Views that cannot be read are made anew with the first snapshot.
        Self {
            dir: dir.clone(),
            views: None,
            last,
            last_bytes: found.unwrap_or(0),
            not_before: last,
            index: IndexProgress::default(),
        }
    }

    /// While the disk has no room everything stays due, and is done when there is some.
    pub fn keep_what_is_due(&mut self, shared: &Shared) {
        if shared.space.is_low() {
            return;
        }
        if shared.views_are_spoilt.swap(false, Ordering::Relaxed) {
            match self.made_anew(shared) {
                Ok(views) => self.views = Some(views),
                Err(error) => tracing::warn!(%error, "the damaged views file could not be made anew"),
            }
        }
        let folded = shared.folded();
        let is_due = |projections: &Projections| projections.history.as_ref().is_some_and(|history| history.is_due());
        if folded.0.saturating_sub(self.last.0) >= self.records_a_snapshot(shared) && folded >= self.not_before {
            self.take_snapshot(shared);
        } else if is_due(&shared.projections.read()) {
            self.move_history(shared);
        }
        self.index_what_is_due(shared);
    }

    fn records_a_snapshot(&self, shared: &Shared) -> u64 {
        shared.settings.snapshot_events.max(self.last_bytes.saturating_sub(SMALL_BYTES) / BYTES_A_RECORD)
    }

    /// Rows that cannot be moved wait for the next time; the log has it all.
    pub fn move_history(&mut self, shared: &Shared) {
        if shared.space.is_low() {
            return;
        }
        // Twice: what could not be moved before goes first.
        if let Err(error) = self.try_move(shared).and_then(|()| self.try_move(shared)) {
            tracing::warn!(%error, "history was not moved into its tables");
        }
    }

    /// A snapshot that fails is only a slower start: the log has it all.
    pub fn take_snapshot(&mut self, shared: &Shared) {
        if shared.folded() == self.last {
            return;
        }
        match self.try_snapshot(shared) {
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
        self.not_before = Position(shared.folded().0 + self.records_a_snapshot(shared) / RETRIES_A_SNAPSHOT);
    }

    /// False if the disk has no room: half a snapshot would take what is left for deletions.
    ///
    /// The history tables are never behind a snapshot: a start gathers only what comes after both.
    fn try_snapshot(&mut self, shared: &Shared) -> Result<bool, LogError> {
        if !shared.space.has_room_for(self.last_bytes.max(estimate(&shared.projections.read()))) {
            return Ok(false);
        }
        self.try_move(shared)?;
        let frozen = {
            let mut projections = shared.projections.write();
            let position = projections.position;
            if let Some(history) = &mut projections.history {
                history.seal(position);
            }
            projections.freeze()
        };
        self.try_move(shared)?;
        let leaf = leaf_at(&LogReader::open(&self.dir)?, frozen.position)?;
        let mut between = || {
            fold_waiting(shared);
            if shared.space.is_low() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let stored = self.with_views(shared, |views| views.store_paced(&frozen, leaf, &mut between))?;
        if let Some(bytes) = stored {
            (self.last, self.last_bytes) = (frozen.position, bytes);
        }
        // Rows that changed meanwhile are this copy's alone: letting go of a million of them takes its time.
        let _ = std::thread::Builder::new().name("letting go".to_owned()).spawn(move || drop(frozen));
        Ok(stored.is_some())
    }

    /// Moves what is gathered so far, or what could not be moved before.
    fn try_move(&mut self, shared: &Shared) -> Result<(), LogError> {
        let Some((from, through, rows)) = seal(&mut shared.projections.write()) else { return Ok(()) };
        let leaf = leaf_at(&LogReader::open(&self.dir)?, through)?;
        let move_in = |views: &mut Views| views.move_in(&rows, from, (through, leaf), &mut || fold_waiting(shared));
        let mut moved = self.with_views(shared, move_in)?;
        if !moved && from.is_none() {
            // What the tables hold is of no use: it is of another log, or of another release.
            self.views = None;
            self.index = IndexProgress::default();
            self.views = Some(Views::anew(&self.dir)?);
            moved = self.with_views(shared, move_in)?;
        }
        let mut projections = shared.projections.write();
        if let Some(history) = &mut projections.history {
            if moved {
                history.settle();
            } else {
                tracing::warn!("the history tables were changed by another: they are made anew at the next start");
                history.give_up();
            }
        }
        Ok(())
    }

    /// An empty file in the place of a damaged one. A crash in here leaves no file, or an empty one: the next start fills
    /// it, as it does after this.
    fn made_anew(&mut self, shared: &Shared) -> Result<Views, LogError> {
        tracing::warn!("views.db is damaged: it is made anew, and its history at the next start");
        self.views = None;
        self.index = IndexProgress::default();
        let views = Views::anew(&self.dir)?;
        if let Some(history) = &mut shared.projections.write().history
            && !history.in_tables().is_none()
        {
            history.give_up();
        }
        Ok(views)
    }

    /// Works on the file, which stays open. One that turns out to be damaged is made anew: it holds nothing that the
    /// log does not. History that was in it is gone until the next start replays the log.
    pub(super) fn with_views<T>(
        &mut self,
        shared: &Shared,
        mut work: impl FnMut(&mut Views) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let mut views = match self.views.take() {
            Some(views) => views,
            None => Views::open(&self.dir)?,
        };
        let mut done = work(&mut views);
        if let Err(error) = &done
            && Views::is_spoilt_by(error)
        {
            drop(views);
            views = self.made_anew(shared)?;
            done = work(&mut views);
        }
        if done.is_ok() {
            self.views = Some(views);
        }
        done
    }
}

/// About the bytes of a snapshot.
fn estimate(projections: &Projections) -> u64 {
    let state = &projections.state;
    let rows = state.accounts.len() + state.users.len() + state.resources.len() + state.tokens.len();
    rows as u64 * ROW_BYTES
}

type Sealed = (Position, Position, Arc<crate::projections::history::Gathered>);

fn seal(projections: &mut Projections) -> Option<Sealed> {
    let position = projections.position;
    let history = projections.history.as_mut().filter(|history| !history.is_given_up())?;
    if history.in_tables() == position {
        return None;
    }
    let (through, rows) = history.seal(position);
    Some((history.in_tables(), through, rows))
}
