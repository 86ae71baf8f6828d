//! The signed log as a directory and over HTTP, checked by a program that knows nothing of this one
//! (`tools/verify_tiles.py`), and what that says of a log that was tampered with.

use crate::client::{Ask, Client};
use crate::program::{Ended, Server, run_by};
use crate::python::script;
use crate::scene::{Scene, copy_directory, init};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use token_ledger::clock::Clock;
use token_ledger::domain::command::{Actor, Change, Command, Origin};
use token_ledger::domain::text::PersonalText;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::Core;
use token_ledger::log::DataDir;

/// Makes a log long: each user is three records.
pub fn grow(dir: &DataDir, users: u32) {
    let (mut core, _) = Core::open(dir, Clock::system(), Entropy::system()).unwrap();
    let numbers: Vec<u32> = (0..users).collect();
    for numbers in numbers.chunks(1_000) {
        let job = |number: &u32| {
            let email = PersonalText::new(format!("person{number}@grown.example"));
            let change = Change::CreateUser { email, name: PersonalText::new(format!("Grown {number}")) };
            (Command::Manage(Actor::Local(0), Box::new(change)), Origin::default())
        };
        core.commit(&numbers.iter().map(job).collect::<Vec<_>>()).unwrap();
    }
}

/// A scene with some hundred records, all of them signed.
pub fn grown(users: u32) -> Scene {
    let scene = Scene::new();
    grow(&scene.dir(), users);
    scene.serve(&[]).terminate().expect(0);
    scene
}

pub fn vkeys(server: &Server) -> Vec<String> {
    let mut client = Client::connect(server.address).unwrap();
    let keys = String::from_utf8(client.ask(Ask::get("/vkeys", "")).unwrap().expect(200).body).unwrap();
    keys.lines().map(str::to_owned).collect()
}

fn export(scene: &Scene, into: &Path) -> Ended {
    scene.run(&["export", "--format", "tiles", "--output", into.to_str().unwrap()])
}

fn exported(scene: &Scene, into: &Path) -> Value {
    serde_json::from_str(&export(scene, into).expect(0).stdout).unwrap()
}

/// Runs the verifier on a directory or a service, with the key that the export's own list ends with.
fn verify(source: &str, vkey: &str, options: &[&str]) -> Ended {
    let mut command = script("verify_tiles.py");
    command.args(["--vkey", vkey]).args(options).arg(source);
    run_by(command)
}

fn verify_dir(into: &Path, options: &[&str]) -> Ended {
    let vkey = fs::read_to_string(into.join("vkeys")).unwrap().lines().next().unwrap().to_owned();
    verify(into.to_str().unwrap(), &vkey, options)
}

