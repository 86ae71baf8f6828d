//! Who drew how much of each general window: the last one of every account and user, ended or not.

use super::history::ClosedWindow;
use crate::domain::event::{Cause, Event, Header};
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::table::Table;
use crate::domain::time::Timestamp;
use crate::domain::token::Principal;
use crate::domain::window::WINDOW_SECONDS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whose window it is: an account's, or a user's own (then the account is none).
pub type Pool = (AccountId, UserId);

/// The last window of one pool, by token.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WindowUse {
    /// Unix seconds of its first use; 0: there was none yet.
    pub opened_at: u64,
    /// The limit in force when it was last drawn from or, while it was open, last changed.
    pub limit: u64,
    /// Uses drawn.
    pub used: u64,
    /// Uses drawn by each token.
    pub by_token: BTreeMap<TokenId, u64>,
    /// Refusals for quota in it: all that the log knows of.
    pub refused: u64,
    /// The run of recording that recorded the first of them by itself, and whose it was. That run's totals count it
    /// once more.
    first_refused: Option<(u64, TokenId)>,
}

impl WindowUse {
    /// Whether it was still open at a time.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.opened_at != 0 && at.seconds() < self.opened_at + WINDOW_SECONDS
    }

    /// It as a closed one.
    pub fn closed(&self, (account, user): Pool) -> ClosedWindow {
        ClosedWindow {
            account,
            user,
            opened_at: self.opened_at,
            limit: self.limit,
            used: self.used,
            refused: self.refused,
        }
    }

    /// Draws; gives the window before, if this opens another.
    fn draw(&mut self, token: TokenId, amount: u64, at: Timestamp, limit: u64) -> Option<Self> {
        let before = (!self.is_open(at)).then(|| {
            let opened = Self { opened_at: at.seconds(), ..Self::default() };
            std::mem::replace(self, opened)
        });
        self.limit = limit;
        self.used += amount;
        *self.by_token.entry(token).or_default() += amount;
        before.filter(|window| window.opened_at != 0)
    }

    /// A window can have several totals, to be added up: of its tokens' parts, and of several runs. Those of the run
    /// that recorded its first refusal count that one too. A run that ended without its totals is one that crashed:
    /// then the first is in none. Gives the token whose first refusal is counted here once more.
    fn add_total(&mut self, counts: &[(TokenId, u64)], run: u64) -> Option<TokenId> {
        let counts_first = |token: TokenId| counts.iter().any(|(other, count)| *other == token && *count > 0);
        let first = self.first_refused.filter(|&(in_run, token)| in_run == run && counts_first(token));
        if first.is_some() {
            self.first_refused = None;
            self.refused = self.refused.saturating_sub(1);
        }
        self.refused = counts.iter().fold(self.refused, |refused, (_, count)| refused.saturating_add(*count));
        first.map(|(_, token)| token)
    }
}

/// What an event meant for windows, for those who keep more than the last one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drawn {
    /// A window that another one took the place of.
    pub closed: Option<ClosedWindow>,
    /// The token whose first refusal a total counts once more.
    pub counted_again: Option<TokenId>,
}

/// The projection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// By account, as far as one was drawn from.
    pub(super) accounts: Table<WindowUse>,
    /// By user, as far as one was drawn from.
    pub(super) users: Table<WindowUse>,
    /// How often recording started.
    pub(super) runs: u64,
}

impl Usage {
    /// The last window of a pool, ended or not.
    pub fn window(&self, pool: Pool) -> Option<&WindowUse> {
        let window = match pool {
            (AccountId::NONE, user) => self.users.get(user.0),
            (account, _) => self.accounts.get(account.0),
        };
        window.filter(|window| window.opened_at != 0)
    }

    /// Reads a little of an account's row, and of what it says of a token.
    pub(super) fn touch(&self, account: AccountId, token: TokenId) -> u64 {
        self.accounts.get(account.0).map_or(0, |row| row.used ^ row.by_token.get(&token).copied().unwrap_or(0))
    }

    /// Every pool's last window, in order: users' own first.
    pub fn windows(&self) -> impl Iterator<Item = (Pool, &WindowUse)> {
        let users = (1..).map(|user| (AccountId::NONE, UserId(user))).zip(self.users.iter());
        let accounts = (1..).map(|account| (AccountId(account), UserId::NONE)).zip(self.accounts.iter());
        users.chain(accounts).filter(|(_, window)| window.opened_at != 0)
    }

    /// Folds the next event; `state` is as it was before it.
    pub(super) fn fold(&mut self, header: &Header, event: &Event, state: &State) -> Drawn {
        let mut drawn = Drawn::default();
        match event {
            Event::TokenUsed(used) => {
                let pool = pool_of(header);
                if let Some((window, limit)) = self.drawn_from(pool, state) {
                    let before = window.draw(header.token, u64::from(used.general), header.recorded_at, limit);
                    drawn.closed = before.map(|window| window.closed(pool));
                }
            }
            Event::TokenUseRefused(refused) if refused.cause == Cause::QuotaExceeded => {
                let run = self.runs;
                if let Some(window) = self.window_mut(pool_of(header)) {
                    window.refused += 1;
                    window.first_refused = Some((run, header.token));
                }
            }
            Event::QuotaRefusalsTotalled(totalled) => {
                let run = self.runs;
                if let Some(window) = self.window_mut((header.account, totalled.user))
                    && window.opened_at == totalled.window_opened_at
                {
                    drawn.counted_again = window.add_total(&totalled.counts, run);
                }
            }
            Event::HourlyLimitChanged(changed) => {
                if let Some(window) = self.window_mut((header.account, UserId::NONE))
                    && window.is_open(header.recorded_at)
                {
                    window.limit = changed.to;
                }
            }
            Event::RecordingStarted(_) => self.runs += 1,
            _ => {}
        }
        drawn
    }

    fn window_mut(&mut self, pool: Pool) -> Option<&mut WindowUse> {
        let window = match pool {
            (AccountId::NONE, user) => self.users.get_mut(user.0),
            (account, _) => self.accounts.get_mut(account.0),
        };
        window.filter(|window| window.opened_at != 0)
    }

    /// The window that a use draws from, and the limit in force. Only of pools that exist: a tampered log, which
    /// `verify` folds too, must not make this grow without bound.
    fn drawn_from(&mut self, pool: Pool, state: &State) -> Option<(&mut WindowUse, u64)> {
        match pool {
            (AccountId::NONE, user) => {
                let limit = state.user(user)?.hourly_limit;
                Some((self.users.get_or_fill(user.0)?, limit))
            }
            (account, _) => {
                let limit = state.account(account)?.hourly_limit;
                Some((self.accounts.get_or_fill(account.0)?, limit))
            }
        }
    }
}

fn pool_of(header: &Header) -> Pool {
    match header.principal {
        Principal::User(user) if header.account.is_none() => (AccountId::NONE, user),
        _ => (header.account, UserId::NONE),
    }
}
