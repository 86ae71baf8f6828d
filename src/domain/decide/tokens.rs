//! Rules of token management.

use super::access;
use super::conditions;
use super::directory::{Faults, account_of, check_version};
use super::draft::{Draft, Recorded};
use super::management::{Deciding, Done, Ruled, Subject};
use super::sign_in;
use crate::domain::access::Access;
use crate::domain::command::{AccessRequest, Change, NewSecret};
use crate::domain::conditions::{Conditions, ConditionsEdit};
use crate::domain::event::{
    TokenAccessChanged, TokenCreated, TokenDeleted, TokenExpiryChanged, TokenRenamed, TokenRotated,
};
use crate::domain::ids::{AccountId, TokenId, Version};
use crate::domain::names::check_name;
use crate::domain::oauth::EndReason;
use crate::domain::rejection::{Conflict, Missing, Rejection};
use crate::domain::text::{PersonalText, Subject as TextSubject, TextKind, Texts};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, SECRETS_MAX, Secret, Token, TokenKind};
use std::collections::BTreeSet;

/// Live tokens that one account, user or the service may have.
pub const TOKENS_MAX: usize = 100_000;
/// Longest overlap of a rotation: 30 days.
pub const OVERLAP_SECONDS_MAX: u64 = 30 * 86_400;

pub(super) fn rule(deciding: &Deciding<'_>, change: &Change, texts: &mut dyn Texts) -> Ruled {
    match change {
        Change::CreateToken { owner, kind, name, access, expires_at, conditions, secret } => {
            let (kind, expires_at, secret) = (*kind, *expires_at, *secret);
            let new = New { kind, name, access: access.as_ref(), expires_at, conditions, secret };
            create(deciding, texts, *owner, &new)
        }
        Change::UpdateToken { owner, token, name, access, expires_at, conditions, if_match } => {
            let edit = Edit { name: name.as_ref(), access: access.as_ref(), expires_at: *expires_at, conditions };
            update(deciding, texts, token_of(deciding, *owner, *token, *if_match)?, &edit)
        }
        Change::RotateToken { owner, token, overlap_seconds, secret, if_match } => {
            let token = token_of(deciding, *owner, *token, *if_match)?;
            if token.kind == TokenKind::OAuth {
                return Err(Rejection::Conflict(Conflict::HeldByApplication));
            }
            rotate(deciding, texts, token, *overlap_seconds, *secret)
        }
        Change::DeleteToken { owner, token, if_match } => {
            delete(deciding, texts, token_of(deciding, *owner, *token, *if_match)?)
        }
        _ => done(Vec::new(), TokenId::NONE, false),
    }
}

pub(super) fn done(events: Vec<Recorded>, token: TokenId, created: bool) -> Ruled {
    Ok((events, Done { subject: Subject::Token(token), created }))
}

/// A token to be created.
struct New<'a> {
    kind: TokenKind,
    name: &'a PersonalText,
    access: Option<&'a AccessRequest>,
    expires_at: Option<Timestamp>,
    conditions: &'a Conditions,
    secret: NewSecret,
}

/// What an edit changes.
struct Edit<'a> {
    name: Option<&'a PersonalText>,
    access: Option<&'a AccessRequest>,
    expires_at: Option<Option<Timestamp>>,
    conditions: &'a ConditionsEdit,
}

/// The token of this owner. Another owner's, a deleted one, one that never was, a gateway's and a session, which have
/// changes of their own, look the same.
fn token_of<'a>(
    deciding: &Deciding<'a>,
    owner: Owner,
    id: TokenId,
    if_match: Option<Version>,
) -> Result<&'a Token, Rejection> {
    let missing = Rejection::NotFound(Missing::Token);
    check_owner(deciding, owner)?;
    let token = deciding.state.token(id).ok_or(missing.clone())?;
    if token.owner != owner
        || token.deleted_at.is_some()
        || matches!(token.kind, TokenKind::Gateway | TokenKind::Session)
    {
        return Err(missing);
    }
    check_version(token.version, if_match)?;
    Ok(token)
}

fn check_owner(deciding: &Deciding<'_>, owner: Owner) -> Result<(), Rejection> {
    match owner {
        Owner::Service => Ok(()),
        Owner::Account(account) => account_of(deciding, account).map(drop),
        Owner::User(user) => match deciding.state.user(user) {
            Some(_) => Ok(()),
            None => Err(Rejection::NotFound(Missing::User)),
        },
    }
}

