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
        let words = format!("{kind} 99 was never there");
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
    let absent = scene.aside("absent").join("events.ndjson");
    scene.run(&["export", "--until", "5", "--out", absent.to_str().unwrap()]).expect(74).says("absent");
    // Cut short on the way: no file, whole or not.
    fs::remove_file(&path).unwrap();
    crate::live_views::change_record(&scene, 10, |record| record[0] = 9);
    export(&[]).expect(1).says("position 10");
    let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["ledger"]);
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

// ---- formats ----

/// Rows of a query, by the `sqlite3` of Python: another program's SQLite.
fn query(path: &std::path::Path, sql: &str) -> Vec<Vec<Value>> {
    const SCRIPT: &str = "import json, sqlite3, sys
json.dump(sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True).execute(sys.argv[2]).fetchall(), sys.stdout)";
    let output = std::process::Command::new("python3").args(["-c", SCRIPT]).arg(path).arg(sql).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn csv_is_one_event_a_line_and_no_formula() {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let hostile = ["=cmd|' /C calc'!A0", "+1", "@SUM(1)", "－2", "a \"quoted\", name"];
    for name in hostile {
        let token = json!({ "name": name, "access": "full" });
        client.ask(Ask::send("POST", "/v1/accounts/1/tokens", &scene.tokens.operator, &token)).unwrap().expect(201);
    }
    server.terminate().expect(0);
    let exported = scene.run(&["export", "--format", "csv", "--account", "1"]).expect(0).stdout;
    let mut reader = csv::Reader::from_reader(exported.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let at = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    let named: Vec<&str> =
        rows.iter().filter(|row| &row[at("type")] == "TokenCreated").map(|row| &row[at("name")]).collect();
    for name in hostile {
        let shown = if name.starts_with('a') { name.to_owned() } else { format!("'{name}") };
        assert!(named.contains(&shown.as_str()), "{shown:?} is not among {named:?}");
    }
    assert!(rows.iter().all(|row| &row[at("account_id")] == "1"));
    let formula = |cell: &str| cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    assert!(!rows.iter().flatten().any(formula), "{exported}");
    let lines = json_lines(&scene, &["--account", "1"]);
    assert_eq!(lines.len(), rows.len());
    for (line, row) in lines.iter().zip(&rows) {
        assert_eq!(&serde_json::from_str::<Value>(&row[at("data")]).unwrap(), &line["data"]);
        assert_eq!(row[at("position")], line["position"].to_string());
    }
}

fn json_lines(scene: &Scene, more: &[&str]) -> Vec<Value> {
    let exported = scene.run(&[&["export"], more].concat()).expect(0).stdout;
    exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_selection_is_the_events_of_its_account_token_and_time() {
    let scene = used();
    let all = json_lines(&scene, &[]);
    let of =
        |is_it: &dyn Fn(&Value) -> bool| -> Vec<Value> { all.iter().filter(|line| is_it(line)).cloned().collect() };
    assert_eq!(json_lines(&scene, &["--account", "1"]), of(&|line| line["account_id"] == 1));
    assert_eq!(json_lines(&scene, &["--token", "3"]), of(&|line| line["token_id"] == 3));
    let at = |index: usize| all[index]["recorded_at"].as_str().unwrap();
    let (from, to) = (at(all.len() / 3), at(all.len() - 2));
    let in_time = |line: &Value| (from..to).contains(&line["recorded_at"].as_str().unwrap());
    assert_eq!(json_lines(&scene, &["--from", from, "--to", to]), of(&in_time));
    scene.run(&["export", "--to", to, "--until", "5"]).expect(2);
    scene.run(&["export", "--incremental"]).expect(2).says("--out");
    scene.run(&["export", "--format", "sqlite"]).expect(1).says("--out FILE");
}

/// Members in one order, whatever order a program keeps them in.
#[test]
fn lines_are_canonical_json() {
    let scene = Scene::new();
    let exported = scene.run(&["export"]).expect(0).stdout;
    for line in exported.lines() {
        let canonical = {
            let mut value: Value = serde_json::from_str(line).unwrap();
            value.sort_all_objects();
            value.to_string()
        };
        assert_eq!(line, canonical);
    }
}

#[test]
fn a_relational_file_opens_in_an_ordinary_tool_and_forgets_what_was_erased() {
    let scene = used();
    let path = scene.aside("ledger.sqlite");
    let file = path.to_str().unwrap();
    let export = |more: &[&str]| scene.run(&[&["export", "--format", "sqlite", "--out", file], more].concat());
    export(&["--until", "20"]).expect(0);
    export(&[]).expect(1).says("is there already");
    export(&["--incremental"]).expect(0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let lines = json_lines(&scene, &[]);
    assert_eq!(
        query(&path, "SELECT count(*), max(position) FROM events"),
        [vec![json!(lines.len()), lines.last().unwrap()["position"].clone()]]
    );
    let could = "SELECT DISTINCT token_id FROM who_could WHERE account_id = 1 AND scope_group = 'zones' AND resource = 'example.com' ORDER BY 1";
    let answer = json_of(scene.run(&[
        "audit",
        "who-could",
        "--account",
        "1",
        "--scope",
        "zones:example.com",
        "--format",
        "json",
    ]));
    let mut told: Vec<u64> =
        answer["could"].as_array().unwrap().iter().map(|row| row["token_id"].as_u64().unwrap()).collect();
    told.dedup();
    assert_eq!(query(&path, could).concat(), told);
    let names = "SELECT text FROM users JOIN texts ON text_number = name_text WHERE user_id = 1";
    assert_eq!(query(&path, names), [[json!("Person 1")]]);
    // A tool that does not know this program.
    let asked = "PRAGMA integrity_check; SELECT count(*) FROM who_did;";
    let shown = std::process::Command::new("sqlite3").arg(&path).arg(asked).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).starts_with("ok\n"), "{shown:?}");
    scene.run(&["erase", "--user", "1", "--yes"]).expect(0);
    export(&["--incremental"]).expect(0);
    assert_eq!(query(&path, names), [[Value::Null]]);
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(8).any(|window| window == b"Person 1"), "an erased name is in the file");
    let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the ledger and the file: {left:?}");
}

