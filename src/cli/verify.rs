//! `verify`: everything that can be checked of a ledger, with nothing changed.

use super::{Failure, progress, verify_bundle};
use crate::audit::verify::{self, Given, Options, Report};
use crate::ledger::{DataDir, LogError, LogReader};
use crate::log::note::Vkey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest text that is read as a checkpoint or a proof.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// Data directory (0700) of the ledger.
    #[arg(long, value_name = "DIR", env = "TOKEN_LEDGER_DATA", required_unless_present = "bundle")]
    data: Option<PathBuf>,
    /// A checkpoint that somebody kept (as `/checkpoint` gave it): the log, or the bundle's, must have grown out of it.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// A file that `serve --anchor` keeps, or any checkpoint: the log must have grown out of what it says.
    #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
    anchor: Vec<PathBuf>,
    /// Check this evidence bundle (`export --format bundle`) and say what it proves; no ledger is looked at.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// A verifier key of the log that you trust, for --bundle; can be given more than once.
    #[arg(long = "vkey", value_name = "VKEY", requires = "bundle")]
    vkeys: Vec<Vkey>,
    /// A consistency proof that joins --checkpoint and the bundle's own (`proof consistency`).
    #[arg(long, value_name = "FILE", requires = "bundle", requires = "checkpoint")]
    consistency: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &VerifyArguments) -> Result<(), Failure> {
    if let Some(bundle) = &arguments.bundle {
        return verify_bundle::run(&verify_bundle::Given {
            bundle,
            vkeys: &arguments.vkeys,
            checkpoints: &arguments.checkpoint,
            consistency: arguments.consistency.as_deref(),
            as_json: arguments.json,
        });
    }
    // clap asks for it where no bundle is named.
    let dir = DataDir::new(arguments.data.as_deref().unwrap_or(Path::new(".")));
    let anchors = arguments.anchor.iter().map(|path| given("anchor", path));
    let checkpoints = arguments.checkpoint.iter().map(|path| given("checkpoint", path));
    let given = anchors.chain(checkpoints).collect::<Result<_, _>>()?;
    let report = verify_with_bar(&dir, Options { given, ..Options::default() })?;
    if arguments.json {
        say!("{}", to_json(&report));
    } else {
        print(&report);
    }
    match report.findings_total {
        0 => Ok(()),
        one_or_more => Err(Failure::Finding(format!("{one_or_more} findings"))),
    }
}

fn given(what: &str, path: &Path) -> Result<Given, Failure> {
    Ok(Given { from: format!("the {what} {}", path.display()), note: read_text(path)? })
}

/// A small text file, such as a checkpoint.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    let io = |source| LogError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(io)?;
    file.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(Failure::Finding(format!(
            "{} is longer than 1 MiB: it is no checkpoint and no proof",
            path.display()
        )));
    }
    String::from_utf8(bytes).map_err(|_| Failure::Finding(format!("{} is not a text", path.display())))
}

/// Checks a directory, showing how far it is.
pub(super) fn verify_with_bar(dir: &DataDir, options: Options) -> Result<Report, LogError> {
    let bar = progress::bar("verifying", LogReader::open(dir)?.head()?.0);
    let report = verify::verify(dir, options, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    report
}

fn to_json(report: &Report) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "position": finding.position.map(|position| position.0),
                "kind": finding.kind.name(),
                "what": finding.what,
            })
        })
        .collect();
    json!({
        "head": report.head.0,
        "root_hash": report.root.map(|root| STANDARD.encode(root)),
        "signed_size": report.signed.map(|size| size.0),
        "origin": report.origin,
        "checkpoints_checked": report.checkpoints_checked,
        "tiles_checked": report.tiles_checked,
        "texts_checked": report.texts_checked,
        "texts_erased": report.texts_erased,
        "snapshots_checked": report.snapshots_checked.iter().map(|position| position.0).collect::<Vec<_>>(),
        "tables_checked": report.tables_checked.map(|position| position.0),
        "seals_checked": report.seals_checked,
        "seals_passed_over": report.seals_passed_over,
        "findings_total": report.findings_total,
        "findings": findings,
    })
}

fn print(report: &Report) {
    say!("{} records, {} tiles, {} texts checked.", report.head, report.tiles_checked, report.texts_checked);
    if let Some(size) = report.signed {
        say!("The signed head is at size {size}; {} checkpoints verify.", report.checkpoints_checked);
    }
    if report.texts_erased > 0 {
        say!("{} texts are erased; their records still verify.", report.texts_erased);
    }
    if report.seals_checked > 0 {
        say!("{} seals are what a replay up to their positions gives.", report.seals_checked);
    }
    if report.seals_passed_over > 0 {
        say!("{} seals could not be computed here and were passed over.", report.seals_passed_over);
    }
    for position in &report.snapshots_checked {
        say!("The snapshot at position {position} was compared with a replay.");
    }
    match report.tables_checked {
        Some(position) => say!("The history tables, up to position {position}, were compared with a replay."),
        None => say!("There are no history tables that could be compared with a replay."),
    }
    for passed_over in &report.snapshots_passed_over {
        say!("The snapshot at position {} was passed over: {}.", passed_over.position, passed_over.reason);
    }
    for finding in &report.findings {
        say!("{finding}");
    }
    if let (true, Some(root)) = (report.is_clean(), report.root) {
        say!("Nothing is wrong. Root at size {}: {}", report.head, STANDARD.encode(root));
    }
}
