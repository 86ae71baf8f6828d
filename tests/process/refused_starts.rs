//! Starts on what cannot be served: a clear message that names the thing, the documented exit code, and nothing changed.

use crate::client::{Ask, Client};
use crate::live_views::change_record;
use crate::program::{Server, run, run_on};
use crate::scene::{Scene, empty_parent, fingerprint, init};
use rusqlite::Connection;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use token_ledger::log::DataDir;
use token_ledger::log::reader::LogReader;
use token_ledger::log::writer::LogWriter;

const READERS: [&[&str]; 3] = [&["verify"], &["replay"], &["replay", "--compare"]];
const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0"];

/// Each command is refused with exit code 1 and these words, and leaves the directory as it is.
#[track_caller]
fn refuse(scene: &Scene, commands: &[&[&str]], words: &[&str]) {
    let before = scene.fingerprint();
    for command in commands {
        let mut ended = scene.run(command).expect(1);
        for words in words {
            ended = ended.says(words);
        }
        assert_eq!(scene.fingerprint(), before, "{command:?} changed something: {ended:#?}");
    }
}

fn serve_and_readers() -> Vec<&'static [&'static str]> {
    [&[SERVE], &READERS[..]].concat()
}

fn scene_with(spoil: impl FnOnce(&Scene)) -> Scene {
    let scene = Scene::new();
    spoil(&scene);
    scene
}

#[test]
fn a_directory_without_a_ledger_is_refused() {
    let scene = scene_with(|scene| fs::remove_file(scene.dir().ledger()).unwrap());
    refuse(&scene, &serve_and_readers(), &["holds no ledger", "token-ledger init"]);
    let scene = scene_with(|scene| fs::remove_dir_all(scene.data()).unwrap());
    refuse(&scene, &serve_and_readers(), &["holds no ledger"]);
    assert!(!scene.data().exists(), "a start makes no directory");
}

#[test]
fn another_programs_database_is_refused() {
    let with_database = |write_ahead: bool| {
        scene_with(|scene| {
            fs::remove_file(scene.dir().ledger()).unwrap();
            let other = Connection::open(scene.dir().ledger()).unwrap();
            if write_ahead {
                other.execute_batch("PRAGMA journal_mode=WAL").unwrap();
            }
            other.execute_batch("CREATE TABLE events (position INTEGER PRIMARY KEY, record BLOB)").unwrap();
        })
    };
    for write_ahead in [false, true] {
        let commands = [&serve_and_readers()[..], &[&["init"]]].concat();
        refuse(&with_database(write_ahead), &commands, &["ledger.db is not a ledger file"]);
    }
}

/// A write-ahead log that its program left behind stays that program's to deal with.
#[test]
fn another_programs_write_ahead_log_is_left_alone() {
    let scene = Scene::new();
    let elsewhere = scene.aside("other.db");
    let other = Connection::open(&elsewhere).unwrap();
    other.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);").unwrap();
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", elsewhere.display());
        fs::copy(from, format!("{}{suffix}", scene.dir().ledger().display())).unwrap();
    }
    assert!(scene.fingerprint().contains_key("ledger.db-wal"));
    let commands = [&serve_and_readers()[..], &[&["init"]]].concat();
    refuse(&scene, &commands, &["ledger.db is not a ledger file"]);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let text = "This is where the ledger was.\n".repeat(1_000);
    let scene = scene_with(|scene| fs::write(scene.dir().ledger(), text).unwrap());
    refuse(&scene, &serve_and_readers(), &["ledger.db is not a ledger file"]);
    let scene = scene_with(|scene| fs::write(scene.dir().ledger(), "").unwrap());
    refuse(&scene, &serve_and_readers(), &["ledger.db is not a ledger file"]);
}

#[test]
fn a_ledger_that_was_cut_short_is_refused() {
    for keep in [1, 2, 3] {
        let scene = scene_with(|scene| {
            let bytes = fs::read(scene.dir().ledger()).unwrap();
            fs::write(scene.dir().ledger(), &bytes[..bytes.len() * keep / 4]).unwrap();
        });
        refuse(&scene, &serve_and_readers(), &["ledger.db", "cut short"]);
    }
}

