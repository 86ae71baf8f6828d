//! Projections from the log: the way a start, a replay and a recovery after a rolled-back batch build them.

use super::Projections;
use super::history::History;
use super::snapshot::{PassedOver, Views};
use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;
use crate::log::merkle::leaf_hash;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use std::ops::ControlFlow;
use std::sync::mpsc;

/// Events handed from the decoding thread to the folding one at a time.
const CHUNK_EVENTS: usize = 1_024;
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
    load_from(dir, |_, snapshot| snapshot.unwrap_or_default())
}

/// Like [`load`], with what the history tables do not hold yet gathered on the way. Changes nothing: who serves the
/// projections moves it into the tables.
pub fn load_to_serve(dir: &DataDir) -> Result<Loaded, LogError> {
    load_from(dir, |in_tables, snapshot| {
        // The tables are moved in before a snapshot is stored, so they are never behind one. Those that are were made
        // anew: they, too, are filled from the first record on.
        let is_behind = snapshot.as_ref().is_some_and(|snapshot| snapshot.position > in_tables);
        let (in_tables, snapshot) = if is_behind { (Position::NONE, None) } else { (in_tables, snapshot) };
        Projections { history: Some(History::after(in_tables)), ..snapshot.unwrap_or_default() }
    })
}

fn load_from(
    dir: &DataDir,
    begin: impl FnOnce(Position, Option<Projections>) -> Projections,
) -> Result<Loaded, LogError> {
    let log = LogReader::open(dir)?;
    let found = Views::open_existing(dir).and_then(|views| views.map_or(Ok(Default::default()), |it| look(&it, &log)));
    // Views are disposable: whatever is wrong with them, the log has it all.
    let ((snapshot, mut passed_over, in_tables), views_unreadable) = match found {
        Ok(found) => (found, None),
        Err(error) => (Default::default(), Some(error.to_string())),
    };
    let newest = snapshot.as_ref().map(|snapshot| snapshot.position);
    let mut projections = begin(in_tables, snapshot);
    let from_snapshot = projections.position;
    if let Some(position) = newest.filter(|&newest| newest != from_snapshot) {
        passed_over.push(PassedOver { position, reason: "the history tables do not reach it".to_owned() });
    }
    let head = log.head()?;
    replay_into(dir, &mut projections, head, &mut |_| {})?;
    Ok(Loaded { projections, from_snapshot, passed_over, views_unreadable })
}

type Seen = (Option<Projections>, Vec<PassedOver>, Position);

fn look(views: &Views, log: &LogReader) -> Result<Seen, LogError> {
    let (snapshot, passed_over) = views.load(log)?;
    Ok((snapshot, passed_over, views.history_position(log)?))
}

/// Fills the history tables from the first record on, where more is missing in them than is kept in memory. Gives what
/// was gathered last.
pub fn fill_history(dir: &DataDir, through: Position) -> Result<History, LogError> {
    let log = LogReader::open(dir)?;
    let mut views = Views::anew(dir)?;
    let mut projections = Projections { history: Some(History::after(Position::NONE)), ..Projections::default() };
    let mut failure = Ok(());
    replay_chunks(dir, &mut projections, through, &mut |projections| {
        let position = projections.position;
        match &mut projections.history {
            Some(history) if history.is_due() && failure.is_ok() => {
                failure = move_history(&mut views, &log, history, position, &mut || {});
            }
            _ => {}
        }
    })?;
    failure?;
    Ok(projections.history.unwrap_or_else(|| History::after(Position::NONE)))
}

/// Moves what is gathered, up to the position that `history` was folded to, into the tables.
fn move_history(
    views: &mut Views,
    log: &LogReader,
    history: &mut History,
    folded: Position,
    between: &mut dyn FnMut(),
) -> Result<(), LogError> {
    let (through, rows) = history.seal(folded);
    if views.move_in(&rows, history.in_tables(), (through, leaf_at(log, through)?), between)? {
        history.settle();
    } else {
        history.give_up();
    }
    Ok(())
}

/// Leaf hash of the record at a position.
pub fn leaf_at(log: &LogReader, position: Position) -> Result<[u8; 32], LogError> {
    let missing = || LogError::Damaged { position, what: "the record is missing".to_owned() };
    Ok(leaf_hash(&log.record(position)?.ok_or_else(missing)?))
}

/// Folds the records after the projections' position, up to and with `through`. Tells the position now and then.
pub fn replay_into(
    dir: &DataDir,
    projections: &mut Projections,
    through: Position,
    progress: &mut dyn FnMut(Position),
) -> Result<(), LogError> {
    replay_chunks(dir, projections, through, &mut |projections| progress(projections.position))
}

/// Like [`replay_into`]; `folded` is called after some thousand events each.
///
/// One thread reads and decodes, the calling one folds.
fn replay_chunks(
    dir: &DataDir,
    projections: &mut Projections,
    through: Position,
    folded: &mut dyn FnMut(&mut Projections),
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
        let (give_back, spare) = mpsc::channel();
        let decoder = scope.spawn(move || decode_chunks(dir, (after, through), &sender, &spare));
        for chunk in receiver {
            for (position, header, event) in &chunk {
                projections.fold(*position, header, event);
            }
            // Emptied by the thread that filled it: memory is given back where it was taken, and taken once.
            let _ = give_back.send(chunk);
            folded(projections);
        }
        decoder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Decoded records on their way to the thread that folds them.
type Chunk = Vec<(Position, Header, Event)>;

fn decode_chunks(
    dir: &DataDir,
    (after, through): (Position, Position),
    sender: &mpsc::SyncSender<Chunk>,
    spare: &mpsc::Receiver<Chunk>,
) -> Result<(), LogError> {
    let empty = || {
        let mut chunk = spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK_EVENTS));
        chunk.clear();
        chunk
    };
    let mut chunk = empty();
    LogReader::open(dir)?.replay(after, through, |position, header, event| {
        chunk.push((position, header, event));
        if chunk.len() == CHUNK_EVENTS {
            let full = std::mem::replace(&mut chunk, empty());
            if sender.send(full).is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    let _ = sender.send(chunk);
    Ok(())
}
