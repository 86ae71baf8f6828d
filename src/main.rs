//! The `token-ledger` command.

use clap::Parser;
use std::process::ExitCode;
use token_ledger::cli::{self, Arguments};

fn main() -> ExitCode {
    cli::run(Arguments::parse())
}
