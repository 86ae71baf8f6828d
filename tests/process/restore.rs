//! Restores: into a new directory, under the log's own name only as far as nothing signed is contradicted.

use crate::backup::{backup, beside, checkpoint, restore, shown};
use crate::client::{Ask, Client};
use crate::program::{Server, run_on};
use crate::scene::{Scene, fingerprint};
use std::fs;
use std::path::{Path, PathBuf};

/// A scene with a backup, and its signing key kept apart.
fn backed_up() -> (Scene, PathBuf, PathBuf) {
    let scene = Scene::new();
    let (copy, key) = (scene.aside("backup"), scene.aside("kept.key"));
    backup(&scene, &copy, &[]).expect(0);
    fs::copy(scene.dir().key(), &key).unwrap();
    (scene, copy, key)
}

/// Runs the scene a little, so that more is recorded and signed.
fn go_on(scene: &Scene) {
    let server = scene.serve(&[]);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    server.terminate().expect(0);
}

/// Refused with these words; nothing was made, and the backup is as it was.
#[track_caller]
fn refuse(scene: &Scene, from: &Path, options: &[&str], words: &[&str]) {
    let data = scene.aside("restored");
    let before = (fingerprint(from), fingerprint(&data), beside(scene));
    let mut ended = restore(from, &data, options).expect(1);
    for words in words {
        ended = ended.says(words);
    }
    assert_eq!((fingerprint(from), fingerprint(&data), beside(scene)), before, "{ended:#?}");
}

/// Served, and the scene's tokens work.
fn serves(scene: &Scene, data: &Path) {
    let server = Server::start(data, &[]);
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    server.terminate().expect(0);
    run_on(&["verify"], data).expect(0).says("Nothing is wrong");
}

#[test]
fn with_its_key_a_restored_log_goes_on_under_its_name() {
    let (scene, copy, key) = backed_up();
    let data = scene.aside("restored");
    let made = shown(restore(&copy, &data, &["--key", key.to_str().unwrap(), "--json"]));
    assert_eq!((made["has_key"].as_bool(), made["new_log"].is_null()), (Some(true), true), "{made}");
    serves(&scene, &data);
    let with_key = scene.aside("with key");
    backup(&scene, &with_key, &["--with-key"]).expect(0);
    restore(&with_key, &scene.aside("second"), &[]).expect(0).says("only if nothing was recorded after");
    serves(&scene, &scene.aside("second"));
}

#[test]
fn without_a_key_it_can_be_read_and_verified_and_not_served() {
    let (scene, copy, key) = backed_up();
    let data = scene.aside("restored");
    restore(&copy, &data, &[]).expect(0).says("no signing key").says("--key FILE or --new-log");
    run_on(&["verify"], &data).expect(0).says("Nothing is wrong");
    run_on(&["replay"], &data).expect(0);
    let before = fingerprint(&data);
    run_on(&["serve", "--listen", "127.0.0.1:0"], &data).expect(1).says("log.key").says("missing");
    assert_eq!(fingerprint(&data), before);
    fs::copy(key, data.join("log.key")).unwrap();
    serves(&scene, &data);
}

#[test]
fn a_key_of_another_log_is_named_and_refused() {
    let (scene, copy, _) = backed_up();
    let others = scene.aside("others.key");
    fs::write(&others, [7; 32]).unwrap();
    refuse(&scene, &copy, &["--key", others.to_str().unwrap()], &["others.key", "another log's signing key"]);
    fs::write(&others, [7; 31]).unwrap();
    refuse(&scene, &copy, &["--key", others.to_str().unwrap()], &["others.key", "32 bytes"]);
    refuse(&scene, &copy, &["--key", scene.aside("none").to_str().unwrap()], &["none", "missing"]);
}

#[test]
fn nothing_is_restored_over_a_ledger() {
    let (scene, copy, _) = backed_up();
    let before = scene.fingerprint();
    for options in [&[][..], &["--new-log"][..]] {
        restore(&copy, &scene.data(), options).expect(1).says("is there already");
        assert_eq!(scene.fingerprint(), before);
    }
}

