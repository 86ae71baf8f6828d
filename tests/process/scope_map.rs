//! The scope map's file while it is served: read again at SIGHUP, which never ends the service, and kept out where it
//! is no map.

use crate::client::{Ask, Client};
use crate::injector::Injector;
use crate::program::{Lines, PROGRAM, SERVE, Server, as_child, send, token_ledger, until, wait_for_end};
use crate::scene::{Scene, ZONE, empty_parent};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// A map with one route, `/{word}/{name}`, under a scope of the group.
fn map(word: &str, group: &str) -> String {
    format!(
        "name = \"{word}\"\n\n[[route]]\nmethods = [\"GET\"]\npath = \"/{word}/{{name}}\"\nscope = \"{group}:{{name}}:read\"\n"
    )
}

/// A service with a map of its own.
struct Guarding {
    scene: Scene,
    server: Server,
    file: PathBuf,
}

impl Guarding {
    fn with(text: &str) -> Self {
        let scene = Scene::new();
        let file = scene.aside("map.toml");
        fs::write(&file, text).unwrap();
        let server = scene.serve(&["--scope-map", file.to_str().unwrap()]);
        Self { scene, server, file }
    }

    fn client(&self) -> Client {
        Client::connect(self.server.address).unwrap()
    }

    /// Writes the file whole, as a rename does, and tells the service.
    fn put(&self, text: &str) {
        let aside = self.scene.aside("map.toml.new");
        fs::write(&aside, text).unwrap();
        fs::rename(aside, &self.file).unwrap();
        self.hang_up();
    }

    fn hang_up(&self) {
        send(self.server.id(), Signal::HUP);
    }

    /// What a gateway is told of a path.
    fn asked(&self, path: &str) -> u16 {
        let path = format!("/forward-auth/envoy{path}");
        self.client().ask(Ask::get(&path, &self.scene.tokens.account[0])).unwrap().status
    }

    fn until_passes(&self, path: &str) {
        until(path, || self.asked(path) == 200);
    }

    fn ready(&self) -> Value {
        self.client().ask(Ask::get("/readyz", "")).unwrap().expect(200).json()
    }

    /// Waits until `/readyz` names another fault than this one, and gives what it says.
    fn until_rejected(&self, before: &Value) -> Value {
        until("readiness names the fault", || {
            let now = &self.ready()["scope_map"];
            !now.is_null() && now["fault"] != before["fault"]
        });
        self.ready()["scope_map"].clone()
    }

    /// Data of all events of a type, the oldest first.
    fn events(&self, kind: &str) -> Vec<Value> {
        let (mut found, mut after) = (Vec::new(), Some(0));
        while let Some(from) = after {
            let path = format!("/v1/events?type={kind}&limit=1000&after={from}");
            let page = self.client().ask(Ask::get(&path, &self.scene.tokens.operator)).unwrap().expect(200).json();
            found.extend(page["data"].as_array().unwrap().iter().map(|event| event["data"].clone()));
            after = page["next"].as_u64();
        }
        found
    }

    fn head(&self) -> u64 {
        let answer = self.client().ask(Ask::get("/v1/events?limit=1", &self.scene.tokens.operator)).unwrap();
        answer.expect(200).json()["head"]["position"].as_u64().unwrap()
    }
}

#[test]
fn another_map_is_recorded_and_then_counts() {
    let mut guarding = Guarding::with(&map("one", "zones"));
    guarding.until_passes("/one/example.com");
    assert_eq!(guarding.asked("/two/example.com"), 403);
    guarding.put(&map("two", "zones"));
    guarding.until_passes("/two/example.com");
    assert_eq!(guarding.asked("/one/example.com"), 403);
    let names: Vec<Value> = guarding.events("ScopeMapDefined").iter().map(|map| map["name"].clone()).collect();
    // The first is that of the scene's own start, the built-in one.
    assert_eq!(names, ["dnsimple-v2", "one", "two"]);
    // The same text again is nothing new.
    let head = guarding.head();
    guarding.hang_up();
    guarding.server.wait_until_logged("the scope map is the one in force already");
    assert_eq!(guarding.head(), head);
    guarding.server.terminate().expect(0);
}

