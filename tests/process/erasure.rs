//! Erased texts are nowhere: in no byte of any file of the data directory, and in nothing that the program said.

use crate::client::{Answer, Ask, Client};
use crate::load::{Load, Logged, seed};
use crate::program::{Ended, SERVE, Server, token_ledger};
use crate::scene::Scene;
use crate::shim::{Fault, each_in_turn};
use aho_corasick::AhoCorasick;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use token_ledger::domain::event::Event;

/// Without the ballast: tens of megabytes of nothing, which every search of every byte would read.
const NO_BALLAST: [&str; 2] = ["--ballast-mib", "0"];

/// Stands in every marked text.
const MARK: &str = "ZyxMarkedQv";
const STORAGE: i32 = 74;

/// Somebody with marked texts of every kind, and a marked token of an account.
struct Marked {
    user: u64,
    token: u64,
}

impl Marked {
    fn make(server: &Server, operator: &str) -> Self {
        let mut client = Client::connect(server.address).unwrap();
        let mut post = |path: &str, body: Value| client.ask(Ask::send("POST", path, operator, &body)).unwrap().json();
        let user = json!({ "name": format!("{MARK} Name"), "email": format!("{MARK}@example.com") });
        let user = post("/v1/users", user)["data"]["id"].as_u64().unwrap();
        let named = |name: &str| json!({ "name": format!("{MARK} {name}"), "access": "full" });
        let of_user = post(&format!("/v1/users/{user}/tokens"), json!({ "name": format!("{MARK} own") }));
        let of_account = post("/v1/accounts/1/tokens", named("robot"));
        let token = of_account["data"]["id"].as_u64().unwrap();
        let renamed = json!({ "name": format!("{MARK} renamed") });
        client
            .ask(Ask::send("PATCH", &format!("/v1/accounts/1/tokens/{token}"), operator, &renamed))
            .unwrap()
            .expect(200);
        for (shown, agent) in [(of_user, "user"), (of_account, "token")] {
            client.agent = format!("{MARK}-{agent}/1");
            client.ask(Ask::get("/v2/whoami", shown["token"].as_str().unwrap())).unwrap().expect(200);
        }
        Self { user, token }
    }

    fn of_user(&self) -> String {
        format!("/v1/users/{}/personal-texts", self.user)
    }

    fn of_token(&self) -> String {
        format!("/v1/accounts/1/tokens/{}/personal-texts", self.token)
    }
}

/// Finds the mark in any case, as text and in UTF-16 of either order.
static FINDER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let utf16 = |order: fn(u16) -> [u8; 2]| MARK.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let marks = [MARK.as_bytes().to_vec(), utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)];
    AhoCorasick::builder().ascii_case_insensitive(true).build(marks).unwrap()
});

fn has_mark(bytes: &[u8]) -> bool {
    FINDER.is_match(bytes)
}

/// Files of the directory that hold a marked text, or a piece of one.
fn marked_files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    // A journal may come and go meanwhile.
    let marked = files.filter(|entry| std::fs::read(entry.path()).is_ok_and(|bytes| has_mark(&bytes)));
    marked.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn said_nothing(ended: &Ended) {
    assert!(!has_mark(ended.stdout.as_bytes()) && !has_mark(ended.stderr.as_bytes()), "{ended:#?}");
}

fn erase(client: &mut Client, path: &str, operator: &str) -> Answer {
    client.ask(Ask::delete(path, operator)).unwrap()
}

#[test]
fn a_user_and_a_token_are_erased_under_load_and_no_byte_is_left() {
    let scene = Scene::new();
    let operator = scene.tokens.operator.clone();
    let server = scene.serve(&["--snapshot-events", "50"]);
    let marked = Marked::make(&server, &operator);
    assert!(!marked_files(&scene.data()).is_empty(), "a search that finds nothing before proves nothing");
    let load = Load::begin(&server, &scene, seed());
    let mut client = Client::connect(server.address).unwrap();
    let told = erase(&mut client, &marked.of_user(), &operator).expect(200);
    let position = told.position();
    let data = told.json()["data"].clone();
    assert_eq!((data["kept"].as_u64(), data["position"].as_u64()), (Some(0), position), "{data}");
    assert!(data["erased"].as_u64() >= Some(4), "name, e-mail, token name, agent: {data}");
    let token = marked.token.to_string();
    let erased = scene.run(&["erase", "--token", &token, "--yes", "--json"]).expect(0);
    let shown: Value = serde_json::from_str(&erased.stdout).unwrap();
    assert!(shown["erased"].as_u64() >= Some(3) && shown["position"].is_u64(), "both names and the agent: {shown}");
    assert_eq!(marked_files(&scene.data()), Vec::<String>::new(), "while it serves");
    load.stop();
    // The connection before may have been idle for longer than the service waits.
    let mut client = Client::connect(server.address).unwrap();
    let user = client.ask(Ask::get(&format!("/v1/users/{}", marked.user), &operator)).unwrap().expect(200).json();
    assert_eq!((&user["data"]["name"], &user["data"]["email"]), (&Value::Null, &Value::Null), "{user}");
    let event =
        client.ask(Ask::get(&format!("/v1/events/{}", position.unwrap()), &operator)).unwrap().expect(200).json();
    assert_eq!(event["data"]["type"], "PersonalDataErased", "{event}");
    let again = erase(&mut client, &marked.of_user(), &operator).expect(200).json();
    assert_eq!(again["data"], json!({ "erased": 0, "kept": 0, "position": null }));
    said_nothing(&scene.run(&["verify"]).expect(0).says("texts are erased"));
    said_nothing(&scene.run(&["replay", "--compare"]).expect(0));
    said_nothing(&server.terminate().expect(0));
    said_nothing(&scene.run(&["verify"]).expect(0));
    said_nothing(&scene.run(&["replay", "--compare"]).expect(0));
    assert_eq!(marked_files(&scene.data()), Vec::<String>::new(), "after an orderly end");
}

