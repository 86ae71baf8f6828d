//! `commands.json`: what a case says, who asks, when, and for what.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use token_ledger::domain::time::Timestamp;

/// A case as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What the case shows, in a sentence or two.
    #[allow(dead_code, reason = "for whoever reads the file")]
    pub says: String,
    /// The manual clock's time until a step moves it.
    pub starts_at: String,
    /// The requests, in order.
    pub steps: Vec<Step>,
}

/// One request, or the same one several times.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Why it is there.
    pub says: Option<String>,
    /// The manual clock's new time.
    pub at: Option<String>,
    /// Whose token is shown: `operator`, a name given by `keep`, or absent for none.
    pub by: Option<String>,
    /// `GET` of this path: what an ordinary client of the guarded API asks.
    #[serde(rename = "use")]
    pub use_path: Option<String>,
    /// Any other request.
    pub method: Option<String>,
    /// Its path.
    pub path: Option<String>,
    /// Its body.
    pub body: Option<Value>,
    /// Headers beside those that every request has.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Name to keep the token by that the answer shows.
    pub keep: Option<String>,
    /// How often it is sent.
    pub times: Option<u32>,
}

impl Script {
    /// Reads a case's folder.
    pub fn read(folder: &Path) -> Self {
        let path = folder.join("commands.json");
        let text = fs::read_to_string(&path).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Step {
    /// Method and path.
    pub fn request_line(&self) -> (&str, &str) {
        match (&self.use_path, &self.method, &self.path) {
            (Some(path), None, None) => ("GET", path),
            (None, Some(method), Some(path)) => (method, path),
            _ => panic!("a step has either `use`, or `method` and `path`: {self:?}"),
        }
    }
}

/// A time in a case.
pub fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text} is not a time"))
}
