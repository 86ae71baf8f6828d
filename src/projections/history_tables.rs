//! The history tables of `views.db`: rows moved in, and read.

use super::history::{ClosedWindow, Gathered, HourKey, HourUse};
use super::snapshot::FOLD_VERSION;
use super::views::Views;
use crate::domain::access::GroupNumber;
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::log::LogError;
use crate::log::merkle::leaf_hash;
use crate::log::reader::LogReader;
use rusqlite::{OptionalExtension, Row, Statement, params};

/// Rows written before the caller may do something else.
const ROWS_A_STEP: usize = 1_024;
/// Hours looked at for one page: more than a year of them.
const HOURS_A_PAGE: u64 = 10_000;

/// Rows of a table in order, and where to go on; none at the end.
pub type Page<T> = (Vec<T>, Option<u64>);

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

impl Views {
    /// Up to where the tables hold everything; none if they are empty, of another log, or another program's.
    pub fn history_position(&self, log: &LogReader) -> Result<Position, LogError> {
        if !self.is_ours()? {
            return Ok(Position::NONE);
        }
        let row = self.connection.query_row("SELECT position, fold_version, leaf_hash FROM history", [], |row| {
            Ok((Position(read(row, 0)?), row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        });
        let Some((position, FOLD_VERSION, leaf)) = row.optional()? else { return Ok(Position::NONE) };
        match log.record(position)? {
            Some(record) if leaf_hash(&record)[..] == leaf[..] => Ok(position),
            _ => Ok(Position::NONE),
        }
    }

    /// Whether the file has the tables, filled or not.
    pub fn has_history(&self) -> Result<bool, LogError> {
        self.is_ours()
    }

    /// Where the tables stand, whosever they are.
    fn stand(&self) -> rusqlite::Result<Position> {
        let stand = self.connection.query_row("SELECT position FROM history", [], |row| read(row, 0)).optional()?;
        Ok(Position(stand.unwrap_or(0)))
    }

    /// Sees the file as it is now from here on, whatever is written meanwhile, and says where its tables stand.
    pub fn hold(&self) -> Result<Position, LogError> {
        self.connection.execute_batch("BEGIN")?;
        Ok(self.stand()?)
    }

    /// Moves rows into the tables, which must stand at `from`; after it they stand at `through`, whose record has this
    /// leaf hash. False, with nothing changed, if they stand elsewhere. All in one transaction, with a call of `between`
    /// now and then: a crash before its end leaves the tables at `from`.
    pub fn move_in(
        &mut self,
        rows: &Gathered,
        from: Position,
        (through, leaf): (Position, [u8; 32]),
        between: &mut dyn FnMut(),
    ) -> Result<bool, LogError> {
        // Sorted first: neighbours in the table are then written together.
        let (windows, hours) = (rows.windows(), rows.hours());
        if self.stand()? != from {
            return Ok(false);
        }
        let transaction = self.connection.transaction()?;
        transaction
            .prepare_cached(
                "INSERT INTO history (id, position, fold_version, leaf_hash) VALUES (1, ?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET position = excluded.position, leaf_hash = excluded.leaf_hash",
            )?
            .execute(params![number(through.0), FOLD_VERSION, &leaf[..]])?;
        for windows in windows.chunks(ROWS_A_STEP) {
            let mut put = transaction.prepare_cached(PUT_WINDOW)?;
            put_windows(&mut put, windows)?;
            between();
        }
        for hours in hours.chunks(ROWS_A_STEP) {
            let mut uses = transaction.prepare_cached(ADD_USES)?;
            let mut refusal = transaction.prepare_cached(ADD_REFUSALS)?;
            put_hours(&mut uses, &mut refusal, hours)?;
            between();
        }
        transaction.commit()?;
        Ok(true)
    }

    /// Closed windows of a pool that opened at or after `from` and before `to` (Unix seconds), at most `limit`.
    pub fn closed_windows(
        &self,
        (account, user): (AccountId, UserId),
        (from, to): (u64, u64),
        limit: usize,
    ) -> Result<Page<ClosedWindow>, LogError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT account, user, opened_at, hourly_limit, used, refused FROM closed_windows
             WHERE account = ?1 AND user = ?2 AND opened_at >= ?3 AND opened_at < ?4 ORDER BY opened_at LIMIT ?5",
        )?;
        // One more than asked for says whether there are more.
        let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let parameters = [number(account.0), number(user.0), number(from), number(to), one_more];
        let mut windows: Vec<_> = statement.query_map(parameters, read_window)?.collect::<Result<_, _>>()?;
        let next = windows.get(limit).map(|window: &ClosedWindow| window.opened_at);
        windows.truncate(limit);
        Ok((windows, next))
    }

