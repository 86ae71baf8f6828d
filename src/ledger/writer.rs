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

/// How long an erasure that is tried again holds up the writer.
const RESUMED_PATIENCE: Duration = Duration::from_millis(20);

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
    let mut started = shared.commit_service(&mut core, Change::StartRecording);
    // One buffer for the whole run: it is swapped with the queue's, so that neither is ever allocated again.
    let mut requests = Vec::with_capacity(shared.settings.queue_max);
    let mut tried_at = Instant::now();
    loop {
        let is_waiting = shared.has_unsigned() || core.erasure_is_unfinished();
        let patience = if is_waiting { signer::PERIOD } else { PATIENCE };
        let woken = shared.queue.take(&mut requests, patience);
        if !shared.resume_erasure(&mut core, &mut tried_at) {
            fail_all(shared, requests);
            return;
        }
        match woken {
            Woken::Closed => break,
            Woken::Idle if started == Noted::Durable && !core.has_tally() => {
                shared.offer_head(&core, false);
                continue;
            }
            Woken::Idle | Woken::Jobs => {}
        }
        loop {
            // Nothing may stand in the log before the record that says from when on it is kept.
            if started == Noted::NotYet {
                started = shared.commit_service(&mut core, Change::StartRecording);
            }
            match started {
                Noted::Durable => {}
                Noted::NotYet => {
                    refuse(shared, &mut requests);
                    break;
                }
                Noted::Never => {
                    fail_all(shared, requests);
                    return;
                }
            }
            if !shared.carry_out(&mut core, &mut requests) {
                fail_all(shared, requests);
                return;
            }
            if requests.is_empty() {
                break;
            }
        }
    }
    if started == Noted::Durable {
        stop(&mut core, shared);
    }
}

/// What became of a record of the service itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Noted {
    /// It is in the log.
    Durable,
    /// It is not, and may be tried again.
    NotYet,
    /// The log cannot be relied on any more.
    Never,
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

fn refuse(shared: &Arc<Shared>, requests: &mut Vec<Request>) {
    shared.answer(requests.drain(..).map(|request| (request.reply, Err(Unavailable::NotRecording))).collect());
}

fn fail_all(shared: &Arc<Shared>, mut requests: Vec<Request>) {
    refuse(shared, &mut requests);
    // What still comes in is refused by the closed queue; what is in it is refused here.
    shared.queue.close();
    shared.queue.take(&mut requests, Duration::ZERO);
    refuse(shared, &mut requests);
}

/// At an orderly end: counted refusals are recorded, then that recording stopped.
fn stop(core: &mut Core, shared: &Arc<Shared>) {
    match core.commit_sums() {
        Ok(committed) => drop(shared.publish(core, committed)),
        Err(error) => {
            shared.note_failure(&error);
            if matches!(error, AppendError::Unknown(_)) {
                return;
            }
        }
    }
    let appended = shared.counters.events.load(Relaxed);
    if shared.commit_service(core, Change::StopRecording { appended }) == Noted::Never {
        return;
    }
    shared.offer_head(core, true);
    if let Err(error) = core.log().checkpoint_wal() {
        tracing::warn!(%error, "the write-ahead log was not moved into the ledger file");
    }
}

impl Shared {
    /// Tries again, at most once a second, to finish an erasure that a reader held up. False: the log cannot be relied
    /// on any more.
    fn resume_erasure(&self, core: &mut Core, tried_at: &mut Instant) -> bool {
        if !core.erasure_is_unfinished() || tried_at.elapsed() < signer::PERIOD {
            return true;
        }
        *tried_at = Instant::now();
        match core.finish_erasure(RESUMED_PATIENCE) {
            Ok(_) => true,
            Err(error) => {
                self.note_failure(&error);
                false
            }
        }
    }

    /// Records something of the service itself.
    fn commit_service(self: &Arc<Self>, core: &mut Core, change: Change) -> Noted {
        let command = Command::Manage(Actor::Init, Box::new(change));
        match core.commit(std::iter::once(&(command, Origin::default()))) {
            Ok(committed) => {
                self.publish(core, committed);
                self.note_recording();
                Noted::Durable
            }
            Err(error) => {
                self.note_failure(&error);
                if matches!(error, AppendError::RolledBack(_)) { Noted::NotYet } else { Noted::Never }
            }
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
                // Before the answers: whoever has one and asks how the service is hears of the same batch.
                self.note_recording();
                self.answer(senders.zip(replies.into_iter().map(Ok)).collect());
                true
            }
            Err(error) => {
                self.note_failure(&error);
                self.answer(senders.map(|sender| (sender, Err(Unavailable::NotRecording))).collect());
                matches!(error, AppendError::RolledBack(_))
            }
        }
    }

    /// Makes a committed batch known: first to the projector, then the head, so that a reader who sees the head
    /// waits for a fold that is on its way.
    fn publish(self: &Arc<Self>, core: &Core, committed: Committed) -> Vec<Reply> {
        let Committed { first, records, replies, erased } = committed;
        if erased {
            self.texts.forget();
        }
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
