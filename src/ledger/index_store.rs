//! Making the index, on the projector's thread and a little at a time: nobody who reads waits for much of it, and who
//! asks before it is there looks through the log. Whatever fails is tried again; the log has it all.

use super::handle::Shared;
use super::projector::fold_waiting;
use super::views_store::ViewsStore;
use crate::domain::ids::Position;
use crate::log::LogError;
use crate::log::reader::LogReader;
use crate::projections::index::tail::{Chunk, Tail, Whole};
use crate::projections::rebuild::leaf_at;
use std::ops::ControlFlow;

/// Chunks made from the log again in one round, where some are missing: some ms of work, more than a full load brings
/// meanwhile.
const CHUNKS_A_ROUND: usize = 2;
/// After a failure it is tried again when this part of a segment more is folded.
const RETRIES_A_SEGMENT: u64 = 8;

/// How far the making of the index is.
#[derive(Debug, Default)]
pub(super) struct IndexProgress {
    /// Whether the tail knows what the file holds.
    is_known: bool,
    /// Open while chunks are missing.
    log: Option<LogReader>,
    /// Nothing is tried before this one, after a try that failed.
    not_before: Position,
}

impl ViewsStore {
    /// Does one round of what there is to do.
    pub(super) fn index_what_is_due(&mut self, shared: &Shared) {
        let folded = shared.folded();
        if shared.space.is_low() || folded < self.index.not_before {
            return;
        }
        if let Err(error) = self.try_index(shared) {
            tracing::warn!(%error, "the index was not gone on with");
            let events = shared.settings.index_segment_events;
            self.index =
                IndexProgress { not_before: Position(folded.0 + events / RETRIES_A_SEGMENT), ..Default::default() };
        }
    }

    fn try_index(&mut self, shared: &Shared) -> Result<(), LogError> {
        let Some(damaged) = with_tail(shared, |tail| tail.damaged().take()) else { return Ok(()) };
        if !self.index.is_known || !damaged.is_empty() {
            self.look_at_segments(shared, damaged.into_iter().collect())?;
        }
        match with_tail(shared, Tail::whole).flatten() {
            Some(whole) => self.store_whole(shared, &whole),
            None => self.make_missing(shared),
        }
    }

    /// Segments that are of no use are taken away, and the first that is not there is the next to be made.
    fn look_at_segments(&mut self, shared: &Shared, damaged: Vec<u64>) -> Result<(), LogError> {
        let log = LogReader::open(&self.dir)?;
        let events = shared.settings.index_segment_events;
        let segments = self.with_views(shared, |views| {
            damaged.iter().try_for_each(|&segment| views.drop_segment(segment))?;
            views.drop_foreign_segments(&log, events)?;
            views.segments(events)
        })?;
        let whole = (0..).zip(&segments).take_while(|(number, segment)| number == *segment).count() as u64;
        if let Some(tail) = &mut shared.projections.write().index {
            tail.set_whole(whole);
        }
        self.index.is_known = true;
        Ok(())
    }

    /// A crash in the middle of it leaves the segments that were whole before.
    fn store_whole(&mut self, shared: &Shared, whole: &Whole) -> Result<(), LogError> {
        let leaf = leaf_at(&LogReader::open(&self.dir)?, whole.through())?;
        let mut between = || {
            fold_waiting(shared);
            if shared.space.is_low() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        if self.with_views(shared, |views| views.store_segment(whole, leaf, &mut between))? {
            // Behind it there may be others already, where this one alone was damaged.
            self.look_at_segments(shared, Vec::new())?;
        }
        Ok(())
    }

    fn make_missing(&mut self, shared: &Shared) -> Result<(), LogError> {
        for _ in 0..CHUNKS_A_ROUND {
            let begun = with_tail(shared, |tail| {
                let (after, through) = tail.missing()?;
                Some((Chunk::begin(tail, after), after, through))
            });
            let Some((mut chunk, after, through)) = begun.flatten() else {
                self.index.log = None;
                return Ok(());
            };
            let log = match self.index.log.take() {
                Some(log) => log,
                None => LogReader::open(&self.dir)?,
            };
            log.replay(after, through, |position, header, event| {
                chunk.add(position, &header, &event);
                ControlFlow::Continue(())
            })?;
            self.index.log = Some(log);
            chunk.finish();
            if let Some(tail) = &mut shared.projections.write().index {
                tail.put(chunk);
            }
            fold_waiting(shared);
        }
        Ok(())
    }
}

fn with_tail<T>(shared: &Shared, look: impl FnOnce(&Tail) -> T) -> Option<T> {
    shared.projections.read().index.as_ref().map(look)
}
