//! Deciding and appending, one batch at a time, on one thread: the heart of the writer, also used by itself where no
//! server runs (`init`, local commands, generators, tests).

mod over_time;
mod questions;

use super::Reply;
use crate::clock::Clock;
use crate::domain::command::{Actor, Change, Command, Origin};
use crate::domain::decide::{
    Answer, Context, Decision, Done, DoneSubject, Due, QUOTA_TOKENS_A_RECORD, RANGES_A_RECORD, Recorded, Tally,
    TallyNote, decide, narrows, record_quota_total, record_refusal_sum,
};
use crate::domain::digests::Digests;
use crate::domain::event::Event;
use crate::domain::ids::{Position, RequestId, TokenId};
use crate::domain::rejection::Rejection;
use crate::domain::state::State;
use crate::domain::text::{PersonalText, Subject, TextKind, Texts};
use crate::domain::time::Timestamp;
use crate::entropy::Entropy;
use crate::log::codec::RECORD_BYTES_MAX;
use crate::log::personal::TextNumbers;
use crate::log::space::make_room_to_open;
use crate::log::writer::{AppendError, Batch, LogWriter};
use crate::log::{DataDir, LogError};
use crate::projections::rebuild;
use parking_lot::RwLock;
use std::sync::Arc;
use std::time::Duration;

mod reports;

/// Digests of all secrets, shared with the threads that answer unknown ones by themselves. The writer adds to it
/// while it decides; a digest found here is only a reason to ask the writer.
pub type SharedDigests = Arc<RwLock<Digests>>;

/// How long an erasure waits for whoever reads an older part of the write-ahead log. Nothing is recorded meanwhile.
const ERASURE_PATIENCE: Duration = Duration::from_secs(2);

