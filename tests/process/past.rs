//! Looking at the past from the command line: `state`, `replay --until --into`, with a server running and without.

use crate::client::{Ask, Client};
use crate::live_views::change_record;
use crate::program::{Ended, run, run_on};
use crate::scene::{Scene, ZONE, fingerprint};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub fn json_of(ended: Ended) -> Value {
    serde_json::from_str(&ended.expect(0).stdout).unwrap()
}

/// All events, as `export` writes them.
pub fn events(scene: &Scene) -> Vec<Value> {
    let lines = scene.run(&["export"]).expect(0).stdout;
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn state(scene: &Scene, more: &[&str]) -> Value {
    json_of(scene.run(&[&["state", "--json"], more].concat()))
}

/// The one that a change of this type left last: position and time.
fn last_of(events: &[Value], kind: &str) -> (u64, String) {
    let event = events.iter().rfind(|event| event["type"] == kind).unwrap();
    (event["position"].as_u64().unwrap(), event["recorded_at"].as_str().unwrap().to_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A use, a lower limit, another access, and token 2 deleted, each after the one before.
fn lived_through() -> Scene {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let operator = &scene.tokens.operator;
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    client.ask(Ask::send("PATCH", "/v1/accounts/1", operator, &json!({ "hourly_limit": 7 }))).unwrap().expect(200);
    let grants = json!({ "access": { "grants": [{ "group": "zones", "level": "read_only", "resources": [ZONE] }] } });
    client.ask(Ask::send("PATCH", "/v1/accounts/1/tokens/3", operator, &grants)).unwrap().expect(200);
    client.ask(Ask::delete("/v1/accounts/1/tokens/2", operator)).unwrap().expect(204);
    server.terminate().expect(0);
    scene
}

#[test]
fn a_state_is_what_it_was_at_a_position_and_at_its_time() {
    let scene = lived_through();
    let events = events(&scene);
    let (deleted, at) = last_of(&events, "TokenDeleted");
    let before = (deleted - 1).to_string();
    let token = |as_of: &str| state(&scene, &["--token", "2", "--as-of", as_of])["tokens"][0].clone();
    assert_eq!(token(&before)["state"], "live");
    assert_eq!(token(&deleted.to_string())["state"], "deleted");
    let by_time = state(&scene, &["--as-of", &at]);
    let last_then = events.iter().filter(|event| event["recorded_at"].as_str().unwrap() <= at.as_str()).count();
    assert_eq!(by_time["as_of"], json!({ "position": last_then, "time": at }));
    assert_eq!(token(&at)["state"], "deleted", "a time takes in the records of that very time");

    let (limited, _) = last_of(&events, "HourlyLimitChanged");
    let account = |as_of: u64| state(&scene, &["--account", "1", "--as-of", &as_of.to_string()]);
    assert_eq!(account(limited - 1)["accounts"][0]["hourly_limit"], 1_000_000_000);
    let then = account(limited);
    assert_eq!(then["accounts"][0]["usage"]["general"]["limit"], 7);
    assert_eq!(then["accounts"][0]["usage"]["general"]["used"], 1);
    assert_eq!(then["accounts"][0]["usage"]["general"]["remaining"], 6);
    assert_eq!(then["resources"][0]["name"], ZONE);
    assert_eq!(then["members"][1]["name"], "Person 2");
    assert_eq!(then["tokens"][1]["access"], "full");
    let now = state(&scene, &[]);
    assert_eq!(now["tokens"].as_array().unwrap().len(), 5, "deleted ones are not listed: {now}");
    assert_eq!(now["tokens"][1]["access"]["grants"][0]["resources"], json!([ZONE]));
    let person = state(&scene, &["--user", "1"]);
    assert_eq!(
        (&person["users"][0]["email"], &person["members"][0]["account_id"]),
        (&json!("person1@example.com"), &json!(1))
    );
    assert_eq!(person["tokens"].as_array().unwrap().len(), 1);
}

#[test]
fn a_state_is_the_same_beside_a_server_and_with_or_without_snapshots() {
    let scene = lived_through();
    let (at, _) = last_of(&events(&scene), "HourlyLimitChanged");
    let asked = ["state", "--as-of", &at.to_string(), "--json"].map(str::to_owned);
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let state = || {
        let mut shown = json_of(scene.run(&asked));
        // Where the log ends is another matter.
        shown["head"].take();
        shown
    };
    let offline = state();
    let server = scene.serve(&[]);
    assert_eq!(state(), offline);
    server.terminate().expect(0);
    fs::remove_file(scene.dir().views()).unwrap();
    assert_eq!(state(), offline);
}

#[test]
fn a_state_in_tables_names_things_by_their_texts() {
    let scene = lived_through();
    let shown = scene.run(&["state"]).expect(0);
    for words in ["Accounts", "Members", "Users", "Tokens", "Person 1", "robot 2", "zones read_only on example.com"] {
        assert!(shown.stdout.contains(words), "{words:?} is not in {}", shown.stdout);
    }
    assert!(!shown.stdout.contains("robot 1"), "it is deleted: {}", shown.stdout);
    scene.run(&["state", "--account", "1"]).expect(0).says("Resources").says("zone");
    scene.run(&["state", "--token", "2"]).expect(0).says("robot 1").says("deleted");
}

#[test]
fn a_state_and_a_history_say_a_tokens_conditions() {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let conditions =
        json!({ "not_before": "2999-01-01T00:00:00Z", "allowed_addresses": ["127.0.0.1", "2001:db8::/32"] });
    let edit = Ask::send("PATCH", "/v1/accounts/1/tokens/2", &scene.tokens.operator, &conditions);
    client.ask(edit).unwrap().expect(200);
    server.terminate().expect(0);
    let token = &state(&scene, &["--token", "2"])["tokens"][0];
    assert_eq!(token["state"], "not yet valid");
    assert_eq!(token["allowed_addresses"], json!(["127.0.0.1/32", "2001:db8::/32"]));
    let said = "from 2999-01-01T00:00:00Z; at 127.0.0.1/32 2001:db8::/32";
    scene.run(&["state", "--token", "2"]).expect(0).says("not yet valid").says(said);
    let said = "not before 2999-01-01T00:00:00.000000Z, allowed addresses 127.0.0.1/32; 2001:db8::/32, by";
    scene.run(&["history", "--token", "2"]).expect(0).says("TokenConditionsChanged").says(said);
}

#[test]
fn a_point_that_is_not_in_the_log_is_named_and_nothing_changes() {
    let scene = Scene::new();
    let before = scene.fingerprint();
    let head = events(&scene).len();
    let beyond = (head + 1).to_string();
    let into = scene.aside("inspected");
    let refused = |as_of: &str, words: &str| {
        scene.run(&["state", "--as-of", as_of]).expect(1).says(words);
        scene.run(&["replay", "--until", as_of]).expect(1).says(words);
        scene.run(&["replay", "--until", as_of, "--into", text(&into)]).expect(1).says(words);
        scene.run(&["export", "--until", as_of]).expect(1).says(words);
    };
    refused(&beyond, &format!("there is no position {beyond}: the log has positions 1 to {head}"));
    refused("0", "there is no position 0");
    refused("1999-01-01T00:00:00Z", "1999-01-01T00:00:00.000000Z is before the first record");
    refused("2999-01-01T00:00:00Z", "2999-01-01T00:00:00.000000Z is not over yet");
    scene.run(&["state", "--as-of", "yesterday"]).expect(2).says("must be a position (1234) or a time");
    scene.run(&["state", "--account", "1", "--token", "2"]).expect(2);
    for (what, words) in [("--account", "account 99"), ("--token", "token 99"), ("--user", "user 99")] {
        scene.run(&["state", what, "99"]).expect(1).says(&format!("there is no {words}"));
    }
    assert!(!into.exists());
    assert_eq!(scene.fingerprint(), before);
}

// ---- a directory for inspection ----

#[test]
fn an_inspected_state_is_the_state_at_that_point() {
    let scene = lived_through();
    let before = scene.fingerprint();
    let (at, _) = last_of(&events(&scene), "TokenAccessChanged");
    let into = scene.aside("inspected");
    let server = scene.serve(&[]);
    let made = json_of(scene.run(&["replay", "--until", &at.to_string(), "--into", text(&into), "--json"]));
    assert_eq!(made["position"], at);
    server.terminate().expect(0);
    assert!(scene.fingerprint().keys().eq(before.keys()), "the source has the files it had");
    let mut expected = state(&scene, &["--as-of", &at.to_string()]);
    expected["head"].take();
    let inspected = json_of(run_on(&["state", "--json"], &into));
    assert_eq!(inspected, expected);
    run_on(&["state", "--token", "2"], &into).expect(0).says("robot 1").says("live");
    run_on(&["state", "--as-of", "3"], &into).expect(1).says(&format!("the state at position {at} alone"));

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&into), 0o700);
    for entry in fs::read_dir(&into).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(8).any(|part| part == b"Person 1"), "a personal text is in {}", path.display());
    }
}

