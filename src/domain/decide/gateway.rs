//! Rules of gateway tokens: they are the service's, and reach named accounts with named rights.

use super::conditions;
use super::directory::{Faults, check_version};
use super::management::{Deciding, Ruled};
use super::tokens::{self, check_expiry, done};
use crate::domain::access::Access;
use crate::domain::command::{GatewayChange, NewSecret};
use crate::domain::conditions::{Conditions, ConditionsEdit};
use crate::domain::event::{GatewayRightsChanged, TokenCreated};
use crate::domain::gateway::{GATEWAY_ACCOUNTS_MAX, GatewayReach};
use crate::domain::ids::{AccountId, TokenId, Version};
use crate::domain::names::check_name;
use crate::domain::rejection::{Conflict, FieldFault, Missing, Rejection};
use crate::domain::text::{PersonalText, Subject as TextSubject, TextKind, Texts};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Secret, Token, TokenKind};

pub(super) fn rule(deciding: &Deciding<'_>, texts: &mut dyn Texts, change: &GatewayChange) -> Ruled {
    match change {
        GatewayChange::Create { name, reach, expires_at, conditions, secret } => {
            create(deciding, texts, &New { name, reach, expires_at: *expires_at, conditions, secret: *secret })
        }
        GatewayChange::Update { token, name, rights, accounts, expires_at, conditions, if_match } => {
            let token = gateway_of(deciding, *token, *if_match)?;
            let before = token.gateway.as_deref().cloned().unwrap_or_default();
            let reach =
                GatewayReach::new(rights.clone().unwrap_or(before.rights), accounts.clone().unwrap_or(before.accounts));
            update(deciding, texts, token, Edit { name: name.as_ref(), reach, expires_at: *expires_at, conditions })
        }
        GatewayChange::Rotate { token, overlap_seconds, secret, if_match } => {
            tokens::rotate(deciding, texts, gateway_of(deciding, *token, *if_match)?, *overlap_seconds, *secret)
        }
        GatewayChange::Delete { token, if_match } => {
            tokens::delete(deciding, texts, gateway_of(deciding, *token, *if_match)?)
        }
    }
}

/// The live gateway token of this number. Any other token looks like one that never was.
fn gateway_of<'a>(deciding: &Deciding<'a>, id: TokenId, if_match: Option<Version>) -> Result<&'a Token, Rejection> {
    let found = deciding.state.token(id);
    let token = found.filter(|token| token.kind == TokenKind::Gateway && token.deleted_at.is_none());
    let token = token.ok_or(Rejection::NotFound(Missing::Token))?;
    check_version(token.version, if_match)?;
    Ok(token)
}

/// Rights and accounts are named one by one, so that a gateway never reaches an account that came later by itself.
fn check_reach(deciding: &Deciding<'_>, reach: &GatewayReach) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    if reach.rights.is_empty() {
        faults.push(FieldFault::new("rights", "can't be blank"));
    }
    if reach.accounts.is_empty() {
        faults.push(FieldFault::new("accounts", "can't be blank"));
    }
    if reach.accounts.len() > GATEWAY_ACCOUNTS_MAX {
        faults.push(FieldFault::new("accounts", format!("has too many accounts (maximum is {GATEWAY_ACCOUNTS_MAX})")));
        return faults;
    }
    let unknown = reach.accounts.iter().filter(|&&account| deciding.state.account(account).is_none());
    faults.extend(unknown.map(|account| FieldFault::new("accounts", format!("{account} is not an account"))));
    faults
}

/// A gateway token to be created.
struct New<'a> {
    name: &'a PersonalText,
    reach: &'a GatewayReach,
    expires_at: Option<Timestamp>,
    conditions: &'a Conditions,
    secret: NewSecret,
}

/// What a gateway token is to be like after an edit.
struct Edit<'a> {
    name: Option<&'a PersonalText>,
    reach: GatewayReach,
    expires_at: Option<Option<Timestamp>>,
    conditions: &'a ConditionsEdit,
}

fn check(
    deciding: &Deciding<'_>,
    name: Option<&PersonalText>,
    reach: &GatewayReach,
    expires_at: Option<Timestamp>,
) -> Faults {
    let mut faults = Faults::default();
    faults.check("name", name.map_or(Ok(()), |name| check_name(name.as_str())));
    faults.check("expires_at", check_expiry(expires_at, deciding.context.now));
    faults.extend(check_reach(deciding, reach));
    faults
}

fn create(deciding: &Deciding<'_>, texts: &mut dyn Texts, new: &New<'_>) -> Ruled {
    let New { name, reach, expires_at, conditions, secret } = *new;
    let mut faults = check(deciding, Some(name), reach, expires_at);
    for (field, result) in conditions::faults_of_new(conditions, expires_at) {
        faults.check(field, result);
    }
    faults.finish()?;
    tokens::check_room(deciding, Owner::Service, 1)?;
    if deciding.digest_exists(&secret.digest) {
        return Err(Rejection::Conflict(Conflict::DigestExists));
    }
    let token = TokenId(deciding.state.tokens.next_number());
    let mut draft = deciding.draft(texts, AccountId::NONE, token);
    let name = draft.intern(TextSubject::Service, TextKind::TokenName, name.as_str());
    let by = deciding.by(&mut draft);
    draft.record(TokenCreated {
        kind: TokenKind::Gateway,
        owner: Owner::Service,
        name,
        access: Access::Granted(Vec::new()),
        gateway: Some(GatewayReach::new(reach.rights.clone(), reach.accounts.clone())),
        authorized: None,
        secret: Secret { number: 1, digest: secret.digest, hint: secret.hint, not_after: None },
        expires_at,
        by,
    });
    conditions::set(deciding, &mut draft, &Conditions::default(), conditions.clone());
    done(draft.finish(), token, true)
}

fn update(deciding: &Deciding<'_>, texts: &mut dyn Texts, token: &Token, edit: Edit<'_>) -> Ruled {
    let Edit { name, reach, expires_at, conditions } = edit;
    let mut faults = check(deciding, name, &reach, expires_at.flatten());
    conditions::check_edit(&mut faults, token, conditions, expires_at);
    faults.finish()?;
    let mut draft = deciding.draft(texts, AccountId::NONE, token.id);
    if let Some(name) = name {
        tokens::rename(deciding, &mut draft, TextSubject::Service, token, name);
    }
    if token.gateway.as_deref() != Some(&reach) {
        let by = deciding.by(&mut draft);
        draft.record(GatewayRightsChanged { gateway: reach, by });
    }
    if let Some(expires_at) = expires_at {
        tokens::set_expiry(deciding, &mut draft, token, expires_at);
    }
    let before = token.conditions();
    conditions::set(deciding, &mut draft, before, conditions.applied_to(before));
    done(draft.finish(), token.id, false)
}
