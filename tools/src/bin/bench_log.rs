//! Benches of the log without HTTP: append beside a bare SQLite loop, bytes per event, replay, verify, start-up.
//!
//! Every figure is also a ratio or has a goal, and the last lines say PASS or MISS for each. Absolute figures are of
//! the machine; take ratios from one run only.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on stops here")]

use clap::Parser;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use token_ledger::audit::verify::{Options, verify};
use token_ledger::clock::Clock;
use token_ledger::domain::command::{
    AccessRequest, Actor, AskedTarget, Change, Command, NewSecret, Origin, ResourceRequest, Use,
};
use token_ledger::domain::directory::{DomainFacts, Plan};
use token_ledger::domain::event::Route;
use token_ledger::domain::ids::{AccountId, Position, RequestId};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Owner, TokenKind};
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::log::reader::LogReader;
use token_ledger::log::writer::{Batch, LogWriter};
use token_ledger::log::{DataDir, merkle};
use token_ledger::projections::Projections;
use token_ledger::projections::rebuild;
use token_ledger::projections::snapshot::Views;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACCOUNTS: u64 = 1_000;
const TOKENS: u64 = 10_000;
const BATCHES: [usize; 6] = [1, 8, 64, 256, 1_024, 8_192];
/// Batch of the big log, as a busy server writes them.
const BUILD_BATCH: u64 = 1_024;
const START: Timestamp = Timestamp(1_772_366_400_000_000);

/// Measures the log on the disk of a directory.
#[derive(Parser)]
struct Arguments {
    /// Where fresh data directories are made; a directory under `target` if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Use events of the big log.
    #[arg(long, default_value_t = 5_000_000)]
    events: u64,
    /// Rounds of every measurement; the median is told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Milliseconds that each append measurement takes at least.
    #[arg(long, default_value_t = 1_000)]
    append_ms: u64,
    /// Leaves the append measurements out.
    #[arg(long)]
    no_append: bool,
}

/// Goals, and how each was met.
#[derive(Default)]
struct Goals(Vec<String>);

impl Goals {
    fn at_least(&mut self, name: &str, found: f64, goal: f64) {
        self.note(name, found, goal, ">=", found >= goal);
    }

    fn at_most(&mut self, name: &str, found: f64, goal: f64) {
        self.note(name, found, goal, "<=", found <= goal);
    }

    fn note(&mut self, name: &str, found: f64, goal: f64, relation: &str, met: bool) {
        let verdict = if met { "PASS" } else { "MISS" };
        self.0.push(format!("{verdict}  {name}: {found:.2} (goal {relation} {goal})"));
    }
}

fn main() {
    let arguments = Arguments::parse();
    let parent = match &arguments.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => {
            std::fs::create_dir_all("target").unwrap();
            tempfile::tempdir_in("target")
        }
    };
    let parent = parent.unwrap();
    let mut goals = Goals::default();
    let big = DataDir::new(parent.path().join("big"));
    let records = build(&big, arguments.events, &mut goals);
    measure_readers(&big, arguments.rounds, &mut goals);
    if !arguments.no_append {
        measure_appends(parent.path(), &records, &arguments, &mut goals);
    }
    println!();
    for line in goals.0 {
        println!("{line}");
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU seconds of the whole process: they stay the same while neighbours use the machine.
fn cpu_seconds() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

/// Wall seconds, CPU seconds and what came out.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, f64, T) {
    let cpu = cpu_seconds();
    let (seconds, value) = seconds_of(work);
    (seconds, cpu_seconds() - cpu, value)
}

fn seconds_of<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let value = work();
    (started.elapsed().as_secs_f64(), value)
}

// ---- The big log ----

fn text(text: &str) -> PersonalText {
    PersonalText::new(text)
}

/// The account of a token: ten tokens each, spread so that neighbours differ.
fn account_of(token: u64) -> u64 {
    token % ACCOUNTS + 1
}

fn domain_of(account: u64) -> String {
    format!("domain-{account}.example")
}

fn digest_of(token: u64) -> TokenDigest {
    TokenDigest::of(&format!("bench token {token}"))
}

