//! The tree at one size: what tiles, proofs and roots of a published size are read through. A log that grows meanwhile
//! changes no answer.

use super::data_dir::LogError;
use super::merkle::{self, Hash, HashReader, ProofError, TileError, TileId};
use super::reader::LogReader;
use crate::domain::ids::Position;
use std::ops::ControlFlow;

/// Hashes of a full tile.
const WIDTH: u64 = merkle::TILE_WIDTH as u64;

/// A tree of one size over an open log.
#[derive(Debug)]
pub struct TreeAt<'a> {
    log: &'a LogReader,
    size: u64,
    /// Leaf hashes after the last full tile.
    tail: Vec<Hash>,
}

impl<'a> TreeAt<'a> {
    /// Of the first `size` records. At most 255 records are read.
    pub fn new(log: &'a LogReader, size: Position) -> Result<Self, LogError> {
        let size = size.0;
        let mut tail = Vec::new();
        log.scan(Position(size - size % WIDTH), Position(size), |_, record| {
            tail.push(merkle::leaf_hash(record));
            ControlFlow::Continue(())
        })?;
        Ok(Self { log, size, tail })
    }

    fn reader(&self) -> Result<HashReader<'_, LogReader>, LogError> {
        HashReader::new(self.log, self.size, &self.tail).map_err(|error| LogError::DamagedTree(error.to_string()))
    }

    /// Its root.
    pub fn root(&self) -> Result<Hash, LogError> {
        self.root_of(Position(self.size))
    }

    /// The root over the first `size` records, not more than it has.
    pub fn root_of(&self, size: Position) -> Result<Hash, LogError> {
        merkle::root_at(&self.reader()?, size.0).map_err(of_proof)
    }

    /// The bytes of a tile cut to `width` hashes; none if this tree does not have so many there.
    pub fn tile(&self, id: TileId, width: u16) -> Result<Option<Vec<u8>>, LogError> {
        self.reader()?.tile_bytes(id, width).map_err(of_tile)
    }

    /// The tree hash over the leaves `start..end`, counted from 0, where `start` is where a subtree of that width may begin.
    pub fn range_hash(&self, start: u64, end: u64) -> Result<Hash, LogError> {
        merkle::range_hash(&self.reader()?, start, end).map_err(of_proof)
    }

    /// Hashes from the record at a position up to the root over the first `size` records (RFC 9162 2.1.3.1).
    pub fn inclusion(&self, position: Position, size: Position) -> Result<Vec<Hash>, LogError> {
        merkle::inclusion_proof(&self.reader()?, position.0.saturating_sub(1), size.0).map_err(of_proof)
    }

    /// Hashes that show the first `new` records to begin with the first `old` (RFC 9162 2.1.4.1).
    pub fn consistency(&self, old: Position, new: Position) -> Result<Vec<Hash>, LogError> {
        merkle::consistency_proof(&self.reader()?, old.0, new.0).map_err(of_proof)
    }
}

/// The log's own failure as it is; what is missing or malformed is damage.
fn of_tile(error: TileError<LogError>) -> LogError {
    match error {
        TileError::Source(error) => error,
        damage => LogError::DamagedTree(damage.to_string()),
    }
}

fn of_proof(error: ProofError<LogError>) -> LogError {
    match error {
        ProofError::Tile(error) => of_tile(error),
        asked => LogError::DamagedTree(asked.to_string()),
    }
}

/// The records of an entry bundle as C2SP tlog-tiles wants them: each preceded by its length in two bytes, big-endian.
/// `index` is the bundle's, `width` how many records of it are wanted.
pub fn entry_bundle(log: &LogReader, index: u64, width: u16) -> Result<Vec<u8>, LogError> {
    let after = index * WIDTH;
    let through = after + u64::from(width);
    let mut bundle = Vec::new();
    let mut expected = Position(after).next();
    log.scan(Position(after), Position(through), |position, record| {
        let length = u16::try_from(record.len());
        let (true, Ok(length)) = (position == expected, length) else { return ControlFlow::Break(()) };
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(record);
        expected = position.next();
        ControlFlow::Continue(())
    })?;
    if expected.0 <= through {
        return Err(LogError::Damaged { position: expected, what: "the record is missing".to_owned() });
    }
    Ok(bundle)
}
