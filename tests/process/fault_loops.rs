//! A short life of a server, in which the first file operation fails, in the next one the second, and so on until one
//! meets no fault: whatever was acknowledged is there afterwards, nothing is wrong, and the next use works.

use crate::client::Client;
use crate::load::{Book, Logged, Random, Worker, seed};
use crate::program::{Ended, SERVE, Server, token_ledger};
use crate::scene::Scene;
use crate::shim::{Fault, each_in_turn};
use token_ledger::audit::compare::{LiveDigests, replay_to};
use token_ledger::audit::verify::{Options, verify};
use token_ledger::clock::Clock;
use token_ledger::domain::command::{AskedTarget, Command, Origin, Use};
use token_ledger::domain::event::Route;
use token_ledger::domain::ids::{RequestId, TokenId};
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::Core;

const STORAGE: i32 = 74;
/// Requests of a run.
const REQUESTS: usize = 5;

/// From the start on, the n-th operation on `{}` or a file of it fails.
fn fails_in_turn(operation: &str, file: &str, how: &str) {
    each_in_turn(|n| {
        let scene = Scene::new();
        let file = file.replace("{}", scene.data().to_str().unwrap());
        let rule = format!("{operation}:{file}:{n}:{how}");
        let fault = Fault::new(&scene.aside(""), &rule);
        fault.arm();
        let seed = seed();
        let (ended, book) = live(&scene, &fault, seed);
        let context = format!("seed {seed}, {rule}: {ended:#?}");
        assert!(!ended.stderr.contains("panicked"), "{context}");
        let is_killed = ended.code.is_none() && how.contains("KILL");
        assert!(is_killed || matches!(ended.code, Some(0 | STORAGE)), "{context}");
        let struck = fault.injected() > 0;
        if !struck {
            assert!(ended.code == Some(0) && book.unavailable == 0, "{context}");
        }
        if ended.code == Some(STORAGE) {
            assert_eq!(book.answered_after_503, 0, "{context}");
        }
        is_whole(&scene, &book, &context);
        struck
    });
}

/// A start, a few requests, and a stop: as far as it comes.
fn live(scene: &Scene, fault: &Fault, seed: u64) -> (Ended, Book) {
    let mut worker = Worker::new(Random::new(seed), scene.tokens.clone());
    let mut command = token_ledger();
    command.args(SERVE).arg(scene.data()).args(["--snapshot-events", "6"]);
    let server = match Server::try_start_by(fault.at(command)) {
        Ok(server) => server,
        Err(ended) => return (ended, worker.into_book()),
    };
    if let Ok(mut client) = Client::connect(server.address) {
        let _ = (0..REQUESTS).try_for_each(|_| worker.act(&mut client));
    }
    (server.terminate(), worker.into_book())
}

/// Looked at and started again without the processes, which the tables of rows have.
fn is_whole(scene: &Scene, book: &Book, context: &str) {
    let dir = scene.dir();
    Logged::read(&dir).holds(book, context);
    let report = verify(&dir, Options::default(), &mut |_, _| {}).unwrap();
    assert!(report.is_clean(), "{context}: {report:#?}");
    let (mut core, loaded) = Core::open(&dir, Clock::system(), Entropy::system()).unwrap();
    let replayed = replay_to(&dir, core.head(), &mut |_| {}).unwrap();
    assert_eq!(LiveDigests::of(&loaded.projections).unwrap(), LiveDigests::of(&replayed).unwrap(), "{context}");
    let is_deleted = |id: u64| core.state().token(TokenId(id)).unwrap().deleted_at.is_some();
    assert!(book.deleted.iter().all(|made| is_deleted(made.id)), "{context}");
    assert!(!book.alive.iter().any(|made| is_deleted(made.id)), "{context}");
    let digest = TokenDigest::of(&scene.tokens.account[0]);
    let (route, target) = (Route::Whoami, AskedTarget::None);
    let used = Use { digest, route, account: None, target, mapped: None, certificate: None, valid: true };
    let origin = Origin { request: RequestId([7; 16]), ..Origin::default() };
    let (reply, _) = core.execute(Command::Use(used), origin).unwrap();
    assert!(reply.position.is_some(), "{context}: {reply:?}");
}

const WAL: &str = "/ledger.db-wal$";

/// Ledger, signed head, snapshots and directory.
const EVERYTHING: &str = "{}";

#[test]
fn each_file_operation_fails_unstored_in_turn() {
    fails_in_turn("any", EVERYTHING, "before:EIO");
}

#[test]
fn each_file_operation_fails_stored_in_turn() {
    fails_in_turn("any", EVERYTHING, "after:EIO");
}

#[test]
fn commits_fail_and_lose_what_was_not_synced_in_turn() {
    fails_in_turn("sync", WAL, "lost:EIO");
    fails_in_turn("sync", WAL, "lost:EIO:persistent");
}

#[test]
fn append_and_commit_fail_for_good_in_turn() {
    fails_in_turn("any", WAL, "before:EIO:persistent");
}

#[test]
fn append_meets_a_full_disk_in_turn() {
    fails_in_turn("write", WAL, "before:ENOSPC");
    fails_in_turn("write", WAL, "after:ENOSPC");
}

#[test]
fn append_meets_a_disk_that_stays_full_in_turn() {
    fails_in_turn("write", WAL, "before:ENOSPC:persistent");
}

#[test]
fn killed_after_each_file_operation_in_turn() {
    fails_in_turn("any", EVERYTHING, "after:KILL");
}
