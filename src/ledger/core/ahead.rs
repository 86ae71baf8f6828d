//! Deciding ahead: uses are decided while those before them are still being synced, so that the processor and the disk
//! work at the same time. What is decided so is in the state and not in the log: it is made known only once it is
//! durable, and if what came before it fails it is taken back with it.

use super::{Core, Job, Progress, receipts};
use crate::domain::command::Command;
use crate::domain::decide::{Recorded, TallyNote};
use crate::domain::ids::Position;
use crate::ledger::Reply;
use crate::log::LogError;
use crate::log::personal::PersonalRow;
use crate::log::writer::{AppendError, Batch, LogWriter};
use parking_lot::Mutex;

/// What was decided and is not in the log yet.
#[derive(Debug)]
pub struct Ahead {
    batch: Batch,
    texts: Vec<PersonalRow>,
    progress: Progress,
}

/// What is known once it is durable.
#[derive(Debug)]
pub struct Known {
    /// Position of the first record.
    pub first: Position,
    /// The records, in order.
    pub records: Vec<Recorded>,
    /// A reply for each command, in order.
    pub replies: Vec<Reply>,
    /// Refusals to be counted.
    pub notes: Vec<TallyNote>,
}

impl Core {
    /// Whether a command may be decided on what is not durable yet. Of uses only the reply and their own records come;
    /// everything else also changes what is published, or waits for the log itself.
    pub fn may_run_ahead(command: &Command) -> bool {
        matches!(command, Command::Use(_))
    }

    /// Whether counts wait to be recorded with the next batch, which then cannot be decided ahead.
    pub fn has_due_sums(&self) -> bool {
        !self.tally.is_empty() && self.tally.has_due(self.now())
    }

    /// Decides commands that may run ahead, in order. After an error nothing that was decided ahead may be appended any
    /// more, and [`Self::take_back`] must follow once nothing is on its way.
    pub fn decide_ahead<'a>(&mut self, jobs: impl Iterator<Item = &'a Job> + Clone) -> Result<Ahead, LogError> {
        self.touch(jobs.clone());
        let now = self.now();
        let mut progress = Progress::for_about(jobs.size_hint().0);
        self.batch.clear();
        for (command, origin) in jobs {
            self.decide_one(now, command, origin, &mut progress)?;
        }
        Ok(Ahead { batch: std::mem::take(&mut self.batch), texts: self.texts.take_pending(), progress })
    }

    /// Takes back everything that was decided ahead: the state is what the file says. Gives what is to be said of it.
    pub fn take_back(&mut self, error: AppendError) -> AppendError {
        self.rebuilt(error)
    }

    /// Counts refusals whose batch is durable.
    pub fn count(&mut self, notes: Vec<TallyNote>) {
        notes.into_iter().for_each(|note| self.tally.add(note));
    }
}

impl Ahead {
    /// Whether it makes no record.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Whether it brings new texts: until they are in the table, nothing more may be decided.
    pub fn has_texts(&self) -> bool {
        !self.texts.is_empty()
    }

    /// Adds what was decided next.
    pub fn join(&mut self, next: Self) {
        let before = self.progress.records.len();
        self.batch.join(&next.batch);
        self.texts.extend(next.texts);
        let Progress { records, replies, notes, due: _ } = next.progress;
        self.progress.records.extend(records);
        self.progress.replies.extend(replies.into_iter().map(|(answer, last)| (answer, last.map(|at| at + before))));
        self.progress.notes.extend(notes);
    }

    /// Appends it: one transaction, one sync. Gives the position of its first record.
    pub fn append(&self, log: &Mutex<LogWriter>) -> Result<Position, AppendError> {
        let mut log = log.lock();
        if self.batch.is_empty() {
            return Ok(log.head().next());
        }
        log.append(&self.batch, &self.texts)
    }

    /// It is durable from this position on.
    pub fn into_known(self, first: Position) -> Known {
        let Progress { records, replies, notes, due: _ } = self.progress;
        Known { first, records, replies: receipts(replies, first), notes }
    }
}
