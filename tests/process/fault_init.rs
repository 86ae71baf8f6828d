//! Each durable step of `init` fails, unstored or stored, or is the last that the process does: the next `init` goes
//! on, and what it shows is what works.

use crate::client::{Ask, Client};
use crate::program::{Ended, Server, run_by, run_on, token_ledger};
use crate::scene::empty_parent;
use crate::shim::{Fault, each_in_turn};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use token_ledger::audit::verify::{Options, verify};
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::log::DataDir;
use token_ledger::projections::rebuild;

const STORAGE: i32 = 74;

/// What comes of the `init` that meets the fault, written by hand for each row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    /// Exit code 74 and no token; the next one works.
    Fails,
    /// Exit code 74, but the token was shown; the next one works and shows another.
    FailsShown,
    /// Exit code 74, but the token was shown, and there is nothing left to do.
    FailsDone,
    /// Exit code 0.
    Works,
    /// Killed there; the next one works.
    Dies,
}
use Then::{Dies, Fails, FailsDone, FailsShown, Works};

struct Init {
    parent: TempDir,
    fault: Fault,
    ended: Ended,
}

impl Init {
    /// `init` in a directory of its own, by a rule in which `{}` stands for everything there.
    fn run(rule: &str) -> Self {
        let parent = empty_parent();
        let fault = Fault::new(parent.path(), &rule.replace("{}", parent.path().to_str().unwrap()));
        fault.arm();
        let mut command = token_ledger();
        command.args(["init", "--json", "--data"]).arg(parent.path().join("ledger"));
        let ended = run_by(fault.at(command));
        Self { parent, fault, ended }
    }

    fn data(&self) -> PathBuf {
        self.parent.path().join("ledger")
    }
}

/// The operator token that an `init` showed, if it did.
fn shown(ended: &Ended) -> Option<String> {
    let shown: Value = serde_json::from_str(&ended.stdout).ok()?;
    Some(shown["operator_token"].as_str()?.to_owned())
}

/// The ledger is served, and this token is an operator's; nothing is wrong with any record.
fn serves(data: &Path, operator: &str) {
    let server = Server::start(data, &[]);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v1/self", operator)).unwrap().expect(200);
    server.terminate().expect(0);
    run_on(&["verify"], data).expect(0).says("Nothing is wrong");
    run_on(&["replay", "--compare"], data).expect(0);
}

