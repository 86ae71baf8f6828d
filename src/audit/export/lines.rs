//! One event a line: canonical JSON as `/v1/events` shows it, or CSV.

use super::selection::{Picked, each};
use super::{ExportError, Exported, Selection, canonical};
use crate::audit::answer::csv_cell;
use crate::audit::archive::{Archive, Range};
use crate::audit::history::describe;
use crate::audit::in_words::in_words;
use crate::domain::ids::Position;
use serde_json::Value;
use std::io::{self, Write};

/// Form of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Canonical JSON (RFC 8785).
    Ndjson,
    /// CSV (RFC 4180), safe against spreadsheet formulas.
    Csv,
}

impl Form {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    /// What a file of it begins with.
    pub fn head(self) -> Vec<u8> {
        match self {
            Self::Ndjson => Vec::new(),
            Self::Csv => row(CSV_COLUMNS.iter().map(|(name, _)| (*name).to_owned())),
        }
    }
}

/// Columns of CSV, each with the place of its value in an event's JSON. What has no column of its own is in `data`.
const CSV_COLUMNS: [(&str, &str); 27] = [
    ("position", "/position"),
    ("recorded_at", "/recorded_at"),
    ("type", "/type"),
    ("account_id", "/account_id"),
    ("account_number", "/account_number"),
    ("token_id", "/token_id"),
    ("token_number", "/token_number"),
    ("principal", "/principal/kind"),
    ("principal_id", "/principal/id"),
    ("credential", "/credential"),
    ("request_id", "/request_id"),
    ("leaf_hash", "/leaf_hash"),
    ("secret", "/data/secret"),
    ("source", "/data/source/kind"),
    ("source_version", "/data/source/version"),
    ("scope", "/data/scope"),
    ("route", "/data/route"),
    ("resource_id", "/data/resource_id"),
    ("address", "/data/address"),
    ("agent", "/data/agent"),
    ("drawn_general", "/data/drawn/general"),
    ("drawn_research", "/data/drawn/research"),
    ("outcome", "/data/outcome"),
    ("cause", "/data/cause"),
    ("name", "/data/name"),
    ("what", "what"),
    ("data", "/data"),
];

/// Writes the events of a range that are selected, one a line. `progress` is told the position now and then.
pub fn write(
    archive: &Archive,
    (selection, form): (&Selection, Form),
    range: Range,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Position),
) -> Result<Exported, ExportError> {
    let words = archive.words();
    let mut events = 0;
    each(archive, &selection.wanted(), selection.range(archive, range)?, progress, &mut |picked| {
        let Picked { position, record, header, event } = picked;
        write_line(form, &describe(position, record, header, event, &words), out)?;
        events += 1;
        Ok(())
    })?;
    Ok(Exported { events, after: range.0, through: range.1, root: archive.root_at(range.1)? })
}

/// One event, as `/v1/events` shows it, as a line.
pub fn line(form: Form, event: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into memory cannot fail.
    let _ = write_line(form, event, &mut bytes);
    bytes
}

fn write_line(form: Form, event: &Value, out: &mut dyn Write) -> io::Result<()> {
    match form {
        Form::Ndjson => {
            canonical::write(out, event)?;
            out.write_all(b"\n")
        }
        Form::Csv => out.write_all(&row(CSV_COLUMNS.iter().map(|(_, place)| cell(event, place)))),
    }
}

fn cell(event: &Value, place: &str) -> String {
    match (place, event.pointer(place)) {
        ("what", _) => csv_cell(&Value::String(in_words(&event["data"]))),
        (_, Some(value @ (Value::Object(_) | Value::Array(_)))) => canonical::text(value),
        (_, value) => csv_cell(value.unwrap_or(&Value::Null)),
    }
}

fn row(cells: impl Iterator<Item = String>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing into memory cannot fail.
    let _ = writer.write_record(cells);
    writer.into_inner().unwrap_or_default()
}
