//! Reading history: from the tables, and from what is not in them yet.

use super::handle::Ledger;
use crate::domain::ids::{Position, TokenId};
use crate::log::{DataDir, LogError};
use crate::projections::history::{ClosedWindow, Gathered, HourKey, HourUse};
use crate::projections::history_tables::Page;
use crate::projections::snapshot::Views;
use crate::projections::usage::Pool;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Rows that were not in the tables yet, with the position that each part goes to, and where the tables stood.
struct Waiting<T> {
    parts: Vec<(Position, Vec<T>)>,
    in_tables: Position,
}

impl Ledger {
    /// Windows of a pool that have ended and opened at or after the first and before the second time (Unix seconds),
    /// oldest first, at most `limit` of them; and the time to go on from, if there are more.
    pub async fn closed_windows(
        &self,
        pool: Pool,
        (from, to): (u64, u64),
        limit: usize,
    ) -> Result<Page<ClosedWindow>, LogError> {
        let is_asked = move |window: &ClosedWindow| {
            (window.account, window.user) == pool && (from..to).contains(&window.opened_at)
        };
        let waiting = self.waiting(|rows| rows.windows_where(is_asked)).await?;
        let last = self.view(|view| {
            let window = view.projections.usage.window(pool).filter(|window| !window.is_open(view.now))?;
            Some(window.closed(pool))
        });
        let last = last.await.filter(is_asked);
        self.read_views(move |dir| {
            let Both { mut rows, mut later, next } =
                read_both(dir, waiting, |views| views.closed_windows(pool, (from, to), limit))?;
            later.extend(last);
            // A window that was moved between two looks is in the tables, as it was in the end.
            let in_tables: Vec<u64> = rows.iter().map(|window| window.opened_at).collect();
            later.retain(|window| !in_tables.contains(&window.opened_at));
            rows.extend(later);
            rows.sort_unstable_by_key(|window| window.opened_at);
            rows.dedup_by_key(|window| window.opened_at);
            Ok(cut(rows, limit, next, |window| window.opened_at))
        })
        .await
    }

    /// Uses and refusals of a token by clock hour (since the epoch), from the first hour on and before the second,
    /// oldest first: at most `limit` rows and then the rest of the last one's hour; and the hour to go on from, if
    /// there are more.
    pub async fn token_hours(
        &self,
        token: TokenId,
        (from, to): (u64, u64),
        limit: usize,
    ) -> Result<Page<(HourKey, HourUse)>, LogError> {
        let is_asked = |(hour, of, _): &HourKey| *of == token && (from..to).contains(hour);
        let waiting = self.waiting(|rows| rows.hours_where(is_asked)).await?;
        self.read_views(move |dir| {
            let Both { rows, later, next } =
                read_both(dir, waiting, |views| views.token_hours(token, (from, to), limit))?;
            let mut all: BTreeMap<HourKey, HourUse> = rows.into_iter().collect();
            for (key, row) in later {
                all.entry(key).or_default().add(&row);
            }
            Ok(cut(all.into_iter().collect(), limit, next, |((hour, ..), _)| *hour))
        })
        .await
    }

    /// Uses of some tokens by UTC day (since the epoch), in the clock hours from one on and before another: token, day and
    /// count, in no order, a pair of token and day perhaps more than once.
    pub async fn token_days(
        &self,
        tokens: Vec<TokenId>,
        (from, to): (u64, u64),
    ) -> Result<Vec<(TokenId, u64, u64)>, LogError> {
        let is_asked = |(hour, token, _): &HourKey| (from..to).contains(hour) && tokens.contains(token);
        let waiting = self.waiting(|rows| {
            let hours = rows.hours_where(is_asked).into_iter();
            hours.map(|((hour, token, _), row)| (token, hour / 24, row.uses)).collect()
        });
        let waiting = waiting.await?;
        self.read_views(move |dir| {
            let Both { mut rows, later, .. } =
                read_both(dir, waiting, |views| Ok((views.token_days(&tokens, (from, to))?, None)))?;
            rows.extend(later);
            Ok(rows)
        })
        .await
    }

    async fn waiting<T>(&self, pick: impl Fn(&Gathered) -> Vec<T>) -> Result<Waiting<T>, LogError> {
        let waiting = self.view(|view| {
            let history = view.projections.history.as_ref().filter(|history| !history.is_given_up())?;
            Some(Waiting { parts: history.pick(pick), in_tables: history.in_tables() })
        });
        waiting.await.ok_or_else(|| self.no_history())
    }

    fn no_history(&self) -> LogError {
        let what = "history is not kept until the next start, which makes it anew from the log".to_owned();
        LogError::BadFile { path: self.dir().views(), what }
    }

    async fn read_views<T: Send + 'static>(
        &self,
        read: impl FnOnce(&DataDir) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let dir = self.dir().clone();
        match tokio::task::spawn_blocking(move || read(&dir)).await {
            Ok(result) => result.inspect_err(|error| {
                if Views::is_spoilt_by(error) {
                    tracing::warn!(%error, "the views file is damaged; it is made anew");
                    self.shared.views_are_spoilt.store(true, Ordering::Relaxed);
                }
            }),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

/// Rows of the tables and where those end, if before the end of what was asked for; and rows not in the tables yet.
struct Both<T> {
    rows: Vec<T>,
    next: Option<u64>,
    later: Vec<T>,
}

/// Looks into the tables. What was moved into them since the rows that wait were picked is told by where they stand.
fn read_both<T>(
    dir: &DataDir,
    waiting: Waiting<T>,
    read: impl FnOnce(&Views) -> Result<Page<T>, LogError>,
) -> Result<Both<T>, LogError> {
    let (stand, (rows, next)) = match Views::open_existing(dir)? {
        Some(views) if !waiting.in_tables.is_none() || views.has_history()? => (views.hold()?, read(&views)?),
        _ => (Position::NONE, (Vec::new(), None)),
    };
    if stand < waiting.in_tables {
        let what = "its history is gone; the next start makes it anew from the log".to_owned();
        return Err(LogError::BadFile { path: dir.views(), what });
    }
    let later = waiting.parts.into_iter().filter(|(through, _)| *through > stand);
    Ok(Both { rows, next, later: later.flat_map(|(_, rows)| rows).collect() })
}

/// Ends a page at its limit, after the last row with the same place; `next` is where the tables' rows ended, past which
/// nothing can be said.
fn cut<T>(mut rows: Vec<T>, limit: usize, next: Option<u64>, place: impl Fn(&T) -> u64) -> Page<T> {
    if let Some(next) = next {
        rows.retain(|row| place(row) < next);
    }
    let Some(last) = limit.checked_sub(1).and_then(|last| rows.get(last)).map(&place) else { return (rows, next) };
    match rows.iter().position(|row| place(row) > last) {
        Some(end) => {
            let next = rows.get(end).map(&place);
            rows.truncate(end);
            (rows, next)
        }
        None => (rows, next),
    }
}
