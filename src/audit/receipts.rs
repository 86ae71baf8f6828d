//! Receipts: that a record is in the signed log, and that a log grew out of an older one. Over HTTP and on the command
//! line the same.
//!
//! A proof is of a size that was published, and never of more. As text it carries the signed checkpoint of that size and
//! verifies offline; as JSON there is one for every size, with the checkpoint where one was stored.

use crate::domain::ids::Position;
use crate::log::consistency_proof::ConsistencyProof;
use crate::log::merkle::{Hash, leaf_hash};
use crate::log::note::{Checkpoint, proof_text};
use crate::log::reader::LogReader;
use crate::log::signed_head::{read_checkpoint, read_latest_checkpoint};
use crate::log::tree_at::TreeAt;
use crate::log::{DataDir, LogError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use thiserror::Error;

/// Why there is no such receipt.
#[derive(Debug, Error)]
pub enum ReceiptError {
    /// The files.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nothing is signed.
    #[error("no checkpoint is signed yet")]
    Unsigned,
    /// What is asked for is not published.
    #[error("size {asked} is not published: the last checkpoint is of size {published}")]
    Unpublished {
        /// The size asked for.
        asked: Position,
        /// The published one.
        published: Position,
    },
    /// No such record at that size.
    #[error("there is no record at position {position} in a log of size {size}")]
    NoRecord {
        /// The position asked for.
        position: Position,
        /// The size.
        size: Position,
    },
    /// The older size is the larger one.
    #[error("the old size {old} is larger than {size}")]
    Backwards {
        /// The size said to be the older.
        old: Position,
        /// The other.
        size: Position,
    },
    /// A text needs a signed checkpoint.
    #[error(
        "no checkpoint of size {0} is stored, and the text of a proof ends with one: leave the size out, or ask for JSON"
    )]
    NoCheckpoint(Position),
}

/// What is published of a ledger: the last checkpoint, and with it every size up to its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// The signed note, as it is stored.
    pub note: String,
    /// Its size.
    pub size: Position,
}

impl Published {
    /// Of a note that this ledger stored itself: nothing is verified.
    pub fn of(note: &str) -> Option<Self> {
        let (body, _) = note.split_once("\n\n")?;
        let size = Position(Checkpoint::parse_body(&format!("{body}\n")).ok()?.size);
        Some(Self { note: note.to_owned(), size })
    }

    /// Of a data directory or a backup.
    pub fn read(dir: &DataDir) -> Result<Self, ReceiptError> {
        read_latest_checkpoint(dir)?.as_deref().and_then(Self::of).ok_or(ReceiptError::Unsigned)
    }

    /// The size asked for, the last one where none is, and its checkpoint where one is stored.
    fn at(&self, dir: &DataDir, asked: Option<Position>) -> Result<(Position, Option<String>), ReceiptError> {
        match asked {
            None => Ok((self.size, Some(self.note.clone()))),
            Some(asked) if asked == self.size => Ok((self.size, Some(self.note.clone()))),
            Some(asked) if asked > self.size => Err(ReceiptError::Unpublished { asked, published: self.size }),
            Some(asked) => Ok((asked, read_checkpoint(dir, asked)?)),
        }
    }
}

/// That a record is in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inclusion {
    position: Position,
    size: Position,
    leaf: Hash,
    hashes: Vec<Hash>,
    root: Hash,
    checkpoint: Option<String>,
}

/// Proves the record at a position to be in the log of a published size.
pub fn inclusion(
    dir: &DataDir,
    log: &LogReader,
    published: &Published,
    (position, size): (Position, Option<Position>),
) -> Result<Inclusion, ReceiptError> {
    let (size, checkpoint) = published.at(dir, size)?;
    if position.is_none() || position > size {
        return Err(ReceiptError::NoRecord { position, size });
    }
    let record = log.record(position)?;
    let record = record.ok_or(LogError::Damaged { position, what: "the record is missing".to_owned() })?;
    let tree = TreeAt::new(log, size)?;
    let hashes = tree.inclusion(position, size)?;
    Ok(Inclusion { position, size, leaf: leaf_hash(&record), hashes, root: tree.root()?, checkpoint })
}

impl Inclusion {
    /// `c2sp.org/tlog-proof@v1`. Its index counts from 0.
    pub fn to_text(&self) -> Result<String, ReceiptError> {
        let checkpoint = self.checkpoint.as_deref().ok_or(ReceiptError::NoCheckpoint(self.size))?;
        Ok(proof_text(self.position.0 - 1, &self.hashes, checkpoint))
    }

    /// The same in JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "position": self.position.0, "index": self.position.0 - 1, "size": self.size.0,
            "leaf_hash": STANDARD.encode(self.leaf), "hashes": encoded(&self.hashes),
            "root_hash": STANDARD.encode(self.root), "checkpoint": self.checkpoint,
        })
    }
}

/// That a log of one size grew out of a smaller one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Consistency {
    old: Position,
    size: Position,
    old_root: Hash,
    hashes: Vec<Hash>,
    root: Hash,
    checkpoint: Option<String>,
}

/// Proves the log of a published size to begin with that of an older one.
pub fn consistency(
    dir: &DataDir,
    log: &LogReader,
    published: &Published,
    (old, size): (Position, Option<Position>),
) -> Result<Consistency, ReceiptError> {
    let (size, checkpoint) = published.at(dir, size)?;
    if old > size {
        return Err(ReceiptError::Backwards { old, size });
    }
    let tree = TreeAt::new(log, size)?;
    let (hashes, root) = (tree.consistency(old, size)?, tree.root()?);
    Ok(Consistency { old, size, old_root: tree.root_of(old)?, hashes, root, checkpoint })
}

impl Consistency {
    /// As a C2SP tlog-witness accepts it.
    pub fn to_text(&self) -> Result<String, ReceiptError> {
        let checkpoint = self.checkpoint.clone().ok_or(ReceiptError::NoCheckpoint(self.size))?;
        Ok(ConsistencyProof { old: self.old.0, hashes: self.hashes.clone(), checkpoint }.to_string())
    }

    /// The same in JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "old_size": self.old.0, "size": self.size.0, "old_root_hash": STANDARD.encode(self.old_root),
            "hashes": encoded(&self.hashes), "root_hash": STANDARD.encode(self.root), "checkpoint": self.checkpoint,
        })
    }
}

fn encoded(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}
