//! Handing a made-up history to the core: many commands a transaction, each at its own time.

use crate::domain::command::{Command, Origin};
use crate::domain::decide::{Answer, Done, Verdict};
use crate::domain::ids::{Position, TokenId};
use crate::domain::rejection::Rejection;
use crate::domain::time::Timestamp;
use crate::domain::token_text::TokenDigest;
use crate::ledger::core::{Core, Job};
use crate::ledger::{AppendError, Reply};
use thiserror::Error;

/// Commands of one transaction.
const BATCH_MAX: usize = 4_096;
/// The pulse of a history that is to look as the service's own: it looks about as often.
pub(super) const PULSE_SECONDS: u64 = 60;

/// Why a history was not made.
#[derive(Debug, Error)]
pub enum FurnishError {
    /// The ledger could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The rules refused what the history takes for granted.
    #[error("the made-up history does not hold: at {at} came {answer}", at = .at.to_micros_text())]
    Refused {
        /// When.
        at: Timestamp,
        /// What was answered.
        answer: String,
    },
}

/// What was made so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Made {
    /// The log's head.
    pub head: Position,
    /// Uses that were allowed.
    pub uses: u64,
    /// Uses that were refused, counted ones included.
    pub refused: u64,
    /// Time of the last command.
    pub at: Timestamp,
}

/// Puts a history into a ledger. Its clock must be one that is set by hand, and times go up.
pub struct Maker<'a> {
    core: &'a mut Core,
    waiting: Vec<(Timestamp, Job)>,
    made: Made,
    /// Seconds that a batch may cover while counted refusals wait to be recorded, and between two looks whether they are
    /// due.
    pulse: u64,
    tell: &'a mut dyn FnMut(Made),
}

impl std::fmt::Debug for Maker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Maker({:?})", self.made)
    }
}

impl<'a> Maker<'a> {
    /// Over a ledger; `tell` hears of every batch. Counted refusals are looked after every `pulse` seconds of the
    /// history: the fewer, the more and smaller batches there are.
    pub fn new(core: &'a mut Core, pulse: u64, tell: &'a mut dyn FnMut(Made)) -> Self {
        let made = Made { head: core.head(), at: core.state().last_recorded_at, ..Made::default() };
        Self { core, waiting: Vec::with_capacity(BATCH_MAX), made, pulse, tell }
    }

    /// What was made so far; what waits is not in it.
    pub fn made(&self) -> Made {
        self.made
    }

    /// Commands that wait for their batch.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The core, with everything up to here recorded.
    pub fn core(&mut self) -> Result<&Core, FurnishError> {
        self.settle()?;
        Ok(self.core)
    }

    /// The token that one of whose secrets has this digest, once it is recorded.
    pub fn token(&self, digest: TokenDigest) -> Option<TokenId> {
        let known = self.core.digests();
        known.read().find(&self.core.state().tokens, &digest).map(|(token, _)| token.id)
    }

    /// Puts a command into the running batch: one whose answer nobody waits for.
    pub fn put(&mut self, at: Timestamp, command: Command, origin: Origin) -> Result<(), FurnishError> {
        let begins = self.waiting.first().map_or(at, |(begins, _)| *begins);
        let is_late = self.core.has_tally() && at >= begins.plus_seconds(self.pulse);
        if self.waiting.len() >= BATCH_MAX || is_late {
            self.settle()?;
        }
        if self.waiting.is_empty() {
            self.pulse_until(at)?;
        }
        self.waiting.push((at, (command, origin)));
        Ok(())
    }

    /// Carries out a command by itself, after all before it.
    pub fn carry_out(&mut self, at: Timestamp, command: Command, origin: Origin) -> Result<Reply, FurnishError> {
        self.settle()?;
        self.pulse_until(at)?;
        let committed = self.core.commit_over_time(at, &[(at, (command, origin))])?;
        self.note(at, &committed.replies, false)?;
        let refused = || FurnishError::Refused { at, answer: "no reply".to_owned() };
        committed.replies.into_iter().next_back().ok_or_else(refused)
    }

    /// Carries out a change that must succeed.
    pub fn change(&mut self, at: Timestamp, command: Command, origin: Origin) -> Result<Done, FurnishError> {
        match self.carry_out(at, command, origin)?.answer {
            Answer::Done(done) => Ok(done),
            other => Err(refused(at, &other)),
        }
    }

    /// Carries out a command that must be refused.
    pub fn attempt(&mut self, at: Timestamp, command: Command, origin: Origin) -> Result<Rejection, FurnishError> {
        match self.carry_out(at, command, origin)?.answer {
            Answer::Rejected(rejection) => Ok(rejection),
            other => Err(refused(at, &other)),
        }
    }

    /// Records what waits.
    pub fn settle(&mut self) -> Result<(), FurnishError> {
        let Some(&(begins, _)) = self.waiting.first() else { return Ok(()) };
        let ends = self.waiting.last().map_or(begins, |(at, _)| *at);
        let committed = self.core.commit_over_time(begins, &self.waiting)?;
        self.waiting.clear();
        self.note(ends, &committed.replies, true)
    }

    /// Ends the history at a time: everything that was counted is recorded, and the log's own file is whole.
    pub fn finish(mut self, at: Timestamp) -> Result<Made, FurnishError> {
        self.settle()?;
        self.pulse_until(at)?;
        self.core.clock().set(at);
        self.core.commit_sums()?;
        self.core.log().checkpoint_wal().map_err(AppendError::RolledBack)?;
        self.note(at, &[], false)?;
        Ok(self.made)
    }

    /// Records sums of refusals when they are due, as the service does while nobody calls.
    fn pulse_until(&mut self, until: Timestamp) -> Result<(), FurnishError> {
        let mut at = self.made.at.plus_seconds(self.pulse);
        while self.core.has_tally() && at < until {
            let committed = self.core.commit_over_time(at, &[])?;
            self.note(at, &committed.replies, false)?;
            at = at.plus_seconds(self.pulse);
        }
        Ok(())
    }

    /// Counts a batch's answers. In one whose answers nobody looks at, a command that was not even judged is a fault of
    /// the history.
    fn note(&mut self, at: Timestamp, replies: &[Reply], nobody_looks: bool) -> Result<(), FurnishError> {
        self.made.head = self.core.head();
        self.made.at = at;
        for reply in replies {
            match &reply.answer {
                Answer::Use(answer) => self.count(&answer.verdict),
                Answer::Authorized(answered) => {
                    answered.iter().filter_map(|one| one.answer.as_ref().ok()).for_each(|one| self.count(&one.verdict));
                }
                rejected @ Answer::Rejected(_) if nobody_looks => return Err(refused(at, rejected)),
                _ => {}
            }
        }
        (self.tell)(self.made);
        Ok(())
    }
}

impl Maker<'_> {
    fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Allowed { .. } => self.made.uses += 1,
            Verdict::Refused(_) => self.made.refused += 1,
        }
    }
}

fn refused(at: Timestamp, answer: &Answer) -> FurnishError {
    FurnishError::Refused { at, answer: format!("{answer:?}") }
}
