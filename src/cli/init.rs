//! `init`: a new ledger with its key and first operator token.

use super::{DataArgument, Failure};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::ledger::DataDir;
use crate::ledger::initialize::{Initialized, initialize_and_show};
use clap::Args;
use serde_json::json;
use std::io::Write;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Name of the log for ever (a URL without scheme); made up if absent.
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Name of the first operator token.
    #[arg(long, value_name = "NAME", default_value = "first operator")]
    operator: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &InitArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    let (origin, operator) = (arguments.origin.as_deref(), arguments.operator.as_str());
    initialize_and_show(&dir, origin, operator, Clock::system(), Entropy::system(), |initialized| {
        let text = if arguments.json { as_json(initialized) } else { in_words(initialized, &dir) };
        // A pipe that nobody reads, or a full disk, must not count as shown.
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    })?;
    Ok(())
}

fn as_json(initialized: &Initialized) -> String {
    let shown = json!({
        "operator_token": initialized.operator_token,
        "log_vkey": initialized.log_vkey,
        "origin": initialized.origin,
    });
    format!("{shown}\n")
}

fn in_words(initialized: &Initialized, dir: &DataDir) -> String {
    let (path, Initialized { operator_token, log_vkey, .. }) = (dir.path().display(), initialized);
    format!(
        "The ledger is in {path}.\n\
         Operator token, shown this once: {operator_token}\n\
         Verifier key of the log, for auditors: {log_vkey}\n\
         Next: token-ledger serve --data {path}\n"
    )
}
