//! Who used how much of a limit, and who was refused for it, window by window and month by month. From the records alone,
//! so that it says the same of a backup, and of any window however long ago.

use super::archive::{Archive, Range};
use super::what_if::{PoolKeys, beginning_of_windows};
use crate::domain::event::{Cause, EVENT_TYPES, Event, Header, QuotaRefusalsTotalled};
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::time::{Month, Timestamp};
use crate::domain::window::{WINDOW_SECONDS, Window};
use crate::log::LogError;
use crate::projections::index::find::Wanted;
use crate::projections::keys::Key;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// How much of something a token had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Share {
    /// Drawn.
    pub used: u64,
    /// Refused.
    pub refused: u64,
}

/// A window, by token.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WindowShares {
    /// Unix seconds of its first use; 0: refusals before any window opened.
    pub opened_at: u64,
    /// The limit in force when it was last drawn from or, while it was open, last changed.
    pub limit: u64,
    /// What each token had of it.
    pub by_token: BTreeMap<TokenId, Share>,
    /// The run of recording that recorded the first refusal by itself, and whose it was: totals of that run count it too.
    first_refused: Option<(u64, TokenId)>,
}

impl WindowShares {
    /// All together.
    pub fn sum(&self) -> Share {
        let add =
            |sum: Share, share: &Share| Share { used: sum.used + share.used, refused: sum.refused + share.refused };
        self.by_token.values().fold(Share::default(), add)
    }

    /// Adds a total up: the refusal that was recorded by itself is in the first total of its run, and in none if that run
    /// crashed before it.
    fn add_total(&mut self, totalled: &QuotaRefusalsTotalled, run: u64) {
        let counts = |token: TokenId| totalled.counts.iter().any(|(other, count)| *other == token && *count > 0);
        if let Some((_, token)) = self.first_refused.filter(|&(of, token)| of == run && counts(token)) {
            self.first_refused = None;
            let share = self.by_token.entry(token).or_default();
            share.refused = share.refused.saturating_sub(1);
        }
        for &(token, count) in &totalled.counts {
            let share = self.by_token.entry(token).or_default();
            share.refused = share.refused.saturating_add(count);
        }
    }
}

/// Who drew from a pool.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attribution {
    /// Windows that were open at some time in the range, oldest first.
    pub windows: Vec<WindowShares>,
    /// Research of an account by month and token.
    pub research: BTreeMap<(Month, TokenId), Share>,
}

/// Whose windows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pool {
    /// An account's.
    Account(AccountId),
    /// A user's own, who has had these tokens.
    User(UserId, Vec<TokenId>),
}

/// Attributes what was drawn between two times; none is from the beginning, or to the head.
pub fn attribute(
    archive: &Archive,
    pool: &Pool,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<Attribution, LogError> {
    let keys = match pool {
        Pool::Account(account) => PoolKeys::Account(*account),
        Pool::User(_, tokens) => PoolKeys::Tokens(tokens.clone()),
    };
    // A window, or month, that is open at the end is told whole, and one that is open at the beginning too.
    let told_until = |to: Timestamp| match pool {
        Pool::Account(_) => to.plus_seconds(WINDOW_SECONDS).max(Timestamp(to.0.saturating_sub(1)).month().end()),
        Pool::User(..) => to.plus_seconds(WINDOW_SECONDS),
    };
    let range = archive.range(from, to.map(told_until))?;
    let mut begin = beginning_of_windows(archive, &keys, range.0)?;
    if let (Pool::Account(_), Some(from)) = (pool, from) {
        let month_began = Month(from.month().0.saturating_sub(1)).end();
        begin = begin.min(archive.range(Some(month_began), None)?.0);
    }
    let mut folding = Folding::new(pool, from.map(Timestamp::month));
    folding.fold(archive, (begin, range.1), archive.head())?;
    Ok(folding.finish(from, to))
}

/// The windows of an account that were open between two times, by what was recorded up to a position. `begin`: when the
/// window opened that is open at the first of them, or that time itself, where none is: then no record before it is read.
/// Without it the log says.
pub fn windows_between(
    archive: &Archive,
    account: AccountId,
    (from, to): (Timestamp, Timestamp),
    begin: Option<Timestamp>,
    through: Position,
) -> Result<Vec<WindowShares>, LogError> {
    // A window that is open at the end is told whole.
    let (after, last) = archive.range(Some(begin.unwrap_or(from)), Some(to.plus_seconds(WINDOW_SECONDS)))?;
    let (from, to, mut range) = (Some(from), Some(to), (after.min(through), last.min(through)));
    if begin.is_none() {
        range.0 = beginning_of_windows(archive, &PoolKeys::Account(account), range.0)?;
    }
    let pool = Pool::Account(account);
    let mut folding = Folding::new(&pool, None);
    folding.fold(archive, range, through)?;
    Ok(folding.finish(from, to).windows)
}

fn type_key(name: &str) -> Key {
    Key::Type(EVENT_TYPES.iter().find(|(_, _, other)| *other == name).map_or(0, |(number, ..)| *number))
}

struct Folding<'a> {
    pool: &'a Pool,
    limit: u64,
    window: Window,
    windows: BTreeMap<u64, WindowShares>,
    research: BTreeMap<(Month, TokenId), Share>,
    /// Months before it are not asked for.
    first_month: Option<Month>,
    runs: u64,
    through: Position,
}

