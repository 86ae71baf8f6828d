//! The service at size: a million tokens beside ten, and five million events in the log beside none.
//!
//! Ledgers are built through `Core`, then the program itself is started on them: how long until it listens, how much
//! memory it takes, and requests a second and processor time a request over HTTP (wrk); their logs are indexed by then.
//! In each round all are served at once and loaded in turn, again and again: what the machine's neighbours do changes
//! within seconds, and a turn is only compared with the turns beside it. Last, in this process: how long a read waits at
//! most while a snapshot of the big ledger is taken.
//!
//! `cargo run --release -p tools --bin bench_scale -- --rounds 3`

use clap::Parser;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use token_ledger::clock::Clock;
use token_ledger::domain::command::{AskedTarget, Command, Origin, Use};
use token_ledger::domain::event::Route;
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::ledger::{DataDir, Ledger, Settings};
use token_ledger::projections::index::build as index;
use token_ledger::projections::snapshot::Views;
use tools::load::{Run, wrk};
use tools::{AnyError, Server, furnish, median, sibling};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of the first ledger; the others follow.
const PORT: u16 = 18_987;

#[derive(Debug, Parser)]
struct Arguments {
    /// Tokens of the big ledger, ten to an account.
    #[arg(long, default_value_t = 1_000_000)]
    tokens: u64,
    /// Uses in the long ledger.
    #[arg(long, default_value_t = 5_000_000)]
    events: u64,
    /// Rounds, each from fresh copies of the ledgers.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Turns of each ledger in each round.
    #[arg(long, default_value_t = 5)]
    turns: usize,
    /// Seconds of load in each turn.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Seconds of load before the first turn, which are not measured.
    #[arg(long, default_value_t = 3)]
    warm_seconds: u64,
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Tokens of the big ledger that are used, drawn from all of them.
    #[arg(long, default_value_t = 20_000)]
    sample: usize,
    /// Where the ledgers are made; a temporary directory beside this program if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
}

const FEW: &str = "10 tokens, no events";
const BIG: &str = "many tokens";
const LONG: &str = "10 tokens, many events";

/// What a start took.
#[derive(Clone, Copy, Debug)]
struct Start {
    seconds: f64,
    memory: (u64, u64),
}

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let made = match &arguments.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir_in(sibling(".")?)?,
    };
    let base = made.path();
    let mut missed = Vec::new();
    let few = build(base, "few", 1, 10, 0)?;
    let long = build(base, "long", 1, 10, arguments.events)?;
    let big = build(base, "big", arguments.tokens / 10, 10, 0)?;
    for (name, ledger) in [(FEW, &few), (LONG, &long), (BIG, &big)] {
        let first = start_once(ledger)?;
        let again = start_once(ledger)?;
        println!(
            "{name}: listens after {:.2} s without a snapshot, {:.2} s from one; memory {} MiB, at most {} MiB",
            first.seconds,
            again.seconds,
            again.memory.0 >> 20,
            again.memory.1 >> 20
        );
        if name == BIG && again.seconds > 5.0 {
            missed.push(format!("start from a snapshot: {:.1} s, goal 5", again.seconds));
        }
    }
    // A service that recorded all this has indexed it on the way. Making it from the whole log is another bench's.
    for ledger in [&few, &long, &big] {
        index::build(&DataDir::new(&ledger.data), &mut |_| {})?;
    }
    let runs = measure(&arguments, base, &[(FEW, &few), (BIG, &big), (LONG, &long)])?;
    report(&arguments, &runs, &mut missed);
    measure_pauses(&big, &mut missed)?;
    if missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", missed.join("; ")).into()) }
}

/// A ledger with its tokens' texts.
struct Built {
    data: PathBuf,
    texts: Vec<String>,
}

fn build(base: &Path, name: &str, accounts: u64, tokens_each: u64, uses: u64) -> Result<Built, AnyError> {
    let data = base.join(name);
    let dir = DataDir::new(&data);
    let started = Instant::now();
    let texts = furnish(&dir, accounts, tokens_each)?;
    let (mut core, _) = Core::open(&dir, Clock::system(), Entropy::system())?;
    let digests: Vec<TokenDigest> = texts.iter().map(|text| TokenDigest::of(text)).collect();
    let mut left = uses;
    let mut number = 0;
    while left > 0 {
        let jobs: Vec<Job> = (0..left.min(1_024))
            .map(|_| {
                number += 1;
                whoami(digests[number % digests.len()])
            })
            .collect();
        core.commit(&jobs)?;
        left -= jobs.len() as u64;
    }
    core.log().checkpoint_wal()?;
    println!("{name}: {} events built in {:.0} s", core.head(), started.elapsed().as_secs_f64());
    Ok(Built { data, texts })
}

