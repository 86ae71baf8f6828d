//! What a token reached since an instant, and what it could have reached and did not.

use super::Subject;
use super::seen::Seen;
use crate::audit::access_over_time::AccessOverTime;
use crate::audit::answer::{Answer, Table};
use crate::audit::archive::Archive;
use crate::audit::biography::Biography;
use crate::audit::questions::AuditError;
use crate::audit::stretches::{Edge, Period, Stretch};
use crate::domain::access::{RequiredScope, Target, Verb, group};
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, ResourceId, TextNumber};
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

/// What a resource's kind is asked for in.
fn group_of(kind: &str) -> u16 {
    match kind {
        "domain" => group::DOMAINS,
        "zone" => group::ZONES,
        _ => group::CERTIFICATES,
    }
}

/// Every resource that an account had in the period, and when.
fn resources_of(biography: &Biography, account: AccountId, period: &Period) -> Vec<(Thing, Stretch)> {
    let mut found: BTreeMap<ResourceId, (Thing, Stretch)> = BTreeMap::new();
    for (position, header, event) in biography.changes().iter().filter(|(_, header, _)| header.account == account) {
        let edge = Edge::at_record(header.recorded_at, *position);
        match event {
            Event::ResourceAdded(added) => {
                let (resource, name) = (added.resource, added.name);
                let thing = Thing { account, kind: added.facts.kind().name(), resource, name };
                found.insert(resource, (thing, Stretch { from: edge, until: None }));
            }
            Event::ResourceRemoved(removed) => {
                if let Some((_, there)) = found.get_mut(&removed.resource) {
                    there.until = Some(edge);
                }
            }
            _ => {}
        }
    }
    found.into_values().filter_map(|(thing, there)| Some((thing, there.within(&period.whole())?))).collect()
}

/// What the token could read at some time of the period, as long as it worked, and whether it could write it.
fn reachable(
    archive: &Archive,
    subject: &Subject,
    all: &BTreeMap<AccountId, Biography>,
    period: &Period,
) -> Result<BTreeMap<Thing, bool>, AuditError> {
    let mut found: BTreeMap<Thing, bool> = BTreeMap::new();
    for (&account, biography) in all {
        let over_time = AccessOverTime::of_account(archive, biography, account, period)?;
        let holdings = over_time.holdings.get(&subject.id).map(Vec::as_slice).unwrap_or_default();
        for (thing, there) in resources_of(biography, account, period) {
            for holding in holdings.iter().filter(|holding| holding.stretch.within(&there).is_some()) {
                let access = &holding.held.access;
                let target = Target::Name(thing.name);
                let needs = |verb| RequiredScope { group: group_of(thing.kind), verb, target };
                if access.allows(needs(Verb::Read)) {
                    *found.entry(thing).or_default() |= access.allows(needs(Verb::Write));
                }
            }
        }
    }
    Ok(found)
}

/// Tables of what was reached, and of what could have been.
pub(super) fn tables(
    archive: &Archive,
    subject: &Subject,
    period: &Period,
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
    for (thing, writable) in reachable(archive, subject, &all, period)? {
        let group = group_of(thing.kind);
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
