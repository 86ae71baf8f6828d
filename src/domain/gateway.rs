//! What a gateway token may ask, and of whom.

use super::ids::AccountId;
use serde::{Deserialize, Serialize};

/// Accounts that one gateway token may name.
pub const GATEWAY_ACCOUNTS_MAX: usize = 1_000;

/// Something that a gateway may do. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum GatewayRight {
    /// Ask what a token is (RFC 7662).
    Introspect,
    /// Ask whether a request may pass, which draws and is recorded.
    Authorize,
    /// Tell of uses afterwards.
    Report,
    /// Delete tokens that are shown to it (RFC 7009).
    Revoke,
}

/// All rights, in the order of their numbers.
pub const GATEWAY_RIGHTS: [GatewayRight; 4] =
    [GatewayRight::Introspect, GatewayRight::Authorize, GatewayRight::Report, GatewayRight::Revoke];

impl GatewayRight {
    /// Reads the spelling of bodies.
    pub fn parse(text: &str) -> Option<Self> {
        GATEWAY_RIGHTS.into_iter().find(|right| right.name() == text)
    }

    /// Spelling in bodies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Introspect => "introspect",
            Self::Authorize => "authorize",
            Self::Report => "report",
            Self::Revoke => "revoke",
        }
    }
}

/// What a gateway token reaches: these rights, over tokens of these accounts and no others.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct GatewayReach {
    /// Its rights: sorted, each once, never none.
    pub rights: Vec<GatewayRight>,
    /// Its accounts: sorted, each once, never none.
    pub accounts: Vec<AccountId>,
}

impl GatewayReach {
    /// With rights and accounts in their one order, each once.
    pub fn new(mut rights: Vec<GatewayRight>, mut accounts: Vec<AccountId>) -> Self {
        rights.sort_unstable();
        rights.dedup();
        accounts.sort_unstable();
        accounts.dedup();
        Self { rights, accounts }
    }

    /// Whether it has a right.
    pub fn has(&self, right: GatewayRight) -> bool {
        self.rights.contains(&right)
    }

    /// Whether it names an account.
    pub fn names(&self, account: AccountId) -> bool {
        self.accounts.binary_search(&account).is_ok()
    }

    /// Whether a right counts for an account.
    pub fn covers(&self, right: GatewayRight, account: AccountId) -> bool {
        self.has(right) && self.names(account)
    }
}
