//! The signed head: the last size and root that were signed, in a file of its own, and the checkpoints signed so far.
//!
//! Order of publishing: the log is durable; the signed head moves forward by compare-and-swap; only then the
//! checkpoint is signed and stored. A crash in between leaves a signed head without its checkpoint, never a
//! checkpoint that the log could contradict.

use super::data_dir::{DataDir, LogError};
use super::merkle::{self, Hash, HashReader};
use super::note::{Checkpoint, LogKey};
use super::reader::LogReader;
use crate::domain::ids::Position;
use rusqlite::{Connection, OptionalExtension, params};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const APPLICATION_ID: i32 = 0x546b_4c68;
const SCHEMA_STEP: i32 = 1;
/// Checkpoints kept: about a day of one a second; older ones are dropped, the signed head is not.
const CHECKPOINTS_KEPT: i64 = 100_000;

/// What was signed last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedHead {
    /// Size of the tree.
    pub size: Position,
    /// Its root.
    pub root: Hash,
}

/// The open file with the key that signs.
#[derive(Debug)]
pub struct HeadFile {
    connection: Connection,
    path: PathBuf,
    key: LogKey,
}

impl HeadFile {
    /// Opens the file, making it if the ledger has none yet, and reads the key.
    pub fn open(dir: &DataDir, origin: &str) -> Result<Self, LogError> {
        let path = dir.head();
        if !path.exists() {
            dir.put_in_place(&path, make)?;
        }
        let connection = Connection::open(&path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let identity = pragma("application_id").and_then(|id| Ok((id, pragma("user_version")?)));
        match identity {
            Ok((APPLICATION_ID, SCHEMA_STEP)) => {}
            Ok((APPLICATION_ID, found)) => return Err(LogError::OtherSchema { path, found }),
            // Storage that fails says nothing about whose file it is.
            Err(error) if LogError::is_of_storage(&error) => return Err(error.into()),
            _ => return Err(LogError::Foreign(path)),
        }
        connection.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA recursive_triggers=ON; PRAGMA trusted_schema=OFF;",
        )?;
        let key = read_key(dir, origin)?;
        let file = Self { connection, path, key };
        // Reading makes the write-ahead log; that its directory entry is durable, SQLite does not make sure of.
        file.signed_head()?;
        dir.sync()?;
        Ok(file)
    }

    /// The signed head; none before the first.
    pub fn signed_head(&self) -> Result<Option<SignedHead>, LogError> {
        read_row(&self.connection, &self.path)
    }

    /// Refuses a key that is not the one the log names in its first record: nobody who holds that verifier key could
    /// check what it signs. A log that names no key takes any.
    pub fn check_key(&self, dir: &DataDir, log_vkey: &str) -> Result<(), LogError> {
        if log_vkey.is_empty() || self.key.vkey().to_string() == log_vkey {
            return Ok(());
        }
        let what = "it is another log's signing key; put this log's back from its backup".to_owned();
        Err(LogError::BadFile { path: dir.key(), what })
    }

    /// Refuses a log that is shorter than the signed head, or that has another root there.
    pub fn check(&self, log: &LogReader) -> Result<(), LogError> {
        let Some(signed) = self.signed_head()? else { return Ok(()) };
        let head = log.head()?;
        if head < signed.size {
            return Err(LogError::BehindSignedHead { head, signed: signed.size });
        }
        if root_at(log, signed.size)? != signed.root {
            return Err(LogError::OffSignedHead { signed: signed.size });
        }
        Ok(())
    }

    /// Moves the signed head to a durable head of the log and signs the checkpoint. A head that is signed already
    /// gives its checkpoint again, which a crash may have kept from being stored: it is the same bytes.
    pub fn sign(&mut self, head: SignedHead) -> Result<String, LogError> {
        let signed = self.signed_head()?;
        if signed == Some(head) {
            return self.store_note(head);
        }
        if signed.is_some_and(|signed| signed.size >= head.size) {
            return self.latest()?.map_or_else(|| self.store_note(head), Ok);
        }
        self.compare_and_swap(signed, head)?;
        self.store_note(head)
    }

