//! Uses of a token as far as the index says them: those of a scope that is used often are counted without reading them.
//!
//! Records that were read before, or a few that are spread over a piece, say which scopes are used often. Of those the index
//! knows the positions; the others are read, as are uses that needed no scope, refusals, and reports.

use super::Used;
use crate::audit::archive::Archive;
use crate::audit::past::recorded_at;
use crate::audit::what_if::{EXAMPLES_MAX, Seen};
use crate::domain::access::{GroupNumber, RequiredScope, Target, Verb};
use crate::domain::event::OUTCOMES;
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::log::LogError;
use crate::projections::index::find::{Piece, Wanted};
use crate::projections::index::positions::{common, without};
use crate::projections::keys::{Key, Reach, UseShape};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Records of a long piece that are read to see which scopes are used often.
const SAMPLE: usize = 128;
/// Less than that of a piece is read without a sample.
const RECORDS_MIN: usize = 4 * SAMPLE;
/// Looking up a scope in so many positions takes about as long as reading one record.
const POSITIONS_A_RECORD: u64 = 4_096;

/// Whose uses are counted.
pub(super) struct Subject<'a> {
    pub account: AccountId,
    pub tokens: &'a [TokenId],
}

/// A kind of use that the index has a key of, but for the name.
type Kind = (GroupNumber, Verb, Reach);

/// Takes in a piece of the tokens' records.
pub(super) fn take(
    used: &mut Used,
    archive: &Archive,
    subject: &Subject<'_>,
    (piece, found): (&Piece, &[Position]),
) -> Result<(), LogError> {
    let counting = Counting { archive, account: subject.account, piece };
    // Pieces of what was folded last are short: what is used often is known from those before.
    let often = counting.often(used, found.len());
    let mut rest = counting.count(used, often, found.to_vec());
    if rest.len() >= RECORDS_MIN {
        let sample: Vec<Position> = rest.iter().step_by(rest.len() / SAMPLE).copied().collect();
        let mut of_sample = Used::default();
        read(&mut of_sample, archive, subject, &sample)?;
        rest = without(&rest, &sample);
        let often = counting.often(&of_sample, rest.len());
        used.merge(of_sample);
        rest = counting.count(used, often, rest);
    }
    read(used, archive, subject, &rest)
}

struct Counting<'a> {
    archive: &'a Archive,
    account: AccountId,
    piece: &'a Piece,
}

impl Counting<'_> {
    /// Scopes of which there are so many uses among some records, by those that were seen, that looking them up is faster
    /// than reading them.
    fn often(&self, seen: &Used, records: usize) -> BTreeMap<Kind, Vec<RequiredScope>> {
        let mut often: BTreeMap<Kind, Vec<RequiredScope>> = BTreeMap::new();
        let look_up = 2 + (self.piece.through.0 - self.piece.after.0) / POSITIONS_A_RECORD;
        let all = seen.uses.count + seen.counted.values().map(|counted| counted.count).sum::<u64>();
        for (scope, of_scope) in &seen.scopes {
            let count = of_scope.count + seen.counted.get(scope).map_or(0, |counted| counted.count);
            let expected = count * records as u64 / all.max(1);
            if let Some(reach) = reach(scope.target).filter(|_| expected >= look_up) {
                often.entry((scope.group, scope.verb, reach)).or_default().push(*scope);
            }
        }
        often
    }

    /// Counts the uses of scopes among some records, which come behind all those counted before. Gives the others.
    fn count(
        &self,
        used: &mut Used,
        often: BTreeMap<Kind, Vec<RequiredScope>>,
        mut rest: Vec<Position>,
    ) -> Vec<Position> {
        for (kind, scopes) in often {
            let Some(of_kind) = self.of_kind(kind) else { continue };
            let of_kind = common(&rest, &of_kind);
            for scope in scopes {
                // Not known any more: then it is read like the rest.
                let Some(positions) = self.of_scope(scope, &of_kind) else { continue };
                if !positions.is_empty() {
                    used.counted.entry(scope).or_default().add(&positions);
                }
                rest = without(&rest, &positions);
            }
        }
        rest
    }

    /// Positions of the account's uses of a kind, however they ended.
    fn of_kind(&self, (group, verb, reach): Kind) -> Option<Vec<Position>> {
        let key = |outcome| Key::of_uses(self.account, UseShape { group, verb, reach, outcome });
        let keys = OUTCOMES.into_iter().map(key).collect::<Option<Vec<Key>>>()?;
        self.archive.positions_of(&Wanted::any(&keys), self.piece)
    }

    fn of_scope(&self, scope: RequiredScope, of_kind: &[Position]) -> Option<Vec<Position>> {
        let Target::Name(name) = scope.target else { return Some(of_kind.to_vec()) };
        let named = self.archive.positions_of(&Wanted::any(&[Key::Name(name)]), self.piece)?;
        Some(common(of_kind, &named))
    }
}

fn reach(target: Target) -> Option<Reach> {
    match target {
        Target::Name(_) => Some(Reach::Name),
        Target::List => Some(Reach::List),
        Target::All => Some(Reach::All),
        Target::Number(_) => None,
    }
}

/// Uses of a scope that were counted by their positions alone.
#[derive(Default)]
pub(super) struct Counted {
    count: u64,
    /// The first few.
    first: Vec<Position>,
    last: Position,
}

impl Counted {
    /// Takes in what comes behind it.
    fn add(&mut self, positions: &[Position]) {
        self.count += positions.len() as u64;
        let room = EXAMPLES_MAX.saturating_sub(self.first.len());
        self.first.extend(positions.iter().take(room));
        self.last = positions.last().copied().unwrap_or(self.last);
    }

    /// With the time of the first and of the last, which are read.
    pub fn seen(self, archive: &Archive) -> Result<Seen, LogError> {
        let place = |position| recorded_at(archive.log(), position).map(|at| (position, at));
        let first = self.first.first().copied().unwrap_or(self.last);
        Ok(Seen { count: self.count, first: place(first)?, last: place(self.last)?, examples: self.first })
    }
}

/// Takes in records one by one, and holds them against what was asked for.
fn read(used: &mut Used, archive: &Archive, subject: &Subject<'_>, positions: &[Position]) -> Result<(), LogError> {
    archive.visit_at(positions, &mut |position, header, event| {
        if header.account == subject.account && subject.tokens.contains(&header.token) {
            used.take(position, header, event);
        }
        ControlFlow::Continue(())
    })
}
