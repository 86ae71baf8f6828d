//! Deciding and appending, one batch at a time, on one thread: the heart of the writer, also used by itself where no
//! server runs (`init`, local commands, generators, tests).

use super::Reply;
use crate::clock::Clock;
use crate::domain::command::{Command, Origin};
use crate::domain::decide::{
    Answer, Context, Decision, Due, QUOTA_TOKENS_A_RECORD, Recorded, Tally, TallyNote, decide, record_quota_total,
    record_refusal_sum,
};
use crate::domain::event::Event;
use crate::domain::ids::{Position, RequestId};
use crate::domain::rejection::Rejection;
use crate::domain::state::{Digests, State};
use crate::domain::text::Texts;
use crate::domain::time::Timestamp;
use crate::entropy::Entropy;
use crate::log::codec::RECORD_BYTES_MAX;
use crate::log::personal::TextNumbers;
use crate::log::writer::{AppendError, Batch, LogWriter};
use crate::log::{DataDir, LogError};
use crate::projections::rebuild;
use parking_lot::RwLock;
use std::sync::Arc;

/// Digests of all secrets, shared with the threads that answer unknown ones by themselves. The writer adds to it
/// while it decides; a digest found here is only a reason to ask the writer.
pub type SharedDigests = Arc<RwLock<Digests>>;

/// A full total fits a record: two full-width numbers for each token, and all that stands around them.
const _: () = assert!(QUOTA_TOKENS_A_RECORD * 2 * 9 + 256 <= RECORD_BYTES_MAX);

/// The decision state with all that it takes to append to the log.
#[derive(Debug)]
pub struct Core {
    dir: DataDir,
    log: LogWriter,
    state: State,
    digests: SharedDigests,
    texts: TextNumbers,
    /// For request ids of what comes from no request.
    entropy: Entropy,
    tally: Tally,
    clock: Clock,
    batch: Batch,
}

/// One command with its origin.
pub type Job = (Command, Origin);

/// A committed batch.
#[derive(Debug)]
pub struct Committed {
    /// Position of the first record.
    pub first: Position,
    /// The records, in order.
    pub records: Vec<Recorded>,
    /// A reply for each command, in order.
    pub replies: Vec<Reply>,
}

/// What is being written down for one batch.
#[derive(Default)]
struct Progress {
    records: Vec<Recorded>,
    replies: Vec<(Answer, Option<usize>)>,
    /// Refusals to be counted once the batch is durable: those of a failed one were answered 503, not refused.
    notes: Vec<TallyNote>,
    /// Counts that the batch records: they go on waiting if it fails.
    due: Due,
}

impl Core {
    /// Over a ledger file just made.
    pub fn create(dir: &DataDir, clock: Clock, entropy: Entropy) -> Result<Self, LogError> {
        let log = LogWriter::create(dir)?;
        Ok(Self::with_state(dir, log, State::default(), clock, entropy))
    }

    /// Over an existing ledger: its state from snapshot and log. Gives the projections it was taken from, too.
    pub fn open(dir: &DataDir, clock: Clock, entropy: Entropy) -> Result<(Self, rebuild::Loaded), LogError> {
        Self::open_with(dir, clock, entropy, rebuild::load)
    }