fn whoami(digest: TokenDigest) -> Job {
    let asked = Use {
        digest,
        route: Route::Whoami,
        account: None,
        target: AskedTarget::None,
        certificate: None,
        valid: true,
        mapped: None,
    };
    (Command::Use(asked), Origin::default())
}

fn serve(data: &Path, port: u16) -> Result<Server, AnyError> {
    let (data, listen) = (data.to_string_lossy(), format!("127.0.0.1:{port}"));
    Server::start(&sibling("token-ledger")?, &["serve", "--data", &data, "--listen", &listen])
}

/// Starts the program and ends it in order: then there is a snapshot.
fn start_once(ledger: &Built) -> Result<Start, AnyError> {
    let started = Instant::now();
    let server = serve(&ledger.data, PORT)?;
    let seconds = started.elapsed().as_secs_f64();
    let memory = server.memory()?;
    server.stop()?;
    Ok(Start { seconds, memory })
}

// ---- Requests ----

type Runs = BTreeMap<&'static str, Vec<(Run, u64)>>;

/// A ledger that is served.
struct Served {
    name: &'static str,
    port: u16,
    server: Server,
    token_file: PathBuf,
}

impl Served {
    fn begin(
        arguments: &Arguments,
        base: &Path,
        port: u16,
        name: &'static str,
        ledger: &Built,
    ) -> Result<Self, AnyError> {
        let token_file = base.join(format!("tokens-{port}"));
        std::fs::write(&token_file, lines(&ledger.texts, arguments.sample).join("\n"))?;
        let server = serve(&copy(&ledger.data, &base.join(format!("fresh-{port}")))?, port)?;
        let served = Self { name, port, server, token_file };
        if arguments.warm_seconds > 0 {
            wrk(port, arguments.connections, arguments.warm_seconds, &served.token_file)?;
        }
        served.settle()?;
        Ok(served)
    }

    /// One turn. What it leaves to be done belongs to it, and is over when the next one's begins.
    fn load(&self, arguments: &Arguments) -> Result<Run, AnyError> {
        let before = self.server.cpu_micros()?;
        let mut run = wrk(self.port, arguments.connections, arguments.seconds, &self.token_file)?;
        self.settle()?;
        let used = self.server.cpu_micros()? - before;
        run.cpu_micros = used as f64 / (run.requests_a_second * arguments.seconds as f64).max(1.0);
        eprintln!("{}: {:.0} requests a second, {:.1} µs each", self.name, run.requests_a_second, run.cpu_micros);
        Ok(run)
    }

    /// Waits until the server has next to nothing to do.
    fn settle(&self) -> Result<(), AnyError> {
        const LOOK: Duration = Duration::from_millis(100);
        let started = Instant::now();
        loop {
            let before = self.server.cpu_micros()?;
            std::thread::sleep(LOOK);
            if u128::from(self.server.cpu_micros()? - before) < LOOK.as_micros() / 20 {
                return Ok(());
            }
            if started.elapsed() > Duration::from_secs(30) {
                return Err(format!("{}: still at work 30 s after its load", self.name).into());
            }
        }
    }
}

fn measure(arguments: &Arguments, base: &Path, ledgers: &[(&'static str, &Built)]) -> Result<Runs, AnyError> {
    let mut runs = Runs::new();
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        let served: Vec<Served> = (PORT..)
            .zip(ledgers)
            .map(|(port, (name, ledger))| Served::begin(arguments, base, port, name, ledger))
            .collect::<Result<_, _>>()?;
        for _ in 0..arguments.turns {
            for each in &served {
                let run = each.load(arguments)?;
                runs.entry(each.name).or_default().push((run, each.server.memory()?.0));
            }
        }
        served.into_iter().try_for_each(|each| each.server.stop())?;
    }
    Ok(runs)
}

/// Requests for each ledger, all different ones: the load generator keeps equal texts once, and would send ten requests
/// out of the processor's cache where it reads twenty thousand from memory. Its own work is to be the same.
fn lines(texts: &[String], count: usize) -> Vec<String> {
    // A step that shares no factor with any number of tokens here goes round all of them.
    (0..count).map(|index| format!("{} /v2/whoami?line={index}", texts[index * 7_919 % texts.len()])).collect()
}

/// A log with nothing in it but what was built: uses of the rounds before would make it longer, and after each start the
/// index of the segment that they ended in would be made from the log again beside the load.
fn copy(from: &Path, to: &Path) -> Result<PathBuf, AnyError> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    DataDir::new(to).prepare()?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let copy = to.join(entry.file_name());
            std::fs::copy(entry.path(), &copy)?;
            // Its pages are not to be written beside the load.
            std::fs::File::open(&copy)?.sync_all()?;
        }
    }
    Ok(to.to_owned())
}

