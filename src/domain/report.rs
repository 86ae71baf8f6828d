//! Uses that a gateway decided by itself and reports later: what it says of each, and the keys under which it said it.
//!
//! The same line sent again must neither be lost nor counted twice, whatever happened in between. So the key of every
//! recorded line is kept, as a hash, in the state that the log gives again. What is kept is bounded; a line that could
//! be one whose key is kept no longer is refused.

use super::access::{GroupNumber, Verb};
use super::command::AskedTarget;
use super::event::{MappedRoute, UseReported};
use super::idempotency::{KeyHash, RequestDigest};
use super::ids::{AccountId, Position, TokenId};
use super::table::Shared;
use super::text::PersonalText;
use super::time::Timestamp;
use super::token_text::TokenDigest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Longest line key, in characters.
pub const LINE_KEY_CHARS_MAX: usize = 64;
/// How far a reporter's clock may be off: a use may lie so many seconds after now, or before its token's creation.
pub const REPORT_TOLERANCE_SECONDS: u64 = 60;
/// Keys in one generation. They are kept, and given up, a generation at a time.
pub const GENERATION_KEYS: usize = 32_768;
/// Generations of one reporter, the growing one included: at least seven times [`GENERATION_KEYS`] lines are known.
pub const GENERATIONS: usize = 8;

/// Which token was used, as the reporter names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportedToken {
    /// By its number; which of its secrets was shown is not known then.
    Number(TokenId),
    /// By the digest of its text.
    Digest(TokenDigest),
}

/// One line of a report.
#[derive(Clone, Debug)]
pub struct ReportedUse {
    /// Its key, and whose.
    pub key: KeyHash,
    /// What it says, all of it.
    pub content: RequestDigest,
    /// What was used.
    pub token: ReportedToken,
    /// On which account; absent: that of an account's token.
    pub account: Option<AccountId>,
    /// When, by the reporter's clock.
    pub occurred_at: Timestamp,
    /// The last position that the reporter knew of when it decided.
    pub known_position: Position,
    /// Scope group and verb of what was needed; none where a token that works would do.
    pub scope: Option<(GroupNumber, Verb)>,
    /// What of it.
    pub target: AskedTarget,
    /// The route of the scope map that said so; none where the reporter did.
    pub mapped: Option<MappedRoute>,
    /// HTTP status of the answer behind the gateway; 0: not told.
    pub status: u16,
    /// Address of the client.
    pub address: Option<PersonalText>,
}

/// What is remarkable in a reported use, by what the log says when it is recorded. Numbers are part of the record format:
/// append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ReportFlag {
    /// The token was deleted by then.
    AfterDeletion,
    /// The token had expired by then.
    AfterExpiry,
    /// A rotation had ended the secret that was shown.
    AfterRotation,
}

impl ReportFlag {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterDeletion => "after_deletion",
            Self::AfterExpiry => "after_expiry",
            Self::AfterRotation => "after_rotation",
        }
    }
}

/// Why a line is not recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineRefusal {
    /// There is no such token, or it is none that this reporter may speak of.
    UnknownToken,
    /// A scope is one of an account, and none is named.
    NoAccount,
    /// The use lies before the token's creation.
    BeforeCreation,
    /// The use lies in the future.
    InTheFuture,
    /// The log has no such position.
    UnknownPosition,
    /// The use is so old that its key could be kept no longer: it may be recorded already.
    TooOld,
}

impl LineRefusal {
    /// Its word in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownToken => "unknown_token",
            Self::NoAccount => "no_account",
            Self::BeforeCreation => "before_creation",
            Self::InTheFuture => "in_the_future",
            Self::UnknownPosition => "unknown_position",
            Self::TooOld => "too_old",
        }
    }

    /// A sentence about it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::UnknownToken => "there is no such token within this gateway's reach",
            Self::NoAccount => "a scope is one of an account; account_id can't be blank for a user's token",
            Self::BeforeCreation => "the token was created more than 60 seconds after occurred_at",
            Self::InTheFuture => "occurred_at is more than 60 seconds in the future",
            Self::UnknownPosition => "known_position is not a position of this log",
            Self::TooOld => "it may be recorded already: its key would no longer be kept",
        }
    }
}

/// What became of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LineResult {
    /// It is recorded, here.
    Recorded(Position, Vec<ReportFlag>),
    /// It was recorded before, there, with the same content.
    Duplicate(Position),
    /// Its key was used before, there, with other content.
    Conflict(Position),
    /// It is not recorded.
    Refused(LineRefusal),
}

/// What is kept of a recorded line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptLine {
    /// What it said.
    pub content: RequestDigest,
    /// Its record.
    pub position: Position,
}

type ByKey = HashMap<KeyHash, KeptLine, foldhash::fast::RandomState>;

/// Lines recorded one after another.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "SortedGeneration", into = "SortedGeneration")]
pub struct Generation {
    by_key: ByKey,
    /// The latest time that one of them says.
    latest: Timestamp,
}

/// A generation in its one order.
#[derive(Serialize, Deserialize)]
struct SortedGeneration(Vec<(KeyHash, KeptLine)>, Timestamp);

impl From<SortedGeneration> for Generation {
    fn from(SortedGeneration(lines, latest): SortedGeneration) -> Self {
        Self { by_key: lines.into_iter().collect(), latest }
    }
}

