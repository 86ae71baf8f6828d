//! Days of the calendar (UTC), as pages of the past are turned by them.

use super::form::time;
use crate::domain::time::Timestamp;
use crate::http::entry::Asked;
use crate::http::problem::Problem;

/// Seconds of a day.
pub const DAY_SECONDS: u64 = 86_400;
/// Clock hours of a day.
pub const DAY_HOURS: u64 = 24;

/// A day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Day(
    /// Days since 1970-01-01.
    pub u64,
);

impl Day {
    /// The day of an instant.
    pub fn of(at: Timestamp) -> Self {
        Self(at.seconds() / DAY_SECONDS)
    }

    /// The one that a page is asked for, if it is.
    pub fn asked(asked: &Asked) -> Result<Option<Self>, Box<Problem>> {
        let said = asked.query()?.iter().rfind(|(key, text)| key == "day" && !text.trim().is_empty());
        let Some((_, text)) = said else { return Ok(None) };
        let day = time(text).map(Self::of);
        day.map(Some).ok_or_else(|| Box::new(Problem::malformed("day must be a day such as 2026-03-01")))
    }

    /// Its first instant.
    pub fn begin(self) -> Timestamp {
        Timestamp::from_seconds(self.0.saturating_mul(DAY_SECONDS))
    }

    /// The first instant after it.
    pub fn end(self) -> Timestamp {
        self.plus(1).begin()
    }

    /// Its first clock hour since the epoch.
    pub fn hour(self) -> u64 {
        self.0.saturating_mul(DAY_HOURS)
    }

    /// So many days later.
    #[must_use]
    pub fn plus(self, days: u64) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// So many days before.
    #[must_use]
    pub fn minus(self, days: u64) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// `2026-03-01`.
    pub fn text(self) -> String {
        self.begin().to_seconds_text()[..10].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_its_hours() {
        let day = Day::of(Timestamp::from_seconds(1_772_366_400 + 43_199));
        assert_eq!((day.text(), day.plus(1).text(), day.minus(1).text()), {
            ("2026-03-01".to_owned(), "2026-03-02".to_owned(), "2026-02-28".to_owned())
        });
        assert_eq!((day.begin().hour(), day.end().hour()), (day.hour(), day.hour() + 24));
    }
}
