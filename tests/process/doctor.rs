//! `doctor`: a healthy ledger, and one fault at a time.

use crate::client::{Ask, Client};
use crate::past::json_of;
use crate::program::run_on;
use crate::scene::{Scene, empty_parent, init};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn check<'a>(shown: &'a Value, name: &str) -> &'a Value {
    let checks = shown["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name:?} in {shown}"))
}

/// The named check says so, nothing is changed, and the exit code follows the problems.
#[track_caller]
fn finds(scene: &Scene, name: &str, level: &str, words: &str) {
    let before = scene.fingerprint();
    let ended = scene.run(&["doctor", "--json"]);
    let shown: Value = serde_json::from_str(&ended.stdout).unwrap();
    let found = check(&shown, name);
    assert_eq!(found["level"], level, "{shown:#}");
    assert!(found["what"].as_str().unwrap().contains(words), "{words:?} is not in {found:#}");
    assert!(level == "ok" || found["to_do"].is_string(), "{found:#}");
    ended.expect(i32::from(shown["problems"] != 0));
    let lines = scene.run(&["doctor"]).stdout;
    assert!(lines.lines().any(|line| line.starts_with(level) && line.contains(words)), "{lines}");
    assert_eq!(scene.fingerprint(), before);
}

#[test]
fn a_healthy_ledger_has_no_problem_with_or_without_its_server() {
    let scene = Scene::new();
    let shown = json_of(scene.run(&["doctor", "--json"]));
    assert_eq!((shown["problems"].as_u64(), shown["warnings"].as_u64()), (Some(0), Some(0)), "{shown:#}");
    let server = scene.serve(&[]);
    let shown = json_of(scene.run(&["doctor", "--json"]));
    let lock = check(&shown, "lock and socket");
    assert_eq!(
        (lock["level"].as_str(), lock["what"].as_str()),
        (Some("ok"), Some(&*format!("a server runs: process {}", server.id())))
    );
    assert_eq!(shown["problems"], 0, "{shown:#}");
    server.terminate().expect(0);
    finds(&scene, "lock and socket", "ok", "no server runs");
    scene.serve(&[]).kill();
    finds(&scene, "lock and socket", "warning", "was killed");
    finds(&scene, "write-ahead log", "warning", "did not end in order");
    scene.serve(&[]).terminate().expect(0);
    finds(&scene, "write-ahead log", "ok", "0 bytes");
}

#[test]
fn files_that_others_may_open_are_a_problem() {
    let scene = Scene::new();
    fs::set_permissions(scene.dir().key(), fs::Permissions::from_mode(0o644)).unwrap();
    finds(&scene, "file modes", "problem", "log.key (0644)");
    let scene = Scene::new();
    fs::set_permissions(scene.data(), fs::Permissions::from_mode(0o755)).unwrap();
    finds(&scene, "directory", "problem", "can be read by others");
}

#[test]
fn a_key_that_is_missing_or_another_logs_is_a_problem() {
    let scene = Scene::new();
    fs::write(scene.dir().key(), [7; 32]).unwrap();
    finds(&scene, "signing key", "problem", "another log's");
    fs::write(scene.dir().key(), [7; 31]).unwrap();
    finds(&scene, "signing key", "problem", "must be 32 bytes");
    fs::remove_file(scene.dir().key()).unwrap();
    finds(&scene, "signing key", "problem", "signing key is missing");
}

#[test]
fn a_log_that_is_not_the_one_that_was_signed_is_a_problem() {
    let scene = Scene::new();
    let older = scene.aside("older.db");
    fs::copy(scene.dir().ledger(), &older).unwrap();
    scene.serve(&[]).terminate().expect(0);
    fs::copy(&older, scene.dir().ledger()).unwrap();
    finds(&scene, "signed head", "problem", "an older copy took its place");
    fs::remove_file(scene.dir().head()).unwrap();
    finds(&scene, "signed head", "problem", "missing or empty");
    let parent = empty_parent();
    let fresh = parent.path().join("ledger");
    init(&fresh);
    run_on(&["doctor"], &fresh).expect(0).says("nothing was signed yet");
}

#[test]
fn snapshots_that_cannot_be_used_are_named() {
    let scene = Scene::new();
    let another = another_logs_views(&scene.aside("another"));
    fs::copy(another, scene.dir().views()).unwrap();
    finds(&scene, "snapshots", "problem", "of another log");
    let shown = scene.run(&["state"]).expect(0).says("it is of another log").says("robot 1");
    assert!(shown.stderr.contains("passed over"), "{shown:#?}");
    fs::write(scene.dir().views(), "garbage ".repeat(5_000)).unwrap();
    finds(&scene, "snapshots", "warning", "views.db cannot be read");
    scene.run(&["state"]).expect(0).says("No snapshot could be used").says("robot 1");
    fs::remove_file(scene.dir().views()).unwrap();
    finds(&scene, "snapshots", "warning", "there are none");
}

/// Of a log that has a record at every position that the scene has one at.
fn another_logs_views(data: &Path) -> std::path::PathBuf {
    init(data);
    crate::program::Server::start(data, &[]).terminate().expect(0);
    data.join("views.db")
}

#[test]
fn a_directory_that_holds_no_ledger_is_a_problem() {
    let scene = Scene::new();
    fs::remove_file(scene.dir().ledger()).unwrap();
    finds(&scene, "ledger file", "problem", "holds no ledger");
    let other = Connection::open(scene.dir().ledger()).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(other);
    fs::set_permissions(scene.dir().ledger(), fs::Permissions::from_mode(0o600)).unwrap();
    finds(&scene, "ledger file", "problem", "another program's database");
    let parent = empty_parent();
    let absent = parent.path().join("absent");
    run_on(&["doctor"], &absent).expect(1).says("holds no ledger");
    assert!(!absent.exists());
}

#[test]
fn a_ledger_of_another_schema_step_is_a_problem() {
    let scene = Scene::new();
    Connection::open(scene.dir().ledger()).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
    finds(&scene, "ledger file", "problem", "schema step 9");
}

#[test]
fn a_file_in_the_place_of_the_directory_is_a_problem() {
    let scene = Scene::new();
    run_on(&["doctor"], &scene.dir().ledger()).expect(1).says("not a directory");
}

#[test]
fn a_file_of_erasures_that_is_lost_or_none_is_a_problem() {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let body = json!({ "name": "Last Example", "email": "last@example.com" });
    let last = client.ask(Ask::send("POST", "/v1/users", &scene.tokens.operator, &body)).unwrap().expect(201).json();
    server.terminate().expect(0);
    // The texts with the highest numbers: no row tells of them.
    scene.run(&["erase", "--user", &last["data"]["id"].to_string(), "--yes"]).expect(0);
    finds(&scene, "erasures", "ok", "2 texts are kept erased");
    fs::remove_file(scene.dir().erasures()).unwrap();
    finds(&scene, "erasures", "problem", "of 2 texts that are gone");
    scene.serve(&[]).terminate().expect(0);
    finds(&scene, "erasures", "ok", "2 texts are kept erased");
    fs::write(scene.dir().erasures(), b"no database").unwrap();
    finds(&scene, "erasures", "problem", "is not a ledger file");
    // A file in the middle of a write looks the same from outside: nobody is sent to remove it.
    let shown: Value = serde_json::from_str(&scene.run(&["doctor", "--json"]).stdout).unwrap();
    let to_do = check(&shown, "erasures")["to_do"].as_str().unwrap();
    assert!(to_do.starts_with("start the service again") && !to_do.contains("remove"), "{to_do}");
}
