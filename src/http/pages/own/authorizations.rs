//! The applications that somebody authorised, on any account, and the end of that.

use super::super::form::Form;
use super::super::reply::see_other;
use super::super::viewer::Viewer;
use super::super::words::{self, LastUse, Time, counted};
use super::super::{Answered, number};
use crate::domain::command::{Change, OAuthChange};
use crate::domain::ids::{AuthorizationId, UserId};
use crate::domain::oauth::Authorization;
use crate::http::entry::{Asked, Body};
use crate::http::session::USER_PAGE;
use crate::http::{App, answer, manage};
use crate::ledger::View;
use smol_str::SmolStr;

/// An application in the list.
pub(super) struct Authorized {
    pub id: AuthorizationId,
    pub application: SmolStr,
    pub account: SmolStr,
    pub access: String,
    pub granted_at: Time,
    /// When one of the tokens that it holds was last used; of those that ended meanwhile nothing is known here.
    pub last_used: Option<LastUse>,
    /// What is said where none was: it does not say "never".
    pub unused: String,
}

/// What a user authorised and did not revoke, the newest first. Each ends with the membership that it was given under, so
/// that none is on an account which the user has left.
pub(super) fn of(view: &View<'_>, user: UserId) -> Vec<Authorized> {
    let state = &view.projections.state;
    let accounts = state.user(user).into_iter().flat_map(|user| user.accounts.iter().copied());
    let mut found: Vec<&Authorization> = accounts.flat_map(|account| state.authorizations_by(account, user)).collect();
    found.sort_unstable_by_key(|authorization| std::cmp::Reverse(authorization.id));
    found.into_iter().map(|authorization| row(view, authorization)).collect()
}

fn row(view: &View<'_>, authorization: &Authorization) -> Authorized {
    let state = &view.projections.state;
    let name = |found| words::text(view, found);
    let application = state.application(authorization.application).map(|found| name(found.name));
    let account = state.account(authorization.account).map(|found| name(found.name));
    Authorized {
        id: authorization.id,
        application: application.unwrap_or_default(),
        account: account.unwrap_or_default(),
        access: words::access_line(view, &authorization.access),
        granted_at: Time(authorization.granted_at),
        last_used: last_used(view, authorization),
        unused: unused(authorization.tokens.len()),
    }
}

fn last_used(view: &View<'_>, authorization: &Authorization) -> Option<LastUse> {
    let uses = authorization.tokens.iter().filter_map(|&token| view.projections.last_used.token(token));
    uses.map(|uses| uses.last_at).max().map(|at| LastUse::at(at, view.now))
}

fn unused(tokens: usize) -> String {
    match tokens {
        0 => "it holds no token".to_owned(),
        1 => "never with the token that it holds".to_owned(),
        many => format!("never with the {} that it holds", counted(many as u64, "token")),
    }
}

/// Ends one of the viewer's own, with every token that it gave. Another's is not there.
pub(super) async fn revoke(
    app: &App,
    asked: &Asked,
    (viewer, user): (&Viewer, UserId),
    variables: &[&str],
    body: Body,
) -> Answered {
    let authorization = AuthorizationId(number(variables, 0)?);
    Form::read(app, asked, viewer, body).await?.finish()?;
    let change = Change::OAuth(OAuthChange::RevokeOwn { user, authorization });
    let carried = manage::submit(app, asked, viewer.actor(), change).await?;
    let mut reply = see_other(&format!("{USER_PAGE}?done=revoked"));
    answer::add_position(&mut reply, carried.position);
    Ok(reply)
}
