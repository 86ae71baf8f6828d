//! Storage that fails under a running server.

use crate::client::{Ask, Client};
use crate::injector::{Injector, injected, serve_with};
use crate::load::{Book, Load, Logged, seed};
use crate::scene::Scene;
use std::time::Duration;
use token_ledger::domain::event::{Event, OutageCause};

/// Longest time from the first failed call to the end of the process: answers get half a second, strace slows it down.
const END_TIME_MAX: Duration = Duration::from_secs(5);
const STORAGE: i32 = 74;

/// A server under load whose storage fails for good: 503, then its end, then nothing is missing.
#[track_caller]
fn ends_and_loses_nothing(calls: &str, fault: &str, file: Option<&str>) {
    let seed = seed();
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let load = Load::begin(&server, &scene, seed);
    let path = file.map(|file| scene.data().join(file));
    let mut injector = Injector::attach(server.id(), calls, fault, path.as_deref(), scene.aside("strace"));
    injector.wait_until_injected();
    let ended = server.end().expect(STORAGE).says("storage failed");
    assert!(ended.took < END_TIME_MAX, "seed {seed}: {ended:#?}");
    injector.detach();
    let book = load.end();
    assert!(book.unavailable > 0, "seed {seed}: clients are told that nothing could be recorded");
    assert_eq!(book.answered_after_503, 0, "seed {seed}: nobody gets a receipt after the first failure");
    is_whole_after_a_new_start(&scene, book);
}

/// The next start finds its way: every receipt is in the log once, tokens are what clients were told, nothing is wrong,
/// and the next use works.
#[track_caller]
pub fn is_whole_after_a_new_start(scene: &Scene, book: Book) {
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    for made in &book.deleted {
        client.ask(Ask::get("/v2/whoami", &made.text)).unwrap().expect(401);
    }
    for made in &book.alive {
        client.ask(Ask::get("/v2/whoami", &made.text)).unwrap().expect(200);
    }
    server.terminate().expect(0);
    Logged::read(&scene.dir()).holds(&book, "after the new start");
    scene.run(&["verify"]).expect(0).says("Nothing is wrong");
    scene.run(&["replay", "--compare"]).expect(0);
}

#[test]
fn a_disk_that_cannot_sync_ends_the_process_and_loses_nothing() {
    ends_and_loses_nothing("fsync,fdatasync", "error=EIO", None);
}

/// Once is enough: after a failed sync the kernel may count pages as written that never were, so a second try that
/// works says nothing.
#[test]
fn one_failed_sync_ends_the_process_and_loses_nothing() {
    ends_and_loses_nothing("fsync,fdatasync", "error=EIO:when=1", Some("ledger.db-wal"));
}

/// An I/O error leaves open what is in the file, so nothing may be appended after it.
#[test]
fn one_failed_write_ends_the_process_and_loses_nothing() {
    ends_and_loses_nothing("pwrite64", "error=EIO:when=1", Some("ledger.db-wal"));
}

/// A full disk is another case: what could not be written is known not to be there, so the batch is rolled back and the
/// same handle goes on.
#[test]
fn a_disk_that_is_full_once_refuses_and_then_records_again() {
    let seed = seed();
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let load = Load::begin(&server, &scene, seed);
    let wal = scene.data().join("ledger.db-wal");
    let mut injector =
        Injector::attach(server.id(), "pwrite64", "error=ENOSPC:when=1", Some(&wal), scene.aside("strace"));
    injector.wait_until_injected();
    assert_eq!(injector.detach(), 1);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    client.ask(Ask::get("/readyz", "")).unwrap().expect(200);
    let book = load.stop();
    assert!(book.unavailable > 0, "seed {seed}: the batch that was rolled back is answered 503");
    let logged = Logged::read(&scene.dir());
    let outages: Vec<_> = (1..=logged.len())
        .filter_map(|position| match logged.at(position) {
            Event::RecordingResumed(resumed) => Some(resumed),
            _ => None,
        })
        .collect();
    assert!(matches!(outages[..], [resumed] if resumed.cause == OutageCause::DiskFull), "seed {seed}: {outages:?}");
    assert!(outages[0].turned_away >= book.unavailable, "seed {seed}: {outages:?}");
    scene.run(&["replay", "--compare"]).expect(0).says("the running server");
    server.terminate().expect(0);
    is_whole_after_a_new_start(&scene, book);
}

/// The sync that follows a move of the write-ahead log into the file. Every answer that was given stands: the
/// write-ahead log has its record. But pages of the file may count as written that are not, so a new start must look.
#[test]
fn a_failed_sync_of_the_ledger_file_itself_ends_the_process_and_loses_nothing() {
    ends_and_loses_nothing("fsync,fdatasync", "error=EIO:when=1", Some("ledger.db"));
}

#[test]
fn a_failed_write_of_the_ledger_file_itself_ends_the_process_and_loses_nothing() {
    ends_and_loses_nothing("pwrite64", "error=EIO:when=1", Some("ledger.db"));
}

/// No room for the file to grow: the write-ahead log keeps what it has and is moved another time.
#[test]
fn a_ledger_file_that_cannot_grow_turns_nobody_away_and_loses_nothing() {
    let seed = seed();
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let load = Load::begin(&server, &scene, seed);
    let file = scene.data().join("ledger.db");
    let mut injector =
        Injector::attach(server.id(), "pwrite64", "error=ENOSPC:when=1", Some(&file), scene.aside("strace"));
    injector.wait_until_injected();
    assert_eq!(injector.detach(), 1);
    let book = load.stop();
    assert_eq!(book.unavailable, 0, "seed {seed}");
    let mut client = Client::connect(server.address).unwrap();
    let metrics = client.ask(Ask::get("/metrics", "")).unwrap().expect(200);
    assert!(String::from_utf8_lossy(&metrics.body).contains("token_ledger_wal_moves_without_room_total 1\n"));
    server.terminate().expect(0);
    is_whole_after_a_new_start(&scene, book);
}

/// The record that recording started is tried again before anything else is recorded: without it, the next start would
/// take this run's end for an orderly one.
#[test]
fn a_disk_that_is_full_at_the_start_leaves_no_run_without_its_beginning() {
    let scene = Scene::new();
    let head = Logged::read(&scene.dir()).len();
    let report = scene.aside("strace");
    let server = serve_with(&scene, "pwrite64", "error=ENOSPC:when=1", "ledger.db-wal", &report);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    client.ask(Ask::get("/readyz", "")).unwrap().expect(200);
    assert_eq!(injected(&report), 1);
    server.kill();
    let logged = Logged::read(&scene.dir());
    assert!(matches!(logged.at(head + 1), Event::RecordingStarted(_)), "{:?}", logged.at(head + 1));
    is_whole_after_a_new_start(&scene, Book::default());
    assert_eq!(Logged::read(&scene.dir()).last_start_after_clean_stop(), Some(false));
}

#[test]
fn a_disk_that_cannot_sync_at_the_start_ends_the_process() {
    let scene = Scene::new();
    let report = scene.aside("strace");
    let server = serve_with(&scene, "fsync,fdatasync", "error=EIO:when=1", "ledger.db-wal", &report);
    let ended = server.end().expect(STORAGE).says("storage failed");
    assert!(ended.took < END_TIME_MAX, "{ended:#?}");
    assert_eq!(injected(&report), 1);
    is_whole_after_a_new_start(&scene, Book::default());
}
