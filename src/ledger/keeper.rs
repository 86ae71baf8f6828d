//! The keeper thread: looks now and then how much room the disk has, and keeps the ballast. Apart from the writer, because
//! a look can take long where the file system is not on this machine.

use super::handle::Shared;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks: within it the service notices that there is too little room, or enough again.
const PERIOD: Duration = Duration::from_millis(500);

/// Tells the keeper to end.
#[derive(Debug, Default)]
pub(super) struct Closing {
    closed: Mutex<bool>,
    wake: Condvar,
}

impl Closing {
    pub fn close(&self) {
        *self.closed.lock() = true;
        self.wake.notify_one();
    }

    /// Waits a period; true once closed.
    fn wait(&self) -> bool {
        let mut closed = self.closed.lock();
        if !*closed {
            self.wake.wait_for(&mut closed, PERIOD);
        }
        *closed
    }
}

/// Runs until closed.
pub(super) fn run(shared: &Arc<Shared>) {
    while !shared.closing.wait() {
        shared.look_at_space();
    }
}

impl Shared {
    /// Looks at the disk. What changed is said, and the writer is woken for it.
    pub fn look_at_space(&self) {
        let was_low = self.space.is_low();
        match self.space.look() {
            Ok(true) if !was_low => {
                tracing::warn!(
                    free = self.space.free(),
                    low_water = self.space.low_water(),
                    "the disk is nearly full: only deletions and narrower accesses are recorded"
                );
            }
            Ok(false) if was_low => {
                tracing::info!(free = self.space.free(), "the disk has room again");
                self.queue.nudge();
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the disk's free space is not known"),
        }
        if !self.space.is_low()
            && let Err(error) = self.space.keep_ballast()
        {
            tracing::warn!(%error, "the ballast cannot be kept");
        }
    }

    /// At a start: says where a mark does not fit the file system.
    pub fn look_at_space_first(&self) {
        self.look_at_space();
        if let Ok(total) = self.space.total()
            && total < self.space.enough()
        {
            tracing::warn!(
                total,
                low_water = self.space.low_water(),
                "the file system is smaller than the low-water mark: set a lower one (serve --low-water-mib)"
            );
        }
    }
}
