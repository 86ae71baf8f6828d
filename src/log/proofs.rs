//! Inclusion proofs of records in the tree of one size, from the stored tiles and the records of the last one.

use super::data_dir::LogError;
use super::merkle::{self, Hash, HashReader, TILE_WIDTH};
use super::reader::LogReader;
use crate::domain::ids::Position;
use std::ops::ControlFlow;

/// A tree of one size that proofs are asked of. The log may grow meanwhile.
#[derive(Debug)]
pub struct Proofs<'a> {
    log: &'a LogReader,
    size: Position,
    tail: Vec<Hash>,
}

impl<'a> Proofs<'a> {
    /// The tree over the records up to and with `size`.
    pub fn at(log: &'a LogReader, size: Position) -> Result<Self, LogError> {
        let mut tail = Vec::new();
        log.scan(Position(size.0 - size.0 % TILE_WIDTH as u64), size, |_, record| {
            tail.push(merkle::leaf_hash(record));
            ControlFlow::Continue(())
        })?;
        Ok(Self { log, size, tail })
    }

    /// Its root.
    pub fn root(&self) -> Result<Hash, LogError> {
        merkle::root_at(&self.reader()?, self.size.0).map_err(|error| damaged(&error))
    }

    /// The inclusion proof of the record at a position, from the leaf's sibling up.
    pub fn inclusion(&self, position: Position) -> Result<Vec<Hash>, LogError> {
        let index = position.0.saturating_sub(1);
        merkle::inclusion_proof(&self.reader()?, index, self.size.0).map_err(|error| damaged(&error))
    }

    fn reader(&self) -> Result<HashReader<'_, LogReader>, LogError> {
        HashReader::new(self.log, self.size.0, &self.tail).map_err(|error| damaged(&error))
    }
}

fn damaged(error: &dyn std::error::Error) -> LogError {
    LogError::DamagedTree(error.to_string())
}
