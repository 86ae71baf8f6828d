//! Reads of history: what somebody looked at, and which looks of the running minute are recorded already.

use super::ids::{AccountId, Position, ResourceId, TokenId, UserId};
use super::time::Timestamp;
use super::token::{Owner, Principal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Different shapes of one principal that are recorded with what they name in a minute; past it the question alone is.
pub const SHAPES_A_MINUTE_MAX: usize = 1_000;

/// What kind of look it was: the question and what it named. Two looks of one principal with the same shape within a
/// minute of the clock are one record. Texts and ranges are no part of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct ReadShape {
    /// The question's name, from the service's own table; never a client's text.
    pub question: String,
    /// The account that it named.
    pub account: AccountId,
    /// The token that it named.
    pub token: TokenId,
    /// The user that it named.
    pub user: UserId,
    /// The resource that it named.
    pub resource: ResourceId,
}

impl ReadShape {
    /// A question that names nothing.
    pub fn of(question: &str) -> Self {
        Self { question: question.to_owned(), ..Self::default() }
    }

    /// The question alone.
    pub fn unnamed(&self) -> Self {
        Self::of(&self.question)
    }
}

/// What was asked of history.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HistoryQuery {
    /// Its shape.
    pub shape: ReadShape,
    /// Of what was recorded at or after this time.
    pub from: Option<Timestamp>,
    /// Of what was recorded before this time.
    pub to: Option<Timestamp>,
    /// After this position; none is from the first on.
    pub after: Position,
    /// The head, or the position, that it was answered up to; none of a stream, which goes on.
    pub through: Position,
}

impl HistoryQuery {
    /// A question that names nothing, of everything up to a position.
    pub fn of(question: &str, through: Position) -> Self {
        Self { shape: ReadShape::of(question), through, ..Self::default() }
    }

    /// Whose history it is: that of the account it names, else of the user, else of the service. A token that it names
    /// narrows the question, and says nothing of whose it is.
    pub fn whose(&self) -> Owner {
        match (self.shape.account, self.shape.user) {
            (AccountId::NONE, UserId::NONE) => Owner::Service,
            (AccountId::NONE, user) => Owner::User(user),
            (account, _) => Owner::Account(account),
        }
    }

    /// About what is this owner's, where it does not say whose it is.
    #[must_use]
    pub fn about(mut self, owner: Owner) -> Self {
        match (self.whose(), owner) {
            (Owner::Service, Owner::Account(account)) => self.shape.account = account,
            (Owner::Service, Owner::User(user)) => self.shape.user = user,
            _ => {}
        }
        self
    }

    /// About an account.
    #[must_use]
    pub fn about_account(mut self, account: AccountId) -> Self {
        self.shape.account = account;
        self
    }

    /// About a token.
    #[must_use]
    pub fn about_token(mut self, token: TokenId) -> Self {
        self.shape.token = token;
        self
    }

    /// About a user.
    #[must_use]
    pub fn about_user(mut self, user: UserId) -> Self {
        self.shape.user = user;
        self
    }

    /// About a resource.
    #[must_use]
    pub fn about_resource(mut self, resource: ResourceId) -> Self {
        self.shape.resource = resource;
        self
    }

    /// Of a range of times.
    #[must_use]
    pub fn between(mut self, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        (self.from, self.to) = (from, to);
        self
    }

    /// Of what comes after a position.
    #[must_use]
    pub fn after(mut self, after: Position) -> Self {
        self.after = after;
        self
    }
}

/// Looks that were answered while nothing could be recorded, counted then and recorded afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CountedReads {
    /// How many.
    pub reads: u64,
    /// When the first of them was.
    pub first: Timestamp,
    /// When the last of them was.
    pub last: Timestamp,
}

/// Why a stream of events ended. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamEnd {
    /// Its reader left.
    ReaderLeft,
    /// The token that opened it works no more.
    TokenEnded,
    /// The service stopped.
    ServiceStopped,
    /// Its reader did not read what was sent to it.
    TooSlow,
    /// The log could not be read.
    LogUnreadable,
    /// All that was asked for was sent.
    Complete,
}

impl StreamEnd {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReaderLeft => "reader_left",
            Self::TokenEnded => "token_ended",
            Self::ServiceStopped => "service_stopped",
            Self::TooSlow => "too_slow",
            Self::LogUnreadable => "log_unreadable",
            Self::Complete => "complete",
        }
    }
}

/// Shapes that are recorded in the running minute. Those of earlier minutes go when the first of a later one comes, so
/// that the log alone says what is here: at most one record a minute holds across a restart too.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HistoryReads {
    minute: u64,
    shapes: BTreeMap<Principal, BTreeSet<ReadShape>>,
}

impl HistoryReads {
    /// Under which shape a look is to be recorded; none if it is in this minute.
    pub fn due(&self, principal: Principal, at: Timestamp, shape: &ReadShape) -> Option<ReadShape> {
        let recorded = self.shapes.get(&principal).filter(|_| self.minute == at.minute());
        let Some(recorded) = recorded else { return Some(shape.clone()) };
        if recorded.contains(shape) {
            return None;
        }
        if recorded.len() < SHAPES_A_MINUTE_MAX {
            return Some(shape.clone());
        }
        Some(shape.unnamed()).filter(|unnamed| !recorded.contains(unnamed))
    }

    /// Takes in what has happened.
    pub fn keep(&mut self, principal: Principal, at: Timestamp, shape: &ReadShape) {
        if self.minute != at.minute() {
            self.minute = at.minute();
            self.shapes.clear();
        }
        self.shapes.entry(principal).or_default().insert(shape.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READER: Principal = Principal::Staff(TokenId(1));

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_772_366_400 + seconds)
    }

    fn token_usage(token: u64) -> ReadShape {
        ReadShape { token: TokenId(token), ..ReadShape::of("token_usage") }
    }

    #[test]
    fn a_shape_is_due_once_a_minute_and_principal() {
        let mut reads = HistoryReads::default();
        assert_eq!(reads.due(READER, at(0), &token_usage(7)), Some(token_usage(7)));
        reads.keep(READER, at(0), &token_usage(7));
        assert_eq!(reads.due(READER, at(59), &token_usage(7)), None);
        assert!(reads.due(READER, at(59), &token_usage(8)).is_some(), "another token is another shape");
        assert!(reads.due(Principal::Staff(TokenId(2)), at(59), &token_usage(7)).is_some(), "another reader");
        assert!(reads.due(READER, at(60), &token_usage(7)).is_some(), "another minute");
    }

    #[test]
    fn past_a_thousand_shapes_a_minute_the_question_alone_is_recorded() {
        let mut reads = HistoryReads::default();
        for token in 1..=SHAPES_A_MINUTE_MAX as u64 {
            reads.keep(READER, at(0), &token_usage(token));
        }
        assert_eq!(reads.due(READER, at(1), &token_usage(1)), None);
        assert_eq!(reads.due(READER, at(1), &token_usage(0)), Some(token_usage(0)));
        assert_eq!(reads.due(READER, at(1), &token_usage(5_000)), Some(ReadShape::of("token_usage")));
        reads.keep(READER, at(1), &ReadShape::of("token_usage"));
        assert_eq!(reads.due(READER, at(2), &token_usage(5_001)), None);
    }
}
