//! Events told to people, in sentences. A sentence is made of parts: what a client chose stays a number in it, so that whoever
//! shows it decides how a name is set off, what an erased one looks like, and what a name leads to.
//!
//! Pure but for what is around an event: texts are read by whoever shows them.

mod access;
mod applications;
mod around;
mod life;
mod sentences;

pub use access::{access, difference, unused};
pub use around::{access_before, neighbours};
pub use life::{Chapter, life};
pub use sentences::{cause, scope, tell, verdict};

use crate::domain::ids::{ApplicationId, Position, ResourceId, TextNumber, TokenId, UserId};
use crate::domain::time::Timestamp;
use std::borrow::Cow;

/// A part of a sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// Words of ours.
    Words(Cow<'static, str>),
    /// A text that somebody chose.
    Text(TextNumber),
    /// A token.
    Token(TokenId),
    /// A person.
    User(UserId),
    /// A resource.
    Resource(ResourceId),
    /// An OAuth application.
    Application(ApplicationId),
    /// An instant.
    Time(Timestamp),
    /// A record.
    Record(Position),
}

/// A sentence, without its full stop.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Phrase(pub Vec<Part>);

impl Phrase {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of words alone.
    pub fn of(words: impl Into<Cow<'static, str>>) -> Self {
        Self::new().words(words)
    }

    /// Goes on with words.
    #[must_use]
    pub fn words(mut self, words: impl Into<Cow<'static, str>>) -> Self {
        self.0.push(Part::Words(words.into()));
        self
    }

    /// Goes on with a part.
    #[must_use]
    pub fn part(mut self, part: Part) -> Self {
        self.0.push(part);
        self
    }

    /// Goes on with a text; with nothing where there is none.
    #[must_use]
    pub fn text(self, text: TextNumber) -> Self {
        if text.is_none() { self } else { self.part(Part::Text(text)) }
    }

    /// Goes on with another.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Goes on with texts, a comma between two.
    #[must_use]
    pub fn texts(mut self, texts: &[TextNumber]) -> Self {
        for (index, text) in texts.iter().enumerate() {
            self = if index > 0 { self.words(", ") } else { self };
            self = self.part(Part::Text(*text));
        }
        self
    }
}

/// A number as people read it: `2,400`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 request`, `2,400 requests`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
pub(super) mod testing {
    use super::{Part, Phrase};
    use crate::domain::access::{BUILT_IN_GROUPS, ScopeGroup};
    use crate::domain::event::Header;
    use crate::domain::ids::{AccountId, RequestId, TokenId};
    use crate::domain::table::Table;
    use crate::domain::time::Timestamp;
    use crate::domain::token::Principal;

    /// The groups that every ledger starts with.
    pub fn groups() -> Table<ScopeGroup> {
        let mut groups = Table::default();
        for (index, (name, restrictable, has_write, needs_research)) in BUILT_IN_GROUPS.into_iter().enumerate() {
            let number = u16::try_from(index + 1).unwrap_or_default();
            let name = name.to_owned();
            groups.add(u64::from(number), ScopeGroup { number, name, restrictable, has_write, needs_research });
        }
        groups
    }

    /// Of token 2 of account 1.
    pub fn header() -> Header {
        Header {
            recorded_at: Timestamp::from_seconds(1_772_366_400),
            account: AccountId(1),
            account_number: 7,
            token: TokenId(2),
            token_number: 3,
            principal: Principal::Account(AccountId(1)),
            credential: TokenId(2),
            request: RequestId([1; 16]),
        }
    }

    /// Texts as `t4`, tokens as `token 2`, and so on.
    pub fn plain(phrase: &Phrase) -> String {
        let said = |part: &Part| match part {
            Part::Words(words) => words.to_string(),
            Part::Text(text) => format!("t{text}"),
            Part::Token(token) => format!("token {token}"),
            Part::User(user) => format!("user {user}"),
            Part::Resource(resource) => format!("resource {resource}"),
            Part::Application(application) => format!("application {application}"),
            Part::Time(at) => at.to_seconds_text(),
            Part::Record(position) => format!("record {position}"),
        };
        phrase.0.iter().map(said).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{counted, number};

    #[test]
    fn numbers_are_grouped_in_threes() {
        for (given, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (2_400, "2,400"), (1_234_567, "1,234,567")]
        {
            assert_eq!(number(given), expected);
        }
        assert_eq!((counted(1, "request"), counted(0, "request")), ("1 request".to_owned(), "0 requests".to_owned()));
    }
}
