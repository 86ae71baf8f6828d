//! Whom a proposed change touches: whose requests are judged, and from which windows they draw.

use super::anchor::PoolKeys;
use super::found::Found;
use crate::audit::archive::{Archive, Range};
use crate::audit::biography::{Biography, Placed, whose};
use crate::audit::past::last_until_between;
use crate::audit::questions::AuditError;
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::supposition::Supposition;
use crate::domain::time::Timestamp;
use crate::domain::token::Owner;
use crate::domain::window::WINDOW_SECONDS;
use crate::log::LogError;
use crate::log::codec::decode_header;
use crate::projections::keys::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Spans of time shorter than this are not divided further to find out how busy they were.
const SHORTEST_SPAN_SECONDS: u64 = WINDOW_SECONDS / 4;

/// Records looked through for one of an account before the index is asked.
const NEAR_RECORDS: usize = 64;

/// The people and accounts of a proposed change.
pub(super) struct Scene<'a> {
    pub supposed: &'a [Supposition],
    /// Accounts whose windows may be drawn from.
    pub accounts: BTreeSet<AccountId>,
    /// Users whose own windows may be, with all their tokens.
    pub users: BTreeMap<UserId, Vec<TokenId>>,
    /// Tokens that the change speaks of; of a member's with the account.
    tokens: BTreeMap<TokenId, Option<AccountId>>,
    /// Accounts all of whose uses it speaks of.
    whole: BTreeSet<AccountId>,
}

impl<'a> Scene<'a> {
    pub fn of(archive: &Archive, supposed: &'a [Supposition], through: Position) -> Result<Self, AuditError> {
        let mut scene = Self {
            supposed,
            accounts: BTreeSet::new(),
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            whole: BTreeSet::new(),
        };
        for supposition in supposed {
            scene.accounts.extend(supposition.account());
            if let Some(token) = supposition.token() {
                scene.add_token(archive, token, through)?;
            } else if let Some((account, user)) = supposition.member() {
                let tokens = tokens_of(archive, user, through)?;
                scene.tokens.extend(tokens.into_iter().map(|token| (token, Some(account))));
            } else if !matches!(supposition, Supposition::Plan(..)) {
                scene.whole.extend(supposition.account());
            }
        }
        Ok(scene)
    }

    fn add_token(&mut self, archive: &Archive, token: TokenId, through: Position) -> Result<(), AuditError> {
        match owner_of(archive, token, through)? {
            Some(Owner::Account(account)) => {
                self.accounts.insert(account);
            }
            Some(Owner::User(user)) => {
                let life = Biography::of_user(archive, user, through)?;
                let joined = life.changes().iter().filter(|(_, _, event)| matches!(event, Event::MemberAdded(_)));
                self.accounts.extend(joined.map(|(_, header, _)| header.account));
                self.users.insert(user, life.tokens());
            }
            Some(Owner::Service) => {
                return Err(AuditError::malformed("token", "is the service's: its requests are not judged so"));
            }
            None => return Err(AuditError::NotFound(format!("there was no token {token} then"))),
        }
        self.tokens.insert(token, None);
        Ok(())
    }

    /// Whether the change speaks of a record.
    pub fn is_subject(&self, header: &Header) -> bool {
        let is_of_token = match self.tokens.get(&header.token) {
            Some(Some(account)) => header.account == *account || header.account.is_none(),
            Some(None) => true,
            None => false,
        };
        is_of_token || self.whole.contains(&header.account)
    }

    /// Whether a record draws from, or was refused by, a window of the scene.
    pub fn is_of_pools(&self, header: &Header, owner: Option<Owner>) -> bool {
        match (header.account, owner) {
            (AccountId::NONE, Some(Owner::User(user))) => self.users.contains_key(&user),
            (account, _) => self.accounts.contains(&account),
        }
    }

