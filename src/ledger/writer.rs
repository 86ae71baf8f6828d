//! The writer thread: takes what waits, decides, appends, answers. No pause to gather a batch: while one batch is
//! being synced the next one gathers by itself.

use super::clock_watch::{ClockWatch, Reading};
use super::core::{Committed, Core, Job};
use super::handle::Shared;
use super::outage::{Outage, cause_of};
use super::queue::Woken;
use super::signer;
use super::unrecorded_reads::is_look;
use super::{Reply, Unavailable};
use crate::domain::command::{Actor, Change, Command, Origin};
use crate::domain::event::OutageCause;
use crate::domain::time::Timestamp;
use crate::log::LogError;
use crate::log::writer::AppendError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Decisions in one transaction: bounds the time that the last of its commands waits. A command that takes many of them
/// is never parted.
pub(super) const BATCH_MAX: usize = 1_024;
/// How long the writer sleeps when nothing comes; counted refusals are recorded at least this often.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it sleeps while an outage lasts: its end is recorded soon after it came.
const OUTAGE_PATIENCE: Duration = Duration::from_secs(1);

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
    /// Commands turned away because the disk was nearly full or the clock behind the log.
    pub restricted: AtomicU64,
    /// Moves of the write-ahead log into the file that found no room.
    pub moves_without_room: AtomicU64,
}

/// Runs until the queue is closed and empty, or the log cannot be relied on any more.
pub(super) fn run(core: Core, shared: &Arc<Shared>) {
    let _closing = CloseOnExit(Arc::clone(shared));
    let mut writer = Writer::new(core, shared);
    // One buffer for the whole run: it is swapped with the queue's, so that neither is ever allocated again.
    let mut requests = Vec::with_capacity(shared.settings.queue_max);
    writer.settle();
    while writer.noted != Noted::Never {
        let woken = shared.queue.take(&mut requests, writer.patience());
        writer.resume_erasure();
        if writer.noted == Noted::Never {
            break;
        }
        match woken {
            Woken::Closed => return writer.stop(),
            Woken::Idle => writer.idle(),
            Woken::Jobs => writer.carry_out_all(&mut requests),
        }
    }
    fail_all(shared, requests);
}

/// How many of the first requests make a batch.
fn batch_of(requests: &[Request]) -> usize {
    let mut decisions = 0;
    let fits = |request: &&Request| {
        let before = decisions;
        decisions += request.job.0.weight();
        before < BATCH_MAX
    };
    requests.iter().take_while(fits).count()
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
            let cause = LogError::DamagedTree("the writer thread panicked".to_owned());
            self.0.note_failure(&AppendError::Unknown(cause));
        }
        self.0.queue.take(&mut Vec::new(), Duration::ZERO);
    }
}

fn refuse(shared: &Arc<Shared>, requests: impl IntoIterator<Item = Request>, why: Unavailable) {
    shared.answer(requests.into_iter().map(|request| (request.reply, Err(why))).collect());
}

fn fail_all(shared: &Arc<Shared>, mut requests: Vec<Request>) {
    refuse(shared, requests.drain(..), Unavailable::NotRecording);
    // What still comes in is refused by the closed queue; what is in it is refused here.
    shared.queue.close();
    shared.queue.take(&mut requests, Duration::ZERO);
    refuse(shared, requests, Unavailable::NotRecording);
}

/// The writer with what it keeps in mind between batches.
struct Writer {
    core: Core,
    shared: Arc<Shared>,
    has_started: bool,
    /// Whether everything that must stand in the log before the next batch does.
    noted: Noted,
    outage: Outage,
    watch: ClockWatch,
    /// When finishing an erasure was last tried.
    tried_at: Instant,
}

impl Writer {
    fn new(core: Core, shared: &Arc<Shared>) -> Self {
        let watch = ClockWatch::begin(read_clock(&core));
        *shared.clock_state.lock() = watch.state();
        let (shared, outage) = (Arc::clone(shared), Outage::default());
        Self { core, shared, has_started: false, noted: Noted::NotYet, outage, watch, tried_at: Instant::now() }
    }

    fn patience(&self) -> Duration {
        if self.outage.lasts() || self.noted != Noted::Durable {
            OUTAGE_PATIENCE
        } else if self.shared.has_unsigned() || self.core.erasure_is_unfinished() {
            signer::PERIOD
        } else {
            PATIENCE
        }
    }

    fn idle(&mut self) {
        self.settle();
        if self.noted != Noted::Durable {
            return;
        }
        if self.core.has_tally() {
            self.carry_out(&mut Vec::new());
        } else {
            self.shared.offer_head(&self.core, false);
        }
    }

