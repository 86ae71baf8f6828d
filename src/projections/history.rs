//! Rows for the history tables of `views.db`: windows that another one took the place of, and uses and refusals by
//! token and clock hour.
//!
//! Rows are gathered in memory and moved into the tables in batches (`history_tables.rs`). What is gathered is no
//! part of a snapshot: a snapshot is only stored once the tables hold everything up to its position. So a start
//! gathers the records after the tables' own position again, and nothing is counted twice.

use super::usage::Drawn;
use crate::domain::access::GroupNumber;
use crate::domain::event::{Cause, Event, Header, QuotaRefusalsTotalled, RefusalsSummed};
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::window::WINDOW_SECONDS;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Rows gathered before they are due to be moved into the tables.
pub const ROWS_DUE: usize = 65_536;
/// Rows gathered at most, if they cannot be moved: past it gathering ends, and the next start begins anew.
const ROWS_MAX: usize = 16 * ROWS_DUE;

/// A usage window that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct ClosedWindow {
    /// Account whose window it was; none for a user's own.
    pub account: AccountId,
    /// User whose own window it was; none for an account's.
    pub user: UserId,
    /// Unix seconds of its first use.
    pub opened_at: u64,
    /// The limit in force when it was last drawn from or, while it was open, last changed.
    pub limit: u64,
    /// Uses drawn.
    pub used: u64,
    /// Refusals for quota in it: all that the log knows of.
    pub refused: u64,
}

impl ClosedWindow {
    /// Unix seconds of its end: an hour after its first use.
    pub fn closed_at(&self) -> u64 {
        self.opened_at + WINDOW_SECONDS
    }

    pub(super) fn key(&self) -> WindowKey {
        (self.account, self.user, self.opened_at)
    }
}

/// Key of a closed window, in the order of the table.
pub type WindowKey = (AccountId, UserId, u64);

/// Key of a row of uses: clock hour since the epoch (UTC), token, and account entered (none: calls on no account), in
/// the order of the table: so that a busy hour's rows are added at the table's end.
pub type HourKey = (u64, TokenId, AccountId);

/// Uses and refusals of a token on an account in one clock hour.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct HourUse {
    /// Allowed requests.
    pub uses: u64,
    /// Scope group of the last of them that needed one.
    pub last_group: Option<GroupNumber>,
    /// Refused requests, by [`Cause::name`].
    pub refused: BTreeMap<String, u64>,
}

impl HourUse {
    /// Adds what came later in the hour.
    pub fn add(&mut self, later: &Self) {
        self.uses += later.uses;
        self.last_group = later.last_group.or(self.last_group);
        for (cause, count) in &later.refused {
            *self.refused.entry(cause.clone()).or_default() += count;
        }
    }

    fn refuse(&mut self, cause: Cause, count: u64) {
        if count > 0 {
            *self.refused.entry(cause.name().to_owned()).or_default() += count;
        }
    }
}

/// Rows that go into the tables together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Gathered {
    windows: HashMap<WindowKey, ClosedWindow, foldhash::fast::RandomState>,
    hours: HashMap<HourKey, HourUse, foldhash::fast::RandomState>,
}

impl Gathered {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.windows.len() + self.hours.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those closed windows that are asked for, in no order.
    pub fn windows_where(&self, is_asked: impl Fn(&ClosedWindow) -> bool) -> Vec<ClosedWindow> {
        self.windows.values().filter(|window| is_asked(window)).copied().collect()
    }

    /// Those uses by hour that are asked for, in no order.
    pub fn hours_where(&self, is_asked: impl Fn(&HourKey) -> bool) -> Vec<(HourKey, HourUse)> {
        self.hours.iter().filter(|(key, _)| is_asked(key)).map(|(&key, row)| (key, row.clone())).collect()
    }

    /// Closed windows in the order of the table.
    pub fn windows(&self) -> Vec<ClosedWindow> {
        let mut windows: Vec<_> = self.windows.values().copied().collect();
        windows.sort_unstable_by_key(ClosedWindow::key);
        windows
    }

    /// Uses by hour in the order of the table.
    pub fn hours(&self) -> Vec<(HourKey, &HourUse)> {
        let mut hours: Vec<_> = self.hours.iter().map(|(&key, hour)| (key, hour)).collect();
        hours.sort_unstable_by_key(|(key, _)| *key);
        hours
    }
}

/// What is gathered but not in the tables yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct History {
    /// Everything up to here is in the tables.
    in_tables: Position,
    /// On its way into the tables, with everything up to a position.
    sealed: Option<(Position, Arc<Gathered>)>,
    growing: Gathered,
    /// Rows gathered at most; past them all are dropped and nothing more is gathered.
    rows_max: usize,
}

