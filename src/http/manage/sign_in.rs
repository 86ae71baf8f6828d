//! Sign-in links and sessions: of a user, or of staff by their token.

use super::idempotency::{Sent, mark_repeated};
use super::reads::Page;
use super::{Answered, Carried, authorize_change, authorize_read, gone, path_number, submit};
use crate::domain::command::{Change, SignInChange};
use crate::domain::decide::DoneSubject;
use crate::domain::event::ManagementOperation as Managed;
use crate::domain::ids::{TokenId, UserId};
use crate::domain::sign_in::Link;
use crate::domain::token::{Principal, TokenKind};
use crate::domain::token_text::TokenSecret;
use crate::http::App;
use crate::http::answer;
use crate::http::entry::Asked;
use crate::http::operations::Operation;
use crate::http::problem::Problem;
use crate::http::shapes;
use crate::ledger::View;
use serde_json::{Value, json};
use warp::http::StatusCode;

pub(super) async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str]) -> Answered {
    use Operation as Op;
    match operation {
        Op::CreateUserSignInLink | Op::CreateStaffSignInLink => create_link(app, asked, operation, variables).await,
        Op::ListUserSessions | Op::ListStaffSessions => list(app, asked, operation, variables).await,
        _ => end(app, asked, operation, variables).await,
    }
}

/// Whose, by the path.
fn who(operation: Operation, variables: &[&str]) -> Result<Principal, Box<Problem>> {
    use Operation as Op;
    Ok(match operation {
        Op::CreateUserSignInLink | Op::ListUserSessions | Op::EndUserSession => {
            Principal::User(UserId(path_number(variables, 0, "user")?))
        }
        _ => Principal::Staff(TokenId(path_number(variables, 0, "token")?)),
    })
}

/// It takes no body.
async fn create_link(app: &App, asked: &Asked, operation: Operation, variables: &[&str]) -> Answered {
    let actor = authorize_change(app, asked, Managed::CreateSignInLink).await?;
    let who = who(operation, variables)?;
    let sent = Sent::read(asked)?;
    let secret = TokenSecret::of_link(&app.entropy.lock().bytes_32());
    let change = Change::SignIn(SignInChange::CreateLink { who, digest: secret.digest() });
    let carried = submit(app, asked, actor, sent.of(app, asked, b"").guard(change)).await?;
    show(app, asked, carried, secret).await
}

/// The one answer that holds the link. The same request again has null in its place.
async fn show(app: &App, asked: &Asked, carried: Carried, secret: TokenSecret) -> Answered {
    let DoneSubject::SignInLink(number) = carried.done.subject else { return Err(gone_meanwhile()) };
    let found = app.ledger.view(|view| view.projections.state.sign_ins.link(number).map(|link| shape(number, link)));
    let Some(data) = found.await else { return Err(gone_meanwhile()) };
    let site = app.site.origin(asked.headers()).unwrap_or_default();
    let url = (!carried.repeated).then(|| format!("{site}/sign-in/{}", secret.reveal_once()));
    let mut reply = answer::json(StatusCode::CREATED, &json!({ "data": data, "url": url }));
    answer::add_position(&mut reply, carried.position);
    if carried.repeated {
        mark_repeated(&mut reply);
    }
    Ok(reply)
}

fn gone_meanwhile() -> Box<Problem> {
    Box::new(Problem::not_found("the link has expired in the meantime"))
}

fn shape(number: u64, link: &Link) -> Value {
    let (user, staff) = match link.who {
        Principal::User(user) => (Some(user.0), None),
        Principal::Staff(staff) => (None, Some(staff.0)),
        _ => (None, None),
    };
    json!({
        "id": number, "user_id": user, "staff_token_id": staff, "expires_at": link.expires_at.to_seconds_text(),
    })
}

async fn list(app: &App, asked: &Asked, operation: Operation, variables: &[&str]) -> Answered {
    authorize_read(app, asked, Managed::ReadSessions).await?;
    let who = who(operation, variables)?;
    let page = Page::read(asked)?;
    if page.is_past() {
        return Err(Box::new(Problem::malformed("sessions are shown as they are now")));
    }
    let listed = app.ledger.view(|view| {
        check_there(&view, who)?;
        Ok::<_, Box<Problem>>(page.cut(live(&view, who).into_iter(), |id| session(&view, id)))
    });
    Ok(answer::json(StatusCode::OK, &listed.await?))
}

fn check_there(view: &View<'_>, who: Principal) -> Result<(), Box<Problem>> {
    let state = &view.projections.state;
    let is_staff = |kind| matches!(kind, TokenKind::Operator | TokenKind::Auditor);
    let (is_there, what) = match who {
        Principal::User(user) => (state.user(user).is_some(), "user"),
        Principal::Staff(staff) => (state.token(staff).is_some_and(|token| is_staff(token.kind)), "token"),
        _ => (false, "user"),
    };
    if is_there { Ok(()) } else { Err(Box::new(Problem::not_found(format!("{what} not found")))) }
}

/// Sessions of somebody that work now, the oldest first.
pub fn live(view: &View<'_>, who: Principal) -> Vec<TokenId> {
    let state = &view.projections.state;
    let is_live = |id: &TokenId| state.token(*id).is_some_and(|token| token.is_live(view.now));
    state.sign_ins.sessions(who).filter(is_live).collect()
}

/// A session as it is shown: what it is called, and from when until when.
fn session(view: &View<'_>, id: TokenId) -> Value {
    let Some(token) = view.projections.state.token(id) else { return Value::Null };
    let whole = shapes::token(view, token);
    let names = ["id", "name", "created_at", "expires_at", "last_used_at", "last_used_status"];
    names.into_iter().map(|name| (name.to_owned(), whole[name].clone())).collect::<serde_json::Map<_, _>>().into()
}

async fn end(app: &App, asked: &Asked, operation: Operation, variables: &[&str]) -> Answered {
    let actor = authorize_change(app, asked, Managed::EndSession).await?;
    let (who, session) = (who(operation, variables)?, TokenId(path_number(variables, 1, "session")?));
    let carried = submit(app, asked, actor, Change::SignIn(SignInChange::EndSession { who, session })).await?;
    Ok(gone(&carried))
}