/// Whether an owner may have so many tokens more.
pub(super) fn check_room(deciding: &Deciding<'_>, owner: Owner, more: usize) -> Result<(), Rejection> {
    match live_tokens(deciding, owner) {
        Some(tokens) if tokens.len().saturating_add(more) > TOKENS_MAX => {
            Err(Rejection::LimitReached("an owner has at most 100000 live tokens"))
        }
        _ => Ok(()),
    }
}

fn live_tokens<'a>(deciding: &Deciding<'a>, owner: Owner) -> Option<&'a BTreeSet<TokenId>> {
    match owner {
        Owner::Service => Some(&deciding.state.service_tokens),
        Owner::Account(account) => deciding.state.account(account).map(|account| &*account.tokens),
        Owner::User(user) => deciding.state.user(user).map(|user| &*user.tokens),
    }
}

/// Account whose stream a token's management belongs to, and whose texts its name is.
fn home(owner: Owner) -> (AccountId, TextSubject) {
    match owner {
        Owner::Service => (AccountId::NONE, TextSubject::Service),
        Owner::Account(account) => (account, TextSubject::Account(account)),
        Owner::User(user) => (AccountId::NONE, TextSubject::User(user)),
    }
}

pub(super) fn check_expiry(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), &'static str> {
    match expires_at {
        Some(end) if end <= now => Err("must be in the future"),
        _ => Ok(()),
    }
}

/// The access that a request for this kind comes to, checked. `None`: the kind has no access of its own.
fn check_access(
    deciding: &Deciding<'_>,
    owner: Owner,
    request: Option<&AccessRequest>,
) -> Result<Option<AccessRequest>, Rejection> {
    match (owner, request) {
        (Owner::Account(account), Some(request)) => {
            access::check(deciding.state, account_of(deciding, account)?, request).map(Some)
        }
        (Owner::Account(_), None) => Err(Rejection::field("access", "can't be blank")),
        (Owner::User(_), Some(_)) => {
            Err(Rejection::field("access", "can't be given: a user token follows its user's memberships"))
        }
        (Owner::Service, Some(_)) => Err(Rejection::field("access", "can't be given for this kind of token")),
        (_, None) => Ok(None),
    }
}

fn create(deciding: &Deciding<'_>, texts: &mut dyn Texts, owner: Owner, new: &New<'_>) -> Ruled {
    check_owner(deciding, owner)?;
    let mut faults = Faults::default();
    faults.check("kind", if new.kind.fits(owner) { Ok(()) } else { Err("does not fit the owner") });
    faults.check("name", check_name(new.name.as_str()));
    faults.check("expires_at", check_expiry(new.expires_at, deciding.context.now));
    for (field, result) in conditions::faults_of_new(new.conditions, new.expires_at) {
        faults.check(field, result);
    }
    faults.finish()?;
    let request = check_access(deciding, owner, new.access)?;
    check_room(deciding, owner, 1)?;
    if deciding.digest_exists(&new.secret.digest) {
        return Err(Rejection::Conflict(Conflict::DigestExists));
    }
    let token = TokenId(deciding.state.tokens.next_number());
    let (account, subject) = home(owner);
    let mut draft = deciding.draft(texts, account, token);
    let name = draft.intern(subject, TextKind::TokenName, new.name.as_str());
    let access = match &request {
        Some(request) => access::write(&mut draft, account, request),
        None => Access::Granted(Vec::new()),
    };
    let by = deciding.by(&mut draft);
    draft.record(TokenCreated {
        kind: new.kind,
        owner,
        name,
        access,
        gateway: None,
        authorized: None,
        secret: Secret { number: 1, digest: new.secret.digest, hint: new.secret.hint, not_after: None },
        expires_at: new.expires_at,
        by,
    });
    conditions::set(deciding, &mut draft, &Conditions::default(), new.conditions.clone());
    done(draft.finish(), token, true)
}