impl<'a> Folding<'a> {
    fn new(pool: &'a Pool, first_month: Option<Month>) -> Self {
        let (windows, research) = (BTreeMap::new(), BTreeMap::new());
        Self {
            pool,
            limit: 0,
            window: Window::default(),
            windows,
            research,
            first_month,
            runs: 0,
            through: Position::NONE,
        }
    }

    /// Takes in a range of records, what was in force before it, and what was totalled after it up to a position.
    fn fold(&mut self, archive: &Archive, range: Range, until: Position) -> Result<(), LogError> {
        let keys = match self.pool {
            Pool::Account(account) => vec![Key::AccountTraffic(*account), Key::AccountChanges(*account), Key::Service],
            Pool::User(user, tokens) => {
                let traffic = tokens.iter().map(|&token| Key::TokenTraffic(token));
                traffic.chain([Key::User(*user), type_key("QuotaRefusalsTotalled"), Key::Service]).collect()
            }
        };
        self.limits_until(archive, range.0)?;
        archive.visit(&keys, range, &mut |position, header, event| {
            self.take(position, header, event);
            ControlFlow::Continue(())
        })?;
        self.totals_after(archive, (range.1, until))
    }

    /// The limit in force at a position.
    fn limits_until(&mut self, archive: &Archive, position: Position) -> Result<(), LogError> {
        let key = match self.pool {
            Pool::Account(account) => Key::AccountChanges(*account),
            Pool::User(user, _) => Key::User(*user),
        };
        let types = ["AccountCreated", "HourlyLimitChanged", "UserCreated", "RecordingStarted"].map(type_key);
        let wanted = Wanted::any(&[key, Key::Service]).and_any(&types);
        archive.visit_wanted(&wanted, (Position::NONE, position), &mut |_, header, event| {
            self.note_change(header, event);
            ControlFlow::Continue(())
        })
    }

    fn note_change(&mut self, header: &Header, event: &Event) {
        match (event, self.pool) {
            (Event::AccountCreated(created), Pool::Account(account)) if header.account == *account => {
                self.limit = created.hourly_limit;
            }
            (Event::HourlyLimitChanged(changed), Pool::Account(account)) if header.account == *account => {
                self.limit = changed.to;
                let opened_at = self.window.opened_at;
                if self.window.is_open(header.recorded_at)
                    && let Some(window) = self.windows.get_mut(&opened_at)
                {
                    window.limit = changed.to;
                }
            }
            (Event::UserCreated(created), Pool::User(user, _)) if created.user == *user => {
                self.limit = created.hourly_limit;
            }
            (Event::RecordingStarted(_), _) => self.runs += 1,
            _ => {}
        }
    }

