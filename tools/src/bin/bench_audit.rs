//! Bench of questions about the past on a big log: pages by the index, the questions of the registry, inclusion proofs,
//! what the index takes on disk and to be made, and what its making costs the hot path.
//!
//! Figures stand beside their goals; absolute ones are of the machine.

use clap::Parser;
use std::path::{Path, PathBuf};
use std::time::Instant;
use token_ledger::audit::archive::Archive;
use token_ledger::audit::archives::Archives;
use token_ledger::audit::history::{self, Filter, Page};
use token_ledger::audit::questions::{self, Asked};
use token_ledger::audit::receipts::{self, Published};
use token_ledger::clock::Clock;
use token_ledger::domain::ids::{AccountId, Position, TokenId};
use token_ledger::domain::time::Timestamp;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::{DataDir, Ledger, LogError, LogReader, SEGMENT_EVENTS, Settings};
use token_ledger::projections::index::build::build;
use tools::big_log::{self, ACCOUNTS, BigLog, Random, TOKENS_EACH, domain_of};
use tools::load::{Run, wrk_paced};
use tools::{AnyError, Base, Server, median, sibling};

const PORT: u16 = 18_983;

#[derive(Debug, Parser)]
struct Arguments {
    /// Uses in the log.
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// Where the log is made; a temporary directory beside this program if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Samples of each question that is asked often.
    #[arg(long, default_value_t = 500)]
    samples: u64,
    /// Rounds of load.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load for each variant in each round.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Makes the log in `--dir` and ends, so that measuring finds it there.
    #[arg(long, requires = "dir")]
    make_only: bool,
    /// Leaves the load out.
    #[arg(long)]
    no_load: bool,
    /// Leaves the questions out.
    #[arg(long)]
    no_questions: bool,
}

/// Milliseconds, sorted.
struct Figures(Vec<f64>);

impl Figures {
    fn of(samples: u64, mut work: impl FnMut(u64) -> Result<(), AnyError>) -> Result<Self, AnyError> {
        let mut found = Vec::new();
        for sample in 0..samples {
            let started = Instant::now();
            work(sample)?;
            found.push(started.elapsed().as_secs_f64() * 1e3);
        }
        found.sort_by(f64::total_cmp);
        Ok(Self(found))
    }

    fn at(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
    }
}

/// A row of the table, with its goal where it has one.
fn tell(name: &str, found: &Figures, goal: Option<f64>) {
    let goal = goal.map_or(String::new(), |goal| format!("p99 < {goal}"));
    println!("| {name} | {:.2} | {:.2} | {:.2} | {goal} |", found.at(0.5), found.at(0.99), found.at(1.0));
}

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let base = Base::of(arguments.dir.as_deref())?;
    let dir = DataDir::new(base.path().join("big"));
    let started = Instant::now();
    let log = big_log::make_or_take(&dir, arguments.events, &mut |left| {
        if left % (1 << 20) == 0 {
            eprintln!("{left} uses to go");
        }
    })?;
    let head = LogReader::open(&dir)?.head()?;
    println!("log of {head} events, made or found in {:.0} s\n", started.elapsed().as_secs_f64());
    if arguments.make_only {
        return Ok(());
    }
    if !arguments.no_questions {
        make_index(&dir, head)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(ask(&dir, &log, arguments.samples))?;
    }
    if !arguments.no_load {
        load(&arguments, base.path(), &dir, &log)?;
    }
    Ok(())
}

/// Views hold nothing else then: their size is the index's.
fn make_index(dir: &DataDir, head: Position) -> Result<(), AnyError> {
    let _ = std::fs::remove_file(dir.views());
    let started = Instant::now();
    let built = build(dir, &mut |_| {})?;
    let seconds = started.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(dir.views())?.len() as f64;
    let indexed = built.indexed.0 as f64;
    println!(
        "index of {indexed} of {head} events in segments of {SEGMENT_EVENTS}: {:.2} bytes an event (goal <= 15), made offline at {:.0} events a second\n",
        bytes / indexed,
        indexed / seconds
    );
    Ok(())
}

/// Asks beside a ledger that serves, as the wire does.
async fn ask(dir: &DataDir, log: &BigLog, samples: u64) -> Result<(), AnyError> {
    let started = Instant::now();
    let ledger = Ledger::start(dir, Clock::system(), Entropy::system(), Settings::default())?;
    println!("start without a snapshot: {:.1} s\n", started.elapsed().as_secs_f64());
    // What the file lacks is gathered behind the start.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let archives = Archives::default();
    let sources = ledger.sources().await;
    println!("| asked | p50 ms | p99 ms | most ms | goal |\n| --- | --- | --- | --- | --- |");
    let figures = Figures::of(samples, |_| {
        // By itself, so that it is told what keeping files open saves.
        Archive::open(dir, sources.now).map(drop).map_err(Into::into)
    })?;
    tell("an archive opened anew, without what is in memory", &figures, None);
    let mut asking =
        Asking { archives, ledger: &ledger, runtime: tokio::runtime::Handle::current(), random: Random(11) };
    tokio::task::block_in_place(|| asking.everything(log, samples))?;
    ledger.stop();
    Ok(())
}