const _: () = assert!(RANGES_A_RECORD * 2 * 9 + 256 <= RECORD_BYTES_MAX);
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
    /// The batch takes over what the wall clock says.
    follows_wall: bool,
    batch: Batch,
    /// Tokens of the batch whose rows are fetched. Kept between batches for its memory alone.
    near: Vec<TokenId>,
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
    /// Whether the clock follows the wall clock from here on.
    pub clock_followed: bool,
    /// Whether personal texts were erased: what is kept of texts anywhere is to be forgotten.
    pub erased: bool,
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
            follows_wall: false,
            batch: Batch::default(),
            near: Vec::new(),
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

    /// Whether a command only takes something away; false also where that cannot be told now.
    pub fn narrows(&mut self, command: &Command) -> bool {
        let mut texts = self.texts.lookup(self.log.connection());
        let narrows = narrows(&self.state, command, &mut texts);
        narrows && texts.take_failure().is_none()
    }

    /// Moves the write-ahead log into the file if it is long enough (see [`LogWriter::move_wal_if_due`]).
    pub fn move_wal_if_due(&mut self) -> Result<(), LogError> {
        self.log.move_wal_if_due()
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
    pub fn commit<'a>(
        &mut self,
        jobs: impl IntoIterator<Item = &'a Job, IntoIter: Clone>,
    ) -> Result<Committed, AppendError> {
        let mut jobs = jobs.into_iter();
        self.touch(jobs.clone());
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

    /// Has the rows of a batch's uses fetched, all at once (see `domain/state/touch.rs`).
    fn touch<'a>(&mut self, jobs: impl Iterator<Item = &'a Job> + Clone) {
        self.near.clear();
        {
            let digests = self.digests.read();
            let token = |command: &Command| match command {
                Command::Use(asked) => digests.lead(&asked.digest),
                _ => TokenId::NONE,
            };
            self.near.extend(jobs.clone().map(|(command, _)| token(command)));
        }
        let tokens = self.near.iter().fold(0, |seen, &token| seen ^ self.state.touch_token(token));
        let accounts = self.near.iter().fold(0, |seen, &token| seen ^ self.state.touch_account_of(token));
        let texts =
            self.near.iter().zip(jobs).fold(0, |seen, (&token, (_, origin))| seen ^ self.touch_texts(token, origin));
        std::hint::black_box((tokens, accounts, texts));
    }

    fn touch_texts(&self, token: TokenId, origin: &Origin) -> u64 {
        let Some(token) = self.state.token(token) else { return 0 };
        let subject = Subject::from(token.owner);
        let touch = |kind: TextKind, text: &Option<PersonalText>| {
            text.as_ref().map_or(0, |text| self.texts.touch(subject, kind, text.as_str()))
        };
        touch(TextKind::Address, &origin.address) ^ touch(TextKind::Agent, &origin.agent)
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
        let reply = match (command, self.settle(decision, progress)) {
            (Command::Gateway(call), (Answer::Authorized(_), _)) => self.decide_questions(&context, call, progress)?,
            (Command::Gateway(call), (Answer::Reported(_), _)) => self.decide_lines(&context, call, progress)?,
            (_, reply) => reply,
        };
        progress.replies.push(reply);
        Ok(())
    }

    /// Writes down what was decided of one command, or of one question of a call.
    fn settle(&mut self, decision: Decision, progress: &mut Progress) -> (Answer, Option<usize>) {
        let Decision { events, answer, tally } = decision;
        progress.notes.extend(tally);
        match self.write_down(events, progress) {
            Ok(last) => (answer, last),
            Err(TooLarge) => {
                let rejection = Rejection::LimitReached("a record has at most 65535 bytes; name fewer resources");
                (Answer::Rejected(rejection), None)
            }
        }
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
        for (record, recorded) in (records_before..).zip(&events) {
            self.take_in(recorded, record);
        }
        progress.records.extend(events);
        Ok((progress.records.len() > records_before).then(|| progress.records.len() - 1))
    }

    fn take_in(&mut self, recorded: &Recorded, record: usize) {
        let Recorded { header, event } = recorded;
        self.state.evolve(header, event);
        if let Event::PersonalDataErased(erased) = event {
            self.texts.erase(erased, record);
        }
        let secret = match event {
            Event::TokenCreated(created) => created.secret,
            Event::TokenImported(imported) => imported.secret,
            Event::TokenRotated(rotated) => rotated.secret,
            Event::ClockStepped(stepped) => {
                self.follows_wall |= stepped.followed;
                return;
            }
            _ => return,
        };
        self.digests.write().add(&secret.digest, header.token);
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
        let erased = !self.texts.erasing().is_empty();
        let appended = decided.map_err(AppendError::RolledBack).and_then(|()| self.append());
        let clock_followed = std::mem::take(&mut self.follows_wall);
        match appended {
            Ok(first) => {
                if clock_followed {
                    self.clock.follow_wall();
                }
                notes.into_iter().for_each(|note| self.tally.add(note));
                if erased {
                    self.forget_erased(&records);
                    self.finish_erasure(ERASURE_PATIENCE)?;
                }
                let position = |index: usize| Position(first.0 + index as u64);
                let mut replies: Vec<Reply> =
                    replies.into_iter().map(|(answer, last)| Reply { answer, position: last.map(position) }).collect();
                if self.erasure_is_unfinished() {
                    replies.iter_mut().for_each(|reply| note_unfinished(&mut reply.answer));
                }
                Ok(Committed { first, records, replies, clock_followed, erased })
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
            self.log.append_erasing(&self.batch, self.texts.pending(), self.texts.erasing())?;
            self.texts.keep();
        }
        Ok(first)
    }

    /// Erases again what an older copy of the file brought back, and finishes what a crash left half done. Before
    /// anything else is done with a ledger that was just opened and found to be the right one.
    pub fn settle_erasures(&mut self) -> Result<(), AppendError> {
        let back = self.log.settle_erasures(self.state.last_text).map_err(AppendError::RolledBack)?;
        let jobs: Vec<Job> = back
            .chunk_by(|(left, _), (right, _)| left == right)
            .map(|texts| {
                let subject = texts[0].0;
                let texts = texts.iter().map(|(_, number)| *number).collect();
                let change = Change::EraseAgain { subject, texts };
                (Command::Manage(Actor::Init, Box::new(change)), Origin::default())
            })
            .collect();
        if !jobs.is_empty() {
            tracing::warn!(texts = back.len(), "texts that were erased came back with an older copy; erased again");
            self.commit(&jobs)?;
        }
        if !self.finish_erasure(ERASURE_PATIENCE)? {
            tracing::warn!("something reads an older part of the write-ahead log; it is emptied of erased texts later");
        }
        Ok(())
    }

    /// Whether the write-ahead log may still hold texts that were erased.
    pub fn erasure_is_unfinished(&self) -> bool {
        self.log.erasure_is_unfinished()
    }

    /// Empties the write-ahead log of erased texts; false if somebody still reads an older part of it.
    pub fn finish_erasure(&mut self, patience: Duration) -> Result<bool, AppendError> {
        self.log.finish_erasure(patience)
    }

    /// Counted refusals hold addresses until they are recorded: those of erased subjects must not come back so.
    fn forget_erased(&mut self, records: &[Recorded]) {
        for Recorded { header, event } in records {
            let Event::PersonalDataErased(erased) = event else { continue };
            let state = &self.state;
            let is_theirs = |token: TokenId| match header.token.is_none() {
                true => state.token(token).is_some_and(|token| Subject::from(token.owner) == erased.subject),
                false => token == header.token,
            };
            self.tally.forget_addresses(is_theirs);
        }
    }

    /// Takes the decision state from the file again. If that fails too, nothing is known any more.
    fn rebuilt(&mut self, error: AppendError) -> AppendError {
        self.batch.clear();
        self.texts.forget();
        let AppendError::RolledBack(cause) = error else { return error };
        if cause.is_disk_full() {
            // To read the views may take a new file beside them.
            make_room_to_open(&self.dir);
        }
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

fn note_unfinished(answer: &mut Answer) {
    if let Answer::Done(Done { subject: DoneSubject::Texts { finished, .. }, .. }) = answer {
        *finished = false;
    }
}

/// An event does not fit a record.
struct TooLarge;