fn set_up(core: &mut Core) {
    let local = |change| (Command::Manage(Actor::Local(0), Box::new(change)), Origin::default());
    let initialize = Change::Initialize { origin: "bench.example/log".to_owned(), log_vkey: String::new() };
    core.commit(&[(Command::Manage(Actor::Init, Box::new(initialize)), Origin::default())]).unwrap();
    let accounts: Vec<Job> = (1..=ACCOUNTS)
        .flat_map(|account| {
            let create = Change::CreateAccount {
                name: text(&format!("Account {account}")),
                email: text(&format!("account-{account}@{}", domain_of(account))),
                plan: Plan::Teams,
                hourly_limit: Some(1_000_000_000),
            };
            let resource = ResourceRequest::Domain(DomainFacts::default());
            let add = Change::AddResource { account: AccountId(account), name: text(&domain_of(account)), resource };
            [local(create), local(add)]
        })
        .collect();
    let tokens: Vec<Job> = (0..TOKENS)
        .map(|token| {
            local(Change::CreateToken {
                owner: Owner::Account(AccountId(account_of(token))),
                kind: TokenKind::Account,
                name: text(&format!("Token {token}")),
                access: Some(AccessRequest::Full),
                expires_at: None,
                conditions: Default::default(),
                secret: NewSecret { digest: digest_of(token), hint: *b"abcd" },
            })
        })
        .collect();
    for jobs in accounts.chunks(256).chain(tokens.chunks(256)) {
        core.commit(jobs).unwrap();
    }
}

/// A use of a token drawn by a small generator, so that streams interleave as they do in life.
fn use_by(random: &mut Random) -> Job {
    let number = random.draw();
    let token = number % TOKENS;
    let account = account_of(token);
    let (route, target) = match number >> 32 & 3 {
        0 => (Route::Domains, AskedTarget::List),
        1 => (Route::Zones, AskedTarget::List),
        _ => (Route::Domain, AskedTarget::Name(text(&domain_of(account)))),
    };
    let account = Some(AccountId(account));
    let command = Command::Use(Use {
        digest: digest_of(token),
        route,
        account,
        target,
        mapped: None,
        certificate: None,
        valid: true,
    });
    let mut request = [0; 16];
    request[..8].copy_from_slice(&random.draw().to_le_bytes());
    request[8..].copy_from_slice(&random.draw().to_le_bytes());
    let address = Some(text(&format!("192.0.2.{}", token % 250)));
    (command, Origin { request: RequestId(request), address, agent: Some(text("bench-client/1.0")), from: None })
}

/// SplitMix64: foreseeable, so that every run builds the same log.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// Builds the log and tells its size. Gives back records of uses, for the append measurements.
fn build(dir: &DataDir, events: u64, goals: &mut Goals) -> Vec<Vec<u8>> {
    let clock = Clock::manual(START);
    let mut core = Core::create(dir, clock.clone(), Entropy::system()).unwrap();
    set_up(&mut core);
    let mut random = Random(7);
    // Every token once, so that texts are seen before the bytes of uses are counted.
    let (before, warm_up) = (core.head(), TOKENS * 12);
    commit_uses(&mut core, &clock, &mut random, warm_up);
    core.log().checkpoint_wal().unwrap();
    let (at, bytes_at) = (core.head(), file_bytes(dir));
    println!("accounts, tokens and their texts: {before} events; first uses up to position {at}");
    let (seconds, cpu, ()) = timed(|| commit_uses(&mut core, &clock, &mut random, events));
    core.log().checkpoint_wal().unwrap();
    let head = core.head();
    let appended = (head.0 - at.0) as f64;
    println!(
        "uses appended through Core.commit, {BUILD_BATCH} a batch: {events} in {seconds:.1} s, {:.0} a second; {:.2} µs CPU an event, making the commands included",
        appended / seconds,
        cpu / appended * 1e6
    );
    let per_event = (file_bytes(dir) - bytes_at) as f64 / appended;
    let log = LogReader::open(dir).unwrap();
    let records = sample(&log, at);
    let record_bytes = records.iter().map(Vec::len).sum::<usize>() as f64 / records.len() as f64;
    let tree = tile_bytes(&log) as f64 / head.0 as f64;
    println!(
        "on disk, {head} events: {per_event:.1} bytes an event, of which record {record_bytes:.1} (mean of {}), tree {tree:.1}, SQLite {:.1}",
        records.len(),
        per_event - record_bytes - tree
    );
    goals.at_most("bytes an event on disk, tree included", per_event, 125.0);
    println!("root by the writer's tree at {head}: {}", hex(&core.log().root()));
    records
}

