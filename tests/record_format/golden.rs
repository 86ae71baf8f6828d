//! Golden records: what was written once is written again, byte for byte, and read as the same.

use crate::oracles::{header_json, payload_json};
use crate::samples::{Sample, samples};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;
use token_ledger::domain::event::EVENT_TYPES;
use token_ledger::log::codec::{decode, encode, is_canonical};

/// Where the golden records are.
pub fn golden_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("replay-tests/golden/records.json")
}

/// A sample's record.
pub fn record_of(sample: &Sample) -> Vec<u8> {
    let mut record = Vec::new();
    encode(&sample.header, &sample.event, &mut record).expect("samples fit a record");
    record
}

/// The golden entries; under `BLESS=1` those of new samples are added first, once. What is there is never written anew:
/// the format is frozen.
pub fn golden() -> &'static [Value] {
    static GOLDEN: OnceLock<Vec<Value>> = OnceLock::new();
    GOLDEN.get_or_init(|| {
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(golden_path().with_file_name("")).expect("the golden directory can be made");
            let kept = std::fs::read_to_string(golden_path()).unwrap_or_else(|_| "[]".to_owned());
            let kept: Vec<Value> = serde_json::from_str(&kept).expect("the golden file is a JSON list");
            std::fs::write(golden_path(), text_with_new(kept)).expect("the golden file can be written");
        }
        let text = std::fs::read_to_string(golden_path()).expect("there is a golden file; BLESS=1 writes it");
        serde_json::from_str(&text).expect("the golden file is a JSON list")
    })
}

/// One entry a line, so that a change shows which record it is.
fn text_with_new(kept: Vec<Value>) -> String {
    let old = |sample: &Sample| kept.iter().find(|entry| name_of(entry) == sample.name).cloned();
    let all: Vec<Value> = samples().iter().map(|sample| old(sample).unwrap_or_else(|| entry(sample))).collect();
    let lost = kept.iter().filter(|entry| !all.contains(entry));
    let lines: Vec<String> = all.iter().chain(lost).map(Value::to_string).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn entry(sample: &Sample) -> Value {
    json!({
        "name": sample.name,
        "type": sample.event.type_number(),
        "type_name": sample.event.type_name(),
        "version": sample.event.schema_version(),
        "hex": to_hex(&record_of(sample)),
        "header": header_json(&sample.header),
        "payload": payload_json(&sample.event),
    })
}

/// Bytes in hexadecimal.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal digits as bytes.
pub fn from_hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("golden bytes are hexadecimal")).collect()
}

fn name_of(entry: &Value) -> &str {
    entry["name"].as_str().unwrap_or_default()
}

#[test]
fn golden_records_never_change() {
    let samples = samples();
    let names: BTreeSet<&str> = samples.iter().map(|sample| sample.name.as_str()).collect();
    assert_eq!(names.len(), samples.len(), "every sample has its own name");
    for entry in golden() {
        assert!(names.contains(name_of(entry)), "{}: the golden record has lost its sample", name_of(entry));
    }
    for sample in &samples {
        let kept = golden().iter().find(|entry| name_of(entry) == sample.name);
        let kept = kept.unwrap_or_else(|| panic!("{}: has no golden record; BLESS=1 adds it", sample.name));
        assert_eq!(kept, &entry(sample), "{}: the record changed", sample.name);
    }
}

#[test]
fn golden_records_are_read_as_what_was_written() {
    let mut scratch = Vec::new();
    for (entry, sample) in golden().iter().zip(samples()) {
        let record = from_hex(entry["hex"].as_str().unwrap_or_default());
        let (header, event) = decode(&record).unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        assert!(is_canonical(&record, &header, &event, &mut scratch), "{}", sample.name);
        assert_eq!((header, event), (sample.header, sample.event), "{}", sample.name);
    }
}

#[test]
fn every_event_type_has_a_golden_record() {
    for &(number, version, name) in EVENT_TYPES {
        let is_it =
            |entry: &Value| entry["type"] == number && entry["version"] == version && entry["type_name"] == name;
        assert!(golden().iter().any(is_it), "{name} (type {number} version {version}) has no golden record");
    }
}