/// Every file below a directory, by its name there.
fn files(within: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(within).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn an_export_verifies_elsewhere_and_a_further_run_writes_what_is_new() {
    let scene = grown(300);
    let into = scene.aside("tiles");
    let first = exported(&scene, &into);
    assert_eq!(first["before"], 0);
    assert!(first["size"].as_u64().unwrap() > 900, "{first}");
    verify_dir(&into, &[]).expect(0).says("is signed");
    let (kept, before) = (scene.aside("kept"), files(&into));
    fs::copy(into.join("checkpoint"), &kept).unwrap();
    // Nothing is new.
    assert_eq!(exported(&scene, &into)["files"], 0);
    assert_eq!(files(&into), before);
    // A few records more: the edge, the checkpoint and the keys, and no tile of before.
    scene.serve(&[]).terminate().expect(0);
    let second = exported(&scene, &into);
    assert_eq!(second["before"], first["size"]);
    assert!(second["size"].as_u64() > first["size"].as_u64(), "{second}");
    assert_eq!(second["files"], 4, "one tile, one bundle, checkpoint, keys");
    let old = kept.to_str().unwrap();
    verify_dir(&into, &["--old-checkpoint", old]).expect(0).says("It begins with the log of size");
    // Past the edge of a tile: what was partial is full, and the partial ones are gone.
    grow(&scene.dir(), 100);
    scene.serve(&[]).terminate().expect(0);
    exported(&scene, &into);
    verify_dir(&into, &["--old-checkpoint", old]).expect(0);
    assert!(!into.join("tile/0/003.p").exists() && into.join("tile/0/003").exists());
    assert_eq!(fs::read_dir(into.join("tile/0/004.p")).unwrap().count(), 1);
    let from_nothing = scene.aside("from nothing");
    exported(&scene, &from_nothing);
    for file in files(&from_nothing) {
        let there = into.join(file.strip_prefix(&from_nothing).unwrap());
        assert_eq!(fs::read(&there).unwrap(), fs::read(&file).unwrap(), "{there:?}");
    }
}

#[test]
fn an_export_of_a_log_with_two_levels_of_full_tiles_verifies() {
    let scene = grown(22_000);
    let into = scene.aside("tiles");
    assert!(exported(&scene, &into)["size"].as_u64().unwrap() > 65_536);
    assert!(into.join("tile/1/000").exists() && into.join("tile/2/000.p/1").exists());
    assert!(into.join("tile/entries/256").exists());
    verify_dir(&into, &[]).expect(0);
}

#[test]
fn a_directory_of_anything_else_is_refused_and_left_as_it_is() {
    let scene = grown(100);
    let into = scene.aside("tiles");
    exported(&scene, &into);
    // Another log's.
    let other = scene.aside("another");
    init(&other);
    Server::start(&other, &[]).terminate().expect(0);
    let before: Vec<_> = files(&into).iter().map(|file| fs::read(file).unwrap()).collect();
    let to = into.to_str().unwrap();
    crate::program::run_on(&["export", "--format", "tiles", "--output", to], &other)
        .expect(1)
        .says("another log")
        .says("nothing was written");
    // A later state of the same log is there already.
    let older = scene.aside("older");
    copy_directory(&scene.data(), &older);
    scene.serve(&[]).terminate().expect(0);
    let later = scene.aside("later");
    exported(&scene, &later);
    let to = later.to_str().unwrap();
    crate::program::run_on(&["export", "--format", "tiles", "--output", to], &older)
        .expect(1)
        .says("an older copy of the log");
    // The same log, gone on apart.
    grow(&DataDir::new(&older), 10);
    Server::start(&older, &[]).terminate().expect(0);
    crate::program::run_on(&["export", "--format", "tiles", "--output", to], &older).expect(1).says("a fork");
    let strange = scene.aside("strange");
    fs::create_dir(&strange).unwrap();
    fs::write(strange.join("letter"), "dear").unwrap();
    export(&scene, &strange).expect(1).says("holds no exported tiles");
    assert_eq!(fs::read_dir(&strange).unwrap().count(), 1);
    assert_eq!(files(&into).iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>(), before);
    scene.run(&["export", "--format", "tiles"]).expect(1).says("--output");
    scene.run(&["export", "--output", to]).expect(1).says("--format tiles");
    let unsigned = scene.aside("unsigned");
    init(&unsigned);
    let to = scene.aside("nothing");
    crate::program::run_on(&["export", "--format", "tiles", "--output", to.to_str().unwrap()], &unsigned)
        .expect(1)
        .says("no checkpoint is signed yet");
}

/// A record that does not hash to its tile is handed to nobody.
#[test]
fn a_tampered_log_is_not_exported() {
    let scene = grown(100);
    let connection = rusqlite::Connection::open(scene.dir().ledger()).unwrap();
    connection
        .execute_batch("DROP TRIGGER events_never_change; UPDATE events SET record = zeroblob(60) WHERE position = 77;")
        .unwrap();
    drop(connection);
    let into = scene.aside("tiles");
    export(&scene, &into).expect(1).says("position 77").says("does not hash to its tile");
    assert!(!into.join("checkpoint").exists());
}

/// What was done to a file of an export, and words that name where and what.
type Tampering = (&'static str, fn(&Path), &'static [&'static str]);

fn change(path: &Path, with: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    with(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn swap(one: &Path, other: &Path) {
    let kept = fs::read(one).unwrap();
    fs::copy(other, one).unwrap();
    fs::write(other, kept).unwrap();
}

const TAMPERINGS: &[Tampering] = &[
    (
        "a bit of a record flipped",
        |into| change(&into.join("tile/entries/001"), |bytes| bytes[40] ^= 1),
        &["tile/entries/001: entry 0 (position 257) does not hash to its leaf"],
    ),
    (
        "a bit of a leaf hash flipped",
        |into| change(&into.join("tile/0/001"), |bytes| bytes[40] ^= 1),
        &[
            "tile/entries/001: entry 1 (position 258) does not hash",
            "tile/1/000.p/3: hash 1 is not the root of tile/0/001",
            "checkpoint: the tiles have another root",
        ],
    ),
    (
        "a bit of a tile above flipped",
        |into| change(&into.join("tile/1/000.p/3"), |bytes| bytes[70] ^= 1),
        &["tile/1/000.p/3: hash 2 is not the root of tile/0/002"],
    ),
    ("a tile dropped", |into| fs::remove_file(into.join("tile/0/000")).unwrap(), &["tile/0/000: it is missing"]),
    (
        "a bundle dropped",
        |into| fs::remove_file(into.join("tile/entries/002")).unwrap(),
        &["tile/entries/002: it is missing"],
    ),
    (
        "a tile truncated",
        |into| change(&into.join("tile/0/002"), |bytes| bytes.truncate(8_160)),
        &["tile/0/002: it has 8160 bytes, 256 hashes are 8192"],
    ),
    (
        "a bundle truncated",
        |into| change(&into.join("tile/entries/002"), |bytes| bytes.truncate(bytes.len() - 1)),
        &["tile/entries/002: it ends within entry 255"],
    ),
    (
        "something appended to a bundle",
        |into| change(&into.join("tile/entries/002"), |bytes| bytes.extend(b"more")),
        &["tile/entries/002: 4 bytes follow its last entry"],
    ),
    (
        "two tiles swapped, with their records",
        |into| {
            swap(&into.join("tile/0/000"), &into.join("tile/0/001"));
            swap(&into.join("tile/entries/000"), &into.join("tile/entries/001"));
        },
        &["tile/1/000.p/3: hash 0 is not the root of tile/0/000", "checkpoint: the tiles have another root"],
    ),
    (
        "the size in the checkpoint changed",
        |into| change(&into.join("checkpoint"), |bytes| bytes[40] ^= 1),
        &["checkpoint: the signature by", "is wrong"],
    ),
    (
        "the checkpoint signed by somebody else",
        |into| {
            let other = into.with_extension("other");
            init(&other);
            Server::start(&other, &[]).terminate().expect(0);
            let to = into.with_extension("other tiles");
            let arguments = ["export", "--format", "tiles", "--output", to.to_str().unwrap()];
            crate::program::run_on(&arguments, &other).expect(0);
            fs::copy(to.join("checkpoint"), into.join("checkpoint")).unwrap();
        },
        &["checkpoint: it is signed by none of the keys that were given"],
    ),
    ("the checkpoint gone", |into| fs::remove_file(into.join("checkpoint")).unwrap(), &["checkpoint: it is missing"]),
];

#[test]
fn each_tampering_with_an_export_is_named() {
    let scene = grown(300);
    let untouched = scene.aside("tiles");
    exported(&scene, &untouched);
    let vkey = fs::read_to_string(untouched.join("vkeys")).unwrap().trim().to_owned();
    for (number, (what, tamper, words)) in TAMPERINGS.iter().enumerate() {
        let into = scene.aside(&format!("tampered {number}"));
        copy_tree(&untouched, &into);
        tamper(&into);
        let mut ended = verify(into.to_str().unwrap(), &vkey, &[]);
        assert_eq!(ended.code, Some(1), "{what}: {ended:#?}");
        for words in *words {
            assert!(ended.stderr.contains(words), "{what}: {words:?} is not in {ended:#?}");
            ended = ended.expect(1);
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    for file in files(from) {
        let there = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        fs::copy(file, there).unwrap();
    }
}

#[test]
fn a_fork_and_an_older_copy_are_named_from_a_kept_checkpoint() {
    let scene = grown(100);
    let (early, late) = (scene.aside("early"), scene.aside("late"));
    exported(&scene, &early);
    let apart = scene.aside("apart");
    copy_directory(&scene.data(), &apart);
    scene.serve(&[]).terminate().expect(0);
    exported(&scene, &late);
    let kept = late.join("checkpoint");
    verify_dir(&early, &["--old-checkpoint", kept.to_str().unwrap()]).expect(1).says("rolled back");
    grow(&DataDir::new(&apart), 10);
    Server::start(&apart, &[]).terminate().expect(0);
    let forked = scene.aside("forked");
    crate::program::run_on(&["export", "--format", "tiles", "--output", forked.to_str().unwrap()], &apart).expect(0);
    // Each is whole by itself; only what was kept tells.
    verify_dir(&forked, &[]).expect(0);
    verify_dir(&forked, &["--old-checkpoint", kept.to_str().unwrap()])
        .expect(1)
        .says("is not the beginning of this one");
}

#[test]
fn the_served_log_verifies_elsewhere_from_an_older_checkpoint_too() {
    let scene = grown(300);
    let server = scene.serve(&[]);
    let (url, vkey) = (format!("http://{}", server.address), vkeys(&server).remove(0));
    let kept = scene.aside("kept");
    crate::backup::checkpoint(&server, &kept);
    let mut client = Client::connect(server.address).unwrap();
    for _ in 0..300 {
        client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    }
    server.terminate().expect(0);
    let server = scene.serve(&[]);
    let url = url.replace(&url[7..], &server.address.to_string());
    let served = |token: Option<&str>, options: &[&str]| {
        let mut command = script("verify_tiles.py");
        command.args(["--vkey", &vkey]).args(options).arg(&url).env_remove("TOKEN_LEDGER_TOKEN");
        if let Some(token) = token {
            command.env("TOKEN_LEDGER_TOKEN", token);
        }
        run_by(command)
    };
    let old = ["--old-checkpoint", kept.to_str().unwrap()];
    served(Some(&scene.tokens.operator), &old).expect(0).says("It begins with the log of size");
    served(None, &["--hashes-only"]).expect(74).says("answered 401");
    server.terminate().expect(0);
    let server = scene.serve(&["--public-tiles"]);
    let url = format!("http://{}", server.address);
    verify(&url, &vkey, &["--hashes-only"]).expect(0);
    verify(&url, &vkey, &[]).expect(74).says("tile/entries/000: the service answered 401");
}

/// A receipt out of the data directory, checked by the program without it.
#[test]
fn proofs_are_made_and_checked_on_the_command_line() {
    let scene = grown(200);
    let (kept, proof, record) = (scene.aside("kept"), scene.aside("proof"), scene.aside("record"));
    let server = scene.serve(&[]);
    let vkey = vkeys(&server).remove(0);
    crate::backup::checkpoint(&server, &kept);
    server.terminate().expect(0);
    let to = record.to_str().unwrap();
    let made = scene.run(&["proof", "inclusion", "--position", "300", "--record", to]).expect(0);
    assert!(made.stdout.starts_with("c2sp.org/tlog-proof@v1\nindex 299\n"), "{made:#?}");
    // Lines of the child come without the last newline.
    fs::write(&proof, format!("{}\n", made.stdout)).unwrap();
    let check = |options: &[&str]| {
        let words = ["proof", "verify", "--vkey", &vkey, "--proof", proof.to_str().unwrap()];
        crate::program::run(&[&words[..], options].concat())
    };
    check(&["--record", to]).expect(0).says("The record is at position 300");
    check(&["--record", kept.to_str().unwrap()]).expect(1).says("does not show the record");
    let json: Value =
        serde_json::from_str(&scene.run(&["proof", "inclusion", "--position", "300", "--json"]).stdout).unwrap();
    check(&["--leaf-hash", json["leaf_hash"].as_str().unwrap()]).expect(0);
    fs::write(&proof, fs::read_to_string(&proof).unwrap().replace("index 299", "index 298")).unwrap();
    check(&["--record", to]).expect(1).says("does not show the record");
    let size = fs::read_to_string(&kept).unwrap().lines().nth(1).unwrap().to_owned();
    let made = scene.run(&["proof", "consistency", "--old", &size]).expect(0);
    fs::write(&proof, format!("{}\n", made.stdout)).unwrap();
    check(&["--old-checkpoint", kept.to_str().unwrap()]).expect(0).says("begins with what it was at size");
    fs::write(&proof, fs::read_to_string(&proof).unwrap().replacen("old ", "old 1", 1)).unwrap();
    check(&["--old-checkpoint", kept.to_str().unwrap()]).expect(1).says("does not show the newer signed tree");
    for (words, told) in [
        (["--position", "100000"], "there is no record at position 100000"),
        (["--position", "0"], "there is no record at position 0"),
    ] {
        scene.run(&[&["proof", "inclusion"], &words[..]].concat()).expect(1).says(told);
    }
    scene.run(&["proof", "consistency", "--old", "100000"]).expect(1).says("is larger than");
    scene.run(&["proof", "inclusion", "--position", "1", "--size", "2"]).expect(1).says("no checkpoint of size 2");
    scene.run(&["proof", "inclusion", "--position", "1", "--size", "2", "--json"]).expect(0);
}
