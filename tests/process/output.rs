//! What becomes of a command whose output nobody reads any more, or that cannot be written.

use crate::program::{Ended, Lines, token_ledger, wait_for_end};
use crate::scene::Scene;
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