/// A ledger with marked texts that nobody serves.
fn marked_scene() -> (Scene, Marked) {
    let scene = Scene::new();
    let server = scene.serve(&NO_BALLAST);
    let marked = Marked::make(&server, &scene.tokens.operator);
    server.terminate().expect(0);
    (scene, marked)
}

#[test]
fn without_a_server_the_command_line_erases_under_the_lock() {
    let (scene, marked) = marked_scene();
    let before = scene.fingerprint();
    let (user, token) = (marked.user.to_string(), marked.token.to_string());
    scene.run(&["erase", "--user", &user]).expect(1).says("say --yes");
    scene.run(&["erase", "--user", "999", "--yes"]).expect(1).says("there is no such user");
    scene.run(&["erase", "--yes"]).expect(2);
    scene.run(&["erase", "--user", &user, "--token", &token, "--yes"]).expect(2);
    assert_eq!(scene.fingerprint(), before, "nothing is changed by what is refused");
    scene.run(&["erase", "--user", &user, "--yes"]).expect(0).says("Erased");
    scene.run(&["erase", "--token", &token, "--yes"]).expect(0).says("Erased");
    scene.run(&["erase", "--token", &token, "--yes"]).expect(0).says("nothing to erase");
    assert_eq!(marked_files(&scene.data()), Vec::<String>::new());
    scene.run(&["verify"]).expect(0);
    scene.run(&["replay", "--compare"]).expect(0);
}

