//! The writer thread: takes what waits, decides, appends, answers. No pause to gather a batch: while one batch is
//! being synced the next one gathers by itself.

use super::core::{Committed, Core, Job};
use super::handle::Shared;
use super::queue::Woken;
use super::signer;
use super::{Reply, Unavailable};
use crate::domain::command::{Actor, Change, Command, Origin};
use crate::log::writer::AppendError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Commands decided in one transaction: bounds the time that the last of them waits.
pub(super) const BATCH_MAX: usize = 1_024;
/// How long the writer sleeps when nothing comes; counted refusals are recorded at least this often.
const PATIENCE: Duration = Duration::from_secs(5);

/// A command with the way back.
#[derive(Debug)]
pub(super) struct Request {
    pub job: Job,
    pub reply: oneshot::Sender<Result<Reply, Unavailable>>,
}

/// Replies of one batch on their way to the runtime, which wakes the callers.
pub(super) type Replies = Vec<(oneshot::Sender<Result<Reply, Unavailable>>, Result<Reply, Unavailable>)>;

/// Counts of the writer, for `/metrics`.
#[derive(Debug, Default)]
pub struct Counters {
    /// Transactions committed.
    pub commits: AtomicU64,
    /// Events appended.
    pub events: AtomicU64,
    /// Microseconds spent in deciding, encoding and committing.
    pub busy_micros: AtomicU64,
    /// Batches that were rolled back.
    pub rolled_back: AtomicU64,
    /// Commands turned away because the queue was full.
    pub turned_away: AtomicU64,
}

/// Runs until the queue is closed and empty, or the log cannot be relied on any more.
pub(super) fn run(mut core: Core, shared: &Arc<Shared>) {
    let _closing = CloseOnExit(Arc::clone(shared));
    shared.commit_service(&mut core, Change::StartRecording);
    // One buffer for the whole run: it is swapped with the queue's, so that neither is ever allocated again.
    let mut requests = Vec::with_capacity(shared.settings.queue_max);
    loop {
        let patience = if shared.has_unsigned() { signer::PERIOD } else { PATIENCE };
        match shared.queue.take(&mut requests, patience) {
            Woken::Closed => break,
            Woken::Idle if !core.has_tally() => {
                shared.offer_head(&core, false);
                continue;
            }
            Woken::Idle | Woken::Jobs => {}
        }
        loop {
            if !shared.carry_out(&mut core, &mut requests) {
                fail_all(shared, requests);
                return;
            }
            if requests.is_empty() {
                break;
            }
        }
    }
    stop(&mut core, shared);
}

/// Whatever ends the writer, nobody waits for it any longer: the queue is closed, and what is in it is refused when
/// its senders are dropped.
struct CloseOnExit(Arc<Shared>);

impl Drop for CloseOnExit {
    fn drop(&mut self) {
        self.0.queue.close();
        if std::thread::panicking() {
            let cause = crate::log::LogError::DamagedTree("the writer thread panicked".to_owned());
            self.0.note_failure(&AppendError::Unknown(cause));
        }
        self.0.queue.take(&mut Vec::new(), Duration::ZERO);
    }
}

fn fail_all(shared: &Arc<Shared>, requests: Vec<Request>) {
    let refuse = |request: Request| (request.reply, Err(Unavailable::NotRecording));
    shared.answer(requests.into_iter().map(refuse).collect());
    // What still comes in is refused by the closed queue; what is in it is refused here.
    shared.queue.close();
    let mut late = Vec::new();
    shared.queue.take(&mut late, Duration::ZERO);
    shared.answer(late.into_iter().map(refuse).collect());
}

/// At an orderly end: counted refusals are recorded, then that recording stopped.
fn stop(core: &mut Core, shared: &Arc<Shared>) {
    if let Ok(committed) = core.commit_sums() {
        shared.publish(core, committed);
    }
    let appended = shared.counters.events.load(Relaxed);
    shared.commit_service(core, Change::StopRecording { appended });
    shared.offer_head(core, true);
    if let Err(error) = core.log().checkpoint_wal() {
        tracing::warn!(%error, "the write-ahead log was not moved into the ledger file");
    }
}

impl Shared {
    fn commit_service(self: &Arc<Self>, core: &mut Core, change: Change) {
        let command = Command::Manage(Actor::Init, Box::new(change));
        match core.commit(std::iter::once(&(command, Origin::default()))) {
            Ok(committed) => drop(self.publish(core, committed)),
            Err(error) => self.note_failure(&error),
        }
    }

    /// Carries out the first requests as one batch and answers them. False: the log cannot be relied on any more.
    fn carry_out(self: &Arc<Self>, core: &mut Core, requests: &mut Vec<Request>) -> bool {
        let started = Instant::now();
        let batch = requests.len().min(BATCH_MAX);
        let result = core.commit(requests[..batch].iter().map(|request| &request.job));
        let busy = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.counters.busy_micros.fetch_add(busy, Relaxed);
        let senders = requests.drain(..batch).map(|request| request.reply);
        match result {
            Ok(committed) => {
                let replies = self.publish(core, committed);
                self.answer(senders.zip(replies.into_iter().map(Ok)).collect());
                self.note_recording();
                true
            }
            Err(error) => {
                self.answer(senders.map(|sender| (sender, Err(Unavailable::NotRecording))).collect());
                self.note_failure(&error);
                matches!(error, AppendError::RolledBack(_))
            }
        }
    }

    /// Makes a committed batch known: first to the projector, then the head, so that a reader who sees the head
    /// waits for a fold that is on its way.
    fn publish(self: &Arc<Self>, core: &Core, committed: Committed) -> Vec<Reply> {
        let Committed { first, records, replies } = committed;
        if !records.is_empty() {
            self.counters.commits.fetch_add(1, Relaxed);
            self.counters.events.fetch_add(records.len() as u64, Relaxed);
            self.feed.push(first, records);
            self.set_head(core.head());
            self.offer_head(core, false);
        }
        replies
    }
}
