//! The data directory: its files, their modes, its lock, and what may be wrong with it.

use super::codec::CodecError;
use crate::domain::ids::Position;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// `application_id` of a ledger file: "TkLg".
pub const APPLICATION_ID: i32 = 0x546b_4c67;
/// Number of the last schema step in `schema/ledger/`.
pub const SCHEMA_STEP: i32 = 1;
/// Oldest SQLite without the WAL-reset bug (fixed in 3.51.3).
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Why a ledger cannot be opened, read or written.
#[derive(Debug, Error)]
pub enum LogError {
    /// There is no ledger in the directory.
    #[error("{0} holds no ledger; `token-ledger init --data {0}` makes one")]
    NoLedger(PathBuf),
    /// There is one already.
    #[error("{0} already holds a ledger")]
    LedgerExists(PathBuf),
    /// `init` did not come to its end.
    #[error(
        "`token-ledger init --data {0}` was interrupted before it showed the operator token: run it again, it goes on where it stopped"
    )]
    Unfinished(PathBuf),
    /// Others on the machine could read it.
    #[error("{path} can be read by others (mode {mode:04o}); make it 0700 with `chmod 700 {path}`")]
    ExposedDirectory {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not a file of ours.
    #[error("{0} is not a ledger file (it is another program's database, or not a database)")]
    Foreign(PathBuf),
    /// Made by another release.
    #[error("{path} has schema step {found}, this program knows step {SCHEMA_STEP}")]
    OtherSchema {
        /// The file.
        path: PathBuf,
        /// The step found.
        found: i32,
    },
    /// Another process writes.
    #[error("the ledger in {path} is in use by {holder}")]
    InUse {
        /// The directory.
        path: PathBuf,
        /// What the holder wrote of itself.
        holder: String,
    },
    /// The log is not what it must be.
    #[error("the log is damaged at position {position}: {what}")]
    Damaged {
        /// Where.
        position: Position,
        /// What.
        what: String,
    },
    /// The tree in the file is not what it must be.
    #[error("the tree is damaged: {0}")]
    DamagedTree(String),
    /// The log is shorter than what was signed: an older copy took its place.
    #[error(
        "the log ends at position {head}, but position {signed} was signed before: an older copy took its place. Put the newer ledger.db back"
    )]
    BehindSignedHead {
        /// Where the log ends.
        head: Position,
        /// What was signed.
        signed: Position,
    },
    /// The log has another history than what was signed.
    #[error(
        "the log's records up to position {signed} are not the ones that were signed: it was altered, or is another log"
    )]
    OffSignedHead {
        /// What was signed.
        signed: Position,
    },
    /// What was signed of a log that has begun is not there.
    #[error(
        "{path}: {what}, and without it an older copy of the log would not be noticed. Put head.db back from where it is. If it is lost for good, hold the last checkpoint that anybody has against the log (`token-ledger verify --checkpoint FILE`), then start once with `serve --accept-missing-head`"
    )]
    NoSignedHead {
        /// Where it must be.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// Nothing is written over what is there.
    #[error("{0} is there already and is not empty; nothing is written over it")]
    TargetExists(PathBuf),
    /// A backup stays as it is.
    #[error("{0} is a backup: it can be read and verified, and `token-ledger restore` makes a ledger of it")]
    IsBackup(PathBuf),
    /// It would stand among the ledger's own files.
    #[error("{0} is inside the directory {1}; name a place elsewhere")]
    Inside(PathBuf, PathBuf),
    /// Not a backup, or not a whole one.
    #[error("{path} is not a whole backup: {what}")]
    BadBackup {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// SQLite's library is too old.
    #[error("SQLite {0} has the WAL-reset bug; 3.51.3 or later is needed")]
    OldSqlite(&'static str),
    /// A file that the ledger needs is missing or malformed.
    #[error("{path}: {what}")]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Counted refusals cannot be written down.
    #[error("a sum of counted refusals does not fit a record")]
    SumTooLarge,
    /// SQLite said no.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The operating system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
}

impl LogError {
    /// Whether storage failed, rather than the input being wrong: exit code 74 instead of 1.
    pub fn is_storage(&self) -> bool {
        match self {
            Self::Io { .. } => true,
            Self::Sqlite(error) => Self::is_of_storage(error),
            _ => false,
        }
    }

    /// Whether SQLite's error is storage that failed.
    pub(super) fn is_of_storage(error: &rusqlite::Error) -> bool {
        // Without a code it is not SQLite that failed but a value that has another type than its column.
        !matches!(
            error.sqlite_error_code(),
            None | Some(
                rusqlite::ErrorCode::NotADatabase
                    | rusqlite::ErrorCode::DatabaseCorrupt
                    // A statement that does not fit the file: a table is not there.
                    | rusqlite::ErrorCode::Unknown
            )
        )
    }

    /// Whether it is unknown what the failed write left in the file: nothing may be written to it after that. A full
    /// disk is another case: what it did not take is known not to be there.
    pub fn leaves_unknown(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    rusqlite::ErrorCode::SystemIoFailure
                        | rusqlite::ErrorCode::DatabaseCorrupt
                        | rusqlite::ErrorCode::NotADatabase
                )
            ),
            Self::Damaged { .. } | Self::DamagedTree(_) => true,
            _ => false,
        }
    }

    /// Whether there was no room left: what could not be written is known not to be there.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(source.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
            }
            Self::Sqlite(error) => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            _ => false,
        }
    }

    /// Whether the same may work later without anything being doubtful: there is no room, or someone else has the file
    /// for a moment.
    pub fn is_passing(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        let is_held = matches!(self, Self::Sqlite(error)
            if matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked)));
        is_held || self.is_disk_full()
    }

    /// A record that does not decode, at its place.
    pub fn undecodable(position: Position, error: &CodecError) -> Self {
        Self::Damaged { position, what: error.to_string() }
    }
}

