//! `backup` and `restore` while one file operation after the other fails, unstored and stored. Whatever they say: what is
//! under the asked name is whole, what was there is unharmed, and where nothing is a second try works.

use crate::backup::{backup, restore};
use crate::program::{Ended, run_by, run_on, token_ledger};
use crate::scene::{Scene, fingerprint};
use crate::shim::{Fault, each_in_turn};
use std::path::Path;

const STORAGE: i32 = 74;
/// The operation reports an error without having been done, or though it was.
const PAIR: [&str; 2] = ["before:EIO", "after:EIO"];

/// Runs a command that meets the fault. It ends well or says that storage failed; it never panics.
fn run(scene: &Scene, arguments: &[&str], rule: &str) -> (Ended, bool) {
    let fault = Fault::new(&scene.aside(""), rule);
    fault.arm();
    let mut command = token_ledger();
    command.args(arguments);
    let ended = run_by(fault.at(command));
    let struck = fault.injected() > 0;
    assert!(struck || ended.code == Some(0), "{rule}: nothing failed, and yet: {ended:#?}");
    assert!(matches!(ended.code, Some(0 | 1 | STORAGE)), "{rule}: {ended:#?}");
    assert!(!ended.stderr.contains("panicked"), "{rule}: {ended:#?}");
    (ended, struck)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_backup_that_fails_anywhere_is_whole_or_not_there() {
    for how in PAIR {
        each_in_turn(|nth| {
            let scene = Scene::new();
            let (before, to) = (scene.fingerprint(), scene.aside("copy"));
            // Everything that the backup makes: its directory is `copy`, or `.copy.unfinished` until it is whole.
            let rule = format!("any:copy:{nth}:{how}");
            let (ended, struck) = run(&scene, &["backup", "--data", text(&scene.data()), "--to", text(&to)], &rule);
            assert_eq!(scene.fingerprint(), before, "{rule}: the ledger is as it was");
            assert!(ended.code != Some(0) || to.exists(), "{rule}: {ended:#?}");
            if !to.exists() {
                backup(&scene, &to, &[]).expect(0);
            }
            restore(&to, &scene.aside("restored"), &[]).expect(0);
            run_on(&["verify"], &scene.aside("restored")).expect(0);
            struck
        });
    }
}

#[test]
fn a_restore_that_fails_anywhere_is_whole_or_not_there() {
    for how in PAIR {
        each_in_turn(|nth| {
            let scene = Scene::new();
            let (from, data) = (scene.aside("backup"), scene.aside("copy"));
            backup(&scene, &from, &["--with-key"]).expect(0);
            let before = fingerprint(&from);
            let rule = format!("any:copy:{nth}:{how}");
            let arguments = ["restore", "--from", text(&from), "--data", text(&data), "--new-log"];
            let (ended, struck) = run(&scene, &arguments, &rule);
            assert_eq!(fingerprint(&from), before, "{rule}: the backup is as it was");
            assert!(ended.code != Some(0) || data.exists(), "{rule}: {ended:#?}");
            if !data.exists() {
                restore(&from, &data, &["--new-log"]).expect(0);
            }
            run_on(&["verify"], &data).expect(0).says("Nothing is wrong");
            struck
        });
    }
}
