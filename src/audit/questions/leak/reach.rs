//! What a token reached since an instant, and what it could have reached and did not.

use super::Subject;
use super::seen::Seen;
use crate::audit::answer::{Answer, Table};
use crate::audit::archive::{Archive, Range};
use crate::audit::biography::Biography;
use crate::audit::questions::AuditError;
use crate::domain::access::{Access, RequiredScope, Target, Verb, group};
use crate::domain::directory::{Account, ResourceKind};
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, ResourceId, TextNumber};
use crate::domain::state::State;
use crate::domain::token::Owner;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A resource with what may be done with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Thing {
    account: AccountId,
    kind: &'static str,
    resource: ResourceId,
    name: TextNumber,
}

/// The accounts that the token acted on at some time, with the history of each.
fn biographies(archive: &Archive, subject: &Subject) -> Result<BTreeMap<AccountId, Biography>, AuditError> {
    let accounts: BTreeSet<AccountId> = match subject.owner {
        Owner::Account(account) => BTreeSet::from([account]),
        Owner::Service => BTreeSet::new(),
        Owner::User(user) => {
            let own = Biography::of_user(archive, user, archive.head())?;
            let joined = own.changes().iter().filter(|(_, _, event)| matches!(event, Event::MemberAdded(_)));
            joined.map(|(_, header, _)| header.account).collect()
        }
    };
    let of = |account| Ok((account, Biography::of_account(archive, account, archive.head())?));
    accounts.into_iter().map(of).collect()
}

/// The access that the token has on an account in a state; none where it has none.
fn access_of(state: &State, subject: &Subject, account: &Account) -> Option<Access> {
    let token = state.token(subject.id).filter(|token| !token.id.is_none() && token.deleted_at.is_none())?;
    state.access_on(token, account.id).map(|(_, access, _)| access.into_owned())
}

fn group_of(kind: ResourceKind) -> u16 {
    match kind {
        ResourceKind::Domain => group::DOMAINS,
        ResourceKind::Zone => group::ZONES,
        ResourceKind::Certificate => group::CERTIFICATES,
    }
}

/// Adds what an account's state lets the token reach.
fn add_reachable(found: &mut BTreeMap<Thing, bool>, state: &State, subject: &Subject, account: AccountId) {
    let Some(account) = state.account(account).filter(|account| !account.id.is_none()) else { return };
    let Some(access) = access_of(state, subject, account) else { return };
    for (&id, &kind) in account.resources.iter() {
        let Some(resource) = state.resources.get(id.0) else { continue };
        let needs = |verb| RequiredScope { group: group_of(kind), verb, target: Target::Name(resource.name) };
        if access.allows(needs(Verb::Read)) {
            let thing = Thing { account: account.id, kind: kind.name(), resource: id, name: resource.name };
            let writable = found.entry(thing).or_default();
            *writable |= access.allows(needs(Verb::Write));
        }
    }
}

/// At each moment of the range at which an access or a resource changed.
fn reachable(subject: &Subject, all: &BTreeMap<AccountId, Biography>, range: Range) -> BTreeMap<Thing, bool> {
    let mut found = BTreeMap::new();
    for (&account, biography) in all {
        let mut state = biography.state_at(range.0);
        add_reachable(&mut found, &state, subject, account);
        for (position, header, event) in biography.changes().iter().filter(|(position, _, _)| *position > range.0) {
            if *position > range.1 {
                break;
            }
            state.evolve_part(header, event);
            if changes_reach(event) {
                add_reachable(&mut found, &state, subject, account);
            }
        }
    }
    found
}

fn changes_reach(event: &Event) -> bool {
    matches!(
        event,
        Event::TokenCreated(_)
            | Event::TokenImported(_)
            | Event::TokenAccessChanged(_)
            | Event::MemberAdded(_)
            | Event::MemberAccessChanged(_)
            | Event::ResourceAdded(_)
    )
}

/// Tables of what was reached, and of what could have been.
pub(super) fn tables(
    archive: &Archive,
    subject: &Subject,
    range: Range,
    seen: &Seen,
    answer: &mut Answer,
) -> Result<[Table; 2], AuditError> {
    let words = archive.words();
    let mut reached = Table::new(
        "reached",
        "Scopes used since then, and what was found",
        &["account_id", "scope", "resource_id", "uses", "first", "last"],
    );
    let (mut resources, mut names, mut lists) = (BTreeSet::new(), BTreeSet::new(), 0u64);
    for ((account, resource, scope), (uses, first, last)) in &seen.reached {
        resources.insert(*resource);
        match scope.map(|scope| (scope.group, scope.target)) {
            Some((group, Target::Name(name))) => drop(names.insert((*account, group, name))),
            Some((_, Target::List | Target::All)) => lists += uses,
            _ => {}
        }
        reached.add(vec![
            json!((!account.is_none()).then_some(account.0)),
            json!(scope.map(|scope| words.scope(scope))),
            json!((!resource.is_none()).then_some(resource.0)),
            json!(uses),
            json!(first.to_micros_text()),
            json!(last.to_micros_text()),
        ]);
    }
    let mut untouched = Table::new(
        "untouched",
        "Resources within its reach since then that no use named",
        &["account_id", "kind", "name", "resource_id", "could"],
    );
    let all = biographies(archive, subject)?;
    for (thing, writable) in reachable(subject, &all, range) {
        let group = match thing.kind {
            "domain" => group::DOMAINS,
            "zone" => group::ZONES,
            _ => group::CERTIFICATES,
        };
        if resources.contains(&thing.resource) || names.contains(&(thing.account, group, thing.name)) {
            continue;
        }
        untouched.add(vec![
            json!(thing.account.0),
            json!(thing.kind),
            json!(words.text(thing.name)),
            json!(thing.resource.0),
            json!(if writable { "read and write" } else { "read" }),
        ]);
    }
    answer.say("scopes_reached", reached.rows.len());
    answer.say("resources_untouched", untouched.rows.len());
    if lists > 0 {
        answer.gaps.push(format!("{lists} uses were of whole lists: they showed names of resources that no use named"));
    }
    Ok([reached, untouched])
}
