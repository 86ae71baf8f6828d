//! The hot path over commits that take a steady time: how near it comes to connections / (2 x commit time), which is
//! what group commit gives where nothing but the commit takes time. Data on memory-backed storage; the commit is made
//! slower by a sleep in this program only (feature `simulated-commit`).
//!
//! `cargo run --release -p tools --features simulated-commit --bin bench_simulated`

use clap::Parser;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use token_ledger::cli;
use token_ledger::ledger::DataDir;
use token_ledger::log::simulated_commit;
use tools::load::{counts, wrk};
use tools::{AnyError, furnish, median};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PORT: u16 = 18_985;

#[derive(Debug, Parser)]
struct Arguments {
    /// Interleaved rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load for each number of connections in each round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Numbers of connections.
    #[arg(long, value_delimiter = ',', default_value = "16,64")]
    connections: Vec<u32>,
    /// Microseconds that each commit takes longer.
    #[arg(long, default_value_t = 500)]
    commit_micros: u64,
    /// Where the ledger is made: memory-backed storage.
    #[arg(long, default_value = "/dev/shm")]
    dir: PathBuf,
    /// Least part of the formula's requests a second.
    #[arg(long, default_value_t = 0.8)]
    goal: f64,
}

/// Requests a second, and the mean commit.
type Figures = (f64, Duration);

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let base = tempfile::tempdir_in(&arguments.dir)?;
    let data = base.path().join("ledger");
    let texts = furnish(&DataDir::new(&data), 100, 10)?;
    let token_file = base.path().join("tokens");
    std::fs::write(&token_file, texts.join("\n"))?;
    simulated_commit::slow_down(Duration::from_micros(arguments.commit_micros));
    let listen = format!("127.0.0.1:{PORT}");
    let serve = ["token-ledger", "serve", "--data", &data.to_string_lossy(), "--listen", &listen].map(str::to_owned);
    // It ends with this process.
    std::thread::spawn(move || cli::run(cli::Arguments::parse_from(serve)));
    wait_until_served()?;
    wrk(PORT, 16, 1, &token_file)?;
    let mut found: BTreeMap<u32, Vec<Figures>> = BTreeMap::new();
    for _ in 0..arguments.rounds {
        for &connections in &arguments.connections {
            let before = simulated_commit::so_far();
            let run = wrk(PORT, connections, arguments.seconds, &token_file)?;
            let after = simulated_commit::so_far();
            let commits = u32::try_from(after.0 - before.0)?.max(1);
            found.entry(connections).or_default().push((run.requests_a_second, (after.1 - before.1) / commits));
        }
    }
    report(&arguments, &found)
}

fn wait_until_served() -> Result<(), AnyError> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        if counts(PORT).is_some() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err("the service did not begin".into())
}

fn report(arguments: &Arguments, found: &BTreeMap<u32, Vec<Figures>>) -> Result<(), AnyError> {
    println!("| connections | mean commit µs | req/s | connections / (2 x commit) | ratio |");
    println!("| --- | --- | --- | --- | --- |");
    let mut missed = Vec::new();
    for (connections, rounds) in found {
        let formula = |commit: Duration| f64::from(*connections) / (2.0 * commit.as_secs_f64());
        let of = |figure: &dyn Fn(&Figures) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
        let ratio = of(&|(rate, commit)| rate / formula(*commit));
        println!(
            "| {connections} | {:.0} | {:.0} | {:.0} | {ratio:.2} |",
            of(&|(_, commit)| commit.as_secs_f64() * 1e6),
            of(&|(rate, _)| *rate),
            of(&|(_, commit)| formula(*commit)),
        );
        if ratio < arguments.goal {
            missed.push(format!("{connections} connections: {ratio:.2}"));
        }
    }
    if missed.is_empty() {
        println!("goal of {} reached", arguments.goal);
        Ok(())
    } else {
        Err(format!("goal of {} missed at {}", arguments.goal, missed.join(", ")).into())
    }
}
