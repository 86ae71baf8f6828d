//! Finding positions by keys: from the file, from what is in memory, and what neither knows of.

use super::SEGMENT_EVENTS;
use super::packed::packed;
use super::store::Directory;
use super::tail::Recent;
use crate::domain::ids::Position;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use crate::projections::keys::Key;
use crate::projections::views::Views;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Directories kept by who asks, each of some KiB. Past it all are read again.
const DIRECTORIES_KEPT: usize = 512;

/// What records are wanted: of each group a record must have any key, and none of those without. Without groups all are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    groups: Vec<Vec<Key>>,
    numbers: Vec<Vec<u64>>,
    without: Vec<Key>,
    without_numbers: Vec<u64>,
}

impl Wanted {
    /// Every record.
    pub fn all() -> Self {
        Self::default()
    }

    /// Records that have any of the keys; without keys none.
    pub fn any(keys: &[Key]) -> Self {
        Self::all().and_any(keys)
    }

    /// Those of them that have any of these keys as well.
    #[must_use]
    pub fn and_any(mut self, keys: &[Key]) -> Self {
        self.numbers.push(numbers(keys));
        self.groups.push(keys.to_vec());
        self
    }

    /// Those of them that have none of these keys, in place of those said before.
    #[must_use]
    pub fn and_none(mut self, keys: &[Key]) -> Self {
        (self.without, self.without_numbers) = (keys.to_vec(), numbers(keys));
        self
    }

    /// Whether a record with keys of these is wanted.
    pub fn is_met_by(&self, keys: &[Key]) -> bool {
        let is_any = |group: &[Key]| group.iter().any(|key| keys.contains(key));
        self.groups.iter().all(|group| is_any(group)) && !is_any(&self.without)
    }

    /// Whether every record is wanted, or none: then no index is asked.
    fn plain(&self) -> Option<bool> {
        if self.groups.iter().any(Vec::is_empty) {
            return Some(false);
        }
        (self.groups.is_empty() && self.without.is_empty()).then_some(true)
    }
}

fn numbers(keys: &[Key]) -> Vec<u64> {
    keys.iter().map(|&key| packed(key)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// A run of positions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The position before its first.
    pub after: Position,
    /// Its last.
    pub through: Position,
    /// Those of them whose records are wanted, by the index, in order; none if the index does not know.
    pub found: Option<Vec<Position>>,
}

/// The open file, as far as it is of use, and how it was when it was opened.
#[derive(Debug)]
struct Stored {
    views: Views,
    segment_events: u64,
    segments: BTreeSet<u64>,
    directories: BTreeMap<u64, Directory>,
}

/// Where positions are asked for. It knows the file as it was when this was opened or refreshed.
#[derive(Debug)]
pub struct Finder {
    stored: RefCell<Option<Stored>>,
    /// Device and inode of the file: it may be made anew.
    file: Option<(u64, u64)>,
    segment_events: u64,
    recent: Recent,
}

impl Finder {
    /// Over the file of a directory, if there is one, and what is in memory. `recent` must be taken before: then nothing
    /// is missing that moved from the one to the other.
    pub fn open(dir: &DataDir, log: &LogReader, recent: Recent) -> Self {
        let mut finder = Self { recent, ..Self::blind() };
        finder.look_again(dir, log);
        finder
    }

    /// Without any index.
    pub fn blind() -> Self {
        let (stored, recent) = (RefCell::new(None), Recent::default());
        Self { stored, file: None, segment_events: SEGMENT_EVENTS, recent }
    }

    /// For the next question: with what is in memory now, and the file as it is now.
    pub fn refresh(&mut self, dir: &DataDir, log: &LogReader, recent: Recent) {
        self.recent = recent;
        self.look_again(dir, log);
    }

    /// Views are disposable: whatever is wrong with them, the log has it all.
    fn look_again(&mut self, dir: &DataDir, log: &LogReader) {
        let file = identity(&dir.views());
        let stored = self.stored.get_mut();
        if file != self.file {
            (*stored, self.file) = (None, file);
        }
        let looked = look(stored.take(), dir, log, self.recent.segment_events()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the index cannot be read: the log is looked through instead");
            None
        });
        let events = self.recent.segment_events().or(looked.as_ref().map(|stored| stored.segment_events));
        (*stored, self.segment_events) = (looked, events.unwrap_or(SEGMENT_EVENTS));
    }

    /// The piece that begins after a position, up to and with `through` at most.
    pub fn next(&self, wanted: &Wanted, after: Position, through: Position) -> Piece {
        if let Some(piece) = plain(wanted, after, through) {
            return piece;
        }
        let first = after.next();
        let (begin, end) = self.segment_around(first);
        if let Some(found) = self.in_file(wanted, first) {
            return piece_of(found, after.max(begin), through.min(end));
        }
        if let Some(chunk) = self.recent.chunk_of(first) {
            return piece_of(self.in_chunk(wanted, chunk), after, through.min(chunk.through()));
        }
        let (_, next) = self.recent.around(first);
        Piece { after, through: through.min(end).min(next.unwrap_or(end)), found: None }
    }

    /// The piece that ends at a position, from after `after` on at most.
    pub fn previous(&self, wanted: &Wanted, after: Position, through: Position) -> Piece {
        if let Some(piece) = plain(wanted, after, through) {
            return piece;
        }
        let (begin, end) = self.segment_around(through);
        if let Some(found) = self.in_file(wanted, through) {
            return piece_of(found, after.max(begin), through.min(end));
        }
        if let Some(chunk) = self.recent.chunk_of(through) {
            return piece_of(self.in_chunk(wanted, chunk), after.max(chunk.first_after()), through);
        }
        let (before, _) = self.recent.around(through);
        Piece { after: after.max(begin).max(before.unwrap_or(begin)), through, found: None }
    }

    /// Positions in a piece that was found of what else is wanted; none if the index does not know it any more.
    pub fn positions_of(&self, wanted: &Wanted, piece: &Piece) -> Option<Vec<Position>> {
        let again = self.next(wanted, piece.after, piece.through);
        again.found.filter(|_| again.through == piece.through)
    }

    /// Ends of the segment that a position is in.
    fn segment_around(&self, position: Position) -> (Position, Position) {
        let events = self.segment_events;
        let begin = (position.0 - 1) / events * events;
        (Position(begin), Position(begin.saturating_add(events)))
    }

    fn in_chunk(&self, wanted: &Wanted, chunk: &super::tail::Chunk) -> Vec<Position> {
        let mut groups = Vec::new();
        for keys in &wanted.numbers {
            let mut positions = Vec::new();
            keys.iter().for_each(|&key| chunk.positions(key, &mut positions));
            groups.push(positions);
        }
        let mut without = Vec::new();
        wanted.without_numbers.iter().for_each(|&key| chunk.positions(key, &mut without));
        common(groups, without)
    }

    /// From the segment in the file that a position is in; none if it is not there or damaged.
    fn in_file(&self, wanted: &Wanted, position: Position) -> Option<Vec<Position>> {
        let events = self.segment_events;
        let segment = (position.0 - 1) / events;
        let mut stored = self.stored.borrow_mut();
        let stored = stored.as_mut().filter(|stored| stored.segments.contains(&segment))?;
        match stored.positions(wanted, segment, events) {
            Ok(Some(positions)) => return Some(positions),
            Ok(None) => tracing::warn!(segment, "a segment of the index is damaged: it is made anew"),
            Err(error) => tracing::warn!(%error, segment, "a segment of the index cannot be read: it is made anew"),
        }
        stored.segments.remove(&segment);
        self.recent.damaged().note(segment);
        None
    }
}

