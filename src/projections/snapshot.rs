//! Snapshots of projections in `views.db`: a checked cache that shortens a start.

use super::Projections;
use crate::domain::ids::Position;
use crate::log::codec;
use crate::log::merkle::{Hash, leaf_hash};
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::os::unix::fs::OpenOptionsExt;
use thiserror::Error;

/// Changes whenever a fold or the layout of a projection changes: an older snapshot is then not read.
pub const FOLD_VERSION: i64 = 7;
/// Snapshots kept: the last, and one to fall back to.
pub const SNAPSHOTS_KEPT: usize = 2;

const APPLICATION_ID: i32 = 0x546b_4c76;
const SCHEMA_STEP: i32 = 1;
const CHUNK_BYTES: usize = 1 << 20;

/// The open views file.
#[derive(Debug)]
pub struct Views {
    connection: Connection,
}

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
    /// Opens the file for writing, making it if it is not there. One that is not ours, or of another step, is
    /// moved aside by deletion: nothing in it is needed.
    pub fn open(dir: &DataDir) -> Result<Self, LogError> {
        match Self::try_open(dir) {
            Ok(views) => Ok(views),
            Err(LogError::Sqlite(error)) if is_foreign(&error) => {
                remove(dir)?;
                Self::try_open(dir)
            }
            Err(LogError::Foreign(_)) => {
                remove(dir)?;
                Self::try_open(dir)
            }
            Err(other) => Err(other),
        }
    }

    fn try_open(dir: &DataDir) -> Result<Self, LogError> {
        let path = dir.views();
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| LogError::Io { path: path.clone(), source })?;
        let connection = Connection::open(&path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.execute_batch("PRAGMA page_size=8192; PRAGMA secure_delete=ON;")?;
        connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        match (pragma("application_id")?, pragma("user_version")?) {
            (APPLICATION_ID, SCHEMA_STEP) => {}
            (0, 0) => connection.execute_batch(&format!(
                "BEGIN IMMEDIATE; {} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_STEP}; COMMIT;",
                include_str!("../../schema/views/001_views.sql")
            ))?,
            _ => return Err(LogError::Foreign(path)),
        }
        Ok(Self { connection })
    }

    /// Opens the file read-only, if it is there.
    pub fn open_existing(dir: &DataDir) -> Result<Option<Self>, LogError> {
        let path = dir.views();
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(Some(Self { connection }))
    }

    /// Opens the file and stores a snapshot that [`encode`] made. A file that turns out to be damaged on the way is made
    /// anew: it holds nothing that the log does not.
    pub fn keep(dir: &DataDir, at: Position, leaf: [u8; 32], bytes: &[u8]) -> Result<(), LogError> {
        match Self::open(dir).and_then(|mut views| views.store_encoded(at, leaf, bytes)) {
            Err(LogError::Sqlite(error)) if is_foreign(&error) => {
                remove(dir)?;
                Self::open(dir)?.store_encoded(at, leaf, bytes)
            }
            kept => kept,
        }
    }

    /// Stores a snapshot. A crash on the way leaves chunks without a row: they are deleted by the next store.
    pub fn store(&mut self, projections: &Projections, leaf: [u8; 32]) -> Result<(), LogError> {
        let bytes = encode(projections)?;
        self.store_encoded(projections.position, leaf, &bytes)
    }

    /// Stores a snapshot that [`encode`] made, a chunk a transaction so that a start on another core is never held up.
    pub fn store_encoded(&mut self, at: Position, leaf: [u8; 32], bytes: &[u8]) -> Result<(), LogError> {
        let position = i64::try_from(at.0).unwrap_or(i64::MAX);
        self.connection.execute(
            "DELETE FROM snapshot_chunks WHERE position NOT IN (SELECT position FROM snapshots) OR position = ?1",
            [position],
        )?;
        let mut chunks = 0i64;
        for chunk in bytes.chunks(CHUNK_BYTES) {
            self.connection.execute(
                "INSERT INTO snapshot_chunks (position, chunk, bytes) VALUES (?1, ?2, ?3)",
                params![position, chunks, chunk],
            )?;
            chunks += 1;
        }
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "INSERT OR REPLACE INTO snapshots (position, fold_version, leaf_hash, chunks, sha256) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![position, FOLD_VERSION, &leaf[..], chunks, &sha256[..]],
        )?;
        transaction.execute(
            "DELETE FROM snapshots WHERE position NOT IN (SELECT position FROM snapshots ORDER BY position DESC LIMIT ?1)",
            [i64::try_from(SNAPSHOTS_KEPT).unwrap_or(2)],
        )?;
        transaction
            .execute("DELETE FROM snapshot_chunks WHERE position NOT IN (SELECT position FROM snapshots)", [])?;
        transaction.commit()?;
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
        let bytes = self.read_chunks(position, chunks)?;
        if Sha256::digest(&bytes)[..] != sha256[..] {
            return Ok(Err(Unusable::Checksum));
        }
        let decoded: Result<Projections, _> = codec::from_bytes(&bytes);
        Ok(match decoded {
            Ok(projections) if projections.position == at => Ok(projections),
            Ok(_) => Err(Unusable::Malformed("it says another position inside".to_owned())),
            Err(error) => Err(Unusable::Malformed(error.to_string())),
        })
    }

    fn read_chunks(&self, position: i64, chunks: i64) -> Result<Vec<u8>, LogError> {
        let mut bytes = Vec::with_capacity(usize::try_from(chunks).unwrap_or(0).min(1 << 12) * CHUNK_BYTES);
        let mut statement =
            self.connection.prepare("SELECT bytes FROM snapshot_chunks WHERE position = ?1 ORDER BY chunk")?;
        let mut rows = statement.query([position])?;
        while let Some(row) = rows.next()? {
            bytes.extend_from_slice(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
        }
        Ok(bytes)
    }
}

/// The bytes of a snapshot.
pub fn encode(projections: &Projections) -> Result<Vec<u8>, LogError> {
    codec::to_bytes(projections).map_err(|error| LogError::undecodable(projections.position, &error))
}

fn is_foreign(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt))
}

fn remove(dir: &DataDir) -> Result<(), LogError> {
    let views = dir.views();
    for suffix in ["", "-wal", "-shm"] {
        let mut path = views.clone().into_os_string();
        path.push(suffix);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(LogError::Io { path: path.into(), source }),
        }
    }
    Ok(())
}