#[test]
fn an_inspected_state_does_without_its_source_and_then_without_names() {
    let scene = lived_through();
    let into = scene.aside("inspected");
    scene.run(&["replay", "--into", text(&into)]).expect(0).says("token-ledger state --data");
    fs::rename(scene.data(), scene.aside("moved")).unwrap();
    let shown = run_on(&["state", "--json"], &into).expect(0).says("Names are not shown");
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&shown["accounts"][0]["name"], &shown["accounts"][0]["hourly_limit"]), (&Value::Null, &json!(7)));
    // Another log in its place names nothing either.
    run_on(&["init"], &scene.data()).expect(0);
    run_on(&["state"], &into).expect(0).says("Names are not shown");
}

#[test]
fn an_inspection_never_writes_over_anything() {
    let scene = Scene::new();
    let before = scene.fingerprint();
    let refused = |into: &Path, words: &str| {
        scene.run(&["replay", "--until", "5", "--into", text(into)]).expect(1).says(words);
    };
    let other = scene.aside("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("note"), "mine").unwrap();
    refused(&other, "is not empty");
    refused(&scene.data(), "is not empty");
    refused(&scene.data().join("inspected"), "is inside the directory");
    assert_eq!(scene.fingerprint(), before);
    assert_eq!(fingerprint(&other).len(), 1);
    scene.run(&["replay", "--compare", "--until", "5"]).expect(2);
    // An empty directory will do, and becomes its owner's alone.
    let empty = scene.aside("empty");
    fs::create_dir(&empty).unwrap();
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o755)).unwrap();
    scene.run(&["replay", "--until", "5", "--into", text(&empty)]).expect(0);
    assert_eq!(fs::metadata(&empty).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn parts_of_an_inspection_that_do_not_fit_together_are_refused() {
    let scene = Scene::new();
    let inspected = |name: &str, until: &str| {
        let into = scene.aside(name);
        scene.run(&["replay", "--until", until, "--into", text(&into)]).expect(0);
        into
    };
    let (one, other) = (inspected("one", "5"), inspected("other", "6"));
    fs::copy(one.join("inspection.json"), other.join("inspection.json")).unwrap();
    run_on(&["state"], &other).expect(1).says("cannot be inspected").says("position 5");
    let strange =
        fs::read_to_string(one.join("inspection.json")).unwrap().replace("\"leaf_hash\": \"", "\"leaf_hash\": \"A");
    fs::write(one.join("inspection.json"), strange).unwrap();
    run_on(&["state"], &one).expect(1).says("inspection.json");
    fs::remove_file(one.join("inspection.json")).unwrap();
    run_on(&["state"], &one).expect(1).says("holds no ledger");
}

// ---- nothing is changed ----

/// Every command that only reads.
fn readers(scene: &Scene) -> Vec<Vec<String>> {
    let aside = |name: &str| scene.aside(name).to_str().unwrap().to_owned();
    let commands: [&[&str]; 9] = [
        &["state"],
        &["state", "--as-of", "10", "--json"],
        &["history", "--account", "1"],
        &["history", "--token", "2", "--json"],
        &["export"],
        &["export", "--out", &aside("out.ndjson")],
        &["doctor"],
        &["verify"],
        &["replay", "--until", "10", "--into", &aside("inspected")],
    ];
    commands.iter().map(|command| command.iter().map(|&word| word.to_owned()).collect()).collect()
}

/// Every file, the lock included, apart from the shared memory of readers and empty write-ahead logs.
fn all_of(data: &Path) -> BTreeMap<String, String> {
    let mut files = fingerprint(data);
    files.insert("ledger.lock".to_owned(), fs::read_to_string(data.join("ledger.lock")).unwrap());
    files
}

#[test]
fn commands_that_read_leave_every_file_as_it_is() {
    let scene = Scene::new();
    let before = all_of(&scene.data());
    assert!(["head.db", "ledger.db", "log.key", "views.db"].iter().all(|name| before.contains_key(*name)));
    for command in readers(&scene) {
        scene.run(&command.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
        assert_eq!(all_of(&scene.data()), before, "{command:?}");
    }
}

#[test]
fn commands_that_read_leave_what_a_killed_server_left() {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    server.kill();
    let before = scene.fingerprint();
    assert!(before.contains_key("ledger.db-wal"), "{before:?}");
    for command in readers(&scene) {
        scene.run(&command.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
        assert_eq!(scene.fingerprint(), before, "{command:?}");
    }
    // What only the write-ahead log holds is read too.
    let used = events(&scene).iter().filter(|event| event["type"] == "TokenUsed").count();
    assert_eq!(used, 1);
}

#[test]
fn a_damaged_record_ends_a_look_at_what_comes_after_it() {
    let scene = Scene::new();
    fs::remove_file(scene.dir().views()).unwrap();
    change_record(&scene, 10, |record| record[0] = 9);
    for command in [&["state"][..], &["history", "--account", "1"], &["export"], &["replay", "--until", "12"]] {
        scene.run(command).expect(1).says("position 10");
    }
    scene.run(&["state", "--as-of", "9"]).expect(0);
    scene.run(&["export", "--until", "9"]).expect(1).says("position 10");
}

#[test]
fn every_command_shows_an_example() {
    let help = run(&["--help"]).expect(0).stdout;
    let commands = help.split("On a data directory:").nth(1).unwrap().split("Options:").next().unwrap();
    let names = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next().filter(|_| !line.starts_with("   ")));
    let names: Vec<&str> = names.filter(|name| *name != "help").collect();
    assert!(["state", "doctor", "routes", "tokens"].iter().all(|name| names.contains(name)), "{names:?}");
    for name in names {
        let help = run(&[name, "--help"]).expect(0).stdout;
        let shows = help.contains("Example: token-ledger") || help.contains("Examples:\n  token-ledger");
        assert!(shows, "{name}: {help}");
    }
}
