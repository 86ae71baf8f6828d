//! When an earlier position is sealed, on the projector's thread: from a copy of the state, in small steps with folding
//! in between, and recorded by the writer like any other command. A crash on the way leaves nothing: the next seal is
//! then about a later position.

use super::handle::Shared;
use super::projector::fold_waiting;
use super::writer::Request;
use super::{Reply, Unavailable};
use crate::domain::command::{Actor, Change, Command, Origin};
use crate::domain::event::StateSealed;
use crate::domain::ids::Position;
use crate::domain::state::State;
use crate::domain::time::{MICROS_PER_SECOND, Timestamp};
use crate::projections::seal::{self, entries_about};
use std::ops::ControlFlow;
use tokio::sync::oneshot;

/// A seal takes about a microsecond an entry, and rows that change meanwhile are copied: a state is sealed once in so many
/// records as it has entries, divided by this. `verify` computes every seal again, so this bounds its work too.
const ENTRIES_A_RECORD: u64 = 8;
/// Entries past which a state is big.
const SMALL_ENTRIES: u64 = 5_000;
/// A big state is sealed once in so many records for each entry past that: with a million tokens the seals would otherwise
/// take more of the processor than deciding does. The daily seal bounds how long that can be.
const RECORDS_AN_ENTRY: u64 = 2;
/// Where few records come, one is sealed all the same when the last seal is older than this and anything came since.
const SEAL_AFTER_MICROS: i64 = 86_400 * MICROS_PER_SECOND.cast_signed();
/// How often a seal that failed is tried again before the next one would be due.
const RETRIES_A_SEAL: u64 = 8;

/// Seals what is due.
#[derive(Default)]
pub(super) struct Sealer {
    /// The answer to the last seal, as long as it is not there.
    asked: Option<oneshot::Receiver<Result<Reply, Unavailable>>>,
    /// Nothing is tried before this one, after a try that failed.
    not_before: Position,
}

impl Sealer {
    /// Has a seal recorded if one is due.
    pub fn seal_what_is_due(&mut self, shared: &Shared) {
        if shared.settings.seal_events == 0 || shared.space.is_low() || !self.is_answered(shared) {
            return;
        }
        let due = {
            let projections = shared.projections.read();
            let is_due = projections.position >= self.not_before && is_due(&projections.state, shared);
            // Shares all rows that are not changed meanwhile.
            is_due.then(|| projections.state.clone())
        };
        // A clock that is behind refuses whatever does not take something away.
        if let Some(state) = due
            && !shared.clock_state.lock().is_behind
        {
            self.seal(shared, state);
        }
    }

    /// Whether no seal is on its way to the log.
    fn is_answered(&mut self, shared: &Shared) -> bool {
        let Some(asked) = &mut self.asked else { return true };
        match asked.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => return false,
            Ok(Ok(Reply { position: Some(_), .. })) => {}
            // It was not recorded; the records it would have been about are still there.
            Ok(_) | Err(oneshot::error::TryRecvError::Closed) => self.put_off(shared),
        }
        self.asked = None;
        true
    }

    fn seal(&mut self, shared: &Shared, state: State) {
        let mut between = || {
            fold_waiting(shared);
            if shared.space.is_low() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match seal::seal(&state, &mut between) {
            Ok(Some(sealed)) => self.ask(shared, sealed),
            // There is no room: it is still due when there is some.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "the state was not sealed");
                self.put_off(shared);
            }
        }
        // Rows that changed meanwhile are this copy's alone: letting go of a million of them takes its time.
        let _ = std::thread::Builder::new().name("letting go".to_owned()).spawn(move || drop(state));
    }

    fn ask(&mut self, shared: &Shared, sealed: StateSealed) {
        let (reply, receiver) = oneshot::channel();
        let command = Command::Manage(Actor::Init, Box::new(Change::SealState(sealed)));
        match shared.queue.push(Request { job: (command, Origin::default()), reply }) {
            Ok(()) => {
                shared.queue.hand_over();
                self.asked = Some(receiver);
            }
            // The queue is full, or the service ends.
            Err(_) => self.put_off(shared),
        }
    }

    fn put_off(&mut self, shared: &Shared) {
        let records = shared.settings.seal_events.div_ceil(RETRIES_A_SEAL);
        self.not_before = Position(shared.folded().0.saturating_add(records));
    }
}

/// Records for which a state of so many entries is sealed once, at least.
fn records_a_seal(entries: u64) -> u64 {
    let of_big = entries.saturating_sub(SMALL_ENTRIES).saturating_mul(RECORDS_AN_ENTRY);
    of_big.max(entries / ENTRIES_A_RECORD)
}

/// An idle log is not sealed: the last seal's own record is no reason for another one.
fn is_due(state: &State, shared: &Shared) -> bool {
    let (sealed, at) = match state.last_seal {
        Some(seal) => (seal.record, seal.recorded_at),
        // `init` makes the first token with the log.
        None => (Position::NONE, state.tokens.get(1).map_or(Timestamp(0), |token| token.created_at)),
    };
    let records = state.head.0.saturating_sub(sealed.0);
    let wanted = shared.settings.seal_events.max(records_a_seal(entries_about(state)));
    let is_old = state.last_recorded_at.micros_since(at) >= SEAL_AFTER_MICROS;
    records >= wanted || (records > 0 && is_old)
}

#[cfg(test)]
mod tests {
    use super::records_a_seal;

    /// A record bears at most one entry of work, of a big state half of one.
    #[test]
    fn the_bigger_a_state_the_less_of_it_a_record_bears() {
        let seals_every = |entries: u64| records_a_seal(entries).max(10_000);
        for entries in [0, 100, 5_000, 10_000, 50_000, 2_200_000, u64::MAX / 4] {
            assert!(seals_every(entries) >= entries, "{entries}");
        }
        assert_eq!(records_a_seal(80), 10);
        assert!(seals_every(2_200_000) > 4_000_000);
    }
}
