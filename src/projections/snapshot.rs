//! Snapshots of projections in `views.db`: a checked cache that shortens a start.

use super::Projections;
use super::chunks::{Chunks, take_chunk};
use crate::domain::ids::Position;
use crate::log::LogError;
use crate::log::codec::CodecError;
use crate::log::merkle::{Hash, leaf_hash};
use crate::log::reader::LogReader;
use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::ops::ControlFlow;
use thiserror::Error;

pub use super::views::Views;

/// Changes whenever a fold or the layout of a projection changes: an older snapshot is then not read.
pub const FOLD_VERSION: i64 = 15;
/// Snapshots kept: the last, and one to fall back to.
pub const SNAPSHOTS_KEPT: i64 = 2;

/// Why a snapshot cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Unusable {
    /// Deleted meanwhile: a newer one took its place.
    #[error("it is gone")]
    Gone,
    /// Written by another release.
    #[error("it has fold version {0}, this program {FOLD_VERSION}")]
    OtherFold(i64),
    /// The log's record at its position is another one, or there is none.
    #[error("it is of another log")]
    OtherLog,
    /// Its bytes are not those that were stored.
    #[error("its checksum does not match")]
    Checksum,
    /// Its bytes do not say what its row says.
    #[error("it does not decode: {0}")]
    Malformed(String),
}

/// A snapshot that was passed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PassedOver {
    /// Its position.
    pub position: Position,
    /// Why.
    pub reason: String,
}

impl Views {
    /// Stores a snapshot at one go; `leaf` is the leaf hash of the record at its position.
    pub fn store(&mut self, projections: &Projections, leaf: Hash) -> Result<(), LogError> {
        self.store_paced(projections, leaf, &mut || ControlFlow::Continue(())).map(drop)
    }

    /// Stores a snapshot chunk by chunk, each by itself; `between` is called after each, to do what came in meanwhile, and
    /// may break it off. Gives the bytes of all chunks; none if it was broken off.
    ///
    /// A crash on the way leaves chunks without a row: they are deleted by the next store.
    pub fn store_paced(
        &mut self,
        projections: &Projections,
        leaf: Hash,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<u64>, LogError> {
        let at = projections.position;
        let position = i64::try_from(at.0).unwrap_or(i64::MAX);
        self.connection.execute("DELETE FROM snapshots WHERE position = ?1", [position])?;
        self.delete_unnamed_chunks(between)?;
        let (mut hash, mut bytes, mut chunks) = (Sha256::new(), 0, 0i64);
        for chunk in Chunks::of(projections) {
            let chunk = chunk.map_err(|error| LogError::undecodable(at, &error))?;
            self.connection
                .prepare_cached("INSERT INTO snapshot_chunks (position, chunk, bytes) VALUES (?1, ?2, ?3)")?
                .execute(params![position, chunks, chunk])?;
            hash.update(&chunk);
            bytes += chunk.len() as u64;
            chunks += 1;
            if between().is_break() {
                self.delete_unnamed_chunks(between)?;
                return Ok(None);
            }
        }
        let sha256: [u8; 32] = hash.finalize().into();
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "INSERT INTO snapshots (position, fold_version, leaf_hash, chunks, sha256) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![position, FOLD_VERSION, &leaf[..], chunks, &sha256[..]],
        )?;
        transaction.execute(
            "DELETE FROM snapshots WHERE position NOT IN (SELECT position FROM snapshots ORDER BY position DESC LIMIT ?1)",
            [SNAPSHOTS_KEPT],
        )?;
        transaction.commit()?;
        // Named by no row any more: a crash here leaves them to the next store.
        self.delete_unnamed_chunks(between)?;
        Ok(Some(bytes))
    }

