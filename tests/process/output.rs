//! What becomes of a command whose output nobody reads any more, or that cannot be written.

use crate::client::{Ask, Client};
use crate::program::{Ended, Lines, send, token_ledger, wait_for_end};
use crate::scene::Scene;
use serde_json::json;
use std::fs::OpenOptions;
use std::process::Stdio;
use std::time::Instant;

const COMMANDS: [&[&str]; 7] = [
    &["verify"],
    &["replay"],
    &["replay", "--compare"],
    &["state"],
    &["history", "--account", "1"],
    &["export", "--format", "ndjson"],
    &["audit", "who-could", "--account", "1", "--scope", "zones:example.com"],
];

/// Runs a command of a data directory with this for its standard output.
fn run_into(scene: &Scene, arguments: &[&str], stdout: Stdio) -> Ended {
    let began = Instant::now();
    let mut command = token_ledger();
    command.args(arguments).arg("--data").arg(scene.data()).stdout(stdout).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stderr = Lines::of(child.stderr.take().unwrap());
    let status = wait_for_end(&mut child, "the command");
    Ended { code: status.code(), stdout: String::new(), stderr: stderr.all(), took: began.elapsed() }
}

#[test]
fn a_command_ends_well_where_whoever_read_its_output_has_seen_enough() {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    for command in COMMANDS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        run_into(&scene, command, writer.into()).expect(0);
    }
    server.terminate().expect(0);
}

#[test]
fn a_command_says_that_its_output_could_not_be_written() {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    for command in COMMANDS {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        run_into(&scene, command, full.into()).expect(74).says("No space left on device");
    }
    server.terminate().expect(0);
}

/// Where the disk of the log is full, or nobody reads it any more: no line of it is worth a thread of the ledger.
#[test]
fn a_server_whose_log_cannot_be_written_serves_and_ends_in_order() {
    let scene = Scene::new();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    for stderr in [Stdio::from(full), closed.into()] {
        let mut command = token_ledger();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(scene.data());
        let mut child = command.env("RUST_LOG", "trace").stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut stdout = Lines::of(child.stdout.take().unwrap());
        let line = stdout.wait_for("listening on http://").expect("it listens");
        let address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
        let mut client = Client::connect(address).unwrap();
        let user = json!({ "name": "n", "email": "n@example.com" });
        let told = client.ask(Ask::send("POST", "/v1/users", &scene.tokens.operator, &user)).unwrap();
        assert_eq!(told.status, 201);
        send(child.id(), rustix::process::Signal::TERM);
        assert_eq!(wait_for_end(&mut child, "the server").code(), Some(0));
        let exported = scene.run(&["export", "--format", "ndjson"]).expect(0).stdout;
        let last = exported.lines().last().unwrap();
        assert!(last.contains("RecordingStopped"), "{last}");
    }
}

#[test]
fn a_staff_token_that_could_not_be_shown_is_named() {
    let scene = Scene::new();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let arguments = ["staff-token", "--role", "auditor", "--name", "new"];
    let ended = run_into(&scene, &arguments, full.into()).expect(74);
    ended.says("was made, and its text could not be shown").says("delete it");
}