    /// The last closed window of a pool that opened at or before a time (Unix seconds).
    pub fn closed_window_until(
        &self,
        (account, user): (AccountId, UserId),
        at: u64,
    ) -> Result<Option<ClosedWindow>, LogError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT account, user, opened_at, hourly_limit, used, refused FROM closed_windows
             WHERE account = ?1 AND user = ?2 AND opened_at <= ?3 ORDER BY opened_at DESC LIMIT 1",
        )?;
        Ok(statement.query_row([number(account.0), number(user.0), number(at)], read_window).optional()?)
    }

    /// Rows of a token from an hour on, before another; whole hours, and no more of them once `limit` rows are found or
    /// many hours were looked at.
    pub fn token_hours(
        &self,
        token: TokenId,
        (from, to): (u64, u64),
        limit: usize,
    ) -> Result<Page<(HourKey, HourUse)>, LogError> {
        let first = self.connection.query_row("SELECT min(hour) FROM token_hours", [], |row| row.get(0))?;
        let last = self.connection.query_row("SELECT max(hour) FROM token_hours", [], |row| row.get(0))?;
        let (Some(first), Some(last)): (Option<i64>, Option<i64>) = (first, last) else {
            return Ok((Vec::new(), None));
        };
        let bound = |hour: i64| u64::try_from(hour).unwrap_or(0);
        let (mut hour, end) = (from.max(bound(first)), to.min(bound(last) + 1));
        let stop = hour.saturating_add(HOURS_A_PAGE);
        let mut rows = Vec::new();
        let mut uses = self
            .connection
            .prepare_cached("SELECT account, uses, last_group FROM token_hours WHERE hour = ?1 AND token = ?2")?;
        while hour < end {
            if rows.len() >= limit || hour >= stop {
                return Ok((rows, Some(hour)));
            }
            let found = uses.query_map([number(hour), number(token.0)], |row| {
                let last_group = row.get::<_, Option<GroupNumber>>(2)?;
                Ok((AccountId(read(row, 0)?), HourUse { uses: read(row, 1)?, last_group, ..HourUse::default() }))
            })?;
            for row in found {
                let (account, mut hour_use) = row?;
                self.read_refusals((hour, token, account), &mut hour_use)?;
                rows.push(((hour, token, account), hour_use));
            }
            hour += 1;
        }
        Ok((rows, None))
    }

    /// Uses of some tokens by UTC day (since the epoch), in the hours from one on and before another.
    pub fn token_days(&self, tokens: &[TokenId], (from, to): (u64, u64)) -> Result<Vec<(TokenId, u64, u64)>, LogError> {
        // Each hour of each token is looked for by itself: the key begins with the hour, and of many tokens few are asked for.
        let mut statement = self.connection.prepare_cached(
            "WITH RECURSIVE hours (hour) AS (SELECT ?1 WHERE ?1 < ?2 UNION ALL SELECT hour + 1 FROM hours WHERE hour + 1 < ?2)
             SELECT used.token, used.hour / 24, sum(used.uses)
             FROM hours CROSS JOIN json_each(?3) AS wanted CROSS JOIN token_hours AS used
             WHERE used.hour = hours.hour AND used.token = wanted.value
             GROUP BY used.token, used.hour / 24",
        )?;
        let numbers: Vec<String> = tokens.iter().map(|token| token.0.to_string()).collect();
        let wanted = format!("[{}]", numbers.join(","));
        let rows = statement.query_map(params![number(from), number(to), wanted], |row| {
            Ok((TokenId(read(row, 0)?), read(row, 1)?, read(row, 2)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn read_refusals(&self, (hour, token, account): HourKey, into: &mut HourUse) -> Result<(), LogError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT cause, refused FROM token_hour_refusals WHERE hour = ?1 AND token = ?2 AND account = ?3",
        )?;
        let refusals = statement.query_map([number(hour), number(token.0), number(account.0)], |row| {
            Ok((row.get::<_, String>(0)?, read(row, 1)?))
        })?;
        for refusal in refusals {
            let (cause, count) = refusal?;
            into.refused.insert(cause, count);
        }
        Ok(())
    }

    /// Visits all closed windows in order.
    pub fn each_window(&self, visit: &mut dyn FnMut(ClosedWindow)) -> Result<(), LogError> {
        let mut statement = self.connection.prepare(
            "SELECT account, user, opened_at, hourly_limit, used, refused FROM closed_windows
             ORDER BY account, user, opened_at",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            visit(read_window(row)?);
        }
        Ok(())
    }

    /// Visits all rows of uses in order; after them refusals that have no row of uses, which should not be there.
    pub fn each_hour(&self, visit: &mut dyn FnMut(HourKey, &HourUse)) -> Result<(), LogError> {
        let mut statement = self
            .connection
            .prepare("SELECT hour, token, account, uses, last_group FROM token_hours ORDER BY hour, token, account")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = (read(row, 0)?, TokenId(read(row, 1)?), AccountId(read(row, 2)?));
            let mut hour_use = HourUse { uses: read(row, 3)?, last_group: row.get(4)?, ..HourUse::default() };
            self.read_refusals(key, &mut hour_use)?;
            visit(key, &hour_use);
        }
        let mut statement = self.connection.prepare(
            "SELECT hour, token, account, cause, refused FROM token_hour_refusals AS refusal WHERE NOT EXISTS
             (SELECT 1 FROM token_hours AS uses WHERE (uses.hour, uses.token, uses.account) =
              (refusal.hour, refusal.token, refusal.account))",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = (read(row, 0)?, TokenId(read(row, 1)?), AccountId(read(row, 2)?));
            let refused = [(row.get(3)?, read(row, 4)?)].into();
            visit(key, &HourUse { refused, ..HourUse::default() });
        }
        Ok(())
    }
}

const PUT_WINDOW: &str = "INSERT OR REPLACE INTO closed_windows
    (account, user, opened_at, closed_at, hourly_limit, used, refused) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const ADD_USES: &str = "INSERT INTO token_hours (hour, token, account, uses, last_group) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (hour, token, account) DO UPDATE SET
    uses = uses + excluded.uses, last_group = coalesce(excluded.last_group, last_group)";

const ADD_REFUSALS: &str = "INSERT INTO token_hour_refusals (hour, token, account, cause, refused)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (hour, token, account, cause) DO UPDATE SET refused = refused + excluded.refused";

fn put_windows(put: &mut Statement<'_>, windows: &[ClosedWindow]) -> rusqlite::Result<()> {
    for window in windows {
        put.execute([
            number(window.account.0),
            number(window.user.0),
            number(window.opened_at),
            number(window.closed_at()),
            number(window.limit),
            number(window.used),
            number(window.refused),
        ])?;
    }
    Ok(())
}

fn put_hours(
    uses: &mut Statement<'_>,
    refusal: &mut Statement<'_>,
    hours: &[(HourKey, &HourUse)],
) -> rusqlite::Result<()> {
    for ((hour, token, account), row) in hours {
        let (hour, token, account) = (number(*hour), number(token.0), number(account.0));
        uses.execute(params![hour, token, account, number(row.uses), row.last_group])?;
        for (cause, count) in &row.refused {
            refusal.execute(params![hour, token, account, cause, number(*count)])?;
        }
    }
    Ok(())
}

fn read_window(row: &Row<'_>) -> rusqlite::Result<ClosedWindow> {
    Ok(ClosedWindow {
        account: AccountId(read(row, 0)?),
        user: UserId(read(row, 1)?),
        opened_at: read(row, 2)?,
        limit: read(row, 3)?,
        used: read(row, 4)?,
        refused: read(row, 5)?,
    })
}
