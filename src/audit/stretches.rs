//! Stretches of history, half open, by time and by position at once.
//!
//! A time in the middle of a batch of records is no place, and a position says nothing of what ends by the clock alone. So
//! an edge has both: a record's own, or of an instant the first position recorded at it or after it.

use super::archive::Archive;
use super::questions::{Asked, AuditError, FROM, TO};
use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use crate::log::LogError;

/// A place in history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// When.
    pub at: Timestamp,
    /// The record that it is at; of an instant the first record at it or after it, which may not be there yet.
    pub position: Position,
}

/// What an edge is made by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Turn {
    /// A record.
    Record(Position),
    /// A token's `not_before` came.
    Begun,
    /// A token's `expires_at` came.
    Expired,
    /// The last of a token's secrets ended.
    SecretsEnded,
    /// The period that is looked at begins: it was so before.
    Before,
}

/// Where a stretch begins or ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Edge {
    /// Where.
    pub place: Place,
    /// What made it.
    pub by: Turn,
}

impl Edge {
    /// At a record.
    pub fn at_record(at: Timestamp, position: Position) -> Self {
        Self { place: Place { at, position }, by: Turn::Record(position) }
    }
}

/// From an edge, inclusive, to another, exclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    /// Its beginning.
    pub from: Edge,
    /// Its end; none if it is not over where the period that is looked at ends.
    pub until: Option<Edge>,
}

impl Stretch {
    fn is_empty(&self) -> bool {
        self.until.is_some_and(|until| until.place <= self.from.place)
    }

    /// What of it lies in another; none if nothing does.
    pub fn within(&self, other: &Self) -> Option<Self> {
        let from = if other.from.place > self.from.place { other.from } else { self.from };
        let until = match (self.until, other.until) {
            (Some(own), Some(others)) => Some(if others.place < own.place { others } else { own }),
            (own, others) => own.or(others),
        };
        Some(Self { from, until }).filter(|both| !both.is_empty())
    }

    /// Whether the state at a position, judged at that position's time, lies in it.
    pub fn has(&self, position: Position) -> bool {
        self.from.place.position <= position && self.until.is_none_or(|until| position < until.place.position)
    }
}

/// The parts of any stretch that lie in any of the others.
pub fn within_any(stretch: Stretch, others: &[Stretch]) -> Vec<Stretch> {
    others.iter().filter_map(|other| stretch.within(other)).collect()
}

/// What lies between stretches that are in order and apart, in a whole that they are in.
pub fn between(whole: Stretch, stretches: &[Stretch]) -> Vec<Stretch> {
    let mut gaps = Vec::with_capacity(stretches.len() + 1);
    let mut from = Some(whole.from);
    for stretch in stretches {
        let gap = from.map(|from| Stretch { from, until: Some(stretch.from) });
        gaps.extend(gap.filter(|gap| !gap.is_empty()));
        from = stretch.until;
    }
    gaps.extend(from.map(|from| Stretch { from, until: whole.until }).filter(|gap| !gap.is_empty()));
    gaps
}

/// The period that a question looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    /// Its first place.
    pub from: Place,
    /// The last position in it.
    pub through: Position,
    /// The first instant after it.
    pub until: Timestamp,
}

impl Period {
    /// The period between `from` and `to`, which is over: what is still to come is not known.
    pub fn of(archive: &Archive, asked: &Asked) -> Result<Self, AuditError> {
        let (after, through) = asked.range(archive)?;
        let now = Timestamp(archive.now().0 + 1);
        let from = Place { at: asked.time(FROM.name).unwrap_or_default(), position: after.next() };
        Ok(Self { from, through, until: asked.time(TO.name).map_or(now, |to| to.min(now)) })
    }

    /// All of it.
    pub fn whole(&self) -> Stretch {
        Stretch { from: Edge { place: self.from, by: Turn::Before }, until: None }
    }

    /// The last instant in it: what lasts is judged at it.
    pub fn last_instant(&self) -> Timestamp {
        Timestamp(self.until.0.saturating_sub(1))
    }
}

/// The place of an instant.
pub fn place_of(archive: &Archive, at: Timestamp) -> Result<Place, LogError> {
    Ok(Place { at, position: archive.range(None, Some(at))?.1.next() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(position: u64) -> Edge {
        Edge::at_record(Timestamp(position), Position(position))
    }

    fn stretch(from: u64, until: u64) -> Stretch {
        Stretch { from: edge(from), until: (until > 0).then(|| edge(until)) }
    }

    #[test]
    fn what_lies_in_another_is_half_open() {
        for (one, other, both) in [
            ((2, 5), (3, 9), Some((3, 5))),
            ((2, 5), (5, 9), None),
            ((5, 9), (2, 5), None),
            ((2, 0), (3, 0), Some((3, 0))),
            ((2, 0), (1, 4), Some((2, 4))),
        ] {
            let both = both.map(|(from, until)| stretch(from, until));
            assert_eq!(stretch(one.0, one.1).within(&stretch(other.0, other.1)), both, "{one:?} {other:?}");
        }
    }

    #[test]
    fn what_lies_between_is_the_rest() {
        let rest = |stretches: &[Stretch]| between(stretch(1, 0), stretches);
        assert_eq!(rest(&[]), [stretch(1, 0)]);
        assert_eq!(rest(&[stretch(1, 3), stretch(5, 8)]), [stretch(3, 5), stretch(8, 0)]);
        assert_eq!(rest(&[stretch(4, 0)]), [stretch(1, 4)]);
        assert!(rest(&[stretch(1, 0)]).is_empty());
    }
}