    fn compare_and_swap(&mut self, old: Option<SignedHead>, new: SignedHead) -> Result<(), LogError> {
        let size = |position: Position| i64::try_from(position.0).unwrap_or(i64::MAX);
        let changed = match old {
            None => self.connection.execute(
                "INSERT INTO signed_head (id, size, root) VALUES (0, ?1, ?2)",
                params![size(new.size), &new.root[..]],
            )?,
            Some(old) => self.connection.execute(
                "UPDATE signed_head SET size = ?1, root = ?2 WHERE id = 0 AND size = ?3 AND root = ?4",
                params![size(new.size), &new.root[..], size(old.size), &old.root[..]],
            )?,
        };
        if changed == 1 {
            return Ok(());
        }
        Err(LogError::BadFile { path: self.path.clone(), what: "another process moved the signed head".to_owned() })
    }

    fn store_note(&mut self, head: SignedHead) -> Result<String, LogError> {
        let checkpoint = Checkpoint { origin: self.key.name().to_owned(), size: head.size.0, root: head.root };
        let unsigned = |error: super::note::NoteError| LogError::BadFile {
            path: self.path.clone(),
            what: format!("the checkpoint could not be signed: {error}"),
        };
        let note = checkpoint.sign(&self.key).map_err(unsigned)?;
        let size = i64::try_from(head.size.0).unwrap_or(i64::MAX);
        self.connection
            .execute("INSERT OR IGNORE INTO checkpoints (size, note) VALUES (?1, ?2)", params![size, note])?;
        self.connection.execute(
            "DELETE FROM checkpoints WHERE size <= (SELECT size FROM checkpoints ORDER BY size DESC LIMIT 1 OFFSET ?1)",
            [CHECKPOINTS_KEPT],
        )?;
        Ok(note)
    }

    /// The last checkpoint, as it was stored.
    pub fn latest(&self) -> Result<Option<String>, LogError> {
        let row =
            self.connection.query_row("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1", [], |row| row.get(0));
        Ok(row.optional()?)
    }
}

/// The signed head of a directory, read beside whoever writes it; none if there is no such file.
pub fn read_signed_head(dir: &DataDir) -> Result<Option<SignedHead>, LogError> {
    let path = dir.head();
    if !path.exists() {
        return Ok(None);
    }
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    read_row(&connection, &path)
}

fn read_row(connection: &Connection, path: &Path) -> Result<Option<SignedHead>, LogError> {
    let row = connection.query_row("SELECT size, root FROM signed_head", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    });
    let Some((size, root)) = row.optional()? else { return Ok(None) };
    let malformed = |_| LogError::BadFile { path: path.to_owned(), what: "its root is malformed".to_owned() };
    Ok(Some(SignedHead { size: Position(u64::try_from(size).unwrap_or(0)), root: root.try_into().map_err(malformed)? }))
}

fn make(path: &Path) -> Result<(), LogError> {
    let connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=FULL; BEGIN IMMEDIATE; {} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_STEP}; COMMIT; PRAGMA journal_mode=WAL;",
        include_str!("../../schema/head/001_head.sql")
    ))?;
    connection.close().map_err(|(_, error)| LogError::Sqlite(error))
}

fn read_key(dir: &DataDir, origin: &str) -> Result<LogKey, LogError> {
    let seed = read_seed(dir)?;
    LogKey::from_seed(origin, &seed).map_err(|error| LogError::BadFile { path: dir.key(), what: error.to_string() })
}

/// The seed that the log's keys follow from.
pub(super) fn read_seed(dir: &DataDir) -> Result<[u8; 32], LogError> {
    let path = dir.key();
    let bad = |what: &str| LogError::BadFile { path: path.clone(), what: what.to_owned() };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(bad("the log's signing key is missing; put it back from its backup"));
        }
        Err(source) => return Err(LogError::Io { path, source }),
    };
    bytes.try_into().map_err(|_| bad("the log's signing key must be 32 bytes"))
}

/// Root of the tree over the first `size` records, from the stored tiles and the records of the last one.
pub fn root_at(log: &LogReader, size: Position) -> Result<Hash, LogError> {
    let width = merkle::TILE_WIDTH as u64;
    let mut tail = Vec::new();
    log.scan(Position(size.0 - size.0 % width), size, |_, record| {
        tail.push(merkle::leaf_hash(record));
        ControlFlow::Continue(())
    })?;
    let damaged = |what: String| LogError::DamagedTree(what);
    let reader = HashReader::new(log, size.0, &tail).map_err(|error| damaged(error.to_string()))?;
    merkle::root_at(&reader, size.0).map_err(|error| damaged(error.to_string()))
}