#[test]
fn a_broken_map_keeps_the_one_before_and_says_so_in_the_log_in_readiness_and_in_the_ledger() {
    let group = |restrictable| format!("\n[[group]]\nname = \"shelves\"\nrestrictable = {restrictable}\n");
    let good = map("one", "zones") + &group(true);
    let mut guarding = Guarding::with(&good);
    assert_eq!(guarding.ready()["scope_map"], Value::Null);

    guarding.put(&map("one", "nothing"));
    let first = guarding.until_rejected(&Value::Null);
    guarding.server.wait_until_logged("no scope map is in the file");
    guarding.server.wait_until_logged("line 6");
    assert!(first["fault"].as_str().unwrap().starts_with("line 6: "), "{first}");
    assert_eq!((&first["cause"], &first["line"], &first["faults"]), (&"faulty".into(), &6.into(), &1.into()));
    let warnings = guarding.ready()["warnings"].clone();
    assert!(warnings[0].as_str().unwrap().contains("the one before is in force: line 6"), "{warnings}");
    let metrics = guarding.client().ask(Ask::get("/metrics", "")).unwrap().expect(200).body;
    assert!(String::from_utf8(metrics).unwrap().contains("token_ledger_scope_map_rejected 1"));
    guarding.until_passes("/one/example.com");
    guarding.put("name = 7\n# and more\n");
    let second = guarding.until_rejected(&first);
    fs::remove_file(&guarding.file).unwrap();
    guarding.hang_up();
    let third = guarding.until_rejected(&second);
    guarding.put(&(map("one", "zones") + &group(false)));
    let fourth = guarding.until_rejected(&third);
    for told in [&second, &third, &fourth] {
        assert_eq!(told["since"], first["since"], "it was never mended in between");
        assert_eq!(told["map_in_force"], first["map_in_force"]);
    }
    guarding.until_passes("/one/example.com");

    let kept = guarding.events("ScopeMapDefined").last().unwrap()["map"].clone();
    until("the last is recorded", || guarding.events("ScopeMapRejected").len() == 4);
    let recorded = guarding.events("ScopeMapRejected");
    let causes: Vec<&Value> = recorded.iter().map(|event| &event["cause"]).collect();
    assert_eq!(causes, ["faulty", "faulty", "unreadable", "not_taken"]);
    let hashed: Vec<bool> = recorded.iter().map(|event| event["hash"].is_string()).collect();
    assert_eq!(hashed, [true, true, false, true]);
    assert!(recorded.iter().all(|event| event["kept"] == kept), "{recorded:?} {kept}");

    guarding.put(&good);
    until("the fault is mended", || guarding.ready()["scope_map"].is_null());
    assert_eq!(guarding.ready()["warnings"], Value::Array(Vec::new()));
    assert_eq!(guarding.events("ScopeMapDefined").last().unwrap()["map"], kept, "it was in force all the time");
    guarding.server.terminate().expect(0);
    guarding.scene.run(&["verify"]).expect(0);
    guarding.scene.run(&["replay", "--compare"]).expect(0);
}

#[test]
fn the_same_broken_map_again_is_not_recorded_again() {
    let mut guarding = Guarding::with(&map("one", "zones"));
    guarding.put("name = 7\n");
    let first = guarding.until_rejected(&Value::Null);
    guarding.server.wait_until_logged("no scope map is in the file");
    guarding.hang_up();
    guarding.server.wait_until_logged("no scope map is in the file");
    // Hang-ups are heard one after the other: once this is known, the second was dealt with.
    guarding.put("name = 8\nprefix = 1\n[");
    guarding.until_rejected(&first);
    until("it is recorded", || guarding.events("ScopeMapRejected").len() >= 2);
    assert_eq!(guarding.events("ScopeMapRejected").len(), 2);
    guarding.server.terminate().expect(0);
}

/// Each record names a map, and its scope is that map's, whatever was put in force while it was on its way.
#[test]
fn a_question_is_answered_by_the_map_that_it_began_with() {
    let guarding = Guarding::with(&map("same", "zones"));
    let (ends, token, address) = (AtomicBool::new(false), &guarding.scene.tokens.account[0], guarding.server.address);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                let mut client = Client::connect(address).unwrap();
                while !ends.load(Ordering::Relaxed) {
                    client.ask(Ask::get("/forward-auth/envoy/same/example.com", token)).unwrap().expect(200);
                }
            });
        }
        for turn in 0..6 {
            let before = guarding.events("ScopeMapDefined").len();
            guarding.put(&map("same", ["domains", "zones"][turn % 2]));
            until("it is recorded", || guarding.events("ScopeMapDefined").len() > before);
        }
        ends.store(true, Ordering::Relaxed);
    });
    let first = guarding.events("ScopeMapDefined").iter().find(|map| map["name"] == "same").unwrap()["map"].clone();
    let uses = guarding.events("TokenUsed");
    assert!(!uses.is_empty());
    for used in uses.iter().filter(|used| used["route"]["map"].is_u64()) {
        let turn = used["route"]["map"].as_u64().unwrap() - first.as_u64().unwrap();
        let expected = format!("{}:{ZONE}:read", if turn % 2 == 0 { "zones" } else { "domains" });
        assert_eq!(used["scope"], expected, "{used}");
    }
}