#[test]
fn a_ledger_of_another_schema_step_is_refused() {
    let scene = scene_with(|scene| {
        let ledger = Connection::open(scene.dir().ledger()).unwrap();
        ledger.execute_batch("PRAGMA user_version = 2").unwrap();
    });
    refuse(&scene, &serve_and_readers(), &["ledger.db has schema step 2, this program knows step 1"]);
}

#[test]
fn a_record_of_another_format_is_refused_by_its_position() {
    let scene = Scene::new();
    let head = LogReader::open(&scene.dir()).unwrap().head().unwrap().0;
    // Without a snapshot behind it the start has to read it.
    fs::remove_file(scene.dir().views()).unwrap();
    change_record(&scene, head - 1, |record| record[0] = 9);
    let at = format!("position {}", head - 1);
    refuse(&scene, &[SERVE, &["verify"], &["replay"]], &[&at, "unknown record format 9"]);
}

#[test]
fn a_directory_that_others_can_read_is_refused() {
    let scene = Scene::new();
    for mode in [0o755, 0o701, 0o740] {
        fs::set_permissions(scene.data(), fs::Permissions::from_mode(mode)).unwrap();
        let commands = [&serve_and_readers()[..], &[&["init"]]].concat();
        refuse(&scene, &commands, &["can be read by others", "chmod 700"]);
    }
}

#[test]
fn a_signing_key_that_is_missing_or_short_or_another_logs_is_refused() {
    let missing = scene_with(|scene| fs::remove_file(scene.dir().key()).unwrap());
    refuse(&missing, &[SERVE], &["log.key", "missing"]);
    let short = scene_with(|scene| fs::write(scene.dir().key(), [7; 31]).unwrap());
    refuse(&short, &[SERVE], &["log.key", "32 bytes"]);
    let others = scene_with(|scene| fs::write(scene.dir().key(), [7; 32]).unwrap());
    refuse(&others, &[SERVE], &["log.key", "another log's"]);
}

#[test]
fn a_taken_port_is_named_and_leaves_no_trace_in_the_log() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let scene = Scene::new();
    refuse(&scene, &[&["serve", "--listen", &address]], &["cannot listen on", &address]);
    scene.serve(&[]).terminate().expect(0);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let wrong: [(&[&str], &str); 5] = [
        (&["serve", "--frobnicate"], "--frobnicate"),
        (&["serve", "--data", "x", "--listen", "nowhere"], "--listen"),
        (&["frobnicate"], "frobnicate"),
        (&["verify"], "--data"),
        (&[], "Usage"),
    ];
    for (arguments, named) in wrong {
        run(arguments).expect(2).says(named);
    }
}

// ---- init ----

#[test]
fn a_second_init_is_refused_and_changes_nothing() {
    let scene = Scene::new();
    refuse(&scene, &[&["init"], &["init", "--json"], &["init", "--origin", "other"]], &["already holds a ledger"]);
    // A lost key is no reason for another one: the log names the first.
    fs::remove_file(scene.dir().key()).unwrap();
    refuse(&scene, &[&["init"]], &["already holds a ledger"]);
}

#[test]
fn a_key_of_another_length_is_named() {
    let scene = scene_with(|scene| {
        fs::remove_file(scene.dir().ledger()).unwrap();
        fs::write(scene.dir().key(), [7; 31]).unwrap();
    });
    refuse(&scene, &[&["init"]], &["log.key: must be 32 bytes"]);
}

/// `init` works in a directory where an earlier one was interrupted at some step, and what it makes can be served.
fn completes(data: &Path) {
    let operator = init(data);
    let server = Server::start(data, &[]);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v1/self", &operator)).unwrap().expect(200);
    server.terminate().expect(0);
    run_on(&["verify"], data).expect(0);
}