struct Asking<'a> {
    archives: Archives,
    ledger: &'a Ledger,
    runtime: tokio::runtime::Handle,
    random: Random,
}

impl Asking<'_> {
    fn with<T>(&self, work: impl FnOnce(&Archive) -> Result<T, LogError>) -> Result<T, AnyError> {
        let sources = self.runtime.block_on(self.ledger.sources());
        Ok(self.archives.with(sources, work)?)
    }

    /// As [`with`](Self::with), of what can fail in other ways, too.
    fn with_any<T>(&self, work: impl FnOnce(&Archive) -> Result<T, AnyError>) -> Result<T, AnyError> {
        self.with(|archive| Ok(work(archive)))?
    }

    fn page(&self, filter: &Filter, descending: bool, after: u64, limit: usize) -> Result<usize, AnyError> {
        let page = Page { after: Position(after), before: None, descending, limit };
        self.with(|archive| Ok(history::page(archive, filter, &page)?.events.len()))
    }

    fn some_token(&mut self) -> TokenId {
        TokenId(2 + self.random.below(ACCOUNTS * TOKENS_EACH))
    }

    fn everything(&mut self, log: &BigLog, samples: u64) -> Result<(), AnyError> {
        tell("nothing, for the way there", &Figures::of(samples, |_| self.with(|_| Ok(())))?, None);
        let head = self.with(|archive| Ok(archive.head()))?.0;
        for (name, descending, limit) in [
            ("a page of 100 of one token's history, newest first", true, 100),
            ("a page of 100 of one token's history, from anywhere on", false, 100),
            ("a page of 1,000 of one token's history", false, 1_000),
        ] {
            let found = Figures::of(samples, |_| {
                let filter = Filter { token: Some(self.some_token()), ..Filter::default() };
                let after = if descending { 0 } else { self.random.below(head) };
                self.page(&filter, descending, after, limit).map(drop)
            })?;
            tell(name, &found, Some(20.0));
        }
        let of_type = |name: &str| Filter { type_name: Some(name.to_owned()), ..Filter::default() };
        let refused = Filter { outcome: Some("missing_scope".to_owned()), ..Filter::default() };
        let resource = |account: u64| Filter { resource: Some(domain_of(account, 4)), ..Filter::default() };
        for (name, filter) in [
            ("the page of a rare type", of_type("AccountCreated")),
            ("the page of a type that never was", of_type("PlanChanged")),
            ("a page of refusals of one account", Filter { account: Some(AccountId(7)), ..refused.clone() }),
            ("a page of one resource", resource(7)),
        ] {
            tell(name, &Figures::of(samples / 5, |_| self.page(&filter, false, 0, 100).map(drop))?, None);
        }
        self.proofs(samples, head)?;
        self.registered(log, samples)
    }

    fn proofs(&mut self, samples: u64, head: u64) -> Result<(), AnyError> {
        let dir = self.ledger.dir().clone();
        let found = Figures::of(samples, |_| {
            let position = Position(1 + self.random.below(head));
            self.with_any(|archive| {
                let published = Published::read(&dir)?;
                let proof = receipts::inclusion(&dir, archive.log(), &published, (position, None))?;
                proof.to_text().map(drop).map_err(AnyError::from)
            })
        })?;
        tell("an inclusion proof, with its checkpoint", &found, Some(5.0));
        Ok(())
    }

    /// Questions of the registry.
    fn registered(&mut self, log: &BigLog, samples: u64) -> Result<(), AnyError> {
        let found = Figures::of(samples, |_| {
            let at = Timestamp(log.begin.0 + 86_400_000_000 + self.random.below(360 * 86_400_000_000));
            let token = self.some_token().0.to_string();
            self.ask("state", &[("token", token), ("as_of", at.to_micros_text())]).map(drop)
        })?;
        tell("state of one token at any time of the year", &found, Some(20.0));
        let few = (samples / 50).max(5);
        let scope = format!("domains:{}", domain_of(1, 1));
        let narrowed =
            r#"{"grants":[{"group":"domains","level":"read_only","resources":["domain-1.account-1.example"]}]}"#;
        let (busy, of_1) = (("token", log.busy.0.to_string()), ("account", "1".to_owned()));
        let month = Timestamp(log.begin.0 + 300 * 86_400_000_000).to_micros_text();
        let rows = [
            ("who-could", "over a year, of the busiest account", vec![of_1.clone(), ("scope", scope)], Some(1_000.0)),
            ("what-if", "of the busy token", vec![busy.clone(), ("access", narrowed.to_owned())], Some(1_000.0)),
            ("least-privilege", "of the busy token", vec![busy.clone()], None),
            ("leak", "of the busy token, for two months", vec![busy, ("since", month)], None),
            ("access-review", "of the busiest account", vec![of_1.clone()], None),
            ("growth", "of the busiest account", vec![of_1], None),
        ];
        for (name, about, pairs, goal) in rows {
            let mut said = String::new();
            let found = Figures::of(few, |_| {
                said = self.ask(name, &pairs)?;
                Ok(())
            })?;
            tell(&format!("{name} {about}: {said}"), &found, goal);
        }
        Ok(())
    }

    fn ask(&self, name: &str, pairs: &[(&str, String)]) -> Result<String, AnyError> {
        let question = questions::question(name).ok_or("there is no such question")?;
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        let asked = Asked::read(question, &pairs)?;
        let answer = self.with_any(|archive| Ok(questions::ask(archive, question, &asked)?))?;
        Ok(serde_json::Value::Object(answer.summary).to_string().chars().take(120).collect())
    }
}