    /// Like [`Self::open`]; also gathers what the history tables lack, for whoever serves the projections.
    pub(super) fn open_to_serve(
        dir: &DataDir,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<(Self, rebuild::Loaded), LogError> {
        Self::open_with(dir, clock, entropy, rebuild::load_to_serve)
    }

    fn open_with(
        dir: &DataDir,
        clock: Clock,
        entropy: Entropy,
        load: impl FnOnce(&DataDir) -> Result<rebuild::Loaded, LogError>,
    ) -> Result<(Self, rebuild::Loaded), LogError> {
        let log = LogWriter::open(dir)?;
        let loaded = load(dir)?;
        let state = loaded.projections.state.clone();
        Ok((Self::with_state(dir, log, state, clock, entropy), loaded))
    }

    fn with_state(dir: &DataDir, log: LogWriter, state: State, clock: Clock, entropy: Entropy) -> Self {
        let digests = Arc::new(RwLock::new(state.digests()));
        Self {
            dir: dir.clone(),
            log,
            state,
            digests,
            texts: TextNumbers::new(entropy.split()),
            entropy,
            tally: Tally::default(),
            clock,
            batch: Batch::default(),
        }
    }

    /// The state decided on.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The shared digests.
    pub fn digests(&self) -> SharedDigests {
        Arc::clone(&self.digests)
    }

    /// The last durable position.
    pub fn head(&self) -> Position {
        self.log.head()
    }

    /// The log.
    pub fn log(&self) -> &LogWriter {
        &self.log
    }

    /// The clock it decides by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether counted refusals wait to be recorded.
    pub fn has_tally(&self) -> bool {
        !self.tally.is_empty()
    }

    /// Carries out one command by itself.
    pub fn execute(&mut self, command: Command, origin: Origin) -> Result<(Reply, Committed), AppendError> {
        let mut committed = self.commit(&[(command, origin)])?;
        let rejected = Answer::Rejected(Rejection::LimitReached("the command had no reply"));
        let reply = committed.replies.pop().unwrap_or(Reply { answer: rejected, position: None });
        Ok((reply, committed))
    }

    /// Decides every command in order and appends all events in one transaction. Each command is atomic; a rejected
    /// one leaves the rest. After an error the state is what the file says: rebuilt the way a start builds it.
    pub fn commit<'a>(&mut self, jobs: impl IntoIterator<Item = &'a Job>) -> Result<Committed, AppendError> {
        let mut jobs = jobs.into_iter();
        let now = self.now();
        let expected = jobs.size_hint().0;
        let mut progress = Progress {
            records: Vec::with_capacity(expected),
            replies: Vec::with_capacity(expected),
            ..Progress::default()
        };
        self.batch.clear();
        let decided = self
            .record_due_sums(now, false, &mut progress)
            .and_then(|()| jobs.try_for_each(|(command, origin)| self.decide_one(now, command, origin, &mut progress)));
        self.conclude(decided, progress)
    }

    /// Records every refusal that is only counted so far, at an orderly end.
    pub fn commit_sums(&mut self) -> Result<Committed, AppendError> {
        let now = self.now();
        let mut progress = Progress::default();
        self.batch.clear();
        let decided = self.record_due_sums(now, true, &mut progress);
        self.conclude(decided, progress)
    }

    /// Never before the last record's time.
    fn now(&self) -> Timestamp {
        self.clock.now().max(self.state.last_recorded_at)
    }

    fn decide_one(
        &mut self,
        now: Timestamp,
        command: &Command,
        origin: &Origin,
        progress: &mut Progress,
    ) -> Result<(), LogError> {
        let own;
        let origin = if origin.request.is_none() {
            own = Origin { request: self.own_request(), ..origin.clone() };
            &own
        } else {
            origin
        };
        let context = Context { now, origin };
        let mut texts = self.texts.lookup(self.log.connection());
        let decision = decide(&self.state, &self.digests.read(), &context, command, &mut texts);
        if let Some(error) = texts.take_failure() {
            return Err(LogError::Sqlite(error));
        }
        let Decision { events, answer, tally } = decision;
        progress.notes.extend(tally);
        match self.write_down(events, progress) {
            Ok(last) => progress.replies.push((answer, last)),
            Err(TooLarge) => {
                let rejection = Rejection::LimitReached("a record has at most 65535 bytes; name fewer resources");
                progress.replies.push((Answer::Rejected(rejection), None));
            }
        }
        Ok(())
    }

    /// The request id of what comes from no request: every record has 16 bytes that nobody can guess.
    fn own_request(&mut self) -> RequestId {
        RequestId(self.entropy.bytes_16())
    }

