//! Every change of an account and its people with those of the tokens that made them, or every change there is.

use super::archive::Archive;
use super::biography::{Biography, Placed};
use crate::domain::event::{EVENT_TYPES, Event, Header};
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::state::State;
use crate::log::LogError;
use crate::projections::keys::Key;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Types of records that the accounts, people, resources and tokens of a state follow from: groups, the directory, tokens,
/// sign-in links, OAuth.
fn is_of_the_directory(type_number: u16) -> bool {
    matches!(type_number, 2 | 9..=39 | 60..=71)
}

/// Visits them, oldest first, up to a position.
pub fn visit(
    archive: &Archive,
    account: Option<AccountId>,
    through: Position,
    visit: &mut dyn FnMut(Position, &Header, &Event),
) -> Result<(), LogError> {
    let Some(account) = account else {
        let types = EVENT_TYPES.iter().map(|(number, ..)| *number).filter(|number| is_of_the_directory(*number));
        let keys: Vec<Key> = types.map(Key::Type).collect();
        return archive.visit(&keys, (Position::NONE, through), &mut |position, header, event| {
            visit(position, header, event);
            ControlFlow::Continue(())
        });
    };
    let biography = Biography::of_account(archive, account, through)?;
    let credentials: BTreeSet<TokenId> = biography.changes().iter().map(|(_, header, _)| header.credential).collect();
    let keys: Vec<Key> = credentials.into_iter().filter(|token| !token.is_none()).map(Key::TokenChanges).collect();
    let mut changes: Vec<Placed> = biography.changes().to_vec();
    if !keys.is_empty() {
        archive.visit(&keys, (Position::NONE, through), &mut |position, header, event| {
            changes.push((position, *header, event.clone()));
            ControlFlow::Continue(())
        })?;
    }
    changes.sort_unstable_by_key(|(position, ..)| *position);
    changes.dedup_by_key(|(position, ..)| *position);
    for (position, header, event) in &changes {
        visit(*position, header, event);
    }
    Ok(())
}

/// The state that they give.
pub fn state(archive: &Archive, account: Option<AccountId>, through: Position) -> Result<State, LogError> {
    let mut state = State::default();
    visit(archive, account, through, &mut |_, header, event| state.evolve_part(header, event))?;
    Ok(state)
}
