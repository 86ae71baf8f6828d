//! The anchor: an older copy of everything, and a fork, are noticed by a file that neither took along.

use crate::client::{Ask, Client};
use crate::program::{Server, until};
use crate::scene::{Scene, copy_directory, init};
use crate::tlog::grow;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use token_ledger::log::DataDir;

/// Serves with an anchor, ends in order, and gives what the anchor says.
fn served(scene: &Scene, anchor: &Path) -> String {
    scene.serve(&["--anchor", anchor.to_str().unwrap()]).terminate().expect(0);
    fs::read_to_string(anchor).unwrap()
}

/// A scene that was served with an anchor in a place of its own.
fn anchored() -> (Scene, PathBuf) {
    let scene = Scene::new();
    let place = scene.aside("elsewhere");
    fs::create_dir(&place).unwrap();
    let anchor = place.join("anchor");
    served(&scene, &anchor);
    (scene, anchor)
}

/// Not served, and nothing of it is changed.
#[track_caller]
fn refuse(data: &Path, anchor: &Path, words: &[&str]) {
    let before = crate::scene::fingerprint(data);
    let kept = fs::read(anchor).ok();
    let options = ["serve", "--listen", "127.0.0.1:0", "--anchor", anchor.to_str().unwrap()];
    let mut ended = crate::program::run_on(&options, data).expect(1).says(anchor.to_str().unwrap());
    for words in words {
        ended = ended.says(words);
    }
    assert_eq!(crate::scene::fingerprint(data), before);
    assert_eq!(fs::read(anchor).ok(), kept);
}

fn size_of(note: &str) -> u64 {
    note.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_anchor_is_the_last_published_checkpoint() {
    let (scene, anchor) = anchored();
    let first = fs::read_to_string(&anchor).unwrap();
    let server = scene.serve(&["--anchor", anchor.to_str().unwrap()]);
    let mut client = Client::connect(server.address).unwrap();
    let receipt = client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200).position().unwrap();
    // While it is served, too.
    until("the use is anchored", || size_of(&fs::read_to_string(&anchor).unwrap()) >= receipt);
    let served = String::from_utf8(client.ask(Ask::get("/checkpoint", "")).unwrap().expect(200).body).unwrap();
    server.terminate().expect(0);
    let last = fs::read_to_string(&anchor).unwrap();
    assert!(size_of(&last) > size_of(&first) && size_of(&last) >= size_of(&served));
    let stored = token_ledger::log::signed_head::read_latest_checkpoint(&scene.dir()).unwrap();
    assert_eq!(stored.as_deref(), Some(&*last));
    scene.run(&["verify", "--anchor", anchor.to_str().unwrap()]).expect(0).says("Nothing is wrong");
    let names: Vec<_> =
        fs::read_dir(anchor.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["anchor"], "nothing half written is left");
}

/// Acceptance: head.db goes back with it, so nothing in the directory can tell.
#[test]
fn a_restored_older_copy_is_refused_though_its_signed_head_went_back_with_it() {
    let (scene, anchor) = anchored();
    let older = scene.aside("older");
    copy_directory(&scene.data(), &older);
    let last = served(&scene, &anchor);
    refuse(&older, &anchor, &[&format!("position {}", size_of(&last)), "an older copy took its place", "--new-log"]);
    crate::program::run_on(&["verify"], &older).expect(0);
    let by_anchor = ["verify", "--anchor", anchor.to_str().unwrap()];
    crate::program::run_on(&by_anchor, &older)
        .expect(1)
        .says(&format!("the anchor {}", anchor.display()))
        .says("this is an older copy");
    // Without the anchor it would be served.
    Server::start(&older, &[]).terminate().expect(0);
    // By then it is another log of the same name, at another size.
    grow(&DataDir::new(&older), 10);
    Server::start(&older, &[]).terminate().expect(0);
    refuse(&older, &anchor, &["a fork", &format!("up to position {}", size_of(&last))]);
    crate::program::run_on(&by_anchor, &older).expect(1).says("not the ones that were signed: a fork");
    served(&scene, &anchor);
}

