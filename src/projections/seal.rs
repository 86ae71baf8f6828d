//! Seals: two Merkle maps over a state, of its streams and of what decisions depend on. Whoever replays the log to the
//! same position must get the same two roots. `schema/seals.md` has the bytes of keys and values; `SEAL_VERSION` counts
//! with them: what is in a map never changes under one version.

mod entries;

pub use entries::{
    Entry, Visit, account_key, account_of_stream, account_stream_key, log_key, read_pair, read_stream, state_entries,
    stream_entries, token_key, token_stream_key, token_streams_prefix,
};

use crate::domain::event::StateSealed;
use crate::domain::ids::Position;
use crate::domain::state::State;
use crate::log::codec::CodecError;
use crate::log::sorted_map::MapRoot;
use std::ops::ControlFlow;

/// The rules by which today's seals are made.
pub const SEAL_VERSION: u8 = 1;
/// Entries taken in between two breaths of whoever seals: well under a millisecond.
const ENTRIES_A_STEP: u64 = 512;

/// About how many entries a seal of this state has, counted from what costs nothing to ask.
pub fn entries_about(state: &State) -> u64 {
    let State { accounts, users, resources, tokens, .. } = state;
    (2 * accounts.len() + users.len() + resources.len() + 2 * tokens.len()) as u64
}

/// The seal of a state; none if `between`, which is called after some entries each, broke it off.
pub fn seal(state: &State, between: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Option<StateSealed>, CodecError> {
    let mut streams = MapRoot::default();
    let visited = stream_entries(state, &mut |entry| take(&mut streams, entry, between));
    if visited?.is_break() {
        return Ok(None);
    }
    let mut decisions = MapRoot::default();
    let visited = state_entries(state, &mut |entry| take(&mut decisions, entry, between));
    if visited?.is_break() {
        return Ok(None);
    }
    let (streams_root, state_root) = (streams.root(), decisions.root());
    Ok(Some(StateSealed { at_position: state.head, seal_version: SEAL_VERSION, streams_root, state_root }))
}

/// The seal of a state, at one go.
pub fn seal_at_once(state: &State) -> Result<StateSealed, CodecError> {
    let sealed = seal(state, &mut || ControlFlow::Continue(()))?;
    let nothing =
        StateSealed { at_position: Position::NONE, seal_version: 0, streams_root: [0; 32], state_root: [0; 32] };
    // Nothing breaks it off.
    Ok(sealed.unwrap_or(nothing))
}

fn take(map: &mut MapRoot, entry: Entry<'_>, between: &mut dyn FnMut() -> ControlFlow<()>) -> ControlFlow<()> {
    map.add(entry.key, entry.value);
    match map.count().is_multiple_of(ENTRIES_A_STEP) {
        true => between(),
        false => ControlFlow::Continue(()),
    }
}
