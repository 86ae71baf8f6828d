//! Answers in tables for people, or as the JSON that came.

use super::table::Columns;
use crate::audit::in_words::{in_words, said};
use crate::cli::Failure;
use crate::cli::output::{harmless, write_rows, write_table};
use serde_json::{Map, Value};
use std::io::Write;

/// Rows put together into one table: its columns are as wide as their widest cell.
const TABLE_ROWS: usize = 500;

/// Members whose columns need more than their value.
fn cell(item: &Value, member: &str) -> String {
    let value = &item[member];
    match member {
        "hint" => value.as_str().map(|hint| format!("…{hint}")).unwrap_or_default(),
        "last_used_at" if value.is_null() => words(&item["last_used_status"]),
        "data" => in_words(value),
        _ => words(value),
    }
}

/// A value in words; a dash where it is not there, or was erased.
fn words(value: &Value) -> String {
    said(value).unwrap_or_else(|| "-".to_owned())
}

/// A thing, a row for each of its members.
pub(super) fn write_thing(out: &mut dyn Write, thing: &Value) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (member, value) in thing.as_object().into_iter().flatten() {
        add_rows(&mut rows, member.replace('_', " "), value);
    }
    write_rows(out, rows)
}

/// What is a thing within the thing has rows of its own; what has words of its own (an access, an actor) has one.
fn add_rows(rows: &mut Vec<Vec<String>>, name: String, value: &Value) {
    match value.as_object() {
        Some(members) if !members.contains_key("grants") && !members.contains_key("kind") && !members.is_empty() => {
            for (member, value) in members {
                add_rows(rows, format!("{name}, {}", member.replace('_', " ")), value);
            }
        }
        _ => rows.push(vec![name, words(value)]),
    }
}

/// What an answer as of the past rests on; nothing of one that shows what is.
pub(super) fn write_basis(out: &mut dyn Write, basis: &Value) -> Result<(), Failure> {
    if basis.is_null() {
        return Ok(());
    }
    let [position, time, root] = ["position", "time", "root_hash"].map(|member| words(&basis[member]));
    Ok(writeln!(out, "\nAs of position {} ({}); root {}", harmless(&position), harmless(&time), harmless(&root))?)
}

/// A list that comes in pages, written as it comes.
pub(super) struct List<'a> {
    out: &'a mut dyn Write,
    columns: &'static Columns,
    is_json: bool,
    count: usize,
}

impl<'a> List<'a> {
    pub fn new(out: &'a mut dyn Write, columns: &'static Columns, is_json: bool) -> Self {
        Self { out, columns, is_json, count: 0 }
    }

    /// Entries written.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Writes the entries of a page.
    pub fn add(&mut self, items: &[Value]) -> Result<(), Failure> {
        if self.is_json {
            for item in items {
                let before = if self.count == 0 { "{\"data\":[" } else { "," };
                write!(self.out, "{before}{item}")?;
                self.count += 1;
            }
            return Ok(());
        }
        for items in items.chunks(TABLE_ROWS) {
            self.write_rows(items)?;
            self.count += items.len();
        }
        Ok(())
    }

    fn write_rows(&mut self, items: &[Value]) -> Result<(), Failure> {
        let heads: Vec<&str> = self.columns.columns.iter().map(|(head, _)| *head).collect();
        let row = |item: &Value| self.columns.columns.iter().map(|(_, member)| cell(item, member)).collect();
        write_table(self.out, self.columns.title, &heads, items.iter().map(row).collect::<Vec<Vec<String>>>())
    }

    /// Ends the list: in JSON with the other members of the last page, for people with a note.
    pub fn end(mut self, members: &Map<String, Value>, note: Option<String>) -> Result<(), Failure> {
        if self.is_json {
            let before = if self.count == 0 { "{\"data\":[]" } else { "]" };
            write!(self.out, "{before}")?;
            for (name, value) in members.iter().filter(|(name, _)| *name != "data") {
                write!(self.out, ",{}:{value}", Value::from(name.as_str()))?;
            }
            writeln!(self.out, "}}")?;
            return Ok(());
        }
        if self.count == 0 {
            self.write_rows(&[])?;
        }
        if let Some(note) = note {
            writeln!(self.out, "\n{note}")?;
        }
        write_basis(self.out, members.get("as_of").unwrap_or(&Value::Null))
    }
}
