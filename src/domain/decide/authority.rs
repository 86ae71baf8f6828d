//! Whether a change that is recorded was allowed to whoever made it, by the state before it.
//!
//! Who may act, and which grants may be given, are the rules that decisions are made by; here they are asked again, of what
//! the record says. A record that this service decided has no fault.

use super::access::fault_of_grant;
use super::authorize::is_wholly_within_reach;
use super::directory::refuse_downgrade;
use super::management::{MANAGERS, may_act};
use crate::domain::access::{Access, Coverage};
use crate::domain::directory::{Account, Membership, Plan};
use crate::domain::event::{By, Cause, Event, Header};
use crate::domain::gateway::GatewayRight;
use crate::domain::ids::{ApplicationId, UserId, Version};
use crate::domain::oauth::{ClientKind, CodeState, EndReason};
use crate::domain::state::{State, by_of};
use crate::domain::token::{Authority, Owner, Principal, Token, TokenKind};
use core::net::IpAddr;
use thiserror::Error;

/// What is wrong with a recorded change.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AuthorityFault {
    /// The principal is not the one that the authority is of.
    #[error("the principal does not go with the authority")]
    OtherPrincipal,
    /// The service does not do that by itself.
    #[error("the service makes no such change by itself")]
    NotItsOwn,
    /// There was no such token.
    #[error("there was no such credential")]
    NoCredential,
    /// The credential did not work then, or may not make changes.
    #[error("the credential was refused then: {}", .0.name())]
    Refused(Cause),
    /// The authority had another version.
    #[error("the authority was of version {was} then, not {recorded}")]
    OtherVersion {
        /// What the record says.
        recorded: Version,
        /// What it was.
        was: Version,
    },
    /// The gateway token did not have the right, or the token was not within its reach.
    #[error("the gateway token did not have the right, or not over this token")]
    OutOfReach,
    /// The person was no member of the account, or not with full access.
    #[error("the person was no member with full access")]
    NotFullMember,
    /// Grants were given on a plan that has none.
    #[error("the plan had no grants")]
    PlanWithoutGrants,
    /// A grant in a group that there was not, or not as it was given.
    #[error("a grant was not allowed: {0}")]
    Grant(String),
    /// The account went down to a plan without grants while there were some.
    #[error("the account had tokens or members with grants")]
    GrantsExist,
    /// The kind of token is not made for such an owner.
    #[error("the kind of token does not go with its owner")]
    KindAndOwner,
}

/// Where a change came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeFrom {
    /// This address; none is one that nobody knew.
    Address(Option<IpAddr>),
    /// It was known then, and its text is erased: whether it was allowed cannot be judged.
    Erased,
}

/// Every fault of a recorded change, by the state before it; of a record that is no change none.
pub fn faults_of(before: &State, header: &Header, event: &Event, from: ChangeFrom) -> Vec<AuthorityFault> {
    let Some(by) = by_of(event) else { return Vec::new() };
    let who = check_who(before, header, event, by, from).err();
    who.into_iter().chain(check_what(before, header, event).err()).collect()
}

fn check_who(before: &State, header: &Header, event: &Event, by: &By, from: ChangeFrom) -> Result<(), AuthorityFault> {
    match by.authority {
        Authority::Init => {
            let is_service = header.principal == Principal::Service && header.credential.is_none();
            require(is_service, AuthorityFault::OtherPrincipal)?;
            require(is_its_own(before, event), AuthorityFault::NotItsOwn)
        }
        Authority::Local => {
            let is_local = matches!(header.principal, Principal::Local(_)) && header.credential.is_none();
            require(is_local, AuthorityFault::OtherPrincipal)
        }
        Authority::Operator(version) => check_staff(before, header, by, (version, MANAGERS), from).map(|_| ()),
        Authority::Auditor(version) => {
            check_staff(before, header, by, (version, &[TokenKind::Auditor]), from)?;
            let is_look = matches!(event, Event::HistoryRead(_) | Event::HistoryStreamOpened(_));
            require(is_look, AuthorityFault::Refused(Cause::WrongKind))
        }
        Authority::Gateway(version) => {
            let gateway = check_staff(before, header, by, (version, &[TokenKind::Gateway]), from)?;
            require(may_gateway(before, gateway, header, event), AuthorityFault::OutOfReach)
        }
        Authority::Membership(version) => {
            let Principal::User(user) = header.principal else { return Err(AuthorityFault::OtherPrincipal) };
            let shown = check_shown(before, header, by, &[TokenKind::Session], from)?;
            require(shown.owner == Owner::User(user), AuthorityFault::OtherPrincipal)?;
            let member = member_of(before, header, user, version)?;
            let may = member.access == Access::Full || is_own(before, header, user, event);
            require(may, AuthorityFault::NotFullMember)
        }
        Authority::Application(version) => check_application(before, header, event, (version, by.secret)),
    }
}

