//! Fetching rows before they are needed. In a ledger of a million tokens a use waits for memory half a dozen times, one
//! wait after the other, since each row says where the next one is. The rows of a whole batch do not depend on each
//! other: read a little of all of them first, and the processor waits for many at once.

use super::State;
use crate::domain::event::Header;
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::token::Owner;

impl State {
    /// Reads a little of a token's row, so that it is near when it is decided on. What it gives means nothing; it must
    /// only not be optimised away.
    pub fn touch_token(&self, token: TokenId) -> u64 {
        let Some(token) = self.token(token) else { return 0 };
        let secret = token.secrets.last().map_or(0, |secret| u64::from(secret.number));
        let stream = token.streams.first().map_or(0, |stream| stream.number);
        secret ^ stream ^ token.version.0 ^ token.created_at.0 ^ token.new_agents.unit
    }

    /// Reads a little of the row of a token's account.
    pub fn touch_account_of(&self, token: TokenId) -> u64 {
        let Some(Owner::Account(account)) = self.token(token).map(|token| token.owner) else { return 0 };
        self.touch_account(account)
    }

    /// Reads a little of what [`State::evolve`] changes for a record of a use: of the token's row and the account's. Less
    /// than a decision reads of them.
    pub fn touch_changed(&self, header: &Header) -> u64 {
        let stream = self.token(header.token).and_then(|token| token.streams.first()).map_or(0, |stream| stream.number);
        let account = self.account(header.account);
        account.map_or(stream, |account| stream ^ account.stream_number ^ account.window.used ^ account.hourly_limit)
    }

    fn touch_account(&self, account: AccountId) -> u64 {
        let Some(account) = self.account(account) else { return 0 };
        account.id.0 ^ account.stream_number ^ account.window.used ^ account.hourly_limit ^ account.name.0
    }
}