/// One figure of a run and of the memory after it.
type Figure = fn(&(Run, u64)) -> f64;

fn report(arguments: &Arguments, runs: &Runs, missed: &mut Vec<String>) {
    println!("\n| ledger | req/s | p50 µs | p99 µs | CPU µs/req | memory MiB | req/s of few | CPU of few |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let of = |name: &str, figure: Figure| median(&runs.get(name).into_iter().flatten().map(figure).collect::<Vec<_>>());
    // Of each turn beside the next, so that what changes meanwhile does not count.
    let ratio = |name: &str, figure: Figure| {
        let turns = runs.get(name).into_iter().flatten().zip(runs.get(FEW).into_iter().flatten());
        median(&turns.map(|(run, few)| figure(run) / figure(few)).collect::<Vec<_>>())
    };
    let rate: Figure = |(run, _)| run.requests_a_second;
    let cpu: Figure = |(run, _)| run.cpu_micros;
    for name in [FEW, BIG, LONG] {
        println!(
            "| {name} | {:.0} | {:.0} | {:.0} | {:.1} | {:.0} | {:.2} | {:.2} |",
            of(name, rate),
            of(name, |(run, _)| run.p50_micros),
            of(name, |(run, _)| run.p99_micros),
            of(name, cpu),
            of(name, |(_, memory)| (memory >> 20) as f64),
            ratio(name, rate),
            ratio(name, cpu),
        );
    }
    println!("\n{} tokens; {} events; {} connections", arguments.tokens, arguments.events, arguments.connections);
    if ratio(BIG, rate) < 0.9 {
        missed.push(format!("requests a second with many tokens: {:.2}, goal 0.9", ratio(BIG, rate)));
    }
    if ratio(LONG, cpu) > 1.1 {
        missed.push(format!("CPU a request with many events: {:.2}, goal 1.1", ratio(LONG, cpu)));
    }
}

// ---- Pauses ----

/// Reads, one after another beside uses, while the program's threads take a snapshot.
fn measure_pauses(ledger: &Built, missed: &mut Vec<String>) -> Result<(), AnyError> {
    let dir = DataDir::new(&ledger.data);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (longest, reads, taken) = runtime.block_on(async {
        let settings = Settings { snapshot_events: 1, ..Settings::default() };
        // A big ledger's next snapshot is due only after millions of records, unless there is none yet.
        if dir.views().exists() {
            std::fs::remove_file(dir.views())?;
            index::build(&dir, &mut |_| {})?;
        }
        let ledger_running = Ledger::start(&dir, Clock::system(), Entropy::system(), settings)?;
        let positions =
            || Views::open_existing(&dir).and_then(|views| views.map_or(Ok(Vec::new()), |it| it.positions()));
        let (before, started) = (positions()?, Instant::now());
        let (mut longest, mut reads) = (Duration::ZERO, 0u64);
        // Until the first snapshot is stored; a second one may be on its way by then.
        while positions()? == before && started.elapsed() < Duration::from_secs(60) {
            for text in ledger.texts.iter().skip(reads as usize % 1_000).step_by(ledger.texts.len() / 16 + 1) {
                let (command, origin) = whoami(TokenDigest::of(text));
                ledger_running.submit(command, origin).await?;
            }
            let asked = Instant::now();
            ledger_running.view(|view| view.projections.position).await;
            longest = longest.max(asked.elapsed());
            reads += 1;
        }
        let taken = started.elapsed();
        let is_stored = positions()? != before;
        tokio::task::spawn_blocking(move || ledger_running.stop()).await?;
        if !is_stored {
            return Err("no snapshot was stored within 60 s".into());
        }
        Ok::<_, AnyError>((longest, reads, taken))
    })?;
    println!(
        "a snapshot of {} tokens took {:.2} s beside uses; of {reads} reads meanwhile the longest waited {:.1} ms",
        ledger.texts.len(),
        taken.as_secs_f64(),
        longest.as_secs_f64() * 1e3
    );
    if longest > Duration::from_millis(50) {
        missed.push(format!("longest wait of a read: {:.0} ms, goal 50", longest.as_secs_f64() * 1e3));
    }
    Ok(())
}
