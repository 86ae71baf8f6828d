//! The log as a relational file (`schema/export/`), for SQL tools: its records, what they change, and views for the common
//! questions.
//!
//! One pass over the records, each written where it belongs; what follows from many of them (an access that lasted from one to
//! another, a window) is kept in the file itself as far as it goes, so that a further run can go on. In memory is the state
//! that the records give, as in the server, and no history. A new file is made under another name, its indices at the end; a
//! further run is one transaction.

mod fold;
mod holdings;
mod quota;
mod rows;
mod texts;
mod traffic;

use self::fold::Fold;
use super::file::{put, temporary_beside};
use super::reached::Reached;
use super::selection::each;
use super::{ExportError, Exported, Selection};
use crate::audit::archive::{Archive, Range};
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, Position, TextNumber, TokenId};
use crate::domain::time::Timestamp;
use crate::log::LogError;
use crate::projections::keys::Key;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

const TABLES: &str = include_str!("../../../schema/export/001_tables.sql");
const INDICES: &str = include_str!("../../../schema/export/002_indices.sql");
const VIEWS: &str = include_str!("../../../schema/export/003_views.sql");
/// "TkLx": says that a file is an export of this program.
const APPLICATION_ID: i32 = 0x546b_4c78;
/// Step of the tables; a file of another one is not gone on with.
const SCHEMA_STEP: i32 = 2;
/// How long a further run waits for somebody who reads or writes the file.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);
/// A file without its name is thrown away after a crash: it needs no journal, and is synced when it is whole.
const SETTINGS_OF_NEW: &str =
    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536; PRAGMA locking_mode=EXCLUSIVE;";
/// What is erased is overwritten where it stood. Rows that were moved about before leave copies that this does not know of: see
/// [`forget`].
const SETTINGS_OF_KNOWN: &str = "PRAGMA secure_delete=ON; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;";
const STATEMENTS_KEPT: usize = 128;

/// What is asked of a relational file.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The file.
    pub path: &'a Path,
    /// What is in it.
    pub selection: &'a Selection,
    /// The last position.
    pub through: Position,
    /// Whether a file that is there is gone on with.
    pub is_incremental: bool,
}

/// Writes it. `progress` is told the position now and then.
pub fn export(archive: &Archive, wish: &Wish<'_>, progress: &mut dyn FnMut(Position)) -> Result<Exported, ExportError> {
    match (wish.path.exists(), wish.is_incremental) {
        (false, _) => make(archive, wish, progress),
        (true, true) => go_on(archive, wish, progress),
        (true, false) => {
            Err(ExportError::target(wish.path, "it is there already; name a new file, or say --incremental"))
        }
    }
}

fn make(archive: &Archive, wish: &Wish<'_>, progress: &mut dyn FnMut(Position)) -> Result<Exported, ExportError> {
    let file = temporary_beside(wish.path)?;
    let connection = Connection::open(file.path()).map_err(LogError::from)?;
    connection.execute_batch(SETTINGS_OF_NEW).map_err(LogError::from)?;
    connection.execute_batch("BEGIN").map_err(LogError::from)?;
    connection.execute_batch(TABLES).map_err(LogError::from)?;
    let exported = write(archive, wish, &connection, (Position::NONE, 0), progress)?;
    connection.execute_batch(INDICES).map_err(LogError::from)?;
    connection.execute_batch(VIEWS).map_err(LogError::from)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(LogError::from)?;
    connection.pragma_update(None, "user_version", SCHEMA_STEP).map_err(LogError::from)?;
    // What the planner of other tools knows of the tables.
    connection.execute_batch("COMMIT; PRAGMA analysis_limit=1000; ANALYZE;").map_err(LogError::from)?;
    connection.close().map_err(|(_, error)| LogError::from(error))?;
    put(file, wish.path, false)?;
    Ok(exported)
}

