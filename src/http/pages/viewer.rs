//! Who looks at a page, and what they may do with an account.

use super::reply::see_other;
use super::{Instead, words};
use crate::domain::access::Access;
use crate::domain::command::{Actor, Change};
use crate::domain::event::ManagementOperation;
use crate::domain::ids::AccountId;
use crate::domain::token::{Owner, TokenKind};
use crate::http::App;
use crate::http::entry::Asked;
use crate::http::manage;
use crate::http::problem::Problem;
use crate::http::session::{self, SIGN_IN, Who};
use crate::ledger::View;
use std::sync::Arc;
use warp::http::{HeaderValue, header};

/// Whoever is signed in.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// Their session.
    pub session: session::Viewer,
    /// Their name, for the head of the page.
    pub name: Arc<str>,
}

/// What somebody may do with an account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    /// A member whose access is limited: sees how much of the limits is used, which concerns every member, and no tokens.
    Limited,
    /// An auditor: sees everything and changes nothing.
    Looks,
    /// A member with full access, or an operator: sees everything and changes it.
    Manages,
}

impl Viewer {
    /// As whom changes are sent.
    pub fn actor(&self) -> Actor {
        self.session.actor
    }

    /// Whether staff looks.
    pub fn is_staff(&self) -> bool {
        matches!(self.session.who, Who::Staff(..))
    }

    /// What they may do with an account; none where they may know nothing of it.
    pub fn standing(&self, view: &View<'_>, account: AccountId) -> Option<Standing> {
        let found = view.projections.state.account(account)?;
        match self.session.who {
            Who::Staff(_, TokenKind::Operator) => Some(Standing::Manages),
            Who::Staff(..) => Some(Standing::Looks),
            Who::User(user) => found.members.get(&user).map(|member| match member.access {
                Access::Full => Standing::Manages,
                Access::Granted(_) => Standing::Limited,
            }),
        }
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
        let standing = app.ledger.view(|view| self.standing(&view, account)).await;
        if let Some(standing) = standing.filter(|standing| *standing >= least) {
            return Ok(standing);
        }
        let whose = Owner::Account(account);
        let attempt = match least {
            Standing::Manages => Change::Attempt(operation, whose),
            _ => Change::Look(operation, whose),
        };
        let refused = manage::submit(app, asked, self.actor(), attempt).await;
        Err(match (standing, refused) {
            (_, Err(problem)) if problem.status().is_server_error() => problem.into(),
            (Some(_), _) => Box::new(Problem::not_permitted()).into(),
            (None, _) => Box::new(Problem::not_found("there is no such account, or you are no member of it")).into(),
        })
    }
}

/// Whoever is signed in; else the way to sign in, and back here.
pub async fn required(app: &App, asked: &Asked) -> Result<Viewer, Instead> {
    match session::require(app, asked).await {
        Ok(session) => {
            let name = app.ledger.view(|view| name(&view, session.who)).await;
            Ok(Viewer { session, name })
        }
        Err(mut reply) => {
            let is_to_sign_in = reply.headers().get(header::LOCATION).is_some_and(|to| to == SIGN_IN);
            if is_to_sign_in && let Ok(path) = HeaderValue::from_str(&sign_in_path(asked)) {
                reply.headers_mut().insert(header::LOCATION, path);
            }
            Err(Instead::Reply(reply))
        }
    }
}

fn name(view: &View<'_>, who: Who) -> Arc<str> {
    let state = &view.projections.state;
    let number = match who {
        Who::User(user) => state.user(user).map(|user| user.name),
        Who::Staff(token, _) => state.token(token).map(|token| token.name),
    };
    number.map_or_else(|| "you".into(), |number| words::text(view, number))
}

/// What a form sent is not kept: they come back to its page.
fn sign_in_path(asked: &Asked) -> String {
    let back = if asked.method() == "GET" { asked.target() } else { asked.path() };
    if back == "/" { SIGN_IN.to_owned() } else { format!("{SIGN_IN}?next={}", words::in_url(back)) }
}

/// Elsewhere, by GET: after what a form sent was carried out, so that a reload sends nothing again.
pub fn back_to(account: AccountId, done: &str) -> crate::http::answer::Reply {
    see_other(&format!("/accounts/{account}/access_tokens?done={done}"))
}
