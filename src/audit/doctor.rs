//! `doctor`: is everything around a ledger as a healthy one's? Files, lock, room, keys, what was signed, caches, clock.
//!
//! Owns: the checks and what to do about each finding. Refuses to know: the records themselves, all of which `verify`
//! checks. Nothing is changed, and a server may be running.

mod files;
mod log;

use crate::domain::time::Timestamp;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, but somebody should know.
    Warning,
    /// Does not work, or will not at the next start.
    Problem,
}

impl Level {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// What was looked at, in a word or two.
    pub name: &'static str,
    /// How it came out.
    pub level: Level,
    /// What was found.
    pub what: String,
    /// What to do about it; empty where nothing is to be done.
    pub todo: String,
}

impl Check {
    fn ok(name: &'static str, what: impl Into<String>) -> Self {
        Self { name, level: Level::Ok, what: what.into(), todo: String::new() }
    }

    fn warning(name: &'static str, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, level: Level::Warning, what: what.into(), todo: todo.into() }
    }

    fn problem(name: &'static str, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, level: Level::Problem, what: what.into(), todo: todo.into() }
    }

    /// Of something that could not be looked at: the error says what it is about.
    fn failed(name: &'static str, error: &LogError, todo: impl Into<String>) -> Self {
        Self::problem(name, error.to_string(), todo)
    }
}

/// What the local socket said when it was knocked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Socket {
    /// There is none.
    None,
    /// A server listens.
    Answered,
    /// A file without a server behind it.
    Stale,
}

/// Looks at everything. `now` is the wall clock's.
pub fn examine(dir: &DataDir, socket: Socket, now: Timestamp) -> Vec<Check> {
    let mut checks = vec![files::directory(dir), files::modes(dir)];
    if !dir.path().is_dir() {
        checks.truncate(1);
        return checks;
    }
    checks.extend([files::holder(dir, socket), files::room(dir), log::library()]);
    if let Err(error) = dir.check_finished() {
        checks.push(Check::failed("init", &error, "run `token-ledger init` on it again: it goes on where it stopped"));
    }
    match LogReader::open(dir) {
        Ok(reader) => checks.extend(log::examine(dir, &reader, socket, now)),
        Err(error) => {
            checks.push(Check::failed("ledger file", &error, todo_of_ledger(&error)));
            checks.push(log::erasures(dir, None));
        }
    }
    checks
}

fn todo_of_ledger(error: &LogError) -> &'static str {
    match error {
        LogError::NoLedger(_) => "name the right directory, put ledger.db back from a backup, or make a new one",
        LogError::OtherSchema { .. } => "use the release that made it, or a later one that takes it",
        LogError::ExposedDirectory { .. } => "take the right to enter from everybody else",
        // SQLite reads a database with a write-ahead log only where it can make the files beside it.
        error if error.is_storage() => {
            "look at the disk, and see that whoever runs this can write to the directory: it is needed to read, too"
        }
        _ => "put ledger.db back from a backup, together with nothing else",
    }
}
