//! Appending to the log: the only code that changes the ledger file.

use super::codec::{self, CodecError};
use super::data_dir::{APPLICATION_ID, DataDir, DirLock, LogError, SCHEMA_STEP, check_sqlite_version, open_ledger};
use super::merkle::{self, TileId, Tree};
use super::personal::{self, PersonalRow};
use super::reader::{read_head, read_tile};
use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use thiserror::Error;

/// Frames after which a commit also moves the WAL into the file. Small enough that the WAL is overwritten in place
/// and never grows: growing a file costs an fsync nearly twice.
const CHECKPOINT_FRAMES: u32 = 1_000;
/// Every commit writes the last page again, and SQLite sums it: half the page is half of that.
const PAGE_BYTES: u32 = 4_096;
const TILE_WIDTH: u64 = merkle::TILE_WIDTH as u64;

const SCHEMA_STEPS: [&str; SCHEMA_STEP as usize] = [include_str!("../../schema/ledger/001_ledger.sql")];

/// Records waiting to be appended together.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    /// Adds the record of an event.
    pub fn push(&mut self, header: &Header, event: &Event) -> Result<(), CodecError> {
        codec::encode(header, event, &mut self.bytes)?;
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Adds a record that is encoded already, for copies and benches.
    pub fn push_record(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// The records in order.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Cuts back to the first `len` records.
    pub fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Empties it, keeping its room.
    pub fn clear(&mut self) {
        self.truncate(0);
    }
}

/// Why a batch is not durable.
#[derive(Debug, Error)]
pub enum AppendError {
    /// Nothing of it is in the file, and the file can still be written once the reason is gone.
    #[error("the batch was rolled back: {0}")]
    RolledBack(LogError),
    /// It may or may not come alive when the file is opened again. Nothing may be written after it by this process.
    #[error("it is unknown whether the batch is in the file: {0}")]
    Unknown(LogError),
}

/// The one write connection, with the tree's right edge in memory.
#[derive(Debug)]
pub struct LogWriter {
    connection: Connection,
    tree: Tree,
    _lock: DirLock,
}

impl LogWriter {
    /// Makes an empty ledger file: whole under another name first, then moved to its own. A crash in here leaves
    /// either no `ledger.db` or an empty ledger, never a part of one.
    pub fn create(dir: &DataDir) -> Result<Self, LogError> {
        check_sqlite_version()?;
        dir.prepare()?;
        let lock = dir.lock()?;
        if dir.ledger().exists() {
            return Err(LogError::LedgerExists(dir.path().to_owned()));
        }
        dir.put_in_place(&dir.ledger(), write_empty_file)?;
        Self::open_locked(dir, lock)
    }

    /// Takes the lock and opens the ledger file for appending.
    pub fn open(dir: &DataDir) -> Result<Self, LogError> {
        dir.check_mode()?;
        if !dir.ledger().exists() {
            return Err(LogError::NoLedger(dir.path().to_owned()));
        }
        let lock = dir.lock()?;
        Self::open_locked(dir, lock)
    }

    fn open_locked(dir: &DataDir, lock: DirLock) -> Result<Self, LogError> {
        let connection = open_ledger(dir, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        set_up(&connection)?;
        let tree = restore_tree(&connection)?;
        Ok(Self { connection, tree, _lock: lock })
    }

    /// The last durable position.
    pub fn head(&self) -> Position {
        Position(self.tree.size())
    }

    /// Root of the tree at the head.
    pub fn root(&self) -> merkle::Hash {
        self.tree.root()
    }

    /// The connection, for looking up texts between batches.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Appends a batch: one transaction, one sync. Returns the position of its first record.
    ///
    /// A crash before COMMIT returns leaves either all of the batch or nothing of it; after it, all.
    pub fn append(&mut self, batch: &Batch, texts: &[PersonalRow]) -> Result<Position, AppendError> {
        let first = self.head().next();
        match self.try_append(first, batch, texts) {
            Ok(()) => Ok(first),
            Err(error) => Err(self.recover(error)),
        }
    }

    fn try_append(&mut self, first: Position, batch: &Batch, texts: &[PersonalRow]) -> Result<(), LogError> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let head = read_head(&self.connection)?;
        if head.next() != first {
            let what = format!("another program wrote to the file: its head is {head}");
            return Err(LogError::Damaged { position: first, what });
        }
        self.insert_records(first, batch)?;
        personal::insert(&self.connection, texts)?;
        self.store_tiles()?;
        self.commit()
    }

    fn commit(&self) -> Result<(), LogError> {
        let commit = || Ok(self.connection.prepare_cached("COMMIT")?.execute([]).map(drop)?);
        #[cfg(feature = "simulated-commit")]
        return super::simulated_commit::slowed(commit);
        #[cfg(not(feature = "simulated-commit"))]
        commit()
    }

    fn insert_records(&mut self, first: Position, batch: &Batch) -> Result<(), LogError> {
        let mut insert = self.connection.prepare_cached("INSERT INTO events (position, record) VALUES (?1, ?2)")?;
        for (position, record) in (first.0..).zip(batch.records()) {
            insert.execute((i64::try_from(position).unwrap_or(i64::MAX), record))?;
            self.tree.append(merkle::leaf_hash(record));
        }
        Ok(())
    }

    fn store_tiles(&mut self) -> Result<(), LogError> {
        let changed = self.tree.take_changed();
        if changed.is_empty() {
            return Ok(());
        }
        let mut store = self.connection.prepare_cached(
            "INSERT INTO tiles (tile, hashes) VALUES (?1, ?2) ON CONFLICT (tile) DO UPDATE SET hashes = excluded.hashes",
        )?;
        for (id, hashes) in changed {
            store.execute((id.key(), hashes))?;
        }
        Ok(())
    }

    /// Rolls back and takes the tree from the file again. An I/O error, or a rollback that fails, leaves the file's
    /// content unknown: pages may count as written that never reached the disk.
    fn recover(&mut self, error: LogError) -> AppendError {
        let rolled_back = self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok();
        if !rolled_back || is_io(&error) {
            return AppendError::Unknown(error);
        }
        match restore_tree(&self.connection) {
            Ok(tree) => {
                self.tree = tree;
                AppendError::RolledBack(error)
            }
            Err(_) => AppendError::Unknown(error),
        }
    }

    /// Moves the WAL into the file, at an orderly end.
    pub fn checkpoint_wal(&self) -> Result<(), LogError> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }
}

