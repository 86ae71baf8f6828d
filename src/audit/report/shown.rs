//! An answer as a page shows it.

use super::chart;
use super::words::label;
use crate::audit::answer::{Answer, Table};
use crate::audit::in_words::said;
use serde_json::Value;

/// Rows of a table that a page shows; the others are told as a number, and are in the CSV of the question.
const ROWS_SHOWN: usize = 1_000;

/// Columns of texts that are there unless they were erased, with the column of what they name.
const TEXTS: [(&str, &str); 3] = [("token_name", "token_id"), ("name", "token_id"), ("user_name", "user_id")];

/// One answer.
pub(super) struct Part {
    pub heading: Option<String>,
    pub summary: Vec<(String, String)>,
    pub charts: Vec<String>,
    pub tables: Vec<Shown>,
    pub erased: u64,
}

/// A table.
pub(super) struct Shown {
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
    /// Rows that are not shown.
    pub more: usize,
    /// Whether there were more than the answer tells.
    pub is_cut: bool,
}

/// A cell.
pub(super) struct Cell {
    pub text: String,
    pub is_number: bool,
    pub is_erased: bool,
}

impl Part {
    pub(super) fn of(answer: &Answer) -> Self {
        let heading = (answer.question == "since-review").then(|| "What became of it since".to_owned());
        let value = |value: &Value| said(value).unwrap_or_else(|| "none".to_owned());
        let summary = answer.summary.iter().map(|(name, found)| (label(name), value(found))).collect();
        let tables: Vec<Shown> = answer.tables.iter().map(Shown::of).collect();
        let erased = answer.tables.iter().map(erased_in).sum();
        Self { heading, summary, charts: chart::of(answer), tables, erased }
    }
}

impl Shown {
    fn of(table: &Table) -> Self {
        let row = |row: &Vec<Value>| {
            let cell = |(at, value): (usize, &Value)| cell(table, row, at, value);
            row.iter().enumerate().map(cell).collect()
        };
        Self {
            title: table.title.to_owned(),
            columns: table.columns.iter().map(|name| name.replace('_', " ")).collect(),
            rows: table.rows.iter().take(ROWS_SHOWN).map(row).collect(),
            more: table.rows.len().saturating_sub(ROWS_SHOWN),
            is_cut: table.is_cut,
        }
    }
}

fn cell(table: &Table, row: &[Value], at: usize, value: &Value) -> Cell {
    Cell { text: said(value).unwrap_or_default(), is_number: value.is_number(), is_erased: is_erased(table, row, at) }
}

/// A name that is not there of what has a number: it was erased.
fn is_erased(table: &Table, row: &[Value], at: usize) -> bool {
    let named = TEXTS.iter().find(|(text, _)| table.columns.get(at) == Some(text));
    let Some((_, of)) = named.filter(|_| row.get(at).is_some_and(Value::is_null)) else { return false };
    let of = table.columns.iter().position(|column| column == of);
    of.and_then(|of| row.get(of)).is_some_and(|number| !number.is_null())
}

fn erased_in(table: &Table) -> u64 {
    let of_row = |row: &Vec<Value>| (0..row.len()).filter(|&at| is_erased(table, row, at)).count() as u64;
    table.rows.iter().map(of_row).sum()
}
