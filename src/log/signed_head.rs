//! The signed head: the last size and root that were signed, in a file of its own, and the checkpoints signed so far.
//!
//! Order of publishing: the log is durable; the signed head moves forward by compare-and-swap; only then the
//! checkpoint is signed and stored. A crash in between leaves a signed head without its checkpoint, never a
//! checkpoint that the log could contradict.

use super::codec;
use super::data_dir::{DataDir, LogError};
use super::merkle::{self, Hash, HashReader};
use super::note::{Checkpoint, LogKey};
use super::reader::LogReader;
use crate::domain::ids::Position;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const APPLICATION_ID: i32 = 0x546b_4c68;
const SCHEMA_STEP: i32 = 1;
/// Checkpoints kept: about a day of one a second; older ones are dropped, the signed head is not.
const CHECKPOINTS_KEPT: i64 = 100_000;
/// Type of the event that a start records.
const RECORDING_STARTED: u16 = 4;

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
    /// Opens the file and reads the key. A missing file is [`LogError::NoSignedHead`]: nothing is created.
    pub fn open(dir: &DataDir, origin: &str) -> Result<Self, LogError> {
        // The key first: without it nothing is touched.
        let key = read_key(&dir.key(), origin)?;
        let (connection, path) = (open_to_write(dir)?, dir.head());
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
        check_key(&dir.key(), &self.key, log_vkey)
    }

    /// Refuses a log that is shorter than the signed head, or that has another root there; also a log that was served
    /// before and of which nothing is signed, because a start signs before anything is recorded.
    pub fn check(&self, log: &LogReader) -> Result<(), LogError> {
        check_row(&self.connection, &self.path, log)
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

    fn compare_and_swap(&self, old: Option<SignedHead>, new: SignedHead) -> Result<(), LogError> {
        let changed = match old {
            None => insert_first(&self.connection, new)?,
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
        self.connection.execute(
            "INSERT OR IGNORE INTO checkpoints (size, note) VALUES (?1, ?2)",
            params![size(head.size), note],
        )?;
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

/// Whether a ledger can be served, by a look that changes nothing: its key is there, and what was signed is in its log.
/// A start looks again once it holds the lock.
pub fn check_before_start(dir: &DataDir) -> Result<(), LogError> {
    let log = LogReader::open(dir)?;
    read_seed(&dir.key())?;
    check_row(&open_to_read(dir)?, &dir.head(), &log)
}

fn check_row(connection: &Connection, path: &Path, log: &LogReader) -> Result<(), LogError> {
    let Some(signed) = read_row(connection, path)? else {
        if was_served(log)? {
            let what = "it holds no signed head, though this log was served before";
            return Err(LogError::NoSignedHead { path: path.to_owned(), what });
        }
        return Ok(());
    };
    let head = log.head()?;
    if head < signed.size {
        return Err(LogError::BehindSignedHead { head, signed: signed.size });
    }
    if root_at(log, signed.size)? != signed.root {
        return Err(LogError::OffSignedHead { signed: signed.size });
    }
    Ok(())
}

/// Makes the file for a log that is about to begin. Refuses one of a log that has begun: its ledger file is elsewhere.
pub fn make_for_new_log(dir: &DataDir) -> Result<(), LogError> {
    let path = dir.head();
    if !path.exists() {
        return dir.put_in_place(&path, make);
    }
    if read_signed_head(dir)?.is_none() {
        return Ok(());
    }
    let what = "it is the signed head of a log whose ledger.db is gone: put that back, or restore a backup elsewhere";
    Err(LogError::BadFile { path, what: what.to_owned() })
}

fn insert_first(connection: &Connection, head: SignedHead) -> rusqlite::Result<usize> {
    connection.execute(
        "INSERT INTO signed_head (id, size, root) VALUES (0, ?1, ?2)",
        params![size(head.size), &head.root[..]],
    )
}

fn size(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

/// Makes a lost signed head anew from the log as it is, which nothing vouches for but whoever asks for this. Gives the
/// position taken for signed; none if one is there, which is left as it is.
pub fn accept_missing(dir: &DataDir) -> Result<Option<Position>, LogError> {
    let log = LogReader::open(dir)?;
    let _lock = dir.lock()?;
    if !dir.head().exists() {
        dir.put_in_place(&dir.head(), make)?;
    }
    let (connection, head) = (open_to_write(dir)?, log.head()?);
    if head.is_none() || read_row(&connection, &dir.head())?.is_some() {
        return Ok(None);
    }
    insert_first(&connection, SignedHead { size: head, root: root_at(&log, head)? })?;
    Ok(Some(head))
}

/// The signed head of a directory, read beside whoever writes it; none if there is no such file.
pub fn read_signed_head(dir: &DataDir) -> Result<Option<SignedHead>, LogError> {
    if !dir.head().exists() {
        return Ok(None);
    }
    read_row(&open_to_read(dir)?, &dir.head())
}

/// All checkpoints that are stored, oldest first, as they are.
pub fn read_checkpoints(dir: &DataDir) -> Result<Vec<(Position, String)>, LogError> {
    if !dir.head().exists() {
        return Ok(Vec::new());
    }
    let connection = open_to_read(dir)?;
    let mut statement = connection.prepare("SELECT size, note FROM checkpoints ORDER BY size")?;
    let rows = statement
        .query_map([], |row| Ok((Position(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0)), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn open_to_read(dir: &DataDir) -> Result<Connection, LogError> {
    open_checked(dir, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn open_to_write(dir: &DataDir) -> Result<Connection, LogError> {
    let connection = open_checked(dir, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA recursive_triggers=ON; PRAGMA trusted_schema=OFF;",
    )?;
    Ok(connection)
}

fn open_checked(dir: &DataDir, flags: OpenFlags) -> Result<Connection, LogError> {
    let path = dir.head();
    if !path.exists() {
        return Err(LogError::NoSignedHead { path, what: "the signed head is missing" });
    }
    let connection = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    match pragma("application_id").and_then(|id| Ok((id, pragma("user_version")?))) {
        Ok((APPLICATION_ID, SCHEMA_STEP)) => Ok(connection),
        Ok((APPLICATION_ID, found)) => Err(LogError::OtherSchema { path, found }),
        // Storage that fails says nothing about whose file it is.
        Err(error) if LogError::is_of_storage(&error) => Err(error.into()),
        _ => Err(LogError::Foreign(path)),
    }
}

/// Whether recording was ever started: only a start signs.
fn was_served(log: &LogReader) -> Result<bool, LogError> {
    let mut served = false;
    log.scan(Position(0), log.head()?, |_, record| {
        served = codec::decode_header(record).is_ok_and(|(number, _, _)| number == RECORDING_STARTED);
        if served { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(served)
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

/// The signing key in a file, under the name of its log.
pub fn read_key(path: &Path, origin: &str) -> Result<LogKey, LogError> {
    let seed = read_seed(path)?;
    LogKey::from_seed(origin, &seed)
        .map_err(|error| LogError::BadFile { path: path.to_owned(), what: error.to_string() })
}

/// The seed that the log's keys follow from.
pub(super) fn read_seed(path: &Path) -> Result<[u8; 32], LogError> {
    let bad = |what: &str| LogError::BadFile { path: path.to_owned(), what: what.to_owned() };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(bad("the log's signing key is missing; put it back from its backup"));
        }
        Err(source) => return Err(LogError::Io { path: path.to_owned(), source }),
    };
    bytes.try_into().map_err(|_| bad("the log's signing key must be 32 bytes"))
}

/// Refuses a key that is not the one the log names; a log that names none takes any.
pub fn check_key(path: &Path, key: &LogKey, log_vkey: &str) -> Result<(), LogError> {
    if log_vkey.is_empty() || key.vkey().to_string() == log_vkey {
        return Ok(());
    }
    let what = "it is another log's signing key; put this log's back from its backup".to_owned();
    Err(LogError::BadFile { path: path.to_owned(), what })
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
