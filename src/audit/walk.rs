//! The way through the log for who wants certain records: by the index where it knows, else one by one.

use crate::domain::ids::Position;
use crate::log::LogError;
use crate::log::reader::LogReader;
use crate::projections::index::find::{Finder, Wanted};
use std::ops::ControlFlow;

/// What is met on the way.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A record that may be wanted: the index says so, or does not know.
    Record(Position, &'a [u8]),
    /// No other up to here, or down to here, is wanted.
    Passed(Position),
}

/// Who is told what is met, and may end it.
pub type Visit<'a> = &'a mut dyn FnMut(Step<'_>) -> ControlFlow<()>;

/// Oldest first, after the first position, up to and with the second.
pub fn forward(
    log: &LogReader,
    finder: &Finder,
    wanted: &Wanted,
    (after, through): (Position, Position),
    visit: Visit<'_>,
) -> Result<(), LogError> {
    let mut at = after;
    while at < through {
        let piece = finder.next(wanted, at, through);
        let mut flow = ControlFlow::Continue(());
        let mut record = |position, record: &[u8]| {
            flow = visit(Step::Record(position, record));
            flow
        };
        match &piece.found {
            Some(positions) => log.pick(positions, record)?,
            None => {
                let mut missing = Gap::after(at);
                log.scan(at, piece.through, |position, bytes| {
                    missing.expect(position, position.next())?;
                    record(position, bytes)
                })?;
                missing.check()?;
            }
        }
        at = piece.through;
        if flow.is_break() || visit(Step::Passed(at)).is_break() {
            break;
        }
    }
    Ok(())
}

/// Newest first, from and with the second position, down to after the first.
pub fn backward(
    log: &LogReader,
    finder: &Finder,
    wanted: &Wanted,
    (after, through): (Position, Position),
    visit: Visit<'_>,
) -> Result<(), LogError> {
    let mut at = through;
    while at > after {
        let piece = finder.previous(wanted, after, at);
        let mut flow = ControlFlow::Continue(());
        let mut record = |position, record: &[u8]| {
            flow = visit(Step::Record(position, record));
            flow
        };
        match &piece.found {
            Some(positions) => {
                let downwards: Vec<Position> = positions.iter().rev().copied().collect();
                log.pick(&downwards, record)?;
            }
            None => {
                let mut missing = Gap { expected: at, found: true };
                log.scan_back(at.next(), |position, bytes| {
                    if position <= piece.after {
                        return ControlFlow::Break(());
                    }
                    missing.expect(position, Position(position.0 - 1))?;
                    record(position, bytes)
                })?;
                missing.check()?;
            }
        }
        at = piece.after;
        if flow.is_break() || visit(Step::Passed(at.next())).is_break() {
            break;
        }
    }
    Ok(())
}

/// A position without a record ends the way: nothing is skipped.
struct Gap {
    expected: Position,
    found: bool,
}

impl Gap {
    fn after(position: Position) -> Self {
        Self { expected: position.next(), found: true }
    }

    fn expect(&mut self, position: Position, next: Position) -> ControlFlow<()> {
        if position != self.expected {
            self.found = false;
            return ControlFlow::Break(());
        }
        self.expected = next;
        ControlFlow::Continue(())
    }

    fn check(&self) -> Result<(), LogError> {
        let missing = || LogError::Damaged { position: self.expected, what: "the record is missing".to_owned() };
        if self.found { Ok(()) } else { Err(missing()) }
    }
}
