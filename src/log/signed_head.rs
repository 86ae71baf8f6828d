//! The signed head: the last size and root that were signed, in a file of its own, and the checkpoints signed so far.
//!
//! Order of publishing: the log is durable; the signed head moves forward by compare-and-swap; only then the
//! checkpoint is signed and stored. A crash in between leaves a signed head without its checkpoint, never a
//! checkpoint that the log could contradict.

use super::codec;
use super::data_dir::{DataDir, LogError};
use super::key_file::KeyFile;
use super::merkle::Hash;
use super::note::{Checkpoint, LogKey};
use super::reader::LogReader;
use super::tree_at::TreeAt;
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

/// The open file with the keys that sign.
#[derive(Debug)]
pub struct HeadFile {
    connection: Connection,
    path: PathBuf,
    origin: String,
    key_path: PathBuf,
    /// Newest first.
    keys: Vec<LogKey>,
}

impl HeadFile {
    /// Opens the file and reads the key. A missing file is [`LogError::NoSignedHead`]: nothing is created.
    pub fn open(dir: &DataDir, origin: &str) -> Result<Self, LogError> {
        // The key first: without it nothing is touched.
        let (key_path, origin) = (dir.key(), origin.to_owned());
        let keys = KeyFile::read(&key_path)?.keys(&origin)?;
        let (connection, path) = (open_to_write(dir)?, dir.head());
        let file = Self { connection, path, origin, key_path, keys };
        // Reading makes the write-ahead log; that its directory entry is durable, SQLite does not make sure of.
        file.signed_head()?;
        dir.sync()?;
        Ok(file)
    }

    /// The signed head; none before the first.
    pub fn signed_head(&self) -> Result<Option<SignedHead>, LogError> {
        read_row(&self.connection, &self.path)
    }

    /// Refuses to go on without one of the keys that the log says to sign its head with: nobody who holds that verifier
    /// key could check what is signed.
    pub fn check_signers(&self, signers: &[String]) -> Result<(), LogError> {
        let mut missing = signers.iter().filter(|vkey| self.key(vkey).is_none());
        match missing.next() {
            None => Ok(()),
            Some(vkey) => Err(self.without(vkey)),
        }
    }

    /// The key behind a verifier key; the newest for a log that names none.
    fn key(&self, vkey: &str) -> Option<&LogKey> {
        self.keys.iter().find(|key| vkey.is_empty() || key.vkey().to_string() == vkey)
    }

    fn without(&self, vkey: &str) -> LogError {
        let is_only = self.keys.len() == 1;
        let what = match is_only {
            true => "it is another log's signing key; put this log's back from its backup".to_owned(),
            false => format!("it lacks the key of {vkey}, which this log is signed with; put it back from its backup"),
        };
        LogError::BadFile { path: self.key_path.clone(), what }
    }

    /// Refuses a log that is shorter than the signed head, or that has another root there; also a log that was served
    /// before and of which nothing is signed, because a start signs before anything is recorded.
    pub fn check(&self, log: &LogReader) -> Result<(), LogError> {
        check_row(&self.connection, &self.path, log)
    }

    /// Moves the signed head to a durable head of the log and signs the checkpoint with these verifier keys' secret
    /// halves, in their order. A head that is signed already gives its checkpoint as it was stored; one that a crash kept
    /// from being stored is signed again, and is the same bytes.
    pub fn sign(&mut self, head: SignedHead, signers: &[String]) -> Result<String, LogError> {
        let signed = self.signed_head()?;
        if signed == Some(head) {
            return self.stored(head.size)?.map_or_else(|| self.store_note(head, signers), Ok);
        }
        if signed.is_some_and(|signed| signed.size >= head.size) {
            return self.latest()?.map_or_else(|| self.store_note(head, signers), Ok);
        }
        // Before the head moves: it is to be followed by a signature.
        if self.check_signers(signers).is_err() {
            // The log names a key that was put into the file since it was read.
            self.keys = KeyFile::read(&self.key_path)?.keys(&self.origin)?;
            self.check_signers(signers)?;
        }
        self.compare_and_swap(signed, head)?;
        self.store_note(head, signers)
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

    fn store_note(&mut self, head: SignedHead, signers: &[String]) -> Result<String, LogError> {
        let checkpoint = Checkpoint { origin: self.origin.clone(), size: head.size.0, root: head.root };
        let mut note = checkpoint.body() + "\n";
        for vkey in signers {
            note += &self.key(vkey).ok_or_else(|| self.without(vkey))?.sign(&checkpoint.body());
        }
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

    fn stored(&self, size: Position) -> Result<Option<String>, LogError> {
        stored_note(&self.connection, size)
    }

    /// The last checkpoint, as it was stored.
    pub fn latest(&self) -> Result<Option<String>, LogError> {
        latest_note(&self.connection)
    }
}

/// Whether a ledger can be served, by a look that changes nothing: its key is there, and what was signed is in its log.
/// A start looks again once it holds the lock.
pub fn check_before_start(dir: &DataDir) -> Result<(), LogError> {
    let log = LogReader::open(dir)?;
    KeyFile::read(&dir.key())?;
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

fn latest_note(connection: &Connection) -> Result<Option<String>, LogError> {
    let row = connection.query_row("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1", [], |row| row.get(0));
    Ok(row.optional()?)
}

fn stored_note(connection: &Connection, at: Position) -> Result<Option<String>, LogError> {
    let row = connection.query_row("SELECT note FROM checkpoints WHERE size = ?1", [size(at)], |row| row.get(0));
    Ok(row.optional()?)
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

/// The checkpoint of one size as it is stored, read beside whoever writes; none if there is none, or no such file.
pub fn read_checkpoint(dir: &DataDir, at: Position) -> Result<Option<String>, LogError> {
    if !dir.head().exists() {
        return Ok(None);
    }
    stored_note(&open_to_read(dir)?, at)
}

/// The last checkpoint as it is stored, read beside whoever writes; none if there is none, or no such file.
pub fn read_latest_checkpoint(dir: &DataDir) -> Result<Option<String>, LogError> {
    if !dir.head().exists() {
        return Ok(None);
    }
    latest_note(&open_to_read(dir)?)
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

/// Root of the tree over the first `size` records, from the stored tiles and the records of the last one.
pub fn root_at(log: &LogReader, size: Position) -> Result<Hash, LogError> {
    TreeAt::new(log, size)?.root()
}
