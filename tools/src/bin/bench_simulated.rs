//! The hot path over commits that take a steady time: how near it comes to connections / (2 x commit time), which is
//! what group commit gives where nothing but the commit takes time. Data on memory-backed storage; the commit is made
//! slower by a sleep in this program only (feature `simulated-commit`).
//!
//! In turn with it a floor: the service's own accept loop in front of a route that only waits for the next of such
//! commits, with nothing to decide and nothing to write. Where the floor is short of the formula, it is the machine that
//! is: passing requests and answers alone takes longer than a commit.
//!
//! `cargo run --release -p tools --features simulated-commit --bin bench_simulated`

use clap::Parser;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use token_ledger::cli;
use token_ledger::http::server::{ServerLimits, serve};
use token_ledger::ledger::DataDir;
use token_ledger::log::simulated_commit;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tools::load::{counts, wrk};
use tools::{AnyError, furnish, median};
use warp::{Filter, Reply};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PORT: u16 = 18_985;
const FLOOR_PORT: u16 = 18_984;

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

const LEDGER: &str = "durable whoami";
const FLOOR: &str = "floor";

/// Requests a second, and the mean commit.
type Figures = (f64, Duration);

/// Rounds by number of connections and what was asked.
type Found = BTreeMap<(u32, &'static str), Vec<Figures>>;

/// Commits so far, and the time they took together.
type Commits = Box<dyn Fn() -> (u64, Duration)>;

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let base = tempfile::tempdir_in(&arguments.dir)?;
    let data = base.path().join("ledger");
    let texts = furnish(&DataDir::new(&data), 100, 10)?;
    let token_file = base.path().join("tokens");
    std::fs::write(&token_file, texts.join("\n"))?;
    let longer = Duration::from_micros(arguments.commit_micros);
    simulated_commit::slow_down(longer);
    let listen = format!("127.0.0.1:{PORT}");
    let serve = ["token-ledger", "serve", "--data", &data.to_string_lossy(), "--listen", &listen].map(str::to_owned);
    // It ends with this process, as the floor does.
    std::thread::spawn(move || cli::run(cli::Arguments::parse_from(serve)));
    let floor = begin_floor(longer)?;
    wait_until_served()?;
    let variants: [(&str, u16, Commits); 2] =
        [(FLOOR, FLOOR_PORT, floor), (LEDGER, PORT, Box::new(simulated_commit::so_far))];
    for (_, port, _) in &variants {
        wrk(*port, 16, 1, &token_file)?;
    }
    let mut found = Found::new();
    for _ in 0..arguments.rounds {
        for &connections in &arguments.connections {
            for (name, port, commits) in &variants {
                let figures = run(*port, connections, arguments.seconds, &token_file, commits)?;
                found.entry((connections, name)).or_default().push(figures);
            }
        }
    }
    report(&arguments, &found)
}

fn run(port: u16, connections: u32, seconds: u64, token_file: &Path, commits: &Commits) -> Result<Figures, AnyError> {
    let before = commits();
    let run = wrk(port, connections, seconds, token_file)?;
    let after = commits();
    let count = u32::try_from(after.0 - before.0)?.max(1);
    Ok((run.requests_a_second, (after.1 - before.1) / count))
}

/// Callers of the floor that wait for a commit.
type Waiting = mpsc::UnboundedSender<oneshot::Sender<()>>;

/// Serves the floor.
fn begin_floor(commit: Duration) -> Result<Commits, AnyError> {
    let (waiting, callers) = mpsc::unbounded_channel();
    let (count, spent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (counted, timed) = (Arc::clone(&count), Arc::clone(&spent));
    std::thread::spawn(move || commit_for(callers, commit, &counted, &timed));
    let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], FLOOR_PORT)))?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            let routes = warp::any().then(move || wait_for_commit(waiting.clone())).boxed();
            serve(listener, routes, ServerLimits::default(), std::future::pending()).await;
            Ok::<_, std::io::Error>(())
        })
    });
    Ok(Box::new(move || (count.load(Relaxed), Duration::from_nanos(spent.load(Relaxed)))))
}

async fn wait_for_commit(waiting: Waiting) -> warp::reply::Response {
    let (sender, receiver) = oneshot::channel();
    let status = match (waiting.send(sender), receiver.await) {
        (Ok(()), Ok(())) => warp::http::StatusCode::NO_CONTENT,
        _ => warp::http::StatusCode::SERVICE_UNAVAILABLE,
    };
    status.into_response()
}

/// One commit after another, each for all who wait when it begins.
fn commit_for(
    mut callers: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    commit: Duration,
    count: &AtomicU64,
    spent: &AtomicU64,
) {
    while let Some(first) = callers.blocking_recv() {
        let mut batch = vec![first];
        while let Ok(next) = callers.try_recv() {
            batch.push(next);
        }
        let started = Instant::now();
        std::thread::sleep(commit);
        count.fetch_add(1, Relaxed);
        spent.fetch_add(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
        for caller in batch {
            // Whoever went away asked for nothing more.
            let _ = caller.send(());
        }
    }
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

fn report(arguments: &Arguments, found: &Found) -> Result<(), AnyError> {
    println!("| connections | variant | mean commit µs | req/s | connections / (2 x commit) | ratio |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut missed = Vec::new();
    for ((connections, name), rounds) in found {
        let formula = |commit: Duration| f64::from(*connections) / (2.0 * commit.as_secs_f64());
        let of = |figure: &dyn Fn(&Figures) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
        let ratio = of(&|(rate, commit)| rate / formula(*commit));
        println!(
            "| {connections} | {name} | {:.0} | {:.0} | {:.0} | {ratio:.2} |",
            of(&|(_, commit)| commit.as_secs_f64() * 1e6),
            of(&|(rate, _)| *rate),
            of(&|(_, commit)| formula(*commit)),
        );
        if ratio < arguments.goal {
            missed.push(format!("{name} at {connections} connections: {ratio:.2}"));
        }
    }
    if missed.is_empty() {
        println!("goal of {} reached", arguments.goal);
        Ok(())
    } else {
        Err(format!("goal of {} missed: {}", arguments.goal, missed.join(", ")).into())
    }
}
