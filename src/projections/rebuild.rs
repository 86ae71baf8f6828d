//! Projections from the log: the way a start, a replay and a recovery after a rolled-back batch build them.

use super::Projections;
use super::snapshot::{PassedOver, Views};
use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use std::ops::ControlFlow;
use std::sync::mpsc;

/// Events handed from the decoding thread to the folding one at a time.
const CHUNK_EVENTS: usize = 4_096;
/// Chunks that may wait between them.
const CHUNKS_WAITING: usize = 16;
/// Below this a second thread costs more than it gives.
const THREAD_WORTH_EVENTS: u64 = 20_000;

/// What a load found.
#[derive(Debug)]
pub struct Loaded {
    /// The projections at the log's head.
    pub projections: Projections,
    /// Position of the snapshot it began with; 0 if with none.
    pub from_snapshot: Position,
    /// Snapshots passed over, and why.
    pub passed_over: Vec<PassedOver>,
    /// Why no snapshot could be looked at, if the views file itself is unreadable.
    pub views_unreadable: Option<String>,
}

/// Projections at the head: from the newest good snapshot plus the records after it.
pub fn load(dir: &DataDir) -> Result<Loaded, LogError> {
    let log = LogReader::open(dir)?;
    let found = Views::open_existing(dir).and_then(|views| views.map_or(Ok(Default::default()), |it| it.load(&log)));
    // Views are disposable: whatever is wrong with them, the log has it all.
    let ((snapshot, passed_over), views_unreadable) = match found {
        Ok(found) => (found, None),
        Err(error) => (Default::default(), Some(error.to_string())),
    };
    let mut projections = snapshot.unwrap_or_default();
    let from_snapshot = projections.position;
    let head = log.head()?;
    replay_into(dir, &mut projections, head, &mut |_| {})?;
    Ok(Loaded { projections, from_snapshot, passed_over, views_unreadable })
}

/// Folds the records after the projections' position, up to and with `through`. Tells the position now and then.
///
/// One thread reads and decodes, the calling one folds.
pub fn replay_into(
    dir: &DataDir,
    projections: &mut Projections,
    through: Position,
    progress: &mut dyn FnMut(Position),
) -> Result<(), LogError> {
    let after = projections.position;
    if through.0.saturating_sub(after.0) < THREAD_WORTH_EVENTS {
        return LogReader::open(dir)?.replay(after, through, |position, header, event| {
            projections.fold(position, &header, &event);
            ControlFlow::Continue(())
        });
    }
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(CHUNKS_WAITING);
        let decoder = scope.spawn(move || decode_chunks(dir, after, through, &sender));
        for chunk in receiver {
            let chunk: Vec<(Position, Header, Event)> = chunk;
            for (position, header, event) in &chunk {
                projections.fold(*position, header, event);
            }
            progress(projections.position);
        }
        decoder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn decode_chunks(
    dir: &DataDir,
    after: Position,
    through: Position,
    sender: &mpsc::SyncSender<Vec<(Position, Header, Event)>>,
) -> Result<(), LogError> {
    let mut chunk = Vec::with_capacity(CHUNK_EVENTS);
    LogReader::open(dir)?.replay(after, through, |position, header, event| {
        chunk.push((position, header, event));
        if chunk.len() == CHUNK_EVENTS {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_EVENTS));
            if sender.send(full).is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    let _ = sender.send(chunk);
    Ok(())
}
