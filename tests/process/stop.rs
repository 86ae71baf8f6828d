//! SIGTERM under load, and what the next start says of the run before it.

use crate::load::{Load, Logged, seed};
use crate::scene::Scene;
use std::time::Duration;
use token_ledger::domain::event::Event;

/// Connections get ten seconds to finish; threads, snapshot and write-ahead log a little more.
const STOP_TIME_MAX: Duration = Duration::from_secs(15);

/// Who starts services may stop one the moment it says that it listens.
#[test]
fn a_stop_right_after_the_start_is_as_orderly_as_any() {
    let scene = Scene::new();
    for _ in 0..20 {
        scene.serve(&[]).terminate().expect(0);
        assert!(matches!(Logged::read(&scene.dir()).last(), Event::RecordingStopped(_)));
    }
}

#[test]
fn an_orderly_stop_under_load_records_everything_and_says_so_last() {
    let seed = seed();
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let load = Load::begin(&server, &scene, seed);
    let ended = server.terminate().expect(0);
    assert!(ended.took < STOP_TIME_MAX, "{ended:#?}");
    let book = load.end();
    let logged = Logged::read(&scene.dir());
    logged.holds(&book, &format!("seed {seed}"));
    assert!(matches!(logged.last(), Event::RecordingStopped(_)), "{:?}", logged.last());
    assert_eq!(book.unavailable, 0, "a request that was taken is finished, not refused");
    scene.run(&["verify"]).expect(0);
    scene.run(&["replay", "--compare"]).expect(0);

    let server = scene.serve(&[]);
    let load = Load::begin(&server, &scene, seed);
    assert_eq!(Logged::read(&scene.dir()).last_start_after_clean_stop(), Some(true));
    server.kill();
    load.end();

    let server = scene.serve(&[]);
    let load = Load::begin(&server, &scene, seed);
    assert_eq!(Logged::read(&scene.dir()).last_start_after_clean_stop(), Some(false));
    load.stop();
    server.terminate().expect(0);
}
