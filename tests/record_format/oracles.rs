//! Two other implementations of the format, and a third view of the values as JSON. `bincode` 2 writes our records;
//! if it ever has to be replaced, these say whether the bytes stayed the same.

use crate::samples::{Sample, samples};
use bincode1::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_wincode::SerdeCompat;
use std::fmt::Debug;
use token_ledger::domain::event::{self, Event, Header};
use token_ledger::log::codec::{ENVELOPE_BYTES, encode};
use wincode::config::{Configuration, Deserialize as _, Serialize as _};

/// Payload fields that are arrays of bytes: JSON shows them in hexadecimal.
const BYTE_FIELDS: [&str; 16] = [
    "challenge",
    "client",
    "code",
    "redirect_uri",
    "state",
    "request",
    "commitment",
    "digest",
    "hint",
    "hash",
    "key",
    "network",
    "content",
    "streams_root",
    "state_root",
    "root",
];

/// The default of wincode is fixed-width numbers: the variable ones have to be asked for.
macro_rules! varint {
    () => {
        Configuration::default().with_varint_encoding()
    };
}

/// One value's bytes by bincode 1.3.3, whose `DefaultOptions` are little-endian with varints.
pub fn bincode1_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    bincode1::DefaultOptions::new().serialize(value).expect("bincode 1 writes every payload")
}

/// Holds one value against its bytes in a record, both ways, with both oracles.
fn agree<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T, bytes: &[u8]) {
    assert_eq!(bincode1_bytes(value), bytes, "{name}: bincode 1.3.3 writes other bytes");
    let read: T = bincode1::DefaultOptions::new().deserialize(bytes).expect("bincode 1 reads what it wrote");
    assert_eq!(&read, value, "{name}: bincode 1.3.3 reads another value");
    let written = SerdeCompat::<T>::serialize(value, varint!()).expect("serde-wincode writes every payload");
    assert_eq!(written, bytes, "{name}: serde-wincode writes other bytes");
    let read: T = SerdeCompat::<T>::deserialize(bytes, varint!()).expect("serde-wincode reads what it wrote");
    assert_eq!(&read, value, "{name}: serde-wincode reads another value");
}

// One arm for each type of the one table: a type without an oracle does not compile.
macro_rules! define_payload_oracles {
    ($($number:literal, $version:literal, $name:ident;)+) => {
        fn agree_on_payload(name: &str, event: &Event, bytes: &[u8]) {
            match event { $(Event::$name(payload) => agree(name, payload, bytes),)+ }
        }

        fn payload_value(event: &Event) -> serde_json::Result<Value> {
            match event { $(Event::$name(payload) => serde_json::to_value(payload),)+ }
        }

        /// Header and payload by bincode 1.3.3; none if it does not read them to the last byte.
        pub fn bincode1_reads(type_number: u16, body: &[u8]) -> Option<(Header, Event)> {
            let mut rest = body;
            let header = bincode1::DefaultOptions::new().allow_trailing_bytes().deserialize_from(&mut rest).ok()?;
            let event = match type_number {
                $($number => Event::$name(
                    bincode1::DefaultOptions::new().deserialize::<event::$name>(rest).ok()?
                ),)+
                _ => return None,
            };
            Some((header, event))
        }
    };
}

token_ledger::with_event_types!(define_payload_oracles);

/// The header in JSON, as the decoder in the other language prints it.
pub fn header_json(header: &Header) -> Value {
    let mut value = serde_json::to_value(header).expect("a header is plain data");
    bytes_to_hex(&mut value);
    value
}

/// The payload in JSON, as the decoder in the other language prints it.
pub fn payload_json(event: &Event) -> Value {
    let mut value = payload_value(event).expect("a payload is plain data");
    bytes_to_hex(&mut value);
    value
}

fn bytes_to_hex(value: &mut Value) {
    let Value::Object(fields) = value else { return };
    for (name, field) in fields {
        match field {
            Value::Array(bytes) if BYTE_FIELDS.contains(&name.as_str()) => {
                let digits = bytes.iter().filter_map(Value::as_u64).map(|byte| format!("{byte:02x}"));
                *field = Value::String(digits.collect());
            }
            Value::Array(items) => items.iter_mut().for_each(bytes_to_hex),
            _ => bytes_to_hex(field),
        }
    }
}

#[test]
fn two_other_implementations_write_and_read_the_same_bytes() {
    for Sample { name, header, event } in samples() {
        let mut record = Vec::new();
        encode(&header, &event, &mut record).expect("samples fit a record");
        let body = &record[ENVELOPE_BYTES..];
        let (header_bytes, payload_bytes) = body.split_at(bincode1_bytes(&header).len());
        agree(&name, &header, header_bytes);
        agree_on_payload(&name, &event, payload_bytes);
        assert_eq!(bincode1_reads(event.type_number(), body), Some((header, event)), "{name}");
    }
}
