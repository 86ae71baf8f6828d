//! Usage windows: how many requests an account or user has left.
//!
//! A window opens at its first use, cut to the second, and is `[open, open + 3600 s)`: a retry at the announced
//! reset passes. Uses draw; refusals do not.

use super::time::{Month, Timestamp};
use serde::{Deserialize, Serialize};

/// Length of a general window.
pub const WINDOW_SECONDS: u64 = 3_600;
/// Hourly limit of a new account or user.
pub const HOURLY_LIMIT_DEFAULT: u64 = 2_400;
/// Highest hourly limit an account may be given.
pub const HOURLY_LIMIT_MAX: u64 = 1_000_000_000;

/// A general window as the state keeps it. `opened_at` 0: never opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Window {
    /// Unix seconds of the first use.
    pub opened_at: u64,
    /// Uses drawn.
    pub used: u64,
    /// Whether the first refusal for quota of this window is recorded already.
    pub refusal_recorded: bool,
}

/// What a caller is told of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WindowView {
    /// Requests a window allows.
    pub limit: u64,
    /// Requests left.
    pub remaining: u64,
    /// Requests drawn.
    pub used: u64,
    /// When the window opened (Unix seconds), if it is open.
    pub opened_at: Option<u64>,
    /// When it ends (Unix seconds), if it is open.
    pub resets_at: Option<u64>,
}

impl WindowView {
    /// The reset to announce: of an unopened window, the end it would have if it opened now.
    pub fn reset_or_full(&self, now: Timestamp) -> u64 {
        self.resets_at.unwrap_or(now.seconds() + WINDOW_SECONDS)
    }
}

impl Window {
    /// Whether the window is open at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.opened_at != 0 && now.seconds() < self.opened_at + WINDOW_SECONDS
    }

    /// Whether one more use fits.
    pub fn has_room(&self, limit: u64, now: Timestamp) -> bool {
        if self.is_open(now) { self.used < limit } else { limit > 0 }
    }

    /// Draws `amount`; opens a new window where none is open.
    pub fn draw(&mut self, amount: u64, now: Timestamp) {
        if !self.is_open(now) {
            *self = Self { opened_at: now.seconds(), used: 0, refusal_recorded: false };
        }
        self.used += amount;
    }

    /// What to say of it at `now`.
    pub fn view(&self, limit: u64, now: Timestamp) -> WindowView {
        if !self.is_open(now) {
            return WindowView { limit, remaining: limit, used: 0, opened_at: None, resets_at: None };
        }
        WindowView {
            limit,
            remaining: limit.saturating_sub(self.used),
            used: self.used,
            opened_at: Some(self.opened_at),
            resets_at: Some(self.opened_at + WINDOW_SECONDS),
        }
    }
}

/// Uses counted in one UTC calendar month (Domain Research).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MonthCount {
    /// The month counted.
    pub month: Month,
    /// Uses in it.
    pub used: u64,
}

impl MonthCount {
    /// Uses in the month of `now`.
    pub fn used_at(&self, now: Timestamp) -> u64 {
        if self.month == now.month() { self.used } else { 0 }
    }

    /// Counts `amount` in the month of `now`.
    pub fn draw(&mut self, amount: u64, now: Timestamp) {
        *self = Self { month: now.month(), used: self.used_at(now) + amount };
    }
}

/// How often something happened in the running clock unit (a minute or an hour).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UnitCount {
    /// The unit counted, since the epoch.
    pub unit: u64,
    /// How often.
    pub count: u32,
}

impl UnitCount {
    /// The count if `unit` is still running, else zero.
    pub fn in_unit(&self, unit: u64) -> u32 {
        if self.unit == unit { self.count } else { 0 }
    }

    /// Counts one more in `unit`.
    pub fn add(&mut self, unit: u64) {
        *self = Self { unit, count: self.in_unit(unit).saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: u64 = 1_772_366_400;

    fn at(second: u64, micros: u64) -> Timestamp {
        Timestamp(second * 1_000_000 + micros)
    }

    #[test]
    fn a_window_opens_at_the_second_of_its_first_use_and_ends_3600_seconds_later() {
        let mut window = Window::default();
        window.draw(1, at(OPEN, 999_999));
        assert_eq!(window.view(10, at(OPEN, 999_999)).remaining, 9);
        assert_eq!(window.view(10, at(OPEN + 3_599, 999_999)).resets_at, Some(OPEN + 3_600));
        assert!(!window.is_open(at(OPEN + 3_600, 0)), "a retry at the announced reset passes");
        window.draw(1, at(OPEN + 3_600, 0));
        assert_eq!(window.view(10, at(OPEN + 3_600, 0)).opened_at, Some(OPEN + 3_600));
        assert_eq!(window.used, 1);
    }

    #[test]
    fn an_unopened_window_is_full_and_has_no_times() {
        let view = Window::default().view(2_400, at(OPEN, 0));
        assert_eq!((view.used, view.remaining, view.opened_at, view.resets_at), (0, 2_400, None, None));
        assert_eq!(view.reset_or_full(at(OPEN, 0)), OPEN + 3_600);
    }

    #[test]
    fn a_limit_lowered_below_the_used_leaves_nothing_and_a_raised_one_acts_at_once() {
        let mut window = Window::default();
        window.draw(5, at(OPEN, 0));
        assert_eq!(window.view(3, at(OPEN, 0)).remaining, 0);
        assert!(!window.has_room(5, at(OPEN, 0)));
        assert!(window.has_room(6, at(OPEN, 0)));
        assert!(!Window::default().has_room(0, at(OPEN, 0)));
    }

    #[test]
    fn a_month_count_starts_over_with_the_utc_month() {
        let mut count = MonthCount::default();
        let last = Timestamp::parse("2026-03-31T23:59:59.999999Z").unwrap_or_default();
        count.draw(2, last);
        assert_eq!(count.used_at(last), 2);
        assert_eq!(count.used_at(Timestamp(last.0 + 1)), 0);
    }
}
