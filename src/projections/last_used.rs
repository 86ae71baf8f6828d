//! When each token was last used, and when each token last reached each name of a scope group.
//!
//! Allowed uses and accepted management commands move it; refusals never do.

use crate::domain::access::{GroupNumber, Target};
use crate::domain::event::{Event, Header};
use crate::domain::ids::{Position, TextNumber, TokenId};
use crate::domain::state::authority_of;
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Uses of one thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Uses {
    /// How many.
    pub count: u64,
    /// Time of the first.
    pub first_at: Timestamp,
    /// Time of the last.
    pub last_at: Timestamp,
    /// Position of the last.
    pub last_position: Position,
}

impl Uses {
    fn add(&mut self, at: Timestamp, position: Position) {
        if self.count == 0 {
            self.first_at = at;
        }
        self.count += 1;
        self.last_at = at;
        self.last_position = position;
    }
}

/// A token's use of one name of a scope group; `TextNumber::NONE` is the group's list.
pub type GrantKey = (TokenId, GroupNumber, TextNumber);

/// The projection.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LastUsed {
    tokens: Vec<Uses>,
    grants: HashMap<GrantKey, Uses, foldhash::fast::RandomState>,
}

impl LastUsed {
    /// Uses of a token; none of one that was never used.
    pub fn token(&self, id: TokenId) -> Option<&Uses> {
        let uses = self.tokens.get(usize::try_from(id.0).ok()?.checked_sub(1)?)?;
        (uses.count > 0).then_some(uses)
    }

    /// Uses of a token within a scope group and name.
    pub fn grant(&self, key: GrantKey) -> Option<&Uses> {
        self.grants.get(&key)
    }

    /// Every token's uses, in the order of tokens.
    pub fn tokens(&self) -> impl Iterator<Item = (TokenId, &Uses)> {
        (1..).map(TokenId).zip(&self.tokens).filter(|(_, uses)| uses.count > 0)
    }

    /// Every grant's uses, in the order of tokens, groups and names.
    pub fn grants(&self) -> Vec<(GrantKey, Uses)> {
        let mut grants: Vec<_> = self.grants.iter().map(|(&key, &uses)| (key, uses)).collect();
        grants.sort_unstable_by_key(|(key, _)| *key);
        grants
    }

    pub(super) fn fold(&mut self, position: Position, header: &Header, event: &Event, tokens: usize) {
        match event {
            Event::TokenUsed(used) => {
                self.add_token(header.token, tokens, header.recorded_at, position);
                let Some(scope) = used.scope else { return };
                let name = match scope.target {
                    Target::Name(name) => name,
                    Target::List | Target::All | Target::Number(_) => TextNumber::NONE,
                };
                let key = (header.token, scope.group, name);
                self.grants.entry(key).or_default().add(header.recorded_at, position);
            }
            _ if !header.credential.is_none() && authority_of(event).is_some() => {
                self.add_token(header.credential, tokens, header.recorded_at, position);
            }
            _ => {}
        }
    }

    fn add_token(&mut self, token: TokenId, tokens: usize, at: Timestamp, position: Position) {
        let Some(index) = usize::try_from(token.0).ok().and_then(|number| number.checked_sub(1)) else { return };
        // Only tokens that exist: a tampered log, which `verify` folds too, must not make this grow without bound.
        if index >= tokens {
            return;
        }
        if index >= self.tokens.len() {
            self.tokens.resize(index + 1, Uses::default());
        }
        self.tokens[index].add(at, position);
    }
}
