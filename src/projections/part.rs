//! Read models of only some of the log's records. What is folded in must be whole for what is asked: all changes of an
//! account, say, or all uses since a window opened. The rest stands in the tables as blanks.

use super::Projections;
use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;

impl Projections {
    /// Takes in a record where others before it may have been left out. Records come in their order.
    pub fn fold_part(&mut self, position: Position, header: &Header, event: &Event) {
        self.state.make_room(header, event, position.0);
        self.fold(position, header, event);
    }

    /// Takes in of a record what it draws from windows, and what was refused for want of room in them. Changes were
    /// folded before; the first of these records comes when no window was open.
    pub fn fold_window(&mut self, header: &Header, event: &Event) {
        self.usage.fold(header, event, &self.state);
        self.state.evolve(header, event);
    }

    /// Takes in of a record which tokens it used, and what of them it reports.
    pub fn fold_use(&mut self, position: Position, header: &Header, event: &Event) {
        self.last_used.fold(position, header, event, self.state.tokens.len());
    }
}
