//! `backup`: a copy of a ledger at one position, beside a running server or without one.

use super::verify::verify_with_bar;
use super::{DataArgument, Failure, progress};
use crate::audit::verify::{Options, Report};
use crate::clock::Clock;
use crate::ledger::DataDir;
use crate::log::backup::{Contents, Manifest, copy_key, copy_ledger};
use crate::log::key_file::KeyFile;
use crate::log::unfinished::Unfinished;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Directory to make (0700); nothing is written over what is there.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Copy the signing key, too: whoever has the backup can then sign as this log.
    #[arg(long)]
    with_key: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &BackupArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    dir.check_mode()?;
    dir.check_outside(&arguments.to)?;
    let unfinished = Unfinished::begin(&arguments.to)?;
    let manifest = write(&dir, &unfinished.dir(), arguments.with_key)?;
    unfinished.finish()?;
    report(arguments, &manifest);
    Ok(())
}

/// Copies, verifies what was copied, and only then describes it: without its description it is no backup.
fn write(dir: &DataDir, copy: &DataDir, with_key: bool) -> Result<Manifest, Failure> {
    let bar = progress::bytes_bar("copying");
    let copied = copy_ledger(dir, copy, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    copied?;
    let verified = verify_copy(copy)?;
    if with_key {
        KeyFile::read(&dir.key())?.check(&verified.origin, &verified.log_vkey)?;
        copy_key(dir, copy)?;
    }
    let Some(root) = verified.root else { return Err(Failure::Finding("the copy has no root".to_owned())) };
    let contents = Contents {
        origin: &verified.origin,
        log_vkey: &verified.log_vkey,
        position: verified.head,
        root,
        signed: verified.signed,
    };
    Ok(Manifest::write(copy, contents, Clock::system().now())?)
}

/// The check of `verify` over a copy. With findings it comes to nothing: it is removed, and they are told.
pub(super) fn verify_copy(copy: &DataDir) -> Result<Report, Failure> {
    let report = verify_with_bar(copy, Options { snapshots: false, ..Options::default() })?;
    if report.is_clean() {
        return Ok(report);
    }
    for finding in &report.findings {
        say_aside!("{finding}");
    }
    Err(Failure::Finding(format!("the copy did not verify ({} findings) and was removed", report.findings_total)))
}

fn report(arguments: &BackupArguments, manifest: &Manifest) {
    let path = arguments.to.display();
    if arguments.json {
        let shown = json!({
            "backup": path.to_string(),
            "origin": manifest.origin,
            "position": manifest.position.0,
            "root_hash": manifest.root_hash,
            "signed_size": manifest.signed_size.map(|size| size.0),
            "with_key": arguments.with_key,
            "verified": true,
        });
        say!("{shown}");
        return;
    }
    say!("{path} holds {} at position {}, verified.", manifest.origin, manifest.position);
    say!("Root: {}", manifest.root_hash);
    match arguments.with_key {
        true => say!("The signing key is in it: whoever has it can sign as this log."),
        false => say!("The signing key is not in it. Keep log.key, and an up-to-date head.db, elsewhere."),
    }
}
