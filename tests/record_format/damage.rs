//! Damaged records: each gives an error that names what is wrong, and never a panic.

use crate::golden::record_of;
use crate::oracles::{bincode1_bytes, bincode1_reads};
use crate::samples::{Sample, samples, variants};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::de::DeserializeOwned;
use std::sync::LazyLock;
use token_ledger::domain::decide::QUOTA_TOKENS_A_RECORD;
use token_ledger::domain::event::{
    Cause, EVENT_TYPES, Event, LedgerInitialized, QuotaRefusalsTotalled, RecordingStopped, TokenUseRefused,
};
use token_ledger::domain::ids::{TokenId, UserId};
use token_ledger::log::codec::{
    CodecError, ENVELOPE_BYTES, FORMAT, RECORD_BYTES_MAX, decode, decode_header, encode, from_bytes, is_canonical,
};

/// Records of all samples, with their names.
static RECORDS: LazyLock<Vec<(String, Vec<u8>)>> =
    LazyLock::new(|| samples().iter().map(|sample| (sample.name.clone(), record_of(sample))).collect());

fn sample_named(name: &str) -> Sample {
    samples().into_iter().find(|sample| sample.name == name).expect("the sample is there")
}

#[test]
fn a_record_cut_anywhere_is_refused() {
    for (name, record) in RECORDS.iter() {
        for length in 0..record.len() {
            match decode(&record[..length]) {
                Err(CodecError::TooShort(said)) => assert!(said == length && length < ENVELOPE_BYTES, "{name}"),
                Err(CodecError::Malformed { .. }) => assert!(length >= ENVELOPE_BYTES, "{name} cut at {length}"),
                other => panic!("{name} cut at {length}: {other:?}"),
            }
        }
    }
}

#[test]
fn bytes_after_the_payload_are_refused() {
    for (name, record) in RECORDS.iter() {
        for rest in [1, 3] {
            let longer = [record.as_slice(), &[0; 3][..rest]].concat();
            assert_eq!(decode(&longer), Err(CodecError::TrailingBytes(rest)), "{name}");
        }
    }
}

#[test]
fn another_format_byte_is_refused() {
    let (_, mut record) = RECORDS[0].clone();
    for format in (0..=u8::MAX).filter(|&format| format != FORMAT) {
        record[0] = format;
        assert_eq!(decode(&record), Err(CodecError::UnknownFormat(format)));
        assert_eq!(decode_header(&record).err(), Some(CodecError::UnknownFormat(format)));
    }
}

#[test]
fn an_unknown_type_is_refused_and_its_header_still_read() {
    let (_, mut record) = RECORDS[0].clone();
    let header = sample_named(&RECORDS[0].0).header;
    for type_number in (0..=u16::MAX).filter(|number| EVENT_TYPES.iter().all(|(known, ..)| known != number)) {
        record[1..3].copy_from_slice(&type_number.to_le_bytes());
        assert_eq!(decode(&record), Err(CodecError::UnknownType { type_number, schema_version: 1 }));
        assert_eq!(decode_header(&record), Ok((type_number, 1, header)));
    }
}

#[test]
fn a_newer_version_of_a_known_type_is_refused() {
    for (name, record) in RECORDS.iter() {
        let mut record = record.clone();
        for schema_version in [0, record[3] + 1, u8::MAX] {
            record[3] = schema_version;
            let type_number = u16::from_le_bytes([record[1], record[2]]);
            assert_eq!(decode(&record), Err(CodecError::UnknownType { type_number, schema_version }), "{name}");
        }
    }
}

