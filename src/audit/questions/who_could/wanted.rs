//! What somebody wants to know about: a scope, or one resource, and when that was there.

use super::super::AuditError;
use crate::audit::access_over_time::stretches_of;
use crate::audit::archive::Archive;
use crate::audit::biography::{Biography, Placed};
use crate::audit::describe::{Words, group_name};
use crate::audit::stretches::{Period, Stretch};
use crate::domain::access::{GroupNumber, RequiredScope, Target, Verb, group};
use crate::domain::directory::ResourceKind;
use crate::domain::event::{Event, ResourceAdded};
use crate::domain::ids::{AccountId, ResourceId, TextNumber};
use crate::domain::names::normalize_domain_name;
use crate::domain::text::{Subject, TextKind};
use std::collections::BTreeSet;

/// Name of the parameter.
pub(super) const SCOPE: &str = "scope";

/// What is asked about.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub account: AccountId,
    pub scope: RequiredScope,
    /// The name that was asked about, where no record says it: it has no number then.
    unseen: Option<String>,
    /// The one resource, where a number was said.
    pub resource: Option<(ResourceId, ResourceKind)>,
    /// When it was there; none where the account never had it, so that only the API behind a gateway knows.
    pub there: Option<Vec<Stretch>>,
}

impl Wanted {
    /// From `zones:example.com`, `zones:example.com:write`, `billing`, or the number of a resource.
    pub fn read(
        archive: &Archive,
        biography: &Biography,
        (account, text, verb): (AccountId, &str, Option<Verb>),
        period: &Period,
    ) -> Result<Self, AuditError> {
        let changes = biography.changes();
        if let Ok(number) = text.parse::<u64>() {
            return of_number(changes, (account, ResourceId(number), verb), period);
        }
        let (scope, verb) = split_verb(text, verb)?;
        let (group_name, name) = scope.split_once(':').unwrap_or((scope, "*"));
        let found = archive.groups().iter().find(|group| group.name == group_name);
        let group = found.ok_or_else(|| malformed(format!("names no scope group: {group_name}")))?;
        let mut unseen = None;
        let target = match name {
            "*" => Target::All,
            _ if !group.restrictable => return Err(malformed(format!("must be {group_name}:*"))),
            name => {
                let name =
                    normalize_domain_name(name).map_err(|fault| malformed(format!("names {name}, which {fault}")))?;
                let number = archive.texts().find(Subject::Account(account), TextKind::ResourceName, &name)?;
                unseen = number.is_none().then_some(name);
                Target::Name(number.unwrap_or(TextNumber::NONE))
            }
        };
        let scope = RequiredScope { group: group.number, verb, target };
        let there = match (target, kind_of(group.number)) {
            (Target::Name(name), Some(kind)) => while_named(changes, (account, kind, name), period),
            _ => None,
        };
        Ok(Self { account, scope, unseen, resource: None, there })
    }

    /// The scope in words, with the name as it was asked about.
    pub fn scope_in_words(&self, words: &Words<'_>) -> String {
        match &self.unseen {
            Some(name) => format!("{}:{name}:{}", group_name(words.groups, self.scope.group), self.scope.verb.name()),
            None => words.scope(self.scope),
        }
    }

    /// Whether it is known to be away at some time.
    pub fn is_listed(&self) -> bool {
        self.there.is_some()
    }
}

fn malformed(fault: impl Into<String>) -> AuditError {
    AuditError::malformed(SCOPE, fault)
}

/// A third part says the verb, as in the scope that a refusal names.
fn split_verb(text: &str, verb: Option<Verb>) -> Result<(&str, Verb), AuditError> {
    let said = [(":read", Verb::Read), (":write", Verb::Write)];
    let third = said.into_iter().find_map(|(end, verb)| Some((text.strip_suffix(end)?, verb)));
    match (third.filter(|(rest, _)| rest.contains(':')), verb) {
        (Some((_, said)), Some(verb)) if said != verb => Err(malformed("says another verb than verb")),
        (Some(third), _) => Ok(third),
        (None, verb) => Ok((text, verb.unwrap_or(Verb::Read))),
    }
}

/// The kind of resources that names in scopes of a group mean; none of a group whose resources the ledger does not keep.
fn kind_of(group: GroupNumber) -> Option<ResourceKind> {
    match group {
        group::DOMAINS | group::REGISTRAR | group::CERTIFICATES => Some(ResourceKind::Domain),
        group::ZONES => Some(ResourceKind::Zone),
        _ => None,
    }
}

fn of_number(
    changes: &[Placed],
    (account, resource, verb): (AccountId, ResourceId, Option<Verb>),
    period: &Period,
) -> Result<Wanted, AuditError> {
    let added = changes.iter().find_map(|change| added_to(change, account).filter(|added| added.resource == resource));
    let added =
        added.ok_or_else(|| AuditError::NotFound(format!("account {account} never had a resource {resource}")))?;
    let kind = added.facts.kind();
    let group = match kind {
        ResourceKind::Domain => group::DOMAINS,
        ResourceKind::Zone => group::ZONES,
        ResourceKind::Certificate => group::CERTIFICATES,
    };
    let scope = RequiredScope { group, verb: verb.unwrap_or(Verb::Read), target: Target::Name(added.name) };
    let there = stretches_of(changes, period, |(_, _, event)| match event {
        Event::ResourceAdded(added) if added.resource == resource => Some(true),
        Event::ResourceRemoved(removed) if removed.resource == resource => Some(false),
        _ => None,
    });
    Ok(Wanted { account, scope, unseen: None, resource: Some((resource, kind)), there: Some(there) })
}

fn added_to((_, header, event): &Placed, account: AccountId) -> Option<&ResourceAdded> {
    match event {
        Event::ResourceAdded(added) if header.account == account => Some(added),
        _ => None,
    }
}

/// When the account had a resource of a kind and name; none if it never had.
fn while_named(
    changes: &[Placed],
    (account, kind, name): (AccountId, ResourceKind, TextNumber),
    period: &Period,
) -> Option<Vec<Stretch>> {
    let mut had = BTreeSet::new();
    let mut there = BTreeSet::new();
    let stretches = stretches_of(changes, period, |change| {
        if let Some(added) = added_to(change, account).filter(|added| (added.facts.kind(), added.name) == (kind, name))
        {
            had.insert(added.resource);
            there.insert(added.resource);
            return Some(true);
        }
        match &change.2 {
            Event::ResourceRemoved(removed) if there.remove(&removed.resource) => there.is_empty().then_some(false),
            _ => None,
        }
    });
    (!had.is_empty()).then_some(stretches)
}
