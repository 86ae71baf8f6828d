//! `export --format bundle`: evidence in one file.

use super::output::out;
use super::verify::read_text;
use super::{Failure, progress};
use crate::audit::archive::Archive;
use crate::audit::bundle::write::{self, BundleError, Wish, Written};
use crate::audit::receipts::{Published, ReceiptError};
use crate::clock::Clock;
use crate::domain::ids::Position;
use crate::ledger::{DataDir, LogError};
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::audit::bundle::Selection;

/// What is wanted of a bundle.
pub(super) struct Wanted<'a> {
    pub selection: Selection,
    pub with_texts: bool,
    /// File of a checkpoint that somebody kept.
    pub old_checkpoint: Option<&'a Path>,
    /// The new file; standard output if absent.
    pub into: Option<&'a Path>,
}

pub(super) fn run(dir: &DataDir, wanted: &Wanted<'_>) -> Result<(), Failure> {
    // What is published first: the log read later has at least as much.
    let published = Published::read(dir).map_err(of_receipt)?;
    let archive = Archive::open(dir, Clock::system().now())?;
    let old_checkpoint = wanted.old_checkpoint.map(read_text).transpose()?;
    let wish = Wish { selection: wanted.selection, with_texts: wanted.with_texts, old_checkpoint };
    let bar = progress::bar("exporting", published.size.0);
    let tell = &mut |position: Position| bar.set_position(position.0);
    let written = match wanted.into {
        Some(path) => into_file(path, |out| Ok(write::write(dir, &archive, &published, &wish, out, tell)?)),
        None => {
            let mut out = out();
            let written = write::write(dir, &archive, &published, &wish, &mut out, tell);
            written.map_err(Failure::from).and_then(|written| Ok(out.flush().map(|()| written)?))
        }
    };
    bar.finish_and_clear();
    tell_of(&written?);
    Ok(())
}

/// On standard error, apart from the lines.
fn tell_of(written: &Written) {
    let Written { origin, size, selected, records, texts, sealed } = written;
    let summary = json!({
        "origin": origin, "size": size.0, "selected": selected, "records": records, "texts": texts,
        "sealed_position": sealed.map(|position| position.0),
    });
    say_aside!("{summary}");
}

/// The file (0600) is there once it is whole and durable: a crash before leaves at most a temporary file beside it.
fn into_file<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T, Failure>) -> Result<T, Failure> {
    let io = |source| Failure::Log(LogError::Io { path: path.to_owned(), source });
    if path.exists() {
        return Err(Failure::Finding(format!("{} is there already; name a new file", path.display())));
    }
    let above = match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    let file = tempfile::Builder::new().prefix(".export-").tempfile_in(above).map_err(io)?;
    let mut buffered = BufWriter::new(file);
    let written = write(&mut buffered)?;
    let file = buffered.into_inner().map_err(|error| io(error.into_error()))?;
    file.as_file().sync_all().map_err(io)?;
    file.persist_noclobber(path).map_err(|error| io(error.error))?;
    File::open(above).and_then(|above| above.sync_all()).map_err(io)?;
    Ok(written)
}

fn of_receipt(error: ReceiptError) -> Failure {
    match error {
        ReceiptError::Log(error) => Failure::Log(error),
        refused => Failure::Finding(refused.to_string()),
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        match error {
            BundleError::Log(error) => Self::Log(error),
            BundleError::Receipt(error) => of_receipt(error),
            BundleError::Output(error) => Self::Output(error),
            BundleError::Refused(what) => Self::Finding(what),
        }
    }
}
