//! `init`: a new ledger with its key and first operator token.

use super::{DataArgument, Failure};
use crate::clock::Clock;
use crate::domain::command::{Actor, Change, Command, Origin};
use crate::domain::decide::{Answer, Done};
use crate::entropy::Entropy;
use crate::ledger::core::Core;
use crate::ledger::initialize::initialize;
use clap::Args;
use serde_json::json;

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
    let (initialized, _core) =
        initialize(&dir, arguments.origin.as_deref(), &arguments.operator, Clock::system(), Entropy::system())?;
    if arguments.json {
        let shown = json!({
            "operator_token": initialized.operator_token,
            "log_vkey": initialized.log_vkey,
            "origin": initialized.origin,
        });
        println!("{shown}");
    } else {
        println!("The ledger is in {}.", dir.path().display());
        println!("Operator token, shown this once: {}", initialized.operator_token);
        println!("Verifier key of the log, for auditors: {}", initialized.log_vkey);
        println!("Next: token-ledger serve --data {}", dir.path().display());
    }
    Ok(())
}

/// Carries out one local change that must succeed, where no server runs.
pub(super) fn change(core: &mut Core, change: Change) -> Result<Done, Failure> {
    let uid = rustix::process::getuid().as_raw();
    let command = Command::Manage(Actor::Local(uid), Box::new(change));
    let (reply, _) = core.execute(command, Origin::default()).map_err(|error| Failure::Storage(error.to_string()))?;
    match reply.answer {
        Answer::Done(done) => Ok(done),
        other => Err(Failure::Finding(format!("the change was refused: {other:?}"))),
    }
}