    /// Encodes a command's events, then takes them in. All or none.
    fn write_down(&mut self, events: Vec<Recorded>, progress: &mut Progress) -> Result<Option<usize>, TooLarge> {
        let (records_before, texts_before) = (self.batch.len(), progress.records.len());
        debug_assert_eq!(records_before, texts_before, "one record for each event");
        for recorded in &events {
            if self.batch.push(&recorded.header, &recorded.event).is_err() {
                self.batch.truncate(records_before);
                self.texts.unsee(&events);
                return Err(TooLarge);
            }
        }
        for recorded in &events {
            self.take_in(recorded);
        }
        progress.records.extend(events);
        Ok((progress.records.len() > records_before).then(|| progress.records.len() - 1))
    }

    fn take_in(&mut self, recorded: &Recorded) {
        let Recorded { header, event } = recorded;
        self.state.evolve(header, event);
        let secret = match event {
            Event::TokenCreated(created) => created.secret,
            Event::TokenRotated(rotated) => rotated.secret,
            _ => return,
        };
        self.digests.write().insert(secret.digest, (header.token, secret.number));
    }

    fn record_due_sums(&mut self, now: Timestamp, everything: bool, progress: &mut Progress) -> Result<(), LogError> {
        if self.tally.is_empty() {
            return Ok(());
        }
        let due = self.tally.take_due(now, everything);
        let recorded = self.record_each(now, &due, progress);
        progress.due = due;
        recorded
    }

    fn record_each(&mut self, now: Timestamp, due: &Due, progress: &mut Progress) -> Result<(), LogError> {
        for (about, sum) in &due.refusals {
            self.record_sum(now, progress, |state, context, texts| {
                record_refusal_sum(state, context, texts, *about, sum)
            })?;
        }
        for (window, total) in &due.quotas {
            self.record_sum(now, progress, |state, context, texts| {
                record_quota_total(state, context, texts, *window, total)
            })?;
        }
        Ok(())
    }

    fn record_sum(
        &mut self,
        now: Timestamp,
        progress: &mut Progress,
        record: impl FnOnce(&State, &Context<'_>, &mut dyn Texts) -> Vec<Recorded>,
    ) -> Result<(), LogError> {
        let origin = Origin { request: self.own_request(), ..Origin::default() };
        let mut texts = self.texts.lookup(self.log.connection());
        let events = record(&self.state, &Context { now, origin: &origin }, &mut texts);
        if let Some(error) = texts.take_failure() {
            return Err(LogError::Sqlite(error));
        }
        // All sums fit, see above. Should one not, this is an outage that everybody sees and no silent loss: the batch
        // fails, and the sum goes on waiting.
        self.write_down(events, progress).map(drop).map_err(|TooLarge| LogError::SumTooLarge)
    }

    /// Appends what was decided. On any failure the state is rebuilt and the counts that were due wait again.
    fn conclude(&mut self, decided: Result<(), LogError>, progress: Progress) -> Result<Committed, AppendError> {
        let Progress { records, replies, notes, due } = progress;
        let appended = decided.map_err(AppendError::RolledBack).and_then(|()| self.append());
        match appended {
            Ok(first) => {
                notes.into_iter().for_each(|note| self.tally.add(note));
                let position = |index: usize| Position(first.0 + index as u64);
                let replies =
                    replies.into_iter().map(|(answer, last)| Reply { answer, position: last.map(position) }).collect();
                Ok(Committed { first, records, replies })
            }
            Err(error) => {
                self.tally.give_back(due);
                Err(self.rebuilt(error))
            }
        }
    }

    /// Appends the batch; gives the position of its first record.
    fn append(&mut self) -> Result<Position, AppendError> {
        let first = self.log.head().next();
        if !self.batch.is_empty() {
            self.log.append(&self.batch, self.texts.pending())?;
            self.texts.keep();
        }
        Ok(first)
    }

    /// Takes the decision state from the file again. If that fails too, nothing is known any more.
    fn rebuilt(&mut self, error: AppendError) -> AppendError {
        self.batch.clear();
        self.texts.forget();
        let AppendError::RolledBack(cause) = error else { return error };
        match rebuild::load(&self.dir) {
            Ok(loaded) => {
                self.state = loaded.projections.state;
                *self.digests.write() = self.state.digests();
                AppendError::RolledBack(cause)
            }
            Err(_) => AppendError::Unknown(cause),
        }
    }
}

/// An event does not fit a record.
struct TooLarge;
