//! `verify --bundle`: an evidence bundle, checked without a ledger.

use super::verify::read_text;
use super::{Failure, progress};
use crate::audit::bundle::check::{self, Report, Trust};
use crate::ledger::LogError;
use crate::log::note::Vkey;
use serde_json::{Value, json};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// What is to be checked, against what.
pub(super) struct Given<'a> {
    pub bundle: &'a Path,
    pub vkeys: &'a [Vkey],
    pub checkpoints: &'a [PathBuf],
    pub consistency: Option<&'a Path>,
    pub as_json: bool,
}

pub(super) fn run(given: &Given<'_>) -> Result<(), Failure> {
    let checkpoint = match given.checkpoints {
        [] if given.vkeys.is_empty() => {
            let what = "say what you trust: a verifier key (--vkey) or a checkpoint that you kept (--checkpoint)";
            return Err(Failure::Usage(what.to_owned()));
        }
        [] => None,
        [one] => Some(read_text(one)?),
        _ => return Err(Failure::Usage("a bundle is held against one checkpoint".to_owned())),
    };
    let consistency = given.consistency.map(read_text).transpose()?;
    let trust = Trust { vkeys: given.vkeys.to_vec(), checkpoint, consistency };
    let io = |source| Failure::Log(LogError::Io { path: given.bundle.to_owned(), source });
    let file = File::open(given.bundle).map_err(io)?;
    let bar = progress::bytes_bar("verifying");
    bar.set_length(file.metadata().map_err(io)?.len());
    let report = check::check(BufReader::new(bar.wrap_read(file)), &trust);
    bar.finish_and_clear();
    let report = report.map_err(io)?;
    if given.as_json {
        say!("{}", to_json(&report));
    } else {
        print(&report);
    }
    match report.findings.len() {
        0 => Ok(()),
        findings => Err(Failure::Finding(format!("{findings} findings: nothing of it is to be relied on"))),
    }
}

fn to_json(report: &Report) -> Value {
    let findings: Vec<Value> =
        report.findings.iter().map(|finding| json!({ "place": finding.place, "what": finding.what })).collect();
    json!({ "proved": report.proved, "not_proved": report.not_proved, "findings": findings })
}

fn print(report: &Report) {
    report.findings.iter().for_each(|finding| say!("{finding}"));
    if report.findings.is_empty() {
        say!("Proved:");
        report.proved.iter().for_each(|sentence| say!("- {sentence}"));
        say!("Not proved:");
        report.not_proved.iter().for_each(|sentence| say!("- {sentence}"));
    }
}
