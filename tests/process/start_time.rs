//! A start on a large log is short, and views are only a cache.

use crate::client::{Ask, Client};
use crate::program::Server;
use crate::scene::Scene;
use std::time::{Duration, Instant};
use token_ledger::audit::compare::{LiveDigests, offline_live, replay_to};
use token_ledger::clock::Clock;
use token_ledger::domain::command::{AskedTarget, Command, Origin, Use};
use token_ledger::domain::event::Route;
use token_ledger::domain::ids::RequestId;
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::log::reader::LogReader;

const USES: usize = 1_000_000;
const READY_TIME_MAX: Duration = Duration::from_secs(2);

/// Appends uses of all the scene's account tokens through the writer itself, in the batches of a busy server.
fn append_uses(scene: &Scene, uses: usize) {
    let mut entropy = Entropy::system();
    let (mut core, _) = Core::open(&scene.dir(), Clock::system(), Entropy::system()).unwrap();
    let digests: Vec<_> = scene.tokens.account.iter().map(|text| TokenDigest::of(text)).collect();
    let mut job = |number: usize| -> Job {
        let (route, target) = (Route::Whoami, AskedTarget::None);
        let digest = digests[number % digests.len()];
        let used = Use { digest, route, account: None, target, mapped: None, certificate: None, valid: true };
        let origin = Origin { request: RequestId(entropy.bytes_16()), ..Origin::default() };
        (Command::Use(used), origin)
    };
    let mut appended = 0;
    while appended < uses {
        let batch = 1_000.min(uses - appended);
        let jobs: Vec<Job> = (appended..appended + batch).map(&mut job).collect();
        assert_eq!(core.commit(&jobs).unwrap().records.len(), batch, "each use is one record");
        appended += batch;
    }
}

fn digests_by_replay(scene: &Scene) -> LiveDigests {
    let head = LogReader::open(&scene.dir()).unwrap().head().unwrap();
    LiveDigests::of(&replay_to(&scene.dir(), head, &mut |_| {}).unwrap()).unwrap()
}

/// From the start of the process to the first 200 of `/readyz`.
fn ready_after(scene: &Scene) -> (Duration, Server) {
    let began = Instant::now();
    let server = scene.serve(&[]);
    Client::connect(server.address).unwrap().ask(Ask::get("/readyz", "")).unwrap().expect(200);
    (began.elapsed(), server)
}

#[test]
fn deleting_the_views_loses_nothing() {
    let scene = Scene::new();
    append_uses(&scene, 5_000);
    scene.serve(&[]).terminate().expect(0);
    let before = LiveDigests::of(&offline_live(&scene.dir()).unwrap().unwrap()).unwrap();
    assert_eq!(before, digests_by_replay(&scene));
    std::fs::remove_file(scene.dir().views()).unwrap();
    let server = scene.serve(&[]);
    scene.run(&["replay", "--compare"]).expect(0).says("the running server");
    server.terminate().expect(0);
    let after = LiveDigests::of(&offline_live(&scene.dir()).unwrap().unwrap()).unwrap();
    assert_eq!(after, digests_by_replay(&scene));
    // Of the two runs only the service's own records differ, and they are in one projection.
    let differing = before.digests.iter().zip(&after.digests).filter(|(one, other)| one != other);
    assert!(differing.count() <= 1);
}

/// `cargo test --release --test process -- --ignored --nocapture a_log_of_a_million`
#[test]
#[ignore = "a measurement, for the release build"]
fn a_log_of_a_million_uses_is_ready_within_two_seconds() {
    let scene = Scene::new();
    append_uses(&scene, USES);
    let (replayed, server) = ready_after(&scene);
    server.terminate().expect(0);
    let mut ready: Vec<Duration> = (0..5)
        .map(|_| {
            let (ready, server) = ready_after(&scene);
            server.terminate().expect(0);
            ready
        })
        .collect();
    ready.sort();
    println!("ready with a snapshot: {ready:?}; by replaying nearly all of {USES} uses: {replayed:?}");
    assert!(*ready.last().unwrap() <= READY_TIME_MAX, "{ready:?}");
}
