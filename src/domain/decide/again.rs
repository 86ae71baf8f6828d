//! Judging a past request again, in another state than the one it was judged in: by the same steps, out of what its
//! record says.

use super::consumer::group_of;
use super::rules;
use crate::domain::access::{Access, RequiredScope, group};
use crate::domain::event::{AccessSource, Cause, Header, Route, TokenUseRefused, TokenUsed, UseReported};
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::token::Token;
use core::net::IpAddr;
use std::borrow::Cow;

/// Where a past request came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CameFrom {
    /// From this address, or from one that nobody knew.
    Known(Option<IpAddr>),
    /// From an address that was erased since.
    Erased,
    /// From somewhere that was let in, and no other ranges are supposed.
    Admitted,
}

/// What a past request asked for, as far as its record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AskedFor {
    /// No account was entered: the route only says who the token is.
    Identity,
    /// Something of an account; without a scope where the route needs none.
    Inside(AccountId, Option<RequiredScope>),
    /// By this route of this account, but it did not come to the scope.
    Unrecorded(AccountId, Route),
}

/// A past request.
#[derive(Clone, Copy, Debug)]
pub struct PastUse {
    /// With which token.
    pub token: TokenId,
    /// Which of its secrets was shown; 0 where that is not known.
    pub secret: u32,
    /// When.
    pub at: Timestamp,
    /// What for.
    pub asked: AskedFor,
    /// Whether it draws from the month's research, where it is of research.
    pub valid: bool,
    /// The account whose window it drew from or was refused by; none for a user's own.
    pub pool: AccountId,
}

/// How a past request is judged now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    /// It passes, and draws from the account's window, or from the user's own where it is none.
    Passes(AccountId),
    /// It is refused.
    Refused(Cause),
    /// It hangs on the address, which was erased.
    HangsOnAddress,
    /// It would be let in, but what it asked for was not recorded.
    HangsOnScope,
}

impl PastUse {
    /// One that was allowed.
    pub fn allowed(header: &Header, used: &TokenUsed) -> Self {
        let asked = match used.source {
            AccessSource::Identity(_) => AskedFor::Identity,
            _ => AskedFor::Inside(header.account, used.scope),
        };
        let is_research = used.scope.is_some_and(rules::is_research);
        let valid = !is_research || used.research > 0;
        let (token, secret, at) = (header.token, used.secret, header.recorded_at);
        Self { token, secret, at, asked, valid, pool: header.account }
    }

    /// One that was refused. Of a research check that was refused it is not known whether its name was valid: it is taken
    /// for valid.
    pub fn refused(header: &Header, refused: &TokenUseRefused) -> Self {
        let entered = !matches!(refused.source, AccessSource::Identity(_));
        let asked = match (entered, refused.asked_account) {
            (true, _) => AskedFor::Inside(header.account, refused.scope),
            (false, AccountId::NONE) if is_identity(refused) => AskedFor::Identity,
            // A route of a map that names no account is of the token's own; any other could not be read.
            (false, AccountId::NONE) if matches!(refused.route, Route::Mapped(_) | Route::Asked(_)) => {
                AskedFor::Unrecorded(header.account, refused.route)
            }
            (false, account) => AskedFor::Unrecorded(account, refused.route),
        };
        let (token, secret, at) = (header.token, refused.secret, header.recorded_at);
        Self { token, secret, at, asked, valid: true, pool: header.account }
    }

    /// One that a gateway decided by itself.
    pub fn reported(header: &Header, reported: &UseReported) -> Self {
        let asked = match header.account {
            AccountId::NONE => AskedFor::Identity,
            account => AskedFor::Inside(account, reported.scope),
        };
        let (token, secret, at) = (header.token, reported.secret, reported.occurred_at);
        Self { token, secret, at, asked, valid: false, pool: header.account }
    }

    /// Whether the token lets this in, and its access covers it: all but the windows. None: it passes so far.
    pub fn judge_access(&self, state: &State, from: CameFrom) -> Option<Again> {
        let Some(token) = state.token(self.token) else { return Some(Again::Refused(Cause::TokenDeleted)) };
        let newest = token.secrets.last().map_or(0, |secret| secret.number);
        let secret = if self.secret == 0 { newest } else { self.secret };
        let known = match from {
            CameFrom::Known(address) => address,
            CameFrom::Erased | CameFrom::Admitted => None,
        };
        match rules::check_door(token, secret, self.at, known) {
            Err(Cause::AddressNotAllowed) if from == CameFrom::Erased => return Some(Again::HangsOnAddress),
            Err(Cause::AddressNotAllowed) if from == CameFrom::Admitted => {}
            Err(cause) => return Some(Again::Refused(cause)),
            Ok(()) => {}
        }
        let (account, scope) = match self.asked {
            AskedFor::Identity => return None,
            AskedFor::Inside(account, scope) => (account, Some(scope)),
            AskedFor::Unrecorded(account, route) => (account, known_scope(state, token, account, route)),
        };
        let Some((entered, access, _)) = state.access_on(token, account) else {
            return Some(Again::Refused(Cause::ForeignAccount));
        };
        match scope {
            None => Some(Again::HangsOnScope),
            Some(scope) => rules::check_scope(entered, &access, scope).err().map(Again::Refused),
        }
    }

    /// Judges it, windows included.
    pub fn judge(&self, state: &State, from: CameFrom) -> Again {
        if let Some(judged) = self.judge_access(state, from) {
            return judged;
        }
        let pool = self.drawn_from();
        let owner = state.token(self.token).map(|token| token.owner);
        let (limit, window) = owner.and_then(|owner| state.pool(pool, owner)).unwrap_or_default();
        let research = state.account(pool).filter(|_| self.valid && self.is_research());
        match rules::check_room((limit, &window), research, self.at) {
            Ok(()) => Again::Passes(pool),
            Err(cause) => Again::Refused(cause),
        }
    }

    /// The account whose window it draws from, if it passes; none: the user's own.
    pub fn drawn_from(&self) -> AccountId {
        match self.asked {
            AskedFor::Identity => self.pool,
            AskedFor::Inside(account, _) | AskedFor::Unrecorded(account, _) => account,
        }
    }

    /// Whether it is of Domain Research.
    pub fn is_research(&self) -> bool {
        match self.asked {
            AskedFor::Inside(_, scope) => scope.is_some_and(rules::is_research),
            _ => false,
        }
    }
}

/// Whether a scope is of Domain Research.
pub fn is_research(scope: RequiredScope) -> bool {
    rules::is_research(scope)
}

/// Whether a request that was refused before it entered an account asked for none.
fn is_identity(refused: &TokenUseRefused) -> bool {
    matches!(refused.route, Route::Whoami | Route::Accounts)
}

/// Of a request whose scope was not recorded: no scope, where any would pass, since the access is full and the route is
/// of no feature. Else it is not known.
fn known_scope(state: &State, token: &Token, account: AccountId, route: Route) -> Option<Option<RequiredScope>> {
    let (_, access, _) = state.access_on(token, account)?;
    let group = group_of(route)?;
    (*access == Access::Full && group != group::DOMAIN_RESEARCH).then_some(None)
}

/// The access that counts when a token acts on an account; none where it does not.
pub fn access_on(state: &State, token: TokenId, account: AccountId) -> Option<Cow<'_, Access>> {
    state.access_on(state.token(token)?, account).map(|(_, access, _)| access)
}
