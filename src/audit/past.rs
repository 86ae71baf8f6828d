//! The state at a point of the past: which position a time means, and the read models there.
//!
//! A time T means the last position with `recorded_at` ≤ T, and what depends on time (expiry, windows) is judged at T;
//! a position is judged at its own time. Times never go back along the log, so a position is found by bisection.

use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use crate::log::codec;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use crate::projections::snapshot::{PassedOver, Unusable, Views};
use crate::projections::{Projections, rebuild};
use thiserror::Error;

/// A point of the log's history, as somebody asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Point {
    /// The head, judged now.
    Head,
    /// A position, judged at its own time.
    Position(Position),
    /// A time.
    Time(Timestamp),
}

impl Point {
    /// Reads a position (`1234`) or a time (RFC 3339, as in `2026-03-01T12:00:00Z`).
    pub fn parse(text: &str) -> Option<Self> {
        match text.parse::<u64>() {
            Ok(position) => Some(Self::Position(Position(position))),
            Err(_) => Timestamp::parse(text).map(Self::Time),
        }
    }
}

/// A point that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// The last position that belongs to it.
    pub position: Position,
    /// The time to judge expiry and windows at.
    pub at: Timestamp,
    /// The log's head when it was looked for.
    pub head: Position,
}

/// Why there is no state at a point.
#[derive(Debug, Error)]
pub enum PastError {
    /// There is no history at all.
    #[error("the log has no records yet")]
    Empty,
    /// No such position.
    #[error("there is no position {asked}: the log has positions 1 to {latest}")]
    NoPosition {
        /// What was asked for.
        asked: Position,
        /// The head.
        latest: Position,
    },
    /// Before everything.
    #[error("{asked} is before the first record, of {earliest}", asked = .asked.to_micros_text(), earliest = .earliest.to_micros_text())]
    BeforeFirst {
        /// What was asked for.
        asked: Timestamp,
        /// Time of the first record.
        earliest: Timestamp,
        /// Now.
        latest: Timestamp,
    },
    /// Not over: what will be recorded until then is unknown.
    #[error("{asked} is not over yet: it is {latest}", asked = .asked.to_micros_text(), latest = .latest.to_micros_text())]
    NotOver {
        /// What was asked for.
        asked: Timestamp,
        /// Time of the first record.
        earliest: Timestamp,
        /// Now.
        latest: Timestamp,
    },
    /// The files.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Finds the position and time that a point means. `now` judges the head, and which times are over.
pub fn find(log: &LogReader, point: Point, now: Timestamp) -> Result<Moment, PastError> {
    let head = log.head()?;
    if head.is_none() {
        return Err(PastError::Empty);
    }
    let now = now.max(recorded_at(log, head)?);
    match point {
        Point::Head => Ok(Moment { position: head, at: now, head }),
        Point::Position(asked) if asked.is_none() || asked > head => Err(PastError::NoPosition { asked, latest: head }),
        Point::Position(position) => Ok(Moment { position, at: recorded_at(log, position)?, head }),
        Point::Time(asked) if asked > now => {
            Err(PastError::NotOver { asked, earliest: recorded_at(log, Position(1))?, latest: now })
        }
        Point::Time(asked) => match last_until(log, asked, head)? {
            Position::NONE => {
                Err(PastError::BeforeFirst { asked, earliest: recorded_at(log, Position(1))?, latest: now })
            }
            position => Ok(Moment { position, at: asked, head }),
        },
    }
}

/// The last position with `recorded_at` ≤ `at`, up to `head`; none if there is no such record.
pub fn last_until(log: &LogReader, at: Timestamp, head: Position) -> Result<Position, LogError> {
    last_until_between(log, at, (Position::NONE, head))
}

/// The same, where it is known that it lies between two positions, both of them possible.
pub fn last_until_between(
    log: &LogReader,
    at: Timestamp,
    (first, last): (Position, Position),
) -> Result<Position, LogError> {
    // All positions up to `before` are of that time or earlier, all after `last` are later.
    let (mut before, mut last) = (first.0, last.0);
    log.in_one_look(|| {
        while before < last {
            let middle = before + (last - before).div_ceil(2);
            if recorded_at(log, Position(middle))? <= at {
                before = middle;
            } else {
                last = middle - 1;
            }
        }
        Ok(Position(before))
    })
}

/// When a record was recorded.
pub fn recorded_at(log: &LogReader, position: Position) -> Result<Timestamp, LogError> {
    let missing = || LogError::Damaged { position, what: "the record is missing".to_owned() };
    let record = log.record(position)?.ok_or_else(missing)?;
    let (_, _, header) = codec::decode_header(&record).map_err(|error| LogError::undecodable(position, &error))?;
    Ok(header.recorded_at)
}

/// The read models at a moment.
#[derive(Debug)]
pub struct Past {
    /// The moment.
    pub moment: Moment,
    /// The read models there.
    pub projections: Projections,
    /// Position of the snapshot it began with; 0 if with none.
    pub from_snapshot: Position,
    /// Snapshots that were in reach and passed over, and why.
    pub passed_over: Vec<PassedOver>,
    /// Why no snapshot could be looked at, if the views file itself cannot be read.
    pub views_unreadable: Option<String>,
}

/// The read models at a moment: from the newest good snapshot at or before it, and the records in between. `progress` is
/// told the position now and then.
pub fn state_at(dir: &DataDir, moment: Moment, progress: &mut dyn FnMut(Position)) -> Result<Past, LogError> {
    let log = LogReader::open(dir)?;
    let mut passed_over = Vec::new();
    let found = snapshot_until(dir, &log, moment.position, &mut passed_over);
    // Views are disposable: whatever is wrong with them, the log has it all.
    let (snapshot, views_unreadable) = match found {
        Ok(snapshot) => (snapshot, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let mut projections = snapshot.unwrap_or_default();
    let from_snapshot = projections.position;
    rebuild::replay_into(dir, &mut projections, moment.position, progress)?;
    Ok(Past { moment, projections, from_snapshot, passed_over, views_unreadable })
}

fn snapshot_until(
    dir: &DataDir,
    log: &LogReader,
    until: Position,
    passed_over: &mut Vec<PassedOver>,
) -> Result<Option<Projections>, LogError> {
    let Some(views) = Views::open_existing(dir)? else { return Ok(None) };
    for position in views.positions()?.into_iter().rev().filter(|position| *position <= until) {
        match views.load_at(position, log)? {
            Ok(projections) => return Ok(Some(projections)),
            // A server that runs replaced it meanwhile.
            Err(Unusable::Gone) => {}
            Err(reason) => passed_over.push(PassedOver { position, reason: reason.to_string() }),
        }
    }
    Ok(None)
}
