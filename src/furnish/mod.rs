//! Histories that are made up: the demo's year, and any number of events for benches.
//!
//! Nothing is put into the log that the service would not have put there: a [`Maker`] hands commands to the ledger's own
//! core, each at the time it is to have come, so that every record is a decision of the same rules. One seed gives the
//! same history, but for keys, salts, secrets and the log's name.
//!
//! - [`year`]: a year of a small service, with something to find for every question of an audit.
//! - [`scale`]: as many events as are asked for, of many accounts and tokens.

mod asks;
mod chance;
mod maker;
mod rhythm;
pub mod scale;
pub mod year;

pub use maker::{FurnishError, Made, Maker};

use crate::domain::time::Timestamp;

/// Seconds of a day.
const DAY_SECONDS: u64 = 86_400;

/// When the last whole hour of history may end, for a history up to now: windows of it are over when the ledger is first
/// asked.
pub fn ends_before(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(3_600_000_000))
}

/// Midnight (UTC) of the Monday of this instant's week.
fn monday_before(at: Timestamp) -> Timestamp {
    let days = at.seconds() / DAY_SECONDS;
    // Day 0, 1970-01-01, was a Thursday.
    Timestamp::from_seconds((days - (days + 3) % 7) * DAY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_monday() {
        let at = |text| Timestamp::parse(text).unwrap_or_default();
        for (day, monday) in [
            ("2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("2026-11-24T05:00:00Z", "2026-11-23T00:00:00Z"),
            ("2026-11-29T23:59:59Z", "2026-11-23T00:00:00Z"),
            ("2026-03-01T12:00:00Z", "2026-02-23T00:00:00Z"),
        ] {
            assert_eq!(monday_before(at(day)), at(monday), "{day}");
        }
    }
}
