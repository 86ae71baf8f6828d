//! Windows and what each token had of them: as in `audit/quota.rs`, of all accounts and users at once.

use super::int;
use crate::domain::event::{Cause, Event, Header, QuotaRefusalsTotalled};
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::state::State;
use crate::domain::time::{Month, Timestamp};
use crate::domain::token::Owner;
use crate::domain::window::WINDOW_SECONDS;
use crate::log::LogError;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Windows gathered in memory at most; then they are written.
const GATHERED_MAX: usize = 4_096;

/// Account, user (one of them 0), and the second at which it opened.
type WindowKey = (u64, u64, u64);

#[derive(Debug, Default)]
struct Gathered {
    limit: u64,
    /// The run of recording that recorded the first refusal by itself, and whose it was.
    first_refused: Option<(u64, u64)>,
    /// What is new of each token: drawn and refused.
    shares: BTreeMap<u64, (i64, i64)>,
}

/// Windows on their way into the file.
#[derive(Debug)]
pub(super) struct Quota {
    windows: BTreeMap<WindowKey, Gathered>,
    runs: u64,
}

impl Quota {
    pub(super) fn new(runs: u64) -> Self {
        Self { windows: BTreeMap::new(), runs }
    }

    /// How often recording had begun.
    pub(super) fn runs(&self) -> u64 {
        self.runs
    }

    /// Counts the runs of recording.
    pub(super) fn count_runs(&mut self, event: &Event) {
        self.runs += u64::from(matches!(event, Event::RecordingStarted(_)));
    }

    /// Takes in a record; the state is the one after it.
    pub(super) fn take(
        &mut self,
        connection: &Connection,
        state: &State,
        (header, event): (&Header, &Event),
    ) -> Result<(), LogError> {
        let (token, at) = (header.token, header.recorded_at);
        match event {
            Event::TokenUsed(used) => {
                if let Some((window, limit)) = self.current(connection, state, header)? {
                    window.limit = limit;
                    window.shares.entry(token.0).or_default().0 += i64::from(used.general);
                }
                if used.research > 0 {
                    add_research(connection, header.account, at.month(), token, (i64::from(used.research), 0))?;
                }
            }
            Event::TokenUseRefused(refused) if refused.cause == Cause::QuotaExceeded => {
                let run = self.runs;
                if let Some((window, _)) = self.current(connection, state, header)? {
                    window.shares.entry(token.0).or_default().1 += 1;
                    window.first_refused = Some((run, token.0));
                }
            }
            Event::TokenUseRefused(refused) if refused.cause == Cause::MonthlyCapReached => {
                add_research(connection, header.account, at.month(), token, (0, 1))?;
            }
            Event::RefusalsSummed(summed) => {
                let capped = summed.counts.iter().filter(|(cause, _)| *cause == Cause::MonthlyCapReached);
                let count: u64 = capped.map(|(_, count)| count).sum();
                if count > 0 {
                    add_research(connection, header.account, summed.first.month(), token, (0, int(count)))?;
                }
            }
            Event::QuotaRefusalsTotalled(totalled) => self.add_total(connection, header, totalled)?,
            Event::HourlyLimitChanged(changed) => {
                let window = state.account(header.account).map(|account| account.window);
                if let Some(window) = window.filter(|window| window.is_open(at))
                    && let Some(gathered) = self.window(connection, (header.account.0, 0, window.opened_at), None)?
                {
                    gathered.limit = changed.to;
                }
            }
            _ => {}
        }
        if self.windows.len() > GATHERED_MAX {
            self.write(connection)?;
        }
        Ok(())
    }

    /// The window that the header's pool drew from last, with the limit in force.
    fn current(
        &mut self,
        connection: &Connection,
        state: &State,
        header: &Header,
    ) -> Result<Option<(&mut Gathered, u64)>, LogError> {
        let Some(owner) = state.token(header.token).map(|token| token.owner) else { return Ok(None) };
        let Some((limit, window)) = state.pool(header.account, owner) else { return Ok(None) };
        let user = match owner {
            Owner::User(user) if header.account.is_none() => user.0,
            _ => 0,
        };
        let key = (header.account.0, user, window.opened_at);
        Ok(self.window(connection, key, Some(limit))?.map(|gathered| (gathered, limit)))
    }

