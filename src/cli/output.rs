//! Long output on standard output, and tables for people.

use super::Failure;
use comfy_table::{Table, presets};
use std::io::{BufWriter, StdoutLock, Write};

/// Standard output, buffered. Whoever reads it may close it early (`| head`): that is a [`Failure::Output`], which ends
/// a command quietly.
pub(super) fn out() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(std::io::stdout().lock())
}

/// A table in plain columns, which other programs can cut too. Without rows only its title and "none".
pub(super) fn write_table(
    out: &mut dyn Write,
    title: &str,
    columns: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Result<(), Failure> {
    let mut table = plain(rows);
    table.set_header(columns);
    if table.is_empty() {
        writeln!(out, "{title}: none")?;
        return Ok(());
    }
    writeln!(out, "{title}")?;
    write_lines(out, &table)
}

/// The same without a title and heads of columns.
pub(super) fn write_rows(out: &mut dyn Write, rows: impl IntoIterator<Item = Vec<String>>) -> Result<(), Failure> {
    write_lines(out, &plain(rows))
}

fn plain(rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(|cell| harmless(&cell)).collect::<Vec<_>>()));
    table
}

/// Every cell is padded to its column's width, the last one needlessly.
fn write_lines(out: &mut dyn Write, table: &Table) -> Result<(), Failure> {
    for line in table.lines() {
        writeln!(out, " {}", line.trim_end())?;
    }
    Ok(())
}

/// Texts come from clients: what would steer a terminal is shown as a blank.
pub(super) fn harmless(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