#[test]
fn a_copy_that_goes_on_as_another_log_needs_an_anchor_of_its_own() {
    let (scene, anchor) = anchored();
    let (backup, restored) = (scene.aside("backup"), scene.aside("restored"));
    scene.run(&["backup", "--with-key", "--to", backup.to_str().unwrap()]).expect(0);
    served(&scene, &anchor);
    let restore = ["restore", "--new-log", "--from", backup.to_str().unwrap()];
    crate::program::run_on(&restore, &restored).expect(0);
    refuse(&restored, &anchor, &["this log continues from position", "an anchor of its own"]);
    let own = scene.aside("own anchor");
    Server::start(&restored, &["--anchor", own.to_str().unwrap()]).terminate().expect(0);
    Server::start(&restored, &["--anchor", own.to_str().unwrap()]).terminate().expect(0);
}

#[test]
fn an_anchor_of_another_log_or_that_is_none_is_refused() {
    let (scene, anchor) = anchored();
    let other = scene.aside("another");
    init(&other);
    refuse(&other, &anchor, &["the anchor of another log"]);
    let note = fs::read_to_string(&anchor).unwrap();
    for (text, words) in [
        ("", "it holds no checkpoint"),
        ("not a note\n\n", "it holds no checkpoint"),
        (&*note.replace("— ", "— x"), "does not verify"),
    ] {
        fs::write(&anchor, text).unwrap();
        refuse(&scene.data(), &anchor, &[words]);
    }
    let inside = scene.data().join("anchor");
    refuse(&scene.data(), &inside, &["outside the data directory"]);
    let nowhere = scene.aside("not mounted").join("anchor");
    let options = ["serve", "--listen", "127.0.0.1:0", "--anchor", nowhere.to_str().unwrap()];
    scene.run(&options).expect(74).says("not mounted");
}

fn warnings(client: &mut Client) -> Vec<Value> {
    client.ask(Ask::get("/readyz", "")).unwrap().expect(200).json()["warnings"].as_array().unwrap().clone()
}

#[test]
fn an_anchor_that_cannot_be_written_is_a_warning_and_stops_nobody() {
    let (scene, anchor) = anchored();
    let mut server = scene.serve(&["--anchor", anchor.to_str().unwrap()]);
    let mut client = Client::connect(server.address).unwrap();
    until("the start is anchored", || warnings(&mut client).is_empty());
    // Its place is gone.
    let (place, away) = (anchor.parent().unwrap().to_owned(), scene.aside("away"));
    fs::rename(&place, &away).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    until("readiness says it", || warnings(&mut client).len() == 1);
    assert!(warnings(&mut client)[0].as_str().unwrap().contains("the anchor"), "{:?}", warnings(&mut client));
    server.wait_until_logged("the anchor could not be kept");
    let receipt = client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200).position().unwrap();
    fs::rename(&away, &place).unwrap();
    until("it is kept again", || size_of(&fs::read_to_string(&anchor).unwrap()) >= receipt);
    until("the warning goes", || warnings(&mut client).is_empty());
    server.terminate().expect(0);
}

/// Two copies of one log, served at once: each start was right, and the anchor tells.
#[test]
fn an_anchor_that_somebody_else_writes_is_left_and_told_of() {
    let (scene, anchor) = anchored();
    let copy = scene.aside("copy");
    copy_directory(&scene.data(), &copy);
    let option = ["--anchor", anchor.to_str().unwrap()];
    let server = scene.serve(&option);
    let mut client = Client::connect(server.address).unwrap();
    let at_start =
        client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200).position().unwrap();
    until("it is anchored", || size_of(&fs::read_to_string(&anchor).unwrap()) >= at_start);
    refuse(&copy, &anchor, &["an older copy took its place"]);
    // As if the other copy had been started a moment before.
    let foreign = fs::read_to_string(&anchor).unwrap().replace(&format!("\n{}", &at_start.to_string()[..1]), "\n9");
    fs::write(&anchor, &foreign).unwrap();
    client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
    until("readiness says it", || warnings(&mut client).len() == 1);
    assert!(warnings(&mut client)[0].as_str().unwrap().contains("another copy of this log"));
    assert_eq!(fs::read_to_string(&anchor).unwrap(), foreign);
    server.terminate().expect(0);
}
