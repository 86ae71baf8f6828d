//! Which access a token had on an account, from which record until which: as in `audit/access_over_time.rs`, of the whole log
//! at once, with what is open kept in the file.

use super::{int, some};
use crate::domain::event::{AccessSource, Event, Header};
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::token::{End, Owner, TokenKind};
use crate::log::LogError;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use std::collections::BTreeMap;

/// Records of one change that lie side by side at one time count as one: nobody could do anything between them.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// Whose access may have changed, and where.
    touched: BTreeMap<(TokenId, AccountId), (Position, Timestamp)>,
    last: Option<(Position, Header)>,
}

/// What a token has on an account.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Held {
    user: Option<i64>,
    access: i64,
    member_access: Option<i64>,
    works_from: Option<String>,
    works_until: Option<String>,
    works_end: Option<String>,
    addresses: Option<String>,
}

impl Holdings {
    /// Ends the change before, unless this record belongs to it. The state is the one before this record.
    pub(super) fn before(
        &mut self,
        connection: &Connection,
        state: &State,
        (position, header): (Position, &Header),
    ) -> Result<(), LogError> {
        let goes_on = self.last.is_some_and(|(last, of)| {
            last.next() == position && of.request == header.request && of.recorded_at == header.recorded_at
        });
        if goes_on { Ok(()) } else { self.settle(connection, state) }
    }

    /// Notes whose access a change may have changed. The state is the one after it.
    pub(super) fn after(&mut self, state: &State, (position, header, event): (Position, &Header, &Event)) {
        let place = (position, header.recorded_at);
        match event {
            Event::MemberAdded(added) => self.touch_member(state, (header.account, added.user), place),
            Event::MemberAccessChanged(changed) => self.touch_member(state, (header.account, changed.user), place),
            Event::MemberRemoved(removed) => self.touch_member(state, (header.account, removed.user), place),
            _ => {}
        }
        if let Some(token) = state.token(header.token) {
            match token.owner {
                Owner::Account(account) => {
                    self.touched.insert((token.id, account), place);
                }
                Owner::User(user) => {
                    let accounts = state.user(user).map(|user| user.accounts.iter().copied());
                    let of_token = |account| ((token.id, account), place);
                    self.touched.extend(accounts.into_iter().flatten().map(of_token));
                }
                Owner::Service => {}
            }
        }
        self.last = Some((position, *header));
    }

    /// A member's own tokens follow, and those of applications that the member let in.
    fn touch_member(&mut self, state: &State, (account, user): (AccountId, UserId), place: (Position, Timestamp)) {
        let own = state.user(user).map(|user| user.tokens.iter().copied());
        let of_account = |token| ((token, account), place);
        self.touched.extend(own.into_iter().flatten().map(of_account));
        let entered = state.account(account).map(|account| account.tokens.iter().copied());
        let is_followed = |token: &TokenId| state.token(*token).is_some_and(|token| token.kind == TokenKind::OAuth);
        self.touched.extend(entered.into_iter().flatten().filter(is_followed).map(of_account));
    }

    /// Writes what the change made of them.
    pub(super) fn settle(&mut self, connection: &Connection, state: &State) -> Result<(), LogError> {
        self.last = None;
        for (whose, place) in std::mem::take(&mut self.touched) {
            turn(connection, state, whose, place)?;
        }
        Ok(())
    }
}

fn turn(
    connection: &Connection,
    state: &State,
    (token, account): (TokenId, AccountId),
    (position, at): (Position, Timestamp),
) -> Result<(), LogError> {
    let held = held(connection, state, token, account)?;
    let open = open(connection, token, account)?;
    if open.as_ref().map(|(_, held)| held) == held.as_ref() {
        return Ok(());
    }
    if let Some((id, _)) = open {
        let mut statement = connection
            .prepare_cached("UPDATE holdings SET ended_at = ?2, ended_position = ?3 WHERE holding_id = ?1")?;
        statement.execute(params![id, at.to_micros_text(), int(position.0)])?;
    }
    if let Some(held) = held {
        let mut statement = connection.prepare_cached(
            "INSERT INTO holdings (token_id, account_id, user_id, access_position, member_access_position, since_at, since_position,
                works_from, works_until, works_end, allowed_addresses)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        let Held { user, access, member_access, works_from, works_until, works_end, addresses } = held;
        statement.execute(params![
            int(token.0),
            int(account.0),
            user,
            access,
            member_access,
            at.to_micros_text(),
            int(position.0),
            works_from,
            works_until,
            works_end,
            addresses,
        ])?;
    }
    Ok(())
}

fn open(connection: &Connection, token: TokenId, account: AccountId) -> Result<Option<(i64, Held)>, LogError> {
    let mut statement = connection.prepare_cached(
        "SELECT holding_id, user_id, access_position, member_access_position, works_from, works_until, works_end, allowed_addresses
         FROM holdings WHERE token_id = ?1 AND account_id = ?2 AND ended_position IS NULL",
    )?;
    let found = statement.query_row([int(token.0), int(account.0)], |row| {
        Ok((
            row.get(0)?,
            Held {
                user: row.get(1)?,
                access: row.get(2)?,
                member_access: row.get(3)?,
                works_from: row.get(4)?,
                works_until: row.get(5)?,
                works_end: row.get(6)?,
                addresses: row.get(7)?,
            },
        ))
    });
    Ok(found.optional()?)
}

fn held(connection: &Connection, state: &State, id: TokenId, account: AccountId) -> Result<Option<Held>, LogError> {
    let Some(token) = state.token(id) else { return Ok(None) };
    let (Some(works), Some((_, _, source))) = (token.works(), state.access_on(token, account)) else { return Ok(None) };
    let member = match (source, token.owner) {
        (AccessSource::Membership(_), Owner::User(user)) => Some(user),
        _ => None,
    };
    let access = match member {
        Some(user) => access_of_member(connection, account, user)?,
        None => access_of_token(connection, id)?,
    };
    // An OAuth token has what both its authorization and its member's access allow.
    let member_access = match (source, token.follows()) {
        (AccessSource::Authorization(..), Some(user)) => access_of_member(connection, account, user)?,
        _ => None,
    };
    let user = member.or_else(|| token.follows());
    let until = works.until.map(|until| (until.to_micros_text(), end_name(works.end).to_owned()));
    let (works_until, works_end) = until.unzip();
    Ok(Some(Held {
        user: user.and_then(|user| some(user.0)),
        access: access.unwrap_or_default(),
        member_access,
        works_from: (works.from > Timestamp::default()).then(|| works.from.to_micros_text()),
        works_until,
        works_end,
        addresses: token.conditions().ranges_in_words().map(|ranges| json!(ranges).to_string()),
    }))
}

fn end_name(end: End) -> &'static str {
    match end {
        End::Expired => "expires_at",
        End::SecretsEnded => "secrets_ended",
    }
}

fn access_of_token(connection: &Connection, token: TokenId) -> Result<Option<i64>, LogError> {
    let mut statement = connection.prepare_cached("SELECT access_position FROM tokens WHERE token_id = ?1")?;
    Ok(statement.query_row([int(token.0)], |row| row.get(0)).optional()?.flatten())
}

fn access_of_member(connection: &Connection, account: AccountId, user: UserId) -> Result<Option<i64>, LogError> {
    let mut statement = connection.prepare_cached(
        "SELECT access_position FROM memberships WHERE account_id = ?1 AND user_id = ?2 AND until_position IS NULL",
    )?;
    Ok(statement.query_row([int(account.0), int(user.0)], |row| row.get(0)).optional()?)
}
