//! Whether a change that is recorded was allowed to whoever made it, by the state before it.
//!
//! Who may act, and which grants may be given, are the rules that decisions are made by; here they are asked again, of what
//! the record says. A record that this service decided has no fault.

use super::access::fault_of_grant;
use super::authorize::is_wholly_within_reach;
use super::directory::refuse_downgrade;
use super::management::{MANAGERS, may_act, right_over, staff_works};
use crate::domain::access::{Access, Coverage};
use crate::domain::directory::{Account, Plan};
use crate::domain::event::{By, Cause, Event, Header, ManagementOperation};
use crate::domain::gateway::GatewayRight;
use crate::domain::ids::{ApplicationId, TokenId, UserId, Version};
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
    /// The person was no member of the account, or not with full access; or members do not do that.
    #[error("the person was no member with full access, or members do not do that")]
    NotFullMember,
    /// The session did something to what was not its own person's, or that persons do not do.
    #[error("it was not the session's own to do")]
    NotOwn,
    /// There was no such sign-in link for this person, or it did not work then.
    #[error("there was no such sign-in link that worked")]
    NoSignInLink,
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
            let user = check_session(before, header, by, from)?;
            check_member(before, header, event, by, (user, version))
        }
        Authority::Own => check_own(before, header, event, (by, from)),
        Authority::SignInLink(link) => check_link(before, header, event, link),
        Authority::Application(version) => check_application(before, header, event, (version, by.secret)),
    }
}

/// The user whose session was shown, if the principal is that user.
fn check_session(before: &State, header: &Header, by: &By, from: ChangeFrom) -> Result<UserId, AuthorityFault> {
    let Principal::User(user) = header.principal else { return Err(AuthorityFault::OtherPrincipal) };
    let shown = check_shown(before, header, by, &[TokenKind::Session], from)?;
    require(shown.owner == Owner::User(user), AuthorityFault::OtherPrincipal)?;
    Ok(user)
}

/// Anybody ends sessions of their own; a user does besides what users do with what is theirs.
fn check_own(
    before: &State,
    header: &Header,
    event: &Event,
    (by, from): (&By, ChangeFrom),
) -> Result<(), AuthorityFault> {
    let ended = before.token(header.token).filter(|token| token.kind == TokenKind::Session);
    if let (Event::TokenDeleted(_), Some(ended)) = (event, ended) {
        let shown = check_shown(before, header, by, &[TokenKind::Session], from)?;
        require(shown.principal() == header.principal, AuthorityFault::OtherPrincipal)?;
        return require(ended.principal() == header.principal, AuthorityFault::NotOwn);
    }
    let user = check_session(before, header, by, from)?;
    let done = operation_of(before, header, event, by).ok_or(AuthorityFault::NotOwn)?;
    let right = right_over(before, user, done.0, done.1);
    require(right == Ok(Authority::Own), AuthorityFault::NotOwn)
}

/// A link opens one session for the one that it is of.
fn check_link(before: &State, header: &Header, event: &Event, number: u64) -> Result<(), AuthorityFault> {
    require(header.credential.is_none(), AuthorityFault::OtherPrincipal)?;
    let link = before.sign_ins.link(number).filter(|link| link.is_open(header.recorded_at));
    let link = link.ok_or(AuthorityFault::NoSignInLink)?;
    require(link.who == header.principal, AuthorityFault::OtherPrincipal)?;
    let owner = match link.who {
        Principal::User(user) => Owner::User(user),
        _ => Owner::Service,
    };
    let is_its_own = match event {
        Event::TokenCreated(created) => (created.kind, created.owner) == (TokenKind::Session, owner),
        Event::SignInLinkUsed(used) => used.link == number,
        _ => false,
    };
    require(is_its_own, AuthorityFault::NoSignInLink)
}