fn look(
    stored: Option<Stored>,
    dir: &DataDir,
    log: &LogReader,
    events: Option<u64>,
) -> Result<Option<Stored>, LogError> {
    let (views, directories, known) = match stored {
        Some(stored) => (stored.views, stored.directories, stored.segments),
        None => match Views::open_existing(dir)? {
            Some(views) if views.has_index()? => (views, BTreeMap::new(), BTreeSet::new()),
            _ => return Ok(None),
        },
    };
    let Some(events) = events.map_or_else(|| views.segment_events(), |events| Ok(Some(events)))? else {
        return Ok(None);
    };
    let segments: BTreeSet<u64> = views.segments(events)?.into_iter().collect();
    // Of this log it was seen to be before; what comes after is by the one who serves it.
    let is_of_log = (!known.is_empty() && known.is_subset(&segments)) || views.is_of_log(log, events)?;
    Ok(is_of_log.then_some(Stored { views, segment_events: events, segments, directories }))
}

impl Stored {
    fn positions(&mut self, wanted: &Wanted, segment: u64, events: u64) -> Result<Option<Vec<Position>>, LogError> {
        if self.directories.len() >= DIRECTORIES_KEPT && !self.directories.contains_key(&segment) {
            self.directories.clear();
        }
        if !self.directories.contains_key(&segment) {
            let Some(directory) = self.views.directory(segment, events)? else { return Ok(None) };
            self.directories.insert(segment, directory);
        }
        let Some(directory) = self.directories.get(&segment) else { return Ok(None) };
        let mut groups = Vec::new();
        for keys in &wanted.numbers {
            let mut positions = Vec::new();
            if !self.views.positions_in(directory, keys, &mut positions)? {
                // It may have been made anew meanwhile: the next question sees it as it is then.
                self.directories.remove(&segment);
                return Ok(None);
            }
            groups.push(positions);
        }
        let mut without = Vec::new();
        if !self.views.positions_in(directory, &wanted.without_numbers, &mut without)? {
            self.directories.remove(&segment);
            return Ok(None);
        }
        Ok(Some(common(groups, without)))
    }
}

/// Positions that are in each of the groups and not among others, in order.
fn common(groups: Vec<Vec<Position>>, without: Vec<Position>) -> Vec<Position> {
    let sorted = |mut positions: Vec<Position>| {
        positions.sort_unstable();
        positions.dedup();
        positions
    };
    let without = sorted(without);
    let mut groups = groups.into_iter().map(sorted);
    let mut first = groups.next().unwrap_or_default();
    first.retain(|position| without.binary_search(position).is_err());
    groups.fold(first, |common, group| {
        let is_common = |position: &Position| group.binary_search(position).is_ok();
        common.into_iter().filter(is_common).collect()
    })
}

fn piece_of(mut found: Vec<Position>, after: Position, through: Position) -> Piece {
    found.retain(|position| (after.next()..=through).contains(position));
    Piece { after, through, found: Some(found) }
}

fn plain(wanted: &Wanted, after: Position, through: Position) -> Option<Piece> {
    let found = if wanted.plain()? { None } else { Some(Vec::new()) };
    Some(Piece { after, through, found })
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
