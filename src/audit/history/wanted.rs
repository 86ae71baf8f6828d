//! What of a filter the index knows: records that it finds are held against the whole filter.

use super::{Filter, KEEPING, REFUSALS, Sort};
use crate::audit::archive::Archive;
use crate::domain::event::{EVENT_TYPES, OUTCOMES};
use crate::log::LogError;
use crate::projections::index::find::Wanted;
use crate::projections::keys::Key;

/// The key of an event type, by its name; none if most records are of it.
pub fn key_of_type(name: &str) -> Option<Key> {
    let (number, ..) = EVENT_TYPES.iter().find(|(_, _, other)| *other == name && name != "TokenUsed")?;
    Some(Key::Type(*number))
}

/// Of the keys of changes and of what comes with requests those that a sort needs.
fn of_sort(sort: Sort, [changes, traffic]: &[Key; 2]) -> Vec<Key> {
    match sort {
        Sort::Changes => vec![*changes],
        Sort::Uses | Sort::Refusals => vec![*traffic],
        Sort::Everything | Sort::Plain => vec![*changes, *traffic],
    }
}

pub(super) fn of(filter: &Filter, archive: &Archive) -> Result<Wanted, LogError> {
    let mut wanted = Wanted::all();
    if let Some(account) = filter.account.filter(|account| !account.is_none()) {
        wanted = wanted.and_any(&of_sort(filter.sort, &[Key::AccountChanges(account), Key::AccountTraffic(account)]));
    }
    if let Some(token) = filter.token.filter(|token| !token.is_none()) {
        wanted = wanted.and_any(&of_sort(filter.sort, &[Key::TokenChanges(token), Key::TokenTraffic(token)]));
    }
    wanted = match filter.sort {
        Sort::Everything | Sort::Changes => wanted,
        Sort::Uses => {
            wanted.and_none(&[&REFUSALS[..], &KEEPING].concat().into_iter().map(Key::of_type).collect::<Vec<_>>())
        }
        Sort::Refusals => wanted.and_any(&REFUSALS.map(Key::of_type)),
        Sort::Plain => wanted.and_none(&KEEPING.map(Key::of_type)),
    };
    if let Some(key) = filter.type_name.as_deref().and_then(key_of_type) {
        wanted = wanted.and_any(&[key]);
    }
    if let Some(name) = &filter.resource {
        let numbers = archive.log().numbers_of_resource_name(name)?;
        wanted = wanted.and_any(&numbers.into_iter().map(Key::Name).collect::<Vec<_>>());
    }
    // Outcomes of allowed requests have no key; anything else is a cause, or nothing at all.
    if filter.outcome.as_ref().is_some_and(|name| OUTCOMES.iter().all(|outcome| outcome.name() != name)) {
        let refusals: Vec<Key> = ["TokenUseRefused", "ManagementRefused"].into_iter().filter_map(key_of_type).collect();
        wanted = wanted.and_any(&refusals);
    }
    Ok(wanted)
}
