//! The independent decoder in Python reads what we write, refuses what we refuse, and knows every type and number.

use crate::damage::damaged_records;
use crate::golden::{golden, golden_path, to_hex};
use crate::oracles::{header_json, payload_json};
use crate::samples::variants;
use crate::sources::doc_of_enum;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Seek, SeekFrom, Write};
use std::process::{Command, Output, Stdio};
use token_ledger::domain::access::{Access, Coverage, Level, Target, Verb};
use token_ledger::domain::conditions::AddressRange;
use token_ledger::domain::directory::{DomainState, Plan, ResourceFacts};
use token_ledger::domain::event::{
    AccessSource, Cause, EVENT_TYPES, ManagementOperation, MapRejection, OutageCause, Outcome, Route,
};
use token_ledger::domain::gateway::GatewayRight;
use token_ledger::domain::history_read::StreamEnd;
use token_ledger::domain::idempotency::AnswerSubject;
use token_ledger::domain::oauth::{ClientKind, EndReason, ExchangeFault};
use token_ledger::domain::report::ReportFlag;
use token_ledger::domain::review::{ReviewRow, ReviewVerdict};
use token_ledger::domain::sign_in::SignInCause;
use token_ledger::domain::text::{Subject, TextKind};
use token_ledger::domain::token::{Authority, Owner, Principal, TokenKind};
use token_ledger::log::codec::{decode, is_canonical};

/// Damaged records that both programs judge.
const DAMAGED_RECORDS: usize = 6_000;