#[test]
fn without_a_file_a_hang_up_changes_nothing() {
    let scene = Scene::new();
    let mut server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    let path = format!("/forward-auth/envoy/v2/1/zones/{ZONE}");
    let before = client.ask(Ask::get(&path, &scene.tokens.account[0])).unwrap().expect(200).position().unwrap();
    send(server.id(), Signal::HUP);
    server.wait_until_logged("there is no --scope-map to read again");
    let after = client.ask(Ask::get(&path, &scene.tokens.account[0])).unwrap().expect(200).position().unwrap();
    assert_eq!(after, before + 1, "nothing was recorded in between");
    server.terminate().expect(0);
}

/// A pipe keeps the start waiting for as long as the test likes.
#[test]
fn a_hang_up_while_it_starts_does_not_end_it_and_is_heard_later() {
    let scene = Scene::new();
    let (pipe, id_file) = (scene.aside("map.pipe"), scene.aside("id"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let opened = |pipe: &Path| fs::OpenOptions::new().write(true).open(pipe).unwrap();
    let writer = {
        let (pipe, id_file) = (pipe.clone(), id_file.clone());
        std::thread::spawn(move || {
            // Opens once the service reads: it is in the middle of its start.
            let mut writing = opened(&pipe);
            // What that signal is to find: a pipe is for the start alone.
            fs::remove_file(&pipe).unwrap();
            fs::write(&pipe, map("two", "zones")).unwrap();
            let id: u32 = fs::read_to_string(id_file).unwrap().trim().parse().unwrap();
            send(id, Signal::HUP);
            writing.write_all(map("one", "zones").as_bytes()).unwrap();
        })
    };
    let mut command = as_child(Command::new("sh"));
    command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(&id_file).arg(PROGRAM).args(SERVE).arg(scene.data());
    command.arg("--scope-map").arg(&pipe);
    let mut server = Server::start_by(command);
    writer.join().unwrap();
    server.wait_until_logged("the scope map is in force");
    let path = "/forward-auth/envoy/two/example.com";
    Client::connect(server.address).unwrap().ask(Ask::get(path, &scene.tokens.account[0])).unwrap().expect(200);
    server.terminate().expect(0);
}

#[test]
fn a_map_that_cannot_be_recorded_yet_counts_once_it_is() {
    let mut guarding = Guarding::with(&map("one", "zones"));
    let log = guarding.scene.data().join("ledger.db-wal");
    let trace = guarding.scene.aside("strace");
    let injector = Injector::attach(guarding.server.id(), "pwrite64", "error=ENOSPC", Some(&log), trace);
    guarding.put(&map("two", "zones"));
    guarding.server.wait_until_logged("could not be recorded; it is tried again");
    injector.detach();
    guarding.until_passes("/two/example.com");
    guarding.server.terminate().expect(0);
}

#[test]
fn a_broken_map_at_the_start_is_told_with_its_lines_and_leaves_no_trace() {
    let scene = Scene::new();
    let before = scene.fingerprint();
    let file = scene.aside("map.toml");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--scope-map", file.to_str().unwrap()];
    fs::write(&file, map("one", "nothing").replace("GET", "get")).unwrap();
    scene.run(&arguments).expect(1).says("is no scope map").says("line 4: ").says("line 6: ");
    fs::write(&file, [0xff, 0xfe]).unwrap();
    scene.run(&arguments).expect(1).says("is no scope map").says("utf-8");
    fs::write(&file, "#".repeat((1 << 20) + 1)).unwrap();
    scene.run(&arguments).expect(1).says("more than 1048576 bytes");
    fs::remove_file(&file).unwrap();
    scene.run(&arguments).expect(1).says("cannot be read").says("map.toml");
    assert_eq!(scene.fingerprint(), before);
}

/// It runs in a terminal, and would go on without one.
#[test]
fn the_demo_ends_in_order_with_its_terminal() {
    let parent = empty_parent();
    let mut command = token_ledger();
    command.args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(parent.path().join("demo"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut told = Lines::of(child.stdout.take().unwrap());
    told.wait_for("Ctrl-C ends it").unwrap();
    send(child.id(), Signal::HUP);
    assert_eq!(wait_for_end(&mut child, "the demo").code(), Some(0));
}

/// A pipe that nobody writes to would be waited for, and no later hang-up heard.
#[test]
fn a_pipe_in_place_of_the_map_is_refused_and_the_next_map_is_read() {
    let guarding = Guarding::with(&map("one", "zones"));
    guarding.until_passes("/one/example.com");
    let file = guarding.file.clone();
    std::fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    guarding.hang_up();
    let told = guarding.until_rejected(&Value::Null);
    assert!(told["fault"].as_str().unwrap().contains("no regular file"), "{told}");
    std::fs::remove_file(&file).unwrap();
    guarding.put(&map("two", "zones"));
    guarding.until_passes("/two/example.com");
    guarding.server.terminate().expect(0);
}
