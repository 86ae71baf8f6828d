//! Idempotency keys: what is sent again under its key is answered again, and not carried out again.
//!
//! The key is a text that a client chose, so no record and no state holds it: only a hash of it together with who sent
//! it. What was sent is held as a digest whose key is outside the log, because a body has names in it that could be
//! guessed.

use super::event::IdempotencyKeyKept;
use super::ids::{AccountId, ApplicationId, Position, ResourceId, TokenId, UserId};
use super::text::PersonalText;
use super::time::Timestamp;
use super::token::Principal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};

/// How long a key is kept: 24 hours.
pub const KEPT_SECONDS: u64 = 86_400;
/// Keys of one principal that are kept at a time.
pub const KEYS_MAX: usize = 10_000;
/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 255;

/// Which key, and whose: the first 16 bytes of SHA-256(principal ‖ key), the principal as in [`KeyHash::of`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(pub [u8; 16]);

impl KeyHash {
    /// The principal goes in as 9 bytes, the variant's number as in a record and then its own number (little-endian, 0
    /// if it has none), so that no principal and key run together with another pair.
    pub fn of(principal: Principal, key: &PersonalText) -> Self {
        let (variant, number) = match principal {
            Principal::Service => (0, 0),
            Principal::Account(account) => (1, account.0),
            Principal::User(user) => (2, user.0),
            Principal::Staff(token) => (3, token.0),
            Principal::Local(uid) => (4, u64::from(uid)),
            Principal::Application(application) => (5, application.0),
        };
        let hash = Sha256::new()
            .chain_update([variant])
            .chain_update(u64::to_le_bytes(number))
            .chain_update(key.as_str())
            .finalize();
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        Self(first)
    }
}

/// What was sent: method, path and body, in 16 bytes that say nothing to whoever lacks the key of the digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestDigest(pub [u8; 16]);

/// What an answer showed. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum AnswerSubject {
    /// Nothing but that it was done.
    Service,
    /// An account.
    Account(AccountId),
    /// A user.
    User(UserId),
    /// A member.
    Member(AccountId, UserId),
    /// A resource.
    Resource(ResourceId),
    /// A token.
    Token(TokenId),
    /// So many tokens from this one on.
    Tokens(TokenId, u64),
    /// An access review.
    Review(u64),
    /// A sign-in link.
    SignInLink(u64),
    /// An OAuth application.
    Application(ApplicationId),
}

/// What is kept of a request that was carried out under a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// What was sent.
    pub request: RequestDigest,
    /// HTTP status of the answer.
    pub status: u16,
    /// What the answer showed.
    pub subject: AnswerSubject,
    /// Position of the record that says so: the first answer's receipt.
    pub position: Position,
    /// Who sent it.
    pub principal: Principal,
    /// When: the record's time.
    pub kept_at: Timestamp,
}

impl Kept {
    fn is_over(&self, now: Timestamp) -> bool {
        self.kept_at.plus_seconds(KEPT_SECONDS) <= now
    }
}

/// The keys of the last 24 hours. What is over goes when the next key is kept, so that the log alone says what is here.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct KeptKeys {
    by_key: BTreeMap<KeyHash, Kept>,
    /// In the order they were kept, which is the order they go in.
    in_order: VecDeque<KeyHash>,
    of_principal: BTreeMap<Principal, usize>,
}

impl KeptKeys {
    /// What was done under this key, unless that is 24 hours ago.
    pub fn find(&self, key: KeyHash, now: Timestamp) -> Option<&Kept> {
        self.by_key.get(&key).filter(|kept| !kept.is_over(now))
    }

    /// Whether this principal has as many keys as may be kept.
    pub fn is_full(&self, principal: Principal, now: Timestamp) -> bool {
        let count = self.of_principal.get(&principal).copied().unwrap_or(0);
        if count < KEYS_MAX {
            return false;
        }
        let over = self.in_order.iter().map_while(|key| self.by_key.get(key)).take_while(|kept| kept.is_over(now));
        count - over.filter(|kept| kept.principal == principal).count() >= KEYS_MAX
    }

    /// Takes in what has happened.
    pub fn keep(&mut self, principal: Principal, at: Timestamp, position: Position, event: &IdempotencyKeyKept) {
        self.drop_what_is_over(at);
        let IdempotencyKeyKept { key, request, status, subject } = *event;
        let kept = Kept { request, status, subject, position, principal, kept_at: at };
        // The same key while it is kept is never recorded; a log that has it twice all the same counts it once.
        if self.by_key.insert(key, kept).is_none() {
            self.in_order.push_back(key);
            *self.of_principal.entry(principal).or_default() += 1;
        }
    }

    fn drop_what_is_over(&mut self, now: Timestamp) {
        while let Some(key) = self.in_order.front().copied() {
            if self.by_key.get(&key).is_some_and(|kept| !kept.is_over(now)) {
                return;
            }
            self.in_order.pop_front();
            let Some(kept) = self.by_key.remove(&key) else { continue };
            if let Some(count) = self.of_principal.get_mut(&kept.principal) {
                *count -= 1;
                if *count == 0 {
                    self.of_principal.remove(&kept.principal);
                }
            }
        }
    }

    /// Every key with what is kept of it, in the order of the hashes.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyHash, &Kept)> {
        self.by_key.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAFF: Principal = Principal::Staff(TokenId(1));

    fn event(number: usize) -> IdempotencyKeyKept {
        let key = KeyHash::of(STAFF, &PersonalText::new(number.to_string()));
        let subject = AnswerSubject::Token(TokenId(7));
        IdempotencyKeyKept { key, request: RequestDigest([1; 16]), status: 201, subject }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_772_366_400 + seconds)
    }

    #[test]
    fn a_principal_has_ten_thousand_keys_until_the_first_is_a_day_old() {
        let mut keys = KeptKeys::default();
        for number in 0..KEYS_MAX {
            assert!(!keys.is_full(STAFF, at(60)), "{number}");
            keys.keep(STAFF, at(u64::from(number > 0)), Position(number as u64 + 1), &event(number));
        }
        assert!(keys.is_full(STAFF, at(60)));
        assert!(!keys.is_full(Principal::Staff(TokenId(2)), at(60)), "another one's keys do not count");
        assert!(keys.is_full(STAFF, Timestamp(at(KEPT_SECONDS).0 - 1)));
        assert!(!keys.is_full(STAFF, at(KEPT_SECONDS)));
        keys.keep(STAFF, at(KEPT_SECONDS), Position(1), &event(KEYS_MAX));
        assert_eq!(keys.iter().count(), KEYS_MAX, "one went, one came");
        keys.keep(STAFF, at(3 * KEPT_SECONDS), Position(1), &event(0));
        assert_eq!((keys.iter().count(), keys.in_order.len(), keys.of_principal.get(&STAFF)), (1, 1, Some(&1)));
    }

    #[test]
    fn a_key_is_anothers_when_another_principal_sends_it() {
        let key = PersonalText::new("one");
        let hashes = [
            Principal::Service,
            Principal::Account(AccountId(1)),
            Principal::User(UserId(1)),
            STAFF,
            Principal::Staff(TokenId(2)),
            Principal::Local(1),
        ]
        .map(|principal| KeyHash::of(principal, &key));
        let different: std::collections::BTreeSet<_> = hashes.iter().collect();
        assert_eq!(different.len(), hashes.len());
    }
}
