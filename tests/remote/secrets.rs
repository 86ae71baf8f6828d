//! New secrets: shown once, or in a file that only its owner can open.

use crate::desk::Desk;
use crate::program::wait_for_end;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

#[test]
fn a_secret_goes_to_a_new_file_and_is_not_shown_then() {
    let desk = Desk::with_account();
    let path = desk.aside("robot.token");
    let file = path.to_str().unwrap();
    let create = ["tokens", "create", "--account", "1", "--name", "robot", "--access", "full", "--secret-file", file];
    let shown = desk.json(&create);
    assert_eq!(shown["token"], Value::Null);
    let secret = std::fs::read_to_string(&path).unwrap();
    assert!(secret.starts_with("tlka_") && secret.ends_with('\n'), "{}", secret.len());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    desk.run_as(secret.trim(), &["self"]).expect(0).says("robot");
    assert_eq!(desk.times_printed(secret.trim()), 0);

    // What is there stays, and then nothing is asked.
    desk.run(&create).expect(74).says("nothing was asked").says(file);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), secret);
    assert_eq!(desk.json(&["tokens", "list", "--account", "1"])["data"].as_array().unwrap().len(), 1);

    // A refusal leaves no empty file behind.
    let other = desk.aside("other.token");
    let refused = ["tokens", "rotate", "99", "--account", "1", "--secret-file", other.to_str().unwrap()];
    desk.run(&refused).expect(1).says("404");
    assert!(!other.exists());
    desk.run(&["tokens", "rotate", "2", "--account", "1", "--secret-file", other.to_str().unwrap()])
        .expect(0)
        .says("The secret is in");
    assert_ne!(std::fs::read_to_string(&other).unwrap(), secret);
}

#[test]
fn what_was_carried_out_before_under_its_key_has_no_secret_to_show() {
    let desk = Desk::with_account();
    let create =
        ["tokens", "create", "--account", "1", "--name", "robot", "--access", "full", "--idempotency-key", "deploy-1"];
    desk.run(&create).expect(0).says("tlka_");
    let again = desk.run(&create).expect(1).says("carried out before").says("rotate");
    assert!(!again.stdout.contains("tlka_"), "{again:?}");
    let file = desk.aside("robot.token");
    desk.run(&[&create[..], &["--secret-file", file.to_str().unwrap()]].concat()).expect(1);
    assert!(!file.exists());
    let other =
        ["tokens", "create", "--account", "1", "--name", "other", "--access", "full", "--idempotency-key", "deploy-1"];
    desk.run(&other).expect(1).says("422").says("Idempotency-Key");
    assert_eq!(desk.json(&["tokens", "list", "--account", "1"])["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_secret_that_nobody_could_read_is_told_as_a_fault() {
    let desk = Desk::with_account();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    // A pipe whose reader has gone away.
    let closed = || Stdio::from(std::io::pipe().unwrap().1);
    for (stdout, json) in [(full(), "--json"), (closed(), "--json"), (closed(), "--allow-http")] {
        let mut command =
            desk.command(&["tokens", "create", "--account", "1", "--name", "robot", "--access", "full", json]);
        let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(wait_for_end(&mut child, "tokens create").code(), Some(74), "{told}");
        assert!(told.contains("rotate") && !told.contains("tlka_"), "{told}");
    }
    // The rest goes the way of all output.
    let mut command = desk.command(&["tokens", "list", "--account", "1"]);
    let mut child = command.stdout(closed()).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(wait_for_end(&mut child, "tokens list").code(), Some(0));
}