    /// Whether limits themselves change, so that all that draws must be judged.
    pub fn needs_windows(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Keys of what the change speaks of, and of everything on its users' own windows.
    pub fn subject_keys(&self) -> Vec<Key> {
        let of_users = self.users.values().flatten().copied();
        let tokens: BTreeSet<TokenId> = self.tokens.keys().copied().chain(of_users).collect();
        let accounts = self.whole.iter().map(|&account| Key::AccountTraffic(account));
        tokens.into_iter().map(Key::TokenTraffic).chain(accounts).collect()
    }

    /// The pools that may be drawn from.
    pub fn pools(&self) -> Vec<PoolKeys> {
        let accounts = self.accounts.iter().map(|&account| PoolKeys::Account(account));
        accounts.chain(self.users.values().map(|tokens| PoolKeys::Tokens(tokens.clone()))).collect()
    }

    /// Changes that the state follows from: of the accounts and the users, and with `everybody` those of all members and
    /// their tokens.
    pub fn changes(&self, archive: &Archive, through: Position, everybody: bool) -> Result<Vec<Placed>, LogError> {
        let mut changes = Vec::new();
        for &account in &self.accounts {
            if everybody {
                changes.extend_from_slice(Biography::of_account(archive, account, through)?.changes());
            }
        }
        if !everybody {
            let accounts = self.accounts.iter().map(|&account| Key::AccountChanges(account));
            let tokens = self.tokens.keys().map(|&token| Key::TokenChanges(token));
            let keys: Vec<Key> = std::iter::once(Key::Service).chain(accounts).chain(tokens).collect();
            archive.visit(&keys, (Position::NONE, through), &mut |position, header, event| {
                changes.push((position, *header, event.clone()));
                ControlFlow::Continue(())
            })?;
        }
        let members = self.supposed.iter().filter_map(Supposition::member).map(|(_, user)| user);
        let users: BTreeSet<UserId> = self.users.keys().copied().chain(members).collect();
        for user in users {
            changes.extend_from_slice(Biography::of_user(archive, user, through)?.changes());
        }
        changes.sort_unstable_by_key(|(position, _, _)| *position);
        changes.dedup_by_key(|(position, _, _)| *position);
        Ok(changes)
    }

    /// Whether no window of the scene can have been, or become, full: in no hour more was recorded on an account than
    /// the least of its limits. Then nothing that others did matters.
    pub fn windows_never_fill(&self, archive: &Archive, range: Range, found: &Found) -> Result<bool, LogError> {
        let groups = found.refused.keys().chain(found.newly_allowed.keys()).chain(found.undeterminable.keys());
        let has_research = |group: &super::Group| group.scope.is_some_and(crate::domain::decide::is_research);
        if !self.users.is_empty() || groups.clone().any(has_research) {
            return Ok(false);
        }
        let disturbed: BTreeSet<AccountId> = groups.map(|group| group.account).collect();
        for account in disturbed {
            let limit = least_limit(archive, account, range)?;
            if !is_quiet(archive, account, range, limit)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whose a token is; none if there was none.
pub fn owner_of(archive: &Archive, token: TokenId, through: Position) -> Result<Option<Owner>, LogError> {
    Ok(whose(archive, token, through)?.map(|(owner, _)| owner))
}

/// Every token that a user ever had.
pub fn tokens_of(archive: &Archive, user: UserId, through: Position) -> Result<Vec<TokenId>, LogError> {
    Ok(Biography::of_user(archive, user, through)?.tokens())
}

/// The least limit that was in force at some position of the range.
fn least_limit(archive: &Archive, account: AccountId, (after, through): Range) -> Result<u64, LogError> {
    let (mut least, mut current) = (u64::MAX, u64::MAX);
    archive.visit(&[Key::AccountChanges(account)], (Position::NONE, through), &mut |position, _, event| {
        if position > after {
            least = least.min(current);
        }
        match event {
            Event::AccountCreated(created) => current = created.hourly_limit,
            Event::HourlyLimitChanged(changed) => current = changed.to,
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(least.min(current))
}

/// How many records an account has up to a position: the number of its last one, which in a busy account is near.
fn number_until(archive: &Archive, account: AccountId, position: Position) -> Result<u64, LogError> {
    let (mut near, mut looked_at) = (None, 0);
    archive.log().scan_back(position.next(), |_, record| {
        looked_at += 1;
        near = decode_header(record).ok().filter(|(_, _, header)| header.account == account);
        if near.is_some() || looked_at == NEAR_RECORDS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some((_, _, header)) = near {
        return Ok(header.account_number);
    }
    let keys = [Key::AccountTraffic(account), Key::AccountChanges(account)];
    let last = archive.last(&keys, (Position::NONE, position), &mut |_, _| true)?;
    Ok(last.map_or(0, |(_, header, _)| header.account_number))
}

/// Where an account stood at a time.
#[derive(Clone, Copy)]
struct Mark {
    /// Unix seconds.
    second: u64,
    /// The last position before.
    position: Position,
    /// Records of the account up to there.
    number: u64,
}

/// Whether an account has at most `most` records in any hour of the range and the hour before. The numbers of its
/// records say how many were between two times; only busy times are divided further.
fn is_quiet(archive: &Archive, account: AccountId, (after, through): Range, most: u64) -> Result<bool, LogError> {
    let mark = |second: u64, position: Position| -> Result<Mark, LogError> {
        Ok(Mark { second, position, number: number_until(archive, account, position)? })
    };
    let time_of = |position: Position| -> Result<u64, LogError> {
        Ok(archive.record(position)?.map_or(0, |(header, _)| header.recorded_at.seconds()))
    };
    let begin = time_of(after.next())?.saturating_sub(WINDOW_SECONDS);
    let before = archive.range(Some(Timestamp::from_seconds(begin)), None)?.0;
    let first = mark(begin, before)?;
    let mut marks = vec![first];
    // Spans still to be looked at, the earliest on top.
    let mut spans = vec![mark(time_of(through)? + 1, through)?];
    while let Some(&end) = spans.last() {
        let &start = marks.last().unwrap_or(&first);
        if end.number - start.number > most / 2 && end.second - start.second > SHORTEST_SPAN_SECONDS {
            let middle = start.second + (end.second - start.second) / 2;
            let until = Timestamp(Timestamp::from_seconds(middle).0 - 1);
            let position = last_until_between(archive.log(), until, (start.position, end.position))?;
            spans.push(mark(middle, position)?);
            continue;
        }
        if end.number - start.number > most {
            return Ok(false);
        }
        marks.extend(spans.pop());
    }
    let marks: Vec<(u64, u64)> = marks.iter().map(|mark| (mark.second, mark.number)).collect();
    Ok(is_every_hour_within(&marks, most))
}

/// Whether no hour has more records than that, as far as marks (second, records before it) show.
fn is_every_hour_within(marks: &[(u64, u64)], most: u64) -> bool {
    let mut end = 0;
    // An hour that begins between two marks is over at the first mark an hour after the second of them.
    marks.windows(2).all(|pair| {
        while end + 1 < marks.len() && marks[end].0 < pair[1].0 + WINDOW_SECONDS {
            end += 1;
        }
        marks[end].1 - pair[0].1 <= most
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_across_marks_is_counted_whole() {
        let marks = [(0, 0), (900, 10), (1_800, 10), (4_500, 20), (9_000, 25)];
        assert!(is_every_hour_within(&marks, 20));
        assert!(!is_every_hour_within(&marks, 19), "what began in the first quarter may end with the last of 20");
        assert!(is_every_hour_within(&[(0, 0), (100_000, 7)], 7));
        assert!(!is_every_hour_within(&[(0, 0), (100_000, 7)], 6), "nobody knows where in it they were");
    }
}
