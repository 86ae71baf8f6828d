//! Reading the log: records from a position on, tiles, texts. Read-only, in short transactions, beside a writer.

use super::codec;
use super::data_dir::{DataDir, LogError, open_ledger};
use super::merkle::{TileId, TileSource};
use super::personal::TextReader;
use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::ops::ControlFlow;

/// Records read in one transaction: a reader that stays open would keep the WAL from being reused.
const ROWS_A_TRANSACTION: i64 = 4_096;

/// A read-only view of the log.
#[derive(Debug)]
pub struct LogReader {
    connection: Connection,
}

impl LogReader {
    /// Opens the ledger file for reading. Never creates or changes anything in it.
    pub fn open(dir: &DataDir) -> Result<Self, LogError> {
        let connection = open_ledger(dir, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.execute_batch("PRAGMA query_only=ON; PRAGMA cache_size=-16384;")?;
        Ok(Self { connection })
    }

    /// A reader of texts over its own connection.
    pub fn texts(dir: &DataDir) -> Result<TextReader, LogError> {
        Ok(TextReader::new(Self::open(dir)?.connection))
    }

    /// The last position; 0 of an empty log.
    pub fn head(&self) -> Result<Position, LogError> {
        read_head(&self.connection)
    }

    /// The bytes of one record.
    pub fn record(&self, position: Position) -> Result<Option<Vec<u8>>, LogError> {
        let Ok(position) = i64::try_from(position.0) else { return Ok(None) };
        let mut statement = self.connection.prepare_cached("SELECT record FROM events WHERE position = ?1")?;
        Ok(statement.query_row([position], |row| row.get(0)).optional()?)
    }

    /// Visits the records after `after`, up to and with `through`, in order. Stops early if told to.
    pub fn scan(
        &self,
        after: Position,
        through: Position,
        mut visit: impl FnMut(Position, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT position, record FROM events WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3",
        )?;
        let through = i64::try_from(through.0).unwrap_or(i64::MAX);
        let mut last = i64::try_from(after.0).unwrap_or(i64::MAX);
        loop {
            let start = last;
            let mut rows = statement.query([last, through, ROWS_A_TRANSACTION])?;
            while let Some(row) = rows.next()? {
                last = row.get(0)?;
                let record = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                if visit(Position(u64::try_from(last).unwrap_or(0)), record).is_break() {
                    return Ok(());
                }
            }
            if last == start {
                return Ok(());
            }
        }
    }

    /// Visits records from `before` (exclusive) downwards.
    pub fn scan_back(
        &self,
        before: Position,
        mut visit: impl FnMut(Position, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT position, record FROM events WHERE position < ?1 ORDER BY position DESC LIMIT ?2",
        )?;
        let mut last = i64::try_from(before.0).unwrap_or(i64::MAX);
        loop {
            let start = last;
            let mut rows = statement.query([last, ROWS_A_TRANSACTION])?;
            while let Some(row) = rows.next()? {
                last = row.get(0)?;
                let record = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                if visit(Position(u64::try_from(last).unwrap_or(0)), record).is_break() {
                    return Ok(());
                }
            }
            if last == start {
                return Ok(());
            }
        }
    }

    /// Like [`Self::scan`], decoded. A record that cannot be decoded, or a missing position, ends it with an error
    /// that names the position: nothing is skipped.
    pub fn replay(
        &self,
        after: Position,
        through: Position,
        mut visit: impl FnMut(Position, Header, Event) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let mut expected = after.next();
        let mut failure = None;
        self.scan(after, through, |position, record| {
            let decoded = if position == expected {
                codec::decode(record).map_err(|error| LogError::undecodable(position, &error))
            } else {
                Err(LogError::Damaged { position: expected, what: "the record is missing".to_owned() })
            };
            expected = position.next();
            match decoded {
                Ok((header, event)) => visit(position, header, event),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failure.map_or(Ok(()), Err)
    }

    /// The stored hashes of a tile.
    pub fn stored_tile(&self, id: TileId) -> Result<Option<Vec<u8>>, LogError> {
        read_tile(&self.connection, id)
    }

    /// Visits all stored tiles in the order of level and index.
    pub fn tiles(&self, mut visit: impl FnMut(i64, &[u8])) -> Result<(), LogError> {
        let mut statement = self.connection.prepare("SELECT tile, hashes FROM tiles ORDER BY tile")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            visit(row.get(0)?, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?);
        }
        Ok(())
    }

    /// Visits every personal text row: number, subject kind, subject, kind, salt, text.
    pub fn personal_rows(&self, mut visit: impl FnMut(u64, [u8; 32], &str)) -> Result<(), LogError> {
        let mut statement = self.connection.prepare("SELECT number, salt, text FROM personal ORDER BY number")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let salt: Vec<u8> = row.get(1)?;
            let number: i64 = row.get(0)?;
            let text = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
            visit(u64::try_from(number).unwrap_or(0), salt.try_into().unwrap_or([0; 32]), text);
        }
        Ok(())
    }
}

impl TileSource for LogReader {
    type Error = LogError;

    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, LogError> {
        self.stored_tile(id)
    }
}

pub(super) fn read_head(connection: &Connection) -> Result<Position, LogError> {
    let mut statement = connection.prepare_cached("SELECT max(position) FROM events")?;
    let head: Option<i64> = statement.query_row([], |row| row.get(0))?;
    Ok(Position(head.and_then(|head| u64::try_from(head).ok()).unwrap_or(0)))
}

pub(super) fn read_tile(connection: &Connection, id: TileId) -> Result<Option<Vec<u8>>, LogError> {
    let mut statement = connection.prepare_cached("SELECT hashes FROM tiles WHERE tile = ?1")?;
    Ok(statement.query_row([id.key()], |row| row.get(0)).optional()?)
}
