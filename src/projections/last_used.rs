//! When each token was last used, and when the last use of each token that needed each scope was.
//!
//! Allowed uses and accepted management commands move it, of the gateway token that asked too; refusals never do.

use crate::domain::access::{RequiredScope, Target};
use crate::domain::event::{Event, Header, Route, TokenUsed};
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::state::authority_of;
use crate::domain::table::Table;
use crate::domain::time::Timestamp;
use crate::domain::token::Token;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// Uses of a token that gateways decided and reported. They are not this service's, and counted apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reported {
    /// How many.
    pub count: u64,
    /// The latest time that one of them says.
    pub last_at: Timestamp,
    /// Position of the last recorded.
    pub last_position: Position,
}

/// A token's uses on an account that needed one scope. Those of numbers that were unknown in the account are told from
/// other targets, but not from each other: whoever asks for one number after another makes no more rows.
pub type GrantKey = (TokenId, AccountId, RequiredScope);

/// The scope that uses are counted under.
fn counted(scope: RequiredScope) -> RequiredScope {
    match scope.target {
        Target::Number(_) => RequiredScope { target: Target::Number(0), ..scope },
        _ => scope,
    }
}

/// The tokens whose last use a record moves: the one that was used, or that a change was made with, and that of the
/// gateway that asked. [`TokenId::NONE`] stands for none.
pub fn used_by(header: &Header, event: &Event) -> [TokenId; 2] {
    match event {
        Event::TokenUsed(used) => match used.route {
            Route::Asked(asked) => [header.token, asked.gateway],
            _ => [header.token, TokenId::NONE],
        },
        _ if authority_of(event).is_some() => [header.credential, TokenId::NONE],
        _ => [TokenId::NONE; 2],
    }
}

/// Uses of one token.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct TokenUses {
    all: Uses,
    reported: Reported,
    grants: BTreeMap<(AccountId, RequiredScope), Uses>,
}

/// The projection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LastUsed {
    /// By token; shorter than the tokens where the last ones were never used.
    pub(super) tokens: Table<TokenUses>,
}

impl LastUsed {
    /// Uses of a token; none of one that was never used.
    pub fn token(&self, id: TokenId) -> Option<&Uses> {
        let uses = &self.tokens.get(id.0)?.all;
        (uses.count > 0).then_some(uses)
    }

    /// Reported uses of a token; none of one of which nothing was reported.
    pub fn reported_of(&self, id: TokenId) -> Option<&Reported> {
        let reported = &self.tokens.get(id.0)?.reported;
        (reported.count > 0).then_some(reported)
    }

    /// Whether a token was used. Of one taken over nobody here knows whether it was used before.
    pub fn status(&self, token: &Token) -> &'static str {
        match (self.token(token.id), token.imported_at) {
            (Some(_), _) => "used",
            (None, None) => "never",
            (None, Some(_)) => "unknown",
        }
    }

    /// Every token's reported uses, in the order of tokens.
    pub fn reported(&self) -> impl Iterator<Item = (TokenId, &Reported)> {
        self.rows().map(|(id, row)| (id, &row.reported)).filter(|(_, reported)| reported.count > 0)
    }

    /// Reads a little of a token's row.
    pub(super) fn touch(&self, token: TokenId) -> u64 {
        self.tokens.get(token.0).map_or(0, |row| row.all.count ^ row.grants.len() as u64)
    }

    /// Uses of a token on an account that needed exactly this scope; of a number that was unknown they are not told.
    pub fn grant(&self, (token, account, scope): GrantKey) -> Option<&Uses> {
        if matches!(scope.target, Target::Number(_)) {
            return None;
        }
        self.tokens.get(token.0)?.grants.get(&(account, scope))
    }

    /// Uses of one token by account and scope; those of numbers that were unknown in the account together, as of number 0.
    pub fn grants_of(&self, token: TokenId) -> impl Iterator<Item = (AccountId, RequiredScope, &Uses)> {
        let row = self.tokens.get(token.0).map(|row| &row.grants);
        row.into_iter().flatten().map(|(&(account, scope), uses)| (account, scope, uses))
    }

    /// Uses of a token on an account that needed a scope, as every use of somebody's token on an account does; none where
    /// there are none.
    pub fn on_account(&self, token: TokenId, account: AccountId) -> Option<Uses> {
        let here = self.grants_of(token).filter(|(on, ..)| *on == account).map(|(.., uses)| *uses);
        here.reduce(|sum, uses| Uses {
            count: sum.count + uses.count,
            first_at: sum.first_at.min(uses.first_at),
            last_at: sum.last_at.max(uses.last_at),
            last_position: sum.last_position.max(uses.last_position),
        })
    }

    /// Every token's uses, in the order of tokens.
    pub fn tokens(&self) -> impl Iterator<Item = (TokenId, &Uses)> {
        self.rows().map(|(id, row)| (id, &row.all)).filter(|(_, uses)| uses.count > 0)
    }

    /// Every grant's uses, in the order of tokens, accounts and scopes.
    pub fn grants(&self) -> impl Iterator<Item = (GrantKey, &Uses)> {
        let of_token = |(id, row)| {
            let row: &TokenUses = row;
            row.grants.iter().map(move |(&(account, scope), uses)| ((id, account, scope), uses))
        };
        self.rows().flat_map(of_token)
    }

    fn rows(&self) -> impl Iterator<Item = (TokenId, &TokenUses)> {
        (1..).map(TokenId).zip(self.tokens.iter())
    }

    pub(super) fn fold(&mut self, position: Position, header: &Header, event: &Event, tokens: usize) {
        for token in used_by(header, event) {
            if let Some(row) = self.row_mut(token, tokens) {
                row.all.add(header.recorded_at, position);
            }
        }
        match event {
            Event::TokenUsed(TokenUsed { scope: Some(scope), .. }) => {
                let Some(row) = self.row_mut(header.token, tokens) else { return };
                let key = (header.account, counted(*scope));
                row.grants.entry(key).or_default().add(header.recorded_at, position);
            }
            Event::UseReported(reported) => {
                let Some(row) = self.row_mut(header.token, tokens) else { return };
                let last_at = row.reported.last_at.max(reported.occurred_at);
                row.reported = Reported { count: row.reported.count + 1, last_at, last_position: position };
            }
            _ => {}
        }
    }

    /// Only of tokens that exist: a tampered log, which `verify` folds too, must not make this grow without bound.
    fn row_mut(&mut self, token: TokenId, tokens: usize) -> Option<&mut TokenUses> {
        if token.0 > tokens as u64 {
            return None;
        }
        self.tokens.get_or_fill(token.0)
    }
}