#[test]
fn an_interrupted_init_can_be_run_again() {
    let steps: [fn(&DataDir); 5] = [
        |_| {},
        // Killed before the key had its name.
        |dir| fs::write(dir.path().join("log.key.new"), [1; 7]).unwrap(),
        |dir| fs::write(dir.key(), [1; 32]).unwrap(),
        // Killed between the file and its schema.
        |dir| {
            fs::write(dir.key(), [1; 32]).unwrap();
            fs::write(dir.path().join("ledger.db.new"), "a part of one").unwrap();
        },
        // Killed between the schema and the first events.
        |dir| {
            fs::write(dir.key(), [1; 32]).unwrap();
            drop(LogWriter::create(dir).unwrap());
        },
    ];
    for step in steps {
        let parent = empty_parent();
        let dir = DataDir::new(parent.path().join("ledger"));
        dir.prepare().unwrap();
        step(&dir);
        completes(dir.path());
    }
}

/// The key that an interrupted `init` left is the one that is used: it may have been shown already.
#[test]
fn an_interrupted_init_keeps_its_key() {
    let parent = empty_parent();
    let dir = DataDir::new(parent.path().join("ledger"));
    dir.prepare().unwrap();
    fs::write(dir.key(), [1; 32]).unwrap();
    completes(dir.path());
    assert_eq!(fs::read(dir.key()).unwrap(), [1; 32]);
    assert!(fingerprint(dir.path()).keys().all(|name| !name.ends_with(".new")));
}

// ---- views: disposable, so never a reason to refuse ----

/// Served all the same, and replaced by the next snapshot.
fn is_rebuilt(spoil: impl FnOnce(&Path)) {
    let scene = Scene::new();
    spoil(&scene.dir().views());
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    scene.run(&["replay", "--compare"]).expect(0).says("the running server");
    server.terminate().expect(0);
    scene.run(&["verify"]).expect(0).says("The snapshot at position");
    scene.run(&["replay", "--compare"]).expect(0).says("the last snapshot");
}

#[test]
fn views_that_are_garbage_are_rebuilt() {
    is_rebuilt(|views| fs::write(views, "garbage ".repeat(5_000)).unwrap());
    is_rebuilt(|views| fs::write(views, "").unwrap());
    is_rebuilt(|views| fs::remove_file(views).unwrap());
}

#[test]
fn views_that_were_cut_or_overwritten_are_rebuilt() {
    is_rebuilt(|views| {
        let bytes = fs::read(views).unwrap();
        fs::write(views, &bytes[..bytes.len() / 2]).unwrap();
    });
    // The first page, which says that it is ours, is left as it is.
    is_rebuilt(|views| {
        let mut bytes = fs::read(views).unwrap();
        bytes[8_192..].fill(0xa5);
        fs::write(views, bytes).unwrap();
    });
}

#[test]
fn views_of_another_release_or_program_are_rebuilt() {
    is_rebuilt(|views| Connection::open(views).unwrap().execute_batch("PRAGMA user_version = 9").unwrap());
    is_rebuilt(|views| {
        fs::remove_file(views).unwrap();
        let other = Connection::open(views).unwrap();
        other.execute_batch("CREATE TABLE snapshots (theirs); PRAGMA application_id = 7").unwrap();
    });
}

#[test]
fn garbage_views_are_named_where_they_are_needed() {
    let scene = scene_with(|scene| fs::write(scene.dir().views(), "garbage ".repeat(5_000)).unwrap());
    refuse(&scene, &[&["verify"], &["replay", "--compare"]], &["views"]);
    scene.run(&["replay"]).expect(0);
}

/// What can only be refused is refused before anything is made: a ledger begun by half has its name for ever.
#[test]
fn an_init_that_cannot_come_to_its_end_makes_nothing() {
    let parent = empty_parent();
    let data = parent.path().join("ledger");
    for (arguments, words) in [
        (&["--origin", "a+b"][..], "cannot name a log"),
        (&["--operator", ""], "the operator's name can't be blank"),
        (&["--origin", "first.example/a", "--operator", "\u{7}"], "the operator's name can't contain"),
    ] {
        run_on(&[&["init"][..], arguments].concat(), &data).expect(1).says(words);
        assert!(!data.exists(), "{arguments:?}");
    }
    let scene = Scene::new();
    let into = scene.aside("inspected");
    scene.run(&["replay", "--until", "3", "--into", into.to_str().unwrap()]).expect(0);
    run_on(&["init"], &into).expect(1).says("a past state for inspection");
}
