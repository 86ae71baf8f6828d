//! What came out of judging the past again.

use super::blockers::Blocker;
use crate::domain::access::{GroupNumber, RequiredScope};
use crate::domain::event::{Cause, Header};
use crate::domain::ids::{AccountId, Position, TextNumber, TokenId};
use crate::domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Positions named of each group of uses.
pub const EXAMPLES_MAX: usize = 5;

/// Requests that are told together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Group {
    /// With which token.
    pub token: TokenId,
    /// On which account; none: on none.
    pub account: AccountId,
    /// What for; none where the route needs none, or it was not recorded.
    pub scope: Option<RequiredScope>,
    /// Why it would be, or was, refused.
    pub cause: Cause,
}

/// When, and how often.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// How often.
    pub count: u64,
    /// The first.
    pub first: (Position, Timestamp),
    /// The last.
    pub last: (Position, Timestamp),
    /// Positions of the first few.
    pub examples: Vec<Position>,
}

impl Seen {
    /// Takes in the next one.
    pub fn add(&mut self, position: Position, at: Timestamp) {
        if self.count == 0 {
            self.first = (position, at);
        }
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(position);
        }
        (self.last, self.count) = ((position, at), self.count + 1);
    }

    /// Takes in one from anywhere in the log.
    pub fn insert(&mut self, position: Position, at: Timestamp) {
        let one = (position, at);
        (self.first, self.last) = match self.count {
            0 => (one, one),
            _ => (self.first.min(one), self.last.max(one)),
        };
        self.count += 1;
        self.examples.push(position);
        self.trim();
    }

    /// Takes in others, from anywhere in the log.
    pub fn merge(&mut self, other: &Self) {
        if self.count == 0 {
            self.clone_from(other);
            return;
        }
        if other.count == 0 {
            return;
        }
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.examples.extend(&other.examples);
        self.trim();
    }

    fn trim(&mut self) {
        self.examples.sort_unstable();
        self.examples.truncate(EXAMPLES_MAX);
    }
}

/// Requests by group.
pub type Groups = BTreeMap<Group, Seen>;

/// A list that gets shorter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shortened {
    /// When it was asked for.
    pub seen: Seen,
    /// What it would not have shown.
    pub without: BTreeSet<TextNumber>,
    /// Whether it showed everything of another service, and what that had is not known.
    pub of_everything: bool,
}

/// What came out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// Uses by whom, or on what, the change speaks of.
    pub uses: u64,
    /// Uses that it would have refused.
    pub refused: Groups,
    /// Each of them.
    pub refused_uses: Vec<(Position, Timestamp, Group)>,
    /// Refused requests that it would have let pass.
    pub newly_allowed: Groups,
    /// Uses of which it cannot be told: their addresses were erased.
    pub undeterminable: Groups,
    /// Refused requests that it would have let in, though what for was not recorded.
    pub let_in: Groups,
    /// Lists that it would have shortened, by token, account and group.
    pub narrowed: BTreeMap<(TokenId, AccountId, GroupNumber), Shortened>,
    /// Uses that gateways had decided, and that it would not cover.
    pub reported: Groups,
    /// What a change of plan to Solo stumbles over.
    pub blockers: Vec<Blocker>,
    /// Refusals that are recorded as sums only, of whom the change speaks of.
    pub summed: u64,
    /// Refusals for quota that are recorded as totals only.
    pub totalled: u64,
    /// Uses judged by their address that a gateway asked about.
    pub asked_from_gateways: u64,
}

impl Found {
    /// Whether windows may be others than they were.
    pub(super) fn is_disturbed(&self) -> bool {
        !(self.refused.is_empty() && self.newly_allowed.is_empty() && self.undeterminable.is_empty())
    }

    /// Whether room came free that requests counted in totals may have used.
    pub fn is_only_bound(&self) -> bool {
        let is_quota = |cause| matches!(cause, Cause::QuotaExceeded);
        self.totalled > 0 && !(self.refused.keys().all(|group| is_quota(group.cause)) && self.newly_allowed.is_empty())
    }

    pub(super) fn refuse(&mut self, position: Position, group: Group, at: Timestamp) {
        self.refused.entry(group).or_default().add(position, at);
        self.refused_uses.push((position, at, group));
    }
}

impl Group {
    pub(super) fn of(header: &Header, scope: Option<RequiredScope>, cause: Cause) -> Self {
        Self { token: header.token, account: header.account, scope, cause }
    }
}
