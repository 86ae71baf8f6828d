//! Folds of the log into read models.
//!
//! Owns: the projections, their digests, their snapshots and the history tables in `views.db`, and building them from
//! snapshot and log. Refuses to know: who writes, who asks. A projection is disposable: the log gives it again.
//!
//! Reading order: [`last_used`], [`usage`], [`changes`], [`history`] (the folds), [`views`] (the file), [`snapshot`] with
//! [`chunks`] and [`history_tables`] (what is in it), [`keys`] and [`index`] (what records are found by), [`part`] (folding
//! only some of them), [`rebuild`], [`digest`], [`seal`] (what two machines must agree on).

pub mod changes;
pub mod chunks;
pub mod digest;
pub mod history;
pub mod history_tables;
pub mod index;
pub mod keys;
pub mod last_used;
pub mod part;
pub mod rebuild;
pub mod seal;
pub mod snapshot;
pub mod usage;
pub mod views;

use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;
use crate::domain::state::State;
use changes::Changes;
use history::History;
use index::tail::Tail;
use last_used::LastUsed;
use usage::Usage;

/// All read models at one position.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Projections {
    /// The last position folded in.
    pub position: Position,
    /// Current accounts, users, resources and tokens: the same fold that decisions are made on.
    pub state: State,
    /// When tokens, and their grants, were last used.
    pub last_used: LastUsed,
    /// Who drew how much of each last window.
    pub usage: Usage,
    /// Where access was changed.
    pub changes: Changes,
    /// Rows on their way into the history tables, where they are gathered.
    pub history: Option<History>,
    /// Keys of records that are not in the index in the file yet, where it is made.
    pub index: Option<Tail>,
}

impl Projections {
    /// Takes in the next record.
    pub fn fold(&mut self, position: Position, header: &Header, event: &Event) {
        self.position = position;
        self.last_used.fold(position, header, event, self.state.tokens.len());
        let drawn = self.usage.fold(header, event, &self.state);
        if let Some(history) = &mut self.history {
            history.fold(position, header, event, drawn);
        }
        if let Some(index) = &mut self.index {
            index.fold(position, header, event);
        }
        self.state.evolve(header, event);
        self.changes.fold(position, header, event, &self.state);
    }

    /// Reads a little of the rows that folding records will change, so that they are near by then (see
    /// `domain/state/touch.rs`). What it gives means nothing.
    pub fn touch<'a>(&self, headers: impl Iterator<Item = &'a Header> + Clone) -> u64 {
        let changed = headers.clone().fold(0, |seen, header| seen ^ self.state.touch_changed(header));
        let uses = headers.clone().fold(0, |seen, header| seen ^ self.last_used.touch(header.token));
        let usage = headers.clone().fold(0, |seen, header| seen ^ self.usage.touch(header.account, header.token));
        let history = self.history.as_ref();
        let hours = history.map_or(0, |history| headers.fold(0, |seen, header| seen ^ history.touch(header)));
        changed ^ uses ^ usage ^ hours
    }

    /// A copy to look at for long, without what is gathered: it shares all rows that are not changed meanwhile.
    pub fn freeze(&self) -> Self {
        Self {
            position: self.position,
            state: self.state.clone(),
            last_used: self.last_used.clone(),
            usage: self.usage.clone(),
            changes: self.changes.clone(),
            history: None,
            index: None,
        }
    }
}
