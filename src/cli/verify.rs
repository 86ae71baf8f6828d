//! `verify`: everything that can be checked of a ledger, with nothing changed.

use super::{DataArgument, Failure, progress};
use crate::audit::verify::{self, Options, Report};
use crate::ledger::LogReader;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &VerifyArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    let bar = progress::bar("verifying", LogReader::open(&dir)?.head()?.0);
    let report = verify::verify(&dir, Options::default(), &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report?;
    if arguments.json {
        println!("{}", to_json(&report));
    } else {
        print(&report);
    }
    match report.findings_total {
        0 => Ok(()),
        one_or_more => Err(Failure::Finding(format!("{one_or_more} findings"))),
    }
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
        "tiles_checked": report.tiles_checked,
        "texts_checked": report.texts_checked,
        "texts_erased": report.texts_erased,
        "snapshots_checked": report.snapshots_checked.iter().map(|position| position.0).collect::<Vec<_>>(),
        "findings_total": report.findings_total,
        "findings": findings,
    })
}

fn print(report: &Report) {
    println!("{} records, {} tiles, {} texts checked.", report.head, report.tiles_checked, report.texts_checked);
    if let Some(size) = report.signed {
        println!("The signed head is at size {size}.");
    }
    if report.texts_erased > 0 {
        println!("{} texts are erased; their records still verify.", report.texts_erased);
    }
    for position in &report.snapshots_checked {
        println!("The snapshot at position {position} is what a replay gives.");
    }
    for passed_over in &report.snapshots_passed_over {
        println!("The snapshot at position {} was passed over: {}.", passed_over.position, passed_over.reason);
    }
    for finding in &report.findings {
        println!("{finding}");
    }
    if let (true, Some(root)) = (report.is_clean(), report.root) {
        println!("Nothing is wrong. Root at size {}: {}", report.head, STANDARD.encode(root));
    }
}
