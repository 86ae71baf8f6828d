//! `export --format tiles`: the log as a directory that public verifiers read.

use super::{Failure, progress};
use crate::audit::export_tiles::{TilesError, export_tiles};
use crate::audit::receipts::ReceiptError;
use crate::ledger::{DataDir, LogError, LogReader};
use serde_json::json;
use std::path::Path;

pub(super) fn run(dir: &DataDir, into: Option<&Path>) -> Result<(), Failure> {
    let Some(into) = into else {
        return Err(Failure::Finding("--format tiles writes a directory: name it with --output DIR".to_owned()));
    };
    let bar = progress::bar("exporting", LogReader::open(dir)?.head()?.0);
    let exported = export_tiles(dir, into, &mut |position| bar.set_position(position.0));
    bar.finish_and_clear();
    let exported = exported.map_err(failed)?;
    say!(
        "{}",
        json!({
            "origin": exported.origin, "before": exported.before.0, "size": exported.size.0, "files": exported.files,
        })
    );
    Ok(())
}

fn failed(error: TilesError) -> Failure {
    match error {
        TilesError::Log(error) | TilesError::Receipt(ReceiptError::Log(error)) => Failure::Log(error),
        TilesError::Io { path, source } => Failure::Log(LogError::Io { path, source }),
        refused => Failure::Finding(refused.to_string()),
    }
}
