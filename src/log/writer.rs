//! Appending to the log: the only code that changes the ledger file.

use super::codec::{self, CodecError};
use super::data_dir::{APPLICATION_ID, DataDir, DirLock, LogError, SCHEMA_STEP, check_sqlite_version, open_ledger};
use super::erasures::{self, Completed, Erasing, ErasureFile};
use super::merkle::{self, TileId, Tree};
use super::personal::{self, PersonalRow};
use super::reader::{LogReader, read_head, read_tile};
use super::signed_head;
use super::space;
use crate::domain::event::{Event, Header};
use crate::domain::ids::{Position, TextNumber};
use crate::domain::text::Subject;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use thiserror::Error;

/// Frames after which the WAL is moved into the file. Small enough that the WAL is overwritten in place and never grows:
/// growing a file costs an fsync nearly twice.
pub(super) const CHECKPOINT_FRAMES: u32 = 1_000;
/// Further frames after which it is tried again, where a reader or a full disk kept some in the WAL.
const CHECKPOINT_AGAIN_FRAMES: u32 = 250;
/// Every commit writes the last page again, and SQLite sums it: half the page is half of that.
pub(super) const PAGE_BYTES: u32 = 4_096;
/// How long the connection waits for a lock.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);
const TILE_WIDTH: u64 = merkle::TILE_WIDTH as u64;

const SCHEMA_STEPS: [&str; SCHEMA_STEP as usize] =
    [concat!(include_str!("../../schema/ledger/001_ledger.sql"), include_str!("../../schema/ledger/001_personal.sql"))];

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

impl AppendError {
    /// The failure itself.
    pub fn into_cause(self) -> LogError {
        match self {
            Self::RolledBack(cause) | Self::Unknown(cause) => cause,
        }
    }
}

/// The one write connection, with the tree's right edge in memory.
#[derive(Debug)]
pub struct LogWriter {
    connection: Connection,
    tree: Tree,
    wal: Wal,
    erasures: ErasureFile,
    /// Something was erased, and the write-ahead log may still hold it.
    unfinished: bool,
    dir: DataDir,
    _lock: DirLock,
}

/// How long the WAL is, and when it is to be moved into the file.
#[derive(Debug)]
struct Wal {
    /// Frames in it after the last commit.
    frames: Arc<AtomicU32>,
    /// Frames in it at the last look.
    seen: u32,
    due_at: u32,
}

impl Wal {
    /// Has the connection tell the length after each commit; it then no longer moves the WAL by itself, which it would do
    /// without telling of a failure.
    fn of(connection: &mut Connection) -> rusqlite::Result<Self> {
        let frames = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&frames);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            told.store(u32::try_from(pages).unwrap_or(0), Relaxed);
            Ok(())
        }))?;
        Ok(Self { frames, seen: 0, due_at: CHECKPOINT_FRAMES })
    }

    fn is_due(&mut self) -> bool {
        let frames = self.frames.load(Relaxed);
        if frames < self.seen {
            // It was begun anew.
            self.due_at = CHECKPOINT_FRAMES;
        }
        self.seen = frames;
        frames >= self.due_at
    }
}

