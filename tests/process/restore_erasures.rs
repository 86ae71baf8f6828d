//! A backup remembers what was erased after it was taken. A restore must not bring it back.

use crate::backup::{backup, restore, shown};
use crate::program::{Server, run_on};
use crate::scene::Scene;
use std::fs;
use std::path::Path;

/// Stands in the user's name, and so in a backup that was taken before the erasure.
const MARK: &[u8] = b"Person 1";

fn is_in(data: &Path) -> Vec<String> {
    let files = fs::read_dir(data).unwrap().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().unwrap().is_file());
    let found = files.filter(|entry| fs::read(entry.path()).unwrap().windows(MARK.len()).any(|part| part == MARK));
    found.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn what_was_erased_after_the_backup_is_erased_again_by_the_restore() {
    let scene = Scene::new();
    let (copy, data) = (scene.aside("backup"), scene.aside("restored"));
    backup(&scene, &copy, &["--with-key"]).expect(0);
    assert_eq!(is_in(&copy), ["ledger.db"], "the backup holds the name");
    scene.run(&["erase", "--user", "1", "--yes"]).expect(0);
    assert_eq!(is_in(&scene.data()), Vec::<String>::new());
    let live = scene.dir().erasures();
    let erasures = ["--erasures", live.to_str().unwrap()];

    let refused = restore(&copy, &data, &erasures).expect(1);
    refused.says("erased after the backup was taken").says("--new-log");
    assert!(!data.exists(), "nothing is left of a refused restore");

    let made = shown(restore(&copy, &data, &[&erasures[..], &["--new-log", "--json"]].concat()));
    assert!(made["new_log"]["position"].is_u64(), "{made}");
    assert_eq!(is_in(&data), Vec::<String>::new(), "the name came back");
    run_on(&["verify"], &data).expect(0).says("Nothing is wrong");
    Server::start(&data, &[]).terminate().expect(0);
    run_on(&["replay", "--compare"], &data).expect(0);
    assert_eq!(is_in(&data), Vec::<String>::new());
}

#[test]
fn a_backup_taken_after_an_erasure_takes_its_file_along_and_is_restored_as_ever() {
    let scene = Scene::new();
    let (copy, data) = (scene.aside("backup"), scene.aside("restored"));
    scene.run(&["erase", "--user", "1", "--yes"]).expect(0);
    backup(&scene, &copy, &["--with-key"]).expect(0);
    restore(&copy, &data, &[]).expect(0);
    assert!(data.join("erasures.db").exists());
    assert_eq!(is_in(&data), Vec::<String>::new());
    run_on(&["verify"], &data).expect(0).says("Nothing is wrong");
    Server::start(&data, &[]).terminate().expect(0);
}

#[test]
fn a_file_that_holds_no_erasures_is_named_and_refused() {
    let scene = Scene::new();
    let (copy, data) = (scene.aside("backup"), scene.aside("restored"));
    backup(&scene, &copy, &[]).expect(0);
    let foreign = scene.dir().ledger();
    restore(&copy, &data, &["--erasures", foreign.to_str().unwrap()]).expect(1).says("ledger.db");
    assert!(!data.exists());
}

#[test]
fn a_file_of_erasures_that_knows_less_than_the_backup_is_refused() {
    let (scene, other) = (Scene::new(), Scene::new());
    let (copy, data) = (scene.aside("backup"), scene.aside("restored"));
    scene.run(&["erase", "--user", "1", "--yes"]).expect(0);
    backup(&scene, &copy, &["--with-key"]).expect(0);
    // Of a log that began as this one did, and went on by itself.
    other.run(&["erase", "--user", "2", "--yes"]).expect(0);
    let erasures = other.dir().erasures();
    let refused = restore(&copy, &data, &["--new-log", "--erasures", erasures.to_str().unwrap()]).expect(1);
    refused.says("erasures.db").says("of another log, or older than the backup");
    assert!(!data.exists());
}

/// Nothing tells it from the right one, where the backup knows of no erasure; so it is said that it did nothing.
#[test]
fn a_file_of_erasures_that_names_nothing_of_the_backup_is_told() {
    let (scene, other) = (Scene::new(), Scene::new());
    let (copy, data) = (scene.aside("backup"), scene.aside("restored"));
    backup(&scene, &copy, &["--with-key"]).expect(0);
    let operator = &other.tokens.operator;
    let server = other.serve(&[]);
    let user = serde_json::json!({ "name": "Somebody", "email": "somebody@example.com" });
    let mut client = crate::client::Client::connect(server.address).unwrap();
    let made = client.ask(crate::client::Ask::send("POST", "/v1/users", operator, &user)).unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.body).unwrap();
    server.terminate().expect(0);
    other.run(&["erase", "--user", &made["data"]["id"].to_string(), "--yes"]).expect(0);
    let erasures = other.dir().erasures();
    let told = restore(&copy, &data, &["--new-log", "--erasures", erasures.to_str().unwrap()]).expect(0);
    told.says("names no text that the backup still holds");
}