#[test]
fn a_number_in_a_longer_form_than_it_needs_is_not_canonical() {
    let sample = sample_named("recording_stopped_1");
    let record = record_of(&sample);
    let (last, before) = record.split_last().expect("a record is not empty");
    assert_eq!(*last, 1, "the payload is one small number");
    for longer in [&[251, 1, 0][..], &[252, 1, 0, 0, 0], &[253, 1, 0, 0, 0, 0, 0, 0, 0]] {
        let record = [before, longer].concat();
        let (header, event) = decode(&record).expect("bincode accepts every form");
        assert_eq!(event, Event::from(RecordingStopped { appended: 1 }));
        assert!(!is_canonical(&record, &header, &event, &mut Vec::new()), "{longer:?}");
    }
    for marker in [254, 255] {
        let record = [before, &[marker; 17]].concat();
        assert!(matches!(decode(&record), Err(CodecError::Malformed { part: "payload", .. })), "{marker}");
    }
}

/// A record of one long text. Its length takes three bytes where a short one's takes one.
fn long_record(text_bytes: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let Sample { header, .. } = sample_named("ledger_initialized");
    let event = LedgerInitialized { origin: "a".repeat(text_bytes), log_vkey: String::new() };
    encode(&header, &event.into(), out)
}

#[test]
fn a_record_has_at_most_65_535_bytes() {
    let mut around = Vec::new();
    long_record(1_000, &mut around).expect("1,000 bytes fit");
    let longest = RECORD_BYTES_MAX - (around.len() - 1_000);
    let mut out = vec![7];
    assert_eq!(long_record(longest + 1, &mut out), Err(CodecError::TooLong(RECORD_BYTES_MAX + 1)));
    assert_eq!(out, [7], "on error the output is as it was");
    long_record(longest, &mut out).expect("65,535 bytes fit");
    assert!(decode(&out[1..]).is_ok(), "what can be written can be read");
    out.push(0);
    assert_eq!(decode(&out[1..]), Err(CodecError::TooLong(RECORD_BYTES_MAX + 1)));
}

#[test]
fn a_long_list_of_small_numbers_that_can_be_written_can_be_read() {
    let Sample { header, .. } = sample_named("quota_refusals_totalled_of_account");
    let most = (RECORD_BYTES_MAX - 100) / 2;
    for tokens in [1_000, 5_000, most] {
        let counts = (0..tokens).map(|_| (TokenId(1), 1)).collect();
        let event = Event::from(QuotaRefusalsTotalled { user: Default::default(), window_opened_at: 1, counts });
        let mut record = Vec::new();
        encode(&header, &event, &mut record).expect("small numbers take a byte each");
        let read = decode(&record).unwrap_or_else(|error| panic!("{tokens} in {} bytes: {error}", record.len()));
        assert!(read == (header, event), "{tokens} tokens are read as something else");
    }
}

#[test]
fn a_full_total_of_a_window_fits_a_record_whatever_its_numbers_are() {
    let Sample { header, .. } = sample_named("header_largest");
    let counts = vec![(TokenId(u64::MAX), u64::MAX); QUOTA_TOKENS_A_RECORD];
    let event = Event::from(QuotaRefusalsTotalled { user: UserId(u64::MAX), window_opened_at: u64::MAX, counts });
    let mut record = Vec::new();
    encode(&header, &event, &mut record).expect("a full total fits");
    assert!(decode(&record) == Ok((header, event)), "it is read as it was written");
}

#[test]
fn a_list_that_claims_more_than_there_is_ends_with_the_bytes() {
    let sample = sample_named("refusals_summed_nothing");
    let header_bytes = bincode1_bytes(&sample.header).len();
    let record = record_of(&sample);
    let claim = [&record[..ENVELOPE_BYTES + header_bytes], &[253], &u64::MAX.to_le_bytes(), &[0; 64]].concat();
    assert!(matches!(decode(&claim), Err(CodecError::Malformed { part: "payload", .. })));
}

