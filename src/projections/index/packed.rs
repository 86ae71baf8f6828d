//! Keys as numbers: a kind of 4 bits above 48 bits.

use crate::domain::access::GroupNumber;
use crate::domain::ids::AccountId;
use crate::domain::token::Principal;
use crate::projections::keys::{Key, SHAPED_ACCOUNT_BITS, UseShape};

/// Bits of what a key is of. Numbers are given one by one from 1 on, so none in use is near that; one that is greater,
/// in a log that somebody made up, shares the entries of another: they are held against their records where those are read,
/// and counted together where they are not.
const NUMBER_BITS: u32 = 48;
/// Bits of a key.
pub(super) const KEY_BITS: u32 = NUMBER_BITS + 4;

/// Bits of a use's shape: its group, 1 for the verb, 2 each for what of the group and for the outcome.
const SHAPE_BITS: u32 = GroupNumber::BITS + 5;
const _: () = assert!(SHAPE_BITS + SHAPED_ACCOUNT_BITS == NUMBER_BITS);

fn of_shape(UseShape { group, verb, reach, outcome }: UseShape) -> u64 {
    u64::from(group) << 5 | (verb as u64) << 4 | (reach as u64) << 2 | outcome as u64
}

/// The number of a key. In the file: append only, or with another [`INDEX_VERSION`](super::INDEX_VERSION).
pub(super) fn packed(key: Key) -> u64 {
    let (kind, number) = match key {
        Key::Service => (0, 0),
        Key::AccountChanges(account) => (1, account.0),
        Key::AccountTraffic(account) => (2, account.0),
        Key::TokenChanges(token) => (3, token.0),
        Key::TokenTraffic(token) => (4, token.0),
        Key::User(user) => (5, user.0),
        Key::Name(name) => (6, name.0),
        Key::Principal(Principal::User(user)) => (7, user.0),
        Key::Principal(Principal::Staff(token)) => (8, token.0),
        Key::Principal(Principal::Local(user)) => (9, u64::from(user)),
        Key::Uses(account, shape) => (11, account.0 << SHAPE_BITS | of_shape(shape)),
        // No record is found under what these did; of uses there are no accounts with the number 0.
        Key::Principal(Principal::Account(AccountId(_)) | Principal::Service | Principal::Application(_)) => (11, 0),
        Key::Credential(token) => (12, token.0),
        Key::Address(address) => (13, address.0),
        Key::Type(number) => (14, u64::from(number)),
        Key::AccountResearch(account) => (10, account.0),
        Key::Whole(account, group) => (15, account.0 << GroupNumber::BITS | u64::from(group)),
    };
    kind << NUMBER_BITS | number & ((1 << NUMBER_BITS) - 1)
}
