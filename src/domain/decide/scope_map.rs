//! A scope map comes into force: its groups become part of the ledger, then the map itself.

use super::management::{Deciding, Done, Ruled, Subject};
use crate::domain::access::{GroupNumber, ScopeGroup};
use crate::domain::command::{MapDefinition, MapFaults};
use crate::domain::event::{ScopeGroupDefined, ScopeMapDefined, ScopeMapRejected};
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::rejection::Rejection;
use crate::domain::scope_map::MapGroup;
use crate::domain::text::Texts;
use crate::domain::token::Principal;

pub(super) fn define(deciding: &Deciding<'_>, texts: &mut dyn Texts, asked: &MapDefinition) -> Ruled {
    by_the_service(deciding)?;
    let done = Done { subject: Subject::Service, created: false };
    let in_force = deciding.state.scope_map;
    if in_force.is_some_and(|map| map.hash == asked.hash) {
        return Ok((Vec::new(), done));
    }
    let new_groups = new_groups(deciding, asked)?;
    let mut draft = deciding.draft(texts, AccountId::NONE, TokenId::NONE);
    for (group, MapGroup { name, restrictable, has_write }) in new_groups {
        let (name, restrictable, has_write) = (name.clone(), *restrictable, *has_write);
        draft.record(ScopeGroupDefined { group, name, restrictable, has_write, needs_research: false });
    }
    let map = in_force.map_or(0, |map| map.number).saturating_add(1);
    draft.record(ScopeMapDefined { map, name: asked.name.clone(), hash: asked.hash, routes: asked.routes });
    Ok((draft.finish(), done))
}

/// A text that is no map changes nothing but the log: who reads it knows that from here on the map in force is not the
/// one in the file.
pub(super) fn reject(deciding: &Deciding<'_>, texts: &mut dyn Texts, faults: MapFaults) -> Ruled {
    by_the_service(deciding)?;
    let MapFaults { hash, cause, faults, line } = faults;
    let kept = deciding.state.scope_map.map_or(0, |map| map.number);
    let mut draft = deciding.draft(texts, AccountId::NONE, TokenId::NONE);
    draft.record(ScopeMapRejected { hash, cause, faults, line, kept });
    Ok((draft.finish(), Done { subject: Subject::Service, created: false }))
}

/// A map is the service's own setting: whoever shows a token changes accounts, not how requests are read.
fn by_the_service(deciding: &Deciding<'_>) -> Result<(), Rejection> {
    if deciding.acting.principal == Principal::Service {
        return Ok(());
    }
    Err(Rejection::field("scope_map", "is given to the service where it starts"))
}

/// Groups that the ledger does not have yet, with their numbers. One that it has must be the same: grants rest on it.
fn new_groups<'a>(
    deciding: &Deciding<'_>,
    asked: &'a MapDefinition,
) -> Result<Vec<(GroupNumber, &'a MapGroup)>, Rejection> {
    let mut next = deciding.state.groups.iter().map(|group| group.number).max().unwrap_or_default();
    let mut new = Vec::new();
    for group in &asked.groups {
        match deciding.state.group_named(&group.name) {
            Some(known) if is_same(known, group) => {}
            Some(_) => {
                let fault = format!("brings the group {}, which the ledger has with other properties", group.name);
                return Err(Rejection::field("scope_map", fault));
            }
            None => {
                next = next.checked_add(1).ok_or(Rejection::LimitReached("a ledger has at most 65535 scope groups"))?;
                new.push((next, group));
            }
        }
    }
    Ok(new)
}

fn is_same(known: &ScopeGroup, asked: &MapGroup) -> bool {
    (known.restrictable, known.has_write, known.needs_research) == (asked.restrictable, asked.has_write, false)
}
