//! What an edit would have refused, and let pass, in the last days: the answer of the dry run, for a page.

use crate::audit::answer::{Answer, Table};
use crate::domain::time::Timestamp;
use crate::http::pages::words::{self, Time};
use serde_json::Value;

/// Rows of each list that are shown.
const ROWS_MAX: usize = 50;

/// What would have been.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Preview {
    /// Days looked back at.
    pub days: u64,
    /// Uses in them.
    pub uses: u64,
    /// Of those, how many would have been refused.
    pub refused: u64,
    /// What would have been refused, by scope.
    pub refused_rows: Vec<Group>,
    /// How many lists would have been shorter.
    pub narrowed: u64,
    /// Those lists, and what they would lack.
    pub narrowed_rows: Vec<Narrowed>,
    /// Refused requests that would have passed.
    pub newly_allowed: u64,
    /// Those, by scope.
    pub newly_allowed_rows: Vec<Group>,
    /// What could not be known, in sentences.
    pub gaps: Vec<String>,
}

/// Requests of one scope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// The scope; empty where none was needed.
    pub scope: String,
    /// How many.
    pub count: u64,
    /// The last of them.
    pub last_at: Option<Time>,
    /// Its position.
    pub last_position: u64,
}

/// A list that would have been shorter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Narrowed {
    /// Of which group.
    pub group: String,
    /// What it would lack.
    pub without: String,
    /// How many times it was asked for.
    pub count: u64,
}

impl Preview {
    /// Of a dry run over so many days.
    pub fn of(answer: &Answer, days: u64) -> Self {
        let said = |name: &str| answer.summary.get(name).and_then(Value::as_u64).unwrap_or(0);
        let table = |name: &str| answer.tables.iter().find(|table| table.name == name);
        let mut gaps = answer.gaps.clone();
        let undeterminable = said("undeterminable");
        if undeterminable > 0 {
            gaps.push(format!(
                "Of {} it cannot be told: their addresses were erased.",
                words::counted(undeterminable, "use")
            ));
        }
        Self {
            days,
            uses: said("uses"),
            refused: said("refused"),
            refused_rows: table("refused").map(groups).unwrap_or_default(),
            narrowed: said("narrowed_lists"),
            narrowed_rows: table("narrowed").map(narrowed).unwrap_or_default(),
            newly_allowed: said("newly_allowed"),
            newly_allowed_rows: table("newly_allowed").map(groups).unwrap_or_default(),
            gaps,
        }
    }
}

/// A cell of a row, by its column's name.
fn cell<'a>(table: &Table, row: &'a [Value], column: &str) -> &'a Value {
    let at = table.columns.iter().position(|name| *name == column);
    at.and_then(|at| row.get(at)).unwrap_or(&Value::Null)
}

fn groups(table: &Table) -> Vec<Group> {
    let mut groups: Vec<Group> = table
        .rows
        .iter()
        .map(|row| Group {
            scope: cell(table, row, "scope").as_str().unwrap_or_default().to_owned(),
            count: cell(table, row, "count").as_u64().unwrap_or(0),
            last_at: cell(table, row, "last_at").as_str().and_then(Timestamp::parse).map(Time),
            last_position: cell(table, row, "last_position").as_u64().unwrap_or(0),
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups.truncate(ROWS_MAX);
    groups
}

fn narrowed(table: &Table) -> Vec<Narrowed> {
    let row = |row: &Vec<Value>| {
        let names = cell(table, row, "without").as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        Narrowed {
            group: words::group_label(cell(table, row, "group").as_str().unwrap_or_default()),
            without: if names.is_empty() { "everything that is not named".to_owned() } else { names.join(", ") },
            count: cell(table, row, "count").as_u64().unwrap_or(0),
        }
    };
    table.rows.iter().take(ROWS_MAX).map(row).collect()
}
