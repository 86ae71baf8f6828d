//! One writer a directory, and readers beside it.

use crate::client::{Ask, Client};
use crate::load::{Load, Logged, seed};
use crate::program::{Server, run_on};
use crate::scene::{Scene, empty_parent, init};
use std::time::Duration;

fn works(server: &Server, scene: &Scene) {
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
}

/// A start that must be refused because another process holds the directory.
fn is_refused_naming(holder: &Server, scene: &Scene) {
    let refused = scene.run(&["serve", "--listen", "127.0.0.1:0"]).expect(1);
    let refused = refused.says(&format!("is in use by process {}", holder.id()));
    assert!(refused.took < Duration::from_secs(5), "{refused:#?}");
}

#[test]
fn a_second_writer_is_refused_and_the_first_goes_on() {
    let scene = Scene::new();
    let first = scene.serve(&[]);
    for _ in 0..3 {
        is_refused_naming(&first, &scene);
        works(&first, &scene);
    }
    scene.run(&["init"]).expect(1);
    works(&first, &scene);
    // The same address as well: whoever starts the service twice learns that it runs, not that a port is taken.
    let address = first.address.to_string();
    scene.run(&["serve", "--listen", &address]).expect(1).says(&format!("in use by process {}", first.id()));
    first.kill();
    let second = scene.serve(&[]);
    works(&second, &scene);
    is_refused_naming(&second, &scene);
    second.terminate().expect(0);
}

/// Longer than a socket address holds: the local socket must work all the same.
#[test]
fn a_directory_with_a_long_path_is_served_and_compared() {
    let parent = empty_parent();
    let data = parent.path().join("a".repeat(60)).join("b".repeat(60));
    init(&data);
    let server = Server::start(&data, &[]);
    run_on(&["replay", "--compare"], &data).expect(0).says("the running server");
    server.terminate().expect(0);
    run_on(&["replay", "--compare"], &data).expect(0).says("the last snapshot");
}

#[test]
fn verify_and_replay_run_beside_a_server_under_load() {
    let seed = seed();
    let scene = Scene::new();
    let server = scene.serve(&["--snapshot-events", "500"]);
    let load = Load::begin(&server, &scene, seed);
    for _ in 0..3 {
        scene.run(&["verify"]).expect(0).says("Nothing is wrong");
        scene.run(&["replay"]).expect(0).says("Replayed");
        scene.run(&["replay", "--compare"]).expect(0).says("the running server");
    }
    let book = load.stop();
    assert_eq!(book.unavailable, 0, "readers never keep the writer from recording");
    server.terminate().expect(0);
    Logged::read(&scene.dir()).holds(&book, &format!("seed {seed}"));
}
