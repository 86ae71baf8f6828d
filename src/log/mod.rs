//! The only place that knows the ledger file.
//!
//! Owns: the record codec, the append-only file and its lock, the Merkle tree and its tiles, signed notes, personal
//! texts and their erasure, room on the disk, and whole copies of it all. Refuses to know: rules, read models, HTTP.

pub mod backup;
pub mod codec;
pub mod consistency_proof;
pub mod data_dir;
pub mod dry_texts;
pub mod erasures;
pub mod key_file;
pub mod merkle;
pub mod note;
pub mod personal;
pub mod proofs;
pub mod reader;
pub mod request_digest;
pub mod signed_head;
#[cfg(feature = "simulated-commit")]
pub mod simulated_commit;
pub mod sorted_map;
pub mod space;
pub mod tree_at;
pub mod unfinished;
pub mod writer;

pub use data_dir::{DataDir, LogError};
