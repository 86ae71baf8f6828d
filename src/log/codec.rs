//! Records: a 4-byte envelope, then header and payload in bincode. The one module that knows bincode.
//!
//! The format is ours, frozen and documented in `schema/codec.md`; golden bytes hold it. Envelope:
//! `[format u8][type u16 LE][schema version u8]`. Format 1 is frozen: what it says is read for ever. Format 0 was the draft
//! before it, and no program reads it any more.

use crate::domain::event::{self, Event, Header};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Format byte of records written today.
pub const FORMAT: u8 = 1;
/// Longest record (C2SP tlog-tiles entry bundles say lengths in 16 bits).
pub const RECORD_BYTES_MAX: usize = 65_535;
/// Bytes before the header.
pub const ENVELOPE_BYTES: usize = 4;
/// What bincode may count while it decodes a record, whose own length is checked before. It counts a number at its
/// full width, 8 bytes where the record has 1: a lower limit would refuse records that we wrote.
const DECODE_BYTES_MAX: usize = 8 * RECORD_BYTES_MAX;
/// What bincode may count while it decodes a row of a snapshot, whose checksum says whose bytes they are.
const SNAPSHOT_BYTES_MAX: usize = 1 << 34;

/// Why bytes are not a record, or an event does not fit one.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CodecError {
    /// Too short to hold an envelope.
    #[error("the record is too short ({0} bytes)")]
    TooShort(usize),
    /// Longer than [`RECORD_BYTES_MAX`].
    #[error("the record is too long ({0} bytes, at most {RECORD_BYTES_MAX})")]
    TooLong(usize),
    /// Another format byte.
    #[error("unknown record format {0}")]
    UnknownFormat(u8),
    /// A type or schema version that this program does not know.
    #[error("unknown event type {type_number} version {schema_version}")]
    UnknownType {
        /// Type number.
        type_number: u16,
        /// Schema version.
        schema_version: u8,
    },
    /// Header or payload do not decode.
    #[error("the {part} does not decode: {reason}")]
    Malformed {
        /// Which part.
        part: &'static str,
        /// The decoder's words.
        reason: String,
    },
    /// Bytes follow the payload.
    #[error("{0} bytes follow the payload")]
    TrailingBytes(usize),
    /// The value does not encode.
    #[error("the event does not encode: {0}")]
    Unencodable(String),
}

type Config = bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<DECODE_BYTES_MAX>,
>;

fn config() -> Config {
    bincode::config::standard().with_limit::<DECODE_BYTES_MAX>()
}

fn malformed(part: &'static str) -> impl Fn(bincode::error::DecodeError) -> CodecError {
    move |error| CodecError::Malformed { part, reason: error.to_string() }
}

/// Appends the record of an event to `out`. On error `out` is as it was.
pub fn encode(header: &Header, event: &Event, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    out.push(FORMAT);
    out.extend_from_slice(&event.type_number().to_le_bytes());
    out.push(event.schema_version());
    let encoded = write(header, out).and_then(|()| encode_payload(event, out));
    let length = out.len() - start;
    let fits = if length > RECORD_BYTES_MAX { Err(CodecError::TooLong(length)) } else { Ok(()) };
    encoded.and(fits).inspect_err(|_| out.truncate(start))
}

fn write(value: &impl Serialize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    bincode::serde::encode_into_std_write(value, out, config())
        .map(drop)
        .map_err(|error| CodecError::Unencodable(error.to_string()))
}

/// Reads one record. Every byte must be used; [`is_canonical`] says whether each was written as we write it.
pub fn decode(record: &[u8]) -> Result<(Header, Event), CodecError> {
    let (type_number, schema_version, body) = open_envelope(record)?;
    let (header, header_bytes): (Header, usize) =
        bincode::serde::decode_from_slice(body, config()).map_err(malformed("header"))?;
    let event = decode_payload(type_number, schema_version, &body[header_bytes..])?;
    Ok((header, event))
}

/// Reads the header alone, of any known or unknown type.
pub fn decode_header(record: &[u8]) -> Result<(u16, u8, Header), CodecError> {
    let (type_number, schema_version, body) = open_envelope(record)?;
    let (header, _): (Header, usize) =
        bincode::serde::decode_from_slice(body, config()).map_err(malformed("header"))?;
    Ok((type_number, schema_version, header))
}

fn open_envelope(record: &[u8]) -> Result<(u16, u8, &[u8]), CodecError> {
    if record.len() > RECORD_BYTES_MAX {
        return Err(CodecError::TooLong(record.len()));
    }
    let Some((envelope, body)) = record.split_first_chunk::<ENVELOPE_BYTES>() else {
        return Err(CodecError::TooShort(record.len()));
    };
    let [format, low, high, schema_version] = *envelope;
    if format != FORMAT {
        return Err(CodecError::UnknownFormat(format));
    }
    Ok((u16::from_le_bytes([low, high]), schema_version, body))
}

/// Whether the record is byte for byte what [`encode`] makes of its content. bincode accepts some values in more
/// than one form; only one is ours, or two records could say the same with different hashes.
pub fn is_canonical(record: &[u8], header: &Header, event: &Event, scratch: &mut Vec<u8>) -> bool {
    scratch.clear();
    encode(header, event, scratch).is_ok() && scratch == record
}

fn read_payload<T: DeserializeOwned>(payload: &[u8]) -> Result<T, CodecError> {
    let (value, used): (T, usize) =
        bincode::serde::decode_from_slice(payload, config()).map_err(malformed("payload"))?;
    match payload.len() - used {
        0 => Ok(value),
        rest => Err(CodecError::TrailingBytes(rest)),
    }
}

macro_rules! define_payload_codec {
    ($($number:literal, $version:literal, $name:ident;)+) => {
        fn encode_payload(event: &Event, out: &mut Vec<u8>) -> Result<(), CodecError> {
            match event { $(Event::$name(payload) => write(payload, out),)+ }
        }

        fn decode_payload(type_number: u16, schema_version: u8, payload: &[u8]) -> Result<Event, CodecError> {
            match (type_number, schema_version) {
                $(($number, $version) => Ok(Event::$name(read_payload::<event::$name>(payload)?)),)+
                _ => Err(CodecError::UnknownType { type_number, schema_version }),
            }
        }
    };
}

crate::with_event_types!(define_payload_codec);

/// Bytes of a snapshot part or of a value to be digested. The same layout rules as records, but no promise: a
/// snapshot is a cache.
pub fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .map_err(|error| CodecError::Unencodable(error.to_string()))
}

/// Appends the bytes of one value to those of others.
pub fn append_bytes(value: &impl Serialize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    bincode::serde::encode_into_std_write(value, out, bincode::config::standard())
        .map(drop)
        .map_err(|error| CodecError::Unencodable(error.to_string()))
}

/// Reads what [`to_bytes`] wrote; every byte must be used.
pub fn from_bytes<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T, CodecError> {
    let value = read_part(&mut bytes)?;
    match bytes.len() {
        0 => Ok(value),
        rest => Err(CodecError::TrailingBytes(rest)),
    }
}

/// Reads one value of several that [`append_bytes`] wrote, and leaves the bytes after it.
pub fn read_part<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, CodecError> {
    let config = bincode::config::standard().with_limit::<SNAPSHOT_BYTES_MAX>();
    let (value, used): (T, usize) = bincode::serde::decode_from_slice(bytes, config).map_err(malformed("snapshot"))?;
    *bytes = &bytes[used..];
    Ok(value)
}
