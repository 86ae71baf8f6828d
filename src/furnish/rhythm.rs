//! When, in a day and a week, somebody calls.

/// Who calls: people, programs, or a job of the night. Hours are UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rhythm {
    /// Working hours of working days, hardly else.
    Office,
    /// All day, more at day than at night, less at weekends.
    Customers,
    /// Every hour the same.
    Steady,
    /// Between two and four every night.
    Nightly,
}

/// Shares of an hour in a day's calls, in thousandths.
const OFFICE: [u64; 24] = [0, 0, 0, 0, 0, 0, 5, 40, 90, 120, 130, 110, 70, 100, 120, 110, 70, 25, 10, 0, 0, 0, 0, 0];
const CUSTOMERS: [u64; 24] =
    [15, 10, 8, 8, 10, 18, 30, 45, 55, 60, 62, 62, 60, 60, 60, 58, 56, 55, 58, 60, 55, 45, 30, 20];
const NIGHTLY: [u64; 24] = [0, 0, 600, 400, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const WEEKDAYS: u64 = 5;

impl Rhythm {
    /// Which part of a day's calls falls into an hour of a day of the week (0 is Monday). Over a week it adds up to
    /// about seven.
    pub(super) fn share(self, weekday: u64, hour: usize) -> f64 {
        let is_weekend = weekday >= WEEKDAYS;
        let thousandths = |of: [u64; 24], day: f64| of.get(hour).copied().unwrap_or(0) as f64 / 1_000.0 * day;
        match self {
            Self::Office => thousandths(OFFICE, if is_weekend { 0.1 } else { 1.36 }),
            Self::Customers => thousandths(CUSTOMERS, if is_weekend { 0.7 } else { 1.12 }),
            Self::Steady => 1.0 / 24.0,
            Self::Nightly => thousandths(NIGHTLY, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_has_seven_days_of_calls() {
        for rhythm in [Rhythm::Office, Rhythm::Customers, Rhythm::Steady, Rhythm::Nightly] {
            let hours = (0..7).flat_map(|day| (0..24).map(move |hour| (day, hour)));
            let week: f64 = hours.map(|(day, hour)| rhythm.share(day, hour)).sum();
            assert!((6.8..7.2).contains(&week), "{rhythm:?}: {week}");
        }
        assert!(Rhythm::Office.share(6, 11) < Rhythm::Office.share(1, 11) / 5.0);
        assert!(Rhythm::Nightly.share(0, 12) == 0.0);
    }
}
