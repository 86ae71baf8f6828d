//! Who looks at a page, and what they may do with an account.

use super::reply::see_other;
use super::{Instead, words};
use crate::domain::access::{Access, RequiredScope, Target, Verb, group};
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::token_text::TokenDigest;
use crate::http::App;
use crate::http::entry::Asked;
use crate::http::problem::Problem;
use crate::ledger::View;
use std::sync::Arc;

/// Whoever is signed in.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// What their browser shows: the actor of their changes.
    pub digest: TokenDigest,
    /// Their session, or the token of staff.
    pub session: TokenId,
    /// Who they are.
    pub who: Who,
    /// Their name, for the head of the page.
    pub name: Arc<str>,
    /// What every form of theirs has in its field `csrf`.
    pub csrf: String,
}

/// Who somebody is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// A person, who may be a member of accounts.
    Member(UserId),
    /// Staff that may change everything.
    Operator,
    /// Staff that may read everything and change nothing.
    Auditor,
}

/// What somebody may do with an account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    /// Sees how much of the limits is used, which concerns every member: their grants say nothing of the account itself.
    Limited,
    /// Sees everything and changes nothing: an auditor, and a member whose grants cover reading the account.
    Looks,
    /// Sees everything and changes it: a member with full access, and an operator.
    Manages,
}

impl Viewer {
    /// What they may do with an account; 404 where they may know nothing of it.
    pub fn standing(&self, view: &View<'_>, account: AccountId) -> Result<Standing, Box<Problem>> {
        let absent = || Box::new(Problem::not_found("there is no such account, or you are no member of it"));
        let found = view.projections.state.account(account).ok_or_else(absent)?;
        match self.who {
            Who::Operator => Ok(Standing::Manages),
            Who::Auditor => Ok(Standing::Looks),
            Who::Member(user) => found.members.get(&user).map(|member| of_member(&member.access)).ok_or_else(absent),
        }
    }

    /// As [`Self::standing`], of at least some.
    pub fn require(&self, view: &View<'_>, account: AccountId, least: Standing) -> Result<Standing, Box<Problem>> {
        let standing = self.standing(view, account)?;
        if standing >= least { Ok(standing) } else { Err(Box::new(Problem::not_permitted())) }
    }
}

fn of_member(access: &Access) -> Standing {
    let reads_the_account = RequiredScope { group: group::ACCOUNT, verb: Verb::Read, target: Target::All };
    match access {
        Access::Full => Standing::Manages,
        _ if access.allows(reads_the_account) => Standing::Looks,
        Access::Granted(_) => Standing::Limited,
    }
}

/// Whoever is signed in; else the way to sign in, and back here.
pub async fn required(app: &App, asked: &Asked) -> Result<Viewer, Instead> {
    match of(app, asked).await {
        Some(viewer) => Ok(viewer),
        None => Err(Instead::Reply(see_other(&sign_in_path(asked)))),
    }
}

/// Whoever is signed in, if somebody is.
pub async fn of(_app: &App, _asked: &Asked) -> Option<Viewer> {
    None
}

fn sign_in_path(asked: &Asked) -> String {
    match asked.path() {
        "/" => "/sign-in".to_owned(),
        // What a form sent is not kept: they come back to its page.
        path if asked.method() != "GET" => format!("/sign-in?next={}", words::in_url(path)),
        _ => format!("/sign-in?next={}", words::in_url(asked.target())),
    }
}
