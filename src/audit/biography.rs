//! What made an account what it is: every change of it and of the people in it, in order, and the state they give.

use super::archive::{Archive, Range};
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::token::Owner;
use crate::log::LogError;
use crate::projections::keys::Key;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// A record with its place.
pub type Placed = (Position, Header, Event);

/// The changes that an account's state follows from: the service's groups and maps, its own, and those of everybody who
/// was ever a member, with their tokens.
#[derive(Clone, Debug, Default)]
pub struct Biography {
    changes: Vec<Placed>,
}

impl Biography {
    /// Of an account, up to a position.
    pub fn of_account(archive: &Archive, account: AccountId, through: Position) -> Result<Self, LogError> {
        let range = (Position::NONE, through);
        let own = records(archive, &[Key::Service, Key::AccountChanges(account)], range)?;
        let members: BTreeSet<UserId> = own.iter().filter_map(|(_, _, event)| member_added(event)).collect();
        let mut changes = own;
        for user in members {
            changes.extend(Self::of_user(archive, user, through)?.changes);
        }
        Ok(Self { changes: in_order(changes) })
    }

    /// Of a user alone: itself, its memberships of every account, and its tokens.
    pub fn of_user(archive: &Archive, user: UserId, through: Position) -> Result<Self, LogError> {
        let range = (Position::NONE, through);
        let own = Self { changes: records(archive, &[Key::User(user)], range)? };
        let tokens: Vec<Key> = own.tokens().into_iter().map(Key::TokenChanges).collect();
        let changes = own.changes.into_iter().chain(records(archive, &tokens, range)?).collect();
        Ok(Self { changes: in_order(changes) })
    }

    /// The changes, oldest first.
    pub fn changes(&self) -> &[Placed] {
        &self.changes
    }

    /// Tokens that begin in it, in order.
    pub fn tokens(&self) -> Vec<TokenId> {
        let begins = |event: &Event| matches!(event, Event::TokenCreated(_) | Event::TokenImported(_));
        let begun = self.changes.iter().filter(|(_, _, event)| begins(event)).map(|(_, header, _)| header.token);
        begun.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The state up to and with a position: of what the biography is about, and with blanks for the rest. Windows in it
    /// are not drawn from, and stream numbers are those of the changes.
    pub fn state_at(&self, position: Position) -> State {
        let mut state = State::default();
        for (_, header, event) in self.changes.iter().take_while(|(at, _, _)| *at <= position) {
            state.evolve_part(header, event);
        }
        state
    }
}

/// Whose a token is, and the member who authorised it if one did, by its beginning: that never changes. None if there was
/// no such token.
pub fn whose(
    archive: &Archive,
    token: TokenId,
    through: Position,
) -> Result<Option<(Owner, Option<UserId>)>, LogError> {
    let mut whose = None;
    archive.visit(&[Key::TokenChanges(token)], (Position::NONE, through), &mut |_, _, event| {
        whose = match event {
            Event::TokenCreated(created) => {
                Some((created.owner, created.authorized.as_ref().map(|authorized| authorized.user)))
            }
            Event::TokenImported(imported) => Some((imported.owner, None)),
            _ => None,
        };
        ControlFlow::Break(())
    })?;
    Ok(whose)
}

/// The changes of a token up to a position, oldest first; of a user's those of the membership that it follows on an account,
/// too.
pub fn changes_of_token(
    archive: &Archive,
    (account, token, owner): (AccountId, TokenId, Owner),
    through: Position,
) -> Result<Vec<Placed>, LogError> {
    let member = match owner {
        Owner::User(user) => Some(user),
        _ => None,
    };
    let keys: Vec<Key> = [Key::TokenChanges(token)].into_iter().chain(member.map(Key::User)).collect();
    let mut changes = Vec::new();
    archive.visit(&keys, (Position::NONE, through), &mut |position, header, event| {
        let is_followed = header.account == account && member.is_some_and(|user| is_membership(event, user));
        if header.token == token || is_followed {
            changes.push((position, *header, event.clone()));
        }
        ControlFlow::Continue(())
    })?;
    Ok(changes)
}

fn is_membership(event: &Event, user: UserId) -> bool {
    match event {
        Event::MemberAdded(added) => added.user == user,
        Event::MemberAccessChanged(changed) => changed.user == user,
        Event::MemberRemoved(removed) => removed.user == user,
        _ => false,
    }
}

fn member_added(event: &Event) -> Option<UserId> {
    match event {
        Event::MemberAdded(added) => Some(added.user),
        _ => None,
    }
}

fn records(archive: &Archive, keys: &[Key], range: Range) -> Result<Vec<Placed>, LogError> {
    let mut records = Vec::new();
    if keys.is_empty() {
        return Ok(records);
    }
    archive.visit(keys, range, &mut |position, header, event| {
        records.push((position, *header, event.clone()));
        ControlFlow::Continue(())
    })?;
    Ok(records)
}

fn in_order(mut changes: Vec<Placed>) -> Vec<Placed> {
    changes.sort_unstable_by_key(|(position, _, _)| *position);
    changes.dedup_by_key(|(position, _, _)| *position);
    changes
}
