//! The hot path over HTTP beside its floor, with the same load generator (wrk), interleaved.
//!
//! Floor: the service's accept loop and an empty warp route answering 204, on one and on two runtime threads; the
//! faster counts. Hot path: `GET /v2/whoami` with an account token, recorded and synced before it is answered.
//!
//! `cargo run --release -p tools --bin bench_http -- --rounds 3 --seconds 3`

use clap::Parser;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use token_ledger::ledger::DataDir;
use tools::load::{Run, counts, wrk};
use tools::{AnyError, Base, Server, furnish, median, sibling};

#[derive(Debug, Parser)]
struct Arguments {
    /// Interleaved rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load for each variant and number of connections in each round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Numbers of connections.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256")]
    connections: Vec<u32>,
    /// Where the ledger is made; a temporary directory beside this program if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Accounts and tokens of each.
    #[arg(long, value_delimiter = ',', default_value = "100,10")]
    accounts: Vec<u64>,
    /// HTTP threads of the service; its own default if absent.
    #[arg(long)]
    threads: Option<String>,
    /// Least ratio of the floor's requests a second at 64 and at 256 connections.
    #[arg(long, default_value_t = 0.45)]
    goal: f64,
}

const FLOORS: [(&str, &str); 2] = [("floor, 1 thread", "1"), ("floor, 2 threads", "2")];
const HOT: &str = "durable whoami";

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let base = Base::of(arguments.dir.as_deref())?;
    let base = base.path();
    let data = base.join("ledger");
    let texts = furnish(&DataDir::new(&data), arguments.accounts[0], arguments.accounts[1])?;
    let token_file = base.join("tokens");
    std::fs::write(&token_file, texts.join("\n"))?;
    let mut runs: BTreeMap<(u32, &str), Vec<Run>> = BTreeMap::new();
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        for (name, threads) in FLOORS {
            let server = Server::start(&sibling("floor")?, &["--listen", "127.0.0.1:18981", "--threads", threads])?;
            measure(&arguments, &server, 18_981, &token_file, |connections, run| {
                runs.entry((connections, name)).or_default().push(run);
            })?;
        }
        let server = start_service(&data, arguments.threads.as_deref())?;
        measure(&arguments, &server, 18_982, &token_file, |connections, run| {
            runs.entry((connections, HOT)).or_default().push(run);
        })?;
    }
    let syncs = syncs_a_commit(&data, arguments.threads.as_deref(), &token_file);
    report(&arguments, &runs, syncs.as_ref().map_or_else(|error| Err(error.to_string()), |ratio| Ok(*ratio)))
}

fn start_service(data: &Path, threads: Option<&str>) -> Result<Server, AnyError> {
    let data = data.to_string_lossy();
    let mut arguments = vec!["serve", "--data", &data, "--listen", "127.0.0.1:18982"];
    if let Some(threads) = threads {
        arguments.extend(["--threads", threads]);
    }
    Server::start(&sibling("token-ledger")?, &arguments)
}

fn measure(
    arguments: &Arguments,
    server: &Server,
    port: u16,
    token_file: &Path,
    mut keep: impl FnMut(u32, Run),
) -> Result<(), AnyError> {
    wrk(port, 16, 1, token_file)?;
    for &connections in &arguments.connections {
        let before = (counts(port), server.cpu_micros()?);
        let mut run = wrk(port, connections, arguments.seconds, token_file)?;
        let after = (counts(port), server.cpu_micros()?);
        let requests = run.requests_a_second * arguments.seconds as f64;
        run.cpu_micros = (after.1 - before.1) as f64 / requests.max(1.0);
        if let (Some(before), Some(after)) = (before.0, after.0) {
            run.events_a_commit = (after.1 - before.1) as f64 / ((after.0 - before.0) as f64).max(1.0);
        }
        keep(connections, run);
    }
    Ok(())
}

/// Counts sync calls under load with strace, which slows the service but not the ratio.
fn syncs_a_commit(data: &Path, threads: Option<&str>, token_file: &Path) -> Result<f64, AnyError> {
    let server = start_service(data, threads)?;
    wrk(18_982, 16, 1, token_file)?;
    let before = counts(18_982).ok_or("no metrics")?;
    let tracer = Command::new("strace")
        .args(["-f", "-c", "-e", "trace=fsync,fdatasync", "-p", &server.id().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("strace: {error} (Debian package strace)"))?;
    wrk(18_982, 64, 2, token_file)?;
    let after = counts(18_982).ok_or("no metrics")?;
    Command::new("kill").args(["-INT", &tracer.id().to_string()]).status()?;
    let output = tracer.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let calls = |line: &str| line.split_whitespace().nth(3).and_then(|calls| calls.parse::<u64>().ok());
    let syncs: u64 =
        text.lines().filter(|line| line.ends_with("fsync") || line.ends_with("fdatasync")).filter_map(calls).sum();
    if syncs == 0 {
        return Err(format!("strace counted nothing:\n{text}").into());
    }
    Ok(syncs as f64 / ((after.0 - before.0) as f64).max(1.0))
}

fn report(
    arguments: &Arguments,
    runs: &BTreeMap<(u32, &str), Vec<Run>>,
    syncs: Result<f64, String>,
) -> Result<(), AnyError> {
    println!("| connections | variant | req/s | p50 µs | p99 µs | CPU µs/req | events/commit | of the faster floor |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut missed = Vec::new();
    for &connections in &arguments.connections {
        let of = |name, figure: fn(&Run) -> f64| {
            let figures: Vec<f64> = runs.get(&(connections, name)).into_iter().flatten().map(figure).collect();
            median(&figures)
        };
        let floor = FLOORS.iter().map(|(name, _)| of(name, |run| run.requests_a_second)).fold(0.0, f64::max);
        for name in FLOORS.iter().map(|(name, _)| *name).chain([HOT]) {
            let rate = of(name, |run| run.requests_a_second);
            println!(
                "| {connections} | {name} | {rate:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {:.2} |",
                of(name, |run| run.p50_micros),
                of(name, |run| run.p99_micros),
                of(name, |run| run.cpu_micros),
                of(name, |run| run.events_a_commit),
                rate / floor,
            );
            if name == HOT && connections >= 64 && rate / floor < arguments.goal {
                missed.push(format!("{connections} connections: {:.2}", rate / floor));
            }
        }
    }
    match syncs {
        Ok(ratio) => println!("\nsync calls a commit at 64 connections, WAL checkpoints included: {ratio:.3}"),
        Err(error) => println!("\nsync calls a commit: not measured ({error})"),
    }
    if missed.is_empty() {
        println!("goal of {} reached", arguments.goal);
        Ok(())
    } else {
        Err(format!("goal of {} missed at {}", arguments.goal, missed.join(", ")).into())
    }
}
