//! A text that was to become the scope map and is none: what is told of it, and to whom.
//!
//! The log, `/readyz` and the ledger each say it in their own words; the ledger keeps no text of it.

use crate::domain::command::MapFaults;
use crate::domain::event::MapRejection;
use crate::domain::scope_map::parse::MapFault;
use crate::domain::time::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Characters of a fault that `/readyz` tells: a fault can quote the text, and whoever asks there shows no token.
const TOLD_CHARS_MAX: usize = 200;

/// Why a text is no scope map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokenMap {
    /// What the ledger keeps of it.
    pub faults: MapFaults,
    /// Each fault in words, with its line; at least one.
    told: Vec<String>,
}

impl BrokenMap {
    /// It could not be read whole.
    pub fn unreadable(why: impl Into<String>) -> Self {
        let faults = MapFaults { hash: None, cause: MapRejection::Unreadable, faults: 1, line: 0 };
        Self { faults, told: vec![why.into()] }
    }

    /// It was read, and is no text.
    pub(super) fn not_text(bytes: &[u8], why: impl Into<String>) -> Self {
        let mut broken = Self::unreadable(why);
        broken.faults.hash = Some(Sha256::digest(bytes).into());
        broken
    }

    /// It has faults.
    pub(super) fn faulty(hash: [u8; 32], found: &[MapFault]) -> Self {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let line = found.first().map_or(0, |fault| number(fault.line));
        let faults = MapFaults { hash: Some(hash), cause: MapRejection::Faulty, faults: number(found.len()), line };
        Self { faults, told: found.iter().map(ToString::to_string).collect() }
    }

    /// The ledger cannot take it.
    pub fn not_taken(hash: [u8; 32], why: String) -> Self {
        let faults = MapFaults { hash: Some(hash), cause: MapRejection::NotTaken, faults: 1, line: 0 };
        Self { faults, told: vec![why] }
    }

    /// Each fault in words, with its line.
    pub fn told(&self) -> &[String] {
        &self.told
    }
}

impl std::fmt::Display for BrokenMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.told.join("\n"))
    }
}

impl std::error::Error for BrokenMap {}

/// The map in force is not the one in the file.
#[derive(Clone, Debug)]
pub struct RejectedMap {
    /// What is wrong with the file.
    pub broken: BrokenMap,
    /// Since when it has been broken, in one way or another.
    pub since: Timestamp,
    /// Whether the ledger has it.
    pub(super) is_recorded: bool,
}

impl RejectedMap {
    /// As `/readyz` shows it. `kept`: number of the map in force.
    pub fn shown(&self, kept: Option<u32>) -> Value {
        let MapFaults { cause, faults, line, .. } = self.broken.faults;
        json!({
            "fault": self.first_fault(), "cause": cause.name(), "faults": faults, "line": (line > 0).then_some(line),
            "since": self.since.to_seconds_text(), "map_in_force": kept,
        })
    }

    /// For a person.
    pub fn warning(&self) -> String {
        let since = self.since.to_seconds_text();
        format!("the scope map's file is no map since {since}, and the one before is in force: {}", self.first_fault())
    }

    fn first_fault(&self) -> String {
        let fault = self.broken.told.first().map_or("", String::as_str);
        match fault.char_indices().nth(TOLD_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &fault[..end]),
            None => fault.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_fault_is_cut_between_characters() {
        let broken = BrokenMap::unreadable("ü".repeat(TOLD_CHARS_MAX + 1));
        let rejected = RejectedMap { broken, since: Timestamp::from_seconds(0), is_recorded: false };
        assert_eq!(rejected.shown(Some(3))["fault"], format!("{}…", "ü".repeat(TOLD_CHARS_MAX)));
        assert_eq!(rejected.shown(Some(3))["map_in_force"], 3);
    }
}
