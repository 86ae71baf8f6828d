//! The keys under which gateways reported uses.
//!
//! The same line sent again must neither be lost nor counted twice, whatever happened in between. So the key of every
//! recorded line is kept, as a hash, in the state that the log gives again. What is kept is bounded; a line that could
//! be one whose key is kept no longer is refused.

use super::event::UseReported;
use super::idempotency::{KeyHash, RequestDigest};
use super::ids::{Position, TokenId};
use super::table::Shared;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Keys in one generation. They are kept, and given up, a generation at a time.
pub const GENERATION_KEYS: usize = 32_768;
/// Generations of one reporter, the growing one included: at least seven times [`GENERATION_KEYS`] lines are known.
pub const GENERATIONS: usize = 8;

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
        assert!(!reports.may_be_given_up(EDGE, Timestamp(1)), "nothing is given up yet");
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
