//! Evidence bundles of a served ledger, checked by the program itself and by one that shares no code with it
//! (`tools/verify_bundle.py`): what they prove, and what both say of one that was tampered with.

use crate::client::{Ask, Client};
use crate::program::{Ended, Server, run, run_by, run_on};
use crate::python::script;
use crate::scene::{Scene, ZONE, copy_directory, init};
use crate::tlog::{grow, vkeys};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;
use token_ledger::log::DataDir;

/// The first account token of the scene, and its other numbers.
const ROBOT: u64 = 2;
const LAPTOP: u64 = 5;

/// A scene with uses and a seal behind them, at rest; and its verifier key.
fn sealed(more: impl FnOnce(&Scene, &mut Client)) -> (Scene, String) {
    let scene = Scene::new();
    let vkey = seal_after(&scene, more);
    (scene, vkey)
}

/// Serves until there is a seal about a position behind what was done, and signs all of it.
fn seal_after(scene: &Scene, work: impl FnOnce(&Scene, &mut Client)) -> String {
    let server = scene.serve(&["--seal-events", "1"]);
    let mut client = Client::connect(server.address).unwrap();
    for token in [&scene.tokens.account[0], &scene.tokens.account[1], &scene.tokens.user[0]] {
        client.ask(Ask::get(&format!("/v2/1/zones/{ZONE}"), token)).unwrap().expect(200);
        client.ask(Ask::get("/v2/whoami", token)).unwrap().expect(200);
    }
    work(scene, &mut client);
    let last = events(&mut client, scene, "order=desc&limit=20");
    let done = last.iter().find(|event| event["type"] != "StateSealed").unwrap()["position"].as_u64().unwrap();
    let end = Instant::now() + crate::program::PATIENCE;
    loop {
        let seals = events(&mut client, scene, "type=StateSealed&order=desc&limit=1");
        if seals.first().is_some_and(|seal| seal["data"]["at_position"].as_u64().unwrap() >= done) {
            break;
        }
        assert!(Instant::now() < end, "no seal came");
    }
    let vkey = vkeys(&server).remove(0);
    server.terminate().expect(0);
    vkey
}

fn events(client: &mut Client, scene: &Scene, query: &str) -> Vec<Value> {
    let answer = client.ask(Ask::get(&format!("/v1/events?{query}"), &scene.tokens.operator)).unwrap().expect(200);
    answer.json()["data"].as_array().unwrap().clone()
}

/// The times at which they were recorded, each once.
fn times(events: &[Value]) -> Vec<String> {
    let mut times: Vec<String> = events.iter().map(|event| event["recorded_at"].as_str().unwrap().to_owned()).collect();
    times.dedup();
    times
}

fn export_from(data: &Path, into: &Path, options: &[&str]) -> Ended {
    let words = ["export", "--format", "bundle", "--out", into.to_str().unwrap()];
    run_on(&[&words[..], options].concat(), data)
}

/// A bundle in a file of its own.
fn bundle(scene: &Scene, name: &str, options: &[&str]) -> PathBuf {
    let into = scene.aside(name);
    export_from(&scene.data(), &into, options).expect(0);
    into
}

/// What both programs say of a bundle; they say the same.
#[track_caller]
fn verify(bundle: &Path, trust: &[&str]) -> (i32, Value) {
    let ours = run(&[&["verify", "--json", "--bundle", bundle.to_str().unwrap()], trust].concat());
    let mut command = script("verify_bundle.py");
    command.arg("--json").args(trust).arg(bundle);
    let theirs = run_by(command);
    let said = |ended: &Ended| -> Value {
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:#?}"))
    };
    assert_eq!(said(&ours), said(&theirs), "they do not say the same");
    assert_eq!(ours.code, theirs.code);
    (ours.code.unwrap(), said(&ours))
}

fn sentences(said: &Value, which: &str) -> String {
    said[which].as_array().unwrap().iter().map(|sentence| format!("{}\n", sentence.as_str().unwrap())).collect()
}

/// It verifies; gives what is proved, and what is not.
#[track_caller]
fn proved(bundle: &Path, trust: &[&str]) -> (String, String) {
    let (code, said) = verify(bundle, trust);
    assert_eq!((code, &said["findings"]), (0, &json!([])), "{said:#}");
    (sentences(&said, "proved"), sentences(&said, "not_proved"))
}

#[track_caller]
fn contains(text: &str, words: &[&str]) {
    for words in words {
        assert!(text.contains(words), "{words:?} is not in:\n{text}");
    }
}

