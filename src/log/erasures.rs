//! Erasing personal texts for good, and keeping it so.
//!
//! Order of an erasure: its texts are announced in `erasures.db`, durably; the event is appended, and the rows go, in
//! one transaction; the announcement becomes an entry; the write-ahead log is emptied; only then there is an answer. A
//! crash on the way leaves either an announcement without its event, which is dropped, or one with it, which becomes an
//! entry, by the next opening, which empties the write-ahead log wherever something was erased. An entry is for ever: texts that an older copy of the ledger file brings back are
//! erased again before it is used. A file that was lost is made again from the log, which says the same as long as it
//! is the newer of the two.

use super::codec;
use super::data_dir::{DataDir, LogError, open_ledger};
use super::personal;
use super::reader::{LogReader, StoredText};
use crate::domain::event::Event;
use crate::domain::ids::{Position, TextNumber};
use crate::domain::text::Subject;
use rusqlite::{Connection, OpenFlags, params};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const APPLICATION_ID: i32 = 0x546b_4c65;
const SCHEMA_STEP: i32 = 1;
const PERSONAL_TABLE: &str = include_str!("../../schema/ledger/001_personal.sql");

/// A text that goes with a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Erasing {
    /// Its number.
    pub number: TextNumber,
    /// Which record of the batch, from 0, says so.
    pub record: usize,
    /// Commitment of a text that the same batch took up: it has no row to tell it by, and never gets one.
    pub taken_up: Option<[u8; 32]>,
}

/// What `erasures.db` says of a text.
struct Entry {
    commitment: [u8; 32],
    number: TextNumber,
    position: Position,
    is_finished: bool,
}

/// What a file of erasures took in from the log.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Completed {
    /// Texts that it did not know.
    pub texts: usize,
    /// Texts without a row that nothing says to be erased, or nothing that can be read.
    pub unknown: u64,
}

/// The file of what was erased. It is made by the first erasure.
#[derive(Debug)]
pub(super) struct ErasureFile {
    dir: DataDir,
    path: PathBuf,
}

impl ErasureFile {
    pub fn new(dir: &DataDir) -> Self {
        Self { dir: dir.clone(), path: dir.erasures() }
    }

    fn open(&self) -> Result<Connection, LogError> {
        if !self.path.exists() {
            self.dir.put_in_place(&self.path, make)?;
        }
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        check_identity(&connection, &self.path)?;
        connection.execute_batch("PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA; PRAGMA trusted_schema=OFF;")?;
        Ok(connection)
    }

