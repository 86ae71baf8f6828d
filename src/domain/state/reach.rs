//! Which access counts for a token on an account. Decisions and questions about the past ask the same.

use super::State;
use crate::domain::access::Access;
use crate::domain::directory::Account;
use crate::domain::event::AccessSource;
use crate::domain::ids::AccountId;
use crate::domain::token::{Owner, Token, TokenKind};
use std::borrow::Cow;

impl State {
    /// The account with the access that counts there for a token; none where the token does not act on it. Of an OAuth
    /// token what counts is what both its authorization and the member's access of now allow. Says nothing of whether the
    /// token works.
    pub fn access_on<'a>(
        &'a self,
        token: &'a Token,
        account: AccountId,
    ) -> Option<(&'a Account, Cow<'a, Access>, AccessSource)> {
        let entered = self.account(account)?;
        match (token.kind, token.owner) {
            (TokenKind::Account, Owner::Account(own)) if own == account => {
                Some((entered, Cow::Borrowed(&token.access), AccessSource::Token(token.version)))
            }
            (TokenKind::User, Owner::User(user)) => {
                let member = entered.members.get(&user)?;
                Some((entered, Cow::Borrowed(&member.access), AccessSource::Membership(member.version)))
            }
            (TokenKind::OAuth, Owner::Account(own)) if own == account => {
                let member = entered.members.get(&token.authorized.as_ref()?.user)?;
                let source = AccessSource::Authorization(token.version, member.version);
                Some((entered, token.access.within_both(&member.access), source))
            }
            _ => None,
        }
    }
}