fn require(is_so: bool, fault: AuthorityFault) -> Result<(), AuthorityFault> {
    if is_so { Ok(()) } else { Err(fault) }
}

/// The first operator token, and erasing again what an older copy of the file brought back.
fn is_its_own(before: &State, event: &Event) -> bool {
    match event {
        Event::TokenCreated(created) => {
            before.tokens.is_empty() && (created.kind, created.owner) == (TokenKind::Operator, Owner::Service)
        }
        Event::PersonalDataErased(_) => true,
        _ => false,
    }
}

/// The credential, if it worked then and was of such a kind.
fn check_shown<'a>(
    before: &'a State,
    header: &Header,
    by: &By,
    kinds: &[TokenKind],
    from: ChangeFrom,
) -> Result<&'a Token, AuthorityFault> {
    let token = before.token(header.credential).filter(|token| !token.id.is_none());
    let token = token.ok_or(AuthorityFault::NoCredential)?;
    let from = match from {
        ChangeFrom::Address(address) => Some(address),
        ChangeFrom::Erased => None,
    };
    may_act(token, by.secret, header.recorded_at, from, kinds).map_err(AuthorityFault::Refused)?;
    Ok(token)
}

fn check_staff<'a>(
    before: &'a State,
    header: &Header,
    by: &By,
    (version, kinds): (Version, &[TokenKind]),
    from: ChangeFrom,
) -> Result<&'a Token, AuthorityFault> {
    require(header.principal == Principal::Staff(header.credential), AuthorityFault::OtherPrincipal)?;
    let token = check_shown(before, header, by, kinds, from)?;
    let other = AuthorityFault::OtherVersion { recorded: version, was: token.version };
    require(token.version == version, other)?;
    Ok(token)
}

fn may_gateway(before: &State, gateway: &Token, header: &Header, event: &Event) -> bool {
    let (Some(reach), Some(token)) = (&gateway.gateway, before.token(header.token)) else { return false };
    match event {
        Event::TokenDeleted(_) => reach.has(GatewayRight::Revoke) && is_wholly_within_reach(before, reach, token),
        Event::UseReported(_) => reach.has(GatewayRight::Report),
        _ => false,
    }
}

fn member_of<'a>(
    before: &'a State,
    header: &Header,
    user: UserId,
    version: Version,
) -> Result<&'a Membership, AuthorityFault> {
    let member = before.account(header.account).and_then(|account| account.members.get(&user));
    let member = member.ok_or(AuthorityFault::NotFullMember)?;
    let other = AuthorityFault::OtherVersion { recorded: version, was: member.version };
    require(member.version == version, other)?;
    Ok(member)
}

/// What a member does for themself alone, whatever else they may do on the account.
fn is_own(before: &State, header: &Header, user: UserId, event: &Event) -> bool {
    match event {
        Event::AuthorizationGranted(granted) => granted.user == user,
        Event::AuthorizationCodeIssued(issued) => {
            let authorization = before.authorization(issued.authorization);
            authorization.is_some_and(|it| it.user == user && it.account == header.account)
        }
        Event::AuthorizationRevoked(revoked) => revoked.user == user,
        Event::TokenDeleted(deleted) => {
            let ended = before.token(header.token).and_then(|token| token.authorized.as_deref());
            deleted.reason == EndReason::AuthorizationRevoked && ended.is_some_and(|it| it.user == user)
        }
        _ => false,
    }
}

