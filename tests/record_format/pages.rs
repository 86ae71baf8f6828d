//! The pages that people read say what the program does: every type is there, and the worked example is a record.

use crate::golden::golden;
use std::path::Path;
use token_ledger::domain::event::EVENT_TYPES;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_event_type_has_its_row_and_its_section() {
    let (codec, events) = (page("codec.md"), page("events.md"));
    for (number, version, name) in EVENT_TYPES {
        let row = format!("| {number} | {version} | `{name}` |");
        assert!(codec.contains(&row), "schema/codec.md has no row for {name}");
        assert!(events.contains(&format!("\n### {name}\n")), "schema/events.md has no section for {name}");
    }
}

#[test]
fn the_worked_example_is_a_golden_record() {
    let codec = page("codec.md");
    let (_, example) = codec.split_once("## A worked example").expect("the page has the example");
    let (example, _) = example.split_once("\n## ").expect("a section follows");
    let cells = example.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let digits: String = cells.map(|(bytes, _)| bytes.replace(' ', "")).collect();
    let kept = golden().iter().find(|entry| entry["name"] == "token_used_Zone").expect("the record is there");
    assert_eq!(kept["hex"], digits);
}
