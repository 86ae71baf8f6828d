//! The file `views.db`: made, opened, thrown away. It holds nothing that the log does not.

use crate::log::{DataDir, LogError};
use rusqlite::{Connection, OpenFlags};
use std::os::unix::fs::OpenOptionsExt;

const APPLICATION_ID: i32 = 0x546b_4c76;
const SCHEMA_STEP: i32 = 3;
/// Pages in the write-ahead log before they are moved into the file: 1 MiB, so that no single write waits long for it.
const CHECKPOINT_FRAMES: i32 = 128;

/// The open views file.
#[derive(Debug)]
pub struct Views {
    pub(super) connection: Connection,
}

impl Views {
    /// Opens the file for writing, making it if it is not there. One that is not ours, or of another step, is
    /// deleted and made anew: nothing in it is needed.
    pub fn open(dir: &DataDir) -> Result<Self, LogError> {
        match Self::try_open(dir) {
            Err(error) if is_foreign(&error) => Self::anew(dir),
            opened => opened,
        }
    }

    /// Throws the file away and makes it anew.
    pub fn anew(dir: &DataDir) -> Result<Self, LogError> {
        remove(dir)?;
        Self::try_open(dir)
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
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_FRAMES)?;
        match identity(&connection)? {
            (APPLICATION_ID, SCHEMA_STEP) => {}
            (0, 0) => connection.execute_batch(&format!(
                "BEGIN IMMEDIATE; {} {} {} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_STEP}; COMMIT;",
                include_str!("../../schema/views/001_snapshots.sql"),
                include_str!("../../schema/views/002_history.sql"),
                include_str!("../../schema/views/003_index.sql")
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

    /// Whether it is ours and has the tables that this program knows.
    pub(super) fn is_ours(&self) -> Result<bool, LogError> {
        Ok(identity(&self.connection)? == (APPLICATION_ID, SCHEMA_STEP))
    }
}

impl Views {
    /// Whether an error says that the file is damaged, or not ours.
    pub fn is_spoilt_by(error: &LogError) -> bool {
        is_foreign(error)
    }
}

fn identity(connection: &Connection) -> Result<(i32, i32), LogError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    Ok((pragma("application_id")?, pragma("user_version")?))
}

/// Whether the file is another program's, another release's, or damaged: then it is made anew.
pub(super) fn is_foreign(error: &LogError) -> bool {
    match error {
        LogError::Foreign(_) => true,
        LogError::Sqlite(error) => {
            matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
            ) || lacks_a_table(error)
        }
        _ => false,
    }
}

/// Of its own code SQLite has nothing to say for it: a statement that was right when it was written is wrong for this file.
fn lacks_a_table(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(code, Some(message)) => {
            code.code == rusqlite::ErrorCode::Unknown && message.starts_with("no such ")
        }
        rusqlite::Error::SqlInputError { msg, .. } => msg.starts_with("no such "),
        _ => false,
    }
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