impl From<Generation> for SortedGeneration {
    fn from(generation: Generation) -> Self {
        let mut lines: Vec<_> = generation.by_key.into_iter().collect();
        lines.sort_unstable_by_key(|(key, _)| *key);
        Self(lines, generation.latest)
    }
}

/// What is kept of one reporter's lines.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reporter {
    /// The latest time that a line says whose key was given up: another line up to it may be that one again.
    pub given_up_through: Timestamp,
    /// The oldest first; the last one grows.
    pub generations: Vec<Shared<Generation>>,
}

impl Reporter {
    fn find(&self, key: KeyHash) -> Option<&KeptLine> {
        self.generations.iter().rev().find_map(|generation| generation.by_key.get(&key))
    }

    fn keep(&mut self, line: &UseReported, position: Position) {
        if self.generations.last().is_none_or(|growing| growing.by_key.len() >= GENERATION_KEYS) {
            if self.generations.len() >= GENERATIONS {
                let given_up = self.generations.remove(0);
                self.given_up_through = self.given_up_through.max(given_up.latest);
            }
            self.generations.push(Shared::default());
        }
        let Some(growing) = self.generations.last_mut() else { return };
        let growing: &mut Generation = growing;
        growing.latest = growing.latest.max(line.occurred_at);
        growing.by_key.insert(line.key, KeptLine { content: line.content, position });
    }
}

/// The lines of every gateway token that reported something and is not deleted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reports {
    by_reporter: BTreeMap<TokenId, Reporter>,
}

impl Reports {
    /// What is kept under a key.
    pub fn find(&self, reporter: TokenId, key: KeyHash) -> Option<&KeptLine> {
        self.by_reporter.get(&reporter)?.find(key)
    }

    /// Whether a line whose key is not kept may be one whose key was given up.
    pub fn may_be_given_up(&self, reporter: TokenId, occurred_at: Timestamp) -> bool {
        self.by_reporter.get(&reporter).is_some_and(|reporter| occurred_at <= reporter.given_up_through)
    }

    /// Takes in a recorded line.
    pub fn keep(&mut self, reporter: TokenId, line: &UseReported, position: Position) {
        self.by_reporter.entry(reporter).or_default().keep(line, position);
    }

    /// A deleted reporter sends nothing any more.
    pub fn forget(&mut self, reporter: TokenId) {
        self.by_reporter.remove(&reporter);
    }

    /// Whether anything is kept of a reporter's.
    pub fn has(&self, reporter: TokenId) -> bool {
        self.by_reporter.contains_key(&reporter)
    }

    /// Every generation with its reporter and what that gave up, in order: the rows of a snapshot.
    pub fn rows(&self) -> impl Iterator<Item = (TokenId, Timestamp, &Shared<Generation>)> {
        self.by_reporter.iter().flat_map(|(&id, reporter)| {
            reporter.generations.iter().map(move |generation| (id, reporter.given_up_through, generation))
        })
    }

    /// Takes a row back, after those before it.
    pub fn add_row(&mut self, (reporter, given_up_through, generation): (TokenId, Timestamp, Shared<Generation>)) {
        let reporter = self.by_reporter.entry(reporter).or_default();
        reporter.given_up_through = given_up_through;
        reporter.generations.push(generation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::By;
    use crate::domain::ids::{TextNumber, Version};
    use crate::domain::token::Authority;

    const EDGE: TokenId = TokenId(9);

    fn key(number: usize) -> KeyHash {
        let mut hash = [0; 16];
        hash[..8].copy_from_slice(&(number as u64).to_le_bytes());
        KeyHash(hash)
    }

    fn line(number: usize) -> UseReported {
        let by = By {
            authority: Authority::Gateway(Version(1)),
            secret: 1,
            address: TextNumber::NONE,
            agent: TextNumber::NONE,
        };
        UseReported {
            key: key(number),
            content: RequestDigest([7; 16]),
            occurred_at: Timestamp(number as u64),
            known_position: Position(1),
            secret: 0,
            scope: None,
            mapped: None,
            status: 0,
            address: TextNumber::NONE,
            flags: Vec::new(),
            by,
        }
    }

    #[test]
    fn keys_are_kept_by_generations_and_what_may_be_given_up_is_told() {
        let (mut reports, all) = (Reports::default(), GENERATIONS * GENERATION_KEYS);
        for number in 1..=all {
            reports.keep(EDGE, &line(number), Position(number as u64));
        }
        assert_eq!(reports.find(EDGE, key(1)).map(|kept| kept.position), Some(Position(1)));
        assert!(!reports.may_be_given_up(EDGE, Timestamp(0)), "nothing is given up yet");
        reports.keep(EDGE, &line(all + 1), Position(0));
        assert_eq!((reports.find(EDGE, key(GENERATION_KEYS)), reports.rows().count()), (None, GENERATIONS));
        assert!(reports.find(EDGE, key(GENERATION_KEYS + 1)).is_some());
        let last_given_up = Timestamp(GENERATION_KEYS as u64);
        assert!(reports.may_be_given_up(EDGE, last_given_up));
        assert!(!reports.may_be_given_up(EDGE, Timestamp(last_given_up.0 + 1)));
        assert!(!reports.may_be_given_up(TokenId(8), Timestamp(0)), "another one's lines do not count");
        let mut again = Reports::default();
        reports.rows().for_each(|(id, through, generation)| again.add_row((id, through, generation.clone())));
        assert!(again == reports);
        reports.forget(EDGE);
        assert!(reports.find(EDGE, key(all)).is_none() && !reports.has(EDGE));
    }
}