/// One ledger's directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Names a directory; nothing is opened or made.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The sacred file.
    pub fn ledger(&self) -> PathBuf {
        self.0.join("ledger.db")
    }

    /// The disposable file: snapshots and history indexes.
    pub fn views(&self) -> PathBuf {
        self.0.join("views.db")
    }

    /// What makes the directory one for inspection.
    pub fn inspection(&self) -> PathBuf {
        self.0.join("inspection.json")
    }

    /// What makes the directory a backup.
    pub fn manifest(&self) -> PathBuf {
        self.0.join("backup.json")
    }

    /// Refuses a place among this directory's own files: an erasure would not reach what was written there.
    pub fn check_outside(&self, place: &Path) -> Result<(), LogError> {
        let absolute = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
        let existing = absolute.ancestors().find_map(|above| above.canonicalize().ok());
        let (Some(existing), Ok(own)) = (existing, self.0.canonicalize()) else { return Ok(()) };
        // The directory itself is there already, which whoever would make it there tells.
        let is_itself = absolute.canonicalize().is_ok_and(|place| place == own);
        if existing.starts_with(&own) && !is_itself {
            return Err(LogError::Inside(place.to_owned(), self.0.clone()));
        }
        Ok(())
    }

    /// The signed head and the checkpoints.
    pub fn head(&self) -> PathBuf {
        self.0.join("head.db")
    }

    /// What was erased.
    pub fn erasures(&self) -> PathBuf {
        self.0.join("erasures.db")
    }

    /// Seed of the key that checkpoints are signed with.
    pub fn key(&self) -> PathBuf {
        self.0.join("log.key")
    }

    /// There from before the first events until the first operator token was shown.
    fn unfinished(&self) -> PathBuf {
        self.0.join("init.unfinished")
    }

    /// Blocks kept so that they can be given up on a full disk.
    pub fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Socket for commands from the same machine.
    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Makes the directory (0700) if it is not there, and checks that nobody else can look into it.
    pub fn prepare(&self) -> Result<(), LogError> {
        let missing: Vec<&Path> = self.0.ancestors().take_while(|path| !path.exists()).collect();
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(|source| self.io(&self.0, source))?;
        // Without its entry in the directory above, a power cut takes the whole ledger. Once more for one that is there
        // already: an interrupted try may have made it.
        missing.into_iter().try_for_each(|made| self.sync_above(made))?;
        self.sync_above(&self.0)?;
        self.check_mode()
    }

    fn sync_above(&self, path: &Path) -> Result<(), LogError> {
        let above = match path.parent() {
            None => return Ok(()),
            Some(above) if above.as_os_str().is_empty() => Path::new("."),
            Some(above) => above,
        };
        match File::open(above) {
            // Somebody else's directory, who made ours in it.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
            opened => opened.and_then(|dir| dir.sync_all()).map_err(|source| self.io(above, source)),
        }
    }

    /// Whether an `init` began to record here and did not come to its end.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished().exists()
    }

    /// Refuses a ledger whose first operator token was perhaps never shown.
    pub fn check_finished(&self) -> Result<(), LogError> {
        if self.is_unfinished() { Err(LogError::Unfinished(self.0.clone())) } else { Ok(()) }
    }

    /// Notes that an `init` records from now on. A crash after it leaves a ledger that only `init` takes.
    pub fn begin_init(&self) -> Result<(), LogError> {
        if self.is_unfinished() { Ok(()) } else { self.write_secret_file(&self.unfinished(), b"") }
    }

    /// Notes that an `init` came to its end. A crash before it is durable only lets a later `init` give another token.
    pub fn finish_init(&self) -> Result<(), LogError> {
        let path = self.unfinished();
        fs::remove_file(&path).map_err(|source| self.io(&path, source))?;
        self.sync()
    }

    /// Refuses a directory that others on the machine can enter.
    pub fn check_mode(&self) -> Result<(), LogError> {
        let metadata = match fs::metadata(&self.0) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(LogError::NoLedger(self.0.clone()));
            }
            Err(source) => return Err(self.io(&self.0, source)),
        };
        match metadata.mode() & 0o777 {
            mode if mode & 0o077 != 0 => Err(LogError::ExposedDirectory { path: self.0.clone(), mode }),
            _ => Ok(()),
        }
    }

    /// Takes the writer's lock. The kernel lets go of it when the process ends, however it ends. Nobody writes to a backup.
    pub fn lock(&self) -> Result<DirLock, LogError> {
        if self.manifest().exists() {
            return Err(LogError::IsBackup(self.0.clone()));
        }
        let path = self.0.join("ledger.lock");
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| self.io(&path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.is_empty() { "another process".to_owned() } else { holder.trim().to_owned() };
                return Err(LogError::InUse { path: self.0.clone(), holder });
            }
            Err(fs::TryLockError::Error(source)) => return Err(self.io(&path, source)),
        }
        // What is written here only helps people; a crash before it leaves an older name behind a lock we hold, and a
        // full disk perhaps none.
        let noted = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}", std::process::id()));
        if let Err(source) = noted {
            tracing::warn!(%source, "the lock file does not say who holds it");
        }
        Ok(DirLock { _file: file })
    }

    /// Who holds the writer's lock, by what the holder wrote of itself; none if nobody does. It is tried shared and let
    /// go of at once: a start in that very instant would be told that the directory is in use.
    pub fn lock_holder(&self) -> Result<Option<String>, LogError> {
        let path = self.0.join("ledger.lock");
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.io(&path, source)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                Ok(Some(if holder.is_empty() { "another process".to_owned() } else { holder.trim().to_owned() }))
            }
            Err(fs::TryLockError::Error(source)) => Err(self.io(&path, source)),
        }
    }

    /// Writes a small secret file (0600), whole or not at all, and makes it durable.
    pub fn write_secret_file(&self, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
        self.put_in_place(path, |unfinished| {
            let written = OpenOptions::new().write(true).open(unfinished).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            });
            written.map_err(|source| self.io(unfinished, source))
        })
    }

    /// Makes a file (0600) whole under another name, then moves it to its own. What an interrupted try left under the
    /// other name is removed first.
    pub(super) fn put_in_place(
        &self,
        path: &Path,
        write: impl FnOnce(&Path) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".new");
        let unfinished = PathBuf::from(unfinished);
        // With what SQLite may have left beside it.
        for suffix in ["", "-wal", "-shm"] {
            let mut left = unfinished.as_os_str().to_owned();
            left.push(suffix);
            match fs::remove_file(&left) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(self.io(Path::new(&left), source));
                }
                _ => {}
            }
        }
        // SQLite gives its -wal and -shm files the mode of the database file.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished);
        made.map_err(|source| self.io(&unfinished, source))?;
        write(&unfinished)?;
        fs::rename(&unfinished, path).map_err(|source| self.io(path, source))?;
        self.sync()
    }

    /// Makes the directory's entries durable.
    pub fn sync(&self) -> Result<(), LogError> {
        File::open(&self.0).and_then(|dir| dir.sync_all()).map_err(|source| self.io(&self.0, source))
    }

    pub(super) fn io(&self, path: &Path, source: std::io::Error) -> LogError {
        LogError::Io { path: path.to_owned(), source }
    }
}

