//! The appender thread: appends what the writer decided ahead, and answers. While it waits for the disk the writer
//! decides what comes next; that gathers in the lane between them and is one batch by the time the disk is done. So each
//! batch is still one transaction with one sync, and nobody is answered, and nothing shown, before it.

use super::core::{Ahead, Known};
use super::handle::Shared;
use super::writer::{BATCH_MAX, BusyTime, Request};
use crate::domain::decide::TallyNote;
use crate::log::LogError;
use crate::log::writer::{AppendError, LogWriter};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;

/// Decided commands on their way into the log.
#[derive(Debug)]
struct Work {
    ahead: Ahead,
    requests: Vec<Request>,
}

/// What the writer must do something about.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Refusals of durable batches, to be counted.
    pub notes: Vec<TallyNote>,
    /// What failed, and everything that was decided after it.
    pub failed: Option<Failed>,
}

/// Requests that were decided and cannot be appended as they were.
#[derive(Debug)]
pub(super) struct Failed {
    /// Why; none: the log cannot be relied on any more, which is told already.
    pub why: Option<AppendError>,
    /// In order.
    pub requests: Vec<Request>,
}

/// What lies between writer and appender: at most one batch that waits, and one that is being appended.
#[derive(Debug, Default)]
pub(super) struct Lane {
    inner: Mutex<Inner>,
    /// For the appender: a batch waits, or the lane is closed.
    filled: Condvar,
    /// For the writer: what waited is taken, or what was appended is done.
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Option<Work>,
    is_busy: bool,
    is_closed: bool,
    outcome: Outcome,
}

impl Inner {
    fn has_failed(&self) -> bool {
        self.outcome.failed.is_some()
    }

    /// What waits was decided on what failed: it fails too.
    fn fail(&mut self, why: Option<AppendError>, mut requests: Vec<Request>) {
        requests.extend(self.waiting.take().into_iter().flat_map(|work| work.requests));
        self.outcome.failed = Some(Failed { why, requests });
    }
}

impl Lane {
    /// Puts decided commands behind those that wait, waiting for room. After a failure they are among those that failed.
    pub fn put(&self, ahead: Ahead, requests: Vec<Request>) {
        let mut inner = self.inner.lock();
        let has_room = |inner: &Inner| {
            let waiting = inner.waiting.as_ref().map_or(0, |work| work.requests.len());
            waiting == 0 || waiting + requests.len() <= BATCH_MAX
        };
        while !has_room(&inner) && !inner.has_failed() {
            self.moved.wait(&mut inner);
        }
        let inner = &mut *inner;
        match (&mut inner.outcome.failed, &mut inner.waiting) {
            (Some(failed), _) => failed.requests.extend(requests),
            (None, Some(waiting)) => {
                waiting.ahead.join(ahead);
                waiting.requests.extend(requests);
            }
            (None, waiting @ None) => *waiting = Some(Work { ahead, requests }),
        }
        if !inner.is_busy {
            self.filled.notify_one();
        }
    }

    /// Takes the place of the appender if nothing is on its way; [`append`] must follow.
    pub fn begin(&self) -> bool {
        let mut inner = self.inner.lock();
        let is_free = !inner.is_busy && inner.waiting.is_none() && !inner.has_failed();
        inner.is_busy |= is_free;
        is_free
    }

    /// Whether anything is on its way.
    pub fn is_busy(&self) -> bool {
        let inner = self.inner.lock();
        inner.is_busy || inner.waiting.is_some()
    }

    /// Waits until nothing is on its way any more.
    pub fn settle(&self) {
        let mut inner = self.inner.lock();
        while (inner.is_busy || inner.waiting.is_some()) && !inner.has_failed() {
            self.moved.wait(&mut inner);
        }
    }

    /// What came of what was put in since the last time; of a failure all that came after it too.
    pub fn take_outcome(&self) -> Outcome {
        std::mem::take(&mut self.inner.lock().outcome)
    }

    /// Nothing more comes.
    pub fn close(&self) {
        self.inner.lock().is_closed = true;
        self.filled.notify_one();
    }

    /// Waits for a batch; none once closed and empty.
    fn take(&self) -> Option<Work> {
        let mut inner = self.inner.lock();
        while inner.waiting.is_none() && !inner.is_closed {
            self.filled.wait(&mut inner);
        }
        let work = inner.waiting.take();
        inner.is_busy = work.is_some();
        self.moved.notify_one();
        work
    }

    /// What was taken is durable and answered; nothing more may be appended unless the log is reliable.
    fn done(&self, notes: Vec<TallyNote>, is_reliable: bool) {
        let mut inner = self.inner.lock();
        inner.outcome.notes.extend(notes);
        if !is_reliable {
            inner.fail(None, Vec::new());
        }
        inner.is_busy = false;
        self.moved.notify_one();
    }

    /// What was taken is not in the log.
    fn fail(&self, why: AppendError, requests: Vec<Request>) {
        let mut inner = self.inner.lock();
        inner.fail(Some(why), requests);
        inner.is_busy = false;
        self.moved.notify_one();
    }
}

/// A panic here is a failure that nobody knows the extent of.
struct FailOnPanic<'a>(&'a Shared);

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let cause = LogError::DamagedTree("the appender thread panicked".to_owned());
            self.0.lane.fail(AppendError::Unknown(cause), Vec::new());
            self.0.queue.nudge();
        }
    }
}

/// Runs until the lane is closed and empty.
pub(super) fn run(log: &Mutex<LogWriter>, shared: &Arc<Shared>) {
    let _failing = FailOnPanic(shared);
    while let Some(Work { ahead, requests }) = shared.lane.take() {
        append(log, shared, ahead, requests);
    }
}

/// Appends, makes known and answers.
pub(super) fn append(log: &Mutex<LogWriter>, shared: &Shared, ahead: Ahead, requests: Vec<Request>) {
    let busy = BusyTime::begin();
    let appended = ahead.append(log);
    busy.end(&shared.counters);
    let first = match appended {
        Ok(first) => first,
        Err(error) => {
            shared.lane.fail(error, requests);
            return shared.queue.nudge();
        }
    };
    let Known { first, records, replies, notes } = ahead.into_known(first);
    shared.make_known(first, records);
    // Before the answers: whoever has one and asks how the service is hears of the same batch.
    shared.note_recording();
    let senders = requests.into_iter().map(|request| request.reply);
    shared.answer(senders.zip(replies.into_iter().map(Ok)).collect());
    // After the answers: they do not depend on it.
    let moved = log.lock().move_wal_if_due();
    let is_reliable = shared.keep_wal_short(moved);
    shared.lane.done(notes, is_reliable);
    if !is_reliable {
        shared.queue.nudge();
    }
}
