//! Seals against a replay: is what was sealed what the log gives at that position?
//!
//! A seal is about an earlier position than its own, so they are looked up before a replay begins: one look at two
//! bytes of each record. The replay then stops nowhere twice.

use crate::domain::event::{Event, StateSealed};
use crate::domain::ids::Position;
use crate::domain::state::State;
use crate::log::reader::LogReader;
use crate::log::{LogError, codec};
use crate::projections::seal::{SEAL_VERSION, seal_at_once};
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// Type number of `StateSealed`, as the second and third byte of a record say it.
const STATE_SEALED: [u8; 2] = 58u16.to_le_bytes();

/// A seal and its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SealRecord {
    /// Position of the record.
    pub position: Position,
    /// What it says.
    pub sealed: StateSealed,
}

/// A seal that says otherwise than the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealFinding {
    /// Position of the seal's record.
    pub position: Position,
    /// What is wrong with it, as a sentence.
    pub what: String,
}

/// Whether these bytes are of a seal's record, whole or not.
pub fn is_seal(record: &[u8]) -> bool {
    record.get(1..3) == Some(&STATE_SEALED)
}

/// The seals recorded up to a position, in the order of their records. Records that cannot be read are none: others
/// tell of those.
pub fn list(log: &LogReader, through: Position) -> Result<Vec<SealRecord>, LogError> {
    let mut seals = Vec::new();
    log.scan(Position::NONE, through, |position, record| {
        if is_seal(record)
            && let Ok((_, Event::StateSealed(sealed))) = codec::decode(record)
        {
            seals.push(SealRecord { position, sealed });
        }
        ControlFlow::Continue(())
    })?;
    Ok(seals)
}

/// Seals on their way through a replay.
#[derive(Debug, Default)]
pub struct SealCheck {
    /// By the position they are about.
    due: VecDeque<SealRecord>,
    /// Seals that are what the replay gave.
    pub right: u64,
    /// Seals that this program cannot compute: of other rules than its own, or of a position that the replay did not
    /// reach whole.
    pub passed_over: u64,
    /// Those that are wrong.
    pub findings: Vec<SealFinding>,
}

impl SealCheck {
    /// Of all seals recorded up to a position.
    pub fn of(log: &LogReader, through: Position) -> Result<Self, LogError> {
        let mut check = Self::default();
        let mut seals = list(log, through)?;
        seals.sort_by_key(|seal| (seal.sealed.at_position, seal.position));
        for seal in seals {
            let StateSealed { at_position, seal_version, .. } = seal.sealed;
            if at_position.is_none() || at_position >= seal.position {
                let what = format!("the seal is about position {at_position}, which is not before it");
                check.findings.push(SealFinding { position: seal.position, what });
            } else if seal_version != SEAL_VERSION {
                check.passed_over += 1;
            } else {
                check.due.push_back(seal);
            }
        }
        Ok(check)
    }

    /// The next position that a seal is about.
    pub fn next(&self) -> Option<Position> {
        self.due.front().map(|seal| seal.sealed.at_position)
    }

    /// The replay is at a position, with this state there; `whole` if it took in every record up to it.
    pub fn take(&mut self, position: Position, whole: bool, state: &State) {
        let mut given = None;
        while self.next().is_some_and(|next| next <= position) {
            let Some(seal) = self.due.pop_front() else { return };
            if !whole || seal.sealed.at_position != position {
                self.passed_over += 1;
                continue;
            }
            let given = given.get_or_insert_with(|| seal_at_once(state));
            match given.as_ref().map(|given| fault(&seal.sealed, given)) {
                Ok(None) => self.right += 1,
                Ok(Some(what)) => self.findings.push(SealFinding { position: seal.position, what }),
                Err(error) => {
                    let what = format!("the state at position {position} cannot be sealed: {error}");
                    self.findings.push(SealFinding { position: seal.position, what });
                }
            }
        }
    }
}

/// What a seal says otherwise than the replay.
fn fault(said: &StateSealed, given: &StateSealed) -> Option<String> {
    let what = match (said.streams_root == given.streams_root, said.state_root == given.state_root) {
        (true, true) => return None,
        (false, true) => "root of the streams is not that",
        (true, false) => "root of the state is not that",
        (false, false) => "roots of streams and state are not those",
    };
    Some(format!("the {what} which a replay up to position {} gives", said.at_position))
}
