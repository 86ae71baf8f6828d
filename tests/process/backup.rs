//! Backups: beside a server under load, whole or not at all, verified before they are reported.

use crate::client::{Ask, Client};
use crate::injector::start_stopped_at;
use crate::live_views::change_record;
use crate::load::{Book, Load, Logged, seed};
use crate::program::{Ended, Lines, Server, run_on, send, wait_for_end};
use crate::scene::{Fingerprint, Scene, fingerprint};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use token_ledger::domain::event::Event;
use token_ledger::log::DataDir;
use token_ledger::log::note::{Checkpoint, Vkey};

/// `backup`, to its end.
pub fn backup(scene: &Scene, to: &Path, options: &[&str]) -> Ended {
    scene.run(&[&["backup", "--to", to.to_str().unwrap()], options].concat())
}

/// `restore` into a directory beside the scene's.
pub fn restore(from: &Path, data: &Path, options: &[&str]) -> Ended {
    run_on(&[&["restore", "--from", from.to_str().unwrap()], options].concat(), data)
}

/// What a command printed with `--json`.
pub fn shown(ended: Ended) -> Value {
    serde_json::from_str(&ended.expect(0).stdout).unwrap()
}

/// What is beside the data directory, hidden or not.
pub fn beside(scene: &Scene) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> =
        fs::read_dir(scene.aside("")).unwrap().map(|entry| entry.unwrap().file_name().into()).collect();
    names.sort();
    names
}

/// The checkpoint that a server gives out, and a file with it.
pub fn checkpoint(server: &Server, file: &Path) -> Checkpoint {
    let mut client = Client::connect(server.address).unwrap();
    let keys = String::from_utf8(client.ask(Ask::get("/vkeys", "")).unwrap().expect(200).body).unwrap();
    let note = String::from_utf8(client.ask(Ask::get("/checkpoint", "")).unwrap().expect(200).body).unwrap();
    fs::write(file, &note).unwrap();
    Checkpoint::verify(&note, &keys.lines().next().unwrap().parse::<Vkey>().unwrap()).unwrap()
}

/// What a book says of the records up to a position.
fn up_to(book: Book, position: u64) -> Book {
    let acknowledged = book.acknowledged.into_iter().filter(|receipt| receipt.position <= position).collect();
    Book { acknowledged, ..book }
}

