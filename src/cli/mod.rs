//! The command line.
//!
//! Exit codes: 0 good, 1 a finding or refused input, 2 wrong usage, 74 storage failed (EX_IOERR of sysexits.h). Over
//! HTTP also 69 (EX_UNAVAILABLE), the service was not reached or is at fault, and 77 (EX_NOPERM), the credential was
//! refused.

#[macro_use]
mod say;

mod audit;
mod backup;
mod control;
mod demo;
mod doctor;
mod erase;
mod export;
mod export_bundle;
mod export_tiles;
mod help;
mod history;
mod init;
mod local;
mod output;
mod progress;
mod proof;
pub mod remote;
mod replay;
mod report;
mod restore;
mod rotate_key;
mod routes;
mod scope_map;
mod serve;
mod sign_in;
mod staff_token;
mod state;
mod verify;
mod verify_bundle;

pub use help::{command, parse};

use crate::audit::export::ExportError;
use crate::audit::inspection::InspectionError;
use crate::audit::past::PastError;
use crate::furnish::FurnishError;
use crate::http::site::Site;
use crate::ledger::initialize::InitializeError;
use crate::ledger::{DataDir, LogError};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use thiserror::Error;

/// Exit code for a finding or refused input.
pub const EXIT_FINDING: u8 = 1;
/// Exit code for wrong usage, as clap's own.
pub const EXIT_USAGE: u8 = 2;
const EXPORT_EXAMPLES: &str = "Examples:
  token-ledger export --data ./ledger --format ndjson --out events.ndjson
  token-ledger export --data ./ledger --format csv --account 1 --from 2026-03-01T00:00:00Z --to 2026-04-01T00:00:00Z
  token-ledger export --data ./ledger --format sqlite --out ledger.sqlite --incremental
  token-ledger export --data ./ledger --format bundle --token 2 --out evidence.jsonl
  sqlite3 ledger.sqlite 'SELECT * FROM unused_tokens WHERE unused_days >= 90'";
/// Exit code for failed storage.
pub const EXIT_STORAGE: u8 = 74;

/// API access tokens kept as an event-sourced, verifiable ledger.
#[derive(Debug, Parser)]
#[command(name = "token-ledger", version, about, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a ledger and print its first operator token, once.
    ///
    /// Example: token-ledger init --data ./ledger --origin ledger.example.org/tokens
    Init(init::InitArguments),
    /// Serve a ledger over HTTP.
    ///
    /// Example: token-ledger serve --data ./ledger --listen 127.0.0.1:8080
    Serve(serve::ServeArguments),
    /// Furnish an example ledger and serve it.
    ///
    /// Example: token-ledger demo
    Demo(demo::DemoArguments),
    /// Replay the whole log; with --compare, hold the result against what the server shows.
    ///
    /// With --until and --into, the read models at that point go into a directory of their own, for `state` to look at.
    ///
    /// Example: token-ledger replay --data ./ledger --compare
    ///
    /// Example: token-ledger replay --data ./ledger --until 2026-03-01T12:00:00Z --into ./inspected
    Replay(replay::ReplayArguments),
    /// Check everything there is to check: records, numbers, tree, texts, seals, views. Changes nothing.
    ///
    /// With --bundle an evidence bundle is checked instead, for which no ledger is needed.
    ///
    /// Example: token-ledger verify --data ./ledger
    ///
    /// Example: token-ledger verify --bundle evidence.jsonl --vkey VKEY
    Verify(verify::VerifyArguments),
    /// Copy a ledger whole, while it is served or not; the copy is verified before it is reported.
    ///
    /// Written under another name and moved to its place: a backup is there whole or not at all. Without --with-key the
    /// copy can be read and verified, and goes on only with the key file.
    ///
    /// Example: token-ledger backup --data ./ledger --to /backups/ledger-2026-03-01
    Backup(backup::BackupArguments),
    /// Make a data directory out of a backup; it is verified before it is put in its place.
    ///
    /// Same name and key: only if nothing was recorded after the backup. Otherwise --new-log: the copy goes on under a
    /// name and key of its own, and its first record says which log it continues and what is lost.
    ///
    /// Example: token-ledger restore --from /backups/ledger-2026-03-01 --data ./restored --new-log
    Restore(restore::RestoreArguments),
    /// Show accounts, members, users and tokens as they are, or were. Changes nothing.
    ///
    /// A time means the last record up to then, judged at that time; a position is judged at its own time.
    #[command(after_help = "Example: token-ledger state --data ./ledger --as-of 2026-03-01T12:00:00Z --account 1")]
    State(state::StateArguments),
    /// Show every event about one account, token, user or resource. Changes nothing.
    #[command(after_help = "Example: token-ledger history --data ./ledger --token 2 --from 2026-03-01T00:00:00Z")]
    History(history::HistoryArguments),
    /// Write the log, or a part of it, for other programs: lines of JSON or CSV, a relational file, tiles. Changes nothing.
    ///
    /// Head and root up to the last event go to standard error. Erased texts are null. With --incremental a further run goes
    /// on where the last one ended.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(export::ExportArguments),
    /// Look at everything around a ledger: files, lock, room, key, signed head, snapshots, clock. Changes nothing.
    #[command(after_help = "Example: token-ledger doctor --data ./ledger")]
    Doctor(doctor::DoctorArguments),
    /// Make a token of staff from the machine itself: through the running server, or while none runs.
    ///
    /// Example: token-ledger staff-token --data ./ledger --role operator --name "after the loss"
    StaffToken(staff_token::StaffTokenArguments),
    /// Make a one-time sign-in link for a user, or for staff: through the running server, or while none runs.
    ///
    /// It works once, for 15 minutes, and opens a session of 12 hours in a browser.
    ///
    /// Example: token-ledger sign-in --data ./ledger 7
    SignIn(sign_in::SignInArguments),
    /// Erase the personal texts of a user or a token, for ever: through the running server, or while none runs.
    ///
    /// Example: token-ledger erase --data ./ledger --user 7 --yes
    Erase(erase::EraseArguments),
    /// Ask about the past: over a data directory or a backup (--data), or the service over HTTP.
    ///
    /// Example: token-ledger audit changes --account 1 --from 2026-03-01T00:00:00Z
    Audit(audit::AuditArguments),
    /// Turn a question about the past into one HTML file: the answer, what it rests on, what it proves, how to check it.
    ///
    /// It stands by itself: no script, nothing from elsewhere; it prints well.
    ///
    /// Example: token-ledger report access --data ./ledger --account 1 --scope zones:example.com --out access.html
    Report(report::ReportArguments),
    /// Prove that a record is in the signed log, or that the log grew out of an older one; check such a proof.
    ///
    /// Example: token-ledger proof inclusion --data ./ledger --position 56
    Proof(proof::ProofArguments),
    /// Sign the log with another key from here on: through the running server, or while none runs.
    ///
    /// The log itself says so, and names the new verifier key before it is used. The key before signs beside it for a
    /// while, and what it signed stays signed: `/vkeys` lists every key that the log had.
    ///
    /// Example: token-ledger rotate-key --data ./ledger --overlap-days 90
    RotateKey(rotate_key::RotateKeyArguments),
    /// Look at a scope map: which scope a method and path need.
    ///
    /// Example: token-ledger routes explain GET /v2/7/zones/example.com
    Routes(routes::RoutesArguments),
    /// Asks a service over HTTP.
    #[command(flatten)]
    Remote(remote::RemoteCommand),
}

