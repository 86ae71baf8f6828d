//! Commits that take a steady time, for a bench that shows the service apart from the disk it runs on. Only with the
//! feature `simulated-commit`, which the program is not built with; and even then only once a bench asks for it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

static EXTRA_NANOS: AtomicU64 = AtomicU64::new(0);
static COMMITS: AtomicU64 = AtomicU64::new(0);
static SPENT_NANOS: AtomicU64 = AtomicU64::new(0);

/// From here on every commit of this process takes so much longer.
pub fn slow_down(by: Duration) {
    EXTRA_NANOS.store(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Relaxed);
}

/// Commits so far, and the time they took together.
pub fn so_far() -> (u64, Duration) {
    (COMMITS.load(Relaxed), Duration::from_nanos(SPENT_NANOS.load(Relaxed)))
}

/// Commits, and then waits as a slower disk would have.
pub(super) fn slowed<T, E>(commit: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let started = Instant::now();
    let committed = commit()?;
    let extra = EXTRA_NANOS.load(Relaxed);
    if extra > 0 {
        std::thread::sleep(Duration::from_nanos(extra));
    }
    COMMITS.fetch_add(1, Relaxed);
    SPENT_NANOS.fetch_add(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
    Ok(committed)
}
