//! Conditions on tokens, mostly such that some of the addresses commands come from are let in and some are not.

use super::Generator;
use token_ledger::domain::conditions::{ADDRESS_RANGES_MAX, AddressRange, Conditions, ConditionsEdit};
use token_ledger::domain::time::Timestamp;

/// Commands come from 192.0.2.0 to 192.0.2.11.
const RANGES: [&str; 6] =
    ["192.0.2.0/29", "192.0.2.8/30", "192.0.2.3", "::ffff:192.0.2.0/120", "2001:db8::/32", "198.51.100.0/24"];

impl Generator {
    /// Of a new token: mostly none.
    pub(super) fn conditions(&mut self) -> Conditions {
        if self.random.percent(80) {
            return Conditions::default();
        }
        self.conditions_edit().applied_to(&Conditions::default())
    }

    pub(super) fn conditions_edit(&mut self) -> ConditionsEdit {
        ConditionsEdit {
            not_before: self.random.percent(20).then(|| self.not_before()),
            allowed_addresses: self.random.percent(20).then(|| self.ranges()),
        }
    }

    /// Soon, long ago, or never.
    fn not_before(&mut self) -> Option<Timestamp> {
        match self.random.below(4) {
            0 => None,
            1 => Some(Timestamp(self.now.0 - 1)),
            _ => Some(self.now.plus_seconds(self.random.below(4_000))),
        }
    }

    /// A few, now and then one more than a token may have.
    fn ranges(&mut self) -> Vec<AddressRange> {
        if self.random.percent(5) {
            let one = |last| AddressRange::V4 { network: [192, 0, 2, last], prefix: 32 };
            return (0..=u8::try_from(ADDRESS_RANGES_MAX).unwrap_or(u8::MAX)).map(one).collect();
        }
        let count = self.random.below(4);
        (0..count).map(|_| AddressRange::parse(self.random.pick::<&str>(&RANGES)).expect("a range")).collect()
    }
}