#[test]
fn a_backup_under_load_is_restored_elsewhere_served_and_verified() {
    let seed = seed();
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let load = Load::begin(&server, &scene, seed);
    let (copy, elsewhere, last) = (scene.aside("backup"), scene.aside("elsewhere"), scene.aside("checkpoint"));
    let taken = shown(backup(&scene, &copy, &["--json"]));
    let position = taken["position"].as_u64().unwrap();
    // Until a record that the backup has not is signed.
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    let book = load.stop();
    assert_eq!(book.unavailable, 0, "seed {seed}: a backup stops nobody");
    server.terminate().expect(0);
    let server = scene.serve(&[]);
    let signed = checkpoint(&server, &last);
    server.terminate().expect(0);
    assert!(signed.size > position && taken["verified"] == true, "seed {seed}: {taken}");

    let last = last.to_str().unwrap();
    let made = shown(restore(&copy, &elsewhere, &["--new-log", "--last-checkpoint", last, "--json"]));
    assert_eq!(made["new_log"]["lost"]["first"], position + 1, "{made}");
    assert_eq!(made["new_log"]["lost"]["last"], signed.size, "{made}");
    run_on(&["verify"], &elsewhere).expect(0).says("Nothing is wrong");
    let restored = Server::start(&elsewhere, &[]);
    let mut client = Client::connect(restored.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    let keys = String::from_utf8(client.ask(Ask::get("/vkeys", "")).unwrap().expect(200).body).unwrap();
    assert_eq!(keys.lines().count(), 2, "the key of the log that it continues stays: {keys}");
    let continued = checkpoint(&restored, &scene.aside("new checkpoint"));
    assert_eq!(continued.origin, made["new_log"]["origin"].as_str().unwrap());
    run_on(&["replay", "--compare"], &elsewhere).expect(0).says("the running server");
    restored.terminate().expect(0);
    run_on(&["verify"], &elsewhere).expect(0).says("Nothing is wrong");

    let logged = Logged::read(&DataDir::new(&elsewhere));
    logged.holds(&up_to(book, position), &format!("seed {seed}: restored"));
    let Event::LogContinued(event) = logged.at(usize::try_from(position).unwrap() + 1) else {
        panic!("the first record after the backup's is not LogContinued");
    };
    assert_eq!((event.old_origin.as_str(), event.lost_through.0), (signed.origin.as_str(), signed.size));
    assert!(event.last_checkpoint.starts_with(&signed.body()), "{event:?}");
}

/// A copy that stands still in the middle, with its moment held, keeps nobody from recording.
#[test]
fn a_backup_that_takes_long_holds_up_no_use() {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let copy = scene.aside("backup");
    let (data, to) = (scene.data(), copy.to_str().unwrap());
    let arguments = ["backup", "--json", "--data", data.to_str().unwrap(), "--to", to];
    let written = scene.aside(".backup.unfinished").join("ledger.db");
    let mut child = start_stopped_at("pwrite64", &written, &arguments, &scene.aside("strace"));
    let mut client = Client::connect(server.address).unwrap();
    let mut receipts = (0..50).map(|_| {
        let answer = client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
        answer.position().unwrap()
    });
    let first = receipts.next().unwrap();
    assert_eq!(receipts.count(), 49);
    assert!(!copy.exists(), "it is not there before it is whole");
    send(child.id(), rustix::process::Signal::CONT);
    let out = Lines::of(child.stdout.take().unwrap());
    assert!(wait_for_end(&mut child, "the backup").success());
    let taken: Value = serde_json::from_str(&out.all()).unwrap();
    assert!(taken["position"].as_u64().unwrap() < first, "it is of one moment: {taken}");
    server.terminate().expect(0);
    scene.run(&["verify"]).expect(0).says("Nothing is wrong");
}

/// Read-only media and other users: nothing beside the files that it describes, and nothing for others.
#[test]
fn a_backup_holds_its_files_for_nobody_else_and_the_key_only_when_told() {
    let scene = Scene::new();
    let mut names = vec!["backup.json", "head.db", "ledger.db"];
    for (name, options) in [("without", &[][..]), ("with", &["--with-key"][..])] {
        let copy = scene.aside(name);
        backup(&scene, &copy, options).expect(0).says("verified").says("signing key");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&copy), 0o700);
        let mut found: Vec<String> =
            fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        assert_eq!(found, names);
        assert!(found.iter().all(|name| mode(&copy.join(name)) == 0o600), "{found:?}");
        names.push("log.key");
    }
    assert_eq!(beside(&scene), ["ledger", "with", "without"].map(PathBuf::from));
}

/// Refused with these words; the ledger is as it was, and so is the place of the backup.
#[track_caller]
fn refuse(scene: &Scene, to: &Path, options: &[&str], code: i32, words: &[&str]) {
    let before = (scene.fingerprint(), fingerprint(to), beside(scene));
    let mut ended = backup(scene, to, options).expect(code);
    for words in words {
        ended = ended.says(words);
    }
    let after: (Fingerprint, Fingerprint, Vec<PathBuf>) = (scene.fingerprint(), fingerprint(to), beside(scene));
    assert_eq!(after, before, "{ended:#?}");
}

#[test]
fn nothing_is_written_over_what_is_there() {
    let scene = Scene::new();
    let copy = scene.aside("backup");
    backup(&scene, &copy, &[]).expect(0);
    refuse(&scene, &copy, &[], 1, &["is there already", "nothing is written over it"]);
    fs::write(scene.aside("file"), "mine").unwrap();
    refuse(&scene, &scene.aside("file"), &[], 1, &["is there already"]);
    refuse(&scene, &scene.data(), &[], 1, &["is there already"]);
    refuse(&scene, &scene.aside("no").join("where"), &[], 74, &["No such file"]);
    // An empty directory is taken: it may have been made for it.
    fs::create_dir(scene.aside("empty")).unwrap();
    backup(&scene, &scene.aside("empty"), &[]).expect(0);
}