    fn carry_out_all(&mut self, requests: &mut Vec<Request>) {
        while !requests.is_empty() {
            self.settle();
            if self.noted != Noted::Durable {
                self.turn_away(requests.drain(..), Unavailable::NotRecording);
                return;
            }
            match self.restriction() {
                None => self.carry_out(requests),
                Some(why) => self.carry_out_narrowing(requests, why),
            }
        }
    }

    /// Why only commands that take something away are carried out now.
    fn restriction(&self) -> Option<Unavailable> {
        if self.shared.space.is_low() {
            Some(Unavailable::DiskFull)
        } else if self.watch.state().is_behind {
            Some(Unavailable::ClockBehind)
        } else {
            None
        }
    }

    /// Records what must stand in the log before the next batch: that recording started, what the clock did, and, once
    /// it is over, the outage.
    fn settle(&mut self) {
        self.noted = self.note_start();
        for step in [Self::note_outage, Self::note_clock, Self::note_outage, Self::note_unrecorded] {
            if self.noted == Noted::Durable {
                self.noted = step(self);
            }
        }
    }

    /// Tries again, at most once a second, to finish an erasure that a reader held up.
    fn resume_erasure(&mut self) {
        if !self.core.erasure_is_unfinished() || self.tried_at.elapsed() < signer::PERIOD {
            return;
        }
        self.tried_at = Instant::now();
        if let Err(error) = self.core.finish_erasure(RESUMED_PATIENCE) {
            self.noted = self.note_failure(&error);
        }
    }

    /// Nothing may stand in the log before the record that says from when on it is kept.
    fn note_start(&mut self) -> Noted {
        if self.has_started {
            return Noted::Durable;
        }
        let noted = self.commit_service(Change::StartRecording);
        self.has_started = noted == Noted::Durable;
        noted
    }

    fn note_outage(&mut self) -> Noted {
        if let Some(why) = self.restriction() {
            self.outage.begin(self.now(), cause_of(why));
            return Noted::Durable;
        }
        let Some(change) = self.outage.to_record() else { return Noted::Durable };
        let noted = self.commit_service(change);
        if noted == Noted::Durable {
            self.outage.end();
        }
        noted
    }

    /// Looks at history that were answered while nothing could be recorded: behind the record that says when that was.
    fn note_unrecorded(&mut self) -> Noted {
        if self.outage.lasts() {
            return Noted::Durable;
        }
        self.record_unrecorded()
    }

    fn record_unrecorded(&mut self) -> Noted {
        for change in self.shared.unrecorded.to_record() {
            let noted = self.commit_service(change.clone());
            if noted != Noted::Durable {
                return noted;
            }
            self.shared.unrecorded.recorded(&change);
        }
        Noted::Durable
    }

    fn note_clock(&mut self) -> Noted {
        let before = self.watch.state();
        let noted = match self.watch.look(read_clock(&self.core)) {
            None => Noted::Durable,
            Some(change) => {
                tracing::warn!(?change, "the wall clock stepped");
                let noted = self.commit_service(change.clone());
                if noted == Noted::Durable {
                    self.watch.recorded(&change);
                }
                noted
            }
        };
        if self.watch.state() != before {
            *self.shared.clock_state.lock() = self.watch.state();
        }
        noted
    }

    fn now(&self) -> Timestamp {
        self.core.clock().now().max(self.core.state().last_recorded_at)
    }

    /// Records something of the service itself.
    fn commit_service(&mut self, change: Change) -> Noted {
        if self.shared.space.is_low() {
            self.shared.space.make_room();
        }
        let command = Command::Manage(Actor::Init, Box::new(change));
        match self.core.commit(std::iter::once(&(command, Origin::default()))) {
            Ok(committed) => {
                self.publish(committed);
                self.shared.note_recording();
                Noted::Durable
            }
            Err(error) => self.note_failure(&error),
        }
    }

    /// Carries out the first requests as one batch and answers them.
    fn carry_out(&mut self, requests: &mut Vec<Request>) {
        let started = Instant::now();
        let batch = batch_of(requests);
        let result = self.core.commit(requests[..batch].iter().map(|request| &request.job));
        self.note_busy(started);
        match result {
            Ok(committed) => self.answer(requests.drain(..batch), committed),
            // What is full now was not at the last look: the same requests are looked at again, by what can still be done.
            Err(AppendError::RolledBack(cause)) if cause.is_disk_full() && self.is_low_now() => {
                tracing::warn!(%cause, "the disk is full");
            }
            Err(error) => {
                self.noted = self.note_failure(&error);
                self.turn_away(requests.drain(..batch), Unavailable::NotRecording);
            }
        }
        self.move_wal();
    }