    fn is_of_pool(&self, header: &Header) -> bool {
        match self.pool {
            Pool::Account(account) => header.account == *account,
            Pool::User(_, tokens) => header.account.is_none() && tokens.contains(&header.token),
        }
    }

    fn take(&mut self, position: Position, header: &Header, event: &Event) {
        self.through = position;
        let (token, at) = (header.token, header.recorded_at);
        match event {
            Event::TokenUsed(used) if self.is_of_pool(header) => {
                self.window.draw(u64::from(used.general), at);
                let limit = self.limit;
                let window = self.current();
                window.limit = limit;
                window.by_token.entry(token).or_default().used += u64::from(used.general);
                if used.research > 0 {
                    self.month(at, token).used += u64::from(used.research);
                }
            }
            Event::TokenUseRefused(refused) if self.is_of_pool(header) => match refused.cause {
                Cause::QuotaExceeded => {
                    let run = self.runs;
                    let window = self.current();
                    window.by_token.entry(token).or_default().refused += 1;
                    window.first_refused = Some((run, token));
                }
                Cause::MonthlyCapReached => self.month(at, token).refused += 1,
                _ => {}
            },
            Event::RefusalsSummed(summed) if self.is_of_pool(header) => {
                let capped = summed.counts.iter().filter(|(cause, _)| *cause == Cause::MonthlyCapReached);
                let count: u64 = capped.map(|(_, count)| count).sum();
                if count > 0 {
                    self.month(summed.first, token).refused += count;
                }
            }
            Event::QuotaRefusalsTotalled(totalled) => self.add_total(header, totalled),
            _ => self.note_change(header, event),
        }
    }

    fn add_total(&mut self, header: &Header, totalled: &QuotaRefusalsTotalled) {
        let is_of_pool = match self.pool {
            Pool::Account(account) => header.account == *account,
            Pool::User(user, _) => header.account.is_none() && totalled.user == *user,
        };
        let run = self.runs;
        if is_of_pool && let Some(window) = self.windows.get_mut(&totalled.window_opened_at) {
            window.add_total(totalled, run);
        }
    }

    /// The window that was drawn from last; refusals before any have a place of their own.
    fn current(&mut self) -> &mut WindowShares {
        let opened_at = self.window.opened_at;
        let limit = self.limit;
        let opened = || WindowShares { opened_at, limit, ..WindowShares::default() };
        self.windows.entry(opened_at).or_insert_with(opened)
    }

    fn month(&mut self, at: Timestamp, token: TokenId) -> &mut Share {
        self.research.entry((at.month(), token)).or_default()
    }

    /// A window is totalled when something is recorded after its end, which may be long after, or when recording stops.
    fn totals_after(&mut self, archive: &Archive, after: Range) -> Result<(), LogError> {
        let late = [type_key("QuotaRefusalsTotalled"), type_key("RefusalsSummed"), type_key("RecordingStarted")];
        let wanted = match self.pool {
            Pool::Account(account) => Wanted::any(&[Key::AccountTraffic(*account), Key::Service]).and_any(&late),
            Pool::User(..) => Wanted::any(&late[..1]).and_any(&late),
        };
        archive.visit_wanted(&wanted, after, &mut |position, header, event| {
            self.take(position, header, event);
            ControlFlow::Continue(())
        })
    }

    fn finish(self, from: Option<Timestamp>, to: Option<Timestamp>) -> Attribution {
        let is_in = |opened_at: u64| {
            let is_begun = to.is_none_or(|to| Timestamp::from_seconds(opened_at) < to);
            let is_there = from.is_none_or(|from| Timestamp::from_seconds(opened_at + WINDOW_SECONDS) > from);
            is_begun && is_there
        };
        let windows = self.windows.into_values().filter(|window| is_in(window.opened_at)).collect();
        let last_month = to.map(|to| Timestamp(to.0.saturating_sub(1)).month());
        let is_asked = |month: Month| {
            self.first_month.is_none_or(|first| month >= first) && last_month.is_none_or(|last| month <= last)
        };
        let research = self.research.into_iter().filter(|((month, _), _)| is_asked(*month)).collect();
        Attribution { windows, research }
    }
}
