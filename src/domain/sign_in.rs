//! Signing in: one-time links, and the sessions that they open.
//!
//! A link is shown once, to whoever asked for it; kept is its digest. Used, it makes a token of kind session for a user, or
//! for staff by a token of theirs: such a session acts with that token's role, and ends with it.

use super::event::{SignInLinkCreated, SignInRefused};
use super::ids::TokenId;
use super::time::Timestamp;
use super::token::Principal;
use super::token_text::TokenDigest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long a link works: 15 minutes.
pub const LINK_SECONDS: u64 = 900;
/// How long a session works: 12 hours.
pub const SESSION_SECONDS: u64 = 43_200;
/// Links of one person that work at a time.
pub const LINKS_MAX: usize = 10;
/// Sessions of one person that work at a time.
pub const SESSIONS_MAX: usize = 50;
/// Refusals of one link that are recorded.
pub const LINK_REFUSALS_MAX: u32 = 10;

/// Why a link that is known signs nobody in. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum SignInCause {
    /// It was used before.
    LinkUsed,
    /// The staff token that it is for works no more, or not from here.
    StaffTokenEnded,
    /// As many sessions work as may.
    TooManySessions,
}

impl SignInCause {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::LinkUsed => "link_used",
            Self::StaffTokenEnded => "staff_token_ended",
            Self::TooManySessions => "too_many_sessions",
        }
    }
}

/// A link as the decision state keeps it, until it expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// Whom it signs in: a user, or staff.
    pub who: Principal,
    /// SHA-256 of its secret.
    pub digest: TokenDigest,
    /// When it stops working by itself.
    pub expires_at: Timestamp,
    /// The session that it opened; none while it is unused.
    pub session: TokenId,
    /// Refusals of it that are recorded.
    pub refusals: u32,
}

impl Link {
    /// Whether it still signs somebody in.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.session.is_none() && now < self.expires_at
    }
}

/// Links that have not expired, and sessions by whose they are. What expired goes when the next one of its kind comes, so
/// that the log alone says what is here.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SignIns {
    last_link: u64,
    links: BTreeMap<u64, Link>,
    sessions: BTreeMap<Principal, BTreeSet<TokenId>>,
}

impl SignIns {
    /// The number of the next link.
    pub fn next_link(&self) -> u64 {
        self.last_link + 1
    }

    /// Links with their numbers, used ones too, and such that expired since the last one came.
    pub fn links(&self) -> impl Iterator<Item = (u64, &Link)> {
        self.links.iter().map(|(number, link)| (*number, link))
    }

    /// A link by its number.
    pub fn link(&self, number: u64) -> Option<&Link> {
        self.links.get(&number)
    }

    /// A link by its digest, unless it has expired. There are few.
    pub fn find(&self, digest: &TokenDigest, now: Timestamp) -> Option<(u64, &Link)> {
        self.links().find(|(_, link)| link.digest == *digest && now < link.expires_at)
    }

    /// How many links of somebody are open.
    pub fn open_links(&self, who: Principal, now: Timestamp) -> usize {
        self.links.values().filter(|link| link.who == who && link.is_open(now)).count()
    }

    /// Sessions of somebody that were not ended, the oldest first; some may have expired.
    pub fn sessions(&self, who: Principal) -> impl Iterator<Item = TokenId> {
        self.sessions.get(&who).into_iter().flatten().copied()
    }

    /// Takes in a new link. Expired ones go.
    pub fn keep_link(&mut self, at: Timestamp, created: &SignInLinkCreated) {
        self.links.retain(|_, link| at < link.expires_at);
        self.last_link = self.last_link.max(created.link);
        let SignInLinkCreated { who, digest, expires_at, .. } = *created;
        self.links.insert(created.link, Link { who, digest, expires_at, session: TokenId::NONE, refusals: 0 });
    }

    /// Takes in that a link opened a session. `is_over` says which of the person's other sessions have expired: they go.
    pub fn begin_session(&mut self, link: u64, session: TokenId, who: Principal, is_over: impl Fn(TokenId) -> bool) {
        if let Some(link) = self.links.get_mut(&link) {
            link.session = session;
        }
        let sessions = self.sessions.entry(who).or_default();
        sessions.retain(|&other| !is_over(other));
        sessions.insert(session);
    }

    /// Takes in that a session was ended.
    pub fn end_session(&mut self, session: TokenId, who: Principal) {
        if let Some(sessions) = self.sessions.get_mut(&who) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.sessions.remove(&who);
            }
        }
    }

    /// Takes in that a link was refused.
    pub fn note_refusal(&mut self, refused: &SignInRefused) {
        if let Some(link) = self.links.get_mut(&refused.link) {
            link.refusals = link.refusals.saturating_add(1);
        }
    }
}