    /// Announces what the batch that begins at `first` erases. What is an entry already stays one.
    pub fn announce(&self, ledger: &Connection, first: Position, erasing: &[Erasing]) -> Result<(), LogError> {
        let mut file = self.open()?;
        let transaction = file.transaction()?;
        {
            let mut insert = transaction.prepare(
                "INSERT INTO erased (commitment, number, position, finished) VALUES (?1, ?2, ?3, 0)
                 ON CONFLICT (commitment) DO UPDATE SET position = excluded.position",
            )?;
            for text in erasing {
                let row = personal::row(ledger, text.number)?;
                let Some(commitment) = row.as_ref().map(commitment_of).or(text.taken_up) else { continue };
                let position = first.0 + text.record as u64;
                insert.execute(params![&commitment[..], signed(text.number.0), signed(position)])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Every announcement becomes an entry, those of batches that were rolled back apart.
    pub fn finish(&self, log: &LogReader) -> Result<(), LogError> {
        self.drop_unheard(log)?;
        self.open()?.execute("UPDATE erased SET finished = 1 WHERE finished = 0", [])?;
        Ok(())
    }

    /// Drops announcements whose event is not in the log. False: there is nothing in the file.
    pub fn drop_unheard(&self, log: &LogReader) -> Result<bool, LogError> {
        if !self.path.exists() {
            return Ok(false);
        }
        let file = self.open()?;
        for entry in entries(&file, true)? {
            if !is_erased_at(log, entry.position, entry.number)? {
                file.execute("DELETE FROM erased WHERE commitment = ?1", [&entry.commitment[..]])?;
            }
        }
        Ok(file.query_row("SELECT EXISTS (SELECT 1 FROM erased)", [], |row| row.get(0))?)
    }

    /// Takes in what the log says is erased and the file does not know: it was lost, or an older one is in its place.
    /// Nothing is looked for in the log unless texts without a row are missing here.
    pub fn complete(&self, ledger: &Connection, log: &LogReader, last_text: TextNumber) -> Result<Completed, LogError> {
        if self.unknown(ledger, log, last_text)? == 0 {
            return Ok(Completed::default());
        }
        let erased = erased_by_the_log(ledger, log)?;
        let mut file = self.open()?;
        let transaction = file.transaction()?;
        let mut added = 0;
        {
            // The log has their events, so they are entries at once: no older copy of it may take them for announcements.
            let mut insert = transaction.prepare(
                "INSERT INTO erased (commitment, number, position, finished) VALUES (?1, ?2, ?3, 1)
                 ON CONFLICT (commitment) DO NOTHING",
            )?;
            let mut place = transaction.prepare("UPDATE erased SET position = ?2 WHERE commitment = ?1")?;
            for entry in erased {
                let (number, position) = (signed(entry.number.0), signed(entry.position.0));
                added += insert.execute(params![&entry.commitment[..], number, position])?;
                place.execute(params![&entry.commitment[..], position])?;
            }
        }
        transaction.commit()?;
        Ok(Completed { texts: added, unknown: self.unknown(ledger, log, last_text)? })
    }

    /// How many texts up to a number have no row, and no entry that the log bears out.
    fn unknown(&self, ledger: &Connection, log: &LogReader, last_text: TextNumber) -> Result<u64, LogError> {
        let rows: i64 =
            ledger.query_row("SELECT count(*) FROM personal WHERE number <= ?1", [signed(last_text.0)], |row| {
                row.get(0)
            })?;
        let gone = last_text.0.saturating_sub(u64::try_from(rows).unwrap_or(0));
        if gone == 0 || !self.path.exists() {
            return Ok(gone);
        }
        // A log that went on from an older copy gave numbers of the lost history to other texts: the same number counts
        // only where this log erased it, and once.
        let mut entries = entries(&open_to_read(&self.path)?, false)?;
        entries.sort_by_key(|entry| entry.position);
        let (mut known, mut said) = (BTreeSet::new(), (Position::NONE, Vec::new()));
        for entry in entries {
            if entry.number > last_text || personal::row(ledger, entry.number)?.is_some() {
                continue;
            }
            if said.0 != entry.position {
                // A record that cannot be read bears nothing out.
                said = (entry.position, erased_at(log, entry.position).unwrap_or_default());
            }
            if holds(&said.1, entry.number) {
                known.insert(entry.number);
            }
        }
        Ok(gone.saturating_sub(known.len() as u64))
    }

    /// Texts that were erased and have a row all the same, by subject. Announcements do not count: those that this log
    /// bears out have no row.
    pub fn come_back(&self, ledger: &Connection) -> Result<Vec<(Subject, TextNumber)>, LogError> {
        let mut back = Vec::new();
        for entry in entries(&self.open()?, false)?.into_iter().filter(|entry| entry.is_finished) {
            let Some(row) = personal::row(ledger, entry.number)? else { continue };
            if commitment_of(&row) == entry.commitment
                && let Some(subject) = personal::subject_of(row.subject_kind, row.subject)
            {
                back.push((subject, entry.number));
            }
        }
        back.sort_unstable();
        Ok(back)
    }
}

/// What the log says is erased, of texts that have no row. Records that cannot be read say nothing here; `verify` names
/// them.
fn erased_by_the_log(ledger: &Connection, log: &LogReader) -> Result<Vec<Entry>, LogError> {
    let (mut gone, mut erased, mut failure) = (BTreeMap::new(), Vec::new(), None);
    log.scan(Position::NONE, log.head()?, |position, record| {
        match codec::decode(record) {
            Ok((_, Event::TextSeen(seen))) => match personal::row(ledger, seen.number) {
                Ok(None) => drop(gone.insert(seen.number, seen.commitment)),
                Ok(Some(_)) => {}
                Err(error) => {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
            },
            Ok((_, Event::PersonalDataErased(of))) => {
                for (first, last) in of.texts {
                    let texts = gone.extract_if(first..=last, |_, _| true);
                    let entry = |(number, commitment)| Entry { commitment, number, position, is_finished: true };
                    erased.extend(texts.map(entry));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    failure.map_or(Ok(erased), |error| Err(error.into()))
}

/// How many of the texts up to a number have no row, though the file of erasures does not know that they were erased.
pub fn texts_not_kept_erased(dir: &DataDir, log: &LogReader, last_text: TextNumber) -> Result<u64, LogError> {
    let ledger = open_ledger(dir, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    ErasureFile::new(dir).unknown(&ledger, log, last_text)
}

/// How many texts a copy still holds that were erased, by the file of erasures beside it.
pub fn texts_to_erase_again(dir: &DataDir) -> Result<usize, LogError> {
    let file = ErasureFile::new(dir);
    if !file.path.exists() {
        return Ok(0);
    }
    Ok(file.come_back(&open_ledger(dir, OpenFlags::SQLITE_OPEN_READ_ONLY)?)?.len())
}

/// How many texts the file keeps erased; none if there is no file.
pub fn texts_kept_erased(dir: &DataDir) -> Result<Option<usize>, LogError> {
    let path = dir.erasures();
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(entries(&open_to_read(&path)?, false)?.len()))
}

/// Refuses a file in the place of another that knows more: one of another log, or one that is older. Nothing is changed.
pub(super) fn check_holds_all_of(file: &Connection, path: &Path, own: &DataDir) -> Result<(), LogError> {
    if !own.erasures().exists() {
        return Ok(());
    }
    let known = open_to_read(&own.erasures())?;
    // Announcements may be of an event that never came: the log drops those.
    for entry in entries(&known, false)?.into_iter().filter(|entry| entry.is_finished) {
        let holds: bool = file.query_row(
            "SELECT EXISTS (SELECT 1 FROM erased WHERE commitment = ?1)",
            [&entry.commitment[..]],
            |row| row.get(0),
        )?;
        if !holds {
            let what =
                "it lacks a text that the backup knows to be erased: it is of another log, or older than the backup";
            return Err(LogError::BadFile { path: path.to_owned(), what: what.to_owned() });
        }
    }
    Ok(())
}

/// Opens a file of erasures to copy it; one that is none is refused.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, LogError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    check_identity(&connection, path)?;
    Ok(connection)
}

fn check_identity(connection: &Connection, path: &Path) -> Result<(), LogError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    match pragma("application_id").and_then(|id| Ok((id, pragma("user_version")?))) {
        Ok((APPLICATION_ID, SCHEMA_STEP)) => Ok(()),
        Ok((APPLICATION_ID, found)) => Err(LogError::OtherSchema { path: path.to_owned(), found }),
        _ => Err(LogError::Foreign(path.to_owned())),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What the record of a text commits to, from its row.
fn commitment_of(row: &StoredText) -> [u8; 32] {
    Sha256::new().chain_update(&row.salt).chain_update(&row.text).finalize().into()
}

/// Announcements alone, or with all entries.
fn entries(file: &Connection, announced_only: bool) -> Result<Vec<Entry>, LogError> {
    let mut statement = file.prepare(
        "SELECT commitment, number, position, finished FROM erased WHERE finished = 0 OR NOT ?1 ORDER BY number",
    )?;
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let rows = statement.query_map([announced_only], |row| {
        Ok(Entry {
            commitment: row.get(0)?,
            number: TextNumber(unsigned(row.get(1)?)),
            position: Position(unsigned(row.get(2)?)),
            is_finished: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn is_erased_at(log: &LogReader, position: Position, number: TextNumber) -> Result<bool, LogError> {
    Ok(holds(&erased_at(log, position)?, number))
}

/// Ranges of texts that the record at a position erases; none if it is another.
fn erased_at(log: &LogReader, position: Position) -> Result<Vec<(TextNumber, TextNumber)>, LogError> {
    let Some(record) = log.record(position)? else { return Ok(Vec::new()) };
    let (_, event) = codec::decode(&record).map_err(|error| LogError::undecodable(position, &error))?;
    let Event::PersonalDataErased(erased) = event else { return Ok(Vec::new()) };
    Ok(erased.texts)
}

/// Whether a text is in one of the ranges of a `PersonalDataErased`.
pub(super) fn holds(ranges: &[(TextNumber, TextNumber)], number: TextNumber) -> bool {
    ranges.iter().any(|&(first, last)| (first..=last).contains(&number))
}

/// Takes the texts of a batch from the file, within its transaction: the rows that stay are written into a new table,
/// and the old one is dropped (why, says `001_personal.sql`).
pub(super) fn take_away(connection: &Connection, erasing: &[Erasing]) -> Result<(), LogError> {
    if erasing.is_empty() {
        return Ok(());
    }
    connection.execute_batch(
        "CREATE TEMP TABLE erasing (number INTEGER PRIMARY KEY) STRICT;
         DROP INDEX personal_by_text; ALTER TABLE personal RENAME TO personal_before;",
    )?;
    connection.execute_batch(PERSONAL_TABLE)?;
    {
        let mut insert = connection.prepare("INSERT OR IGNORE INTO temp.erasing (number) VALUES (?1)")?;
        for text in erasing {
            insert.execute([signed(text.number.0)])?;
        }
    }
    connection.execute_batch(
        "INSERT INTO personal SELECT * FROM personal_before WHERE number NOT IN (SELECT number FROM temp.erasing)
         ORDER BY number; DROP TABLE personal_before; DROP TABLE temp.erasing;",
    )?;
    Ok(())
}

/// The file in one durable transaction, with no journal beside it: what a crash leaves has no name yet anyway.
fn make(path: &Path) -> Result<(), LogError> {
    let connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=FULL; BEGIN IMMEDIATE; {} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_STEP}; COMMIT;",
        include_str!("../../schema/erasures/001_erasures.sql")
    ))?;
    connection.close().map_err(|(_, error)| LogError::Sqlite(error))
}
