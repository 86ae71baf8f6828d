//! The way from a secret's digest to its token: of every look-up on the hot path the first.
//!
//! Tokens' rows hold the digests. Here are, for each secret, a hash of its digest and its token's number, sixteen bytes
//! side by side: with a million tokens a look-up waits for memory once, and then for the row that it needs in any case.
//! Derived from the tokens, so never stored.

use super::ids::TokenId;
use super::table::Table;
use super::token::Token;
use super::token_text::TokenDigest;
use std::hash::BuildHasher;

/// Slots of the smallest table that is not empty.
const SLOTS_MIN: usize = 64;

/// Where each secret's token is.
#[derive(Clone, Debug, Default)]
pub struct Digests {
    /// A power of two of them, or none; a secret is in the first that was free, from the place on that its hash says.
    slots: Vec<Slot>,
    kept: usize,
    /// Seeded: digests that are imported can be made up, and nobody is to know which of them get in each other's way.
    hasher: foldhash::fast::RandomState,
}

/// A secret's; free as long as it leads to no token.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u64,
    token: TokenId,
}

impl Digests {
    /// Of all secrets that these tokens keep.
    pub fn of(tokens: &Table<Token>) -> Self {
        let mut digests = Self::default();
        digests.make_room_for(tokens.len());
        for token in tokens.iter() {
            token.secrets.iter().for_each(|secret| digests.add(&secret.digest, token.id));
        }
        digests
    }

    /// How many secrets there are.
    pub fn len(&self) -> usize {
        self.kept
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept == 0
    }

    /// Adds a token's secret.
    pub fn add(&mut self, digest: &TokenDigest, token: TokenId) {
        self.make_room_for(self.kept + 1);
        self.put(Slot { hash: self.hasher.hash_one(digest), token });
    }

    /// The token of a digest, and which of its secrets it is.
    pub fn find<'a>(&self, tokens: &'a Table<Token>, digest: &TokenDigest) -> Option<(&'a Token, u32)> {
        self.leads(digest).find_map(|id| {
            let token = tokens.get(id.0)?;
            // The newest first: it is the one that is shown, and those before it stay, up to a thousand.
            let secret = token.secrets.iter().rfind(|secret| secret.digest == *digest)?;
            Some((token, secret.number))
        })
    }

    /// Whether there is such a secret. Its token is not asked: of 2^64 unknown digests for each secret one may seem to
    /// be it, so this is a reason to ask whoever decides, and to decide nothing by.
    pub fn may_have(&self, digest: &TokenDigest) -> bool {
        self.leads(digest).next().is_some()
    }

    /// The token that a digest most likely is of, to have its row fetched.
    pub fn lead(&self, digest: &TokenDigest) -> TokenId {
        self.leads(digest).next().unwrap_or(TokenId::NONE)
    }

    fn leads(&self, digest: &TokenDigest) -> impl Iterator<Item = TokenId> {
        let hash = self.hasher.hash_one(digest);
        self.slots_from(hash)
            .take_while(|slot| !slot.token.is_none())
            .filter(move |slot| slot.hash == hash)
            .map(|slot| slot.token)
    }

    /// The slots in the order in which a hash is looked for.
    fn slots_from(&self, hash: u64) -> impl Iterator<Item = &Slot> {
        let (before, after) = self.slots.split_at(self.place(hash));
        after.iter().chain(before)
    }

    fn place(&self, hash: u64) -> usize {
        hash as usize & self.slots.len().saturating_sub(1)
    }

    /// A quarter of the slots stays free, so that every search ends soon.
    fn make_room_for(&mut self, secrets: usize) {
        if secrets * 4 <= self.slots.len() * 3 {
            return;
        }
        let slots = (secrets * 4).div_ceil(3).next_power_of_two().max(SLOTS_MIN);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); slots]);
        self.kept = 0;
        old.into_iter().filter(|slot| !slot.token.is_none()).for_each(|slot| self.put(slot));
    }

    fn put(&mut self, slot: Slot) {
        let place = self.place(slot.hash);
        let (before, after) = self.slots.split_at_mut(place);
        if let Some(free) = after.iter_mut().chain(before).find(|slot| slot.token.is_none()) {
            *free = slot;
            self.kept += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::Access;
    use crate::domain::state::State;
    use crate::domain::token::{Owner, Principal, Secret, TokenKind};

    fn token(id: u64, digests: &[TokenDigest]) -> Token {
        let secret = |(number, &digest)| Secret { number, digest, hint: [b'.'; 4], not_after: None };
        Token {
            id: TokenId(id),
            kind: TokenKind::Operator,
            owner: Owner::Service,
            name: Default::default(),
            access: Access::Full,
            gateway: None,
            authorized: None,
            secrets: (1..).zip(digests).map(secret).collect(),
            created_at: Default::default(),
            created_by: Principal::Service,
            version: Default::default(),
            expires_at: None,
            conditions: None,
            deleted_at: None,
            imported_at: None,
            streams: Default::default(),
            refusals: Default::default(),
            new_agents: Default::default(),
        }
    }

    fn digest(number: u64) -> TokenDigest {
        TokenDigest::of(&number.to_string())
    }

    #[test]
    fn every_secret_leads_to_its_token_however_many_are_added_one_by_one() {
        let mut digests = Digests::default();
        assert!(!digests.may_have(&digest(1)));
        for number in 1..=5_000 {
            digests.add(&digest(number), TokenId(number));
            assert!(
                (number.saturating_sub(50).max(1)..=number).all(|known| digests.lead(&digest(known)) == TokenId(known))
            );
        }
        assert!((1..=5_000).all(|number| digests.lead(&digest(number)) == TokenId(number)));
        assert!((5_001..=50_000).all(|number| !digests.may_have(&digest(number))));
        assert_eq!(digests.len(), 5_000);
    }

    #[test]
    fn one_secret_among_others_whose_hashes_say_the_same_place_is_found() {
        let mut digests = Digests::default();
        digests.make_room_for(40);
        let last = digests.slots.len() as u64 - 1;
        for number in 1..=40 {
            digests.put(Slot { hash: number << 32 | last, token: TokenId(number) });
        }
        let found = |hash| digests.slots_from(hash).find(|slot| slot.hash == hash).map(|slot| slot.token);
        assert!(
            (1..=40).all(|number| found(number << 32 | last) == Some(TokenId(number))),
            "the search goes round the end"
        );
        let nobody = digests.slots_from(41 << 32 | last).take_while(|slot| !slot.token.is_none()).count();
        assert_eq!(nobody, 40, "and ends at the first free slot");
    }

    #[test]
    fn a_secret_is_found_only_where_a_row_has_it() {
        let mut state = State::default();
        state.tokens.add(1, token(1, &[digest(1), digest(11)]));
        state.tokens.add(2, token(2, &[digest(2)]));
        let mut digests = state.digests();
        // Another's with the same hash comes first.
        let hash = digests.hasher.hash_one(digest(3));
        digests.put(Slot { hash, token: TokenId(2) });
        digests.add(&digest(3), TokenId(3));
        let found =
            |state: &State, digest| digests.find(&state.tokens, &digest).map(|(token, secret)| (token.id.0, secret));
        assert_eq!(found(&state, digest(3)), None, "a row that is not there yet");
        assert!(digests.may_have(&digest(3)));
        state.tokens.add(3, token(3, &[digest(3)]));
        let expected = [(1, Some((1, 1))), (11, Some((1, 2))), (2, Some((2, 1))), (3, Some((3, 1))), (4, None)];
        assert_eq!(expected.map(|(number, _)| (number, found(&state, digest(number)))), expected);
    }
}
