//! A token's whole life, by the command line alone.

use crate::client::{Ask, Client};
use crate::desk::Desk;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn text(shown: &Value) -> String {
    shown["token"].as_str().unwrap().to_owned()
}

fn status(desk: &Desk, path: &str, token: &str) -> u16 {
    Client::connect(desk.server.address).unwrap().ask(Ask::get(path, token)).unwrap().status
}

#[test]
fn a_token_is_created_used_narrowed_rotated_looked_at_and_deleted() {
    let desk = Desk::new();
    let user = desk.json(&["users", "create", "--name", "Ada Example", "--email", "ada@example.com"]);
    assert_eq!((&user["data"]["id"], &user["data"]["email"]), (&json!(1), &json!("ada@example.com")));
    let account = ["accounts", "create", "--name", "One", "--email", "one@example.com", "--plan", "teams"];
    let account = desk.json(&[&account[..], &["--hourly-limit", "50"]].concat());
    assert_eq!((&account["data"]["id"], &account["data"]["hourly_limit"]), (&json!(1), &json!(50)));
    let member = desk.json(&["members", "put", "1", "--account", "1", "--grant", "domains:full_access:all"]);
    let grants = json!([{ "group": "domains", "level": "full_access", "resources": "all" }]);
    assert_eq!(member["data"]["access"]["grants"], grants);
    for name in ["example.com", "example.net"] {
        let zone = desk.json(&["resources", "add", "--account", "1", "--kind", "zone", "--name", name]);
        assert_eq!(zone["data"]["name"], name);
    }

    // Created with a grant on one zone, and used.
    let create = ["tokens", "create", "--account", "1", "--name", "deploy", "--grant", "zones:read_only:example.com"];
    let shown = desk.run(&create).expect(0).says("Secret, shown this once: tlka_").says("Recorded at position");
    let first = shown.stdout.split("this once: ").nth(1).unwrap().trim().to_owned();
    assert_eq!(status(&desk, "/v2/1/zones/example.com", &first), 200);
    assert_eq!(status(&desk, "/v2/1/zones/example.net", &first), 403);

    // Looked at.
    let token = desk.json(&["tokens", "show", "2", "--account", "1"]);
    assert_eq!((&token["data"]["name"], &token["data"]["last_used_status"]), (&json!("deploy"), &json!("used")));
    desk.run(&["tokens", "show", "2", "--account", "1"]).expect(0).says("zones read_only on example.com");
    desk.run(&["tokens", "list", "--account", "1"]).expect(0).says("deploy").says("zones read_only on example.com");
    let usage = desk.json(&["usage", "show", "--account", "1"]);
    assert_eq!((&usage["data"]["general"]["used"], &usage["data"]["general"]["limit"]), (&json!(1), &json!(50)));
    desk.run(&["usage", "show", "--account", "1"]).expect(0).says("general, remaining         49\n");
    let hours = desk.json(&["tokens", "usage", "2", "--account", "1"]);
    assert_eq!((&hours["data"][0]["uses"], &hours["data"][0]["refused"]), (&json!(1), &json!({ "missing_scope": 1 })));

    // Its access edited: only under the version that was looked at.
    let other = ["tokens", "update", "2", "--account", "1", "--grant", "zones:full_access:example.net"];
    desk.run(&[&other[..], &["--if-match", "7"]].concat()).expect(1).says("current version: 1");
    let changed = desk.json(&[&other[..], &["--if-match", "1"]].concat());
    assert_eq!(changed["data"]["version"], 2);
    assert_eq!(status(&desk, "/v2/1/zones/example.com", &first), 403);
    assert_eq!(status(&desk, "/v2/1/zones/example.net", &first), 200);

    // Rotated: both secrets work, then the first no more.
    let rotated = desk.json(&["tokens", "rotate", "2", "--account", "1", "--overlap-seconds", "600"]);
    let second = text(&rotated);
    for secret in [&first, &second] {
        assert_eq!(status(&desk, "/v2/1/zones/example.net", secret), 200);
    }
    let third = text(&desk.json(&["tokens", "rotate", "2", "--account", "1", "--overlap-seconds", "0"]));
    assert_eq!(status(&desk, "/v2/1/zones/example.net", &third), 200);
    assert_eq!(status(&desk, "/v2/1/zones/example.net", &second), 401);

    // An expiry given, and taken away.
    let update = |expiry| desk.json(&["tokens", "update", "2", "--account", "1", "--expires-at", expiry]);
    assert_eq!(update("2127-01-31T00:00:00Z")["data"]["expires_at"], "2127-01-31T00:00:00Z");
    assert_eq!(update("never")["data"]["expires_at"], Value::Null);

    // Conditions given, and taken away.
    let update =
        |more: &[&str]| desk.json(&[&["tokens", "update", "2", "--account", "1"], more].concat())["data"].clone();
    let ranges = ["--allow", "192.0.2.0/24", "--allow", "2001:db8::7", "--not-before", "2026-01-31T00:00:00Z"];
    let changed = update(&ranges);
    assert_eq!(changed["allowed_addresses"], json!(["192.0.2.0/24", "2001:db8::7/128"]));
    assert_eq!(changed["not_before"], "2026-01-31T00:00:00Z");
    assert_eq!(status(&desk, "/v2/whoami", &third), 403);
    let free = update(&["--allow", "anywhere", "--not-before", "now"]);
    assert_eq!((&free["allowed_addresses"], &free["not_before"]), (&Value::Null, &Value::Null));
    assert_eq!(status(&desk, "/v2/whoami", &third), 200);

    // Deleted: gone from lists and doors, its history stays.
    desk.run(&["tokens", "delete", "2", "--account", "1"]).expect(0).says("Deleted; recorded at position");
    desk.run(&["tokens", "delete", "2", "--account", "1"]).expect(1).says("404");
    assert_eq!(status(&desk, "/v2/1/zones/example.net", &third), 401);
    assert_eq!(desk.json(&["tokens", "list", "--account", "1"])["data"], json!([]));
    desk.run(&["tokens", "list", "--account", "1"]).expect(0).says("Tokens: none");
    let events = desk.json(&["events", "list", "--token", "2"]);
    let types: Vec<&str> =
        events["data"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    for expected in
        ["TokenCreated", "TokenUsed", "TokenUseRefused", "TokenAccessChanged", "TokenRotated", "TokenDeleted"]
    {
        assert!(types.contains(&expected), "{expected} is not in {types:?}");
    }
    let position = events["data"][0]["position"].to_string();
    assert_eq!(desk.json(&["events", "show", &position])["data"], events["data"][0]);
    desk.run(&["events", "list", "--token", "2", "--type", "TokenRotated"]).expect(0).says("staff");

    // No secret was printed but once, where it was made; the credential never.
    assert_eq!(desk.times_printed(&desk.operator), 0);
    for secret in [first, second, third] {
        assert_eq!(desk.times_printed(&secret), 1);
    }
}

#[test]
fn every_other_verb_does_what_it_says() {
    let desk = Desk::with_account();
    let user = ["users", "create", "--name", "Ada Example", "--email", "ada@example.com"];
    desk.run(&user).expect(0).says("ada@example.com");
    assert_eq!(desk.json(&["users", "show", "1"])["data"]["name"], "Ada Example");
    desk.run(&["users", "list"]).expect(0).says("Ada Example");
    desk.run(&["members", "put", "1", "--account", "1", "--access", "full"]).expect(0).says("full");
    desk.run(&["members", "list", "--account", "1"]).expect(0).says("Ada Example");
    desk.run(&["accounts", "list"]).expect(0).says("one@example.com");
    desk.run(&["accounts", "show", "1"]).expect(0).says("hourly limit");
    assert_eq!(desk.json(&["accounts", "update", "1", "--hourly-limit", "7"])["data"]["hourly_limit"], 7);
    desk.run(&["accounts", "update", "1", "--hourly-limit", "7"]).expect(0).says("Nothing was changed");

    let feature = ["--feature", "domain_research", "--account", "1"];
    let active = desk.json(&[&["features", "activate"], &feature[..], &["--monthly-cap", "9"]].concat());
    assert_eq!(active["data"]["features"]["domain_research"]["monthly_cap"], 9);
    desk.run(&[&["features", "deactivate"], &feature[..]].concat()).expect(0).says("Deactivated");

    let certificate = ["resources", "add", "--account", "1", "--kind", "certificate", "--name", "example.com"];
    desk.json(&[
        "resources",
        "add",
        "--account",
        "1",
        "--kind",
        "domain",
        "--name",
        "example.com",
        "--auto-renew",
        "true",
    ]);
    let more = ["--alternate-name", "a.example.com", "--alternate-name", "b.example.com", "--years", "2"];
    let certificate = desk.json(&[&certificate[..], &more].concat());
    assert_eq!(certificate["data"]["alternate_names"], json!(["a.example.com", "b.example.com"]));
    assert_eq!(certificate["data"]["years"], 2);
    desk.run(&["resources", "list", "--account", "1"]).expect(0).says("certificate");
    desk.run(&["resources", "remove", "2", "--account", "1"]).expect(0).says("Removed");

    let of_user = ["--user", "1"];
    desk.json(&[&["tokens", "create", "--name", "laptop"], &of_user[..]].concat());
    assert_eq!(desk.json(&[&["tokens", "list"], &of_user[..]].concat())["data"][0]["kind"], "user");
    desk.run(&[&["tokens", "erase-texts", "2", "--yes"], &of_user[..]].concat()).expect(0).says("erased");
    assert_eq!(desk.json(&[&["tokens", "show", "2"], &of_user[..]].concat())["data"]["name"], Value::Null);
    desk.run(&[&["tokens", "delete", "2"], &of_user[..]].concat()).expect(0);
    desk.run(&["users", "erase-texts", "1"]).expect(1).says("--yes");
    assert_eq!(desk.json(&["users", "show", "1"])["data"]["name"], "Ada Example");
    assert_ne!(desk.json(&["users", "erase-texts", "1", "--yes"])["data"]["erased"], 0);

    let auditor = desk.json(&["staff-tokens", "create", "--role", "auditor", "--name", "audit"]);
    let auditor = auditor["token"].as_str().unwrap().to_owned();
    desk.run_as(&auditor, &["self"]).expect(0).says("auditor");
    desk.run(&["staff-tokens", "list"]).expect(0).says("audit");
    let digest = STANDARD.encode(Sha256::digest(&auditor));
    let found = desk.run(&["tokens", "lookup", "--hashed-token", &digest]).expect(0).says("audit");
    assert!(!found.stdout.contains("Nothing was changed"), "a look changes nothing by itself");
    desk.run(&["tokens", "lookup", "--hashed-token", &STANDARD.encode([7; 32])]).expect(1).says("404");
    desk.run(&["staff-tokens", "delete", "3"]).expect(0);

    let gateway = ["gateway-tokens", "create", "--name", "edge", "--right", "authorize", "--right", "report"];
    let gateway = desk.json(&[&gateway[..], &["--account", "1"]].concat());
    assert_eq!(gateway["data"]["rights"], json!(["authorize", "report"]));
    assert_eq!(gateway["data"]["accounts"], json!([1]));
    desk.run(&["gateway-tokens", "update", "4", "--right", "introspect"]).expect(0).says("introspect");
    desk.run(&["gateway-tokens", "rotate", "4"]).expect(0).says("tlkg_");
    desk.run(&["gateway-tokens", "show", "4"]).expect(0).says("edge");
    desk.run(&["gateway-tokens", "list"]).expect(0).says("edge");
    desk.run(&["gateway-tokens", "delete", "4"]).expect(0);

    desk.run(&["clock", "accept"]).expect(1).says("409").says("nothing to accept");
    desk.run(&["usage", "history", "--account", "1"]).expect(0).says("Windows that have ended: none");
    desk.run(&["members", "remove", "1", "--account", "1"]).expect(0).says("Removed");
}

#[test]
fn tokens_of_another_system_are_taken_over_one_by_one_or_out_of_a_file() {
    let desk = Desk::with_account();
    let digest = |number: u8| format!("{number:02x}").repeat(32);
    let one = ["tokens", "import", "--account", "1", "--name", "old", "--access", "full", "--digest", &digest(1)];
    assert_eq!(desk.json(&[&one[..], &["--hint", "abcd"]].concat())["data"]["last_used_status"], "unknown");
    let file = desk.aside("tokens.ndjson");
    let line = |number: u8| format!("{}\n", json!({ "name": "many", "access": "full", "digest": digest(number) }));
    std::fs::write(&file, [line(2), line(3)].concat()).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(desk.json(&["tokens", "import", "--account", "1", "--file", file])["data"]["imported"], 2);
    std::fs::write(file, [line(4), line(2), "{\"name\":\"\"}\n".to_owned()].concat()).unwrap();
    desk.run(&["tokens", "import", "--account", "1", "--file", file]).expect(1).says("\n  line 3: ");
    desk.run(&["tokens", "import", "--account", "1"]).expect(2).says("--file");
    desk.run(&[&one[..], &["--file", file]].concat()).expect(2).says("--file");
    desk.run(&["tokens", "import", "--account", "1", "--file", "/nowhere"]).expect(2).says("/nowhere");
    std::fs::write(file, vec![b' '; (1 << 20) + 1]).unwrap();
    desk.run(&["tokens", "import", "--account", "1", "--file", file]).expect(2).says("1048576");
    assert_eq!(desk.json(&["tokens", "list", "--account", "1"])["pagination"]["total_entries"], 3);
}