fn commit_uses(core: &mut Core, clock: &Clock, random: &mut Random, count: u64) {
    let mut left = count;
    while left > 0 {
        let jobs: Vec<Job> = (0..left.min(BUILD_BATCH)).map(|_| use_by(random)).collect();
        // Two seconds a batch: windows end and open many times in the log.
        clock.set(clock.now().plus_seconds(2));
        core.commit(&jobs).unwrap();
        left -= jobs.len() as u64;
    }
}

fn file_bytes(dir: &DataDir) -> u64 {
    std::fs::metadata(dir.ledger()).unwrap().len()
}

fn tile_bytes(log: &LogReader) -> u64 {
    let (mut bytes, mut last) = (0, i64::MIN);
    loop {
        let rows = log.tile_lengths(last).unwrap();
        let Some(&(end, _)) = rows.last() else { return bytes };
        bytes += rows.iter().map(|(_, length)| length).sum::<u64>();
        last = end;
    }
}

fn sample(log: &LogReader, after: Position) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    log.scan(after, Position(after.0 + 65_536), |_, record| {
        records.push(record.to_vec());
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    records
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// ---- Replay, verify, start ----

fn measure_readers(dir: &DataDir, rounds: usize, goals: &mut Goals) {
    let log = LogReader::open(dir).unwrap();
    let head = log.head().unwrap();
    let events = head.0 as f64;
    let (mut rates, mut cpu): ([Vec<f64>; 4], [Vec<f64>; 4]) = Default::default();
    let mut projections = Projections::default();
    for _ in 0..rounds {
        let scan = timed(|| scan_bare(dir));
        let replay = timed(|| {
            let mut replayed = Projections::default();
            rebuild::replay_into(dir, &mut replayed, head, &mut |_| {}).unwrap();
            replayed
        });
        let verifying = timed(|| verify(dir, Options::default(), &mut |_, _| {}).unwrap());
        let hashing = timed(|| hash_chain(&log, head));
        assert!(verifying.2.is_clean(), "{:#?}", verifying.2);
        println!(
            "  round: scan {:.2} s, replay {:.2} s, verify {:.2} s, root {}",
            scan.0,
            replay.0,
            verifying.0,
            hex(&verifying.2.root.unwrap())
        );
        let times = [(scan.0, scan.1), (replay.0, replay.1), (verifying.0, verifying.1), (hashing.0, hashing.1)];
        for ((rates, cpu), (seconds, used)) in rates.iter_mut().zip(&mut cpu).zip(times) {
            rates.push(events / seconds);
            cpu.push(used / events * 1e9);
        }
        projections = replay.2;
    }
    let [scan_cpu, replay_cpu, verifying_cpu, hashing_cpu] = cpu.map(median);
    println!(
        "CPU ns an event: bare scan {scan_cpu:.0}, scan and SHA-256 {hashing_cpu:.0}, replay {replay_cpu:.0}, verify {verifying_cpu:.0}"
    );
    let [scan, replay, verifying, hashing] = rates.map(median);
    println!("bare scan of all rows: {:.2} M/s", scan / 1e6);
    println!("replay into projections, two threads: {:.2} M/s, {:.2} of the bare scan", replay / 1e6, replay / scan);
    println!(
        "verify, three threads on these cores: {:.2} M/s, {:.2} of scan and one SHA-256 a record on one core",
        verifying / 1e6,
        verifying / hashing
    );
    goals.at_least("replay, M events a second", replay / 1e6, 2.0);
    goals.at_least("verify, M events a second", verifying / 1e6, 1.0);
    measure_start(dir, &log, &projections, rounds, events / replay);
}

fn measure_start(dir: &DataDir, log: &LogReader, projections: &Projections, rounds: usize, full: f64) {
    let leaf = merkle::leaf_hash(&log.record(projections.position).unwrap().unwrap());
    let (storing, ()) = seconds_of(|| Views::open(dir).unwrap().store(projections, leaf).unwrap());
    let starts = (0..rounds).map(|_| {
        let (seconds, (core, loaded)) =
            seconds_of(|| Core::open(dir, Clock::manual(START), Entropy::system()).unwrap());
        assert_eq!((loaded.from_snapshot, core.head()), (projections.position, projections.position));
        seconds
    });
    let start = median(starts.collect());
    println!(
        "snapshot at the head: stored in {:.0} ms; start with it {:.0} ms, without it {:.0} ms",
        storing * 1e3,
        start * 1e3,
        full * 1e3
    );
}

fn scan_bare(dir: &DataDir) {
    let connection = Connection::open(dir.ledger()).unwrap();
    let mut statement = connection.prepare("SELECT position, record FROM events ORDER BY position").unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut sum = 0u64;
    while let Some(row) = rows.next().unwrap() {
        let position: i64 = row.get(0).unwrap();
        sum = sum.wrapping_add(position as u64 + row.get_ref(1).unwrap().as_blob().unwrap().len() as u64);
    }
    std::hint::black_box(sum);
}

/// What a chain would cost: each record read and hashed once, on one core.
fn hash_chain(log: &LogReader, head: Position) {
    let mut last = [0; 32];
    log.scan(Position(0), head, |_, record| {
        last = merkle::leaf_hash(record);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    std::hint::black_box(last);
}

// ---- Append ----

fn measure_appends(parent: &Path, records: &[Vec<u8>], arguments: &Arguments, goals: &mut Goals) {
    println!("append, records a second (medians of {} rounds): batch, log writer, bare loop, ratio", arguments.rounds);
    let at_least = Duration::from_millis(arguments.append_ms);
    for batch in BATCHES {
        let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..arguments.rounds {
            let dir = parent.join(format!("append-{batch}-{round}"));
            // In turn, and the first of the two in turn: the disk is not the same from one second to the next.
            let (our_rate, bare_rate) = if round % 2 == 0 {
                let our_rate = append_ours(&dir.join("ours"), records, batch, at_least);
                (our_rate, append_bare(&dir.join("bare"), records, batch, at_least))
            } else {
                let bare_rate = append_bare(&dir.join("bare"), records, batch, at_least);
                (append_ours(&dir.join("ours"), records, batch, at_least), bare_rate)
            };
            ours.push(our_rate);
            bare.push(bare_rate);
            ratios.push(our_rate / bare_rate);
            std::fs::remove_dir_all(&dir).unwrap();
        }
        let ratio = median(ratios);
        println!("  {batch:>5} {:>10.0} {:>10.0}  {ratio:.2}", median(ours), median(bare));
        goals.at_least(&format!("append / bare loop, batch {batch}"), ratio, 0.5);
    }
}

fn batches(records: &[Vec<u8>], batch: usize) -> Vec<Batch> {
    let chunks = records.chunks_exact(batch).take(2_048);
    chunks
        .map(|chunk| {
            let mut batch = Batch::default();
            chunk.iter().for_each(|record| batch.push_record(record));
            batch
        })
        .collect()
}

fn append_ours(path: &Path, records: &[Vec<u8>], batch: usize, at_least: Duration) -> f64 {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut log = LogWriter::create(&DataDir::new(path)).unwrap();
    let batches = batches(records, batch);
    rate_of(&batches, at_least, |batch| {
        log.append(batch, &[]).unwrap();
    })
}

/// The least a program could do to keep the same blobs as safely: same file settings, same table, no tree.
fn append_bare(path: &Path, records: &[Vec<u8>], batch: usize, at_least: Duration) -> f64 {
    std::fs::create_dir_all(path).unwrap();
    let connection = Connection::open(path.join("bare.db")).unwrap();
    connection.execute_batch("PRAGMA page_size=8192; PRAGMA secure_delete=ON;").unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=1000;
             PRAGMA recursive_triggers=ON; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;
             PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-32768; PRAGMA temp_store=MEMORY;",
        )
        .unwrap();
    connection.execute_batch(include_str!("../../../schema/ledger/001_ledger.sql")).unwrap();
    let batches = batches(records, batch);
    let mut position = 0i64;
    let mut insert = connection.prepare("INSERT INTO events (position, record) VALUES (?1, ?2)").unwrap();
    rate_of(&batches, at_least, |batch| {
        connection.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        for record in batch.records() {
            position += 1;
            insert.execute((position, record)).unwrap();
        }
        connection.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
    })
}

fn rate_of(batches: &[Batch], at_least: Duration, mut append: impl FnMut(&Batch)) -> f64 {
    let started = Instant::now();
    let mut appended = 0;
    for batch in batches.iter().cycle() {
        append(batch);
        appended += batch.len();
        if started.elapsed() >= at_least {
            break;
        }
    }
    appended as f64 / started.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use token_ledger::log::codec;

    #[test]
    fn records_of_uses_decode() {
        let dir = tempfile::tempdir().unwrap();
        let dir = DataDir::new(dir.path().join("ledger"));
        let records = build(&dir, 2_000, &mut Goals::default());
        assert!(records.iter().all(|record| codec::decode(record).is_ok()));
    }
}
