//! JSON shapes of accounts, users, members, resources and tokens.

use crate::audit::describe::{Words, principal};
use crate::domain::access::Access;
use crate::domain::decide::{AccountCard, UserCard};
use crate::domain::directory::{
    Account, CertificateFacts, DomainFacts, Membership, Resource, ResourceFacts, User, ZoneFacts,
};
use crate::domain::ids::{TextNumber, UserId};
use crate::domain::names::unicode_domain_name;
use crate::domain::oauth::{Application, Authorization};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Token};
use crate::domain::window::WindowView;
use crate::ledger::{ClosedWindow, HourKey, HourUse, TextReader, View};
use serde::Serialize;
use serde_json::{Value, json};
use smol_str::SmolStr;

/// A text by its number; null once it is erased. A table that cannot be read shows nothing rather than failing the
/// whole answer.
pub fn text(texts: &TextReader, number: TextNumber) -> Option<SmolStr> {
    texts.text(number).inspect_err(|error| tracing::error!(%error, "a text could not be read")).ok().flatten()
}

fn seconds(at: Timestamp) -> String {
    at.to_seconds_text()
}

fn seconds_or_null(at: Option<Timestamp>) -> Option<String> {
    at.map(seconds)
}

/// The envelope of every success body. Shapes of the hot path are structs: a tree of JSON values costs more than all
/// the rest of an answer.
#[derive(Debug, Serialize)]
pub struct Data<T> {
    /// What was asked for.
    pub data: T,
}

/// A time in a shape of the hot path.
#[derive(Debug)]
struct Seconds([u8; 20]);

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// DNSimple's account object.
#[derive(Debug, Serialize)]
pub struct AccountShape {
    id: u64,
    email: SmolStr,
    name: Option<SmolStr>,
    plan_identifier: &'static str,
    created_at: Seconds,
    updated_at: Seconds,
}

/// DNSimple's user object.
#[derive(Debug, Serialize)]
pub struct UserShape {
    id: u64,
    email: SmolStr,
    created_at: Seconds,
    updated_at: Seconds,
}

/// DNSimple's account object.
pub fn account_card(texts: &TextReader, account: &AccountCard) -> AccountShape {
    AccountShape {
        id: account.id.0,
        email: text(texts, account.email).unwrap_or_default(),
        name: text(texts, account.name),
        plan_identifier: account.plan.name(),
        created_at: Seconds(account.created_at.to_seconds_ascii()),
        updated_at: Seconds(account.updated_at.to_seconds_ascii()),
    }
}

/// DNSimple's user object.
pub fn user_card(texts: &TextReader, user: &UserCard) -> UserShape {
    UserShape {
        id: user.id.0,
        email: text(texts, user.email).unwrap_or_default(),
        created_at: Seconds(user.created_at.to_seconds_ascii()),
        updated_at: Seconds(user.updated_at.to_seconds_ascii()),
    }
}

/// DNSimple's domain object.
pub fn domain(texts: &TextReader, resource: &Resource, facts: &DomainFacts) -> Value {
    let name = text(texts, resource.name).unwrap_or_default();
    json!({
        "id": resource.id.0,
        "account_id": resource.account.0,
        "registrant_id": facts.registrant_id,
        "name": name,
        "unicode_name": unicode_domain_name(&name),
        "state": facts.state.name(),
        "auto_renew": facts.auto_renew,
        "private_whois": facts.private_whois,
        "trustee": facts.trustee,
        "expires_on": facts.expires_at.map(|at| seconds(at)[..10].to_owned()),
        "expires_at": seconds_or_null(facts.expires_at),
        "created_at": seconds(resource.added_at),
        "updated_at": seconds(resource.added_at),
    })
}

/// DNSimple's zone object.
pub fn zone(texts: &TextReader, resource: &Resource, facts: &ZoneFacts) -> Value {
    json!({
        "id": resource.id.0,
        "account_id": resource.account.0,
        "name": text(texts, resource.name).unwrap_or_default(),
        "reverse": facts.reverse,
        "secondary": facts.secondary,
        "last_transferred_at": seconds_or_null(facts.last_transferred_at),
        "active": facts.active,
        "created_at": seconds(resource.added_at),
        "updated_at": seconds(resource.added_at),
    })
}

