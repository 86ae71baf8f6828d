//! Making the index where no server runs: from the log, segment by segment.

use super::tail::{Chunk, Whole};
use super::{CHUNK_EVENTS, SEGMENT_EVENTS};
use crate::domain::ids::Position;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use crate::projections::rebuild::leaf_at;
use crate::projections::views::Views;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What is in the index now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Built {
    /// Everything up to here.
    pub indexed: Position,
    /// Segments made just now.
    pub made: u64,
}

/// Makes the segments that are missing. Holds the ledger's lock: a server makes its own. `progress` is told the position
/// now and then. A crash on the way leaves the segments that are whole.
pub fn build(dir: &DataDir, progress: &mut dyn FnMut(Position)) -> Result<Built, LogError> {
    let _lock = dir.lock()?;
    let log = LogReader::open(dir)?;
    let mut views = Views::open(dir)?;
    views.drop_foreign_segments(&log, SEGMENT_EVENTS)?;
    let there = views.segments(SEGMENT_EVENTS)?;
    let whole = log.head()?.0 / SEGMENT_EVENTS;
    let mut made = 0;
    for segment in (0..whole).filter(|segment| there.binary_search(segment).is_err()) {
        let segment = read(&log, segment, progress)?;
        made += u64::from(
            views.store_segment(&segment, leaf_at(&log, segment.through())?, &mut || ControlFlow::Continue(()))?,
        );
    }
    Ok(Built { indexed: Position(whole * SEGMENT_EVENTS), made })
}

/// A segment as the log has it.
pub fn read(log: &LogReader, segment: u64, progress: &mut dyn FnMut(Position)) -> Result<Whole, LogError> {
    let (mut chunks, end) = (Vec::new(), Position((segment + 1) * SEGMENT_EVENTS));
    let mut after = Position(segment * SEGMENT_EVENTS);
    while after < end {
        let mut chunk = Chunk::after(after, CHUNK_EVENTS);
        let through = Position(after.0 + CHUNK_EVENTS);
        log.replay(after, through, |position, header, event| {
            chunk.add(position, &header, &event);
            ControlFlow::Continue(())
        })?;
        chunk.finish();
        chunks.push(Arc::new(chunk));
        progress(through);
        after = through;
    }
    Ok(Whole::new(segment, SEGMENT_EVENTS, chunks))
}
