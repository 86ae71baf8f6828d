//! `erase`: the personal texts of a user or a token, from the machine itself.

use super::local::{LocalChange, carry_out};
use super::{DataArgument, Failure};
use clap::Args;
use serde_json::json;
use std::io::{BufRead, IsTerminal, Write};

/// Arguments of `erase`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whose").required(true))]
pub struct EraseArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Number of the user whose name, e-mail address, token names, addresses and agents are erased.
    #[arg(long, value_name = "N", group = "whose")]
    user: Option<u64>,
    /// Number of the token whose names, and addresses and agents that came with it first, are erased.
    #[arg(long, value_name = "N", group = "whose")]
    token: Option<u64>,
    /// Do not ask. Needed where nobody can be asked.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &EraseArguments) -> Result<(), Failure> {
    let (change, whose) = match (arguments.user, arguments.token) {
        (Some(user), _) => (LocalChange::EraseUser { user }, format!("user {user}")),
        (None, Some(token)) => (LocalChange::EraseToken { token }, format!("token {token}")),
        (None, None) => return Err(Failure::Finding("say whose texts: --user or --token".to_owned())),
    };
    if !arguments.yes && !is_confirmed(&whose)? {
        return Err(Failure::Finding("nothing was erased".to_owned()));
    }
    let carried = carry_out(&arguments.data.dir(), &change)?;
    let (erased, kept) = (carried.subject, carried.kept);
    if arguments.json {
        say!("{}", json!({ "erased": erased, "kept": kept, "position": carried.position }));
        return Ok(());
    }
    match carried.position {
        Some(position) => say!("Erased {erased} texts of {whose}; recorded at position {position}."),
        None => say!("There was nothing to erase."),
    }
    if kept > 0 {
        say!("{kept} stay: another token that is not deleted bears the same name.");
    }
    Ok(())
}

pub(super) fn is_confirmed(whose: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Finding("erasing cannot be undone; say --yes where nobody can be asked".to_owned()));
    }
    print!("The personal texts of {whose} will be gone for ever. Go on? [y/N] ");
    let failed = |error: std::io::Error| Failure::Finding(format!("nobody could be asked: {error}"));
    std::io::stdout().flush().map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
