//! The file of the signed head: lost, of another log, or on a disk that fails.

use crate::client::{Ask, Client};
use crate::injector::Injector;
use crate::load::{Load, Logged, seed};
use crate::program::until;
use crate::scene::{Scene, copy_directory, init};
use serde_json::Value;
use std::fs;
use token_ledger::log::DataDir;

const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0"];
const ACCEPTING: &[&str] = &["serve", "--listen", "127.0.0.1:0", "--accept-missing-head"];

/// Refused, naming the way on; nothing is changed.
#[track_caller]
fn refuse(scene: &Scene, command: &[&str], words: &[&str]) {
    let before = scene.fingerprint();
    let mut ended = scene.run(command).expect(1);
    for words in words {
        ended = ended.says(words);
    }
    assert_eq!(scene.fingerprint(), before, "{ended:#?}");
}

/// A second ledger beside the scene's.
fn another(scene: &Scene) -> DataDir {
    let other = scene.aside("another");
    init(&other);
    DataDir::new(other)
}

#[test]
fn a_log_without_its_signed_head_is_refused_until_someone_accepts_it() {
    let scene = Scene::new();
    fs::remove_file(scene.dir().head()).unwrap();
    refuse(&scene, SERVE, &["head.db", "missing", "older copy", "--accept-missing-head"]);
    scene.run(&["verify"]).expect(1).says("head.db, which says what was signed, is missing");
    let server = scene.serve(&["--accept-missing-head"]);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/checkpoint", "")).unwrap().expect(200);
    server.terminate().expect(0).says("the signed head was lost");
    scene.serve(&[]).terminate().expect(0);
    scene.run(&["verify"]).expect(0).says("Nothing is wrong");
}

/// It begins, and so holds nothing: as good as none for a log that was served.
#[test]
fn a_fresh_signed_head_does_not_stand_in_for_a_lost_one() {
    let scene = Scene::new();
    fs::copy(another(&scene).head(), scene.dir().head()).unwrap();
    refuse(&scene, SERVE, &["head.db", "holds no signed head", "--accept-missing-head"]);
}

#[test]
fn accepting_does_not_help_past_a_signed_head_that_is_there_or_a_missing_key() {
    let scene = Scene::new();
    let older = scene.aside("older.db");
    fs::copy(scene.dir().ledger(), &older).unwrap();
    scene.serve(&[]).terminate().expect(0);
    fs::copy(&older, scene.dir().ledger()).unwrap();
    refuse(&scene, ACCEPTING, &["an older copy took its place"]);
    let scene = Scene::new();
    fs::remove_file(scene.dir().key()).unwrap();
    refuse(&scene, ACCEPTING, &["log.key", "missing"]);
    fs::remove_file(scene.dir().head()).unwrap();
    refuse(&scene, ACCEPTING, &["log.key", "missing"]);
}

#[test]
fn another_logs_ledger_file_is_refused() {
    let scene = Scene::new();
    let other = another(&scene);
    fs::copy(other.ledger(), scene.dir().ledger()).unwrap();
    refuse(&scene, SERVE, &["another log's signing key"]);
    // With its key beside it, only the signed head can tell.
    fs::copy(other.key(), scene.dir().key()).unwrap();
    refuse(&scene, SERVE, &["signed before"]);
}

#[test]
fn a_ledger_that_is_gone_leaves_a_signed_head_that_init_does_not_touch() {
    let scene = Scene::new();
    fs::remove_file(scene.dir().ledger()).unwrap();
    refuse(&scene, &["init"], &["head.db", "a log whose ledger.db is gone"]);
}

/// Snapshots are a cache: one of another log is passed over by name, never loaded.
#[test]
fn snapshots_of_another_log_are_passed_over() {
    let (scene, other) = (Scene::new(), Scene::new());
    // The same position with another record: both went on after they were the same.
    for scene in [&scene, &other] {
        scene.serve(&[]).terminate().expect(0);
    }
    fs::copy(other.dir().views(), scene.dir().views()).unwrap();
    scene.run(&["verify"]).expect(1).says("it is of another log");
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    scene.run(&["replay", "--compare"]).expect(0).says("the running server");
    server.terminate().expect(0).says("snapshot passed over").says("it is of another log");
    // Two snapshots are kept: the next one pushes it out.
    scene.serve(&[]).terminate().expect(0);
    scene.run(&["verify"]).expect(0);
}

/// What was signed must be found by the next start: after a failed sync nobody knows whether it will be.
#[test]
fn a_signed_head_that_cannot_be_synced_ends_the_process_and_loses_nothing() {
    let seed = seed();
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let load = Load::begin(&server, &scene, seed);
    let wal = scene.data().join("head.db-wal");
    let fault = "error=EIO:when=1";
    let mut injector = Injector::attach(server.id(), "fsync,fdatasync", fault, Some(&wal), scene.aside("strace"));
    injector.wait_until_injected();
    server.end().expect(74).says("the signed head could not be moved");
    injector.detach();
    let book = load.end();
    scene.serve(&[]).terminate().expect(0);
    Logged::read(&scene.dir()).holds(&book, &format!("seed {seed}: after the new start"));
    scene.run(&["verify"]).expect(0).says("Nothing is wrong");
}

/// Readiness, with what it warns of.
fn warnings(client: &mut Client) -> Vec<Value> {
    client.ask(Ask::get("/readyz", "")).unwrap().expect(200).json()["warnings"].as_array().unwrap().clone()
}

#[test]
fn a_full_disk_delays_checkpoints_and_stops_nobody() {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    assert_eq!(warnings(&mut client), Vec::<Value>::new());
    let wal = scene.data().join("head.db-wal");
    let mut injector = Injector::attach(server.id(), "pwrite64", "error=ENOSPC", Some(&wal), scene.aside("strace"));
    let mut used = || client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200).position();
    used();
    injector.wait_until_injected();
    let receipt = used().unwrap();
    let mut client = Client::connect(server.address).unwrap();
    until("readiness says it", || warnings(&mut client).len() == 1);
    assert!(warnings(&mut client)[0].as_str().unwrap().contains("no checkpoint is signed"));
    injector.detach();
    until("it is signed after all", || {
        let note = String::from_utf8(client.ask(Ask::get("/checkpoint", "")).unwrap().expect(200).body).unwrap();
        note.lines().nth(1).unwrap().parse::<u64>().unwrap() >= receipt
    });
    until("the warning goes", || warnings(&mut client).is_empty());
    server.terminate().expect(0);
    scene.run(&["verify"]).expect(0).says("Nothing is wrong");
}

#[test]
fn a_directory_can_be_copied_whole_and_goes_on() {
    let scene = Scene::new();
    let moved = scene.aside("moved");
    copy_directory(&scene.data(), &moved);
    crate::program::Server::start(&moved, &[]).terminate().expect(0);
}
