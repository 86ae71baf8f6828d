//! Sealing an earlier position. The roots are computed elsewhere, from a copy of the state; here is judged only whether
//! such a seal may stand in the log now.

use super::management::{Deciding, Ruled, service};
use crate::domain::event::StateSealed;
use crate::domain::ids::Position;
use crate::domain::rejection::Rejection;
use crate::domain::text::Texts;
use crate::domain::token::Principal;

/// Positions of seals only go forward, and never past the head: a seal is about what happened before it.
pub(super) fn rule(deciding: &Deciding<'_>, texts: &mut dyn Texts, sealed: StateSealed) -> Ruled {
    if deciding.acting.principal != Principal::Service {
        return Err(Rejection::field("seal", "is the service's own"));
    }
    let state = deciding.state;
    let last = state.last_seal.map_or(Position::NONE, |seal| seal.at);
    if sealed.at_position <= last || sealed.at_position > state.head {
        return Err(Rejection::field("at_position", "must lie after the last seal's, and not after the head"));
    }
    Ok(service(deciding, texts, sealed))
}
