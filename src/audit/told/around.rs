//! What is around an event: the access before it was changed, and its neighbours of the account.

use crate::audit::archive::Archive;
use crate::domain::access::Access;
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position};
use crate::log::LogError;
use crate::projections::index::find::Wanted;
use crate::projections::keys::Key;
use std::ops::ControlFlow;

/// Whether a record is of what the change was of.
type IsOf = Box<dyn Fn(&Header, &Event) -> bool>;

/// The access that a change replaced; none where it was none, or is of no access.
pub fn access_before(
    archive: &Archive,
    position: Position,
    header: &Header,
    event: &Event,
) -> Result<Option<Access>, LogError> {
    let range = (Position::NONE, Position(position.0.saturating_sub(1)));
    let (key, is_of): (Key, IsOf) = match event {
        Event::TokenAccessChanged(_) => (Key::TokenChanges(header.token), Box::new(|_, _| true)),
        Event::MemberAccessChanged(changed) => {
            let (account, user) = (header.account, changed.user);
            let is_member = move |header: &Header, event: &Event| match event {
                Event::MemberAdded(added) => header.account == account && added.user == user,
                Event::MemberAccessChanged(changed) => header.account == account && changed.user == user,
                _ => false,
            };
            (Key::User(changed.user), Box::new(is_member))
        }
        _ => return Ok(None),
    };
    let last = archive.last(&[key], range, &mut |header, event| is_of(header, event) && access_of(event).is_some())?;
    Ok(last.and_then(|(_, _, event)| access_of(&event).cloned()))
}

fn access_of(event: &Event) -> Option<&Access> {
    match event {
        Event::TokenCreated(created) => Some(&created.access),
        Event::TokenImported(imported) => Some(&imported.access),
        Event::TokenAccessChanged(changed) => Some(&changed.access),
        Event::MemberAdded(added) => Some(&added.access),
        Event::MemberAccessChanged(changed) => Some(&changed.access),
        _ => None,
    }
}

/// The records of an account next to a position: the one before, and the one after up to another.
pub fn neighbours(
    archive: &Archive,
    account: AccountId,
    position: Position,
    through: Position,
) -> Result<(Option<Position>, Option<Position>), LogError> {
    let wanted = Wanted::any(&[Key::AccountChanges(account), Key::AccountTraffic(account)]);
    let before = (Position::NONE, Position(position.0.saturating_sub(1)));
    let earlier = archive.last_wanted(&wanted, before, &mut |_, _| true)?.map(|(position, ..)| position);
    let mut later = None;
    archive.visit_wanted(&wanted, (position, through), &mut |position, _, _| {
        later = Some(position);
        ControlFlow::Break(())
    })?;
    Ok((earlier, later))
}
