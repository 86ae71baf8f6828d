//! SIGKILL in the middle of a report that is sent again: every line is recorded once.

use crate::client::{Ask, Client};
use crate::program::{PATIENCE, Server};
use crate::scene::Scene;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use token_ledger::domain::event::Event;
use token_ledger::domain::idempotency::KeyHash;
use token_ledger::domain::ids::{Position, TokenId};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::Principal;
use token_ledger::log::DataDir;
use token_ledger::log::reader::LogReader;

/// As many as a report may have.
const LINES: usize = 20_000;
/// Records made before each kill.
const KILLS_AFTER: [u64; 3] = [1, 3_000, 5_000];

/// A gateway token over the scene's account, with its number.
fn gateway(server: &Server, scene: &Scene) -> (u64, String) {
    let mut client = Client::connect(server.address).unwrap();
    let body = json!({ "name": "edge", "rights": ["report"], "accounts": [1] });
    let made =
        client.ask(Ask::send("POST", "/v1/gateway-tokens", &scene.tokens.operator, &body)).unwrap().expect(201).json();
    (made["data"]["id"].as_u64().unwrap(), made["token"].as_str().unwrap().to_owned())
}

fn key(number: usize) -> String {
    format!("edge-1/{number}")
}

/// Uses of one token, each at a time of its own.
fn report(scene: &Scene, now: &str) -> String {
    let hashed = STANDARD.encode(Sha256::digest(&scene.tokens.account[0]));
    let line = |number| {
        json!({ "key": key(number), "hashed_token": hashed, "occurred_at": now, "known_position": 1,
            "required_scope": format!("zones:z{}.example:read", number % 100), "status": 200,
            "address": format!("192.0.2.{}", number % 200) })
    };
    (0..LINES).map(|number| format!("{}\n", line(number))).collect()
}

/// Positions of reported uses by the hash of their key.
fn recorded(dir: &DataDir) -> HashMap<KeyHash, Vec<Position>> {
    let log = LogReader::open(dir).unwrap();
    let mut positions: HashMap<_, Vec<_>> = HashMap::new();
    let head = log.head().unwrap();
    log.replay(Position::NONE, head, |position, _, event| {
        if let Event::UseReported(reported) = event {
            positions.entry(reported.key).or_default().push(position);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    positions
}

fn results(body: &[u8]) -> Vec<Value> {
    std::str::from_utf8(body).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn head(scene: &Scene) -> u64 {
    LogReader::open(&scene.dir()).unwrap().head().unwrap().0
}

/// Kills the server once so many more records are durable, while it works on the rest.
fn kill_after(server: Server, scene: &Scene, base: u64, records: u64) {
    let until = Instant::now() + PATIENCE;
    while head(scene) < base + records {
        assert!(Instant::now() < until, "{records} records were never made");
        // Only the pause between two looks.
        std::thread::sleep(Duration::from_millis(1));
    }
    server.kill();
}

#[test]
fn a_report_killed_in_the_middle_and_sent_again_has_each_line_once() {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let (reporter, token) = gateway(&server, &scene);
    let now = token_ledger::clock::Clock::system().now().to_micros_text();
    let body = report(&scene, &now);
    let mut server = Some(server);
    for records in KILLS_AFTER {
        let serving = server.take().unwrap_or_else(|| scene.serve(&["--snapshot-events", "3000"]));
        let base = head(&scene);
        let (address, token, body) = (serving.address, token.clone(), body.clone());
        let sending =
            std::thread::spawn(move || Client::connect(address).unwrap().send_lines("/v1/uses", &token, &body).is_ok());
        kill_after(serving, &scene, base, records);
        assert!(!sending.join().unwrap(), "it was answered before the kill");
        let so_far = recorded(&scene.dir()).len();
        assert!((1..LINES).contains(&so_far), "{so_far} lines are recorded");
    }
    let before = recorded(&scene.dir());
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let told = results(&client.send_lines("/v1/uses", &token, &body).unwrap().expect(200).body);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    told.iter().for_each(|result| *counts.entry(result["result"].as_str().unwrap()).or_default() += 1);
    let wanted = BTreeMap::from([("duplicate", before.len()), ("recorded", LINES - before.len())]);
    assert_eq!(counts, wanted);
    let again = results(&client.send_lines("/v1/uses", &token, &body).unwrap().expect(200).body);
    assert!(again.iter().all(|result| result["result"] == "duplicate"));
    let after = recorded(&scene.dir());
    assert_eq!(after.len(), LINES);
    for (number, (first, second)) in told.iter().zip(&again).enumerate() {
        let hash = KeyHash::of(Principal::Staff(TokenId(reporter)), &PersonalText::new(key(number)));
        let [position] = after[&hash][..] else { panic!("line {number} is recorded {} times", after[&hash].len()) };
        assert_eq!((&first["position"], &second["position"]), (&json!(position.0), &json!(position.0)));
    }
    scene.run(&["verify"]).expect(0).says("Nothing is wrong");
    scene.run(&["replay", "--compare"]).expect(0).says("the running server");
    server.terminate().expect(0);
    scene.run(&["replay", "--compare"]).expect(0).says("the last snapshot");
}
