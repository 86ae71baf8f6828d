//! Who did, as far as the index says it: uses whose token, scope and end it knows are counted without reading them.
//!
//! A year of a busy account has hundreds of thousands of uses of one name, and reading each took nearly all of the time.

use super::could::counts;
use super::did::Way;
use super::wanted::Wanted;
use crate::audit::archive::Archive;
use crate::domain::access::{RequiredScope, Target, Verb};
use crate::domain::event::{OUTCOMES, Outcome};
use crate::domain::ids::{Position, TokenId};
use crate::projections::index::find::{self, Piece};
use crate::projections::index::positions::each_common;
use crate::projections::keys::{Key, Reach, UseShape};

/// Reading so many records takes about as long as looking up one key.
const RECORDS_A_LOOK_UP: usize = 16;

/// A use as the index knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Use {
    pub position: Position,
    pub token: TokenId,
    pub way: Way,
    pub verb: Verb,
    pub outcome: Outcome,
}

/// What of a piece need not be read, and what must be.
#[derive(Debug)]
pub(super) struct Split {
    /// In order.
    pub uses: Vec<Use>,
    /// Refusals, reports, and uses by tokens that are not among the known ones.
    pub rest: Vec<Position>,
}

/// What is looked up in every piece.
#[derive(Debug)]
pub(super) struct LookUps {
    tokens: Vec<TokenId>,
    shapes: Vec<(Key, Way, Verb, Outcome)>,
}

impl LookUps {
    /// Of what is wanted, and who may have done it. None where the index has no such keys.
    pub fn of(wanted: &Wanted, tokens: Vec<TokenId>) -> Option<Self> {
        let RequiredScope { group, verb: asked, target } = wanted.scope;
        let ways = [(Reach::Name, Way::Name), (Reach::List, Way::List), (Reach::All, Way::All)];
        let is_named = matches!(target, Target::Name(name) if !name.is_none());
        let mut shapes = Vec::new();
        for verb in [Verb::Read, Verb::Write].into_iter().filter(|verb| counts(*verb, asked)) {
            for (reach, way) in ways.into_iter().filter(|(_, way)| *way != Way::Name || is_named) {
                for outcome in OUTCOMES {
                    let key = Key::of_uses(wanted.account, UseShape { group, verb, reach, outcome })?;
                    shapes.push((key, way, verb, outcome));
                }
            }
        }
        Some(Self { tokens, shapes })
    }

    /// Splits what was found in a piece; none if it is to be read, since the index does not know it or that is as fast.
    pub fn split(&self, archive: &Archive, piece: &Piece) -> Option<Split> {
        let found = piece.found.as_deref()?;
        let of = |key: Key| find::Wanted::any(&[key]);
        if found.len() < RECORDS_A_LOOK_UP * (self.tokens.len() + self.shapes.len()) {
            return None;
        }
        let mut uses = Vec::with_capacity(found.len());
        for (key, way, verb, outcome) in &self.shapes {
            let positions = archive.positions_of(&of(*key), piece)?;
            each_common(
                found,
                &positions,
                |position| *position,
                |at| {
                    uses.push(Use {
                        position: found[at],
                        token: TokenId::NONE,
                        way: *way,
                        verb: *verb,
                        outcome: *outcome,
                    });
                },
            );
        }
        // Each shape's are in order.
        uses.sort_by_key(|found| found.position);
        for token in &self.tokens {
            let positions = archive.positions_of(&of(Key::TokenTraffic(*token)), piece)?;
            let mut own = Vec::new();
            each_common(&uses, &positions, |one| one.position, |at| own.push(at));
            own.into_iter().for_each(|at| uses[at].token = *token);
        }
        let mut rest: Vec<Position> = uses.iter().filter(|one| one.token.is_none()).map(|one| one.position).collect();
        uses.retain(|one| !one.token.is_none());
        for name in ["TokenUseRefused", "UseReported"] {
            let positions = archive.positions_of(&of(Key::of_type(name)), piece)?;
            each_common(found, &positions, |position| *position, |at| rest.push(found[at]));
        }
        rest.sort_unstable();
        Some(Split { uses, rest })
    }
}
