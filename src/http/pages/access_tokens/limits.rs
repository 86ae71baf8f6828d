//! The card "API Limits & Usage".

use crate::domain::directory::Account;
use crate::domain::time::Timestamp;
use crate::http::pages::words::{Time, number};
use crate::ledger::View;

/// Units of the bar's width.
const BAR: u64 = 1_000;

/// How much of its limits an account has used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Requests an hour.
    pub limit: u64,
    /// Requests left in the window.
    pub remaining: u64,
    /// Requests drawn.
    pub used: u64,
    /// When the window ends; none if none is open.
    pub resets_at: Option<Time>,
    /// Requests refused for quota in the window, as far as they are known.
    pub refused: u64,
    /// Of Domain Research, where it is active.
    pub research: Option<Research>,
    /// When this was so.
    pub now: Timestamp,
}

/// How much of its month's checks an account has used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Research {
    /// The month.
    pub month: String,
    /// When the next one begins.
    pub ends_at: Time,
    /// Checks in it.
    pub used: u64,
    /// Most checks, if capped.
    pub cap: Option<u64>,
}

impl Limits {
    /// Of an account, now or then.
    pub fn of(view: &View<'_>, account: &Account) -> Self {
        let now = view.now;
        let window = account.window.view(account.hourly_limit, now);
        let of_usage = view.projections.usage.window((account.id, crate::domain::ids::UserId::NONE));
        let research = account.research.map(|research| Research {
            month: now.month().to_text(),
            ends_at: Time(now.month().end()),
            used: account.research_month.used_at(now),
            cap: research.monthly_cap,
        });
        Self {
            limit: window.limit,
            remaining: window.remaining,
            used: window.used,
            resets_at: window.resets_at.map(|at| Time(Timestamp::from_seconds(at))),
            refused: of_usage.filter(|window| window.is_open(now)).map_or(0, |window| window.refused),
            research,
            now,
        }
    }

    /// Width of the bar.
    pub fn bar(&self) -> u64 {
        share(self.used, self.limit)
    }

    /// Whether nothing is left.
    pub fn is_used_up(&self) -> bool {
        self.remaining == 0
    }

    /// The server's clock, for the countdown.
    pub fn now_text(&self) -> String {
        self.now.to_micros_text()
    }

    /// When it ends, for the countdown.
    pub fn resets_text(&self) -> String {
        self.resets_at.map(|at| at.0.to_seconds_text()).unwrap_or_default()
    }

    /// What the bar says, in words.
    pub fn in_words(&self) -> String {
        format!("{} of {} requests used", number(self.used), number(self.limit))
    }
}

impl Research {
    /// Width of the bar, where there is a cap.
    pub fn bar(&self) -> Option<u64> {
        self.cap.map(|cap| share(self.used, cap))
    }

    /// Whether nothing is left.
    pub fn is_used_up(&self) -> bool {
        self.cap.is_some_and(|cap| self.used >= cap)
    }

    /// What the bar says, in words.
    pub fn in_words(&self) -> String {
        match self.cap {
            Some(cap) => format!("{} of {} checks used", number(self.used), number(cap)),
            None => format!("{} checks used", number(self.used)),
        }
    }
}

fn share(used: u64, limit: u64) -> u64 {
    let whole = u128::from(limit.max(1));
    u64::try_from((u128::from(used) * u128::from(BAR)).div_ceil(whole)).unwrap_or(BAR).min(BAR)
}
