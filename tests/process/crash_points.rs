//! `init`, `backup` and `restore` killed at every durable step: nothing half made can be taken for whole, what was there
//! is unharmed, and a second try works.

use crate::backup::{backup, beside, restore};
use crate::client::{Ask, Client};
use crate::injector::run_killed_at;
use crate::program::{Server, run_on};
use crate::scene::{Scene, empty_parent};
use std::path::{Path, PathBuf};

/// What makes something durable, or gives it its name.
const STEPS: &str = "fsync,fdatasync,rename,renameat,renameat2";
/// No command has more steps.
const STEPS_MAX: u32 = 60;

/// Kills the command at its first step, its second and so on, each on a place of its own, until one run gets through.
/// Gives how many were killed.
fn at_every_step(mut arguments: impl FnMut(u32) -> Vec<String>, report: &Path, mut look: impl FnMut(u32)) -> u32 {
    for nth in 1..STEPS_MAX {
        let arguments = arguments(nth);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ended = run_killed_at(nth, STEPS, &words, report);
        look(nth);
        if let Some(ended) = ended {
            ended.expect(0);
            return nth - 1;
        }
    }
    panic!("the command did not end within {STEPS_MAX} steps");
}

fn words(words: &[&str], path: &Path) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).chain([path.to_str().unwrap().to_owned()]).collect()
}

#[test]
fn a_killed_init_is_run_again_or_has_made_a_ledger() {
    let parent = empty_parent();
    let data = |nth: u32| parent.path().join(format!("ledger {nth}"));
    let killed = at_every_step(
        |nth| words(&["init", "--data"], &data(nth)),
        &parent.path().join("strace"),
        |nth| {
            let data = data(nth);
            let again = run_on(&["init", "--json"], &data);
            // Its records were durable: only the token that was not shown is missing.
            assert!(again.code == Some(0) || again.stderr.contains("already holds a ledger"), "{nth}: {again:#?}");
            Server::start(&data, &[]).terminate().expect(0);
            run_on(&["verify"], &data).expect(0).says("Nothing is wrong");
        },
    );
    assert!(killed >= 8, "only {killed} steps: files and names are made durable");
}

#[test]
fn a_killed_backup_is_no_backup_and_harms_nothing() {
    let scene = Scene::new();
    let before = scene.fingerprint();
    let to = |nth: u32| scene.aside(&format!("backup {nth}"));
    let data = scene.data().to_str().unwrap().to_owned();
    let killed = at_every_step(
        |nth| words(&["backup", "--with-key", "--data", &data, "--to"], &to(nth)),
        &scene.aside("strace"),
        |nth| {
            assert_eq!(scene.fingerprint(), before, "{nth}: the ledger is as it was");
            // Under its own name it is whole, at whatever step the process ended.
            if !to(nth).exists() {
                backup(&scene, &to(nth), &[]).expect(0);
            }
            restore(&to(nth), &scene.aside(&format!("restored {nth}")), &[]).expect(0);
        },
    );
    assert!(killed >= 5, "only {killed} steps: files and names are made durable");
    assert!(nothing_unfinished(&scene));
}

#[test]
fn a_killed_restore_leaves_nothing_to_be_served_and_can_be_run_again() {
    for options in [&["--new-log"][..], &[][..]] {
        let scene = Scene::new();
        let copy = scene.aside("backup");
        backup(&scene, &copy, &["--with-key"]).expect(0);
        let before = crate::scene::fingerprint(&copy);
        let data = |nth: u32| scene.aside(&format!("restored {nth}"));
        let command = [&["restore", "--from", copy.to_str().unwrap()], options, &["--data"]].concat();
        let killed = at_every_step(
            |nth| words(&command, &data(nth)),
            &scene.aside("strace"),
            |nth| {
                assert_eq!(crate::scene::fingerprint(&copy), before, "{nth}: the backup is as it was");
                if !data(nth).exists() {
                    restore(&copy, &data(nth), options).expect(0);
                }
                let server = Server::start(&data(nth), &[]);
                let mut client = Client::connect(server.address).unwrap();
                client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().expect(200);
                server.terminate().expect(0);
                run_on(&["verify"], &data(nth)).expect(0).says("Nothing is wrong");
            },
        );
        assert!(killed >= 5, "{options:?}: only {killed} steps: files and names are made durable");
        assert!(nothing_unfinished(&scene));
    }
}

fn nothing_unfinished(scene: &Scene) -> bool {
    beside(scene).iter().all(|name: &PathBuf| !name.to_str().unwrap().ends_with(".unfinished"))
}
