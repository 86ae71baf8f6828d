//! What the service refuses is told in its words, and by the exit code.

use crate::desk::{Desk, bare};
use crate::middle::{Fate, Middle};
use crate::program::run_by;
use serde_json::Value;

#[test]
fn each_kind_of_refusal_has_its_exit_code() {
    let desk = Desk::with_account();
    desk.run(&["accounts", "show", "77"]).expect(1).says("404 Not found: account not found").says("request: ");
    desk.run(&["resources", "add", "--account", "1", "--kind", "zone", "--name", "example.com"]).expect(0);
    let again = desk.run(&["resources", "add", "--account", "1", "--kind", "zone", "--name", "example.com"]).expect(1);
    again.says("409").says("\n  resource id: 1");
    desk.run(&["accounts", "update", "1", "--name", "Two", "--if-match", "9"])
        .expect(1)
        .says("412")
        .says("current version: 1");
    let unknown = format!("tlkp_{}", "A".repeat(49));
    let refused = desk.run_as(&unknown, &["accounts", "list"]).expect(77).says("401 Invalid token");
    assert_eq!(refused.stdout, "");
    // A token of an account may look at itself, and at nothing else here.
    let token = desk.json(&["tokens", "create", "--account", "1", "--name", "robot", "--access", "full"]);
    let token = token["token"].as_str().unwrap().to_owned();
    desk.run_as(&token, &["self"]).expect(0).says("robot");
    desk.run_as(&token, &["accounts", "list"]).expect(77).says("403 Forbidden").says("cause: ");
    for secret in [&unknown, &desk.operator] {
        assert_eq!(desk.times_printed(secret), 0);
    }
}

#[test]
fn each_fault_of_a_field_is_a_line_of_its_own() {
    let desk = Desk::new();
    let create = ["accounts", "create", "--name", "", "--email", "nobody", "--plan", "teams", "--hourly-limit", "0"];
    let ended = desk.run(&create).expect(1);
    assert!(ended.stdout.is_empty(), "{ended:?}");
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert!(lines[0].starts_with("token-ledger: 422 Validation failed: "), "{lines:?}");
    for field in ["  name ", "  email ", "  hourly_limit "] {
        assert_eq!(lines.iter().filter(|line| line.starts_with(field)).count(), 1, "{field}: {lines:?}");
    }
}

#[test]
fn a_text_that_steers_a_terminal_is_shown_without_that() {
    let desk = Desk::with_account();
    let file = desk.aside("tokens.ndjson");
    std::fs::write(&file, "{\"a\\u001b[2J\":1}\n").unwrap();
    let ended = desk.run(&["tokens", "import", "--account", "1", "--file", file.to_str().unwrap()]).expect(1);
    assert!(ended.stderr.contains(r"a\u{1b}[2J") && !ended.stderr.contains('\u{1b}'), "{ended:?}");
}

#[test]
fn a_service_that_is_not_there_is_told_from_one_that_refuses() {
    let desk = Desk::new();
    let address = desk.server.address;
    let parent = desk.parent;
    desk.server.terminate().expect(0);
    let ask = |arguments: &[&str]| {
        let mut command = bare(parent.path(), arguments);
        command.env("TOKEN_LEDGER_URL", format!("http://{address}")).env("TOKEN_LEDGER_TOKEN", &desk.operator);
        run_by(command).expect(69)
    };
    let ended = ask(&["accounts", "list", "--json"]).says(&address.to_string());
    assert!(ended.stdout.is_empty() && !ended.stderr.contains(&desk.operator), "{ended:?}");
    // Nothing was sent, so nothing can have happened.
    let ended = ask(&["users", "create", "--name", "Ada", "--email", "ada@example.com"]);
    assert!(!ended.stderr.contains("Nobody knows"), "{ended:?}");
    ask(&["tokens", "delete", "2", "--account", "1"]);
}

#[test]
fn what_is_wrongly_said_is_told_before_anything_is_asked() {
    let desk = Desk::with_account();
    // The look at the log is recorded itself.
    let is_change = |event: &&Value| event["type"] != "HistoryRead" && event["type"] != "TextSeen";
    let changes = || desk.json(&["events", "list"])["data"].as_array().map(|all| all.iter().filter(is_change).count());
    let before = changes();
    let create = ["tokens", "create", "--account", "1", "--name", "robot"];
    for (more, told) in [
        (&["--grant", "zones:read:all"][..], "--grant"),
        (&["--grant", "zones"], "GROUP:LEVEL:RESOURCES"),
        (&["--access", "some"], "--access"),
        (&["--access", "full", "--grant", "zones:read_only:all"], "cannot be used with"),
        (&["--user", "1"], "cannot be used with"),
        (&["--expires-at", "soon"], "--expires-at"),
        (&["--not-before", "soon"], "--not-before"),
        (&["--allow", "10.1.0.0/8"], "the range is 10.0.0.0/8"),
        (&["--idempotency-key", "a b"], "--idempotency-key"),
    ] {
        desk.run(&[&create[..], more].concat()).expect(2).says(told);
    }
    desk.run(&["tokens", "create", "--name", "robot"]).expect(2).says("--account");
    desk.run(&["tokens", "update", "2", "--account", "1"]).expect(2).says("--grant");
    desk.run(&["members", "put", "1", "--account", "1"]).expect(2).says("--access");
    desk.run(&["accounts", "show", "one"]).expect(2).says("one");
    desk.run(&["accounts"]).expect(2).says("Exit codes");
    assert_eq!(changes(), before);
}

/// As the service refuses what needs a scope, and as something before it refuses.
#[test]
fn a_refusal_names_its_decision_and_an_answer_of_something_else_is_told_as_that() {
    let desk = Desk::new();
    let answered = |head: &str, body: &str, code: i32| {
        let length = body.len();
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        let middle = Middle::before(desk.server.address, vec![Fate::Answered(answer.leak())]);
        let mut command = desk.command(&["self"]);
        command.env("TOKEN_LEDGER_URL", format!("http://{}", middle.address));
        desk.run_by(command).expect(code)
    };
    let problem = r#"{"title":"Forbidden","detail":"no","required_scopes":["a:b:read"]}"#;
    let told = answered("403 Forbidden\r\nX-Decision-Id: 57", problem, 77);
    told.says("403 Forbidden: no\n  required scopes: a:b:read\n  decision: 57");
    answered("403 Forbidden", "<html>", 69).says("not one of a Token Ledger");
    answered("200 OK", "<html>", 69).says("is the URL right");
}