/// An application exchanges its own codes, and by that may end tokens of the authorization.
fn check_application(
    before: &State,
    header: &Header,
    event: &Event,
    (version, secret): (Version, u32),
) -> Result<(), AuthorityFault> {
    let Principal::Application(id) = header.principal else { return Err(AuthorityFault::OtherPrincipal) };
    let application = before.application(id).ok_or(AuthorityFault::NoCredential)?;
    let shown = application.secrets.iter().find(|kept| kept.number == secret);
    let works = match application.kind {
        ClientKind::Public => secret == 0,
        ClientKind::Confidential => {
            shown.is_some_and(|shown| shown.not_after.is_none_or(|end| end > header.recorded_at))
        }
    };
    require(works, AuthorityFault::Refused(Cause::SecretEnded))?;
    let other = AuthorityFault::OtherVersion { recorded: version, was: application.version };
    require(application.version == version, other)?;
    require(may_application(before, id, header, event), AuthorityFault::OutOfReach)
}

fn may_application(before: &State, id: ApplicationId, header: &Header, event: &Event) -> bool {
    match event {
        Event::TokenCreated(created) => created.authorized.is_some_and(|authorized| {
            let authorization = before.authorization(authorized.authorization);
            let code = before.codes.get(authorized.code);
            authorized.application == id
                && authorization.is_some_and(|it| it.application == id && it.account == header.account)
                && code.is_some_and(|code| {
                    code.state == CodeState::Issued && code.authorization == authorized.authorization
                })
        }),
        Event::CodeExchangeRefused(refused) => before.codes.get(refused.code).is_some(),
        Event::TokenDeleted(deleted) => matches!(deleted.reason, EndReason::CodeReused | EndReason::Replaced),
        _ => false,
    }
}

fn check_what(before: &State, header: &Header, event: &Event) -> Result<(), AuthorityFault> {
    let account = before.account(header.account);
    match event {
        Event::PlanChanged(changed) if changed.to == Plan::Solo => match account {
            Some(account) => refuse_downgrade(before, account).map_err(|_| AuthorityFault::GrantsExist),
            None => Ok(()),
        },
        Event::TokenCreated(created) => {
            let fits = match created.kind {
                TokenKind::Gateway => created.gateway.is_some() && created.owner == Owner::Service,
                TokenKind::OAuth => created.authorized.is_some() && created.owner == Owner::Account(header.account),
                kind => kind.fits(created.owner),
            };
            require(fits, AuthorityFault::KindAndOwner)?;
            account.map_or(Ok(()), |account| check_access(before, account, &created.access))
        }
        Event::TokenImported(imported) => {
            require(imported.kind.fits(imported.owner), AuthorityFault::KindAndOwner)?;
            account.map_or(Ok(()), |account| check_access(before, account, &imported.access))
        }
        Event::TokenAccessChanged(changed) => {
            account.map_or(Ok(()), |account| check_access(before, account, &changed.access))
        }
        Event::AuthorizationGranted(granted) => {
            account.map_or(Ok(()), |account| check_access(before, account, &granted.access))
        }
        Event::MemberAdded(added) => account.map_or(Ok(()), |account| check_access(before, account, &added.access)),
        Event::MemberAccessChanged(changed) => {
            account.map_or(Ok(()), |account| check_access(before, account, &changed.access))
        }
        _ => Ok(()),
    }
}

fn check_access(before: &State, account: &Account, access: &Access) -> Result<(), AuthorityFault> {
    let Access::Granted(grants) = access else { return Ok(()) };
    require(account.plan.has_grants(), AuthorityFault::PlanWithoutGrants)?;
    for grant in grants {
        let group = before.groups.get(u64::from(grant.group));
        let group = group.ok_or_else(|| AuthorityFault::Grant("there was no such scope group".to_owned()))?;
        let is_named = matches!(grant.coverage, Coverage::Named(_));
        if let Some((_, fault)) = fault_of_grant(group, account, grant.level, is_named) {
            return Err(AuthorityFault::Grant(format!("{} {fault}", group.name)));
        }
    }
    Ok(())
}
