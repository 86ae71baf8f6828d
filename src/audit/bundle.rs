//! Evidence bundles: a part of the log in one file that verifies offline, with what shows it to be in the signed log and to
//! be whole. `schema/bundle.md` has every line of it.
//!
//! Lines of JSON: whoever writes one and whoever checks one goes through it once, with memory for a few numbers a record;
//! ordinary tools read it; and what is wrong is named by line and position. [`write`](mod@write) makes them; [`check`] is
//! the reader's side and shares nothing with that but the names in here; `tools/verify_bundle.py` is a third program, from
//! the page alone.

pub mod check;
mod gather;
mod lines;
mod seal_proof;
mod streams;
mod tell;
pub mod write;

use crate::domain::event::Header;
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::time::Timestamp;
use crate::log::merkle::TILE_WIDTH;
use crate::projections::seal::{account_stream_key, token_stream_key, token_streams_prefix};
use std::fmt;

/// What the first line says that the file is.
pub const KIND: &str = "token-ledger-evidence";
/// Which rules it is written by.
pub const VERSION: u64 = 1;
/// Records of a tile.
const WIDTH: u64 = TILE_WIDTH as u64;

/// Which records a bundle is about. A token or an account is named, or both.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Selection {
    /// This token's records.
    pub token: Option<TokenId>,
    /// This account's; with a token, that token's within it (0: its records about no account).
    pub account: Option<AccountId>,
    /// Recorded at or after.
    pub from: Option<Timestamp>,
    /// Recorded before.
    pub to: Option<Timestamp>,
}

/// A row of records that are numbered one by one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Stream {
    /// All of an account.
    Account(AccountId),
    /// A token's within an account.
    Token(TokenId, AccountId),
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "account {account}"),
            Self::Token(token, AccountId::NONE) => write!(f, "token {token} on no account"),
            Self::Token(token, account) => write!(f, "token {token} in account {account}"),
        }
    }
}

impl Selection {
    /// Whether it says a token or an account.
    pub fn is_named(&self) -> bool {
        match (self.token, self.account) {
            (Some(token), _) => !token.is_none(),
            (None, account) => account.is_some_and(|account| !account.is_none()),
        }
    }

    /// The stream of it that a record is in, with its number there.
    fn place(&self, header: &Header) -> Option<(Stream, u64)> {
        match (self.token, self.account) {
            (Some(token), account) => {
                let is_in = header.token == token && account.is_none_or(|account| header.account == account);
                is_in.then_some((Stream::Token(token, header.account), header.token_number))
            }
            (None, Some(account)) if !account.is_none() => {
                (header.account == account).then_some((Stream::Account(account), header.account_number))
            }
            _ => None,
        }
    }

    /// Whether a time is within it.
    fn holds(&self, at: Timestamp) -> bool {
        !self.is_before(at) && !self.is_after(at)
    }

    fn is_before(&self, at: Timestamp) -> bool {
        self.from.is_some_and(|from| at < from)
    }

    fn is_after(&self, at: Timestamp) -> bool {
        self.to.is_some_and(|to| at >= to)
    }

    /// How keys of its streams begin in the map of a seal.
    fn key_prefix(&self) -> Vec<u8> {
        match (self.token, self.account) {
            (Some(token), Some(account)) => token_stream_key(token, account),
            (Some(token), None) => token_streams_prefix(token),
            (None, account) => account_stream_key(account.unwrap_or_default()),
        }
    }
}

/// What it is about, as in `token 2 in account 1`.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.token, self.account) {
            (Some(token), Some(account)) => Stream::Token(token, account).fmt(f),
            (Some(token), None) => write!(f, "token {token}"),
            (None, account) => Stream::Account(account.unwrap_or_default()).fmt(f),
        }
    }
}

/// Full subtrees that a gap of leaves falls into, from the left: each as its first leaf and the one after its last.
fn subtrees(start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut at = start;
    std::iter::from_fn(move || {
        let widest = end.checked_sub(at)?.checked_ilog2()?;
        let aligned = at.trailing_zeros();
        let first = at;
        at += 1 << widest.min(aligned);
        Some((first, at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_falls_into_full_subtrees() {
        let of = |start, end| subtrees(start, end).collect::<Vec<_>>();
        assert_eq!(of(0, 7), [(0, 4), (4, 6), (6, 7)]);
        assert_eq!(of(3, 8), [(3, 4), (4, 8)]);
        assert_eq!(of(5, 5), []);
        assert_eq!(of(1, 2), [(1, 2)]);
    }
}