impl History {
    /// Gathers what comes after a position, as much as is kept in memory.
    pub fn after(in_tables: Position) -> Self {
        Self { in_tables, sealed: None, growing: Gathered::default(), rows_max: ROWS_MAX }
    }

    /// Gathers everything from the first record on, however much it is: to be compared with the tables.
    pub fn of_everything() -> Self {
        Self { rows_max: usize::MAX, ..Self::after(Position::NONE) }
    }

    /// Up to where the tables hold everything.
    pub fn in_tables(&self) -> Position {
        self.in_tables
    }

    /// Whether rows are missing, and nothing is gathered any more.
    pub fn is_given_up(&self) -> bool {
        self.rows_max == 0
    }

    /// Whether enough is gathered to be moved.
    pub fn is_due(&self) -> bool {
        self.growing.len() >= ROWS_DUE
    }

    /// What was gathered last, from the position that this began after on if nothing was moved yet.
    pub fn growing(&self) -> &Gathered {
        &self.growing
    }

    /// Everything that is not in the tables as far as `pick` picks it out, with the position that each part goes to.
    /// A reader looks here first and at the tables after: whatever is moved in between is then seen in the tables,
    /// and is told by their position.
    pub fn pick<T>(&self, pick: impl Fn(&Gathered) -> T) -> Vec<(Position, T)> {
        let sealed = self.sealed.iter().map(|(through, rows)| (*through, pick(rows)));
        let growing = std::iter::once((Position(u64::MAX), pick(&self.growing)));
        sealed.chain(growing).collect()
    }

    /// Sets what is gathered aside, to be moved into the tables; `through` is the last position folded. What was set
    /// aside before and could not be moved is given again, and what came after it waits.
    pub fn seal(&mut self, through: Position) -> (Position, Arc<Gathered>) {
        let sealed = self.sealed.get_or_insert_with(|| (through, Arc::new(std::mem::take(&mut self.growing))));
        (sealed.0, Arc::clone(&sealed.1))
    }

    /// What was set aside is in the tables now.
    pub fn settle(&mut self) {
        if let Some((through, _)) = self.sealed.take() {
            self.in_tables = through;
        }
    }

    /// The tables cannot be relied on: nothing more is gathered, and nothing is told from them.
    pub fn give_up(&mut self) {
        *self = Self { rows_max: 0, ..Self::after(self.in_tables) };
    }

    pub(super) fn fold(&mut self, position: Position, header: &Header, event: &Event, drawn: Drawn) {
        if self.is_given_up() || position <= self.in_tables {
            return;
        }
        if let Some(window) = drawn.closed {
            self.growing.windows.insert(window.key(), window);
        }
        match event {
            Event::TokenUsed(used) => {
                let row = self.row(header, header.recorded_at.hour());
                row.uses += 1;
                row.last_group = used.scope.map(|scope| scope.group).or(row.last_group);
            }
            Event::TokenUseRefused(refused) => self.row(header, header.recorded_at.hour()).refuse(refused.cause, 1),
            Event::ManagementRefused(refused) => self.row(header, header.recorded_at.hour()).refuse(refused.cause, 1),
            Event::RefusalsSummed(summed) => self.add_sum(header, summed),
            Event::QuotaRefusalsTotalled(totalled) => self.add_total(header, totalled, drawn.counted_again),
            _ => return,
        }
        if self.growing.len() > self.rows_max {
            self.give_up();
        }
    }

    /// A sum is of about a minute; it counts in the hour of its first refusal.
    fn add_sum(&mut self, header: &Header, summed: &RefusalsSummed) {
        let row = self.row(header, summed.first.hour());
        summed.counts.iter().for_each(|&(cause, count)| row.refuse(cause, count));
    }

    /// A total does not say when in its window the refusals were: they count in the hour of the total, or in the
    /// hour that the window ended in if that was before.
    fn add_total(&mut self, header: &Header, totalled: &QuotaRefusalsTotalled, counted_again: Option<TokenId>) {
        let last_second = totalled.window_opened_at.saturating_add(WINDOW_SECONDS - 1);
        let hour = header.recorded_at.seconds().min(last_second) / 3_600;
        for &(token, count) in &totalled.counts {
            let count = if counted_again == Some(token) { count.saturating_sub(1) } else { count };
            let row = self.growing.hours.entry((hour, token, header.account)).or_default();
            row.refuse(Cause::QuotaExceeded, count);
        }
    }

    /// Reads a little of the row that a use is counted in.
    pub(super) fn touch(&self, header: &Header) -> u64 {
        let key = (header.recorded_at.hour(), header.token, header.account);
        self.growing.hours.get(&key).map_or(0, |row| row.uses)
    }

    fn row(&mut self, header: &Header, hour: u64) -> &mut HourUse {
        self.growing.hours.entry((hour, header.token, header.account)).or_default()
    }
}