/// DNSimple's certificate object.
pub fn certificate(view: &View<'_>, resource: &Resource, facts: &CertificateFacts) -> Value {
    let state = &view.projections.state;
    let kind = crate::domain::directory::ResourceKind::Domain;
    let domain_id = state.account(resource.account).and_then(|account| account.by_name.get(&(kind, resource.name)));
    let names: Vec<_> = facts.alternate_names.iter().map(|&name| text(view.texts, name)).collect();
    let common_name = text(view.texts, facts.common_name).unwrap_or_default();
    json!({
        "id": resource.id.0,
        "domain_id": domain_id.map(|id| id.0),
        "contact_id": facts.contact_id,
        "name": common_name.strip_suffix(&*text(view.texts, resource.name).unwrap_or_default()).unwrap_or_default().trim_end_matches('.'),
        "common_name": common_name,
        "years": facts.years,
        "csr": text(view.texts, facts.signing_request),
        "state": if facts.issued { "issued" } else { "requesting" },
        "auto_renew": facts.auto_renew,
        "alternate_names": names,
        "authority_identifier": if facts.lets_encrypt { "letsencrypt" } else { "sectigo" },
        "created_at": seconds(resource.added_at),
        "updated_at": seconds(resource.added_at),
        "expires_at": seconds_or_null(facts.expires_at),
        "expires_on": facts.expires_at.map(|at| seconds(at)[..10].to_owned()),
    })
}

/// A resource on the management surface: its kind beside DNSimple's fields.
pub fn resource(view: &View<'_>, resource: &Resource) -> Value {
    let mut shape = match &resource.facts {
        ResourceFacts::Domain(facts) => domain(view.texts, resource, facts),
        ResourceFacts::Zone(facts) => zone(view.texts, resource, facts),
        ResourceFacts::Certificate(facts) => {
            let mut shape = certificate(view, resource, facts);
            shape["domain_name"] = json!(text(view.texts, resource.name));
            shape
        }
    };
    shape["kind"] = json!(resource.facts.kind().name());
    shape
}

/// An account on the management surface.
pub fn account(view: &View<'_>, account: &Account) -> Value {
    json!({
        "id": account.id.0,
        "name": text(view.texts, account.name),
        "email": text(view.texts, account.email),
        "plan": account.plan.name(),
        "hourly_limit": account.hourly_limit,
        "features": {
            "domain_research": account.research.map(|research| json!({ "monthly_cap": research.monthly_cap })),
        },
        "members": account.members.len(),
        "tokens": account.tokens.len(),
        "resources": account.resources.len(),
        "version": account.version.0,
        "created_at": seconds(account.created_at),
        "updated_at": seconds(account.updated_at),
    })
}

/// A user on the management surface.
pub fn user(view: &View<'_>, user: &User) -> Value {
    json!({
        "id": user.id.0,
        "name": text(view.texts, user.name),
        "email": text(view.texts, user.email),
        "accounts": user.accounts,
        "version": user.version.0,
        "created_at": seconds(user.created_at),
        "updated_at": seconds(user.updated_at),
    })
}

/// A member on the management surface.
pub fn member(view: &View<'_>, id: UserId, member: &Membership) -> Value {
    let name = view.projections.state.user(id).and_then(|user| text(view.texts, user.name));
    json!({
        "user_id": id.0,
        "name": name,
        "access": access(view, &member.access),
        "version": member.version.0,
        "since": seconds(member.since),
    })
}

/// Access, in the form it is given in.
pub fn access(view: &View<'_>, access: &Access) -> Value {
    Words { texts: view.texts, groups: &view.projections.state.groups }.access(access)
}

/// A token on the management surface.
pub fn token(view: &View<'_>, token: &Token) -> Value {
    let used = view.projections.last_used.token(token.id);
    let reported = view.projections.last_used.reported_of(token.id);
    let mut shape = json!({
        "id": token.id.0,
        "kind": token.kind.name(),
        "name": text(view.texts, token.name),
        "account_id": match token.owner { Owner::Account(account) => Some(account.0), _ => None },
        "user_id": match token.owner { Owner::User(user) => Some(user.0), _ => None },
        "access": match token.owner { Owner::Account(_) => access(view, &token.access), _ => Value::Null },
        "hint": String::from_utf8_lossy(&token.hint()),
        "created_at": seconds(token.created_at),
        "created_by": principal(token.created_by),
        "version": token.version.0,
        "expires_at": seconds_or_null(token.expires_at),
        "not_before": seconds_or_null(token.conditions().not_before),
        "allowed_addresses": token.conditions().ranges_in_words(),
        "last_used_at": used.map(|uses| seconds(uses.last_at)),
        "last_used_status": view.projections.last_used.status(token),
        "imported_at": seconds_or_null(token.imported_at),
        "reported_uses": reported.map_or(0, |reported| reported.count),
        "last_reported_at": reported.map(|reported| seconds(reported.last_at)),
    });
    if let Some(authorized) = &token.authorized {
        shape["authorization"] = json!({
            "id": authorized.authorization.0,
            "application_id": authorized.application.0,
            "user_id": authorized.user.0,
            "membership_version": authorized.membership.0,
            "access_in_force": in_force(view, token),
        });
    }
    if let Some(reach) = &token.gateway {
        shape["rights"] = reach.rights.iter().map(|right| right.name()).collect();
        shape["accounts"] = reach.accounts.iter().map(|account| account.0).collect();
    }
    let ending: Vec<Value> = token
        .secrets
        .iter()
        .filter(|secret| secret.not_after.is_none_or(|end| end > view.now))
        .map(|secret| {
            let hint = String::from_utf8_lossy(&secret.hint);
            json!({ "number": secret.number, "hint": hint, "not_after": seconds_or_null(secret.not_after) })
        })
        .collect();
    shape["secrets"] = ending.into();
    shape
}