fn update(deciding: &Deciding<'_>, texts: &mut dyn Texts, token: &Token, edit: &Edit<'_>) -> Ruled {
    let mut faults = Faults::default();
    faults.check("name", edit.name.map_or(Ok(()), |name| check_name(name.as_str())));
    faults.check("expires_at", edit.expires_at.map_or(Ok(()), |end| check_expiry(end, deciding.context.now)));
    conditions::check_edit(&mut faults, token, edit.conditions, edit.expires_at);
    faults.finish()?;
    if token.kind == TokenKind::OAuth && edit.access.is_some() {
        return Err(Rejection::field("access", "can't be changed: it is what was authorised for the application"));
    }
    let request = match edit.access {
        Some(_) => check_access(deciding, token.owner, edit.access)?,
        None => None,
    };
    let (account, subject) = home(token.owner);
    let mut draft = deciding.draft(texts, account, token.id);
    if let Some(name) = edit.name {
        rename(deciding, &mut draft, subject, token, name);
    }
    if let Some(request) = &request
        && !access::is_same(&mut draft, account, request, &token.access)
    {
        let access = access::write(&mut draft, account, request);
        let by = deciding.by(&mut draft);
        draft.record(TokenAccessChanged { access, by });
    }
    if let Some(expires_at) = edit.expires_at {
        set_expiry(deciding, &mut draft, token, expires_at);
    }
    let before = token.conditions();
    conditions::set(deciding, &mut draft, before, edit.conditions.applied_to(before));
    done(draft.finish(), token.id, false)
}

pub(super) fn rename(
    deciding: &Deciding<'_>,
    draft: &mut Draft<'_>,
    subject: TextSubject,
    token: &Token,
    name: &PersonalText,
) {
    let name = draft.intern(subject, TextKind::TokenName, name.as_str());
    if name != token.name {
        let by = deciding.by(draft);
        draft.record(TokenRenamed { name, by });
    }
}

pub(super) fn set_expiry(deciding: &Deciding<'_>, draft: &mut Draft<'_>, token: &Token, expires_at: Option<Timestamp>) {
    if expires_at != token.expires_at {
        let by = deciding.by(draft);
        draft.record(TokenExpiryChanged { expires_at, by });
    }
}

pub(super) fn rotate(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    token: &Token,
    overlap_seconds: u64,
    secret: NewSecret,
) -> Ruled {
    if overlap_seconds > OVERLAP_SECONDS_MAX {
        return Err(Rejection::field("overlap_seconds", "must be at most 2592000 (30 days)"));
    }
    if token.secrets.len() >= SECRETS_MAX {
        return Err(Rejection::LimitReached("a token has at most 1000 secrets; create a new token"));
    }
    if deciding.digest_exists(&secret.digest) {
        return Err(Rejection::Conflict(Conflict::DigestExists));
    }
    let ends = token.secrets.last().map_or(0, |secret| secret.number);
    let (account, _) = home(token.owner);
    let mut draft = deciding.draft(texts, account, token.id);
    let by = deciding.by(&mut draft);
    draft.record(TokenRotated {
        secret: Secret { number: ends + 1, digest: secret.digest, hint: secret.hint, not_after: None },
        ends,
        ends_at: deciding.context.now.plus_seconds(overlap_seconds),
        by,
    });
    done(draft.finish(), token.id, true)
}

pub(super) fn delete(deciding: &Deciding<'_>, texts: &mut dyn Texts, token: &Token) -> Ruled {
    if token.kind == TokenKind::Operator && is_last_operator(deciding, token) {
        return Err(Rejection::Conflict(Conflict::LastOperator));
    }
    let (account, _) = home(token.owner);
    let mut draft = deciding.draft(texts, account, token.id);
    let by = deciding.by(&mut draft);
    for session in sign_in::sessions_that_end_with(deciding, token) {
        draft.turn_to(session);
        draft.record(TokenDeleted { reason: EndReason::StaffTokenDeleted, by });
    }
    draft.turn_back_to(token.id);
    draft.record(TokenDeleted { reason: EndReason::Asked, by });
    done(draft.finish(), token.id, false)
}

/// Whoever deletes the last operator token that works locks everybody out. One that works no more locks out nobody.
fn is_last_operator(deciding: &Deciding<'_>, token: &Token) -> bool {
    let now = deciding.context.now;
    if !token.is_live(now) {
        return false;
    }
    let operators = deciding.state.service_tokens.iter().filter_map(|&id| deciding.state.token(id));
    !operators.filter(|other| other.kind == TokenKind::Operator && other.is_live(now)).any(|other| other.id != token.id)
}