    fn delete_unnamed_chunks(&self, between: &mut dyn FnMut() -> ControlFlow<()>) -> Result<(), LogError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT position, chunk FROM snapshot_chunks WHERE position NOT IN (SELECT position FROM snapshots)",
        )?;
        let unnamed = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let unnamed: Vec<(i64, i64)> = unnamed.collect::<Result<_, _>>()?;
        for (position, chunk) in unnamed {
            self.connection
                .prepare_cached("DELETE FROM snapshot_chunks WHERE position = ?1 AND chunk = ?2")?
                .execute([position, chunk])?;
            // This makes room: nothing breaks it off.
            let _ = between();
        }
        Ok(())
    }

    /// The newest snapshot that is whole, of this fold version and of this log; the ones passed over are named.
    pub fn load(&self, log: &LogReader) -> Result<(Option<Projections>, Vec<PassedOver>), LogError> {
        let mut passed_over = Vec::new();
        for at in self.positions()?.into_iter().rev() {
            match self.load_at(at, log)? {
                Ok(projections) => return Ok((Some(projections), passed_over)),
                Err(reason) => passed_over.push(PassedOver { position: at, reason: reason.to_string() }),
            }
        }
        Ok((None, passed_over))
    }

    /// Bytes of the newest snapshot; 0 if there is none.
    pub fn newest_bytes(&self) -> Result<u64, LogError> {
        let bytes: Option<i64> = self.connection.query_row(
            "SELECT sum(length(bytes)) FROM snapshot_chunks WHERE position = (SELECT max(position) FROM snapshots)",
            [],
            |row| row.get(0),
        )?;
        Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
    }

    /// Positions of the snapshots, good or not, oldest first.
    pub fn positions(&self) -> Result<Vec<Position>, LogError> {
        let mut statement = self.connection.prepare("SELECT position FROM snapshots ORDER BY position")?;
        let positions =
            statement.query_map([], |row| Ok(Position(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0))))?;
        Ok(positions.collect::<Result<_, _>>()?)
    }

    /// The snapshot at one position, if it is whole, of this fold version and of this log.
    pub fn load_at(&self, at: Position, log: &LogReader) -> Result<Result<Projections, Unusable>, LogError> {
        self.load_of(at, log.record(at)?.map(|record| leaf_hash(&record)))
    }

    /// The snapshot at one position, if it is whole, of this fold version and of the log whose record there has this
    /// leaf hash.
    pub fn load_of(&self, at: Position, log_leaf: Option<Hash>) -> Result<Result<Projections, Unusable>, LogError> {
        let position = i64::try_from(at.0).unwrap_or(i64::MAX);
        let row = self.connection.query_row(
            "SELECT fold_version, leaf_hash, chunks, sha256 FROM snapshots WHERE position = ?1",
            [position],
            |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, i64>(2)?, row.get::<_, Vec<u8>>(3)?))
            },
        );
        let Some((fold_version, leaf, chunks, sha256)) = row.optional()? else {
            return Ok(Err(Unusable::Gone));
        };
        if fold_version != FOLD_VERSION {
            return Ok(Err(Unusable::OtherFold(fold_version)));
        }
        if log_leaf.is_none_or(|log_leaf| log_leaf[..] != leaf[..]) {
            return Ok(Err(Unusable::OtherLog));
        }
        Ok(match self.read_chunks(position, chunks)? {
            (_, sha256_found) if sha256_found[..] != sha256[..] => Err(Unusable::Checksum),
            (Err(error), _) => Err(Unusable::Malformed(error.to_string())),
            (Ok(projections), _) if projections.position == at => Ok(projections),
            (Ok(_), _) => Err(Unusable::Malformed("it says another position inside".to_owned())),
        })
    }

    /// What the chunks say, and their checksum: bytes that are not those that were stored may say anything.
    fn read_chunks(&self, position: i64, chunks: i64) -> Result<(Result<Projections, CodecError>, [u8; 32]), LogError> {
        let mut projections = Projections::default();
        let (mut hash, mut taken) = (Sha256::new(), Ok(()));
        let mut statement = self
            .connection
            .prepare_cached("SELECT bytes FROM snapshot_chunks WHERE position = ?1 AND chunk < ?2 ORDER BY chunk")?;
        let mut rows = statement.query([position, chunks])?;
        while let Some(row) = rows.next()? {
            let chunk = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            hash.update(chunk);
            taken = taken.and_then(|()| take_chunk(&mut projections, chunk));
        }
        Ok((taken.map(|()| projections), hash.finalize().into()))
    }
}