/// What an OAuth token may as the member's access is now; null where the member has left.
fn in_force(view: &View<'_>, token: &Token) -> Value {
    let Owner::Account(account) = token.owner else { return Value::Null };
    let counts = view.projections.state.access_on(token, account);
    counts.map_or(Value::Null, |(_, counts, _)| access(view, &counts))
}

/// An OAuth application on the management surface.
pub fn application(view: &View<'_>, application: &Application) -> Value {
    let working = application.secrets.iter().filter(|secret| secret.not_after.is_none_or(|end| end > view.now));
    let secrets: Vec<Value> = working
        .map(|secret| {
            let hint = String::from_utf8_lossy(&secret.hint);
            json!({ "number": secret.number, "hint": hint, "not_after": seconds_or_null(secret.not_after) })
        })
        .collect();
    json!({
        "id": application.id.0,
        "account_id": application.account.0,
        "client_id": application.client.to_string(),
        "kind": application.kind.name(),
        "name": text(view.texts, application.name),
        "redirect_uris": application.redirect_uris.iter().map(|&uri| text(view.texts, uri)).collect::<Vec<_>>(),
        "hint": application.hint().map(|hint| String::from_utf8_lossy(&hint).into_owned()),
        "secrets": secrets,
        "created_at": seconds(application.created_at),
        "created_by": principal(application.created_by),
        "updated_at": seconds(application.updated_at),
        "version": application.version.0,
    })
}

/// An authorization of an OAuth application, on the account that it is on.
pub fn authorization(view: &View<'_>, authorization: &Authorization) -> Value {
    let state = &view.projections.state;
    let member = state.account(authorization.account).and_then(|account| account.members.get(&authorization.user));
    let in_force = member.map(|member| authorization.access.within_both(&member.access));
    let application = state.applications.get(authorization.application.0).filter(|found| !found.id.is_none());
    let user = state.user(authorization.user).filter(|user| !user.id.is_none());
    json!({
        "id": authorization.id.0,
        "account_id": authorization.account.0,
        "user_id": authorization.user.0,
        "user_name": user.and_then(|user| text(view.texts, user.name)),
        "application_id": authorization.application.0,
        "application_name": application.and_then(|found| text(view.texts, found.name)),
        "client_id": application.map(|found| found.client.to_string()),
        "access": access(view, &authorization.access),
        "access_in_force": in_force.map(|counts| access(view, &counts)),
        "membership_version": authorization.membership.0,
        "granted_at": seconds(authorization.granted_at),
        "token_ids": authorization.tokens.iter().map(|token| token.0).collect::<Vec<_>>(),
    })
}

/// A usage window.
pub fn window(window: &WindowView) -> Value {
    let time = |at: Option<u64>| at.map(|at| seconds(Timestamp::from_seconds(at)));
    json!({
        "limit": window.limit,
        "remaining": window.remaining,
        "used": window.used,
        "window_opened_at": time(window.opened_at),
        "resets_at": time(window.resets_at),
    })
}

/// A usage window that has ended.
pub fn closed_window(window: &ClosedWindow) -> Value {
    json!({
        "opened_at": unix_seconds(window.opened_at),
        "closed_at": unix_seconds(window.closed_at()),
        "limit": window.limit,
        "used": window.used,
        "refused": window.refused,
    })
}

/// Uses and refusals of a token in a clock hour.
pub fn token_hour(view: &View<'_>, (hour, _, account): HourKey, row: &HourUse) -> Value {
    let group = row.last_group.and_then(|group| view.projections.state.groups.get(u64::from(group)));
    json!({
        "hour": unix_seconds(hour * 3_600),
        "account_id": (!account.is_none()).then_some(account.0),
        "uses": row.uses,
        "last_group": group.map(|group| &group.name),
        "refused": row.refused,
    })
}

/// A time given in Unix seconds.
pub fn unix_seconds(at: u64) -> String {
    seconds(Timestamp::from_seconds(at))
}

/// How much of its window, and of its month's research, an account has used.
pub fn usage(view: &View<'_>, account: &Account) -> Value {
    let mut usage = json!({ "general": window(&account.window.view(account.hourly_limit, view.now)) });
    if let Some(research) = account.research {
        let used = account.research_month.used_at(view.now);
        usage["domain_research"] =
            json!({ "month": view.now.month().to_text(), "used": used, "cap": research.monthly_cap });
    }
    usage
}
