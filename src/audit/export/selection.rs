//! Which records are exported.

use super::ExportError;
use crate::audit::archive::{Archive, Range};
use crate::audit::walk::Step;
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::time::Timestamp;
use crate::log::{LogError, codec};
use crate::projections::index::find::Wanted;
use crate::projections::keys::{Key, keys_of};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// Which records. What is not said is all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Selection {
    /// Only of this account.
    pub account: Option<AccountId>,
    /// Only of this token.
    pub token: Option<TokenId>,
    /// Only recorded at or after this time.
    pub from: Option<Timestamp>,
}

/// A record on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Picked<'a> {
    /// Its position.
    pub position: Position,
    /// Its bytes.
    pub record: &'a [u8],
    /// Its header.
    pub header: &'a Header,
    /// What it says.
    pub event: &'a Event,
}

impl Selection {
    /// The records of a range that are about the account and the token, and those of the time.
    pub(super) fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::all();
        if let Some(account) = self.account {
            wanted = wanted.and_any(&[Key::AccountChanges(account), Key::AccountTraffic(account)]);
        }
        if let Some(token) = self.token {
            wanted = wanted.and_any(&[Key::TokenChanges(token), Key::TokenTraffic(token)]);
        }
        wanted
    }

    /// What of a range is recorded at its time.
    pub(super) fn range(&self, archive: &Archive, (after, through): Range) -> Result<Range, LogError> {
        let (from, _) = archive.range(self.from, None)?;
        Ok((after.max(from), through))
    }
}

/// Visits the wanted records of a range, oldest first. `progress` is told now and then how far it is.
pub(super) fn each(
    archive: &Archive,
    wanted: &Wanted,
    range: Range,
    progress: &mut dyn FnMut(Position),
    visit: &mut dyn FnMut(Picked<'_>) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    const TOLD_EVERY: u64 = 1_000;
    let (mut failure, mut keys, mut met) = (None, Vec::new(), 0_u64);
    archive.walk(wanted, range, false, &mut |step| {
        let (position, record) = match step {
            Step::Passed(position) => {
                progress(position);
                return ControlFlow::Continue(());
            }
            Step::Record(position, record) => (position, record),
        };
        met += 1;
        if met.is_multiple_of(TOLD_EVERY) {
            progress(position);
        }
        let visited = match codec::decode(record) {
            Ok((header, event)) => {
                keys.clear();
                keys_of(&header, &event, &mut |key| keys.push(key));
                // The index is a hint, and what it does not know is met too.
                match wanted.is_met_by(&keys) {
                    true => visit(Picked { position, record, header: &header, event: &event }),
                    false => Ok(()),
                }
            }
            Err(error) => Err(LogError::undecodable(position, &error).into()),
        };
        match visited {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failure.map_or(Ok(()), Err)
}
