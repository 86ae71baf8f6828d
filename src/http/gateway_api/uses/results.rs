//! What became of each line, in the order of the lines.

use super::line::Unrecordable;
use super::{Line, ndjson};
use crate::domain::ids::Position;
use crate::domain::report::{LineResult, ReportFlag};
use crate::http::answer::{self, Reply};
use serde::Serialize;

/// Results of the lines that the writer saw, and the position of the last record of them.
pub(super) type Decided = (Vec<LineResult>, Option<Position>);

/// The answer while it grows.
#[derive(Default)]
pub(super) struct Results {
    body: Vec<u8>,
    last: Option<Position>,
}

#[derive(Serialize)]
struct Shape<'a> {
    line: u64,
    key: Option<&'a str>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl Results {
    /// Adds the lines of one part.
    pub fn add(&mut self, lines: &[Line<'_>], (decided, last): (Vec<LineResult>, Option<Position>)) {
        self.last = last.or(self.last);
        let mut decided = decided.into_iter();
        for line in lines {
            match (&line.fault, &line.fault.is_none().then(|| decided.next()).flatten()) {
                (Some(fault), _) => self.put_fault(line, fault),
                (None, Some(result)) => self.put_result(line, result),
                // The writer answers every line that it is given.
                (None, None) => self.put_fault(line, &Unrecordable::Malformed),
            }
        }
    }

    fn put_result(&mut self, line: &Line<'_>, result: &LineResult) {
        let shape = |result, position: &Position| Shape { position: Some(position.0), ..shape(line, result) };
        self.put(&match result {
            LineResult::Recorded(position, flags) => {
                let flags = flags.iter().map(|flag| ReportFlag::name(*flag)).collect();
                Shape { flags: Some(flags), ..shape("recorded", position) }
            }
            LineResult::Duplicate(position) => shape("duplicate", position),
            LineResult::Conflict(position) => shape("conflict", position),
            LineResult::Refused(refusal) => refused(line, refusal.name(), refusal.sentence()),
        });
    }

    fn put_fault(&mut self, line: &Line<'_>, fault: &Unrecordable) {
        match fault {
            Unrecordable::Malformed => {
                self.put(&refused(line, "malformed", "the line is not one JSON object with each member once"));
            }
            Unrecordable::Invalid(faults) => self.put(&refused(line, "invalid", &faults.join("; "))),
            Unrecordable::Undecidable(why) => self.put(&refused(line, "undecidable", why)),
        }
    }

    fn put(&mut self, shape: &Shape<'_>) {
        // Only maps with keys that are not strings could fail here.
        if serde_json::to_writer(&mut self.body, shape).is_ok() {
            self.body.push(b'\n');
        }
    }

    pub fn into_reply(self) -> Reply {
        let mut reply = ndjson(self.body);
        answer::add_position(&mut reply, self.last);
        reply
    }
}

fn shape<'a>(line: &'a Line<'_>, result: &'static str) -> Shape<'a> {
    Shape {
        line: line.number,
        key: line.key.as_deref(),
        result,
        position: None,
        flags: None,
        error: None,
        detail: None,
    }
}

fn refused<'a>(line: &'a Line<'_>, error: &'static str, detail: &'a str) -> Shape<'a> {
    Shape { error: Some(error), detail: Some(detail), ..shape(line, "refused") }
}