/// Where the ledger is.
#[derive(Debug, Args)]
pub struct DataArgument {
    /// Data directory (0700) of the ledger.
    #[arg(long, value_name = "DIR", env = "TOKEN_LEDGER_DATA")]
    data: PathBuf,
}

impl DataArgument {
    fn dir(&self) -> DataDir {
        DataDir::new(&self.data)
    }
}

/// An address that browsers reach the service under.
fn site(text: &str) -> Result<Site, String> {
    Site::parse(text)
}

/// Why a command ended otherwise than well.
#[derive(Debug, Error)]
pub enum Failure {
    /// The ledger cannot be opened, read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Storage failed in the middle.
    #[error("storage failed: {0}")]
    Storage(String),
    /// Standard output went away or takes no more.
    #[error("the output could not be written: {0}")]
    Output(#[from] std::io::Error),
    /// The input was refused, or a check found something; the words are for a person.
    #[error("{0}")]
    Finding(String),
    /// The arguments do not go together.
    #[error("{0}")]
    Usage(String),
    /// The service refused, or was not reached.
    #[error(transparent)]
    Remote(#[from] remote::RemoteFailure),
}

impl From<InitializeError> for Failure {
    fn from(error: InitializeError) -> Self {
        match error {
            InitializeError::Log(error) => Self::Log(error),
            InitializeError::Append(error) => Self::Storage(error.to_string()),
            not_shown @ InitializeError::NotShown(_) => Self::Storage(not_shown.to_string()),
            refused => Self::Finding(refused.to_string()),
        }
    }
}

impl From<FurnishError> for Failure {
    fn from(error: FurnishError) -> Self {
        match error {
            FurnishError::Append(error) => Self::Storage(error.to_string()),
            refused @ FurnishError::Refused { .. } => Self::Finding(refused.to_string()),
        }
    }
}

impl From<PastError> for Failure {
    fn from(error: PastError) -> Self {
        match error {
            PastError::Log(error) => Self::Log(error),
            refused => Self::Finding(refused.to_string()),
        }
    }
}

impl From<InspectionError> for Failure {
    fn from(error: InspectionError) -> Self {
        match error {
            InspectionError::Log(error) => Self::Log(error),
            refused => Self::Finding(refused.to_string()),
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Log(error) => Self::Log(error),
            ExportError::Output(error) => Self::Output(error),
            refused @ ExportError::Target { .. } => Self::Finding(refused.to_string()),
        }
    }
}

impl Failure {
    /// Whoever read the output has seen enough, as `head` does.
    fn is_enough(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Storage(_) | Self::Output(_) => EXIT_STORAGE,
            Self::Log(error) if error.is_storage() => EXIT_STORAGE,
            Self::Log(_) | Self::Finding(_) => EXIT_FINDING,
            Self::Usage(_) => EXIT_USAGE,
            Self::Remote(failure) => failure.exit_code(),
        }
    }
}

/// Runs a command and gives its exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    let result = match arguments.command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::State(arguments) => state::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::StaffToken(arguments) => staff_token::run(&arguments),
        Command::SignIn(arguments) => sign_in::run(&arguments),
        Command::Erase(arguments) => erase::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Proof(arguments) => proof::run(&arguments),
        Command::RotateKey(arguments) => rotate_key::run(&arguments),
        Command::Routes(arguments) => routes::run(&arguments),
        Command::Remote(command) => remote::run(&command),
    };
    match result.and_then(|()| say::all_written().map_err(Failure::Output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_enough() => ExitCode::SUCCESS,
        Err(failure) => {
            say_aside!("token-ledger: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
