//! What of a filter the index knows: records that it finds are held against the whole filter.

use super::Filter;
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

pub(super) fn of(filter: &Filter, archive: &Archive) -> Result<Wanted, LogError> {
    let mut wanted = Wanted::all();
    if let Some(account) = filter.account.filter(|account| !account.is_none()) {
        wanted = wanted.and_any(&[Key::AccountChanges(account), Key::AccountTraffic(account)]);
    }
    if let Some(token) = filter.token.filter(|token| !token.is_none()) {
        wanted = wanted.and_any(&[Key::TokenChanges(token), Key::TokenTraffic(token)]);
    }
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
