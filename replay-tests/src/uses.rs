//! Requests that many stories make.

use token_ledger::domain::command::{AskedTarget, Use};
use token_ledger::domain::event::Route;
use token_ledger::domain::token_text::TokenDigest;

/// A token asks whose it is.
pub fn whoami(digest: TokenDigest) -> Use {
    let (route, target) = (Route::Whoami, AskedTarget::None);
    Use { digest, route, account: None, target, mapped: None, certificate: None, valid: true }
}
