//! Who is there: accounts with their names, tokens with where they are used from, and how often.

use super::super::asks;
use super::super::chance::Chance;
use super::Scale;
use crate::domain::command::NewSecret;
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::text::PersonalText;
use crate::domain::token::{Owner, TokenKind};
use crate::domain::token_text::TokenDigest;
use crate::entropy::Entropy;
use std::net::{IpAddr, Ipv4Addr};

/// Names of resources that an account has.
const NAMES_MIN: u64 = 2;
const NAMES_MORE: u64 = 6;
/// Of so many tokens one is a user token.
const USER_TOKEN_OF: u64 = 10;
/// Uses in a thousand of a secret that has ended, or of a deleted token.
const STRAY_PER_MILLE: u64 = 4;
/// Deleted tokens and old secrets that somebody may still try.
const STRAYS_MAX: usize = 10_000;

const AGENTS: [&str; 8] = [
    "curl/8.14.1",
    "dnsimple-go/6.0.0",
    "dnsimple-ruby/9.0.0",
    "dnsimple-python/4.0.0",
    "lego/4.25",
    "ddclient/4.0.0",
    "Mozilla/5.0",
    "blackbox/0.27",
];

/// An account.
pub(super) struct Place {
    pub account: AccountId,
    pub has_grants: bool,
    pub names: Vec<PersonalText>,
    /// Its members; the first has full access for ever.
    pub members: [UserId; 2],
    /// Whether the second is a member now.
    pub second: bool,
}

/// Where a token is, of whatever token is there at a time.
pub(super) struct Slot {
    pub place: usize,
    pub owner: Owner,
    pub token: TokenId,
    pub digest: TokenDigest,
    /// An older secret of it.
    pub before: Option<TokenDigest>,
    pub favourite: usize,
    pub addresses: Vec<(PersonalText, IpAddr)>,
    pub agent: PersonalText,
}

pub(super) struct Population {
    pub scale: Scale,
    pub operator: TokenDigest,
    pub entropy: Entropy,
    pub places: Vec<Place>,
    pub slots: Vec<Slot>,
    pub next_token: TokenId,
    strays: Vec<(usize, TokenDigest)>,
    /// How much the slots up to and with each are used, together.
    weights: Vec<f64>,
}

impl Population {
    /// Who will be there, with the numbers that an empty ledger gives. The log's first token is the operator's.
    pub fn new(scale: Scale, operator: TokenDigest, entropy: Entropy) -> Self {
        let mut chance = Chance::of(scale.seed, 2, 0);
        let places = (0..scale.accounts.max(1)).map(|number| place(number, &mut chance)).collect();
        let weights = (0..scale.tokens.max(1)).scan(0.0, |sum, rank| {
            *sum += 1.0 / (rank + 1) as f64;
            Some(*sum)
        });
        let weights = weights.collect();
        let next_token = TokenId(2);
        Self { scale, operator, entropy, places, slots: Vec::new(), next_token, strays: Vec::new(), weights }
    }

    /// One of the slots, the first ones more often.
    pub fn draw(&self, chance: &mut Chance) -> usize {
        let total = self.weights.last().copied().unwrap_or(1.0);
        let wanted = chance.fraction() * total;
        self.weights.partition_point(|&weight| weight <= wanted).min(self.slots.len() - 1)
    }

    /// The secret that is shown for a slot: its newest, seldom one that has ended.
    pub fn digest_of(&self, slot: usize, chance: &mut Chance) -> TokenDigest {
        if chance.per_mille(STRAY_PER_MILLE) {
            if let Some(before) = self.slots[slot].before {
                return before;
            }
            let stray = self.strays.get(chance.index(STRAYS_MAX));
            // Of the same account: its holder knows no other.
            if let Some(&(place, digest)) = stray
                && place == self.slots[slot].place
            {
                return digest;
            }
        }
        self.slots[slot].digest
    }

    /// A token is deleted; somebody may still have it.
    pub fn stray(&mut self, slot: usize) {
        let stray = (self.slots[slot].place, self.slots[slot].digest);
        if self.strays.len() < STRAYS_MAX {
            self.strays.push(stray);
        } else {
            let oldest = usize::try_from(self.next_token.0).unwrap_or(0) % STRAYS_MAX;
            self.strays[oldest] = stray;
        }
    }

    /// The secret and the number of the next token.
    pub fn next(&mut self, kind: TokenKind) -> (TokenId, NewSecret) {
        let token = self.next_token;
        self.next_token = token.next();
        (token, self.new_secret(kind))
    }

    pub fn new_secret(&mut self, kind: TokenKind) -> NewSecret {
        asks::secret(kind, &mut self.entropy).0
    }

    /// A further slot, whose token is yet to be made.
    pub fn slot(&mut self, rank: u64, chance: &mut Chance) -> (Slot, NewSecret) {
        let place = chance.index(self.places.len());
        let is_user = rank % USER_TOKEN_OF == USER_TOKEN_OF - 1;
        let owner = match is_user {
            true => Owner::User(self.places[place].members[0]),
            false => Owner::Account(self.places[place].account),
        };
        let kind = if is_user { TokenKind::User } else { TokenKind::Account };
        let (token, secret) = self.next(kind);
        let addresses = (0..=chance.below(3)).map(|_| address(chance)).collect();
        let favourite = chance.index(16);
        let agent = PersonalText::new(AGENTS[chance.index(AGENTS.len())]);
        (Slot { place, owner, token, digest: secret.digest, before: None, favourite, addresses, agent }, secret)
    }
}

/// Of 198.18.0.0/15, which is for benchmarks (RFC 2544 appendix C.2.2).
fn address(chance: &mut Chance) -> (PersonalText, IpAddr) {
    let [low, middle, high, ..] = chance.number().to_le_bytes();
    let address = IpAddr::V4(Ipv4Addr::new(198, 18 + (high & 1), middle, low));
    (PersonalText::new(address.to_string()), address)
}

fn place(number: u64, chance: &mut Chance) -> Place {
    let names = NAMES_MIN + chance.below(NAMES_MORE);
    let name = |of: u64| PersonalText::new(format!("zone{of}.account{}.example", number + 1));
    Place {
        account: AccountId(number + 1),
        has_grants: chance.per_mille(800),
        names: (1..=names).map(name).collect(),
        members: [UserId(number * 2 + 1), UserId(number * 2 + 2)],
        second: true,
    }
}
