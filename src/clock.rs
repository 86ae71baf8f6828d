//! The only place that says "now".
//!
//! Wall clock at the start plus elapsed boot time (which goes on through suspend), so a step of the wall clock
//! moves nothing.

use crate::domain::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock; cloning shares it.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    System {
        /// Wall time at the start, in microseconds.
        started_at: u64,
        /// Boot time at the start, in microseconds.
        booted_for: u64,
    },
    /// Set by hand, for cases and replays of histories.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock, from now on.
    pub fn system() -> Self {
        Self::System { started_at: wall_micros(), booted_for: boot_micros() }
    }

    /// A clock that stands at `at` until [`Self::set`].
    pub fn manual(at: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicU64::new(at.0)))
    }

    /// Moves a manual clock; the machine's cannot be moved.
    pub fn set(&self, at: Timestamp) {
        if let Self::Manual(now) = self {
            now.store(at.0, Ordering::SeqCst);
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System { started_at, booted_for } => {
                Timestamp(started_at + boot_micros().saturating_sub(*booted_for))
            }
            Self::Manual(now) => Timestamp(now.load(Ordering::SeqCst)),
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
