//! Which room may know which, and what each alone may name. The rules are the tables below; the sources are read.
//!
//! To let a room know another, add it to `ROOMS`; to let a file name a word, add it to `WORDS`. Say why in the commit.

use replay_tests::sources::{Source, Word, read_sources};
use std::path::Path;

/// Each room with the rooms it may know. A room not named here may not be there.
const ROOMS: [(&str, &[&str]); 12] = [
    ("domain", &[]),
    ("clock", &["domain"]),
    ("entropy", &[]),
    ("log", &["domain", "clock", "entropy"]),
    ("projections", &["domain", "log"]),
    ("ledger", &["domain", "log", "projections", "clock", "entropy"]),
    ("audit", &["domain", "log", "projections", "ledger", "clock", "entropy"]),
    // The demo's year and the history generator of `tools/`.
    ("furnish", &["domain", "ledger", "clock", "entropy"]),
    ("http", &["domain", "ledger", "audit", "clock", "entropy"]),
    ("cli", &["domain", "log", "projections", "ledger", "audit", "furnish", "http", "clock", "entropy"]),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Each word with the files, or directories, that may name it.
const WORDS: [(&str, &[&str]); 17] = [
    // The log, what is made of it, and the export as a relational file.
    ("rusqlite", &["log/", "projections/", "audit/export/sqlite"]),
    ("warp", &["http/"]),
    ("hyper", &["http/"]),
    ("hyper_util", &["http/"]),
    ("http_body_util", &["http/"]),
    ("bincode", &["log/codec.rs"]),
    // Arithmetic of address ranges, pure. What is recorded of them has a form of its own.
    ("ipnet", &["domain/conditions.rs", "http/", "cli/"]),
    // The client over HTTP, which the server has no use for.
    ("ureq", &["cli/remote/config.rs", "cli/remote/connection.rs"]),
    ("rustls", &[]),
    // Runtimes: the rules, the log, the folds and the questions know of none.
    ("tokio", &["ledger/", "http/", "cli/", "main.rs"]),
    // Now. Durations of the service's own work, which no record says, may be measured where they happen.
    ("SystemTime", &["clock.rs"]),
    ("clock_gettime", &["clock.rs"]),
    ("now_utc", &[]),
    ("now_local", &[]),
    ("Instant", &["clock.rs", "ledger/writer.rs", "ledger/signer.rs", "log/simulated_commit.rs", "http/"]),
    // Randomness.
    ("getrandom", &["entropy.rs"]),
    ("rand", &[]),
];

/// Parts of the standard library that the rules do without. Addresses as values, which conditions on tokens compare, come
/// from `core::net`: it has no sockets.
const IMPURE: [&str; 6] = ["env", "fs", "io", "net", "process", "thread"];

/// SQL that is put together: the file and how the text begins. Only constants may go into it.
const FORMATTED_SQL: [(&str, &str); 5] = [
    (
        "log/erasures.rs",
        "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=FULL; BEGIN IMMEDIATE; {} PRAGMA application_id=",
    ),
    (
        "log/signed_head.rs",
        "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=FULL; BEGIN IMMEDIATE; {} PRAGMA application_id=",
    ),
    ("log/writer.rs", "PRAGMA page_size={PAGE_BYTES}; "),
    ("log/writer.rs", "BEGIN IMMEDIATE; {schema} PRAGMA application_id="),
    ("projections/views.rs", "BEGIN IMMEDIATE; {} {} {} PRAGMA application_id="),
];

/// How a text begins that SQLite would take.
const SQL_BEGINNINGS: [&str; 17] = [
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    "DELETE ",
    "REPLACE ",
    "WITH ",
    "PRAGMA ",
    "CREATE ",
    "ALTER ",
    "DROP ",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT ",
    "ATTACH ",
    "DETACH ",
    "VACUUM",
];

/// Methods that take SQL first.
const SQL_METHODS: [&str; 7] =
    ["execute", "execute_batch", "prepare", "prepare_cached", "prepare_with_flags", "query_row", "query_one"];

/// The one crate that may use `unsafe`; no other may depend on it.
const UNSAFE_CRATE: &str = "tools/fault_shim";

/// Manifests of the workspace by directory, the root's first.
fn manifests() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |directory: &str| std::fs::read_to_string(root.join(directory).join("Cargo.toml")).expect("a manifest");
    let main = read(".");
    let members = main.split_once("members = [").and_then(|(_, after)| after.split_once(']')).expect("members").0;
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.contains(&UNSAFE_CRATE), "{members:?}");
    let others = members.into_iter().map(|directory| (directory.to_owned(), read(directory)));
    std::iter::once((".".to_owned(), main.clone())).chain(others).collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    let sources = read_sources(&root);
    assert!(sources.len() > 30, "the sources are there");
    sources
}

/// Fails with every offence, each by its file and line.
#[track_caller]
fn assert_none(offences: Vec<String>) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

fn unknown_rooms(source: &Source) -> Vec<String> {
    match rooms_known_to(source.room()) {
        Some(_) => Vec::new(),
        None => vec![format!("{}: the room `{}` is in no rule", source.place(0), source.room())],
    }
}