/// The writer's lock, held as long as this lives.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// Opens the ledger file and checks that it is one. A missing file is [`LogError::NoLedger`]; nothing is created.
pub(super) fn open_ledger(dir: &DataDir, flags: OpenFlags) -> Result<Connection, LogError> {
    check_sqlite_version()?;
    dir.check_mode()?;
    let path = dir.ledger();
    if !path.exists() {
        return Err(LogError::NoLedger(dir.path().to_owned()));
    }
    let connection = Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    // Until it is known to be ours, closing it must not move another program's write-ahead log into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    check_identity(&connection, &path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    connection.execute_batch("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;")?;
    Ok(connection)
}

fn check_identity(connection: &Connection, path: &Path) -> Result<(), LogError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application_id = pragma("application_id").map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => LogError::Foreign(path.to_owned()),
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
            LogError::BadFile { path: path.to_owned(), what: format!("it is damaged or was cut short ({error})") }
        }
        _ => LogError::Sqlite(error),
    })?;
    if application_id != APPLICATION_ID {
        return Err(LogError::Foreign(path.to_owned()));
    }
    match pragma("user_version")? {
        SCHEMA_STEP => Ok(()),
        found => Err(LogError::OtherSchema { path: path.to_owned(), found }),
    }
}

/// Version of the SQLite library in this program.
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

pub(super) fn check_sqlite_version() -> Result<(), LogError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(LogError::OldSqlite(rusqlite::version()));
    }
    Ok(())
}