/// Whoever reads an older part of the file keeps the write-ahead log from being emptied: the texts are shown nowhere any
/// more, but the answer waits for the bytes to go.
#[test]
fn a_reader_that_holds_the_write_ahead_log_delays_the_answer_and_not_the_service() {
    let scene = Scene::new();
    let operator = scene.tokens.operator.clone();
    let server = scene.serve(&NO_BALLAST);
    let marked = Marked::make(&server, &operator);
    let mut client = Client::connect(server.address).unwrap();
    let reader = Connection::open(scene.data().join("ledger.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM events;").unwrap();
    for path in [marked.of_user(), marked.of_token()] {
        let told = erase(&mut client, &path, &operator).expect(503);
        assert!(told.header("retry-after").is_some(), "{told:?}");
        assert!(told.json()["type"] == "/problems/erasure-unfinished", "{told:?}");
        client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    }
    let user = client.ask(Ask::get(&format!("/v1/users/{}", marked.user), &operator)).unwrap().expect(200).json();
    assert_eq!(user["data"]["name"], Value::Null);
    scene.run(&["verify"]).expect(0);
    assert!(!marked_files(&scene.data()).is_empty(), "held up");
    drop(reader);
    let until = Instant::now() + crate::program::PATIENCE;
    while erase(&mut client, &marked.of_user(), &operator).status == 503 {
        assert!(Instant::now() < until, "it is not resumed");
        // Only the pause between two looks.
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(marked_files(&scene.data()), Vec::<String>::new());
    server.terminate().expect(0);
    scene.run(&["verify"]).expect(0);
}

/// From the request on, one file operation fails; what the answer says is true, and the next start finishes or has never
/// heard of it.
#[track_caller]
fn meet(rule: &str) -> (bool, Ended) {
    let (scene, marked) = marked_scene();
    let operator = &scene.tokens.operator;
    let rule = rule.replace("{}", scene.data().to_str().unwrap());
    let fault = Fault::new(&scene.aside(""), &rule);
    let mut command = token_ledger();
    command.args(SERVE).arg(scene.data()).args(NO_BALLAST);
    let server = Server::start_by(fault.at(command));
    let mut client = Client::connect(server.address).unwrap();
    fault.arm();
    let told = client.ask(Ask::delete(&marked.of_user(), operator)).map(|answer| answer.status);
    let ended = if matches!(told, Ok(200)) { server.terminate() } else { server.stop_or_end() };
    let struck = fault.injected() > 0;
    let context = format!("{rule}: {told:?} {ended:#?}");
    assert!(!struck || ended.code != Some(101) && !ended.stderr.contains("panicked"), "{context}");
    said_nothing(&ended);
    let heard = is_heard(&scene);
    assert!(!matches!(told, Ok(200)) || heard, "{context}");
    // A start settles what was left, and erases once more what it never heard of.
    let server = scene.serve(&NO_BALLAST);
    let mut client = Client::connect(server.address).unwrap();
    let again = erase(&mut client, &marked.of_user(), operator).expect(200).json();
    assert_eq!(again["data"]["erased"] == 0, heard, "{context}: {again}");
    erase(&mut client, &marked.of_token(), operator).expect(200);
    assert_eq!(marked_files(&scene.data()), Vec::<String>::new(), "{context}");
    server.terminate().expect(0);
    scene.run(&["verify"]).expect(0);
    (struck, ended)
}

fn is_heard(scene: &Scene) -> bool {
    let logged = Logged::read(&scene.dir());
    (1..=logged.len()).any(|position| matches!(logged.at(position), Event::PersonalDataErased(_)))
}

#[test]
fn a_failed_sync_of_the_erasing_commit_ends_the_process_and_the_next_start_goes_on() {
    for rule in ["sync:/ledger.db-wal$:1:before:EIO", "sync:/ledger.db-wal$:1:after:EIO"] {
        let (struck, ended) = meet(rule);
        assert!(struck && ended.code == Some(STORAGE), "{rule}: {ended:#?}");
    }
}

#[test]
fn killed_between_the_commit_and_the_emptying_the_next_start_empties() {
    let (scene, marked) = marked_scene();
    let operator = &scene.tokens.operator;
    let fault = Fault::new(&scene.aside(""), "truncate:/ledger.db-wal$:1:before:KILL");
    let mut command = token_ledger();
    command.args(SERVE).arg(scene.data()).args(NO_BALLAST);
    let server = Server::start_by(fault.at(command));
    fault.arm();
    let mut client = Client::connect(server.address).unwrap();
    for path in [marked.of_user(), marked.of_token()] {
        if client.ask(Ask::delete(&path, operator)).is_err() {
            break;
        }
    }
    assert_eq!(server.end().code, None, "killed");
    assert_eq!(fault.injected(), 1);
    assert!(is_heard(&scene), "the commit was before");
    let server = scene.serve(&NO_BALLAST);
    let mut client = Client::connect(server.address).unwrap();
    erase(&mut client, &marked.of_token(), operator).expect(200);
    assert_eq!(marked_files(&scene.data()), Vec::<String>::new());
    server.kill();
    assert_eq!(marked_files(&scene.data()), Vec::<String>::new());
    scene.serve(&NO_BALLAST).terminate().expect(0);
    scene.run(&["verify"]).expect(0);
}

#[test]
fn each_file_operation_of_an_erasure_fails_in_turn() {
    each_in_turn(|n| meet(&format!("any:{{}}:{n}:before:EIO")).0);
}

#[test]
fn killed_after_each_file_operation_of_an_erasure_in_turn() {
    each_in_turn(|n| meet(&format!("any:{{}}:{n}:after:KILL")).0);
}

#[test]
fn a_disk_that_is_full_refuses_the_erasure_and_it_can_be_asked_for_again() {
    each_in_turn(|n| meet(&format!("write:{{}}/erasures.db:{n}:before:ENOSPC")).0);
}

/// A start from a snapshot does not read old records, and does not fail by them where it has to.
#[test]
fn a_lost_file_of_erasures_is_made_from_the_records_that_can_be_read() {
    let (scene, marked) = marked_scene();
    scene.run(&["erase", "--user", &marked.user.to_string(), "--yes"]).expect(0);
    let server = scene.serve(&NO_BALLAST);
    let mut client = Client::connect(server.address).unwrap();
    // More than a tile holds: what is signed is then checked by stored hashes.
    for _ in 0..256 {
        client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    }
    server.terminate().expect(0);
    std::fs::remove_file(scene.dir().erasures()).unwrap();
    let ledger = Connection::open(scene.dir().ledger()).unwrap();
    ledger
        .execute_batch("DROP TRIGGER events_never_change; UPDATE events SET record = zeroblob(60) WHERE position = 3;")
        .unwrap();
    drop(ledger);
    let server = scene.serve(&NO_BALLAST);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    server.terminate().expect(0).says("they were taken from the log");
    assert!(scene.dir().erasures().exists());
}