fn lines(bundle: &Path) -> Vec<Value> {
    fs::read_to_string(bundle).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn put_lines(bundle: &Path, lines: &[Value]) {
    fs::write(bundle, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn a_tokens_history_is_proved_to_be_whole_by_two_programs() {
    let (scene, vkey) = sealed(|_, _| {});
    let file = bundle(&scene, "evidence", &["--token", "2"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (said, not) = proved(&file, &["--vkey", &vkey]);
    contains(
        &said,
        &[
            "is signed by localhost/token-ledger/",
            "a key that was given; position 1 of the log names it",
            "each at its position; of the",
            "TextSeen 3, TokenCreated 1, TokenUsed 2",
            "Of token 2 in account 1 its records 1 to ",
            "there was no other record of token 2",
            "Token 2 was used 2 times, up to position",
            "texts with their salts are what their records commit to",
        ],
    );
    contains(
        &not,
        &["Whether token 2 in account 1 had records after position", "whoever has the whole log can check it"],
    );
    // Whoever has the whole log computes the seals again.
    scene.run(&["verify"]).expect(0).says("seals are what a replay up to their positions gives");
    // In words, for people, and the records themselves.
    let ended = run(&["verify", "--bundle", file.to_str().unwrap(), "--vkey", &vkey]).expect(0);
    ended.says("Proved:\n- The checkpoint of").says("Not proved:\n- ");
    let mut command = script("verify_bundle.py");
    command.args(["--list", "--vkey", &vkey]).arg(&file);
    run_by(command).expect(0).says("\"type_name\": \"TokenUsed\"").says("Proved:");
    // Record by record what the service shows.
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let shown: Vec<(Value, Value)> = events(&mut client, &scene, "token=2")
        .into_iter()
        .map(|event| (event["position"].clone(), event["leaf_hash"].clone()))
        .collect();
    let held: Vec<(Value, Value)> = lines(&file)
        .into_iter()
        .filter(|line| !line["position"].is_null())
        .map(|line| (line["position"].clone(), line["leaf"].clone()))
        .filter(|record| shown.contains(record))
        .collect();
    assert_eq!(held, shown);
    server.terminate().expect(0);
    export_from(&scene.data(), &file, &["--token", "2"]).expect(1).says("is there already");
}

/// A part of an account's time: its neighbours show that it is all.
#[test]
fn a_part_of_an_accounts_time_is_bounded_by_its_neighbours() {
    let (scene, vkey) = sealed(|_, _| {});
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let times = times(&events(&mut client, &scene, "account=1"));
    server.terminate().expect(0);
    // From the second change on, before the last use; both have others on their other side.
    let (from, to) = (times[1].as_str(), times[times.len() - 1].as_str());
    let file = bundle(&scene, "part", &["--account", "1", "--from", from, "--to", to]);
    let (said, not) = proved(&file, &["--vkey", &vkey]);
    contains(&said, &["records of account 1 from ", "is of before", "is of after"]);
    assert!(!not.contains("Whether account 1"), "{not}");
    // An empty time: two neighbours, one number after the other, and nothing between.
    let (last, after) = (to, "2999-01-01T00:00:00Z");
    let file =
        bundle(&scene, "nothing", &["--token", "3", "--from", "1999-01-01T00:00:00Z", "--to", "2000-01-01T00:00:00Z"]);
    let (said, _) = proved(&file, &["--vkey", &vkey]);
    contains(
        &said,
        &[
            "None of them is a record of token 3",
            "it had none before; record 1, at position",
            "Token 3 was not used, from 1999",
        ],
    );
    // A time that is not over: up to the seal, and not further.
    let file = bundle(&scene, "open", &["--token", "4", "--from", last, "--to", after]);
    let (said, not) = proved(&file, &["--vkey", &vkey]);
    contains(
        &said,
        &[
            "Of token 4 in account 1 there is no record in that time; record",
            "is of before",
            "the seal shows that none up to position",
        ],
    );
    contains(&not, &["Whether token 4 in account 1 had records after position"]);
}

#[test]
fn deleted_tokens_tokens_over_accounts_and_tokens_that_never_were() {
    let (scene, vkey) = sealed(|scene, client| {
        let operator = &scene.tokens.operator;
        let account = json!({ "name": "Two", "email": "two@example.com", "plan": "teams" });
        client.ask(Ask::send("POST", "/v1/accounts", operator, &account)).unwrap().expect(201);
        let member = json!({ "access": "full" });
        client.ask(Ask::send("PUT", "/v1/accounts/2/members/1", operator, &member)).unwrap().expect(201);
        client.ask(Ask::get("/v2/2/domains", &scene.tokens.user[0])).unwrap().expect(200);
        client.ask(Ask::delete("/v1/accounts/1/tokens/3", operator)).unwrap().expect(204);
        client.ask(Ask::get("/v2/whoami", &scene.tokens.account[1])).unwrap().expect(401);
    });
    let deleted = bundle(&scene, "deleted", &["--token", "3"]);
    let (said, _) = proved(&deleted, &["--vkey", &vkey]);
    contains(&said, &["TokenDeleted 1", "TokenUseRefused 1", "TokenUsed 2"]);
    let over_accounts = bundle(&scene, "laptop", &["--token", &LAPTOP.to_string()]);
    let (said, _) = proved(&over_accounts, &["--vkey", &vkey]);
    contains(
        &said,
        &[
            "Of token 5 on no account its records 1 to ",
            "Of token 5 in account 1 its record",
            "Of token 5 in account 2 its record",
            "there was no other record of token 5",
        ],
    );
    let in_one = bundle(&scene, "laptop in two", &["--token", &LAPTOP.to_string(), "--account", "2"]);
    let (said, _) = proved(&in_one, &["--vkey", &vkey]);
    contains(&said, &["Token 5 was used once in account 2", "token 5 in account 2 had"]);
    for (name, options, words) in [
        ("no token", ["--token", "999"], "no record of token 999 was in the log"),
        ("no account", ["--account", "77"], "no record of account 77 was in the log"),
    ] {
        let file = bundle(&scene, name, &options);
        let (said, _) = proved(&file, &["--vkey", &vkey]);
        contains(&said, &[words, "None of them is a record of"]);
        assert_eq!(said.contains("Token 999 was not used"), name == "no token");
    }
    let nothing = scene.aside("nothing");
    export_from(&scene.data(), &nothing, &[]).expect(1).says("say of what");
    assert!(!nothing.exists());
}

/// Acceptance: the texts are gone, the proof is not.
#[test]
fn the_bundle_of_an_erased_user_verifies_and_names_what_is_erased() {
    let (scene, vkey) = sealed(|_, _| {});
    let before = bundle(&scene, "before", &["--token", &LAPTOP.to_string()]);
    contains(&fs::read_to_string(&before).unwrap(), &["\"value\":\"laptop\""]);
    seal_after(&scene, |scene, client| {
        client.ask(Ask::delete("/v1/users/1/personal-texts", &scene.tokens.operator)).unwrap().expect(200);
    });
    let after = bundle(&scene, "after", &["--token", &LAPTOP.to_string()]);
    let text = fs::read_to_string(&after).unwrap();
    assert!(!text.contains("laptop") && text.contains("\"erased\":true"), "{text}");
    let (said, _) = proved(&after, &["--vkey", &vkey]);
    contains(&said, &["Erased, as the records at positions ", "say: text ", "Their records still verify."]);
    // What was given out before stays provable: that it was erased since is not in it.
    let (said, _) = proved(&before, &["--vkey", &vkey]);
    assert!(!said.contains("Erased"));
    // Left out on purpose is something else.
    let without = bundle(&scene, "without", &["--token", "2", "--without-texts"]);
    let (_, not) = proved(&without, &["--vkey", &vkey]);
    contains(&not, &["What these texts are, which were left out of the file: text "]);
    // An erased text that is put back in, and an erasure that nobody recorded.
    let put = |name: &str, change: &dyn Fn(&mut Value)| {
        let (file, mut lines) = (scene.aside(name), lines(&after));
        lines.iter_mut().filter(|line| !line["text"].is_null()).for_each(change);
        put_lines(&file, &lines);
        sentences_of_findings(&verify(&file, &["--vkey", &vkey]).1)
    };
    let salted = |line: &mut Value| {
        if line["erased"] == true {
            *line = json!({ "text": line["text"], "salt": STANDARD.encode([0; 32]), "value": "laptop" });
        }
    };
    contains(&put("put back", &salted), &["text and salt are not what position", "says it was erased"]);
    let erased = |line: &mut Value| *line = json!({ "text": line["text"], "erased": true });
    contains(&put("hidden", &erased), &["it is said to be erased, and no record here says so"]);
}

#[test]
fn a_backup_and_a_running_server_give_bundles_too() {
    let (scene, vkey) = sealed(|_, _| {});
    let backup = scene.aside("backup");
    scene.run(&["backup", "--to", backup.to_str().unwrap()]).expect(0);
    let at_rest = bundle(&scene, "at rest", &["--token", "2"]);
    let from_backup = scene.aside("from backup");
    export_from(&backup, &from_backup, &["--token", "2"]).expect(0);
    assert_eq!(fs::read(&from_backup).unwrap(), fs::read(&at_rest).unwrap());
    let server = scene.serve(&[]);
    let served = bundle(&scene, "served", &["--token", "2"]);
    proved(&served, &["--vkey", &vkey]);
    // To standard output as well.
    let words = ["export", "--format", "bundle", "--token", "2"];
    let ended = scene.run(&words).expect(0);
    assert!(ended.stdout.starts_with("{\"bundle\":\"token-ledger-evidence\",\"version\":1,"), "{ended:#?}");
    server.terminate().expect(0);
    let unsigned = scene.aside("unsigned");
    init(&unsigned);
    export_from(&unsigned, &scene.aside("none"), &["--token", "1"]).expect(1).says("no checkpoint is signed yet");
}

/// Over HTTP the same file, for auditors and operators; that they fetched it is recorded.
#[test]
fn a_bundle_is_fetched_over_http_and_the_look_is_recorded() {
    let (scene, vkey) = sealed(|_, _| {});
    let server = scene.serve(&["--seal-events", "0"]);
    let mut client = Client::connect(server.address).unwrap();
    let mut fetch = |query: &str, token: &str, status: u16| {
        client.ask(Ask::get(&format!("/v1/audit/bundle{query}"), token)).unwrap().expect(status)
    };
    let (operator, robot) = (scene.tokens.operator.as_str(), scene.tokens.account[0].as_str());
    let answer = fetch("?token=2", operator, 200);
    assert_eq!(answer.header("content-type"), Some("application/jsonl"));
    let file = scene.aside("fetched");
    fs::write(&file, &answer.body).unwrap();
    let (said, _) = proved(&file, &["--vkey", &vkey]);
    contains(&said, &["records of token 2", "Token 2 was used 2 times"]);
    let without = fetch("?account=1&texts=false&from=2000-01-01T00:00:00Z", operator, 200);
    assert!(!String::from_utf8(without.body).unwrap().contains("\"salt\""));
    for (query, words) in [
        ("", "say of what"),
        ("?account=0", "say of what"),
        ("?token=x", "must be a number"),
        ("?token=2&token=3", "token"),
        ("?token=2&user=1", "is not a parameter"),
        ("?token=2&from=yesterday", "must be a time"),
        ("?token=2&texts=maybe", "must be true or false"),
    ] {
        let refused = fetch(query, operator, 400);
        contains(&String::from_utf8(refused.body).unwrap(), &[words]);
    }
    fetch("?token=2", robot, 403);
    let looks = events(&mut client, &scene, "type=HistoryRead");
    let asked = |look: &Value| look["data"].to_string();
    assert!(looks.iter().any(|look| asked(look).contains("bundle") && asked(look).contains('2')), "{looks:#?}");
    server.terminate().expect(0);
}

/// A checkpoint that somebody kept is trusted instead of a key, or beside one.
#[test]
fn a_bundle_is_held_against_a_checkpoint_that_was_kept() {
    let (scene, vkey) = sealed(|_, _| {});
    let note = |name: &str| {
        let kept = scene.aside(name);
        let note = token_ledger::log::signed_head::read_latest_checkpoint(&scene.dir()).unwrap().unwrap();
        fs::write(&kept, note).unwrap();
        kept
    };
    let size = |note: &Path| fs::read_to_string(note).unwrap().lines().nth(1).unwrap().to_owned();
    let early = note("early");
    let early_bundle = bundle(&scene, "early bundle", &["--token", "2"]);
    let apart = scene.aside("apart");
    copy_directory(&scene.data(), &apart);
    scene.serve(&[]).terminate().expect(0);
    let late = note("late");
    let (kept, now) = (early.to_str().unwrap(), late.to_str().unwrap());
    let (said, _) = proved(&early_bundle, &["--checkpoint", kept]);
    contains(&said, &["is the one that was given"]);
    // Grown since: shown by the bundle itself, or by a proof that comes with the checkpoint.
    let grown = bundle(&scene, "grown", &["--token", "2", "--old-checkpoint", kept]);
    let (said, _) = proved(&grown, &["--checkpoint", kept, "--vkey", &vkey]);
    contains(&said, &[&format!("begins with that of size {} in the checkpoint that was given", size(&early))]);
    let proof = scene.aside("proof");
    let made = scene.run(&["proof", "consistency", "--old", &size(&early)]).expect(0);
    fs::write(&proof, format!("{}\n", made.stdout)).unwrap();
    let proof = proof.to_str().unwrap();
    let plain = bundle(&scene, "plain", &["--token", "2"]);
    proved(&plain, &["--checkpoint", kept, "--consistency", proof]);
    let (said, _) = proved(&early_bundle, &["--checkpoint", now, "--consistency", proof]);
    contains(&said, &["in the checkpoint that was given begins with that of size"]);
    for (file, trust, words) in [
        (&plain, vec!["--checkpoint", kept], "a consistency proof is needed"),
        (&early_bundle, vec!["--checkpoint", now], "a consistency proof is needed"),
        (&plain, vec!["--checkpoint", now, "--checkpoint", kept], ""),
        (&plain, vec!["--checkpoint", proof], "it is no checkpoint"),
        (&plain, vec!["--checkpoint", kept, "--consistency", now], "is no consistency proof"),
    ] {
        if words.is_empty() {
            let words = [&["verify", "--bundle", file.to_str().unwrap()], trust.as_slice()].concat();
            run(&words).expect(2).says("one checkpoint");
            continue;
        }
        contains(&sentences_of_findings(&verify(file, &trust).1), &[words]);
    }
    // A fork: signed by the same key, whole by itself; only what was kept tells.
    grow(&DataDir::new(&apart), 5);
    Server::start(&apart, &[]).terminate().expect(0);
    let forked = scene.aside("forked");
    export_from(&apart, &forked, &["--token", "2"]).expect(0);
    proved(&forked, &["--vkey", &vkey]);
    export_from(&apart, &scene.aside("none"), &["--token", "2", "--old-checkpoint", now]).expect(1).says("a fork");
    contains(
        &sentences_of_findings(&verify(&forked, &["--vkey", &vkey, "--checkpoint", now]).1),
        &["a consistency proof is needed"],
    );
    contains(
        &sentences_of_findings(&verify(&forked, &["--checkpoint", now, "--consistency", proof]).1),
        &["the proof given does not join"],
    );
    // Nothing is trusted: nothing can be proved.
    let words = ["verify", "--bundle", plain.to_str().unwrap()];
    run(&words).expect(2).says("say what you trust");
    let mut command = script("verify_bundle.py");
    command.arg(&plain);
    run_by(command).expect(2).says("say what you trust");
    run(&["verify", "--bundle", "/nowhere", "--vkey", &vkey]).expect(74);
    let mut command = script("verify_bundle.py");
    command.args(["--vkey", &vkey, "/nowhere"]);
    run_by(command).expect(74).says("not read");
}

/// A key that was changed: checkpoints are signed by the new one, and the records say so.
#[test]
fn bundles_after_a_change_of_keys_say_which_key_signed() {
    let (scene, old) = sealed(|_, _| {});
    scene.run(&["rotate-key", "--overlap-days", "1"]).expect(0);
    let server = scene.serve(&[]);
    let new = vkeys(&server).remove(0);
    server.terminate().expect(0);
    assert_ne!(old, new);
    let file = bundle(&scene, "rotated", &["--token", "2"]);
    let (said, _) = proved(&file, &["--vkey", &new, "--vkey", &old]);
    assert_eq!(said.matches("is signed by").count(), 2, "both, while they overlap:\n{said}");
    proved(&file, &["--vkey", &old]);
    assert_eq!(lines(&file)[2], json!({ "vkeys": [new, old] }));
}

// ---- Tampering ----

fn sentences_of_findings(said: &Value) -> String {
    let findings = said["findings"].as_array().unwrap().iter();
    findings
        .map(|found| format!("{}: {}\n", found["place"].as_str().unwrap(), found["what"].as_str().unwrap()))
        .collect()
}

/// The index of the n-th line that has a member.
fn nth(lines: &[Value], member: &str, n: usize) -> usize {
    lines.iter().enumerate().filter(|(_, line)| !line[member].is_null()).nth(n).unwrap().0
}

/// Flips a bit of what a member says in base64.
fn flip(line: &mut Value, member: &str) {
    let mut bytes = STANDARD.decode(line[member].as_str().unwrap()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    line[member] = STANDARD.encode(bytes).into();
}

/// Makes a node of one of its records: what somebody does who drops it and knows the tree.
fn hide(stage: &Stage, lines: &mut [Value], n: usize) {
    let at = stage.line_of(lines, n);
    let position = lines[at]["position"].clone();
    lines[at] = json!({ "covers": [position, position], "hash": lines[at]["leaf"] });
}

struct Stage {
    scene: Scene,
    vkey: String,
    /// Of token 2, whose last record is a use before the seal.
    good: PathBuf,
    /// Positions of its records.
    own: Vec<u64>,
}

impl Stage {
    fn line_of(&self, lines: &[Value], n: usize) -> usize {
        lines.iter().position(|line| line["position"] == self.own[n]).unwrap()
    }

    fn last(&self) -> usize {
        self.own.len() - 1
    }
}

type Tampering = (&'static str, fn(&Stage, &mut Vec<Value>), &'static [&'static str]);

const TAMPERINGS: &[Tampering] = &[
    (
        "a byte of a record flipped",
        |stage, lines| {
            let at = stage.line_of(lines, 1);
            flip(&mut lines[at], "record");
        },
        &["position ", "the record is not the one that its leaf hash is of"],
    ),
    (
        "a byte of a record flipped, and its leaf hash with it",
        |stage, lines| {
            let at = stage.line_of(lines, 1);
            flip(&mut lines[at], "record");
            let record = STANDARD.decode(lines[at]["record"].as_str().unwrap()).unwrap();
            lines[at]["leaf"] = STANDARD.encode(token_ledger::log::merkle::leaf_hash(&record)).into();
        },
        &["positions 1 to ", "the records and hashes here are not those of the tree"],
    ),
    (
        "a record dropped in the middle",
        |stage, lines| drop(lines.remove(stage.line_of(lines, 1))),
        &["is missing before it"],
    ),
    (
        "a record dropped in the middle, with a hash in its place",
        |stage, lines| hide(stage, lines, 1),
        &["token 2 in account 1: its record 2 is missing between positions"],
    ),
    (
        "the last records dropped",
        |stage, lines| {
            hide(stage, lines, stage.last());
            hide(stage, lines, stage.last() - 1);
        },
        &["token 2 in account 1: its records ", "are missing: position ", " was sealed with "],
    ),
    (
        "the first record dropped",
        |stage, lines| hide(stage, lines, 0),
        &["token 2 in account 1: its record 1 is missing before position"],
    ),
    (
        "two records swapped",
        |stage, lines| {
            let (one, other) = (stage.line_of(lines, 1), stage.line_of(lines, 2));
            lines.swap(one, other);
        },
        &["missing before it"],
    ),
    (
        "two records swapped under each other's positions",
        |stage, lines| {
            let (one, other) = (stage.line_of(lines, 1), stage.line_of(lines, 2));
            lines.swap(one, other);
            let position = lines[one]["position"].take();
            lines[one]["position"] = lines[other]["position"].take();
            lines[other]["position"] = position;
        },
        &["the records and hashes here are not those of the tree"],
    ),
    (
        "a foreign record inserted",
        |stage, lines| {
            let at = stage.line_of(lines, 1);
            let foreign = lines[nth(lines, "position", 0)].clone();
            lines.insert(at + 1, foreign);
        },
        &["position 1 comes again, or too late: position"],
    ),
    (
        "a foreign record under the next position",
        |stage, lines| {
            let at = stage.line_of(lines, 1);
            let mut foreign = lines[nth(lines, "position", 0)].clone();
            foreign["position"] = (stage.own[1] + 1).into();
            lines[at + 1] = foreign;
        },
        &["it was recorded before the record before it", "missing before it"],
    ),
    (
        "renumbered",
        |stage, lines| {
            let at = stage.line_of(lines, 1);
            lines[at]["position"] = (stage.own[1] + 1).into();
        },
        &["missing before it"],
    ),
    ("the file cut off", |_, lines| drop(lines.pop()), &["the file ends here, before its last line: it is cut off"]),
    (
        "the file cut off in the middle, and ended again",
        |_, lines| {
            let (half, end) = (lines.len() / 2, lines.last().unwrap().clone());
            lines.truncate(half);
            lines.push(end);
        },
        &["missing: they are in the tree and not here"],
    ),
    (
        "an older checkpoint in the place of this one",
        |stage, lines| {
            let older = token_ledger::log::signed_head::read_checkpoints(&stage.scene.dir()).unwrap();
            let size = lines[1]["checkpoint"].as_str().unwrap().lines().nth(1).unwrap().parse::<u64>().unwrap();
            let older = older.into_iter().rfind(|(at, _)| at.0 < size).unwrap();
            lines[1]["checkpoint"] = older.1.into();
        },
        &["the hash is of positions 1 to", "one from position 1 on was to come"],
    ),
    (
        "a checkpoint with another root",
        |_, lines| {
            let note = lines[1]["checkpoint"].as_str().unwrap().to_owned();
            let root = note.lines().nth(2).unwrap();
            lines[1]["checkpoint"] = note.replace(root, &STANDARD.encode([7; 32])).into();
        },
        &["checkpoint: the signature by ", " is wrong"],
    ),
    (
        "signed by somebody else",
        |stage, lines| {
            use token_ledger::log::note::{Checkpoint, LogKey};
            let note = lines[1]["checkpoint"].as_str().unwrap().to_owned();
            let body = format!("{}\n", note.split("\n\n").next().unwrap());
            let checkpoint = Checkpoint::parse_body(&body).unwrap();
            let key = LogKey::from_seed(&checkpoint.origin, &[9; 32]).unwrap();
            lines[1]["checkpoint"] = checkpoint.sign(&key).unwrap().into();
            assert!(!stage.vkey.is_empty());
        },
        &["checkpoint: it is signed by none of the keys that were given"],
    ),
    (
        "keys that are not the log's",
        |stage, lines| lines[2]["vkeys"] = json!([stage.vkey, stage.vkey]),
        &["the log's verifier keys: they are not those that the records here name"],
    ),
    (
        "another text",
        |_, lines| {
            let at = nth(lines, "salt", 0);
            lines[at]["value"] = "somebody else".into();
        },
        &["text ", "text and salt are not what position"],
    ),
    (
        "another salt",
        |_, lines| {
            let at = nth(lines, "salt", 0);
            flip(&mut lines[at], "salt");
        },
        &["text ", "text and salt are not what position"],
    ),
    (
        "a text left out",
        |_, lines| {
            let at = nth(lines, "salt", 0);
            lines.remove(at);
        },
        &["names it, and nothing is said of it here"],
    ),
    (
        "an altered hash between records",
        |_, lines| {
            let record = nth(lines, "position", 0);
            let at = record + lines[record..].iter().position(|line| !line["covers"].is_null()).unwrap();
            flip(&mut lines[at], "hash");
        },
        &["positions 1 to ", "the records and hashes here are not those of the tree"],
    ),
    (
        "an altered hash of a tile",
        |_, lines| {
            let at = nth(lines, "covers", 0);
            flip(&mut lines[at], "hash");
        },
        &["the hashes do not lead to the root of the checkpoint"],
    ),
    (
        "a seal of another position",
        |stage, lines| {
            let at = nth(lines, "seal", 0);
            lines[at]["seal"] = stage.own[0].into();
        },
        &["the seal at position ", "its record is not here"],
    ),
    (
        "a seal that says less",
        |_, lines| {
            let at = lines.iter().position(|line| line["key"] == STANDARD.encode(key_of(2, 1))).unwrap();
            let mut value = STANDARD.decode(lines[at]["value"].as_str().unwrap()).unwrap();
            value[7] -= 1;
            lines[at]["value"] = STANDARD.encode(value).into();
        },
        &["the seal at position ", "is not in the map that the record commits to"],
    ),
    (
        "a stream left out of the seal",
        |_, lines| {
            let at = lines.iter().position(|line| line["key"] == STANDARD.encode(key_of(2, 1))).unwrap();
            lines.remove(at);
        },
        &["the seal at position ", "its entries do not show which streams of token 2 there were"],
    ),
    (
        "a record twice",
        |stage, lines| {
            let at = stage.line_of(lines, 1);
            lines.insert(at, lines[at].clone());
        },
        &["comes again, or too late"],
    ),
    (
        "a claim of another token",
        |_, lines| lines[0]["selection"]["token"] = 3.into(),
        &["the seal at position ", "its entries do not show which streams of token 3 there were"],
    ),
    (
        "a claim of a whole account",
        |_, lines| lines[0]["selection"] = json!({ "account": 1 }),
        &["account 1: ", "missing"],
    ),
    (
        "another log's name",
        |_, lines| lines[0]["origin"] = "ledger.example.org/other".into(),
        &["checkpoint: it is of localhost/token-ledger/", "the bundle of ledger.example.org/other"],
    ),
    ("a count that is not so", |_, lines| lines.last_mut().unwrap()["records"] = 3.into(), &["it says 3 records"]),
    (
        "something appended",
        |_, lines| lines.push(json!({ "end": true, "records": 0, "texts": 0 })),
        &["something follows the last line of the bundle"],
    ),
    (
        "a line of something else",
        |_, lines| lines.insert(3, json!({ "note": "trust me" })),
        &["line 4: it is no line of a bundle"],
    ),
];

fn key_of(token: u64, account: u64) -> Vec<u8> {
    [&[2][..], &token.to_be_bytes(), &account.to_be_bytes()].concat()
}

fn stage() -> Stage {
    let (scene, vkey) = sealed(|_, _| {});
    let good = bundle(&scene, "good", &["--token", &ROBOT.to_string()]);
    proved(&good, &["--vkey", &vkey]);
    let mut command = script("verify_bundle.py");
    command.args(["--list", "--vkey", &vkey]).arg(&good);
    let listed = run_by(command).expect(0).stdout;
    let records = listed.lines().take_while(|line| line.starts_with('{'));
    let own: Vec<u64> =
        records.map(|line| serde_json::from_str::<Value>(line).unwrap()["position"].as_u64().unwrap()).collect();
    assert!(own.len() >= 4, "{own:?}");
    Stage { scene, vkey, good, own }
}

#[test]
fn each_tampering_with_a_bundle_is_named_by_both_programs() {
    let stage = stage();
    for (number, (what, tamper, words)) in TAMPERINGS.iter().enumerate() {
        let (file, mut changed) = (stage.scene.aside(&format!("tampered {number}")), lines(&stage.good));
        tamper(&stage, &mut changed);
        put_lines(&file, &changed);
        let (code, said) = verify(&file, &["--vkey", &stage.vkey]);
        let found = sentences_of_findings(&said);
        assert_eq!(code, 1, "{what}: {said:#}");
        for words in *words {
            assert!(found.contains(words), "{what}: {words:?} is not in:\n{found}");
        }
        assert_eq!(said["proved"], json!([]), "{what}: nothing is to be relied on");
    }
}

/// Of a part of a token's time somebody makes it look like more.
#[test]
fn claims_that_are_widened_are_named() {
    let stage = stage();
    let server = stage.scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let times = times(&events(&mut client, &stage.scene, "token=2"));
    server.terminate().expect(0);
    let [created, first_use, second_use] = times.as_slice() else { panic!("{times:?}") };
    let part =
        |name: &str, from: &str, to: &str| bundle(&stage.scene, name, &["--token", "2", "--from", from, "--to", to]);
    let widened = |part: &Path, name: &str, change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let (file, mut lines) = (stage.scene.aside(name), lines(part));
        change(lines[0]["selection"].as_object_mut().unwrap());
        put_lines(&file, &lines);
        sentences_of_findings(&verify(&file, &["--vkey", &stage.vkey]).1)
    };
    let middle = part("middle", first_use, second_use);
    let (said, _) = proved(&middle, &["--vkey", &stage.vkey]);
    contains(&said, &["3 of them are records of token 2 from ", "Token 2 was used once, from "]);
    let end = part("end", second_use, "2999-01-01T00:00:00Z");
    proved(&end, &["--vkey", &stage.vkey]);
    let earlier =
        |claim: &mut serde_json::Map<String, Value>| drop(claim.insert("from".to_owned(), created.clone().into()));
    let from_earlier = widened(&end, "from earlier", &earlier);
    contains(&from_earlier, &["token 2 in account 1: its records 1 to 2 are missing before position"]);
    let from_ever = widened(&end, "from ever", &|claim| drop(claim.remove("from")));
    contains(&from_ever, &["token 2 in account 1: its records 1 to 2 are missing before position"]);
    // The neighbour after is the last there was: all that the wider claim needs is there, so it is true.
    assert_eq!(widened(&middle, "to now", &|claim| drop(claim.remove("to"))), "");
    let beginning = part("beginning", created, first_use);
    let later =
        |claim: &mut serde_json::Map<String, Value>| drop(claim.insert("to".to_owned(), second_use.clone().into()));
    let to_later = widened(&beginning, "to later", &later);
    contains(
        &to_later,
        &["token 2 in account 1: its records 4 to 6 are missing: position ", " was sealed with 6 records"],
    );
    let to_ever = widened(&beginning, "to ever", &|claim| drop(claim.remove("to")));
    contains(&to_ever, &["token 2 in account 1: its records 4 to 6 are missing: position "]);
}

/// A forged seal: recorded, signed, and not what the log gives. Whoever has the log sees it.
#[test]
fn a_seal_that_says_otherwise_than_the_log_is_named_by_verify() {
    use token_ledger::clock::Clock;
    use token_ledger::domain::command::{Actor, Change, Command, Origin};
    use token_ledger::domain::event::StateSealed;
    use token_ledger::domain::ids::Position;
    use token_ledger::entropy::Entropy;
    use token_ledger::ledger::core::Core;
    let scene = Scene::new();
    let (mut core, _) = Core::open(&scene.dir(), Clock::system(), Entropy::system()).unwrap();
    let at_position = Position(core.head().0 - 1);
    let forged = StateSealed { at_position, seal_version: 1, streams_root: [7; 32], state_root: [7; 32] };
    let command = Command::Manage(Actor::Init, Box::new(Change::SealState(forged)));
    let position = core.execute(command, Origin::default()).unwrap().0.position.unwrap();
    drop(core);
    scene
        .run(&["verify"])
        .expect(1)
        .says(&format!("position {position}"))
        .says("the roots of streams and state are not those which a replay up to position");
    // And it is handed to nobody as evidence.
    scene.serve(&["--seal-events", "0"]).terminate().expect(0);
    export_from(&scene.data(), &scene.aside("none"), &["--token", "2"]).expect(1).says("is not what a replay");
}

/// What is no line of a bundle is none for both programs, and stops neither.
#[test]
fn lines_that_are_none_are_refused_alike() {
    let (scene, vkey) = sealed(|_, _| {});
    let good = fs::read_to_string(bundle(&scene, "good", &["--token", "2"])).unwrap();
    let hash = STANDARD.encode([0; 32]);
    let strange: Vec<Vec<u8>> = vec![
        b"[".repeat(100_000),
        b"{\"covers\":[".repeat(3_000),
        format!(r#"{{"covers":[1,99999999999999999999999],"hash":"{hash}"}}"#).into_bytes(),
        format!(r#"{{"covers":[1,{}],"hash":"{hash}"}}"#, "9".repeat(6_000)).into_bytes(),
        format!(r#"{{"covers":[1,1.0],"hash":"{hash}"}}"#).into_bytes(),
        format!(r#"{{"covers":[true,1],"hash":"{hash}"}}"#).into_bytes(),
        format!(r#"{{"covers":[1,1,1],"hash":"{hash}"}}"#).into_bytes(),
        format!(r#"{{"covers":[0,0],"hash":"{hash}"}}"#).into_bytes(),
        format!(r#"{{"covers":[1,256],"hash":"{hash}","hash":"{hash}"}}"#).into_bytes(),
        format!(r#"{{"covers":[1,256],"hash":"{}"}}"#, &hash[..40]).into_bytes(),
        format!(r#"{{"covers":[1,256],"hash":"{hash}","note":1}}"#).into_bytes(),
        r#"{"checkpoint":"\ud800"}"#.as_bytes().to_vec(),
        b"{\"checkpoint\":\"\xff\"}".to_vec(),
        r#"{"end":false,"records":0,"texts":0}"#.as_bytes().to_vec(),
        r#"{"entry":-0,"key":"","value":"","proof":[]}"#.as_bytes().to_vec(),
        format!(r#"{{"covers":[1,-0],"hash":"{hash}"}}"#).into_bytes(),
        r#"{"entry":NaN,"key":"","value":"","proof":[]}"#.as_bytes().to_vec(),
        format!(r#"{{"vkeys":["{}"]}}"#, "a".repeat(1 << 20)).into_bytes(),
        b"".to_vec(),
        b"null".to_vec(),
        b"\"covers\"".to_vec(),
    ];
    for (number, line) in strange.iter().enumerate() {
        let file = scene.aside(&format!("strange {number}"));
        let mut lines: Vec<&[u8]> = good.lines().map(str::as_bytes).collect();
        lines[3] = line;
        fs::write(&file, [lines.join(&b"\n"[..]), b"\n".to_vec()].concat()).unwrap();
        let (code, said) = verify(&file, &["--vkey", &vkey]);
        let found = sentences_of_findings(&said);
        assert_eq!(code, 1, "{number}: {said:#}");
        let is_named =
            ["is no line of a bundle", "was to come", "is no hash over positions", "do not lead to the root"];
        assert!(is_named.iter().any(|words| found.contains(words)) && found.contains("line 4"), "{number}: {found}");
    }
    // Nothing at all, and half a line.
    for (name, text) in [("empty", ""), ("half", "{\"bundle\":")] {
        fs::write(scene.aside(name), text).unwrap();
        assert_eq!(verify(&scene.aside(name), &["--vkey", &vkey]).0, 1);
    }
}