#[test]
fn what_is_no_whole_backup_is_refused() {
    let (scene, copy, _) = backed_up();
    let changed = |name: &str, change: fn(&mut Vec<u8>)| {
        let other = scene.aside("changed");
        crate::scene::copy_directory(&copy, &other);
        let mut bytes = fs::read(other.join(name)).unwrap();
        change(&mut bytes);
        fs::write(other.join(name), bytes).unwrap();
        other
    };
    refuse(&scene, &scene.data(), &[], &["not a whole backup", "no backup.json"]);
    refuse(&scene, &scene.aside("nowhere"), &[], &["no backup.json"]);
    let flipped = changed("ledger.db", |bytes| bytes[9_000] ^= 1);
    refuse(&scene, &flipped, &[], &["ledger.db is not the file"]);
    let cut = changed("head.db", |bytes| bytes.truncate(4_096));
    refuse(&scene, &cut, &[], &["head.db is not the file"]);
    let other_name = changed("backup.json", |bytes| {
        *bytes = String::from_utf8(std::mem::take(bytes)).unwrap().replace("head.db", "../../head.db").into_bytes();
    });
    refuse(&scene, &other_name, &[], &["names no head.db"]);
    let other_root = changed("backup.json", |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        *bytes = text.replace("\"root_hash\": \"", "\"root_hash\": \"x").into_bytes();
    });
    refuse(&scene, &other_root, &[], &["not a whole backup", "it says position"]);
    fs::remove_file(changed("ledger.db", |_| {}).join("ledger.db")).unwrap();
    refuse(&scene, &scene.aside("changed"), &[], &["ledger.db is missing"]);
}

#[test]
fn a_backup_behind_a_checkpoint_goes_on_only_as_another_log() {
    let (scene, copy, key) = backed_up();
    go_on(&scene);
    let server = scene.serve(&[]);
    let last = scene.aside("checkpoint");
    checkpoint(&server, &last);
    server.terminate().expect(0);
    let (key, last) = (key.to_str().unwrap(), last.to_str().unwrap());
    let words = &["was signed", "Restore it with --new-log"];
    refuse(&scene, &copy, &["--key", key, "--last-checkpoint", last], words);
    refuse(&scene, &copy, &["--last-checkpoint", last], words);
    let data = scene.aside("restored");
    let options = ["--new-log", "--origin", "ledger.example/second", "--last-checkpoint", last];
    restore(&copy, &data, &options).expect(0).says("It goes on as ledger.example/second").says("Lost: positions");
    serves(&scene, &data);
    // Whoever kept the old checkpoint is told what became of it.
    run_on(&["verify", "--checkpoint", last], &data).expect(1).says("continues it");
    // A name or key is used for one log only.
    let again = scene.aside("again");
    run_on(&["backup", "--to", again.to_str().unwrap()], &data).expect(0);
    let taken = ["--new-log", "--origin", "ledger.example/second"];
    restore(&again, &scene.aside("third"), &taken).expect(1).says("continuation needs one of its own");
    restore(&again, &scene.aside("third"), &["--new-log"]).expect(0);
    serves(&scene, &scene.aside("third"));
}

/// A checkpoint that somebody kept shows that this is not the log that was signed.
#[test]
fn a_checkpoint_that_contradicts_a_backup_is_named() {
    let (scene, copy, key) = backed_up();
    let fork = scene.aside("fork");
    restore(&copy, &fork, &["--key", key.to_str().unwrap()]).expect(0);
    // Longer than what is signed of the scene below.
    serves(&scene, &fork);
    serves(&scene, &fork);
    let other = scene.aside("backup of the fork");
    run_on(&["backup", "--to", other.to_str().unwrap()], &fork).expect(0);
    go_on(&scene);
    let server = scene.serve(&[]);
    let last = scene.aside("checkpoint");
    checkpoint(&server, &last);
    server.terminate().expect(0);
    let last = last.to_str().unwrap();
    run_on(&["verify", "--checkpoint", last], &scene.data()).expect(0).says("Nothing is wrong");
    run_on(&["verify", "--checkpoint", last], &fork).expect(1);
    refuse(&scene, &other, &["--new-log", "--last-checkpoint", last], &["contradicts the backup"]);
}

#[test]
fn an_older_copy_in_place_of_the_live_file_is_refused() {
    let (scene, copy, _) = backed_up();
    go_on(&scene);
    fs::copy(copy.join("ledger.db"), scene.dir().ledger()).unwrap();
    let before = scene.fingerprint();
    scene.run(&["serve", "--listen", "127.0.0.1:0"]).expect(1).says("an older copy took its place");
    assert_eq!(scene.fingerprint(), before);
    scene.run(&["verify"]).expect(1).says("an older copy took its place");
    backup(&scene, &scene.aside("second"), &[]).expect(1).says("an older copy took its place");
}

#[test]
fn a_restored_copy_beside_the_live_signed_head_is_refused() {
    let (scene, copy, key) = backed_up();
    go_on(&scene);
    let data = scene.aside("restored");
    restore(&copy, &data, &["--key", key.to_str().unwrap()]).expect(0);
    fs::copy(scene.dir().head(), data.join("head.db")).unwrap();
    run_on(&["serve", "--listen", "127.0.0.1:0"], &data).expect(1).says("an older copy took its place");
}