impl LogWriter {
    /// Makes an empty ledger file: whole under another name first, then moved to its own. A crash in here leaves
    /// either no `ledger.db` or an empty ledger, never a part of one. The file of its signed head is made before it, so
    /// that no log ever begins without one.
    pub fn create(dir: &DataDir) -> Result<Self, LogError> {
        check_sqlite_version()?;
        dir.prepare()?;
        let lock = dir.lock()?;
        if dir.ledger().exists() {
            return Err(LogError::LedgerExists(dir.path().to_owned()));
        }
        signed_head::make_for_new_log(dir)?;
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
        space::make_room_to_open(dir);
        let mut connection = open_ledger(dir, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        set_up(&connection)?;
        let wal = Wal::of(&mut connection)?;
        let tree = restore_tree(&connection)?;
        // The write-ahead log was made a moment ago. SQLite syncs the directory for it, but takes no notice if that
        // fails: then a power cut could take the file with all its records.
        dir.sync()?;
        let (erasures, dir) = (ErasureFile::new(dir), dir.clone());
        Ok(Self { connection, tree, wal, erasures, unfinished: false, dir, _lock: lock })
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
        self.append_erasing(batch, texts, &[])
    }

    /// Appends a batch that also takes texts away; [`Self::finish_erasure`] must follow before anybody is answered.
    ///
    /// A crash before the transaction leaves announcements of an event that never came: the next opening drops them.
    pub fn append_erasing(
        &mut self,
        batch: &Batch,
        texts: &[PersonalRow],
        erasing: &[Erasing],
    ) -> Result<Position, AppendError> {
        // Only for those who append without ever calling it themselves. A full disk is no reason yet: the batch may fit.
        match self.move_wal_if_due() {
            Err(error) if !error.is_disk_full() => return Err(AppendError::Unknown(error)),
            _ => {}
        }
        let first = self.head().next();
        if !erasing.is_empty() {
            self.erasures.announce(&self.connection, first, erasing).map_err(AppendError::RolledBack)?;
        }
        match self.try_append(first, batch, texts, erasing) {
            Ok(()) => {
                self.unfinished |= !erasing.is_empty();
                Ok(first)
            }
            Err(error) => Err(self.recover(error)),
        }
    }

    fn try_append(
        &mut self,
        first: Position,
        batch: &Batch,
        texts: &[PersonalRow],
        erasing: &[Erasing],
    ) -> Result<(), LogError> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let head = read_head(&self.connection)?;
        if head.next() != first {
            let what = format!("another program wrote to the file: its head is {head}");
            return Err(LogError::Damaged { position: first, what });
        }
        self.insert_records(first, batch)?;
        // In this order: a text that went may have come again, under another number, with the same batch.
        erasures::take_away(&self.connection, erasing)?;
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
        if !rolled_back || error.leaves_unknown() {
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

    /// Moves the WAL into the file once it is long enough: not inside a commit, so that nobody's answer waits for it. What
    /// was committed is durable in the WAL, whatever comes of this.
    ///
    /// After an error other than a full disk nothing may be appended any more: pages of the file may count as written that
    /// never reached the disk. A crash in here leaves the WAL whole; it is moved again from its beginning.
    pub fn move_wal_if_due(&mut self) -> Result<(), LogError> {
        if !self.wal.is_due() {
            return Ok(());
        }
        self.wal.due_at = self.wal.seen + CHECKPOINT_AGAIN_FRAMES;
        match self.connection.wal_checkpoint_v2(Some(rusqlite::MAIN_DB), CheckpointMode::PASSIVE) {
            Ok(_) => Ok(()),
            // A reader or another program's checkpoint; there will be another time.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at what was erased before, right after opening. Gives the texts that were erased and are there again,
    /// because an older copy of the file took its place: they are to be erased again before anything is served.
    ///
    /// What the file of erasures lost is first taken from the log, which gave numbers to texts up to `last_text`. A crash
    /// on the way leaves it as it was or completed.
    pub fn settle_erasures(&mut self, last_text: TextNumber) -> Result<Vec<(Subject, TextNumber)>, LogError> {
        let log = LogReader::open(&self.dir)?;
        let has_any = self.erasures.drop_unheard(&log)?;
        // That it cannot be, on a full disk or because of damage to old records, is no reason not to serve: the next opening
        // tries again.
        let completed = self.erasures.complete(&self.connection, &log, last_text).unwrap_or_else(|error| {
            tracing::warn!(%error, "erasures.db may not know of texts that were erased, and cannot be completed now");
            Completed::default()
        });
        if completed.texts > 0 {
            let texts = completed.texts;
            tracing::warn!(texts, "erasures.db did not know of texts that were erased; they were taken from the log");
        }
        if completed.unknown > 0 {
            let texts = completed.unknown;
            tracing::warn!(texts, "texts are gone, and no record that can be read erased them: `verify` names them");
        }
        if !has_any && completed.texts == 0 {
            return Ok(Vec::new());
        }
        // What a crash left in the write-ahead log may be older than the erasure.
        self.unfinished = true;
        self.erasures.come_back(&self.connection)
    }

    /// Whether the write-ahead log may still hold what was erased.
    pub fn erasure_is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// Empties the write-ahead log of what was erased, waiting at most `patience` for whoever reads an older part of
    /// it. False: somebody still does, or there is no room; it is to be tried again.
    ///
    /// The announcement becomes an entry first, since the log has its event: no older copy of the log may drop it. A crash
    /// in here leaves one or the other, and the next opening tries again.
    pub fn finish_erasure(&mut self, patience: Duration) -> Result<bool, AppendError> {
        if !self.unfinished {
            return Ok(true);
        }
        let entered = LogReader::open(&self.dir).and_then(|log| self.erasures.finish(&log));
        let emptied = self.empty_wal(patience).and_then(|emptied| entered.map(|()| emptied));
        match emptied {
            Ok(emptied) => {
                self.unfinished = !emptied;
                Ok(emptied)
            }
            Err(LogError::Sqlite(error)) if is_passing(&error) => Ok(false),
            Err(error) => Err(AppendError::Unknown(error)),
        }
    }

    fn empty_wal(&self, patience: Duration) -> Result<bool, LogError> {
        self.connection.busy_timeout(patience)?;
        let busy = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        self.connection.busy_timeout(BUSY_PATIENCE)?;
        let emptied = !busy?;
        if emptied {
            self.wal.frames.store(0, Relaxed);
        }
        Ok(emptied)
    }

    /// Moves the WAL into the file, at an orderly end.
    pub fn checkpoint_wal(&self) -> Result<(), LogError> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }
}

/// What may be over in a moment.
fn is_passing(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull))
}

/// The schema in one durable transaction, with no journal beside it: what a crash leaves has no name yet anyway. The
/// write-ahead log is switched on here too: later, a crash in the middle would leave a journal that readers, who may
/// not write, cannot undo, so that none could open the file.
fn write_empty_file(path: &Path) -> Result<(), LogError> {
    let connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA page_size={PAGE_BYTES}; PRAGMA secure_delete=ON; PRAGMA journal_mode=MEMORY; PRAGMA synchronous=FULL;"
    ))?;
    let schema: String = SCHEMA_STEPS.concat();
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {schema} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_STEP}; COMMIT;
         PRAGMA journal_mode=WAL;"
    ))?;
    connection.close().map_err(|(_, error)| LogError::Sqlite(error))
}

