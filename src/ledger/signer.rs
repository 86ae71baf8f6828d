//! The signer thread: signs a checkpoint of the durable head, at most once a second when the log grew, apart from
//! the commits.

use super::handle::Shared;
use crate::log::LogError;
use crate::log::signed_head::{HeadFile, SignedHead};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;

/// Between two checkpoints.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// The last head that is to be signed.
#[derive(Debug, Default)]
pub(super) struct Unsigned {
    inner: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    head: Option<SignedHead>,
    closed: bool,
}

impl Unsigned {
    pub fn put(&self, head: SignedHead) {
        self.inner.lock().head = Some(head);
        self.wake.notify_one();
    }

    pub fn close(&self) {
        self.inner.lock().closed = true;
        self.wake.notify_one();
    }

    /// Waits for a head; none when closed and nothing is left.
    fn take(&self) -> Option<SignedHead> {
        let mut waiting = self.inner.lock();
        while waiting.head.is_none() && !waiting.closed {
            self.wake.wait(&mut waiting);
        }
        waiting.head.take()
    }
}

/// Runs until closed. A head that cannot be signed is only a checkpoint that comes later: the log is durable.
pub(super) fn run(mut file: HeadFile, shared: &Arc<Shared>) {
    while let Some(head) = shared.unsigned.take() {
        match file.sign(head) {
            Ok(note) => *shared.checkpoint.write() = Some(note.into()),
            Err(error) => warn(&error),
        }
    }
}

fn warn(error: &LogError) {
    tracing::warn!(%error, "no checkpoint was signed");
}
