//! The bytes of records, held from all sides: golden bytes of every event type and variant, two other
//! implementations of the format as oracles, an independent decoder in another language, damaged records, and the
//! pages that say all this.
//!
//! `BLESS=1 cargo test --test record_format` writes the golden file anew. While the format byte is 0 that is an
//! ordinary change; once a format is frozen, a golden record never changes again.

#[path = "record_format/damage.rs"]
mod damage;
#[path = "record_format/decoder.rs"]
mod decoder;
#[path = "record_format/golden.rs"]
mod golden;
#[path = "record_format/oracles.rs"]
mod oracles;
#[path = "record_format/pages.rs"]
mod pages;
#[path = "record_format/samples.rs"]
mod samples;
#[path = "record_format/sources.rs"]
mod sources;
