//! A ledger with a year of history, of as many events as are asked for: what benches and questions of audit are tried on.
//!
//! Every record is a decision of the service's own core by a clock that is set by hand, so `verify`, `replay` and `serve`
//! take the directory as they take any. One seed gives the same history, but for keys, salts and secrets.
//!
//! `cargo run --release -p tools --bin generate_history -- --data DIR --events 10000000`

use clap::Parser;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use token_ledger::clock::Clock;
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::entropy::Entropy;
use token_ledger::furnish::Made;
use token_ledger::furnish::scale::{self, Scale};
use token_ledger::ledger::DataDir;
use token_ledger::ledger::initialize::initialize;
use tools::AnyError;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events for each token that lives, where it is not said how many do.
const EVENTS_A_TOKEN: u64 = 1_000;
const TOKENS_AN_ACCOUNT: u64 = 10;

#[derive(Debug, Parser)]
struct Arguments {
    /// Data directory to make.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Events of the log, at least.
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// Tokens that live at a time; one for each thousand events if absent.
    #[arg(long)]
    tokens: Option<u64>,
    /// Accounts; one for each ten tokens if absent.
    #[arg(long)]
    accounts: Option<u64>,
    /// One seed, one history.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Say nothing until the end.
    #[arg(long)]
    quiet: bool,
}

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let tokens = arguments.tokens.unwrap_or(arguments.events / EVENTS_A_TOKEN).max(1);
    let accounts = arguments.accounts.unwrap_or(tokens / TOKENS_AN_ACCOUNT).max(1);
    let scale = Scale { events: arguments.events, accounts, tokens, seed: arguments.seed };
    let begins = scale::begins(Clock::system().now());
    let dir = DataDir::new(&arguments.data);
    let started = Instant::now();
    let (initialized, mut core) = initialize(&dir, None, "generated", Clock::manual(begins), Entropy::system())?;
    let operator = TokenDigest::of(&initialized.operator_token);
    let mut progress = Progress { events: arguments.events, quiet: arguments.quiet, started, told: started };
    let made = scale::make(&mut core, scale, operator, Entropy::system(), &mut |made| progress.tell(made))?;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!();
    println!(
        "{}: {} events, {} uses, {} refusals, {accounts} accounts, {tokens} tokens, from {} to {}; {seconds:.0} s, {:.0} events a second",
        arguments.data.display(),
        made.head,
        made.uses,
        made.refused,
        begins.to_seconds_text(),
        made.at.to_seconds_text(),
        made.head.0 as f64 / seconds
    );
    println!("operator token: {}", initialized.operator_token);
    Ok(())
}

struct Progress {
    events: u64,
    quiet: bool,
    started: Instant,
    told: Instant,
}

impl Progress {
    /// On one line of a terminal; elsewhere a line every ten seconds.
    fn tell(&mut self, made: Made) {
        let is_terminal = std::io::stderr().is_terminal();
        let every = if is_terminal { Duration::from_millis(200) } else { Duration::from_secs(10) };
        if self.quiet || self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        let rate = made.head.0 as f64 / self.started.elapsed().as_secs_f64();
        let left = self.events.saturating_sub(made.head.0) as f64 / rate.max(1.0);
        let (begin, end) = if is_terminal { ("\r", " ") } else { ("", "\n") };
        eprint!("{begin}{} of {} events, {rate:.0} a second, {left:.0} s left{end}", made.head, self.events);
        // A line that is not seen yet is no harm.
        let _ = std::io::stderr().flush();
    }
}
