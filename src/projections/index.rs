//! The index: at which positions the records of a key are (`keys.rs`), so that no question looks through the log.
//!
//! It is made of *segments*, each of a fixed run of positions and written once. Keys of what was folded last are in
//! memory, in *chunks* ([`tail`]); when all chunks of a segment are there they are merged into *blocks* (`blocks`)
//! and stored in `views.db` ([`store`]); where no server runs [`build`] does it. Who asks gets positions from both, and is told which positions nobody knows
//! of ([`find`]): those are looked through, which is slower and never wrong. So the index may lack anything at any
//! time: a file of another log or release, a damaged row, or a deleted file cost time until it is made anew.
//!
//! What it says is a hint. A record found by it is held against its keys again; blocks and rows have checksums. Where many
//! uses are only counted (`audit/questions/who_could/by_index.rs`) they are not read: there the checksums alone hold it.

mod blocks;
pub mod build;
pub mod find;
mod packed;
pub mod positions;
pub mod store;
pub mod tail;

/// Changes whenever [`keys_of`](super::keys::keys_of), the numbers of keys or the layout of blocks change: segments of
/// another version are made anew.
pub const INDEX_VERSION: i64 = 3;
/// Positions of a segment. More would take more memory until it is whole (about 40 bytes each), fewer more look-ups.
pub const SEGMENT_EVENTS: u64 = 262_144;
/// Sizes of a segment that can be asked for, powers of two.
pub const SEGMENT_EVENTS_ALLOWED: std::ops::RangeInclusive<u64> = 16..=4_194_304;
/// Positions of a chunk: places in it have 12 bits.
const CHUNK_EVENTS: u64 = 4_096;
