//! The projector thread: folds committed batches into the read models, and keeps them in `views.db` (`views_store.rs`), so
//! that the writer never serialises anything. It also computes seals (`sealer.rs`).

use super::handle::Shared;
use super::sealer::Sealer;
use super::views_store::ViewsStore;
use crate::domain::decide::Recorded;
use crate::domain::ids::Position;
use crate::log::DataDir;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;

/// Events folded while readers are kept out.
const FOLD_EVENTS: usize = 4_096;
/// Events whose rows are fetched at once: few enough that the first are still near when the last have come.
const TOUCHED_EVENTS: usize = 64;
/// Events that may wait before the projector is woken for them, if nobody reads.
const WAITING_EVENTS: usize = 4_096;
/// Room for so many events is kept.
const SPARE_EVENTS: usize = 4 * WAITING_EVENTS;
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
    /// Room of records that are folded: taken anew each time it would be fresh memory, page by page.
    spare: Vec<Recorded>,
    wanted: bool,
    /// How often somebody wished that history be moved into its tables.
    history_wishes: u64,
    history_wanted: bool,
    closed: bool,
}

impl Waiting {
    fn take(&mut self) -> Batch {
        self.wanted = false;
        let spare = std::mem::take(&mut self.spare);
        Batch { first: self.first, records: std::mem::replace(&mut self.records, spare) }
    }
}

/// Committed records, in order.
pub(super) struct Batch {
    first: Position,
    records: Vec<Recorded>,
}

impl Feed {
    pub fn push(&self, first: Position, mut records: Vec<Recorded>) {
        let mut waiting = self.inner.lock();
        if waiting.records.is_empty() {
            waiting.first = first;
        }
        waiting.records.append(&mut records);
        if waiting.wanted || waiting.records.len() >= WAITING_EVENTS {
            self.wake.notify_one();
        }
    }

    /// Takes the room of a batch that is folded.
    fn take_back(&self, mut batch: Batch) {
        batch.records.clear();
        if batch.records.capacity() <= SPARE_EVENTS {
            self.inner.lock().spare = batch.records;
        }
    }

    /// A reader waits: fold now.
    pub fn want(&self) {
        self.inner.lock().wanted = true;
        self.wake.notify_one();
    }

    /// Somebody will look at the history tables. Gives the number that is told when they are ready.
    pub fn want_history(&self) -> u64 {
        let mut waiting = self.inner.lock();
        waiting.history_wishes += 1;
        waiting.history_wanted = true;
        self.wake.notify_one();
        waiting.history_wishes
    }

    pub fn close(&self) {
        self.inner.lock().closed = true;
        self.wake.notify_one();
    }

    /// What waits, or nothing for a while, and the number of the wish that is to be answered after it; none when closed
    /// and empty.
    fn take(&self) -> Option<(Batch, Option<u64>)> {
        let mut waiting = self.inner.lock();
        let is_due = waiting.closed
            || waiting.history_wanted
            || (waiting.wanted && !waiting.records.is_empty())
            || waiting.records.len() >= WAITING_EVENTS;
        if !is_due {
            self.wake.wait_for(&mut waiting, TICK);
        }
        if waiting.closed && waiting.records.is_empty() && !waiting.history_wanted {
            return None;
        }
        let wish = std::mem::take(&mut waiting.history_wanted).then_some(waiting.history_wishes);
        Some((waiting.take(), wish))
    }
}

/// Runs until the feed is closed and empty; then takes a last snapshot.
pub(super) fn run(dir: &DataDir, shared: &Arc<Shared>) {
    let (mut store, mut sealer) = (ViewsStore::new(dir, shared.folded()), Sealer::default());
    while let Some((batch, wish)) = shared.feed.take() {
        fold(shared, &batch);
        shared.feed.take_back(batch);
        if let Some(wish) = wish {
            store.move_history(shared);
            shared.history_moved.send_replace(wish);
        }
        store.keep_what_is_due(shared);
        sealer.seal_what_is_due(shared);
    }
    store.take_snapshot(shared);
    // Whoever still waits learns that nothing more comes.
    shared.history_moved.send_replace(u64::MAX);
}

/// Folds what came in meanwhile: called in between long work, so that readers wait for a part of it only.
pub(super) fn fold_waiting(shared: &Shared) {
    let batch = shared.feed.inner.lock().take();
    fold(shared, &batch);
    shared.feed.take_back(batch);
}

fn fold(shared: &Shared, batch: &Batch) {
    let mut position = batch.first;
    for chunk in batch.records.chunks(FOLD_EVENTS) {
        let mut projections = shared.projections.write();
        for group in chunk.chunks(TOUCHED_EVENTS) {
            std::hint::black_box(projections.touch(group.iter().map(|recorded| &recorded.header)));
            for recorded in group {
                projections.fold(position, &recorded.header, &recorded.event);
                position = position.next();
            }
        }
        drop(projections);
        shared.set_folded(Position(position.0 - 1));
    }
}
