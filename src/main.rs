//! The `token-ledger` command.

use std::process::ExitCode;
use token_ledger::cli;

/// Answers are made on one thread and freed on another, where the system's allocator is slow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(cli::parse())
}
