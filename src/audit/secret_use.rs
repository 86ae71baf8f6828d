//! Whether a secret of a token is still used.

use super::archive::Archive;
use super::questions::AuditError;
use crate::domain::event::Event;
use crate::domain::ids::{Position, TokenId};
use crate::domain::time::Timestamp;
use crate::projections::keys::Key;

/// The last use of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SecretUse {
    /// Where and when it was.
    pub last: Option<(Position, Timestamp)>,
    /// Since when it was looked for.
    pub since: Option<Timestamp>,
}

/// Looks for the last use with a secret since the last rotation that it had a part in: of the newest since it was made, of
/// the one before since there is a newer one. Whether it is still used is what is asked, so uses before do not count.
pub fn last_use(archive: &Archive, token: TokenId, secret: u32) -> Result<SecretUse, AuditError> {
    let all = archive.range(None, None)?;
    let begun = archive.last(&[Key::TokenChanges(token)], all, &mut |header, event| match event {
        Event::TokenRotated(rotated) => {
            header.token == token && (rotated.ends == secret || rotated.secret.number == secret)
        }
        Event::TokenCreated(_) | Event::TokenImported(_) => header.token == token,
        _ => false,
    })?;
    let (after, since) = begun.map_or((Position::NONE, None), |(at, header, _)| (at, Some(header.recorded_at)));
    let last = archive.last(&[Key::TokenTraffic(token)], (after, all.1), &mut |header, event| {
        header.token == token && matches!(event, Event::TokenUsed(used) if used.secret == secret)
    })?;
    Ok(SecretUse { last: last.map(|(position, header, _)| (position, header.recorded_at)), since })
}