fn meet(rule: &str, then: Then) {
    let init = Init::run(rule);
    let (data, ended) = (init.data(), &init.ended);
    assert!(init.fault.injected() > 0, "a run that made nothing fail proves nothing");
    let expected = match then {
        Fails | FailsShown | FailsDone => Some(STORAGE),
        Works => Some(0),
        Dies => None,
    };
    assert_eq!(ended.code, expected, "{ended:#?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
    let first = shown(ended);
    assert_eq!(first.is_some(), matches!(then, FailsShown | FailsDone | Works), "{ended:#?}");
    let key = fs::read(DataDir::new(&data).key()).ok();
    let again = run_on(&["init", "--json"], &data);
    let operator = if matches!(then, FailsDone | Works) {
        again.expect(1).says("already holds a ledger");
        first.unwrap()
    } else {
        let second = shown(&again.expect(0)).unwrap();
        assert_ne!(first.as_ref(), Some(&second));
        second
    };
    // It may have been shown already.
    assert!(key.is_none() || key == fs::read(DataDir::new(&data).key()).ok(), "a key that was made stays the key");
    serves(&data, &operator);
    let is_left = |entry: fs::DirEntry| entry.file_name().to_str().unwrap().contains(".new");
    assert!(!fs::read_dir(&data).unwrap().any(|entry| is_left(entry.unwrap())), "nothing half made is left");
}

fn each(rows: &[(&str, Then)]) {
    let fails = |(rule, then): &&(&str, Then)| {
        eprintln!("-- {rule}: {then:?}");
        std::panic::catch_unwind(|| meet(rule, *then)).is_err()
    };
    let failed: Vec<_> = rows.iter().filter(fails).collect();
    assert!(failed.is_empty(), "each of these fails, see above: {failed:#?}");
}

#[test]
fn init_directory_and_ledger_file() {
    each(&[
        // The directory above, which holds the entry of the new one.
        ("sync:{}$:1:before:EIO", Fails),
        ("sync:{}$:1:after:EIO", Fails),
        // Who holds the lock is written into it for people only.
        ("write:/ledger.lock$:1:before:ENOSPC", Works),
        ("create:/ledger.lock$:1:before:ENOSPC", Fails),
        ("create:/ledger.db.new$:1:before:ENOSPC", Fails),
        ("create:/ledger.db.new$:1:after:EIO", Fails),
        ("write:/ledger.db.new$:2:before:ENOSPC", Fails),
        ("write:/ledger.db.new$:2:after:KILL", Dies),
        ("sync:/ledger.db.new$:1:lost:EIO", Fails),
        ("sync:/ledger.db.new$:1:after:EIO", Fails),
        ("rename:/ledger.db$:1:before:EIO", Fails),
        ("rename:/ledger.db$:1:after:EIO", Fails),
        ("rename:/ledger.db$:1:after:KILL", Dies),
        ("sync:/ledger$:1:before:EIO", Fails),
        ("sync:/ledger$:1:after:EIO", Fails),
        ("create:/ledger.db-wal$:1:before:EIO", Fails),
        ("create:/ledger.db-wal$:1:after:EIO", Fails),
    ]);
}

#[test]
fn init_key_and_first_events() {
    each(&[
        ("create:/log.key.new$:1:before:ENOSPC", Fails),
        ("write:/log.key.new$:1:before:ENOSPC", Fails),
        ("write:/log.key.new$:1:after:EIO", Fails),
        ("sync:/log.key.new$:1:lost:EIO", Fails),
        ("sync:/log.key.new$:1:after:EIO", Fails),
        ("rename:/log.key$:1:before:EIO", Fails),
        ("rename:/log.key$:1:after:EIO", Fails),
        ("rename:/log.key$:1:after:KILL", Dies),
        ("create:/init.unfinished.new$:1:before:ENOSPC", Fails),
        ("rename:/init.unfinished$:1:after:EIO", Fails),
        ("write:/ledger.db-wal$:1:before:ENOSPC", Fails),
        ("write:/ledger.db-wal$:3:after:EIO", Fails),
        ("sync:/ledger.db-wal$:2:lost:EIO", Fails),
        // The events are there, and nobody saw the token.
        ("sync:/ledger.db-wal$:2:after:EIO", Fails),
        ("sync:/ledger.db-wal$:2:after:KILL", Dies),
        // Shown; that is not noted.
        ("unlink:/init.unfinished$:1:before:EIO", FailsShown),
        ("unlink:/init.unfinished$:1:after:EIO", FailsDone),
        // What is left is to move the write-ahead log, which keeps everything.
        ("write:/ledger.db$:1:before:EIO:persistent", Works),
    ]);
}

/// A token that could not be shown was not shown: standard output is closed.
#[test]
fn init_whose_output_nobody_reads_can_be_run_again() {
    let parent = empty_parent();
    let data = parent.path().join("ledger");
    let mut command = std::process::Command::new("/bin/sh");
    let script = r#"exec "$0" init --data "$1" >/dev/full"#;
    command.args(["-c", script, crate::program::PROGRAM]).arg(&data);
    run_by(command).expect(STORAGE).says("could not be shown");
    run_on(&["serve", "--listen", "127.0.0.1:0"], &data).expect(1).says("token-ledger init").says("run it again");
    run_on(&["init", "--origin", "another.example"], &data).expect(1).says("named this log");
    let operator = shown(&run_on(&["init", "--json"], &data).expect(0)).unwrap();
    serves(&data, &operator);
    run_on(&["init"], &data).expect(1).says("already holds a ledger");
}

/// An `init` for each of its file operations, which fails there.
fn each_operation_in_turn(how: &str) {
    each_in_turn(|n| {
        let rule = format!("any:{{}}:{n}:{how}");
        let init = Init::run(&rule);
        let context = format!("{rule}: {:#?}", init.ended);
        assert!(!init.ended.stderr.contains("panicked"), "{context}");
        if init.fault.injected() == 0 {
            assert_eq!(init.ended.code, Some(0), "{context}");
            return false;
        }
        assert!(matches!(init.ended.code, Some(0 | STORAGE) | None), "{context}");
        let again = run_on(&["init", "--json"], &init.data());
        let operator = if again.code == Some(0) {
            assert_ne!(init.ended.code, Some(0), "{context}");
            shown(&again).unwrap()
        } else {
            let context = format!("{context}: {again:#?}");
            again.expect(1).says("already holds a ledger");
            shown(&init.ended).expect(&context)
        };
        is_whole(&DataDir::new(init.data()), &operator, &context);
        true
    });
}

/// As [`serves`], without the processes.
fn is_whole(dir: &DataDir, operator: &str, context: &str) {
    dir.check_finished().unwrap();
    let report = verify(dir, Options::default(), &mut |_, _| {}).unwrap();
    assert!(report.is_clean(), "{context}: {report:#?}");
    let state = rebuild::load(dir).unwrap().projections.state;
    let (token, _) =
        state.digests().find(&state.tokens, &TokenDigest::of(operator)).unwrap_or_else(|| panic!("{context}"));
    assert!(token.deleted_at.is_none(), "{context}");
    assert_eq!(state.service_tokens.len(), 1, "{context}: no token that nobody knows works");
}

#[test]
fn init_fails_unstored_at_each_operation_in_turn() {
    each_operation_in_turn("before:EIO");
    each_operation_in_turn("lost:EIO");
}

#[test]
fn init_fails_stored_at_each_operation_in_turn() {
    each_operation_in_turn("after:EIO");
    each_operation_in_turn("after:KILL");
}

#[test]
fn init_meets_a_disk_that_is_full_from_each_operation_on() {
    each_operation_in_turn("before:ENOSPC:persistent");
}
