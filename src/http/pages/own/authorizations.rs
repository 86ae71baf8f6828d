//! The applications that somebody authorised, on any account, and the end of that.

use super::super::form::Form;
use super::super::reply::see_other;
use super::super::viewer::Viewer;
use super::super::words::{self, Time, counted};
use super::super::{Answered, number};
use crate::domain::command::{Change, OAuthChange};
use crate::domain::ids::{AuthorizationId, UserId};
use crate::domain::oauth::Authorization;
use crate::http::entry::{Asked, Body};
use crate::http::session::USER_PAGE;
use crate::http::{App, answer, manage};
use crate::ledger::View;
use std::sync::Arc;

/// An application in the list.
pub(super) struct Authorized {
    pub id: AuthorizationId,
    pub application: Arc<str>,
    pub account: Arc<str>,
    pub access: String,
    pub granted_at: Time,
    pub used: String,
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
        used: used(view, authorization),
    }
}

/// When one of its tokens was last used: of those that ended meanwhile this does not know, and does not say "never".
fn used(view: &View<'_>, authorization: &Authorization) -> String {
    let tokens = &authorization.tokens;
    let uses = tokens.iter().filter_map(|&token| view.projections.last_used.token(token));
    match (uses.map(|uses| uses.last_at).max(), tokens.len()) {
        (Some(at), _) => format!("{} ({})", Time(at).plain(), words::distance(at, view.now)),
        (None, 0) => "it holds no token".to_owned(),
        (None, 1) => "never with the token that it holds".to_owned(),
        (None, many) => format!("never with the {} that it holds", counted(many as u64, "token")),
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
    Form::read(asked, viewer, body).await?.finish()?;
    let change = Change::OAuth(OAuthChange::RevokeOwn { user, authorization });
    let carried = manage::submit(app, asked, viewer.actor(), change).await?;
    let mut reply = see_other(&format!("{USER_PAGE}?done=revoked"));
    answer::add_position(&mut reply, carried.position);
    Ok(reply)
}
