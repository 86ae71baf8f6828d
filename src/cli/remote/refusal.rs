//! A refusal of the service (RFC 9457), in words.

use super::connection::Answer;
use super::failure::RemoteFailure;
use crate::audit::in_words::said;
use crate::cli::output::harmless;
use serde_json::{Map, Value};
use std::fmt::Write;

/// Members that have words of their own here, or say nothing more.
const TOLD: [&str; 7] = ["type", "title", "status", "detail", "message", "errors", "lines"];

/// What to tell of an answer that is not what was asked for.
pub(super) fn failure(answer: &Answer) -> RemoteFailure {
    match serde_json::from_slice::<Map<String, Value>>(&answer.body) {
        Ok(problem) if problem.contains_key("detail") => {
            RemoteFailure::Refused { status: answer.status, words: words(answer, &problem) }
        }
        // Something before the service answered in its place, or there is no such service.
        _ => RemoteFailure::Unreachable(format!(
            "the answer {} is not one of a Token Ledger; is the URL right?",
            answer.status
        )),
    }
}

fn words(answer: &Answer, problem: &Map<String, Value>) -> String {
    let text = |member: &str| problem.get(member).and_then(Value::as_str).unwrap_or_default();
    let mut words = format!("{} {}: {}", answer.status, harmless(text("title")), harmless(text("detail")));
    add_errors(&mut words, "", problem.get("errors"));
    for line in problem.get("lines").and_then(Value::as_array).into_iter().flatten() {
        add_errors(&mut words, &format!("line {}: ", line["line"]), line.get("errors"));
    }
    for (member, value) in problem.iter().filter(|(member, _)| !TOLD.contains(&member.as_str())) {
        if let Some(value) = said(value) {
            add(&mut words, &member.replace('_', " "), &value);
        }
    }
    let headers =
        [("decision", "x-decision-id"), ("try again after seconds", "retry-after"), ("request", "x-request-id")];
    for (name, header) in headers {
        if let Some(value) = answer.header(header) {
            add(&mut words, name, value);
        }
    }
    words
}

/// Each fault on a line of its own: `field what is wrong with it`.
fn add_errors(words: &mut String, before: &str, errors: Option<&Value>) {
    for (field, faults) in errors.and_then(Value::as_object).into_iter().flatten() {
        for fault in faults.as_array().into_iter().flatten().filter_map(Value::as_str) {
            // Writing to a String cannot fail.
            let _ = write!(words, "\n  {before}{} {}", harmless(field), harmless(fault));
        }
    }
}

fn add(words: &mut String, name: &str, value: &str) {
    let _ = write!(words, "\n  {}: {}", harmless(name), harmless(value));
}
