//! The signer thread: signs a checkpoint of the durable head, at most once a second when the log grew, apart from
//! the commits.
//!
//! What was signed must be found at the next start, or an older copy of the log would pass for the newest. So a head
//! that cannot be moved is never signed. A full disk is waited for, and `/readyz` says so; recording goes on, for the
//! log keeps everything that will be signed later. Any other failure (a sync above all: after one, nobody knows what
//! is on the disk, and a second try that works proves nothing) ends the process as a failed sync of the log does.

use super::core::Core;
use super::handle::Shared;
use crate::domain::ids::Position;
use crate::log::merkle::Hash;
use crate::log::signed_head::{HeadFile, SignedHead};
use crate::log::{DataDir, LogError};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two checkpoints.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// Signs the head of a ledger that no server has open, as a server does before it ends. A crash before leaves the log
/// with the head that was signed last.
pub fn sign_head(dir: &DataDir, core: &Core) -> Result<(), LogError> {
    let head = SignedHead { size: core.head(), root: core.log().root() };
    HeadFile::open(dir, &core.state().origin)?.sign(head, &core.state().log_signers()).map(|_| ())
}

/// A head that is to be signed, and by which verifier keys' secret halves.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Offer {
    head: SignedHead,
    signers: Vec<String>,
}

/// The last head that is to be signed.
#[derive(Debug)]
pub(super) struct Unsigned {
    inner: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Debug)]
struct Waiting {
    offer: Option<Offer>,
    /// The last position offered, and when.
    offered: Position,
    offered_at: Option<Instant>,
    closed: bool,
}

impl Unsigned {
    /// After a head that is signed already.
    pub fn after(signed: Position) -> Self {
        let waiting = Waiting { offer: None, offered: signed, offered_at: None, closed: false };
        Self { inner: Mutex::new(waiting), wake: Condvar::new() }
    }

    /// The last position offered.
    pub fn offered(&self) -> Position {
        self.inner.lock().offered
    }

    /// Offers a durable head, at most once a period unless it is the last. Its root and signers are only made out when
    /// it is taken.
    pub fn offer(&self, position: Position, is_last: bool, make_out: impl FnOnce() -> (Hash, Vec<String>)) {
        let mut waiting = self.inner.lock();
        let is_early = waiting.offered_at.is_some_and(|at| at.elapsed() < PERIOD);
        if waiting.offered >= position || (is_early && !is_last) {
            return;
        }
        waiting.offered = position;
        waiting.offered_at = Some(Instant::now());
        let (root, signers) = make_out();
        waiting.offer = Some(Offer { head: SignedHead { size: position, root }, signers });
        self.wake.notify_one();
    }

    pub fn close(&self) {
        self.inner.lock().closed = true;
        self.wake.notify_one();
    }

    /// A head that could not be signed: tried again after a period, unless a later one has come meanwhile. False when
    /// closed: this was the last try.
    fn give_back(&self, offer: &Offer) -> bool {
        let mut waiting = self.inner.lock();
        if !waiting.closed {
            self.wake.wait_for(&mut waiting, PERIOD);
        }
        waiting.offer.get_or_insert_with(|| offer.clone());
        !waiting.closed || waiting.offer.as_ref() != Some(offer)
    }

    /// Waits for a head; none when closed and nothing is left.
    fn take(&self) -> Option<Offer> {
        let mut waiting = self.inner.lock();
        while waiting.offer.is_none() && !waiting.closed {
            self.wake.wait(&mut waiting);
        }
        waiting.offer.take()
    }
}

/// Runs until closed, or until the signed head cannot be relied on any more.
pub(super) fn run(mut file: HeadFile, shared: &Arc<Shared>) {
    while let Some(offer) = shared.unsigned.take() {
        match file.sign(offer.head, &offer.signers) {
            Ok(note) => {
                *shared.checkpoint.write() = Some(note.into());
                shared.anchor_checkpoint();
                shared.unsigned_because.lock().take();
            }
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, "no checkpoint was signed");
                *shared.unsigned_because.lock() = Some(error.to_string());
                if !shared.unsigned.give_back(&offer) {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(%error, "the signed head could not be moved");
                shared.note_unknown(&error);
                return;
            }
        }
    }
}
