//! Which access counts for a token on an account. Decisions and questions about the past ask the same.

use super::State;
use crate::domain::access::Access;
use crate::domain::directory::Account;
use crate::domain::event::AccessSource;
use crate::domain::ids::AccountId;
use crate::domain::token::{Owner, Token, TokenKind};

impl State {
    /// The account with the access that counts there for a token; none where the token does not act on it. An OAuth token
    /// acts on none yet: it has to follow its member's access, and no authorization says whose that is. Says nothing of
    /// whether the token works.
    pub fn access_on<'a>(
        &'a self,
        token: &'a Token,
        account: AccountId,
    ) -> Option<(&'a Account, &'a Access, AccessSource)> {
        let entered = self.account(account)?;
        match (token.kind, token.owner) {
            (TokenKind::Account, Owner::Account(own)) if own == account => {
                Some((entered, &token.access, AccessSource::Token(token.version)))
            }
            (TokenKind::User, Owner::User(user)) => {
                let member = entered.members.get(&user)?;
                Some((entered, &member.access, AccessSource::Membership(member.version)))
            }
            _ => None,
        }
    }
}
