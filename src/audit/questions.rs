//! The questions: one row each, with the parameters it takes and the function that answers it. From these rows come
//! `GET /v1/audit/{name}` and `token-ledger audit NAME`.

mod authority;
mod changes;
mod growth;
pub mod leak;
pub mod least_privilege;
mod quota;
mod review;
pub mod state;
mod unused;
mod what_if;
mod who_could;

use super::answer::Answer;
use super::archive::{Archive, Range};
use super::past::{Moment, PastError, Point};
use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use crate::log::LogError;
use serde_json::{Map, Value, json};
use thiserror::Error;

/// A question.
#[derive(Debug)]
pub struct Question {
    /// Its name, in paths and on the command line: `kebab-case`.
    pub name: &'static str,
    /// What it asks, in one line.
    pub about: &'static str,
    /// An example of the command line, without the program's name.
    pub example: &'static str,
    /// What can be said with it.
    pub parameters: &'static [Parameter],
    /// Answers it.
    pub answer: fn(&Archive, &Asked) -> Result<Answer, AuditError>,
}

/// Something that can be said with a question.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name on the wire, `snake_case`; on the command line `_` is `-`.
    pub name: &'static str,
    /// What can be said.
    pub kind: Kind,
    /// Whether it must be said.
    pub required: bool,
    /// What it means.
    pub help: &'static str,
}

/// What can be said in a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A number from 1 on.
    Number,
    /// A time (RFC 3339).
    Time,
    /// A position, or a time.
    Point,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text of at most [`TEXT_BYTES_MAX`].
    Text,
    /// `full` or the JSON of `{"grants":[…]}`, as bodies have it.
    Access,
}

/// Longest text of a parameter.
pub const TEXT_BYTES_MAX: usize = 4_096;

/// A parameter that must be said.
pub(crate) const fn required(name: &'static str, kind: Kind, help: &'static str) -> Parameter {
    Parameter { name, kind, required: true, help }
}

/// A parameter that can be said.
pub(crate) const fn optional(name: &'static str, kind: Kind, help: &'static str) -> Parameter {
    Parameter { name, kind, required: false, help }
}

/// The beginning of the time that is asked about.
pub(crate) const FROM: Parameter = optional("from", Kind::Time, "Only what was at or after this time");
/// Its end.
pub(crate) const TO: Parameter = optional("to", Kind::Time, "Only what was before this time");

/// As of when.
pub(crate) const AS_OF: Parameter = optional("as_of", Kind::Point, "As of this time or position; now unless said");

/// Every question.
pub const QUESTIONS: &[Question] = &[
    state::STATE,
    who_could::WHO_COULD,
    what_if::WHAT_IF,
    least_privilege::LEAST_PRIVILEGE,
    unused::UNUSED,
    quota::QUOTA,
    leak::LEAK,
    authority::AUTHORITY,
    growth::GROWTH,
    changes::CHANGES,
    review::ACCESS_REVIEW,
    review::REVIEWS,
    review::REVIEW,
    review::SINCE_REVIEW,
];

/// The question of a name.
pub fn question(name: &str) -> Option<&'static Question> {
    QUESTIONS.iter().find(|question| question.name == name)
}