/// What a person's session did, and to whose things; none of what sessions of persons do not do.
fn operation_of(before: &State, header: &Header, event: &Event, by: &By) -> Option<(ManagementOperation, Owner)> {
    use ManagementOperation as Op;
    let owner = before.token(header.token).filter(|token| token.kind != TokenKind::Session).map(|token| token.owner);
    Some(match event {
        Event::TokenCreated(created) => (Op::CreateToken, created.owner),
        // Of a new token right behind its creation, else an edit: whoever may do one may do the other.
        Event::TokenConditionsChanged(_)
        | Event::TokenRenamed(_)
        | Event::TokenAccessChanged(_)
        | Event::TokenExpiryChanged(_) => (Op::UpdateToken, owner?),
        Event::TokenRotated(_) => (Op::RotateToken, owner?),
        Event::ApplicationRegistered(_)
        | Event::ApplicationChanged(_)
        | Event::ApplicationSecretRotated(_)
        | Event::ApplicationDeleted(_) => (Op::ChangeApplications, Owner::Account(header.account)),
        Event::AuthorizationGranted(granted) => {
            let is_own = header.principal == Principal::User(granted.user);
            is_own.then_some((Op::AuthorizeApplication, Owner::Account(header.account)))?
        }
        Event::AuthorizationCodeIssued(issued) => {
            let authorization = before.authorization(issued.authorization)?;
            let is_own = header.principal == Principal::User(authorization.user);
            is_own.then_some((Op::AuthorizeApplication, Owner::Account(header.account)))?
        }
        Event::AuthorizationRevoked(revoked) => {
            end_of(before, header, (revoked.reason, revoked.user, revoked.application), by)?
        }
        Event::TokenDeleted(deleted) => match before.token(header.token)?.authorized.as_deref() {
            Some(it) if deleted.reason != EndReason::Asked => {
                end_of(before, header, (deleted.reason, it.user, it.application), by)?
            }
            _ => (Op::DeleteToken, owner?),
        },
        Event::HistoryRead(read) => (Op::ReadEvents, read.asked.whose()),
        _ => return None,
    })
}

/// What was done, and to whose things, where an authorization or a token of one ended.
fn end_of(
    before: &State,
    header: &Header,
    (reason, user, application): (EndReason, UserId, ApplicationId),
    by: &By,
) -> Option<(ManagementOperation, Owner)> {
    use ManagementOperation as Op;
    Some(match reason {
        EndReason::ApplicationDeleted | EndReason::AllRevoked => {
            (Op::ChangeApplications, Owner::Account(before.applications.get(application.0)?.account))
        }
        EndReason::MemberRemoved => (Op::ChangeMembers, Owner::Account(header.account)),
        _ if by.authority == Authority::Own => (Op::RevokeAuthorizations, Owner::User(user)),
        _ => (Op::RevokeAuthorizations, Owner::Account(header.account)),
    })
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
    let Principal::Staff(staff) = header.principal else { return Err(AuthorityFault::OtherPrincipal) };
    let token = if staff == header.credential {
        check_shown(before, header, by, kinds, from)?
    } else {
        check_stand_in(before, header, by, (staff, kinds), from)?
    };
    let other = AuthorityFault::OtherVersion { recorded: version, was: token.version };
    require(token.version == version, other)?;
    Ok(token)
}

/// The staff token that the session shown stands for.
fn check_stand_in<'a>(
    before: &'a State,
    header: &Header,
    by: &By,
    (staff, kinds): (TokenId, &[TokenKind]),
    from: ChangeFrom,
) -> Result<&'a Token, AuthorityFault> {
    let session = check_shown(before, header, by, &[TokenKind::Session], from)?;
    require(session.stands_for() == Some(staff), AuthorityFault::OtherPrincipal)?;
    let from = match from {
        ChangeFrom::Address(address) => Some(address),
        ChangeFrom::Erased => None,
    };
    let token = staff_works(before, staff, header.recorded_at, from).map_err(AuthorityFault::Refused)?;
    require(kinds.contains(&token.kind), AuthorityFault::Refused(Cause::WrongKind))?;
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

fn check_member(
    before: &State,
    header: &Header,
    event: &Event,
    by: &By,
    (user, version): (UserId, Version),
) -> Result<(), AuthorityFault> {
    let (operation, whose) = operation_of(before, header, event, by).ok_or(AuthorityFault::NotFullMember)?;
    let Ok(Authority::Membership(was)) = right_over(before, user, operation, whose) else {
        return Err(AuthorityFault::NotFullMember);
    };
    require(was == version, AuthorityFault::OtherVersion { recorded: version, was })
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
                TokenKind::Gateway => created.owner == Owner::Service && created.gateway.is_some(),
                // Of whom it is, is the link's affair.
                TokenKind::Session => matches!(created.by.authority, Authority::SignInLink(_)),
                TokenKind::OAuth => created.owner == Owner::Account(header.account) && created.authorized.is_some(),
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
