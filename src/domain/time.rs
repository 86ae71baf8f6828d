//! Instants as the log keeps them. The clock itself is elsewhere: here time is always passed in.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A wall clock that is off by more than this has stepped.
pub const CLOCK_STEP_MICROS: u64 = 60 * MICROS_PER_SECOND;
/// Microseconds in one second.
pub const MICROS_PER_SECOND: u64 = 1_000_000;

/// An instant in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// From whole Unix seconds.
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Whole Unix seconds, the fraction cut.
    pub fn seconds(self) -> u64 {
        self.0 / MICROS_PER_SECOND
    }

    /// The minute this instant falls in, counted from the epoch.
    pub fn minute(self) -> u64 {
        self.seconds() / 60
    }

    /// The clock hour this instant falls in, counted from the epoch.
    pub fn hour(self) -> u64 {
        self.seconds() / 3_600
    }

    /// The UTC calendar month this instant falls in.
    pub fn month(self) -> Month {
        let date = self.to_date_time();
        Month(u32::try_from(date.year()).unwrap_or(0) * 12 + u32::from(u8::from(date.month())) - 1)
    }

    /// This instant plus whole seconds.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(MICROS_PER_SECOND)))
    }

    /// Microseconds from `other` to this instant; negative if `other` is later.
    pub fn micros_since(self, other: Self) -> i64 {
        let micros = |later: Self, earlier: Self| i64::try_from(later.0 - earlier.0).unwrap_or(i64::MAX);
        if self >= other { micros(self, other) } else { -micros(other, self) }
    }

    /// `2026-03-01T12:00:00Z`, the fraction cut: the form of DNSimple's bodies.
    pub fn to_seconds_text(self) -> String {
        std::str::from_utf8(&self.to_seconds_ascii()).unwrap_or_default().to_owned()
    }

    /// The same without memory of its own, for what is written at each request.
    pub fn to_seconds_ascii(self) -> [u8; 20] {
        let t = self.to_date_time();
        let (year, month, day) = t.to_calendar_date();
        let (hour, minute, second) = t.to_hms();
        let mut text = *b"0000-00-00T00:00:00Z";
        let mut put = |at: usize, number: u32| {
            text[at] = b'0' + u8::try_from(number / 10 % 10).unwrap_or(0);
            text[at + 1] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        };
        let year = u32::try_from(year).unwrap_or(0);
        put(0, year / 100);
        put(2, year % 100);
        for (at, number) in [(5, u8::from(month)), (8, day), (11, hour), (14, minute), (17, second)] {
            put(at, u32::from(number));
        }
        text
    }

    /// RFC 3339 with microseconds: the form of audit answers.
    pub fn to_micros_text(self) -> String {
        let seconds = self.to_seconds_text();
        format!("{}.{:06}Z", seconds.trim_end_matches('Z'), self.0 % MICROS_PER_SECOND)
    }

    /// Reads RFC 3339 text with any offset. Instants before 1970 and finer than microseconds are not kept.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        u64::try_from(parsed.unix_timestamp_nanos() / 1_000).ok().map(Self)
    }

    fn to_date_time(self) -> OffsetDateTime {
        i64::try_from(self.seconds())
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// A UTC calendar month: year times 12 plus month (0 to 11).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Month(pub u32);

impl Month {
    /// `2026-03`.
    pub fn to_text(self) -> String {
        format!("{:04}-{:02}", self.0 / 12, self.0 % 12 + 1)
    }

    /// The first instant of this month.
    pub fn begin(self) -> Timestamp {
        let month = u8::try_from(self.0 % 12 + 1).ok().and_then(|m| time::Month::try_from(m).ok());
        let date = month.and_then(|month| {
            let year = i32::try_from(self.0 / 12).ok()?;
            time::Date::from_calendar_date(year, month, 1).ok()
        });
        let seconds = date.map_or(0, |date| date.midnight().assume_utc().unix_timestamp());
        Timestamp::from_seconds(u64::try_from(seconds).unwrap_or(0))
    }

    /// The first instant of the month after this one.
    pub fn end(self) -> Timestamp {
        Self(self.0 + 1).begin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_are_read_back() {
        let at = Timestamp(1_772_366_400_123_456);
        assert_eq!(at.to_micros_text(), "2026-03-01T12:00:00.123456Z");
        assert_eq!(at.to_seconds_text(), "2026-03-01T12:00:00Z");
        assert_eq!(Timestamp::parse(&at.to_micros_text()), Some(at));
        assert_eq!(Timestamp::parse("2026-03-01T13:00:00+01:00"), Some(Timestamp::from_seconds(1_772_366_400)));
        assert_eq!(Timestamp::parse("2026-03-01"), None);
        assert_eq!(Timestamp::parse("1969-12-31T23:59:59Z"), None);
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        for (inside, ends) in [
            ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
            ("2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ] {
            let month = Timestamp::parse(inside).map(Timestamp::month);
            assert_eq!(month.map(Month::end), Timestamp::parse(ends), "{inside}");
        }
        assert_eq!(Timestamp::parse("2026-12-31T23:59:59Z").map(|t| t.month().to_text()).as_deref(), Some("2026-12"));
    }
}