#[test]
fn what_is_no_whole_ledger_is_not_backed_up() {
    let copy = |scene: &Scene| scene.aside("backup");
    let scene = Scene::new();
    fs::remove_file(scene.dir().head()).unwrap();
    refuse(&scene, &copy(&scene), &[], 1, &["head.db", "missing"]);
    let scene = Scene::new();
    fs::remove_file(scene.dir().ledger()).unwrap();
    refuse(&scene, &copy(&scene), &[], 1, &["holds no ledger"]);
    let scene = Scene::new();
    fs::remove_file(scene.dir().key()).unwrap();
    refuse(&scene, &copy(&scene), &["--with-key"], 1, &["log.key", "missing"]);
    fs::write(scene.dir().key(), [7; 32]).unwrap();
    refuse(&scene, &copy(&scene), &["--with-key"], 1, &["log.key", "another log's"]);
}

#[test]
fn a_copy_that_does_not_verify_is_no_backup() {
    let scene = Scene::new();
    change_record(&scene, 20, |record| *record.last_mut().unwrap() ^= 1);
    refuse(&scene, &scene.aside("backup"), &[], 1, &["not the ones that were signed", "was removed"]);
}

#[test]
fn two_backups_to_one_place_do_not_mix() {
    let scene = Scene::new();
    let unfinished = scene.aside(".backup.unfinished");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("ledger.db"), "a part of one").unwrap();
    let held = fs::File::open(&unfinished).unwrap();
    held.try_lock().unwrap();
    refuse(&scene, &scene.aside("backup"), &[], 1, &["in use by another backup"]);
    // The one that held it was killed: what it left is cleared away.
    drop(held);
    backup(&scene, &scene.aside("backup"), &[]).expect(0);
    assert_eq!(beside(&scene), ["backup", "ledger"].map(PathBuf::from));
}

#[test]
fn a_backup_is_not_served_and_not_changed() {
    let scene = Scene::new();
    let copy = scene.aside("backup");
    backup(&scene, &copy, &["--with-key"]).expect(0);
    let before = fingerprint(&copy);
    let serve = run_on(&["serve", "--listen", "127.0.0.1:0"], &copy).expect(1);
    serve.says("is a backup").says("token-ledger restore");
    run_on(&["staff-token", "--role", "auditor", "--name", "n"], &copy).expect(1).says("is a backup");
    run_on(&["erase", "--user", "1", "--yes"], &copy).expect(1).says("is a backup");
    run_on(&["serve", "--listen", "127.0.0.1:0", "--accept-missing-head"], &copy).expect(1).says("is a backup");
    assert_eq!(fingerprint(&copy), before);
    // To be read it is there.
    run_on(&["verify"], &copy).expect(0);
    run_on(&["state", "--json"], &copy).expect(0);
    run_on(&["doctor"], &copy).says("is a backup");
    restore(&copy, &scene.aside("restored"), &[]).expect(0);
}

#[test]
fn no_ledger_is_begun_where_a_backup_says_it_is() {
    let scene = Scene::new();
    let data = scene.aside("other");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(data.join("backup.json"), b"{}").unwrap();
    run_on(&["init"], &data).expect(1).says("is a backup");
    assert!(!data.join("ledger.db").exists());
}

/// What stands among the ledger's own files outlives an erasure there.
#[test]
fn nothing_is_copied_or_exported_into_the_data_directory() {
    let scene = Scene::new();
    let (copy, inside) = (scene.aside("backup"), scene.data().join("inside"));
    backup(&scene, &inside, &[]).expect(1).says("is inside");
    let file = scene.data().join("events.ndjson");
    let export = ["export", "--format", "ndjson", "--out", file.to_str().unwrap()];
    scene.run(&export).expect(1).says("is inside");
    let report = scene.data().join("report.html");
    let access =
        ["report", "access", "--account", "1", "--scope", "zones:example.com", "--out", report.to_str().unwrap()];
    scene.run(&access).expect(1).says("is inside");
    assert!(!inside.exists() && !file.exists() && !report.exists());
    backup(&scene, &copy, &["--with-key"]).expect(0);
    restore(&copy, &copy.join("inside"), &[]).expect(1).says("is inside");
}
