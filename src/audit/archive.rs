//! The log as questions see it: up to one head, read-only, with its texts, and records found by their keys.

use super::describe::Words;
use super::past::{self, Moment, PastError, Point};
use crate::domain::access::ScopeGroup;
use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;
use crate::domain::table::Table;
use crate::domain::time::Timestamp;
use crate::log::merkle::Hash;
use crate::log::personal::TextReader;
use crate::log::reader::LogReader;
use crate::log::signed_head::root_at;
use crate::log::{DataDir, LogError, codec};
use crate::projections::history::ClosedWindow;
use crate::projections::keys::{Key, keys_of};
use crate::projections::snapshot::Views;
use crate::projections::usage::Pool;
use std::ops::ControlFlow;

/// A range of positions: after the first, up to and with the second.
pub type Range = (Position, Position);

/// A log, up to the head that it had when this was opened.
#[derive(Debug)]
pub struct Archive {
    log: LogReader,
    texts: TextReader,
    groups: Table<ScopeGroup>,
    head: Position,
    now: Timestamp,
    dir: DataDir,
}

impl Archive {
    /// Opens a data directory or a backup. `now` judges what is over.
    pub fn open(dir: &DataDir, now: Timestamp) -> Result<Self, LogError> {
        let log = LogReader::open(dir)?;
        let head = log.head()?;
        let now = if head.is_none() { now } else { now.max(past::recorded_at(&log, head)?) };
        let (texts, dir) = (LogReader::texts(dir)?, dir.clone());
        let mut archive = Self { log, texts, groups: Table::default(), head, now, dir };
        archive.groups = archive.read_groups()?;
        Ok(archive)
    }

    fn read_groups(&self) -> Result<Table<ScopeGroup>, LogError> {
        let mut state = crate::domain::state::State::default();
        self.visit(&[Key::Service], (Position::NONE, self.head), &mut |_, header, event| {
            if matches!(event, Event::ScopeGroupDefined(_)) {
                state.evolve_part(header, event);
            }
            ControlFlow::Continue(())
        })?;
        Ok(state.groups)
    }

    /// The last position that it knows of.
    pub fn head(&self) -> Position {
        self.head
    }

    /// The time at which what lasts is judged.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Root of the tree over the records up to a position.
    pub fn root_at(&self, position: Position) -> Result<Hash, LogError> {
        root_at(&self.log, position)
    }

    /// The log itself.
    pub fn log(&self) -> &LogReader {
        &self.log
    }

    /// Personal texts.
    pub fn texts(&self) -> &TextReader {
        &self.texts
    }

    /// Every scope group that was ever defined.
    pub fn groups(&self) -> &Table<ScopeGroup> {
        &self.groups
    }

    /// What it takes to put events into words.
    pub fn words(&self) -> Words<'_> {
        Words { texts: &self.texts, groups: &self.groups }
    }

    /// The position and time that a point means.
    pub fn moment(&self, point: Point) -> Result<Moment, PastError> {
        past::find(&self.log, point, self.now)
    }

    /// Positions recorded at or after the first time and before the second; none is from the beginning, or to the head.
    pub fn range(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Range, LogError> {
        let before = |at: Option<Timestamp>, otherwise: Position| match at {
            Some(Timestamp(0)) => Ok(Position::NONE),
            Some(Timestamp(at)) => past::last_until(&self.log, Timestamp(at - 1), self.head),
            None => Ok(otherwise),
        };
        Ok((before(from, Position::NONE)?, before(to, self.head)?))
    }

    /// The last window of a pool that opened at or before a time (Unix seconds) and that another one took the place of
    /// since. None at all where nobody keeps them at hand: in a backup, or before the first history was moved.
    pub fn last_closed_window(&self, pool: Pool, at: u64) -> Result<Option<Option<ClosedWindow>>, LogError> {
        // Views are disposable: without them it takes longer, and the answer is the same.
        let Ok(Some(views)) = Views::open_existing(&self.dir) else { return Ok(None) };
        match views.history_position(&self.log) {
            Ok(position) if !position.is_none() => Ok(views.closed_window_until(pool, at).map(Some).unwrap_or(None)),
            _ => Ok(None),
        }
    }

    /// One record; none if there is no such position.
    pub fn record(&self, position: Position) -> Result<Option<(Header, Event)>, LogError> {
        if position > self.head {
            return Ok(None);
        }
        let Some(record) = self.log.record(position)? else { return Ok(None) };
        codec::decode(&record).map(Some).map_err(|error| LogError::undecodable(position, &error))
    }

    /// Visits the records that have any of the keys, oldest first, each once. Stops early if told to.
    pub fn visit(
        &self,
        keys: &[Key],
        (after, through): Range,
        visit: &mut dyn FnMut(Position, &Header, &Event) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        self.log.replay(after, through.min(self.head), |position, header, event| {
            if has_any(keys, &header, &event) { visit(position, &header, &event) } else { ControlFlow::Continue(()) }
        })
    }

    /// The newest record that has any of the keys and is wanted, in a range.
    pub fn last(
        &self,
        keys: &[Key],
        (after, through): Range,
        is_wanted: &mut dyn FnMut(&Header, &Event) -> bool,
    ) -> Result<Option<(Position, Header, Event)>, LogError> {
        let (mut found, mut failure) = (None, None);
        self.log.scan_back(through.min(self.head).next(), |position, record| {
            if position <= after {
                return ControlFlow::Break(());
            }
            match codec::decode(record) {
                Ok((header, event)) if has_any(keys, &header, &event) && is_wanted(&header, &event) => {
                    found = Some((position, header, event));
                    ControlFlow::Break(())
                }
                Ok(_) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(LogError::undecodable(position, &error));
                    ControlFlow::Break(())
                }
            }
        })?;
        failure.map_or(Ok(found), Err)
    }
}

fn has_any(keys: &[Key], header: &Header, event: &Event) -> bool {
    let mut has = false;
    keys_of(header, event, &mut |key| has |= keys.contains(&key));
    has
}
