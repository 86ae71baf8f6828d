//! The log as lines of JSON, for other programs: each line is what `/v1/events` shows of that event.

use super::describe::Words;
use super::history::describe;
use crate::domain::ids::Position;
use crate::log::merkle::Hash;
use crate::log::reader::LogReader;
use crate::log::signed_head::root_at;
use crate::log::{LogError, codec};
use std::io::{self, Write};
use std::ops::ControlFlow;
use thiserror::Error;

/// Why an export ended before its end. What was written by then is no export.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The lines cannot be written.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// What was exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exported {
    /// Lines written.
    pub events: u64,
    /// The last position exported.
    pub through: Position,
    /// Root of the tree over all records up to there.
    pub root: Hash,
}

/// Writes the events after `after`, up to and with `through`, one a line. `progress` is told the position now and then.
pub fn ndjson(
    log: &LogReader,
    words: &Words<'_>,
    (after, through): (Position, Position),
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Position),
) -> Result<Exported, ExportError> {
    const TOLD_EVERY: u64 = 1_000;
    let mut failure = None;
    let mut last = after;
    log.scan(after, through, |position, record| {
        if position.0.is_multiple_of(TOLD_EVERY) {
            progress(position);
        }
        match write_line(words, last, position, record, out) {
            Ok(()) => {
                last = position;
                ControlFlow::Continue(())
            }
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match failure {
        Some(error) => Err(error),
        None if last < through => Err(missing(last.next()).into()),
        None => Ok(Exported { events: through.0 - after.0, through, root: root_at(log, through)? }),
    }
}

fn missing(position: Position) -> LogError {
    LogError::Damaged { position, what: "the record is missing".to_owned() }
}

fn write_line(
    words: &Words<'_>,
    last: Position,
    position: Position,
    record: &[u8],
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    if position != last.next() {
        return Err(missing(last.next()).into());
    }
    let (header, event) = codec::decode(record).map_err(|error| LogError::undecodable(position, &error))?;
    serde_json::to_writer(&mut *out, &describe(position, record, &header, &event, words)).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}
