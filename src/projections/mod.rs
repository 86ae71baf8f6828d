//! Folds of the log into read models.
//!
//! Owns: the projections, their digests, their snapshots in `views.db`, and building them from snapshot and log.
//! Refuses to know: who writes, who asks. A projection is disposable: the log gives it again.

pub mod digest;
pub mod last_used;
pub mod rebuild;
pub mod snapshot;
pub mod usage;

use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;
use crate::domain::state::State;
use last_used::LastUsed;
use serde::{Deserialize, Serialize};
use usage::Usage;

/// All read models at one position.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Projections {
    /// The last position folded in.
    pub position: Position,
    /// Current accounts, users, resources and tokens: the same fold that decisions are made on.
    pub state: State,
    /// When tokens, and their grants, were last used.
    pub last_used: LastUsed,
    /// Who drew how much of the running windows.
    pub usage: Usage,
}

impl Projections {
    /// Takes in the next record.
    pub fn fold(&mut self, position: Position, header: &Header, event: &Event) {
        self.position = position;
        self.last_used.fold(position, header, event, self.state.tokens.len());
        self.usage.fold(header, event);
        self.state.evolve(header, event);
    }
}
