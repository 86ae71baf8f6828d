//! `history` and `export`: the events of one thing, and all of them for other programs.

use crate::client::{Ask, Client};
use crate::past::{events, json_of};
use crate::scene::{Scene, ZONE};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn history(scene: &Scene, of: &[&str]) -> Value {
    json_of(scene.run(&[&["history", "--json"], of].concat()))
}

fn positions(events: &Value) -> Vec<u64> {
    events.as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

/// Uses of the zone by two tokens, one refused, one of another name.
fn used() -> Scene {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let [first, second, ..] = &scene.tokens.account[..] else { unreachable!() };
    let zone = format!("/v2/1/zones/{ZONE}");
    let grants =
        json!({ "access": { "grants": [{ "group": "zones", "level": "read_only", "resources": ["other.example"] }] } });
    client.ask(Ask::get(&zone, first)).unwrap().expect(200);
    client.ask(Ask::get(&zone, second)).unwrap().expect(200);
    client.ask(Ask::send("PATCH", "/v1/accounts/1/tokens/3", &scene.tokens.operator, &grants)).unwrap().expect(200);
    client.ask(Ask::get(&zone, second)).unwrap().expect(403);
    client.ask(Ask::get("/v2/1/zones/absent.example", first)).unwrap().expect(404);
    client.ask(Ask::get("/v2/accounts", &scene.tokens.user[0])).unwrap().expect(200);
    server.terminate().expect(0);
    scene
}

#[test]
fn a_history_holds_exactly_the_events_about_its_subject() {
    let scene = used();
    let events = events(&scene);
    let at = |is_it: &dyn Fn(&Value) -> bool| -> Vec<u64> {
        events.iter().filter(|event| is_it(event)).map(|event| event["position"].as_u64().unwrap()).collect()
    };
    let of = |arguments: &[&str]| positions(&history(&scene, arguments)["events"]);
    let account = history(&scene, &["--account", "1"]);
    let numbers = account["events"].as_array().unwrap().iter().map(|event| event["account_number"].as_u64().unwrap());
    assert!(numbers.eq(1..=account["total"].as_u64().unwrap()), "no gap: {account}");
    assert_eq!(of(&["--token", "3"]), at(&|event| event["token_id"] == 3 || event["credential"] == 3));
    assert_eq!(of(&["--token", "1"]), at(&|event| event["token_id"] == 1 || event["credential"] == 1));
    let tokens = [json!(5)];
    let is_of_user = |event: &Value| {
        event["principal"] == json!({ "kind": "user", "id": 1 })
            || tokens.contains(&event["token_id"])
            || event["data"]["user_id"] == 1
            || event["data"]["subject"] == json!({ "kind": "user", "id": 1 })
    };
    assert_eq!(of(&["--user", "1"]), at(&is_of_user));
    // Of the zone: added, named, used twice and refused once; not the domain of the same name, not the absent one.
    let zone = history(&scene, &["--resource", "2"]);
    let kinds: Vec<&str> =
        zone["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["TextSeen", "ResourceAdded", "TokenUsed", "TokenUsed", "TokenUseRefused"], "{zone}");
}

#[test]
fn a_history_takes_from_and_leaves_to_and_keeps_the_newest() {
    let scene = used();
    let whole = history(&scene, &["--account", "1"]);
    let all = whole["events"].as_array().unwrap();
    let at = |index: usize| all[index]["recorded_at"].as_str().unwrap();
    let (from, to) = (at(all.len() / 3), at(all.len() - 1));
    let expected: Vec<u64> = all
        .iter()
        .filter(|event| (from..to).contains(&event["recorded_at"].as_str().unwrap()))
        .map(|event| event["position"].as_u64().unwrap())
        .collect();
    let part = history(&scene, &["--account", "1", "--from", from, "--to", to]);
    assert_eq!(positions(&part["events"]), expected);
    let newest = history(&scene, &["--account", "1", "--limit", "2"]);
    assert_eq!(newest["total"], whole["total"]);
    assert_eq!(newest["events"].as_array().unwrap(), &all[all.len() - 2..]);
    let none = history(&scene, &["--account", "1", "--to", "1999-01-01T00:00:00Z"]);
    assert_eq!((&none["total"], &none["events"]), (&json!(0), &json!([])));
}

#[test]
fn a_history_is_told_in_words() {
    let scene = used();
    let told = scene.run(&["history", "--token", "3", "--limit", "3"]).expect(0);
    for words in ["3 shown", "TokenUseRefused", "account 1, token 3", "scope zones:example.com:read", "missing_scope"] {
        assert!(told.stdout.contains(words), "{words:?} is not in {}", told.stdout);
    }
    scene.run(&["history", "--token", "1"]).expect(0).says("by init").says("by operator version 1 from 127.0.0.1");
}

#[test]
fn a_history_of_nothing_is_refused() {
    let scene = Scene::new();
    scene.run(&["history"]).expect(2).says("--account");
    scene.run(&["history", "--account", "1", "--user", "1"]).expect(2);
    scene.run(&["history", "--account", "1", "--from", "then"]).expect(2).says("must be a time");
    for kind in ["account", "token", "user", "resource"] {
        let words = format!("there never was a {kind} 99");
        scene.run(&["history", &format!("--{kind}"), "99"]).expect(1).says(&words);
    }
}

// ---- export ----

#[test]
fn an_export_is_what_the_service_shows() {
    let scene = used();
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let page = client.ask(Ask::get("/v1/events?limit=1000", &scene.tokens.operator)).unwrap().expect(200).json();
    let head = page["head"]["position"].to_string();
    let exported = scene.run(&["export", "--format", "ndjson", "--until", &head]).expect(0);
    let lines: Vec<Value> = exported.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(page["data"].as_array().unwrap(), &lines);
    let summary: Value = serde_json::from_str(exported.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["head"], &summary["events"]), (&page["head"], &page["head"]["position"]));
    server.terminate().expect(0);
    let part = scene.run(&["export", "--after", "3", "--until", "5"]).expect(0);
    let part: Vec<Value> = part.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(part, lines[3..5]);
    let at = lines[9]["recorded_at"].as_str().unwrap();
    let until = scene.run(&["export", "--until", at]).expect(0);
    let expected = lines.iter().filter(|line| line["recorded_at"].as_str().unwrap() <= at).count();
    assert_eq!(until.stdout.lines().count(), expected);
}

#[test]
fn an_export_is_a_new_file_for_its_owner_or_none() {
    let scene = used();
    let path = scene.aside("events.ndjson");
    let export = |more: &[&str]| scene.run(&[&["export", "--out", path.to_str().unwrap()], more].concat());
    export(&["--after", "1000000"]).expect(1).says("nothing can come after position 1000000");
    assert!(!path.exists());
    export(&[]).expect(0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(written, scene.run(&["export"]).expect(0).stdout + "\n");
    export(&["--until", "5"]).expect(1).says("is there already");
    assert_eq!(fs::read_to_string(&path).unwrap(), written);
    // Cut short on the way: no file, whole or not.
    fs::remove_file(&path).unwrap();
    crate::live_views::change_record(&scene, 10, |record| record[0] = 9);
    export(&[]).expect(1).says("position 10");
    let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["ledger"]);
    let absent = scene.aside("absent").join("events.ndjson");
    scene.run(&["export", "--until", "5", "--out", absent.to_str().unwrap()]).expect(74).says("absent");
}

#[test]
fn an_erased_text_is_null() {
    let scene = Scene::new();
    let ledger = Connection::open(scene.dir().ledger()).unwrap();
    assert_eq!(ledger.execute("DELETE FROM personal WHERE text = 'Person 1'", ()).unwrap(), 1);
    drop(ledger);
    let created = events(&scene).into_iter().find(|event| event["type"] == "UserCreated").unwrap();
    assert_eq!((&created["data"]["name"], &created["data"]["email"]), (&Value::Null, &json!("person1@example.com")));
    assert!(!scene.run(&["history", "--user", "1"]).expect(0).stdout.contains("Person 1"));
    scene.run(&["state", "--user", "1"]).expect(0).says(" 1   -     person1@example.com");
}
