//! What a question answers: one form, from which JSON, CSV and tables for people are made.

use crate::audit::archive::Archive;
use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use crate::log::LogError;
use crate::log::merkle::Hash;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Rows of one table at most: past it the answer says that it is cut, and a narrower question is asked.
pub const ROWS_MAX: usize = 100_000;

/// What an answer rests on: everything up to one position, and nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Basis {
    /// The last position that was looked at.
    pub position: Position,
    /// The time that it was judged at.
    pub at: Timestamp,
    /// Root of the tree over the records up to there.
    pub root: Hash,
    /// The log's head when it was asked.
    pub head: Position,
}

impl Basis {
    /// Of an archive, up to a position.
    pub fn new(archive: &Archive, position: Position, at: Timestamp) -> Result<Self, LogError> {
        Ok(Self { position, at, root: archive.root_at(position)?, head: archive.head() })
    }

    /// As answers say it.
    pub fn to_json(&self) -> Value {
        json!({
            "position": self.position.0,
            "time": self.at.to_micros_text(),
            "root_hash": STANDARD.encode(self.root),
            "head": self.head.0,
        })
    }
}

/// Rows under named columns.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    /// Its name, as a member of the answer: `snake_case`.
    pub name: &'static str,
    /// What it lists, for people.
    pub title: &'static str,
    /// Names of the columns, as members of a row.
    pub columns: &'static [&'static str],
    /// Cells in the order of the columns.
    pub rows: Vec<Vec<Value>>,
    /// Whether there were more rows than [`ROWS_MAX`].
    pub is_cut: bool,
}

impl Table {
    /// Without rows.
    pub fn new(name: &'static str, title: &'static str, columns: &'static [&'static str]) -> Self {
        Self { name, title, columns, rows: Vec::new(), is_cut: false }
    }

    /// Adds a row, whose cells are in the order of the columns; past the limit only that there was one.
    pub fn add(&mut self, row: Vec<Value>) {
        debug_assert_eq!(row.len(), self.columns.len(), "{}", self.name);
        if self.rows.len() < ROWS_MAX { self.rows.push(row) } else { self.is_cut = true }
    }

    fn to_json(&self) -> Value {
        let row = |cells: &Vec<Value>| -> Value {
            let members = self.columns.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), cell.clone()));
            Value::Object(members.collect())
        };
        self.rows.iter().map(row).collect()
    }
}

/// An answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// The question's name.
    pub question: &'static str,
    /// What was asked, as it was understood.
    pub asked: Map<String, Value>,
    /// What it rests on.
    pub basis: Basis,
    /// Single findings, by name.
    pub summary: Map<String, Value>,
    /// Lists.
    pub tables: Vec<Table>,
    /// What could not be known, in sentences: gaps in recording, erased texts, what was before the ledger.
    pub gaps: Vec<String>,
}

impl Answer {
    /// Without findings yet.
    pub fn new(question: &'static str, basis: Basis) -> Self {
        Self { question, asked: Map::new(), basis, summary: Map::new(), tables: Vec::new(), gaps: Vec::new() }
    }

    /// Adds a finding.
    pub fn say(&mut self, name: &str, value: impl Into<Value>) {
        self.summary.insert(name.to_owned(), value.into());
    }

    /// `{"question", "asked", "as_of", "summary", each table under its name, "cut", "gaps"}`.
    pub fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("question".to_owned(), self.question.into());
        members.insert("asked".to_owned(), Value::Object(self.asked.clone()));
        members.insert("as_of".to_owned(), self.basis.to_json());
        members.insert("summary".to_owned(), Value::Object(self.summary.clone()));
        for table in &self.tables {
            members.insert(table.name.to_owned(), table.to_json());
        }
        let cut: Vec<&str> = self.tables.iter().filter(|table| table.is_cut).map(|table| table.name).collect();
        members.insert("cut".to_owned(), json!(cut));
        members.insert("gaps".to_owned(), json!(self.gaps));
        Value::Object(members)
    }

    /// One table as CSV (RFC 4180), its columns first; none if there is no such table. A cell that a spreadsheet would
    /// take for a formula gets an apostrophe before it, as OWASP's "CSV Injection" page advises.
    pub fn to_csv(&self, table: Option<&str>) -> Option<Vec<u8>> {
        let table = match table {
            Some(name) => self.tables.iter().find(|table| table.name == name)?,
            None => self.tables.first()?,
        };
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        // Writing into memory cannot fail.
        let _ = writer.write_record(table.columns);
        for row in &table.rows {
            let _ = writer.write_record(row.iter().map(csv_cell));
        }
        writer.into_inner().ok()
    }
}

/// A value as a cell of CSV; what is no plain value is JSON in it.
pub fn csv_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => defused(text),
        other => other.to_string(),
    }
}

/// A text that no spreadsheet takes for a formula: those signs, also in the full width that some take for them.
pub fn defused(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let basis = Basis { position: Position(7), at: Timestamp(0), root: [0; 32], head: Position(9) };
        let mut answer = Answer::new("example", basis);
        let mut table = Table::new("tokens", "Tokens", &["id", "name"]);
        table.add(vec![json!(1), json!("=cmd|'/C calc'!A0")]);
        table.add(vec![json!(2), json!("a \"quoted\", name")]);
        answer.tables.push(table);
        answer
    }

    #[test]
    fn a_cell_that_is_a_formula_is_defused() {
        let csv = answer().to_csv(None).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let expected = "id,name\r\n1,'=cmd|'/C calc'!A0\r\n2,\"a \"\"quoted\"\", name\"\r\n";
        assert_eq!(csv.as_deref(), Some(expected));
        assert!(answer().to_csv(Some("nothing")).is_none());
    }

    #[test]
    fn an_answer_names_what_it_rests_on() {
        let json = answer().to_json();
        assert_eq!(json["as_of"]["position"], 7);
        assert_eq!(json["tokens"][1]["name"], "a \"quoted\", name");
        assert_eq!(json["cut"], json!([]));
    }
}
