//! The only place that says "now".
//!
//! Wall clock at the start plus elapsed boot time (which goes on through suspend), so a step of the wall clock
//! moves nothing until it is followed.

use crate::domain::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock; cloning shares it.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    /// Steps of the wall clock that were followed, in microseconds.
    followed: Arc<AtomicI64>,
}

#[derive(Clone, Debug)]
enum Source {
    /// The machine's.
    System {
        /// Wall time at the start, in microseconds.
        started_at: u64,
        /// Boot time at the start, in microseconds.
        booted_for: u64,
    },
    /// Set by hand, for cases, tests and replays of histories.
    Manual(Arc<Hand>),
}

#[derive(Debug)]
struct Hand {
    steady: AtomicU64,
    /// How far the wall clock is ahead of it, in microseconds.
    ahead: AtomicI64,
}

impl Clock {
    /// The machine's clock, from now on.
    pub fn system() -> Self {
        Self::new(Source::System { started_at: wall_micros(), booted_for: boot_micros() })
    }

    /// A clock that stands at `at` until [`Self::set`].
    pub fn manual(at: Timestamp) -> Self {
        Self::new(Source::Manual(Arc::new(Hand { steady: AtomicU64::new(at.0), ahead: AtomicI64::new(0) })))
    }

    fn new(source: Source) -> Self {
        Self { source, followed: Arc::default() }
    }

    /// Moves a manual clock, its wall clock with it; the machine's cannot be moved.
    pub fn set(&self, at: Timestamp) {
        if let Source::Manual(hand) = &self.source {
            let followed = self.followed.load(Ordering::SeqCst);
            hand.steady.store(at.0.saturating_add_signed(-followed), Ordering::SeqCst);
        }
    }

    /// Moves a manual clock's wall clock alone, by microseconds.
    pub fn step_wall(&self, micros: i64) {
        if let Source::Manual(hand) = &self.source {
            hand.ahead.fetch_add(micros, Ordering::SeqCst);
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.steady().saturating_add_signed(self.followed.load(Ordering::Relaxed)))
    }

    /// What the wall clock says.
    pub fn wall(&self) -> Timestamp {
        match &self.source {
            Source::System { .. } => Timestamp(wall_micros()),
            Source::Manual(hand) => Timestamp(self.steady().saturating_add_signed(hand.ahead.load(Ordering::SeqCst))),
        }
    }

    /// From here on, now is what the wall clock says; it may go back by this.
    pub fn follow_wall(&self) {
        self.followed.fetch_add(self.wall().micros_since(self.now()), Ordering::SeqCst);
    }

    fn steady(&self) -> u64 {
        match &self.source {
            Source::System { started_at, booted_for } => started_at + boot_micros().saturating_sub(*booted_for),
            Source::Manual(hand) => hand.steady.load(Ordering::SeqCst),
        }
    }
}

fn wall_micros() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

fn boot_micros() -> u64 {
    let at = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(at.tv_sec).unwrap_or(0);
    seconds * 1_000_000 + u64::try_from(at.tv_nsec).unwrap_or(0) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_moves_nothing_until_it_is_followed() {
        let clock = Clock::manual(Timestamp::from_seconds(1_000));
        clock.step_wall(-100_000_000);
        assert_eq!((clock.now().seconds(), clock.wall().seconds()), (1_000, 900));
        clock.set(Timestamp::from_seconds(1_010));
        assert_eq!((clock.now().seconds(), clock.wall().seconds()), (1_010, 910));
        clock.follow_wall();
        assert_eq!((clock.now().seconds(), clock.wall().seconds()), (910, 910));
        clock.set(Timestamp::from_seconds(920));
        assert_eq!((clock.now().seconds(), clock.wall().seconds()), (920, 920));
    }
}