/// Why a question has no answer.
#[derive(Debug, Error)]
pub enum AuditError {
    /// What was said cannot be read, or does not fit together.
    #[error("{parameter} {fault}")]
    Malformed {
        /// Name of the parameter.
        parameter: String,
        /// What is wrong with it.
        fault: String,
    },
    /// What was asked about never was.
    #[error("{0}")]
    NotFound(String),
    /// More records would have to be read than one answer may take.
    #[error("this takes more than {0} records; ask for smaller pages, or offline, with `token-ledger state --as-of`")]
    TooLarge(u64),
    /// There is no such point.
    #[error(transparent)]
    Past(PastError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<PastError> for AuditError {
    fn from(error: PastError) -> Self {
        match error {
            PastError::Log(error) => Self::Log(error),
            other => Self::Past(other),
        }
    }
}

impl AuditError {
    /// A parameter that is wrong.
    pub fn malformed(parameter: &str, fault: impl Into<String>) -> Self {
        Self::Malformed { parameter: parameter.to_owned(), fault: fault.into() }
    }
}

/// What was said with a question. Checked by the question's own row, so that reading it again cannot fail.
#[derive(Clone, Debug)]
pub struct Asked {
    said: Vec<(&'static Parameter, String)>,
}

impl Asked {
    /// Reads pairs of names and texts.
    pub fn read(question: &'static Question, pairs: &[(String, String)]) -> Result<Self, AuditError> {
        let mut said: Vec<(&'static Parameter, String)> = Vec::new();
        for (name, text) in pairs {
            let parameter = question.parameters.iter().find(|parameter| parameter.name == name);
            let unknown = || AuditError::malformed(name, "is not a parameter of this question");
            let parameter = parameter.ok_or_else(unknown)?;
            if said.iter().any(|(other, _)| other.name == parameter.name) {
                return Err(AuditError::malformed(name, "is given twice"));
            }
            check(parameter.kind, text).map_err(|fault| AuditError::malformed(name, fault))?;
            said.push((parameter, text.clone()));
        }
        for parameter in question.parameters.iter().filter(|parameter| parameter.required) {
            if !said.iter().any(|(other, _)| other.name == parameter.name) {
                return Err(AuditError::malformed(parameter.name, "must be given"));
            }
        }
        Ok(Self { said })
    }

    /// The text of a parameter, if it was said.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.said.iter().find(|(parameter, _)| parameter.name == name).map(|(_, text)| text.as_str())
    }

    /// A number, if it was said.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A time, if it was said.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse(self.text(name)?)
    }

    /// A point; the head if it was not said.
    pub fn point(&self, name: &str) -> Point {
        self.text(name).and_then(Point::parse).unwrap_or(Point::Head)
    }

    /// The moment that a point means.
    pub fn moment(&self, archive: &Archive, name: &str) -> Result<Moment, AuditError> {
        Ok(archive.moment(self.point(name))?)
    }

    /// The positions between `from` and `to`. Nothing is in an empty period, and what is in one that has not begun is not
    /// known: an answer to either would say that nothing was, or that all is as it is now.
    pub fn range(&self, archive: &Archive) -> Result<Range, AuditError> {
        let (from, to) = (self.time(FROM.name), self.time(TO.name));
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(AuditError::malformed(TO.name, "is not after from"));
        }
        if let Some(from) = from.filter(|from| *from > archive.now()) {
            archive.moment(Point::Time(from))?;
        }
        Ok(archive.range(from, to)?)
    }

    /// As answers say it.
    pub fn to_json(&self) -> Map<String, Value> {
        let value = |parameter: &Parameter, text: &String| match parameter.kind {
            Kind::Number => json!(text.parse::<u64>().ok()),
            Kind::Access => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
            _ => json!(text),
        };
        self.said.iter().map(|(parameter, text)| (parameter.name.to_owned(), value(parameter, text))).collect()
    }
}

fn check(kind: Kind, text: &str) -> Result<(), String> {
    let good = match kind {
        Kind::Number => text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok_and(|n| n > 0),
        Kind::Time => Timestamp::parse(text).is_some(),
        Kind::Point => Point::parse(text).is_some(),
        Kind::Word(words) => words.contains(&text),
        Kind::Text => text.len() <= TEXT_BYTES_MAX,
        Kind::Access => text == "full" || serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object()),
    };
    if good { Ok(()) } else { Err(wanted(kind)) }
}

fn wanted(kind: Kind) -> String {
    match kind {
        Kind::Number => "must be a number from 1 on".to_owned(),
        Kind::Time => "must be a time such as 2026-03-01T12:00:00Z".to_owned(),
        Kind::Point => "must be a position (1234) or a time (2026-03-01T12:00:00Z)".to_owned(),
        Kind::Word(words) => format!("must be one of {}", words.join(", ")),
        Kind::Text => format!("must have at most {TEXT_BYTES_MAX} bytes"),
        Kind::Access => "must be full, or an object with grants".to_owned(),
    }
}

/// Answers a question: what was said is told back, and a position that was named is there.
pub fn ask(archive: &Archive, question: &'static Question, asked: &Asked) -> Result<Answer, AuditError> {
    if archive.head() == Position::NONE {
        return Err(PastError::Empty.into());
    }
    let mut answer = (question.answer)(archive, asked)?;
    answer.asked = asked.to_json();
    Ok(answer)
}