// ---- What it costs the hot path ----

/// How the index is while the load runs.
const VARIANTS: [(&str, bool, bool); 3] = [
    ("no index is made", false, false),
    ("the index follows the log", true, false),
    ("the index is made anew from the whole log", true, true),
];

fn load(arguments: &Arguments, base: &Path, dir: &DataDir, log: &BigLog) -> Result<(), AnyError> {
    let token_file = base.join("tokens");
    std::fs::write(&token_file, log.texts.join("\n"))?;
    let mut runs: Vec<[Vec<Run>; 2]> = VARIANTS.iter().map(|_| Default::default()).collect();
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {} of load", arguments.rounds);
        for (variant, (_, is_made, is_anew)) in VARIANTS.iter().enumerate() {
            if *is_anew {
                drop_segments(dir)?;
            }
            let events = if *is_made { SEGMENT_EVENTS } else { 0 }.to_string();
            let data = dir.path().to_string_lossy();
            let server = Server::start(
                &sibling("token-ledger")?,
                &[
                    "serve",
                    "--data",
                    &data,
                    "--listen",
                    &format!("127.0.0.1:{PORT}"),
                    "--index-segment-events",
                    &events,
                ],
            )?;
            let half = if *is_anew { None } else { Some(()) };
            let whole = half.map(|()| measure(&server, arguments, 0, &token_file)).transpose()?;
            let paced = measure(&server, arguments, 1, &token_file)?;
            runs[variant][0].extend(whole);
            runs[variant][1].push(paced);
            server.stop()?;
        }
    }
    report(&runs);
    Ok(())
}

/// The next start makes them anew, and has its snapshots and history as they were.
fn drop_segments(dir: &DataDir) -> Result<(), AnyError> {
    let connection = rusqlite::Connection::open(dir.views())?;
    connection.execute_batch("DELETE FROM index_segments; PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(())
}

/// 64 connections, each waiting so long before its next request: with a millisecond about half of the most.
fn measure(server: &Server, arguments: &Arguments, delay_ms: u32, token_file: &Path) -> Result<Run, AnyError> {
    wrk_paced(PORT, 16, 1, token_file, delay_ms)?;
    let before = server.cpu_micros()?;
    let mut run = wrk_paced(PORT, 64, arguments.seconds, token_file, delay_ms)?;
    run.cpu_micros = (server.cpu_micros()? - before) as f64 / (run.requests_a_second * arguments.seconds as f64);
    Ok(run)
}

fn report(runs: &[[Vec<Run>; 2]]) {
    println!(
        "\n| load | index | req/s | p50 µs | p99 µs | CPU µs/req | p99 of that without |\n| --- | --- | --- | --- | --- | --- | --- |"
    );
    for (paced, load) in [(0, "all there is"), (1, "about half")] {
        let of = |variant: usize, figure: fn(&Run) -> f64| {
            median(&runs[variant][paced].iter().map(figure).collect::<Vec<_>>())
        };
        for (variant, (name, ..)) in VARIANTS.iter().enumerate().filter(|(at, _)| !runs[*at][paced].is_empty()) {
            println!(
                "| {load} | {name} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} |",
                of(variant, |run| run.requests_a_second),
                of(variant, |run| run.p50_micros),
                of(variant, |run| run.p99_micros),
                of(variant, |run| run.cpu_micros),
                of(variant, |run| run.p99_micros) / of(0, |run| run.p99_micros),
            );
        }
    }
    println!("goal: at about half, <= 1.3");
}
