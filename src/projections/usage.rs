//! Who drew how much of each running general window.

use crate::domain::event::{Cause, Event, Header};
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::Principal;
use crate::domain::window::WINDOW_SECONDS;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Whose window it is: an account's, or a user's own (then the account is none).
pub type Pool = (AccountId, UserId);

/// The running window of one pool, by token.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WindowUse {
    /// Unix seconds of its first use.
    pub opened_at: u64,
    /// Uses drawn.
    pub used: u64,
    /// Uses drawn by each token.
    pub by_token: BTreeMap<TokenId, u64>,
    /// Refusals for quota in it: all that the log knows of.
    pub refused: u64,
    /// The run of recording that recorded the first of them by itself. That run's totals count it once more.
    first_refused_in: Option<u64>,
}

impl WindowUse {
    fn draw(&mut self, token: TokenId, amount: u64, at: Timestamp) {
        if self.opened_at == 0 || at.seconds() >= self.opened_at + WINDOW_SECONDS {
            *self = Self { opened_at: at.seconds(), ..Self::default() };
        }
        self.used += amount;
        *self.by_token.entry(token).or_default() += amount;
    }

    /// A window can have several totals, to be added up: of its tokens' parts, and of several runs. Those of the run
    /// that recorded its first refusal count that one too. A run that ended without its totals is one that crashed:
    /// then the first is in none.
    fn add_total(&mut self, counts: &[(TokenId, u64)], run: u64) {
        if self.first_refused_in == Some(run) {
            self.first_refused_in = None;
            self.refused = self.refused.saturating_sub(1);
        }
        self.refused = counts.iter().fold(self.refused, |refused, (_, count)| refused.saturating_add(*count));
    }
}

/// The projection.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    windows: HashMap<Pool, WindowUse, foldhash::fast::RandomState>,
    /// How often recording started.
    runs: u64,
}

impl Usage {
    /// The last window of a pool, ended or not.
    pub fn window(&self, pool: Pool) -> Option<&WindowUse> {
        self.windows.get(&pool)
    }

    /// Every pool's last window, in order.
    pub fn windows(&self) -> Vec<(Pool, &WindowUse)> {
        let mut windows: Vec<_> = self.windows.iter().map(|(&pool, window)| (pool, window)).collect();
        windows.sort_unstable_by_key(|(pool, _)| *pool);
        windows
    }

    pub(super) fn fold(&mut self, header: &Header, event: &Event) {
        match event {
            Event::TokenUsed(used) => {
                let window = self.windows.entry(pool_of(header)).or_default();
                window.draw(header.token, u64::from(used.general), header.recorded_at);
            }
            Event::TokenUseRefused(refused) if refused.cause == Cause::QuotaExceeded => {
                if let Some(window) = self.windows.get_mut(&pool_of(header)) {
                    window.refused += 1;
                    window.first_refused_in = Some(self.runs);
                }
            }
            Event::QuotaRefusalsTotalled(totalled) => {
                if let Some(window) = self.windows.get_mut(&(header.account, totalled.user))
                    && window.opened_at == totalled.window_opened_at
                {
                    window.add_total(&totalled.counts, self.runs);
                }
            }
            Event::RecordingStarted(_) => self.runs += 1,
            _ => {}
        }
    }
}

fn pool_of(header: &Header) -> Pool {
    match header.principal {
        Principal::User(user) if header.account.is_none() => (AccountId::NONE, user),
        _ => (header.account, UserId::NONE),
    }
}
