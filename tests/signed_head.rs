//! The signed head: what was signed can neither be taken back nor contradicted without being noticed.

use std::path::Path;
use token_ledger::audit::verify::{Given, Options, verify};
use token_ledger::clock::Clock;
use token_ledger::domain::command::{Actor, Change, Command, Origin};
use token_ledger::domain::ids::Position;
use token_ledger::domain::text::PersonalText;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::initialize::initialize;
use token_ledger::ledger::{DataDir, Ledger, LogError, Settings};
use token_ledger::log::note::{Checkpoint, LogKey, Vkey};
use token_ledger::log::reader::LogReader;
use token_ledger::log::signed_head::{HeadFile, SignedHead, accept_missing, read_signed_head, root_at};

fn new_ledger() -> (tempfile::TempDir, DataDir, Vkey) {
    let base = tempfile::tempdir().expect("a temporary directory");
    let dir = DataDir::new(base.path().join("ledger"));
    let (made, _) = initialize(&dir, Some("ledger.example/log"), "first", Clock::system(), Entropy::system())
        .map_err(|error| error.to_string())
        .expect("a new ledger");
    (base, dir, made.log_vkey.parse().expect("a verifier key"))
}

fn create_user(number: u32) -> Command {
    let change = Change::CreateUser {
        email: PersonalText::new(format!("user{number}@example.com")),
        name: PersonalText::new(format!("user {number}")),
    };
    Command::Manage(Actor::Local(0), Box::new(change))
}

/// Runs a ledger, records some users, ends it in order, and gives the last checkpoint it served.
async fn run(dir: &DataDir, users: u32) -> String {
    let ledger = Ledger::start(dir, Clock::system(), Entropy::system(), Settings::default()).expect("it starts");
    for number in 0..users {
        ledger.submit(create_user(number), Origin::default()).await.expect("recorded");
    }
    let stopping = ledger.clone();
    tokio::task::spawn_blocking(move || stopping.stop()).await.expect("it stops");
    ledger.checkpoint().expect("a checkpoint was signed").to_string()
}

fn start(dir: &DataDir) -> Result<Ledger, LogError> {
    Ledger::start(dir, Clock::system(), Entropy::system(), Settings::default())
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("copied");
}

#[tokio::test]
async fn an_orderly_end_signs_the_last_record_and_the_checkpoint_verifies() {
    let (_base, dir, vkey) = new_ledger();
    let note = run(&dir, 300).await;
    let checkpoint = Checkpoint::verify(&note, &vkey).expect("it verifies");
    let log = LogReader::open(&dir).expect("readable");
    assert_eq!(Position(checkpoint.size), log.head().expect("a head"));
    assert_eq!(checkpoint.root, root_at(&log, Position(checkpoint.size)).expect("a root"));
    let report = verify(&dir, Options::default(), &mut |_, _| {}).expect("verified");
    assert_eq!(report.findings, [], "nothing is wrong");
    assert_eq!(report.signed, Some(Position(checkpoint.size)));
}

#[tokio::test]
async fn a_checkpoint_is_stored_once_and_served_again_after_a_restart() {
    let (_base, dir, _) = new_ledger();
    let first = run(&dir, 3).await;
    let ledger = start(&dir).expect("it starts again");
    let served = ledger.checkpoint().expect("the stored one").to_string();
    tokio::task::spawn_blocking(move || ledger.stop()).await.expect("it stops");
    assert_eq!(served, first);
}

#[tokio::test]
async fn an_older_copy_in_place_of_the_log_is_refused_and_found() {
    let (base, dir, _) = new_ledger();
    run(&dir, 2).await;
    let older = base.path().join("older.db");
    copy(&dir.ledger(), &older);
    run(&dir, 5).await;
    copy(&older, &dir.ledger());
    let refused = start(&dir).expect_err("an older copy");
    assert!(matches!(refused, LogError::BehindSignedHead { .. }), "{refused}");
    let report = verify(&dir, Options::default(), &mut |_, _| {}).expect("readable");
    assert!(report.findings.iter().any(|finding| finding.what.contains("older copy")), "{:?}", report.findings);
}

#[tokio::test]
async fn another_history_of_the_same_length_is_refused_and_found() {
    let (base, dir, _) = new_ledger();
    let older = base.path().join("older");
    std::fs::create_dir(&older).expect("a folder");
    run(&dir, 1).await;
    copy(&dir.ledger(), &older.join("ledger.db"));
    run(&dir, 4).await;
    let signed = read_signed_head(&dir).expect("readable").expect("signed");
    // The same log grown apart from the same beginning, as if the signed head had been elsewhere meanwhile.
    let head = dir.head();
    std::fs::rename(&head, base.path().join("head.db")).expect("moved");
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", head.display()));
    }
    copy(&older.join("ledger.db"), &dir.ledger());
    let refused = start(&dir).expect_err("without a signed head");
    assert!(matches!(refused, LogError::NoSignedHead { .. }), "{refused}");
    assert!(accept_missing(&dir).expect("accepted").is_some());
    run(&dir, 9).await;
    std::fs::rename(base.path().join("head.db"), &head).expect("moved back");
    let refused = start(&dir).expect_err("a fork");
    assert!(matches!(refused, LogError::OffSignedHead { signed: at } if at == signed.size), "{refused}");
    let report = verify(&dir, Options::default(), &mut |_, _| {}).expect("readable");
    let found = report.findings.iter().any(|finding| finding.what.contains("not the ones that were signed"));
    assert!(found, "{:?}", report.findings);
}

