//! The past, asked from the command line: over HTTP, and over the data directory beside the server.

use crate::desk::Desk;
use serde_json::Value;

/// Account 1 with token 2, which was renamed and deleted since the position that is given.
fn with_past() -> (Desk, String, Value) {
    let desk = Desk::with_account();
    desk.json(&["tokens", "create", "--account", "1", "--name", "deploy", "--access", "full"]);
    let shown = desk.json(&["tokens", "show", "2", "--account", "1"]);
    let events = desk.json(&["events", "list", "--type", "TokenCreated", "--token", "2"]);
    let position = events["data"][0]["position"].to_string();
    desk.json(&["tokens", "update", "2", "--account", "1", "--name", "former"]);
    desk.run(&["tokens", "delete", "2", "--account", "1"]).expect(0);
    (desk, position, shown)
}

#[test]
fn reads_of_state_take_a_point_of_the_past() {
    let (desk, position, then) = with_past();
    let show = ["tokens", "show", "2", "--account", "1"];
    desk.run(&show).expect(1);
    let told = desk.json(&[&show[..], &["--as-of-position", &position]].concat());
    assert_eq!(told["data"], then["data"]);
    assert_eq!(told["as_of"]["position"].to_string(), position);
    desk.run(&[&show[..], &["--as-of-position", &position]].concat())
        .expect(0)
        .says("deploy")
        .says(&format!("As of position {position} ("));
    let time = told["as_of"]["time"].as_str().unwrap();
    assert_eq!(desk.json(&[&show[..], &["--as-of", time]].concat())["data"], then["data"]);

    let list = ["tokens", "list", "--account", "1"];
    desk.run(&list).expect(0).says("Tokens: none");
    let listed = desk.json(&[&list[..], &["--as-of", time]].concat());
    assert_eq!(listed["data"], Value::Array(vec![then["data"].clone()]));
    // The creation and the key that it was sent under are of one time: a time means the last of them.
    assert_eq!(listed["as_of"]["time"], time);
    assert_eq!(listed["as_of"]["position"].as_u64(), told["as_of"]["position"].as_u64().map(|position| position + 1));
    desk.run(&[&list[..], &["--as-of", time]].concat()).expect(0).says("deploy").says("As of position");

    desk.run(&[&list[..], &["--as-of", time, "--as-of-position", "1"]].concat()).expect(2).says("cannot be used with");
    desk.run(&[&list[..], &["--as-of", "yesterday"]].concat()).expect(2).says("must be a time");
    desk.run(&[&list[..], &["--as-of", "2001-01-01T00:00:00Z"]].concat()).expect(1).says("is before the first record");
    desk.run(&[&list[..], &["--as-of-position", "9999"]].concat()).expect(1).says("there is no position 9999");
}

#[test]
fn the_question_state_answers_the_same_over_http_and_over_the_files() {
    let (desk, position, _) = with_past();
    let ask = ["audit", "state", "--token", "2", "--as-of", &position];
    let data = desk.parent.path().join("ledger");
    let offline = [&ask[..], &["--data", data.to_str().unwrap()]].concat();
    let answer = |arguments: &[&str]| -> Value {
        let mut answer: Value =
            serde_json::from_str(&desk.run(&[arguments, &["--format", "json"]].concat()).expect(0).stdout).unwrap();
        answer["as_of"].as_object_mut().unwrap().remove("head");
        answer
    };
    let told = answer(&ask);
    assert_eq!(told, answer(&offline));
    assert_eq!(told["state"][3], serde_json::json!({ "member": "name", "value": "deploy" }));
    for arguments in [&ask[..], &offline] {
        desk.run(arguments).expect(0).says("of: token 2").says("last_used_status    never").says("hashed token");
    }
    desk.run(&[&offline[..], &["--format", "csv", "--csv-table", "secrets"]].concat()).expect(0).says("number,hint,");
    desk.run(&["audit", "state", "--data", data.to_str().unwrap()]).expect(1).says("must be given");
    desk.run(&["audit", "state", "--token", "3", "--data", data.to_str().unwrap()])
        .expect(1)
        .says("there was no token 3");
}