fn go_on(archive: &Archive, wish: &Wish<'_>, progress: &mut dyn FnMut(Position)) -> Result<Exported, ExportError> {
    let path = wish.path;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(LogError::from)?;
    connection.busy_timeout(BUSY_PATIENCE).map_err(LogError::from)?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let identity = pragma("application_id").and_then(|id| Ok((id, pragma("user_version")?)));
    match identity {
        Ok((APPLICATION_ID, SCHEMA_STEP)) => {}
        Ok((APPLICATION_ID, step)) => {
            let what = format!("its tables are of step {step}, this program writes step {SCHEMA_STEP}: make a new one");
            return Err(ExportError::target(path, what));
        }
        _ => return Err(ExportError::target(path, "it is no export of this program")),
    }
    connection.execute_batch(SETTINGS_OF_KNOWN).map_err(LogError::from)?;
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(LogError::from)?;
    let (reached, runs) =
        read_reached(&transaction)?.ok_or_else(|| ExportError::target(path, "it does not say what it holds"))?;
    reached.check(archive, wish.selection, path)?;
    let erased = erased_in(archive, (reached.position, wish.through.max(reached.position)))?;
    if texts::erase(&transaction, &erased)? {
        // The position stays where it was: a run that ends in between is gone through again.
        transaction.commit().map_err(LogError::from)?;
        forget(&connection)?;
        return go_on(archive, wish, progress);
    }
    let exported = write(archive, wish, &transaction, (reached.position, runs), progress)?;
    transaction.commit().map_err(LogError::from)?;
    Ok(exported)
}

/// The texts that records erased.
fn erased_in(archive: &Archive, range: Range) -> Result<Vec<(TextNumber, TextNumber)>, LogError> {
    let mut erased = Vec::new();
    archive.visit(&[Key::of_type("PersonalDataErased")], range, &mut |_, _, event| {
        if let Event::PersonalDataErased(event) = event {
            erased.extend(&event.texts);
        }
        ControlFlow::Continue(())
    })?;
    Ok(erased)
}

/// Writes every page anew, without what rows that were moved left in them. The planner notes no texts: with a limit to its
/// analysis it takes no samples.
fn forget(connection: &Connection) -> Result<(), LogError> {
    Ok(connection.execute_batch("VACUUM")?)
}

/// Writes the records after a position, and what the file then holds.
fn write(
    archive: &Archive,
    wish: &Wish<'_>,
    connection: &Connection,
    (after, runs): (Position, u64),
    progress: &mut dyn FnMut(Position),
) -> Result<Exported, ExportError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    let through = wish.through.max(after);
    let scope = fold::Scope::of(archive, wish.selection, through)?;
    let mut fold = Fold::new(archive, connection, scope, (after, runs))?;
    let (mut events, begin) = (0, fold.begin());
    each(archive, &fold.wanted(), (begin, through), progress, &mut |picked| {
        if fold.take(picked)? {
            events += 1;
        }
        Ok(())
    })?;
    let runs = fold.finish()?;
    write_reached(connection, archive, &Reached::at(archive, through, *wish.selection)?, runs)?;
    Ok(Exported { events, after, through, root: archive.root_at(through)? })
}

fn write_reached(connection: &Connection, archive: &Archive, reached: &Reached, runs: u64) -> Result<(), LogError> {
    let Reached { origin, log_vkey, position, root_hash, selection } = reached;
    connection.execute(
        "INSERT OR REPLACE INTO export (id, made_by, origin, log_vkey, position, root_hash, judged_at, account_id, token_id,
            from_time, runs) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            concat!("token-ledger ", env!("CARGO_PKG_VERSION")),
            origin,
            log_vkey,
            int(position.0),
            root_hash,
            archive.now().to_micros_text(),
            selection.account.map(|account| int(account.0)),
            selection.token.map(|token| int(token.0)),
            selection.from.map(Timestamp::to_micros_text),
            int(runs),
        ],
    )?;
    Ok(())
}

fn read_reached(connection: &Connection) -> Result<Option<(Reached, u64)>, LogError> {
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let row = connection.query_row(
        "SELECT origin, log_vkey, position, root_hash, account_id, token_id, from_time, runs FROM export",
        [],
        |row| {
            let selection = Selection {
                account: row.get::<_, Option<i64>>(4)?.map(|number| AccountId(unsigned(number))),
                token: row.get::<_, Option<i64>>(5)?.map(|number| TokenId(unsigned(number))),
                from: row.get::<_, Option<String>>(6)?.as_deref().and_then(Timestamp::parse),
            };
            let (origin, log_vkey, root_hash) = (row.get(0)?, row.get(1)?, row.get(3)?);
            let position = Position(unsigned(row.get(2)?));
            Ok((Reached { origin, log_vkey, position, root_hash, selection }, unsigned(row.get(7)?)))
        },
    );
    Ok(row.optional()?)
}

/// A number as SQLite has it.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number whose 0 means none.
fn some(number: u64) -> Option<i64> {
    (number > 0).then(|| int(number))
}
