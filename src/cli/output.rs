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

/// Texts come from clients: what would steer a terminal, turn the direction of a line, or not be seen at all is shown by its
/// number, as in `\u{202e}`.
pub(super) fn harmless(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        match is_plain(letter) {
            true => shown.push(letter),
            false => shown.extend(letter.escape_unicode()),
        }
        shown
    })
}

/// Neither a control character nor one of the format characters of Unicode and its letters without a shape.
fn is_plain(letter: char) -> bool {
    let is_unseen = matches!(
        letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    );
    !letter.is_control() && !is_unseen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_or_hides_is_shown_by_its_number() {
        for (text, shown) in [
            ("\u{202e}gnp.exe", r"\u{202e}gnp.exe"),
            ("a\u{200b}b\u{2066}c\u{feff}", r"a\u{200b}b\u{2066}c\u{feff}"),
            ("\u{1b}[2J\n", r"\u{1b}[2J\u{a}"),
            ("tag\u{e0041}", r"tag\u{e0041}"),
            ("Zoë 東京 😀 שלום", "Zoë 東京 😀 שלום"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }

    #[test]
    fn the_cells_of_a_table_are_shown_so() {
        let mut out = Vec::new();
        write_table(&mut out, "Tokens", &["name"], [vec!["\u{202e}exe".to_owned()]]).expect("written");
        assert_eq!(String::from_utf8(out).expect("text"), "Tokens\n  name\n  \\u{202e}exe\n");
    }
}
