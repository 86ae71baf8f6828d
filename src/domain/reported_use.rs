//! Uses that a gateway decided by itself, as it tells them afterwards.

use super::access::{GroupNumber, Verb};
use super::command::AskedTarget;
use super::event::MappedRoute;
use super::idempotency::{KeyHash, RequestDigest};
use super::ids::{AccountId, Position, TokenId};
use super::text::PersonalText;
use super::time::Timestamp;
use super::token_text::TokenDigest;

/// Which token was used, as the reporter names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportedToken {
    /// By its number; which of its secrets was shown is not known then.
    Number(TokenId),
    /// By the digest of its text.
    Digest(TokenDigest),
}

/// One line of a report.
#[derive(Clone, Debug)]
pub struct ReportedUse {
    /// Its key, and whose.
    pub key: KeyHash,
    /// What it says, all of it.
    pub content: RequestDigest,
    /// What was used.
    pub token: ReportedToken,
    /// On which account; absent: that of an account's token.
    pub account: Option<AccountId>,
    /// When, by the reporter's clock.
    pub occurred_at: Timestamp,
    /// The last position that the reporter knew of when it decided.
    pub known_position: Position,
    /// Scope group and verb of what was needed; none where a token that works would do.
    pub scope: Option<(GroupNumber, Verb)>,
    /// What of it.
    pub target: AskedTarget,
    /// The route of the scope map that said so; none where the reporter did.
    pub mapped: Option<MappedRoute>,
    /// HTTP status of the answer behind the gateway; 0: not told.
    pub status: u16,
    /// Address of the client.
    pub address: Option<PersonalText>,
}
