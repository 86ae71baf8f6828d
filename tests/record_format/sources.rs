//! What the sources of record types must not contain: bincode would write it and never read it again, or write the
//! same value in two ways.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The only serde attribute that leaves the bytes alone and has a use here. Named so, and not by a list of the bad
/// ones (`tag`, `untagged`, `flatten`, `skip`, `skip_serializing_if`, `other`, `default` …), a new bad one is caught.
const ATTRIBUTES_ALLOWED: [&str; 1] = ["transparent"];
/// Types that some decoder of the format cannot read (128 bits), that have no one form (floats, sets and maps in the
/// order of their hashes), or whose own `Serialize` nobody has looked at.
const WORDS_BANNED: [&str; 8] =
    ["i128", "u128", "f32", "f64", "HashMap<", "HashSet<", "impl Serialize for", "impl serde::Serialize for"];

fn domain() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain")
}

/// `event.rs` and every file whose types it can reach, without comments.
fn sources() -> BTreeMap<String, String> {
    let (mut sources, mut open) = (BTreeMap::new(), vec!["event".to_owned()]);
    while let Some(module) = open.pop() {
        if sources.contains_key(&module) {
            continue;
        }
        let text = std::fs::read_to_string(domain().join(format!("{module}.rs"))).expect("modules are single files");
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        open.extend(code.iter().filter_map(|line| used_module(line)));
        sources.insert(module, code.join("\n"));
    }
    sources
}

fn used_module(line: &str) -> Option<String> {
    let line = line.trim_start_matches("pub ");
    let path = line.strip_prefix("use super::").or_else(|| line.strip_prefix("use crate::domain::"))?;
    path.split("::").next().map(str::to_owned)
}

/// The doc comment of an enumeration of the domain, in one line.
pub fn doc_of_enum(name: &str) -> String {
    let files = std::fs::read_dir(domain()).expect("the domain is a directory").flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    let declared = format!("\npub enum {name} {{");
    let found = texts.into_iter().find_map(|text| text.split_once(&declared).map(|(before, _)| before.to_owned()));
    let before = found.unwrap_or_else(|| panic!("{name} is an enumeration of the domain"));
    let above = before.lines().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    let mut doc: Vec<&str> = above.filter_map(|line| line.strip_prefix("/// ")).collect();
    doc.reverse();
    doc.join(" ")
}

/// The words of every `serde(…)` in a source.
fn serde_attributes(code: &str) -> Vec<String> {
    let inside = code.split("serde(").skip(1).filter_map(|rest| rest.split(")]").next());
    let words = inside.flat_map(|list| list.split(','));
    words.filter_map(|word| word.split(['=', '(']).next()).map(|word| word.trim().to_owned()).collect()
}

#[test]
fn record_types_use_nothing_that_bincode_cannot_read_back() {
    let sources = sources();
    for reached in ["access", "conditions", "directory", "idempotency", "ids", "text", "time", "token", "token_text"] {
        assert!(sources.contains_key(reached), "{reached}.rs holds types of payloads and must be read here");
    }
    for (module, code) in &sources {
        for attribute in serde_attributes(code) {
            assert!(ATTRIBUTES_ALLOWED.contains(&attribute.as_str()), "{module}.rs: serde({attribute})");
        }
        for word in WORDS_BANNED {
            assert!(!code.contains(word), "{module}.rs: {word}");
        }
    }
}

#[test]
fn the_check_sees_every_way_to_write_an_attribute() {
    let code =
        "#[serde(transparent)] #[serde(\n  default,\n skip_serializing_if = \"f\")] #[cfg_attr(x, serde(flatten))]";
    assert_eq!(serde_attributes(code), ["transparent", "default", "skip_serializing_if", "flatten)"]);
}
