//! Access reviews: somebody goes through what an account's tokens and members may, row by row, and says of each whether it
//! stays. A decision is a record and applies nothing: whoever carries it out does so by the change itself.

use super::event::{AccessReviewClosed, AccessReviewDecided, AccessReviewOpened, Header};
use super::ids::{AccountId, Position, TokenId, UserId};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Reviews open at a time.
pub const REVIEWS_OPEN_MAX: usize = 100;
/// Rows of one review. An account with more is reviewed by other means than by hand.
pub const REVIEW_ROWS_MAX: u64 = 10_000;
/// Longest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 1_000;

/// A row of a review: what somebody has. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ReviewRow {
    /// A token that acts on the account.
    Token(TokenId),
    /// A membership of the account.
    Member(UserId),
}

/// What is decided of a row. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ReviewVerdict {
    /// It stays as it is.
    Keep,
    /// It is to get less.
    Narrow,
    /// It is to end.
    Delete,
}

impl ReviewVerdict {
    /// Spelling in bodies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Narrow => "narrow",
            Self::Delete => "delete",
        }
    }

    /// Reads the spelling of bodies.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Keep, Self::Narrow, Self::Delete].into_iter().find(|verdict| verdict.name() == text)
    }
}

/// How many rows were decided how. The last decision of a row counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ReviewCounts {
    /// Rows that stay.
    pub kept: u64,
    /// Rows that are to get less.
    pub narrowed: u64,
    /// Rows that are to end.
    pub deleted: u64,
    /// Rows that nobody decided.
    pub undecided: u64,
}

/// A review.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Review {
    /// Of which account.
    pub account: AccountId,
    /// What it looks at: the state at this position.
    pub position: Position,
    /// Root of the tree over the records up to there.
    pub root: [u8; 32],
    /// The time that the state was judged at.
    pub at: Timestamp,
    /// How many rows it has.
    pub rows: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The decisions, until it is closed.
    pub decided: BTreeMap<ReviewRow, ReviewVerdict>,
    /// How it ended; none while it is open.
    pub closed: Option<ReviewCounts>,
}

impl Review {
    /// How its rows are decided.
    pub fn counts(&self) -> ReviewCounts {
        self.closed.unwrap_or_else(|| {
            let count = |wanted| self.decided.values().filter(|verdict| **verdict == wanted).count() as u64;
            ReviewCounts {
                kept: count(ReviewVerdict::Keep),
                narrowed: count(ReviewVerdict::Narrow),
                deleted: count(ReviewVerdict::Delete),
                undecided: self.rows.saturating_sub(self.decided.len() as u64),
            }
        })
    }
}

/// Every review by its number.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reviews(BTreeMap<u64, Review>);

impl Reviews {
    /// A review.
    pub fn get(&self, number: u64) -> Option<&Review> {
        self.0.get(&number)
    }

    /// The number of the next one.
    pub fn next_number(&self) -> u64 {
        self.0.last_key_value().map_or(1, |(last, _)| last + 1)
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.0.values().filter(|review| review.closed.is_none()).count()
    }

    /// Takes in that one was opened.
    pub fn begin(&mut self, header: &Header, opened: &AccessReviewOpened) {
        let review = Review {
            account: header.account,
            position: opened.position,
            root: opened.root,
            at: opened.at,
            rows: opened.rows,
            opened_at: header.recorded_at,
            decided: BTreeMap::new(),
            closed: None,
        };
        self.0.insert(opened.review, review);
    }

    /// Takes in a decision.
    pub fn decide(&mut self, decided: &AccessReviewDecided) {
        if let Some(review) = self.0.get_mut(&decided.review) {
            review.decided.insert(decided.row, decided.verdict);
        }
    }

    /// Takes in an end.
    pub fn close(&mut self, closed: &AccessReviewClosed) {
        if let Some(review) = self.0.get_mut(&closed.review) {
            review.closed = Some(closed.counts);
            review.decided.clear();
        }
    }
}
