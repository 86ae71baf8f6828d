//! The command line.
//!
//! Exit codes: 0 good, 1 a finding or refused input, 2 wrong usage, 74 storage failed (EX_IOERR of sysexits.h).

mod control;
mod demo;
mod furnish;
mod init;
mod local;
mod progress;
mod replay;
mod routes;
mod serve;
mod staff_token;
mod verify;

use crate::ledger::initialize::InitializeError;
use crate::ledger::{DataDir, LogError};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use thiserror::Error;

/// Exit code for a finding or refused input.
pub const EXIT_FINDING: u8 = 1;
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
    /// Example: token-ledger replay --data ./ledger --compare
    Replay(replay::ReplayArguments),
    /// Check everything there is to check: records, numbers, tree, texts, views. Changes nothing.
    ///
    /// Example: token-ledger verify --data ./ledger
    Verify(verify::VerifyArguments),
    /// Make a token of staff from the machine itself: through the running server, or while none runs.
    ///
    /// Example: token-ledger staff-token --data ./ledger --role operator --name "after the loss"
    StaffToken(staff_token::StaffTokenArguments),
    /// Look at a scope map: which scope a method and path need.
    ///
    /// Example: token-ledger routes explain GET /v2/7/zones/example.com
    Routes(routes::RoutesArguments),
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

/// Why a command ended otherwise than well.
#[derive(Debug, Error)]
pub enum Failure {
    /// The ledger cannot be opened, read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Storage failed in the middle.
    #[error("storage failed: {0}")]
    Storage(String),
    /// The input was refused, or a check found something; the words are for a person.
    #[error("{0}")]
    Finding(String),
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

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Storage(_) => EXIT_STORAGE,
            Self::Log(error) if error.is_storage() => EXIT_STORAGE,
            Self::Log(_) | Self::Finding(_) => EXIT_FINDING,
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
        Command::StaffToken(arguments) => staff_token::run(&arguments),
        Command::Routes(arguments) => routes::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("token-ledger: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