#[test]
fn a_missing_or_short_key_is_named() {
    let (_base, dir, _) = new_ledger();
    std::fs::write(dir.key(), b"short").expect("written");
    let short = HeadFile::open(&dir, "ledger.example/log").expect_err("a short key").to_string();
    assert!(short.contains("log.key") && short.contains("32 bytes"), "{short}");
    std::fs::remove_file(dir.key()).expect("removed");
    let missing = HeadFile::open(&dir, "ledger.example/log").expect_err("no key").to_string();
    assert!(missing.contains("log.key") && missing.contains("missing"), "{missing}");
}

#[test]
fn a_signed_head_whose_checkpoint_was_not_stored_is_signed_when_asked_again() {
    let (_base, dir, vkey) = new_ledger();
    let signers = [vkey.to_string()];
    let log = LogReader::open(&dir).expect("readable");
    let size = log.head().expect("a head");
    let head = SignedHead { size, root: root_at(&log, size).expect("a root") };
    let older = Position(size.0 - 1);
    let older = SignedHead { size: older, root: root_at(&log, older).expect("a root") };
    let mut file = HeadFile::open(&dir, "ledger.example/log").expect("opened");
    let before = file.sign(older, &signers).expect("signed");
    let first = file.sign(head, &signers).expect("signed");
    // What a crash between the two steps leaves, with a checkpoint before it and without.
    let connection = rusqlite::Connection::open(dir.head()).expect("opened");
    for (gone, left) in [(head.size.0, Some(before)), (0, None)] {
        connection.execute("DELETE FROM checkpoints WHERE size >= ?1", [gone as i64]).expect("gone");
        assert_eq!(file.latest().expect("readable"), left);
        assert_eq!(
            file.sign(head, &signers).expect("signed again"),
            first,
            "the same size is never signed with another text"
        );
    }
    Checkpoint::verify(&first, &vkey).expect("it verifies");
}

#[test]
fn the_signed_head_never_moves_back() {
    let (_base, dir, vkey) = new_ledger();
    let signers = [vkey.to_string()];
    let log = LogReader::open(&dir).expect("readable");
    let size = log.head().expect("a head");
    let at = |size: Position| SignedHead { size, root: root_at(&log, size).expect("a root") };
    let mut file = HeadFile::open(&dir, "ledger.example/log").expect("opened");
    let newest = file.sign(at(size), &signers).expect("signed");
    assert_eq!(file.sign(at(Position(size.0 - 1)), &signers).expect("answered"), newest, "an older head is not signed");
    let connection = rusqlite::Connection::open(dir.head()).expect("opened");
    let back = connection.execute("UPDATE signed_head SET size = size - 1", []);
    assert!(back.is_err(), "the file itself refuses");
}

/// What `verify` finds wrong, with a checkpoint that somebody kept.
fn found(dir: &DataDir, checkpoint: Option<&str>) -> Vec<String> {
    let given = checkpoint.map(|note| Given { from: "the kept one".to_owned(), note: note.to_owned() });
    let options = Options { given: given.into_iter().collect(), ..Options::default() };
    let report = verify(dir, options, &mut |_, _| {}).expect("readable");
    report.findings.into_iter().map(|finding| finding.what).collect()
}

#[track_caller]
fn assert_says(found: &[String], words: &str) {
    assert!(found.iter().any(|what| what.contains(words)), "{words:?} is not in {found:?}");
}

#[tokio::test]
async fn a_kept_checkpoint_shows_whether_the_log_grew_out_of_it() {
    let (base, dir, vkey) = new_ledger();
    let kept = run(&dir, 3).await;
    let older = base.path().join("older.db");
    copy(&dir.ledger(), &older);
    let newest = run(&dir, 4).await;
    assert_eq!(found(&dir, Some(&kept)), Vec::<String>::new());
    assert_eq!(found(&dir, Some(&newest)), Vec::<String>::new());
    assert_says(&found(&dir, Some("no note")), "holds no checkpoint");
    let Checkpoint { size, root, .. } = Checkpoint::verify(&kept, &vkey).expect("it verifies");
    let signed_as = |origin: &str, root| {
        let key = LogKey::from_seed(origin, &[9; 32]).expect("a key");
        Checkpoint { origin: origin.to_owned(), size, root }.sign(&key).expect("signed")
    };
    assert_says(&found(&dir, Some(&signed_as("other.example/log", root))), "of another log");
    assert_says(&found(&dir, Some(&signed_as(vkey.name(), root))), "does not verify");
    assert_says(&found(&dir, Some(&signed_as(vkey.name(), [7; 32]))), "not the ones that were signed");
    copy(&older, &dir.ledger());
    assert_says(&found(&dir, Some(&newest)), "this is an older copy");
}

#[tokio::test]
async fn a_stored_checkpoint_that_does_not_verify_is_found() {
    let (_base, dir, vkey) = new_ledger();
    let note = run(&dir, 3).await;
    let checkpoint = Checkpoint::verify(&note, &vkey).expect("it verifies");
    let key = LogKey::from_seed(vkey.name(), &[9; 32]).expect("a key");
    let forged = checkpoint.sign(&key).expect("signed");
    for (stored, words) in [(forged.as_str(), "does not verify"), ("no note", "is none")] {
        let connection = rusqlite::Connection::open(dir.head()).expect("opened");
        let size = i64::try_from(checkpoint.size).expect("a size");
        connection.execute("DELETE FROM checkpoints WHERE size = ?1", [size]).expect("gone");
        connection.execute("INSERT INTO checkpoints VALUES (?1, ?2)", (size, stored)).expect("stored");
        drop(connection);
        assert_says(&found(&dir, None), words);
    }
}