fn set_up(connection: &Connection) -> Result<(), LogError> {
    connection.set_prepared_statement_cache_capacity(32);
    connection.busy_timeout(BUSY_PATIENCE)?;
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;
         PRAGMA secure_delete=ON; PRAGMA recursive_triggers=ON; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;
         PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-32768; PRAGMA temp_store=MEMORY;",
    )?;
    // What cannot be switched on is no error to SQLite, it says which mode is left.
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        let path = connection.path().unwrap_or_default().into();
        return Err(LogError::BadFile {
            path,
            what: format!("the write-ahead log cannot be used (it is in mode {mode})"),
        });
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn new_log() -> (tempfile::TempDir, DataDir, LogWriter) {
        let base = tempfile::tempdir().expect("a temporary directory");
        let dir = DataDir::new(base.path().join("ledger"));
        dir.prepare().expect("prepared");
        let writer = LogWriter::create(&dir).expect("created");
        (base, dir, writer)
    }

    fn batch(records: &[Vec<u8>]) -> Batch {
        let mut batch = Batch::default();
        records.iter().for_each(|record| batch.push_record(record));
        batch
    }

    fn records(first: u64, count: u64) -> Vec<Vec<u8>> {
        (first..first + count).map(|number| format!("record {number}").into_bytes()).collect()
    }

    fn rows(writer: &LogWriter) -> Vec<(u64, Vec<u8>)> {
        let mut all =
            writer.connection().prepare("SELECT position, record FROM events ORDER BY position").expect("a query");
        let rows = all.query_map([], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))).expect("rows");
        rows.collect::<Result<_, _>>().expect("read")
    }

    #[test]
    fn a_record_that_the_file_refuses_takes_its_whole_batch_back() {
        // Both ends, and where a tile fills up in the middle of the batch.
        for at in [0, 100, 253, 299] {
            let (_base, dir, mut writer) = new_log();
            writer.append(&batch(&records(1, 3)), &[]).expect("appended");
            let before = (rows(&writer), writer.root());
            let mut bad = records(4, 300);
            bad[at] = b"tiny".to_vec();
            let error = writer.append(&batch(&bad), &[]).expect_err("the file takes no record so short");
            assert!(matches!(error, AppendError::RolledBack(_)), "{error}");
            assert_eq!((rows(&writer), writer.root()), before, "refused at {at}");
            assert_eq!(writer.append(&batch(&records(4, 300)), &[]).expect("appended"), Position(4));
            let after = (rows(&writer), writer.root());
            drop(writer);
            let reopened = LogWriter::open(&dir).expect("opened again");
            assert_eq!((rows(&reopened), reopened.root()), after);
        }
    }
}