    /// Carries out those of the first requests that only take something away; turns away the others undecided.
    fn carry_out_narrowing(&mut self, requests: &mut Vec<Request>, why: Unavailable) {
        let batch = batch_of(requests);
        let (allowed, others): (Vec<_>, Vec<_>) =
            requests.drain(..batch).partition(|request| self.core.narrows(&request.job.0));
        self.shared.counters.restricted.fetch_add(others.len() as u64, Relaxed);
        self.turn_away(others, why);
        if allowed.is_empty() {
            return;
        }
        let started = Instant::now();
        self.shared.space.make_room();
        let result = loop {
            match self.core.commit(allowed.iter().map(|request| &request.job)) {
                Err(AppendError::RolledBack(cause)) if cause.is_disk_full() && self.shared.space.give_slice() => {}
                result => break result,
            }
        };
        self.note_busy(started);
        match result {
            Ok(committed) => self.answer(allowed, committed),
            Err(error) => {
                self.noted = self.note_failure(&error);
                self.turn_away(allowed, why);
            }
        }
        self.move_wal();
    }

    /// Whether there is too little room, by a look of our own.
    fn is_low_now(&self) -> bool {
        self.shared.look_at_space();
        self.shared.space.is_low()
    }

    /// Moves the write-ahead log into the file when it is long enough, after the answers: they do not depend on it.
    fn move_wal(&mut self) {
        if self.noted == Noted::Never {
            return;
        }
        let Err(error) = self.core.move_wal_if_due() else { return };
        if !error.is_disk_full() {
            self.shared.note_unreliable(&error);
            self.noted = Noted::Never;
            return;
        }
        tracing::warn!(%error, "the write-ahead log was not moved into the ledger file");
        self.shared.counters.moves_without_room.fetch_add(1, Relaxed);
        if self.is_low_now() {
            self.shared.space.make_room();
        }
    }

    fn note_busy(&self, started: Instant) {
        let busy = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.shared.counters.busy_micros.fetch_add(busy, Relaxed);
    }

    fn note_failure(&mut self, error: &AppendError) -> Noted {
        self.shared.note_failure(error);
        match error {
            AppendError::RolledBack(cause) => {
                let cause = if cause.is_disk_full() { OutageCause::DiskFull } else { OutageCause::WriteFailed };
                self.outage.begin(self.now(), cause);
                Noted::NotYet
            }
            AppendError::Unknown(_) => Noted::Never,
        }
    }

    fn turn_away(&mut self, requests: impl IntoIterator<Item = Request>, why: Unavailable) {
        let requests: Vec<Request> = requests.into_iter().collect();
        self.outage.turn_away(requests.iter().filter(|request| !is_look(&request.job.0)).count());
        refuse(&self.shared, requests, why);
    }

    fn answer(&mut self, requests: impl IntoIterator<Item = Request>, committed: Committed) {
        let replies = self.publish(committed);
        // Before the answers: whoever has one and asks how the service is hears of the same batch.
        self.shared.note_recording();
        let senders = requests.into_iter().map(|request| request.reply);
        self.shared.answer(senders.zip(replies.into_iter().map(Ok)).collect());
    }

    /// Makes a committed batch known: first to the projector, then the head, so that a reader who sees the head
    /// waits for a fold that is on its way.
    fn publish(&mut self, committed: Committed) -> Vec<Reply> {
        let Committed { first, records, replies, clock_followed, erased } = committed;
        if erased {
            self.shared.texts.forget();
        }
        if clock_followed {
            self.watch.settle();
            *self.shared.clock_state.lock() = self.watch.state();
        }
        if !records.is_empty() {
            self.shared.counters.commits.fetch_add(1, Relaxed);
            self.shared.counters.events.fetch_add(records.len() as u64, Relaxed);
            self.shared.feed.push(first, records);
            self.shared.set_head(self.core.head());
            self.shared.offer_head(&self.core, false);
        }
        replies
    }

    /// At an orderly end: counted refusals are recorded, an outage that lasts as far as it went, then that recording
    /// stopped.
    fn stop(mut self) {
        if !self.has_started {
            return;
        }
        match self.core.commit_sums() {
            Ok(committed) => drop(self.publish(committed)),
            Err(error) => {
                if self.note_failure(&error) == Noted::Never {
                    return;
                }
            }
        }
        if let Some(change) = self.outage.to_record()
            && self.commit_service(change) == Noted::Never
        {
            return;
        }
        if self.record_unrecorded() == Noted::Never {
            return;
        }
        let appended = self.shared.counters.events.load(Relaxed);
        if self.commit_service(Change::StopRecording { appended }) == Noted::Never {
            return;
        }
        self.shared.offer_head(&self.core, true);
        match self.core.log().checkpoint_wal() {
            Ok(()) => {}
            Err(error) if error.is_disk_full() => {
                tracing::warn!(%error, "the write-ahead log was not moved into the ledger file");
            }
            Err(error) => self.shared.note_unreliable(&error),
        }
    }
}

fn read_clock(core: &Core) -> Reading {
    let clock = core.clock();
    Reading { now: clock.now(), wall: clock.wall(), last_recorded_at: core.state().last_recorded_at }
}