fn is_io(error: &LogError) -> bool {
    match error {
        LogError::Sqlite(error) => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ),
        LogError::Damaged { .. } | LogError::DamagedTree(_) => true,
        _ => false,
    }
}

/// The schema in one durable transaction, with no journal beside it: what a crash leaves has no name yet anyway.
fn write_empty_file(path: &Path) -> Result<(), LogError> {
    let connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA page_size={PAGE_BYTES}; PRAGMA secure_delete=ON; PRAGMA journal_mode=MEMORY; PRAGMA synchronous=FULL;"
    ))?;
    let schema: String = SCHEMA_STEPS.concat();
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {schema} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_STEP}; COMMIT;"
    ))?;
    connection.close().map_err(|(_, error)| LogError::Sqlite(error))
}

fn set_up(connection: &Connection) -> Result<(), LogError> {
    connection.set_prepared_statement_cache_capacity(32);
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint={CHECKPOINT_FRAMES};
         PRAGMA secure_delete=ON; PRAGMA recursive_triggers=ON; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;
         PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-32768; PRAGMA temp_store=MEMORY;"
    ))?;
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(())
}

/// The tree at the file's head, from its tiles and the records of the last, unfilled tile.
fn restore_tree(connection: &Connection) -> Result<Tree, LogError> {
    let head = read_head(connection)?;
    let tail_from = head.0 - head.0 % TILE_WIDTH;
    let mut statement =
        connection.prepare_cached("SELECT position, record FROM events WHERE position > ?1 ORDER BY position")?;
    let mut rows = statement.query([i64::try_from(tail_from).unwrap_or(i64::MAX)])?;
    let mut tail = Vec::new();
    while let Some(row) = rows.next()? {
        let position: i64 = row.get(0)?;
        let expected = tail_from + tail.len() as u64 + 1;
        if u64::try_from(position) != Ok(expected) {
            let what = "the record is missing".to_owned();
            return Err(LogError::Damaged { position: Position(expected), what });
        }
        tail.push(merkle::leaf_hash(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?));
    }
    let source = |id: TileId| read_tile(connection, id);
    Tree::restore(head.0, &source, &tail).map_err(|error| LogError::DamagedTree(error.to_string()))
}
