//! The log as questions see it: up to one head, read-only, with its texts, and records found by their keys.

use super::describe::Words;
use super::past::{self, Moment, PastError, Point};
use super::walk::{self, Step};
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
use crate::projections::index::find::{Finder, Piece, Wanted};
use crate::projections::index::tail::Recent;
use crate::projections::keys::{Key, keys_of};
use crate::projections::snapshot::Views;
use crate::projections::usage::Pool;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A range of positions: after the first, up to and with the second.
pub type Range = (Position, Position);

/// Who is told of records, and may end it.
pub type Visit<'a> = &'a mut dyn FnMut(Position, &Header, &Event) -> ControlFlow<()>;

/// A log, up to the head that it had when this was opened.
#[derive(Debug)]
pub struct Archive {
    log: LogReader,
    finder: Finder,
    texts: Arc<TextReader>,
    groups: Table<ScopeGroup>,
    head: Position,
    now: Timestamp,
    dir: DataDir,
}

impl Archive {
    /// Opens a data directory or a backup. `now` judges what is over. What the index in it does not hold is looked
    /// through; beside a running ledger [`Archives`](super::archives::Archives) is faster.
    pub fn open(dir: &DataDir, now: Timestamp) -> Result<Self, LogError> {
        let log = LogReader::open(dir)?;
        let finder = Finder::open(dir, &log, Recent::default());
        let texts = Arc::new(LogReader::texts(dir)?);
        let mut archive = Self::of(dir, (log, finder), texts, Table::default(), now)?;
        archive.groups = archive.read_groups()?;
        Ok(archive)
    }

    /// Of parts that are there.
    pub(super) fn of(
        dir: &DataDir,
        (log, finder): (LogReader, Finder),
        texts: Arc<TextReader>,
        groups: Table<ScopeGroup>,
        now: Timestamp,
    ) -> Result<Self, LogError> {
        let head = log.head()?;
        let now = if head.is_none() { now } else { now.max(past::recorded_at(&log, head)?) };
        Ok(Self { log, finder, texts, groups, head, now, dir: dir.clone() })
    }

    /// The parts that are of use for another question.
    pub(super) fn into_parts(self) -> (LogReader, Finder) {
        (self.log, self.finder)
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

    /// The directory that it is of.
    pub fn dir(&self) -> &DataDir {
        &self.dir
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
    pub fn visit(&self, keys: &[Key], range: Range, visit: Visit<'_>) -> Result<(), LogError> {
        self.visit_wanted(&Wanted::any(keys), range, visit)
    }

    /// Visits the records that are wanted, oldest first, each once. Stops early if told to.
    pub fn visit_wanted(&self, wanted: &Wanted, (after, through): Range, visit: Visit<'_>) -> Result<(), LogError> {
        let mut judge = Judge::new(wanted, visit);
        walk::forward(&self.log, &self.finder, wanted, (after, through.min(self.head)), &mut |step| judge.step(step))?;
        judge.end()
    }

    /// Visits the records that are wanted, newest first, each once. Stops early if told to.
    pub fn visit_back(&self, wanted: &Wanted, (after, through): Range, visit: Visit<'_>) -> Result<(), LogError> {
        let mut judge = Judge::new(wanted, visit);
        walk::backward(&self.log, &self.finder, wanted, (after, through.min(self.head)), &mut |step| judge.step(step))?;
        judge.end()
    }

    /// The next run of positions as the index has it, for who can do without their records.
    pub fn next_piece(&self, wanted: &Wanted, (after, through): Range) -> Piece {
        self.finder.next(wanted, after, through.min(self.head))
    }

    /// Positions in a piece of what is wanted; none where the index does not know.
    pub fn positions_of(&self, wanted: &Wanted, piece: &Piece) -> Option<Vec<Position>> {
        self.finder.positions_of(wanted, piece)
    }

    /// Visits the records at these positions, which go up. Stops early if told to.
    pub fn visit_at(&self, positions: &[Position], visit: Visit<'_>) -> Result<(), LogError> {
        let everything = Wanted::all();
        let mut judge = Judge::new(&everything, visit);
        self.log.pick(positions, |position, record| judge.step(Step::Record(position, record)))?;
        judge.end()
    }

    /// The newest record that has any of the keys and is wanted, in a range.
    pub fn last(
        &self,
        keys: &[Key],
        range: Range,
        is_wanted: &mut dyn FnMut(&Header, &Event) -> bool,
    ) -> Result<Option<(Position, Header, Event)>, LogError> {
        self.last_wanted(&Wanted::any(keys), range, is_wanted)
    }

    /// The newest of records, as the index knows them, that is wanted by what it says, too.
    pub fn last_wanted(
        &self,
        wanted: &Wanted,
        range: Range,
        is_wanted: &mut dyn FnMut(&Header, &Event) -> bool,
    ) -> Result<Option<(Position, Header, Event)>, LogError> {
        let mut found = None;
        self.visit_back(wanted, range, &mut |position, header, event| {
            if is_wanted(header, event) {
                found = Some((position, *header, event.clone()));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// The way through the log, as `walk.rs` has it: for who wants records as they are stored.
    pub(super) fn walk(
        &self,
        wanted: &Wanted,
        range: Range,
        is_descending: bool,
        visit: walk::Visit<'_>,
    ) -> Result<(), LogError> {
        let way = if is_descending { walk::backward } else { walk::forward };
        way(&self.log, &self.finder, wanted, range, visit)
    }
}

/// Holds what is met against the keys again: the index is a hint, and what it does not know is met too.
struct Judge<'a> {
    wanted: &'a Wanted,
    visit: Visit<'a>,
    keys: Vec<Key>,
    failure: Option<LogError>,
}

impl<'a> Judge<'a> {
    fn new(wanted: &'a Wanted, visit: Visit<'a>) -> Self {
        Self { wanted, visit, keys: Vec::new(), failure: None }
    }

    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        let Step::Record(position, record) = step else { return ControlFlow::Continue(()) };
        match codec::decode(record) {
            Ok((header, event)) => {
                self.keys.clear();
                keys_of(&header, &event, &mut |key| self.keys.push(key));
                let is_wanted = self.wanted.is_met_by(&self.keys);
                if is_wanted { (self.visit)(position, &header, &event) } else { ControlFlow::Continue(()) }
            }
            Err(error) => {
                self.failure = Some(LogError::undecodable(position, &error));
                ControlFlow::Break(())
            }
        }
    }

    fn end(self) -> Result<(), LogError> {
        self.failure.map_or(Ok(()), Err)
    }
}
