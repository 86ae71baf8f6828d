//! Windows that were open at a moment: counted anew from their first use.
//!
//! A window opens at the first use after the one before has ended, so in principle the first use of all says where every
//! window begins. `views.db` knows the windows that another one took the place of: from the last of them on, at most one
//! window's uses are left. Where it does not, the log is read back to the last hour without a use, at which no window was
//! open whatever was before.

use super::Part;
use crate::audit::archive::Range;
use crate::audit::questions::AuditError;
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Principal};
use crate::domain::window::{MonthCount, WINDOW_SECONDS};
use crate::projections::Projections;
use crate::projections::index::find::Wanted;
use crate::projections::keys::Key;
use crate::projections::usage::Pool;

impl Part<'_> {
    /// The open general window of an account, and its month of Domain Research. Its changes were folded before.
    pub fn account_windows(&mut self, account: AccountId) -> Result<(), AuditError> {
        let Some(has_research) = self.state().account(account).map(|account| account.research.is_some()) else {
            return Ok(());
        };
        let pool = (account, UserId::NONE);
        self.window(pool, vec![Key::AccountTraffic(account)], &|header, _| header.account == account)?;
        if has_research { self.research_month(account) } else { Ok(()) }
    }

    /// The open window of a user's calls on no account. Its tokens were folded before.
    pub fn own_window(&mut self, user: UserId) -> Result<(), AuditError> {
        // Of deleted tokens too: what they drew is drawn.
        let tokens = self.state().tokens.iter().filter(|token| token.owner == Owner::User(user));
        let keys: Vec<Key> = tokens.map(|token| Key::TokenTraffic(token.id)).collect();
        let is_of_it = |header: &Header, event: &Event| match event {
            // Totals are of a window, not of a token.
            Event::QuotaRefusalsTotalled(totalled) => header.account.is_none() && totalled.user == user,
            _ => header.account.is_none() && header.principal == Principal::User(user),
        };
        self.window((AccountId::NONE, user), keys, &is_of_it)
    }

    fn window(
        &mut self,
        pool: Pool,
        mut keys: Vec<Key>,
        is_of_it: &dyn Fn(&Header, &Event) -> bool,
    ) -> Result<(), AuditError> {
        if keys.is_empty() {
            return Ok(());
        }
        let begin = self.no_window_at(pool, &keys, is_of_it)?;
        let range = self.positions_from(begin)?;
        // Totals of refusals are told apart by the runs of recording that they are of.
        keys.extend(["RecordingStarted", "QuotaRefusalsTotalled"].map(Key::of_type));
        self.visit(&Wanted::any(&keys), range, &mut |projections: &mut Projections, _, header, event| {
            if is_of_it(header, event) || matches!(event, Event::RecordingStarted(_)) {
                projections.fold_window(header, event);
            }
        })
    }

    /// A time at which no window was open, or at which the one that is asked for opened; the later the better.
    fn no_window_at(
        &self,
        pool: Pool,
        keys: &[Key],
        is_of_it: &dyn Fn(&Header, &Event) -> bool,
    ) -> Result<Timestamp, AuditError> {
        let at = self.moment.at.seconds();
        if let Some(closed) = self.archive.last_closed_window(pool, at)? {
            let opened_at = closed.map_or(0, |closed| match closed.opened_at + WINDOW_SECONDS {
                end if end > at => closed.opened_at,
                end => end,
            });
            return Ok(Timestamp::from_seconds(opened_at));
        }
        let mut next = at;
        let mut is_before_gap = |header: &Header, event: &Event| {
            if !matches!(event, Event::TokenUsed(_)) || !is_of_it(header, event) {
                return false;
            }
            let used_at = header.recorded_at.seconds();
            let later = std::mem::replace(&mut next, used_at);
            later >= used_at + WINDOW_SECONDS
        };
        let before = self.archive.last(keys, self.everything(), &mut is_before_gap)?;
        let end = |header: &Header| header.recorded_at.seconds() + WINDOW_SECONDS;
        Ok(Timestamp::from_seconds(before.map_or(0, |(_, header, _)| end(&header))))
    }

    /// Checks of Domain Research in the month of the moment.
    fn research_month(&mut self, account: AccountId) -> Result<(), AuditError> {
        let range = self.positions_from(self.moment.at.month().begin())?;
        // Uses of the open window were counted with it, and may be of this month.
        if let Some(account) = self.projections.state.accounts.get_mut(account.0) {
            account.research_month = MonthCount::default();
        }
        self.visit(&Wanted::any(&[Key::AccountResearch(account)]), range, &mut |projections, _, header, event| {
            if let (Event::TokenUsed(used), Some(account)) = (event, projections.state.accounts.get_mut(account.0)) {
                account.research_month.draw(u64::from(used.research), header.recorded_at);
            }
        })
    }

    /// Positions from a time on, up to the moment.
    fn positions_from(&self, from: Timestamp) -> Result<Range, AuditError> {
        let (after, _) = self.archive.range(Some(from), None)?;
        Ok((after.min(self.moment.position), self.moment.position))
    }
}