#[test]
fn an_enumeration_has_no_number_past_its_last() {
    let Sample { header, event, .. } = sample_named("token_use_refused_TokenDeleted");
    assert!(matches!(event, Event::TokenUseRefused(TokenUseRefused { cause: Cause::TokenDeleted, .. })));
    let mut record = Vec::new();
    encode(&header, &event, &mut record).expect("samples fit a record");
    let known = u8::try_from(variants::<Cause>().len()).expect("few causes");
    for index in known..=250 {
        *record.last_mut().expect("a record is not empty") = index;
        let Err(CodecError::Malformed { part: "payload", reason }) = decode(&record) else { panic!("{index}") };
        assert!(reason.contains("variant index"), "{reason}");
    }
}

fn only_0_and_1<T: DeserializeOwned>(rest: &[u8]) {
    for first in 0..=u8::MAX {
        let bytes = [&[first], rest].concat();
        let read = from_bytes::<T>(&bytes).is_ok() || from_bytes::<T>(&bytes[..1]).is_ok();
        assert_eq!(read, first <= 1, "{first}");
    }
}

#[test]
fn a_truth_value_and_an_option_are_0_or_1() {
    only_0_and_1::<bool>(&[]);
    only_0_and_1::<Option<u8>>(&[9]);
}

/// One act of damage.
#[derive(Clone, Debug)]
enum Damage {
    /// A byte becomes another.
    Set(prop::sample::Index, u8),
    /// A byte comes in between.
    Insert(prop::sample::Index, u8),
    /// A byte is lost.
    Remove(prop::sample::Index),
    /// A byte is written as a longer number of the same value.
    Widen(prop::sample::Index),
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        // Small bytes and markers say more about the format than others do.
        let byte = prop_oneof![0u8..24, 245u8..=255, any::<u8>()];
        let at = any::<prop::sample::Index>;
        prop_oneof![
            4 => (at(), byte.clone()).prop_map(|(at, byte)| Self::Set(at, byte)),
            1 => (at(), byte).prop_map(|(at, byte)| Self::Insert(at, byte)),
            1 => at().prop_map(Self::Remove),
            1 => at().prop_map(Self::Widen),
        ]
    }

    fn do_to(&self, record: &mut Vec<u8>) {
        let (Self::Set(at, _) | Self::Insert(at, _) | Self::Remove(at) | Self::Widen(at)) = self;
        if record.is_empty() {
            return;
        }
        let at = at.index(record.len());
        match *self {
            Self::Set(_, byte) => record[at] = byte,
            Self::Insert(_, byte) => record.insert(at, byte),
            Self::Remove(_) => drop(record.remove(at)),
            Self::Widen(_) => {
                record.insert(at, 251);
                record.insert(at + 2, 0);
            }
        }
    }
}

fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let which = any::<prop::sample::Index>();
    (which, prop::collection::vec(Damage::any(), 1..4)).prop_map(|(which, damages)| {
        let (_, mut record) = RECORDS[which.index(RECORDS.len())].clone();
        damages.iter().for_each(|damage| damage.do_to(&mut record));
        record
    })
}

/// Damaged records, the same ones on every run.
pub fn damaged_records(count: usize) -> Vec<Vec<u8>> {
    let (mut runner, damaged) = (TestRunner::deterministic(), damaged());
    let one = |_| damaged.new_tree(&mut runner).expect("nothing is filtered").current();
    (0..count).map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_from_a_damaged_record_is_exactly_its_bytes(record in damaged()) {
        let Ok((header, event)) = decode(&record) else { return Ok(()) };
        let type_number = u16::from_le_bytes([record[1], record[2]]);
        let oracle = bincode1_reads(type_number, &record[ENVELOPE_BYTES..]);
        prop_assert_eq!(oracle.as_ref(), Some(&(header, event.clone())), "bincode 1.3.3 reads something else");
        let mut again = Vec::new();
        if is_canonical(&record, &header, &event, &mut Vec::new()) {
            encode(&header, &event, &mut again).expect("it was read from a record");
            prop_assert_eq!(again, record);
        }
    }

    #[test]
    fn any_bytes_at_all_are_read_or_refused(record in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&record);
        let _ = decode_header(&record);
    }
}
