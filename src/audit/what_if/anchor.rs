//! Where windows can be counted from. Which window a use drew from hangs on all uses before it, as far back as they came
//! without an hour between them; after such an hour a window opens with the next use, whatever was before.

use crate::audit::archive::Archive;
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::time::Timestamp;
use crate::domain::window::WINDOW_SECONDS;
use crate::log::LogError;
use crate::projections::keys::Key;
use std::ops::ControlFlow;

/// Seconds that are looked back at first; then twice as many, until there is an hour without uses.
const FIRST_LOOK_SECONDS: u64 = 4 * WINDOW_SECONDS;

/// The records that draw from one pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PoolKeys {
    /// Of an account.
    Account(AccountId),
    /// Of a user's own window: those of these tokens that are on no account.
    Tokens(Vec<TokenId>),
}

impl PoolKeys {
    /// The keys of its records.
    pub fn keys(&self) -> Vec<Key> {
        match self {
            Self::Account(account) => vec![Key::AccountTraffic(*account)],
            Self::Tokens(tokens) => tokens.iter().map(|&token| Key::TokenTraffic(token)).collect(),
        }
    }

    /// The account in the headers of its records.
    pub fn account(&self) -> AccountId {
        match self {
            Self::Account(account) => *account,
            Self::Tokens(_) => AccountId::NONE,
        }
    }
}

/// The last position before `after` from which on a pool's windows can be counted without what was before.
pub fn beginning_of_windows(archive: &Archive, pool: &PoolKeys, after: Position) -> Result<Position, LogError> {
    let keys = pool.keys();
    let Some((_, last, _)) = archive.record(after)?.map(|(header, event)| (after, header, event)) else {
        return Ok(Position::NONE);
    };
    if keys.is_empty() {
        return Ok(after);
    }
    let mut look = FIRST_LOOK_SECONDS;
    loop {
        let begin = last.recorded_at.seconds().saturating_sub(look);
        let start = archive.range(Some(Timestamp::from_seconds(begin)), None)?.0;
        if let Some(found) = last_gap(archive, &keys, pool.account(), (start, after), begin)? {
            return Ok(found);
        }
        if start.is_none() {
            return Ok(Position::NONE);
        }
        look = look.saturating_mul(2);
    }
}

/// The position before the last use that came an hour or more after the one before it; `begin` stands for a use just
/// before the range. With no use at all it is the end of the range.
fn last_gap(
    archive: &Archive,
    keys: &[Key],
    account: AccountId,
    range: (Position, Position),
    begin: u64,
) -> Result<Option<Position>, LogError> {
    let (mut before, mut found, mut end) = (begin, None, begin);
    archive.visit(keys, range, &mut |position, header, event| {
        if matches!(event, Event::TokenUsed(_)) && header.account == account {
            let at = header.recorded_at.seconds();
            if at >= before + WINDOW_SECONDS {
                found = Some(Position(position.0 - 1));
            }
            (before, end) = (at, at);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found.or((end == begin).then_some(range.1)))
}