// ---- reports ----

#[test]
fn a_report_is_one_file_of_a_ledger_or_a_backup() {
    let scene = used();
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let review =
        client.ask(Ask::send("POST", "/v1/audit/reviews", &scene.tokens.operator, &json!({ "account_id": 1 })));
    let review = review.unwrap().expect(201).json()["data"]["id"].to_string();
    server.terminate().expect(0);
    let backup = scene.aside("backup");
    scene.run(&["backup", "--to", backup.to_str().unwrap()]).expect(0);
    let kinds: [(&[&str], &str); 6] = [
        (
            &["access", "--account", "1", "--scope", "zones:example.com"],
            "Which tokens could touch zones:example.com:read",
        ),
        (&["usage", "--account", "1"], "Who used how much of the hourly limit of account 1"),
        (&["review", "--review", &review], "What became of it since"),
        (&["leak", "--token", "2", "--since", "10"], "What was done with token 2"),
        (&["unused", "--account", "1"], "Unused and stale tokens"),
        (&["least-privilege", "--token", "3"], "Least privilege"),
    ];
    for (arguments, words) in kinds {
        let shown = scene.run(&[&["report"], arguments].concat()).expect(0).stdout;
        let of_backup = crate::program::run_on(&[&["report"], arguments].concat(), &backup).expect(0).stdout;
        for html in [&shown, &of_backup] {
            assert!(html.contains(words), "{words}: {html}");
            assert!(
                html.contains("How to check it") && html.contains("\u{2014} ") && !html.contains("<script"),
                "{html}"
            );
        }
    }
    let path = scene.aside("access.html");
    let file = path.to_str().unwrap();
    let report = ["report", "access", "--account", "1", "--scope", "zones:example.com", "--out", file];
    scene.run(&report).expect(0);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    scene.run(&report).expect(1).says("is there already");
    // The checkpoint in it is the one that `verify` takes.
    let html = fs::read_to_string(&path).unwrap();
    let note = html.split_once("<pre>").unwrap().1.split_once("</pre>").unwrap().0.replace("&#43;", "+");
    let kept = scene.aside("checkpoint.txt");
    fs::write(&kept, note).unwrap();
    scene.run(&["verify", "--checkpoint", kept.to_str().unwrap()]).expect(0);
    scene.run(&["report", "access", "--account", "1"]).expect(2).says("--scope");
    scene.run(&["report", "access", "--account", "9", "--scope", "zones:example.com"]).expect(1).says("no account 9");
}
