//! Cases: requests in, answers, events and views out, all as files beside each other in `cases/<name>/`.
//!
//! `commands.json` is written by hand; `answers.json`, `events.json` and `views.json` are what the real routes made of
//! it, down to times, receipts and hashes: the clock is set by the case, random bytes are foreseeable, and every
//! request says its own id. `BLESS=1 cargo test -p replay-tests --test cases` writes them anew; whoever commits a
//! change of one says why.
//!
//! After its last request each case's log is held against itself: what the live projections show is what a replay
//! gives, what a snapshot at any position plus the rest of the log gives, and what a server shows that is started
//! again, from its snapshot and without it; and `verify` finds nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "cases/golden.rs"]
mod golden;
#[path = "cases/play.rs"]
mod play;
#[path = "cases/replays.rs"]
mod replays;
#[path = "cases/script.rs"]
mod script;
#[path = "cases/wire.rs"]
mod wire;
#[path = "cases/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                play::play(&folder(stringify!($name)));
            }
        )+

        const CASES: &[&str] = &[$(stringify!($name)),+];
    };
}

cases![
    a_token_from_creation_to_deletion,
    a_window_across_its_edge,
    a_user_token_follows_its_memberships,
    solo_and_changes_of_plan,
    lists_show_what_the_grants_cover,
    refusals_past_sixty_a_minute_are_summed,
    domain_research_and_its_monthly_cap,
    refused_management_is_recorded,
    names_in_paths,
    a_token_expires,
    tokens_of_another_system_are_taken_over,
    a_token_with_conditions,
];

fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

fn folder(name: &str) -> PathBuf {
    cases_folder().join(name)
}

#[test]
fn every_folder_is_played() {
    let entries = std::fs::read_dir(cases_folder()).unwrap();
    let folders: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(folders, CASES.iter().map(|name| (*name).to_owned()).collect());
}
