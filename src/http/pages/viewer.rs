//! Who looks at a page, and what they may do with an account.

use super::reply::see_other;
use super::{Instead, words};
use crate::domain::access::{Access, RequiredScope, Target, Verb, group};
use crate::domain::command::{Actor, Change};
use crate::domain::event::ManagementOperation;
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::rejection::Rejection;
use crate::domain::token::{Owner, Principal, TokenKind};
use crate::domain::token_text::TokenDigest;
use crate::http::answer::{self, Reply};
use crate::http::entry::Asked;
use crate::http::history_reads::Reader;
use crate::http::problem::Problem;
use crate::http::session::{self, Csrf, SignedIn};
use crate::http::{App, manage, shapes};
use crate::ledger::View;
use smol_str::SmolStr;

/// Whoever is signed in.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// What their browser shows.
    pub digest: TokenDigest,
    /// Their session.
    pub session: TokenId,
    /// As whom what they do is recorded: a user, or staff by their token.
    pub principal: Principal,
    /// Who they are.
    pub who: Who,
    /// Their name, for the head of the page.
    pub name: SmolStr,
    /// What every form of theirs has in its field `csrf`.
    pub csrf: Csrf,
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
    /// As whom changes are sent.
    pub fn actor(&self) -> Actor {
        Actor::Session(self.digest)
    }

    /// As whom looks at history are recorded.
    pub fn reader(&self) -> Reader {
        Reader { actor: self.actor(), token: self.session }
    }

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

    /// Whether staff looks.
    pub fn is_staff(&self) -> bool {
        matches!(self.who, Who::Operator | Who::Auditor)
    }

    /// Lets them into an account's page, if they may do at least so much there. A refused attempt is recorded before it is
    /// answered; of an account that is not theirs nobody learns whether it is there.
    pub async fn enter(
        &self,
        app: &App,
        asked: &Asked,
        account: AccountId,
        (operation, least): (ManagementOperation, Standing),
    ) -> Result<Standing, Instead> {
        let allowed = app.ledger.view(|view| self.require(&view, account, least)).await;
        let problem = match allowed {
            Ok(standing) => return Ok(standing),
            Err(problem) => problem,
        };
        let whose = Owner::Account(account);
        let attempt = match least {
            Standing::Manages => Change::Attempt(operation, whose),
            Standing::Limited | Standing::Looks => Change::Look(operation, whose),
        };
        match manage::submit(app, asked, self.actor(), attempt).await {
            // Nothing can be recorded: nothing is answered either.
            Err(unrecorded) if unrecorded.status().is_server_error() => Err(unrecorded.into()),
            _ => Err(problem.into()),
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

/// Whoever is signed in; else the way to sign in, and back here. That a session that is known works no more is recorded.
pub async fn required(app: &App, asked: &Asked) -> Result<Viewer, Instead> {
    match session::signed_in(app, asked).await {
        Ok(signed_in) => Ok(viewer(app, signed_in)),
        Err(Rejection::UnknownToken) => Err(Instead::Reply(to_sign_in(app, asked))),
        Err(_) => {
            refused(app, asked).await?;
            Err(Instead::Reply(to_sign_in(app, asked)))
        }
    }
}

/// Records the refusal. Where nothing can be recorded, nothing is shown.
async fn refused(app: &App, asked: &Asked) -> Result<(), Box<Problem>> {
    let Some(shown) = session::shown(app, asked.headers()) else { return Ok(()) };
    let look = Change::Look(ManagementOperation::ReadSessions, Owner::Service);
    match manage::submit(app, asked, Actor::Session(shown.digest), look).await {
        Err(problem) if problem.status().is_server_error() => Err(problem),
        _ => Ok(()),
    }
}

/// Whoever is signed in, if somebody is.
pub async fn of(app: &App, asked: &Asked) -> Option<Viewer> {
    session::signed_in(app, asked).await.ok().map(|signed_in| viewer(app, signed_in))
}

fn viewer(app: &App, signed_in: SignedIn) -> Viewer {
    let SignedIn { shown, session, principal, kind, name } = signed_in;
    let who = match (principal, kind) {
        (Principal::User(user), _) => Who::Member(user),
        (_, TokenKind::Operator) => Who::Operator,
        _ => Who::Auditor,
    };
    let name = shapes::text(app.ledger.texts(), name).unwrap_or_else(|| "(erased)".into());
    Viewer { digest: shown.digest, session, principal, who, name, csrf: shown.csrf }
}

/// The way to sign in. A cookie that opens nothing goes.
fn to_sign_in(app: &App, asked: &Asked) -> Reply {
    let mut reply = see_other(&sign_in_path(asked));
    if session::shown(app, asked.headers()).is_some() {
        answer::add_cookie(&mut reply, &session::no_cookie(&app.site));
    }
    reply
}

fn sign_in_path(asked: &Asked) -> String {
    match asked.path() {
        "/" => "/sign-in".to_owned(),
        // What a form sent is not kept: they come back to its page.
        path if asked.method() != "GET" => format!("/sign-in?next={}", words::in_url(path)),
        _ => format!("/sign-in?next={}", words::in_url(asked.target())),
    }
}