fn rooms_known_to(room: &str) -> Option<&'static [&'static str]> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, known)| *known)
}

fn forbidden_rooms(source: &Source) -> Vec<String> {
    let room = source.room();
    let known = rooms_known_to(room).unwrap_or_default();
    let is_forbidden =
        |name: &&Word<'_>| rooms_known_to(name.word).is_some() && name.word != room && !known.contains(&name.word);
    let told = |name: &Word<'_>| format!("{}: `{room}` knows `{}`", source.place(name.at), name.word);
    source.root_names().iter().filter(is_forbidden).map(told).collect()
}

fn forbidden_words(source: &Source) -> Vec<String> {
    let may = |word: &str| match WORDS.iter().find(|(name, _)| *name == word) {
        Some((_, places)) => places.iter().any(|place| source.path.starts_with(place)),
        None => true,
    };
    let words = source.words();
    words
        .iter()
        .filter(|word| !may(word.word))
        .map(|word| format!("{}: `{}`", source.place(word.at), word.word))
        .collect()
}

fn impure_words(source: &Source) -> Vec<String> {
    if source.room() != "domain" {
        return Vec::new();
    }
    let words = source.words();
    let paths = words.windows(4).filter(|four| four[0].word == "std" && four[1].word == ":" && four[2].word == ":");
    let impure = paths.filter(|four| IMPURE.contains(&four[3].word));
    impure.map(|four| format!("{}: `std::{}`", source.place(four[3].at), four[3].word)).collect()
}

fn unwraps(source: &Source) -> Vec<String> {
    let words = source.words();
    let calls = words.windows(4).filter(|four| four.iter().map(|word| word.word).eq([".", "unwrap", "(", ")"]));
    calls.map(|four| format!("{}: `.unwrap()`", source.place(four[1].at))).collect()
}

/// The literal that begins at or after this offset, if nothing but space is before it.
fn literal_at(source: &Source, at: usize) -> Option<(&str, usize)> {
    let before = source.code[at..].len() - source.code[at..].trim_start().len();
    let start = at + before + 1;
    if !source.code[at..].trim_start().starts_with('"') {
        return None;
    }
    let end = start + source.code[start..].find('"')?;
    Some((&source.text[start..end], end + 1))
}

fn is_sql(text: &str) -> bool {
    SQL_BEGINNINGS.iter().any(|beginning| text.trim_start().to_uppercase().starts_with(beginning))
}

fn is_allowed_sql(path: &str, text: &str) -> bool {
    FORMATTED_SQL.iter().any(|(file, beginning)| path == *file && text.starts_with(beginning))
}

/// SQL in a `format!` that no rule allows.
fn formatted_sql(source: &Source) -> Vec<String> {
    let literals = source.code.match_indices("format!(").filter_map(|(at, found)| {
        let (text, _) = literal_at(source, at + found.len())?;
        (is_sql(text) && !is_allowed_sql(&source.path, text)).then_some(at)
    });
    literals.map(|at| format!("{}: SQL is put together", source.place(at))).collect()
}

/// Calls whose SQL is neither a literal by itself nor a constant nor an allowed `format!`.
fn computed_sql(source: &Source) -> Vec<String> {
    let may_hold_sql = WORDS[0].1.iter().any(|place| source.path.starts_with(place));
    if !may_hold_sql {
        return Vec::new();
    }
    let words = source.words();
    let calls = words.windows(4).filter(|four| {
        four[0].word == "."
            && SQL_METHODS.contains(&four[1].word)
            && four[2].word == "("
            && !is_constant(source, four[3])
    });
    calls.map(|four| format!("{}: `{}` takes SQL that is computed", source.place(four[1].at), four[1].word)).collect()
}

fn is_constant(source: &Source, first: Word<'_>) -> bool {
    match first.word {
        // Parameters of a statement that was prepared before, or no arguments at all.
        "(" | "[" | ")" | "params" => true,
        "\"" => literal_at(source, first.at)
            .is_some_and(|(_, after)| matches!(source.code[after..].trim_start().chars().next(), Some(',' | ')'))),
        "&" => {
            let call = source.code[first.at..].strip_prefix("&format!(");
            let literal = call.and_then(|_| literal_at(source, first.at + "&format!(".len()));
            literal.is_some_and(|(text, _)| is_allowed_sql(&source.path, text))
        }
        name => name.chars().all(|c| c.is_ascii_uppercase() || c == '_'),
    }
}

fn offences(rule: fn(&Source) -> Vec<String>) -> Vec<String> {
    sources().iter().flat_map(rule).collect()
}

#[test]
fn every_file_is_in_a_room_that_has_a_rule() {
    assert_none(offences(unknown_rooms));
}

#[test]
fn arrows_between_rooms_point_one_way() {
    assert_none(offences(forbidden_rooms));
}

#[test]
fn no_two_rooms_know_each_other() {
    for (room, known) in ROOMS {
        for other in known {
            let back = rooms_known_to(other).expect("a known room has a rule");
            assert!(!back.contains(&room), "`{room}` and `{other}` know each other");
        }
    }
}

