//! Reading the log: records from a position on, tiles, texts. Read-only, in short transactions, beside a writer.

use super::codec;
use super::data_dir::{DataDir, LogError, open_ledger};
use super::merkle::{TileId, TileSource};
use super::personal::{self, TextReader};
use crate::domain::event::{Event, Header};
use crate::domain::ids::{Position, TextNumber};
use crate::domain::text::TextKind;
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension};
use std::ops::ControlFlow;

mod picked;

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
        let through = i64::try_from(through.0).unwrap_or(i64::MAX);
        let statement = self.connection.prepare_cached(
            "SELECT position, record FROM events WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3",
        )?;
        visit_pages(statement, after, |last| [last, through, ROWS_A_TRANSACTION], &mut visit)
    }

    /// Reads several times in one read transaction, which costs less than one each. What is read is to be little: while it
    /// lasts the write-ahead log cannot begin anew.
    pub fn in_one_look<T>(&self, read: impl FnOnce() -> Result<T, LogError>) -> Result<T, LogError> {
        let look = self.connection.is_autocommit().then(|| self.connection.unchecked_transaction()).transpose()?;
        let found = read()?;
        look.map_or(Ok(()), |look| look.finish().map_err(LogError::from))?;
        Ok(found)
    }

    /// Visits records from `before` (exclusive) downwards.
    pub fn scan_back(
        &self,
        before: Position,
        mut visit: impl FnMut(Position, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let statement = self.connection.prepare_cached(
            "SELECT position, record FROM events WHERE position < ?1 ORDER BY position DESC LIMIT ?2",
        )?;
        visit_pages(statement, before, |last| [last, ROWS_A_TRANSACTION], &mut visit)
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

    /// The stored bytes of the tile row with this key, whatever the key says.
    pub fn tile_row(&self, key: i64) -> Result<Option<Vec<u8>>, LogError> {
        let mut statement = self.connection.prepare_cached("SELECT hashes FROM tiles WHERE tile = ?1")?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }

    /// Keys and byte lengths of the tile rows after `after`, in order, at most a transaction's worth of them.
    pub fn tile_lengths(&self, after: i64) -> Result<Vec<(i64, u64)>, LogError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT tile, length(hashes) FROM tiles WHERE tile > ?1 ORDER BY tile LIMIT ?2")?;
        let rows = statement.query_map([after, ROWS_A_TRANSACTION], |row| {
            Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The row of a personal text, as it is stored.
    pub fn text_row(&self, number: TextNumber) -> Result<Option<StoredText>, LogError> {
        Ok(personal::row(&self.connection, number)?)
    }

    /// Numbers of personal text rows after `after`, up to and with `through`, at most a transaction's worth of them.
    pub fn text_numbers(&self, after: TextNumber, through: TextNumber) -> Result<Vec<TextNumber>, LogError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT number FROM personal WHERE number > ?1 AND number <= ?2 ORDER BY number LIMIT ?3",
        )?;
        let bound = |number: TextNumber| i64::try_from(number.0).unwrap_or(i64::MAX);
        let rows = statement.query_map([bound(after), bound(through), ROWS_A_TRANSACTION], |row| {
            Ok(TextNumber(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Numbers of a resource's name: each account has its own.
    pub fn numbers_of_resource_name(&self, name: &str) -> Result<Vec<TextNumber>, LogError> {
        Ok(personal::numbers_of(&self.connection, TextKind::ResourceName, name)?)
    }

    /// The highest number of a personal text row; none if there are no rows.
    pub fn last_text_number(&self) -> Result<TextNumber, LogError> {
        let mut statement = self.connection.prepare_cached("SELECT max(number) FROM personal")?;
        let last: Option<i64> = statement.query_row([], |row| row.get(0))?;
        Ok(TextNumber(last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0)))
    }
}

/// A row of the `personal` table, unjudged.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredText {
    /// 0 the service, 1 an account, 2 a user.
    pub subject_kind: i64,
    /// Number of that account or user.
    pub subject: i64,
    /// Kind of text, in the order of [`TEXT_KINDS`](crate::domain::text::TEXT_KINDS).
    pub kind: i64,
    /// Number of the token that it came with; 0 for none.
    pub token: i64,
    /// Its salt.
    pub salt: Vec<u8>,
    /// The text's bytes.
    pub text: Vec<u8>,
}

impl std::fmt::Debug for StoredText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredText({} bytes)", self.text.len())
    }
}

impl TileSource for LogReader {
    type Error = LogError;

    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, LogError> {
        self.stored_tile(id)
    }
}

/// Visits page after page, each in a transaction of its own, going on from the last position seen.
fn visit_pages<P: rusqlite::Params>(
    mut statement: CachedStatement<'_>,
    start: Position,
    bounds: impl Fn(i64) -> P,
    visit: &mut impl FnMut(Position, &[u8]) -> ControlFlow<()>,
) -> Result<(), LogError> {
    let mut last = i64::try_from(start.0).unwrap_or(i64::MAX);
    loop {
        let from = last;
        let mut rows = statement.query(bounds(last))?;
        while let Some(row) = rows.next()? {
            last = row.get(0)?;
            let record = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            if visit(Position(u64::try_from(last).unwrap_or(0)), record).is_break() {
                return Ok(());
            }
        }
        if last == from {
            return Ok(());
        }
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