    /// A window in memory, or as it is in the file; of one that is not there a new one with the limit that is given.
    fn window(
        &mut self,
        connection: &Connection,
        key: WindowKey,
        limit: Option<u64>,
    ) -> Result<Option<&mut Gathered>, LogError> {
        match self.windows.entry(key) {
            Entry::Occupied(held) => Ok(Some(held.into_mut())),
            Entry::Vacant(place) => {
                let written = read(connection, key)?;
                let begun = || limit.map(|limit| Gathered { limit, ..Gathered::default() });
                Ok(written.or_else(begun).map(|gathered| place.insert(gathered)))
            }
        }
    }

    /// The refusal that was recorded by itself is in the first total of its run, and in none if that run crashed before it.
    fn add_total(
        &mut self,
        connection: &Connection,
        header: &Header,
        totalled: &QuotaRefusalsTotalled,
    ) -> Result<(), LogError> {
        let (run, key) = (self.runs, (header.account.0, totalled.user.0, totalled.window_opened_at));
        let Some(window) = self.window(connection, key, None)? else { return Ok(()) };
        let counts = |token: u64| totalled.counts.iter().any(|(other, count)| other.0 == token && *count > 0);
        if let Some((_, token)) = window.first_refused.filter(|&(of, token)| of == run && counts(token)) {
            window.first_refused = None;
            window.shares.entry(token).or_default().1 -= 1;
        }
        for (token, count) in &totalled.counts {
            window.shares.entry(token.0).or_default().1 += int(*count);
        }
        Ok(())
    }

    /// Writes what is gathered.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), LogError> {
        for (key, gathered) in std::mem::take(&mut self.windows) {
            write(connection, key, &gathered)?;
        }
        Ok(())
    }
}

fn read(connection: &Connection, (account, user, opened): WindowKey) -> Result<Option<Gathered>, LogError> {
    let mut statement = connection.prepare_cached(
        "SELECT hourly_limit, first_refused_run, first_refused_token FROM windows
         WHERE account_id = ?1 AND user_id = ?2 AND opened_second = ?3",
    )?;
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let found = statement.query_row([int(account), int(user), int(opened)], |row| {
        let first: (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
        let first_refused = first.0.zip(first.1).map(|(run, token)| (unsigned(run), unsigned(token)));
        Ok(Gathered { limit: unsigned(row.get(0)?), first_refused, shares: BTreeMap::new() })
    });
    Ok(found.optional()?)
}

fn write(connection: &Connection, (account, user, opened): WindowKey, gathered: &Gathered) -> Result<(), LogError> {
    let mut window = connection.prepare_cached(
        "INSERT OR REPLACE INTO windows (account_id, user_id, opened_second, opened_at, resets_at, hourly_limit,
            first_refused_run, first_refused_token) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let text = |seconds: u64| (opened > 0).then(|| Timestamp::from_seconds(seconds).to_seconds_text());
    let first = gathered.first_refused;
    window.execute(params![
        int(account),
        int(user),
        int(opened),
        text(opened),
        text(opened + WINDOW_SECONDS),
        int(gathered.limit),
        first.map(|(run, _)| int(run)),
        first.map(|(_, token)| int(token)),
    ])?;
    let mut share = connection.prepare_cached(
        "INSERT INTO window_shares (account_id, user_id, opened_second, token_id, used, refused)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET used = used + excluded.used, refused = refused + excluded.refused",
    )?;
    for (token, (used, refused)) in &gathered.shares {
        share.execute([int(account), int(user), int(opened), int(*token), *used, *refused])?;
    }
    Ok(())
}

fn add_research(
    connection: &Connection,
    account: AccountId,
    month: Month,
    token: TokenId,
    (used, refused): (i64, i64),
) -> Result<(), LogError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO research_months (account_id, month, token_id, used, refused) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET used = used + excluded.used, refused = refused + excluded.refused",
    )?;
    statement.execute(params![int(account.0), month.to_text(), int(token.0), used, refused])?;
    Ok(())
}
