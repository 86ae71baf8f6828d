//! `staff-token`: a new token of staff from the machine itself, so that a lost operator token is no end.

use super::local::{LocalChange, carry_out};
use super::{DataArgument, Failure};
use crate::domain::token::TokenKind;
use crate::domain::token_text::TokenSecret;
use crate::entropy::Entropy;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io::Write;

/// Arguments of `staff-token`.
#[derive(Debug, Args)]
pub struct StaffTokenArguments {
    #[command(flatten)]
    data: DataArgument,
    /// What it may do.
    #[arg(long, value_enum)]
    role: Role,
    /// Its name.
    #[arg(long)]
    name: String,
    /// When it stops working, as in 2027-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// May read and change everything.
    Operator,
    /// May read everything.
    Auditor,
}

pub(super) fn run(arguments: &StaffTokenArguments) -> Result<(), Failure> {
    let (kind, role) = match arguments.role {
        Role::Operator => (TokenKind::Operator, "operator"),
        Role::Auditor => (TokenKind::Auditor, "auditor"),
    };
    let secret = TokenSecret::from_random(kind, &Entropy::system().bytes_32());
    let change = LocalChange::StaffToken {
        role: role.to_owned(),
        name: arguments.name.clone(),
        expires_at: arguments.expires_at.clone(),
        digest: secret.digest().to_hex(),
        hint: String::from_utf8_lossy(&secret.hint()).into_owned(),
    };
    let carried = carry_out(&arguments.data.dir(), &change)?;
    let token = secret.reveal_once();
    let shown = if arguments.json {
        let shown = json!({ "token": token, "id": carried.subject, "role": role, "position": carried.position });
        format!("{shown}\n")
    } else {
        let position = carried.position.unwrap_or_default();
        format!("Token {} ({role}), shown this once: {token}\nRecorded at position {position}.\n", carried.subject)
    };
    // A pipe that nobody reads, or a full disk, must not count as shown.
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(shown.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
        let id = carried.subject;
        Failure::Storage(format!(
            "token {id} was made, and its text could not be shown ({error}): delete it and make another"
        ))
    })
}
