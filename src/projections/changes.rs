//! Where in the log access was changed: of each token, membership, feature and limit the last changes, by position. A
//! refusal finds here, in a few look-ups, the event that took its access away.
//!
//! Positions only: what a change said, and who made it, is read from the log. A trail is short, so that whoever makes many refusals makes
//! little work with each.

use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position, ResourceId, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::table::{Shared, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Changes kept of one thing. Older ones are not looked at for an explanation; the log has them.
pub const CHANGES_KEPT: usize = 32;

/// The last changes of one thing, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Trail {
    kept: Vec<Position>,
    /// Whether there were older ones.
    is_cut: bool,
}

impl Trail {
    fn add(&mut self, change: Position) {
        if self.kept.len() == CHANGES_KEPT {
            self.kept.remove(0);
            self.is_cut = true;
        }
        self.kept.push(change);
    }

    /// Those before a position, oldest first.
    pub fn before(&self, position: Position) -> &[Position] {
        let end = self.kept.partition_point(|&change| change < position);
        &self.kept[..end]
    }

    /// The first after a position.
    pub fn after(&self, position: Position) -> Option<Position> {
        self.kept.iter().copied().find(|&change| change > position)
    }

    /// Whether there were older changes than those kept.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}

/// Changes of a token after it was created.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TokenTrails {
    /// Of its own access.
    pub access: Trail,
    /// Of its expiry.
    pub expiry: Trail,
    /// Of its conditions.
    pub conditions: Trail,
    /// Rotations.
    pub rotations: Trail,
    /// Its deletion.
    pub deleted: Option<Position>,
}

/// A token's row. Most tokens are never changed, and there may be a million.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct TokenRow {
    created: Position,
    later: Option<Box<TokenTrails>>,
}

/// An account's row.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct AccountRow {
    /// Of members, former ones too: joined, changed, removed.
    members: Shared<BTreeMap<UserId, Trail>>,
    /// Of Domain Research.
    research: Trail,
    /// Of the hourly limit.
    limit: Trail,
}

/// The projection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    pub(super) tokens: Table<TokenRow>,
    pub(super) accounts: Table<AccountRow>,
    /// Where each resource was removed; none of one that is there.
    pub(super) removed: Table<Position>,
}

static UNCHANGED: Trail = Trail { kept: Vec::new(), is_cut: false };

impl Changes {
    /// Where a token was created or taken over.
    pub fn created(&self, token: TokenId) -> Option<Position> {
        self.tokens.get(token.0).map(|row| row.created).filter(|position| !position.is_none())
    }

    /// Changes of a token; none of one that was never changed.
    pub fn of_token(&self, token: TokenId) -> Option<&TokenTrails> {
        self.tokens.get(token.0)?.later.as_deref()
    }

    /// Changes of a membership, ended ones too.
    pub fn of_member(&self, account: AccountId, user: UserId) -> &Trail {
        self.accounts.get(account.0).and_then(|row| row.members.get(&user)).unwrap_or(&UNCHANGED)
    }

    /// When Domain Research became active, changed and ended.
    pub fn of_research(&self, account: AccountId) -> &Trail {
        self.accounts.get(account.0).map_or(&UNCHANGED, |row| &row.research)
    }

    /// Changes of an account's hourly limit.
    pub fn of_limit(&self, account: AccountId) -> &Trail {
        self.accounts.get(account.0).map_or(&UNCHANGED, |row| &row.limit)
    }

    /// Where a resource was removed.
    pub fn removed(&self, resource: ResourceId) -> Option<Position> {
        self.removed.get(resource.0).copied().filter(|position| !position.is_none())
    }

    /// Takes in the next record; `state` is as it is after it, so that a tampered log, which `verify` folds too, makes
    /// no rows of what does not exist.
    pub(super) fn fold(&mut self, position: Position, header: &Header, event: &Event, state: &State) {
        match event {
            Event::TokenCreated(_)
            | Event::TokenImported(_)
            | Event::TokenAccessChanged(_)
            | Event::TokenExpiryChanged(_)
            | Event::TokenConditionsChanged(_)
            | Event::TokenRotated(_)
            | Event::TokenDeleted(_) => self.fold_token(position, header.token, event, state),
            Event::MemberAdded(_)
            | Event::MemberAccessChanged(_)
            | Event::MemberRemoved(_)
            | Event::ResearchActivated(_)
            | Event::ResearchDeactivated(_)
            | Event::HourlyLimitChanged(_) => self.fold_account(position, header.account, event, state),
            Event::ResourceRemoved(removed) if state.resources.get(removed.resource.0).is_some() => {
                if let Some(row) = self.removed.get_or_fill(removed.resource.0) {
                    *row = position;
                }
            }
            _ => {}
        }
    }

    fn fold_token(&mut self, change: Position, token: TokenId, event: &Event, state: &State) {
        if state.token(token).is_none() {
            return;
        }
        let Some(row) = self.tokens.get_or_fill(token.0) else { return };
        if matches!(event, Event::TokenCreated(_) | Event::TokenImported(_)) {
            row.created = change;
            return;
        }
        let trails = row.later.get_or_insert_default();
        match event {
            Event::TokenExpiryChanged(_) => trails.expiry.add(change),
            Event::TokenConditionsChanged(_) => trails.conditions.add(change),
            Event::TokenRotated(_) => trails.rotations.add(change),
            Event::TokenDeleted(_) => trails.deleted = Some(change),
            _ => trails.access.add(change),
        }
    }

    fn fold_account(&mut self, change: Position, account: AccountId, event: &Event, state: &State) {
        if state.account(account).is_none() {
            return;
        }
        let Some(row) = self.accounts.get_or_fill(account.0) else { return };
        let user = match event {
            Event::MemberAdded(added) => added.user,
            Event::MemberAccessChanged(changed) => changed.user,
            Event::MemberRemoved(removed) => removed.user,
            Event::HourlyLimitChanged(_) => return row.limit.add(change),
            _ => return row.research.add(change),
        };
        row.members.entry(user).or_default().add(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_keeps_the_last_changes_and_says_that_there_were_more() {
        let mut trail = Trail::default();
        (1..=CHANGES_KEPT as u64).map(Position).for_each(|change| trail.add(change));
        assert!(!trail.is_cut());
        trail.add(Position(100));
        assert!(trail.is_cut());
        assert_eq!(trail.before(Position(3)), [Position(2)]);
        assert_eq!(trail.before(Position(101)).last(), Some(&Position(100)));
        assert_eq!(trail.before(Position(101)).len(), CHANGES_KEPT);
    }
}