fn decoder() -> Command {
    let mut command = Command::new("python3");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("tools/decode_record.py");
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("python3 is installed: the project needs it for its checks")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complaints(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Has the decoder read records, one a line.
fn decode_all(records: &[Vec<u8>]) -> Output {
    let mut lines = tempfile::tempfile().expect("a temporary file can be made");
    for record in records {
        writeln!(lines, "{}", to_hex(record)).expect("a temporary file can be written");
    }
    lines.seek(SeekFrom::Start(0)).expect("a file has a beginning");
    run(decoder().stdin(Stdio::from(lines)))
}

#[test]
fn the_decoder_agrees_on_every_golden_record_and_every_variant_has_one() {
    golden();
    let output = run(decoder().arg("--check").arg(golden_path()));
    assert!(output.status.success(), "{}", complaints(&output));
}

#[test]
fn the_decoder_knows_the_same_event_types() {
    let listed = out(&run(decoder().arg("--types")));
    let known: BTreeSet<&str> = listed.lines().collect();
    let ours: BTreeSet<String> =
        EVENT_TYPES.iter().map(|(number, version, name)| format!("{number} {version} {name}")).collect();
    for line in &ours {
        assert!(known.contains(line.as_str()), "tools/decode_record.py has no case for {line}");
    }
    for line in known {
        assert!(ours.contains(line), "tools/decode_record.py knows {line}, which is no event type");
    }
}

/// Names of an enumeration's variants in the order of their numbers, as serde says them.
fn names<T: Serialize + DeserializeOwned>() -> Value {
    let name = |variant: &T| match serde_json::to_value(variant) {
        Ok(Value::Object(fields)) => fields.keys().next().cloned().unwrap_or_default(),
        Ok(value) => value.as_str().unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    variants::<T>().iter().map(name).collect()
}

macro_rules! names_of {
    ($($name:ident),+ $(,)?) => { BTreeMap::from([$((stringify!($name).to_owned(), names::<$name>()),)+]) };
}

#[test]
fn the_decoder_knows_the_same_numbers_of_every_enumeration() {
    let ours = names_of![
        Access,
        AccessSource,
        AnswerSubject,
        SignInCause,
        AddressRange,
        ClientKind,
        EndReason,
        ExchangeFault,
        Authority,
        Cause,
        Coverage,
        DomainState,
        GatewayRight,
        Level,
        ManagementOperation,
        Outcome,
        Owner,
        OutageCause,
        MapRejection,
        Plan,
        Principal,
        ReportFlag,
        ResourceFacts,
        Route,
        ReviewRow,
        ReviewVerdict,
        StreamEnd,
        Subject,
        Target,
        TextKind,
        TokenKind,
        Verb,
    ];
    let theirs: BTreeMap<String, Value> =
        serde_json::from_str(&out(&run(decoder().arg("--enums")))).expect("--enums prints one JSON object");
    for (name, variants) in &theirs {
        assert_eq!(ours.get(name), Some(variants), "{name}");
    }
    assert_eq!(ours.len(), theirs.len(), "an enumeration is missing in tools/decode_record.py");
}

#[test]
fn every_enumeration_of_the_format_says_that_its_numbers_are() {
    let theirs: BTreeMap<String, Value> =
        serde_json::from_str(&out(&run(decoder().arg("--enums")))).expect("--enums prints one JSON object");
    for name in theirs.keys() {
        let doc = doc_of_enum(name);
        assert!(doc.contains("Numbers are part of the record format: append only."), "{name}: {doc}");
    }
    assert!(!doc_of_enum("ResourceKind").contains("record format"), "no payload holds it");
}

#[test]
fn the_decoder_refuses_exactly_the_damaged_records_that_we_refuse() {
    let records = damaged_records(DAMAGED_RECORDS);
    let output = decode_all(&records);
    let (printed, reasons) = (out(&output), complaints(&output));
    let mut printed = printed.lines();
    let mut accepted = 0;
    for (record, number) in records.iter().zip(1..) {
        let refused = reasons.contains(&format!("record {number}: "));
        match decode(record) {
            Ok((header, event)) if is_canonical(record, &header, &event, &mut Vec::new()) => {
                assert!(!refused, "we accept what the decoder refuses: {}", to_hex(record));
                let read: Value = printed.next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
                let ours = json!([header_json(&header), payload_json(&event)]);
                assert_eq!(json!([read["header"], read["payload"]]), ours, "{}", to_hex(record));
                accepted += 1;
            }
            _ => assert!(refused, "the decoder accepts what we refuse: {}", to_hex(record)),
        }
    }
    assert!((records.len() / 10..records.len()).contains(&accepted), "{accepted} of {} accepted", records.len());
    assert_eq!(output.status.code(), Some(1), "bad records end the decoder with exit code 1");
}

#[test]
fn the_decoder_names_the_record_and_the_reason() {
    let good = golden()[0]["hex"].as_str().unwrap_or_default();
    let output = run(decoder().args([good, "01", &format!("{good}00"), "zz", good]));
    assert_eq!(out(&output).lines().count(), 2);
    let reasons = complaints(&output);
    let expected = [
        "record 2: has 1 bytes, too few for an envelope",
        "record 3: goes on for 1 bytes after its payload",
        "record 4: is not a row of hexadecimal digit pairs",
    ];
    assert_eq!(reasons.lines().collect::<Vec<_>>(), expected);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_decoder_reads_a_ledger_file_and_names_its_gaps() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("100% ledger?.db");
    let file = rusqlite::Connection::open(&path).expect("a database can be made");
    let rows = [(1, 0), (2, 1), (4, 2), (5, 3)];
    file.execute_batch("CREATE TABLE events (position INTEGER PRIMARY KEY, record BLOB) STRICT").expect("a table");
    for (position, index) in rows {
        let record = crate::golden::from_hex(golden()[index]["hex"].as_str().unwrap_or_default());
        file.execute("INSERT INTO events VALUES (?1, ?2)", rusqlite::params![position, record]).expect("a row");
    }
    let whole = run(decoder().arg("--db").arg(&path));
    assert_eq!(complaints(&whole), "record 3: is missing\n");
    assert_eq!(out(&whole).lines().count(), rows.len());
    let part = run(decoder().arg("--db").arg(&path).args(["--from", "4", "--to", "5"]));
    assert!(part.status.success(), "{}", complaints(&part));
    let read: Value = serde_json::from_str(out(&part).trim_end()).expect("one JSON object");
    assert_eq!((&read["position"], &read["payload"]), (&json!(4), &golden()[2]["payload"]));
}

/// The part of a program between its marks.
fn marked(name: &str) -> String {
    let path = format!("{}/tools/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the program can be read");
    let (_, after) = text.split_once("# ---- records: begin ----\n").expect("the first mark is there");
    after.split_once("# ---- records: end ----\n").expect("the second mark is there").0.to_owned()
}

/// `tools/verify_bundle.py` is one file by itself, so it has the tables too. What is held here holds for both.
#[test]
fn the_verifier_of_bundles_reads_records_by_the_same_letters() {
    let (decoder, verifier) = (marked("decode_record.py"), marked("verify_bundle.py"));
    for (number, (left, right)) in decoder.lines().zip(verifier.lines()).enumerate() {
        assert_eq!(left, right, "line {} behind the mark: copy the part of decode_record.py over", number + 1);
    }
    assert_eq!(decoder.len(), verifier.len(), "copy the part of decode_record.py between the marks over");
    assert!(decoder.contains("TYPES = {"));
}
