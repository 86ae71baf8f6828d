//! What an access review goes through: what each live token and membership of an account had at a point, since when, by
//! whom, and whether it was used.

use super::archive::Archive;
use super::biography::{Biography, Placed};
use crate::domain::access::Access;
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, Position, TextNumber, TokenId, UserId};
use crate::domain::review::ReviewRow;
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Principal, Token};
use crate::log::LogError;
use crate::projections::keys::Key;

/// One row: what somebody has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Whose.
    pub row: ReviewRow,
    /// Name of the token, or of the person.
    pub name: TextNumber,
    /// Of a token its owner, of an OAuth token the member whose access it follows; of a membership the person.
    pub owner: Owner,
    /// What it may. Of a user's token what the membership may, of an OAuth token what both that and its authorization do.
    pub access: Access,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// The record that gave it this access; none where there is none, of a blank.
    pub granted: Option<Granted>,
    /// Whether the token came from elsewhere, so that uses before are not known.
    pub is_imported: bool,
}

/// The record that gave an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Granted {
    /// Where.
    pub position: Position,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Principal,
    /// With which token.
    pub credential: TokenId,
}

/// The rows of an account at a position: its tokens, its members, and their tokens. None if there was no such account.
pub fn held(biography: &Biography, account: AccountId, position: Position) -> Option<Vec<Held>> {
    let state = biography.state_at(position);
    let found = state.account(account).filter(|found| !found.id.is_none())?;
    let past: Vec<&Placed> = biography.changes().iter().filter(|(at, _, _)| *at <= position).collect();
    let mut rows = Vec::new();
    for &id in found.tokens.iter() {
        let Some(token) = state.token(id) else { continue };
        let access =
            state.access_on(token, account).map_or_else(|| token.access.clone(), |(_, access, _)| access.into_owned());
        rows.push(of_token(&past, account, token, access));
    }
    for (&user, membership) in found.members.iter() {
        rows.push(of_member(&past, &state, account, user, membership.access.clone()));
        let tokens = state.user(user).into_iter().flat_map(|user| user.tokens.iter());
        for token in tokens.filter_map(|&id| state.token(id)) {
            rows.push(of_token(&past, account, token, membership.access.clone()));
        }
    }
    Some(rows)
}

fn of_token(past: &[&Placed], account: AccountId, token: &Token, access: Access) -> Held {
    let own = || last(past, |header_token, _, event| header_token == token.id && gives_access(event));
    let granted = match (token.owner, token.follows()) {
        (Owner::User(user), _) => granted_to_member(past, account, user),
        // What both allow is there from the later of the two on.
        (_, Some(user)) => own().into_iter().chain(granted_to_member(past, account, user)).max_by_key(|it| it.position),
        (_, None) => own(),
    };
    Held {
        row: ReviewRow::Token(token.id),
        name: token.name,
        owner: token.follows().map_or(token.owner, Owner::User),
        access,
        expires_at: token.expires_at,
        granted,
        is_imported: token.imported_at.is_some(),
    }
}

fn of_member(past: &[&Placed], state: &State, account: AccountId, user: UserId, access: Access) -> Held {
    Held {
        row: ReviewRow::Member(user),
        name: state.user(user).map_or(TextNumber::NONE, |user| user.name),
        owner: Owner::User(user),
        access,
        expires_at: None,
        granted: granted_to_member(past, account, user),
        is_imported: false,
    }
}

fn granted_to_member(past: &[&Placed], account: AccountId, user: UserId) -> Option<Granted> {
    last(past, |_, of, event| {
        of == account
            && match event {
                Event::MemberAdded(added) => added.user == user,
                Event::MemberAccessChanged(changed) => changed.user == user,
                _ => false,
            }
    })
}

fn gives_access(event: &Event) -> bool {
    matches!(event, Event::TokenCreated(_) | Event::TokenImported(_) | Event::TokenAccessChanged(_))
}

fn last(past: &[&Placed], is_it: impl Fn(TokenId, AccountId, &Event) -> bool) -> Option<Granted> {
    let found = past.iter().rev().find(|(_, header, event)| is_it(header.token, header.account, event));
    found.map(|(position, header, _)| Granted {
        position: *position,
        at: header.recorded_at,
        by: header.principal,
        credential: header.credential,
    })
}

/// The last use of each row on the account, up to a position. Of a membership that of the person's tokens.
pub fn last_uses(
    archive: &Archive,
    account: AccountId,
    rows: &[Held],
    position: Position,
) -> Result<Vec<Option<Timestamp>>, LogError> {
    let mut uses = Vec::with_capacity(rows.len());
    for held in rows {
        uses.push(match held.row {
            ReviewRow::Token(token) => last_use(archive, account, token, position)?,
            ReviewRow::Member(_) => None,
        });
    }
    let of_person = |member: &Held| {
        let theirs = rows.iter().zip(&uses).filter(|(held, _)| held.owner == member.owner);
        theirs.filter_map(|(_, at)| *at).max()
    };
    let members: Vec<Option<Timestamp>> = rows.iter().map(of_person).collect();
    let is_member = |held: &Held| matches!(held.row, ReviewRow::Member(_));
    Ok(rows
        .iter()
        .zip(uses.iter().zip(members))
        .map(|(row, (own, all))| if is_member(row) { all } else { *own })
        .collect())
}

fn last_use(
    archive: &Archive,
    account: AccountId,
    token: TokenId,
    position: Position,
) -> Result<Option<Timestamp>, LogError> {
    let is_use = &mut |header: &crate::domain::event::Header, event: &Event| {
        matches!(event, Event::TokenUsed(_)) && header.account == account
    };
    let found = archive.last(&[Key::TokenTraffic(token)], (Position::NONE, position), is_use)?;
    Ok(found.map(|(_, header, _)| header.recorded_at))
}