#[test]
fn libraries_clock_and_randomness_are_named_in_their_one_place() {
    assert_none(offences(forbidden_words));
}

#[test]
fn the_rules_touch_nothing_outside_themselves() {
    assert_none(offences(impure_words));
}

#[test]
fn nothing_is_unwrapped() {
    assert_none(offences(unwraps));
}

#[test]
fn sql_is_constant() {
    assert_none(offences(formatted_sql));
    assert_none(offences(computed_sql));
}

#[test]
fn every_exception_for_sql_is_still_needed() {
    let sources = sources();
    for (path, beginning) in FORMATTED_SQL {
        let source = sources.iter().find(|source| source.path == path);
        let found = source.is_some_and(|source| source.text.contains(&format!("\"{beginning}")));
        assert!(found, "no SQL in src/{path} begins with {beginning:?}");
    }
}

#[test]
fn unsafe_code_is_in_the_fault_shim_alone() {
    let manifests = manifests();
    assert!(manifests[0].1.contains("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
    for (directory, manifest) in manifests {
        let has_the_lints = manifest.contains("\n[lints]\nworkspace = true\n");
        assert_eq!(has_the_lints, directory != UNSAFE_CRATE, "{directory}/Cargo.toml");
        assert!(!manifest.contains("\nfault_shim"), "{directory}/Cargo.toml depends on the fault shim");
    }
}

/// A rule that finds nothing in what it forbids would guard nothing.
#[test]
fn every_rule_finds_what_it_forbids_and_passes_what_it_allows() {
    type Rule = fn(&Source) -> Vec<String>;
    let rows: [(Rule, &str, &str, &[&str]); 22] = [
        (unknown_rooms, "metrics/mod.rs", "", &["src/metrics/mod.rs:1: the room `metrics` is in no rule"]),
        (unknown_rooms, "http/mod.rs", "", &[]),
        (forbidden_rooms, "domain/ids.rs", "\nuse crate::log::Tree;", &["src/domain/ids.rs:2: `domain` knows `log`"]),
        (forbidden_rooms, "http/mod.rs", "use crate::{domain, log};", &["src/http/mod.rs:1: `http` knows `log`"]),
        (forbidden_rooms, "log/mod.rs", "use super::http;", &["src/log/mod.rs:1: `log` knows `http`"]),
        (forbidden_rooms, "log/mod.rs", "use crate::domain; // crate::http", &[]),
        (forbidden_words, "ledger/core.rs", "rusqlite::Error", &["src/ledger/core.rs:1: `rusqlite`"]),
        (forbidden_words, "log/writer.rs", "rusqlite::Error; bincode::encode()", &["src/log/writer.rs:1: `bincode`"]),
        (forbidden_words, "audit/mod.rs", "use std::time::Instant;", &["src/audit/mod.rs:1: `Instant`"]),
        (forbidden_words, "audit/mod.rs", "// Instant\nlet text = \"warp\";", &[]),
        (impure_words, "domain/ids.rs", "use std::fs;", &["src/domain/ids.rs:1: `std::fs`"]),
        (impure_words, "log/mod.rs", "use std::fs;", &[]),
        (unwraps, "log/mod.rs", "a\n.unwrap()", &["src/log/mod.rs:2: `.unwrap()`"]),
        (unwraps, "log/mod.rs", "a.unwrap_or(b); #[cfg(test)] mod tests { fn f() { a.unwrap() } }", &[]),
        (formatted_sql, "audit/mod.rs", "format!(\n\"select {a}\")", &["src/audit/mod.rs:1: SQL is put together"]),
        (formatted_sql, "audit/mod.rs", "format!(\"selected {a}\")", &[]),
        (
            computed_sql,
            "log/mod.rs",
            "c.execute(&sql, [])",
            &["src/log/mod.rs:1: `execute` takes SQL that is computed"],
        ),
        (computed_sql, "log/mod.rs", "c.prepare(sql)", &["src/log/mod.rs:1: `prepare` takes SQL that is computed"]),
        (
            computed_sql,
            "log/mod.rs",
            "c.query_row(\"SELECT \".to_owned() + a, [])",
            &["src/log/mod.rs:1: `query_row` takes SQL that is computed"],
        ),
        (
            computed_sql,
            "log/mod.rs",
            "c.execute_batch(&format!(\"PRAGMA {a}\"))",
            &["src/log/mod.rs:1: `execute_batch` takes SQL that is computed"],
        ),
        (computed_sql, "log/writer.rs", "c.execute_batch(&format!(\"PRAGMA page_size={PAGE_BYTES}; \"))", &[]),
        (
            computed_sql,
            "log/mod.rs",
            "c.prepare(FIND); c.execute(\"DROP a\", [a]); s.execute((a, b)); d.prepare()",
            &[],
        ),
    ];
    for (rule, path, content, expected) in rows {
        assert_eq!(rule(&Source::new(path, content)), expected, "{path}: {content}");
    }
}
