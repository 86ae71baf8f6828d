//! The ledger of the day on which format 1 was frozen, kept as a backup in `golden/format-1`. Every later program verifies
//! it, reads and writes its records to the byte, answers about it what was answered then, and carries it on.
//!
//! The files of the backup never change. `answers.json` is text for people: `BLESS=1 cargo test -p replay-tests --test
//! format_1` writes it anew where an answer has got a new member, and whoever commits that says why.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "cases/golden.rs"]
mod golden;

use replay_tests::checks::{check_order, check_streams, check_texts, records};
use replay_tests::generator::{BEGIN, Generator, kind_of};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use token_ledger::audit::archive::Archive;
use token_ledger::audit::questions::{self, Asked};
use token_ledger::audit::verify::{Options, verify};
use token_ledger::clock::Clock;
use token_ledger::domain::event::EVENT_TYPES;
use token_ledger::domain::ids::Position;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::ledger::initialize::initialize;
use token_ledger::log::backup::{Manifest, make_servable};
use token_ledger::log::codec::{decode, is_canonical};
use token_ledger::log::reader::LogReader;
use token_ledger::log::{DataDir, codec};

/// Root of the tree over its records. It is said here, too, so that no change of the files goes unseen.
const ROOT: &str = "907bc28f13dd908e2408043e117bd532c0dd2b59c0e5b88c805b1725e63d4bf8";
const SEED: u64 = 2;
const BATCHES: usize = 450;
/// What no command of a story brings about; `golden/records.json` has each of them.
const NOT_IN_IT: &[&str] = &["LogContinued"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/format-1")
}

/// A restored copy of it.
struct Kept {
    _home: TempDir,
    dir: DataDir,
    manifest: Manifest,
}

fn kept() -> Kept {
    let home = tempfile::tempdir().expect("a directory can be made");
    let dir = DataDir::new(home.path().join("ledger"));
    dir.prepare().expect("a directory can be made");
    let manifest = Manifest::read(&folder()).expect("it is a backup");
    manifest.copy_files(&folder(), &dir).expect("its files are those that it describes");
    make_servable(&dir).expect("it can be made servable");
    Kept { _home: home, dir, manifest }
}

#[test]
fn it_verifies() {
    let kept = kept();
    let all = records(&kept.dir);
    assert_eq!(all.last().map(|(position, ..)| *position), Some(kept.manifest.position));
    check_order(&all);
    check_streams(&all);
    check_texts(&kept.dir, &all);
    assert_eq!(root_of_verified(&kept.dir), ROOT);
}

fn root_of_verified(dir: &DataDir) -> String {
    let report = verify(dir, Options::default(), &mut |_, _| {}).expect("the files can be read");
    assert!(report.is_clean(), "{:#?}", report.findings);
    report.root.iter().flatten().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn each_record_is_read_and_written_to_the_byte() {
    let kept = kept();
    let log = LogReader::open(&kept.dir).expect("the log opens");
    let (mut scratch, mut types) = (Vec::new(), BTreeMap::new());
    for position in 1..=kept.manifest.position.0 {
        let record = log.record(Position(position)).expect("it can be read").expect("there is no gap");
        assert_eq!(record[0], codec::FORMAT, "at {position}");
        let (header, event) = decode(&record).unwrap_or_else(|error| panic!("at {position}: {error}"));
        assert!(is_canonical(&record, &header, &event, &mut scratch), "at {position}");
        *types.entry(event.type_name()).or_insert(0) += 1;
    }
    let absent: Vec<&str> =
        EVENT_TYPES.iter().map(|(_, _, name)| *name).filter(|name| !types.contains_key(name)).collect();
    assert_eq!(absent, NOT_IN_IT, "of {types:?}");
}

#[test]
fn questions_about_it_are_answered_as_then() {
    let kept = kept();
    let end = records(&kept.dir).last().map(|(_, header, _)| header.recorded_at).expect("it has records");
    let archive = Archive::open(&kept.dir, end).expect("the log opens");
    let (position, to) = (kept.manifest.position.to_string(), end.to_micros_text());
    let mut answers = Map::new();
    for account in 1..=4 {
        for (name, said) in [
            ("access-review", [("account", account.to_string()), ("as_of", position.clone())]),
            ("quota", [("account", account.to_string()), ("to", to.clone())]),
            ("growth", [("account", account.to_string()), ("to", to.clone())]),
        ] {
            answers.insert(format!("{name} {account}"), answer(&archive, name, &said));
        }
    }
    golden::assert_golden(&folder().join("answers.json"), &Value::Object(answers), 3);
}

fn answer(archive: &Archive, name: &str, said: &[(&str, String)]) -> Value {
    let question = questions::question(name).expect("a question");
    let pairs: Vec<(String, String)> = said.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
    let asked = Asked::read(question, &pairs).expect("it is asked well");
    let told = questions::ask(archive, question, &asked).expect("it is answered");
    let tables = told.tables.iter().map(|table| (table.name.to_string(), json!(table.rows)));
    Value::Object(tables.collect())
}

#[test]
fn it_is_carried_on() {
    let kept = kept();
    let clock = Clock::system();
    let (mut core, _) = Core::open(&kept.dir, clock.clone(), Entropy::seeded(1)).expect("the ledger opens");
    assert_eq!(core.head(), kept.manifest.position);
    let mut generator = Generator::new(1);
    for _ in 0..20 {
        let jobs = generator.batch(core.state());
        core.commit(&jobs).expect("the batch is appended");
    }
    assert!(core.head() > kept.manifest.position);
    drop(core);
    assert_ne!(root_of_verified(&kept.dir), ROOT);
}

/// Made it, once; `token-ledger serve` then signed its head, and `token-ledger backup` copied it without its key.
#[test]
#[ignore = "the golden ledger is never made anew"]
fn make_it() {
    let path = std::env::var_os("TOKEN_LEDGER_GOLDEN").expect("TOKEN_LEDGER_GOLDEN says where");
    let dir = DataDir::new(PathBuf::from(path));
    let clock = Clock::manual(BEGIN);
    let made = initialize(&dir, Some("format-1.example"), "first", clock.clone(), Entropy::seeded(SEED));
    let (_, mut core) = made.expect("a ledger can be made");
    let mut generator = Generator::new(SEED);
    let beginning = generator.beginning_with_an_authorization();
    // Its name it has.
    core.commit(&beginning[1..]).expect("the beginning is appended");
    for _ in 0..BATCHES {
        generator.move_clock(&clock);
        // Its key stays the one that is there: the service has to sign with it.
        let keeps_key = |job: &Job| !["rotate log key", "continue log"].contains(&kind_of(&job.0));
        let jobs: Vec<Job> = generator.batch(core.state()).into_iter().filter(keeps_key).collect();
        core.commit(&jobs).expect("the batch is appended");
    }
}
