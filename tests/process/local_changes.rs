//! Changes from the machine itself, with a server running and without.

use crate::client::{Ask, Client};
use crate::program::Server;
use crate::scene::Scene;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

fn new_staff_token(scene: &Scene, role: &str) -> (String, u64) {
    let arguments = ["staff-token", "--role", role, "--name", "after the loss", "--json"];
    let shown: Value = serde_json::from_str(&scene.run(&arguments).expect(0).stdout).unwrap();
    (shown["token"].as_str().unwrap().to_owned(), shown["position"].as_u64().unwrap())
}

/// The token works, and the log says that a person on this machine made it.
fn works_and_is_told(server: &Server, token: &str, position: u64) {
    let mut client = Client::connect(server.address).unwrap();
    let event = client.ask(Ask::get(&format!("/v1/events/{position}"), token)).unwrap().expect(200).json();
    let data = &event["data"];
    assert_eq!(data["type"], "TokenCreated", "{event}");
    assert_eq!(data["principal"]["kind"], "local", "{event}");
    assert_eq!(data["data"]["by"]["authority"]["kind"], "local", "{event}");
}

#[test]
fn a_lost_operator_token_is_replaced_beside_the_server_and_without_one() {
    let scene = Scene::new();
    let (offline, first) = new_staff_token(&scene, "operator");
    let server = scene.serve(&[]);
    works_and_is_told(&server, &offline, first);
    let mode = std::fs::metadata(scene.dir().socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only the owner may ask");
    let (online, second) = new_staff_token(&scene, "auditor");
    assert!(second > first);
    works_and_is_told(&server, &online, second);
    server.terminate().expect(0);
    scene.run(&["verify"]).expect(0);
    scene.run(&["replay", "--compare"]).expect(0);
    for (name, bytes) in files(&scene) {
        for token in [&offline, &online] {
            assert!(!bytes.windows(token.len()).any(|part| part == token.as_bytes()), "a secret is in {name}");
        }
    }
}

fn files(scene: &Scene) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(scene.data()).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn a_refused_local_change_is_named_and_changes_nothing() {
    let scene = Scene::new();
    let before = scene.fingerprint();
    let asked = |name: &str, time: &str| {
        scene.run(&["staff-token", "--role", "operator", "--name", name, "--expires-at", time])
    };
    asked("late", "tomorrow").expect(1).says("is no time");
    asked("", "2099-01-01T00:00:00Z").expect(1).says("name can't be blank");
    scene.run(&["staff-token", "--role", "king", "--name", "x"]).expect(2);
    assert_eq!(scene.fingerprint(), before);
    let server = scene.serve(&[]);
    asked("late", "tomorrow").expect(1).says("is no time");
    asked("", "2099-01-01T00:00:00Z").expect(1).says("name can't be blank");
    server.terminate().expect(0);
}
