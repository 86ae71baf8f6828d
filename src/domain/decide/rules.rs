//! The steps of judging a use, each written once: for requests as they come, and for past ones that are judged again.

use crate::domain::access::{Access, RequiredScope, needs_research};
use crate::domain::directory::Account;
use crate::domain::event::Cause;
use crate::domain::time::Timestamp;
use crate::domain::token::{Closed, Token};
use crate::domain::window::Window;
use core::net::IpAddr;

/// Whether the secret opens the door of the guarded API now, to a client at this address.
pub(super) fn check_door(token: &Token, secret: u32, now: Timestamp, from: Option<IpAddr>) -> Result<(), Cause> {
    token.check(secret, now, from).map_err(cause_of)?;
    if token.kind.is_consumer() { Ok(()) } else { Err(Cause::WrongKind) }
}

/// Whether a scope is of Domain Research.
pub(super) fn is_research(scope: RequiredScope) -> bool {
    needs_research(scope.group)
}

/// Whether the account has the feature that the scope needs, and the access covers it.
pub(super) fn check_scope(account: &Account, access: &Access, scope: Option<RequiredScope>) -> Result<(), Cause> {
    let Some(scope) = scope else { return Ok(()) };
    if is_research(scope) && account.research.is_none() {
        return Err(Cause::MissingFeature);
    }
    if access.allows(scope) { Ok(()) } else { Err(Cause::MissingScope) }
}

/// Whether the window has room, and the month of an account that is drawn from for research.
pub(super) fn check_room(
    (limit, window): (u64, &Window),
    research: Option<&Account>,
    now: Timestamp,
) -> Result<(), Cause> {
    if !window.has_room(limit, now) {
        return Err(Cause::QuotaExceeded);
    }
    let cap = |account: &Account| account.research.and_then(|research| research.monthly_cap);
    match research.and_then(|account| Some((account, cap(account)?))) {
        Some((account, cap)) if account.research_month.used_at(now) >= cap => Err(Cause::MonthlyCapReached),
        _ => Ok(()),
    }
}

/// The cause that a closed door is recorded under.
pub(super) fn cause_of(closed: Closed) -> Cause {
    match closed {
        Closed::Deleted => Cause::TokenDeleted,
        Closed::Expired => Cause::TokenExpired,
        Closed::SecretEnded => Cause::SecretEnded,
        Closed::NotYetValid => Cause::NotYetValid,
        Closed::AddressNotAllowed => Cause::AddressNotAllowed,
    }
}
