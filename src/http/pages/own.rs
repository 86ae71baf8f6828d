//! `/user`: what is somebody's own. User tokens, which act on every account their user is a member of, the applications
//! that they authorised, and sessions.

mod authorizations;

use super::form::{Faults, Form, new_key, once, time, time_value};
use super::page::{Page, Section};
use super::reply::{html, see_other, shown};
use super::secret::{SecretPage, Told};
use super::table::PageOperation;
use super::viewer::{self, Viewer, Who};
use super::words::{self, LastUse, Time};
use super::{Answered, Instead, number, sign_in};
use crate::domain::command::Change;
use crate::domain::conditions::{Conditions, ConditionsEdit};
use crate::domain::decide::DoneSubject;
use crate::domain::ids::{TokenId, UserId};
use crate::domain::rejection::Rejection;
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Token, TokenKind};
use crate::domain::token_text::TokenSecret;
use crate::http::entry::{Asked, Body};
use crate::http::manage::tokens::{make_secret, new_secret};
use crate::http::problem::Problem;
use crate::http::session::USER_PAGE;
use crate::http::{App, manage};
use crate::ledger::View;
use askama::Template;
use authorizations::Authorized;
use smol_str::SmolStr;
use warp::http::StatusCode;

/// How long the secret before a rotation can go on working: what the page offers.
const OVERLAPS: [(u64, &str); 4] =
    [(86_400, "1 day"), (604_800, "7 days"), (3_600, "1 hour"), (0, "not at all: it ends now")];

#[derive(Template)]
#[template(path = "own.html")]
struct OwnPage {
    page: Page,
    is_person: bool,
    accounts: Vec<Place>,
    tokens: Vec<Row>,
    authorized: Vec<Authorized>,
    sessions: Vec<Session>,
    form: NewForm,
}

/// An account that the user is a member of.
struct Place {
    id: u64,
    name: SmolStr,
    access: String,
}

/// A token in the list.
struct Row {
    id: TokenId,
    name: SmolStr,
    hint: String,
    created_at: Time,
    last_used: LastUse,
    expires_at: Option<Time>,
    is_over: bool,
}

/// A session in the list.
struct Session {
    id: TokenId,
    name: SmolStr,
    begun: Time,
    ends: Option<Time>,
    is_this: bool,
}

/// The form of a new token, as it was typed.
#[derive(Default)]
struct NewForm {
    name: String,
    expires_at: String,
    key: String,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "own_token.html")]
struct TokenPage {
    page: Page,
    id: TokenId,
    name: String,
    expires_at: String,
    version: u64,
    shown: Row,
    overlaps: [(u64, &'static str); 4],
    key: String,
    faults: Faults,
}

pub(super) async fn answer(
    app: &App,
    asked: &Asked,
    operation: PageOperation,
    variables: &[&str],
    body: Body,
) -> Answered {
    use PageOperation as Op;
    let viewer = viewer::required(app, asked).await?;
    match (operation, viewer.who) {
        (Op::Own, _) => Ok(shown(&own_page(app, asked, &viewer, NewForm::default()).await)),
        (Op::EndOwnSession, _) => end_session(app, asked, &viewer, variables, body).await,
        (Op::RevokeOwnAuthorization, Who::Member(user)) => {
            authorizations::revoke(app, asked, (&viewer, user), variables, body).await
        }
        (_, Who::Member(user)) => tokens(app, asked, (&viewer, user), operation, variables, body).await,
        // Staff have no user tokens, and authorise nothing.
        _ => Err(Problem::not_found("there is no such page").into()),
    }
}

impl From<Problem> for Instead {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

async fn tokens(
    app: &App,
    asked: &Asked,
    (viewer, user): (&Viewer, UserId),
    operation: PageOperation,
    variables: &[&str],
    body: Body,
) -> Answered {
    use PageOperation as Op;
    if operation == Op::NewOwnToken {
        return generate(app, asked, (viewer, user), body).await;
    }
    let token = TokenId(number(variables, 0)?);
    match operation {
        Op::UpdateOwnToken => update(app, asked, (viewer, user), token, body).await,
        Op::RotateOwnToken => rotate(app, asked, (viewer, user), token, body).await,
        Op::DeleteOwnToken => delete(app, asked, (viewer, user), token, body).await,
        _ => {
            let page = token_page(app, asked, (viewer, user), token).await?;
            Ok(shown(&page))
        }
    }
}

async fn own_page(app: &App, asked: &Asked, viewer: &Viewer, form: NewForm) -> OwnPage {
    let form = NewForm { key: new_key(app), ..form };
    let page = Page::new("Your page", viewer, asked).in_section(Section::Own);
    app.ledger
        .view(|view| {
            let (accounts, tokens, authorized) = match viewer.who {
                Who::Member(user) => (places(&view, user), rows(&view, user), authorizations::of(&view, user)),
                _ => Default::default(),
            };
            let is_person = sign_in::is_person(viewer);
            let sessions = sessions(&view, viewer);
            OwnPage { page, is_person, accounts, tokens, authorized, sessions, form }
        })
        .await
}

fn places(view: &View<'_>, user: UserId) -> Vec<Place> {
    let state = &view.projections.state;
    let ids = state.user(user).into_iter().flat_map(|user| user.accounts.iter());
    let place = |id: &_| {
        let account = state.account(*id)?;
        let member = account.members.get(&user)?;
        let access = words::access_line(view, &member.access);
        Some(Place { id: id.0, name: words::text(view, account.name), access })
    };
    ids.filter_map(place).collect()
}

fn rows(view: &View<'_>, user: UserId) -> Vec<Row> {
    let state = &view.projections.state;
    let ids = state.user(user).into_iter().flat_map(|user| user.tokens.iter());
    let mut rows: Vec<Row> = ids.filter_map(|&id| state.token(id)).map(|token| row(view, token)).collect();
    rows.reverse();
    rows
}

fn row(view: &View<'_>, token: &Token) -> Row {
    Row {
        id: token.id,
        name: words::text(view, token.name),
        hint: String::from_utf8_lossy(&token.hint()).into_owned(),
        created_at: Time(token.created_at),
        last_used: LastUse::of(view, token),
        expires_at: token.expires_at.map(Time),
        is_over: token.expires_at.is_some_and(|end| end <= view.now),
    }
}

fn sessions(view: &View<'_>, viewer: &Viewer) -> Vec<Session> {
    let state = &view.projections.state;
    let live = manage::sign_in::live(view, viewer.principal);
    let session = |token: &Token| Session {
        id: token.id,
        name: words::text(view, token.name),
        begun: Time(token.created_at),
        ends: token.expires_at.map(Time),
        is_this: token.id == viewer.session,
    };
    live.into_iter().rev().filter_map(|id| state.token(id)).map(session).collect()
}

async fn end_session(app: &App, asked: &Asked, viewer: &Viewer, variables: &[&str], body: Body) -> Answered {
    let session = TokenId(number(variables, 0)?);
    Form::read(app, asked, viewer, body).await?.finish()?;
    if session == viewer.session {
        return Ok(sign_in::left(app, sign_in::end(app, asked, viewer, session).await?));
    }
    Ok(sign_in::end(app, asked, viewer, session).await?)
}

/// A time that was typed; none where nothing was, and noted where it is no time.
fn typed_time(faults: &mut Faults, field: &str, text: &str) -> Option<Timestamp> {
    let at = time(text);
    if at.is_none() && !text.trim().is_empty() {
        faults.note(field, "must be a time, such as 2027-01-31T12:00");
    }
    at
}

async fn generate(app: &App, asked: &Asked, (viewer, user): (&Viewer, UserId), body: Body) -> Answered {
    let mut form = Form::read(app, asked, viewer, body).await?;
    let (name, expires_at, key) = (form.text("name")?, form.text("expires_at")?, form.text("key")?);
    form.finish()?;
    let mut faults = Faults::default();
    let end = typed_time(&mut faults, "expires_at", &expires_at);
    if faults.is_empty() {
        let secret = make_secret(app, TokenKind::User);
        let change = Change::CreateToken {
            owner: Owner::User(user),
            kind: TokenKind::User,
            name: PersonalText::new(name.as_str()),
            access: None,
            expires_at: end,
            conditions: Conditions::default(),
            secret: new_secret(&secret),
        };
        let sent = format!("{name}\n{expires_at}");
        match manage::try_submit(app, asked, viewer.actor(), once(app, asked, key, sent.as_bytes(), change)).await? {
            Ok(carried) => return secret_page(app, asked, viewer, ("Your new token", carried), secret).await,
            Err(Rejection::Invalid(found)) => faults.note_all(&found),
            Err(rejection) => return Err(manage::rejected(app, rejection).await.into()),
        }
    }
    let form = NewForm { name, expires_at, faults, ..NewForm::default() };
    Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &own_page(app, asked, viewer, form).await))
}

async fn secret_page(
    app: &App,
    asked: &Asked,
    viewer: &Viewer,
    (heading, carried): (&'static str, manage::Carried),
    secret: TokenSecret,
) -> Answered {
    let DoneSubject::Token(id) = carried.done.subject else { return Ok(see_other(USER_PAGE)) };
    let told = Told::of(app, asked, secret, &carried);
    let page = Page::new(heading, viewer, asked).in_section(Section::Own);
    let onward = [(format!("{USER_PAGE}/tokens/{id}"), "To the token"), (USER_PAGE.to_owned(), "To your page")];
    let built = app.ledger.view(|view| {
        let token = view.projections.state.token(id)?;
        Some(SecretPage::new(page, told, (&view, token), onward))
    });
    Ok(built.await.map_or_else(|| see_other(USER_PAGE), |page| page.reply()))
}

async fn token_page(
    app: &App,
    asked: &Asked,
    (viewer, user): (&Viewer, UserId),
    id: TokenId,
) -> Result<TokenPage, Instead> {
    let key = new_key(app);
    let found = app.ledger.view(|view| {
        let token = own_token(&view, user, id)?;
        let name = words::text(&view, token.name);
        let page = Page::new(format!("Token {name}"), viewer, asked).in_section(Section::Own);
        Some(TokenPage {
            page,
            id,
            name: name.to_string(),
            expires_at: time_value(token.expires_at),
            version: token.version.0,
            shown: row(&view, token),
            overlaps: OVERLAPS,
            key,
            faults: Faults::default(),
        })
    });
    found.await.ok_or_else(|| Problem::not_found("there is no such token, or it is not yours").into())
}

/// A live user token of this user.
fn own_token<'a>(view: &View<'a>, user: UserId, id: TokenId) -> Option<&'a Token> {
    let is_own = |token: &&Token| {
        (token.kind, token.owner) == (TokenKind::User, Owner::User(user)) && token.deleted_at.is_none()
    };
    view.projections.state.token(id).filter(is_own)
}

async fn update(app: &App, asked: &Asked, (viewer, user): (&Viewer, UserId), token: TokenId, body: Body) -> Answered {
    let mut form = Form::read(app, asked, viewer, body).await?;
    let (name, expires_at, seen) = (form.text("name")?, form.text("expires_at")?, form.version()?);
    form.finish()?;
    let mut faults = form.faults;
    let end = typed_time(&mut faults, "expires_at", &expires_at);
    if faults.is_empty() {
        let change = Change::UpdateToken {
            owner: Owner::User(user),
            token,
            name: Some(PersonalText::new(name.as_str())),
            access: None,
            // An end that stays as it is need not lie ahead.
            expires_at: (!is_unchanged(app, user, token, &expires_at).await).then_some(end),
            conditions: ConditionsEdit::default(),
            if_match: seen,
        };
        match manage::try_submit(app, asked, viewer.actor(), change).await? {
            Ok(carried) => {
                let word = if carried.position.is_some() { "updated" } else { "unchanged" };
                return Ok(see_other(&format!("{USER_PAGE}?done={word}")));
            }
            Err(Rejection::Invalid(found)) => faults.note_all(&found),
            Err(Rejection::VersionMismatch(_)) => {
                faults.note("name", "was not saved: the token was changed meanwhile; look at it as it is now");
            }
            Err(rejection) => return Err(manage::rejected(app, rejection).await.into()),
        }
    }
    let page = token_page(app, asked, (viewer, user), token).await?;
    Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &TokenPage { name, expires_at, faults, ..page }))
}

async fn is_unchanged(app: &App, user: UserId, token: TokenId, typed: &str) -> bool {
    let kept = app.ledger.view(|view| own_token(&view, user, token).map(|token| time_value(token.expires_at)));
    kept.await.is_some_and(|kept| kept == typed.trim())
}

async fn rotate(app: &App, asked: &Asked, (viewer, user): (&Viewer, UserId), token: TokenId, body: Body) -> Answered {
    let mut form = Form::read(app, asked, viewer, body).await?;
    let (overlap, key) = (form.number("overlap_seconds")?, form.text("key")?);
    form.finish()?;
    let overlap_seconds = overlap.ok_or_else(|| Box::new(Problem::malformed("overlap_seconds must be a number")))?;
    let secret = make_secret(app, TokenKind::User);
    let new = new_secret(&secret);
    let owner = Owner::User(user);
    let change = Change::RotateToken { owner, token, overlap_seconds, secret: new, if_match: None };
    let change = once(app, asked, key, overlap_seconds.to_string().as_bytes(), change);
    let carried = manage::submit(app, asked, viewer.actor(), change).await?;
    secret_page(app, asked, viewer, ("Its new secret", carried), secret).await
}

async fn delete(app: &App, asked: &Asked, (viewer, user): (&Viewer, UserId), token: TokenId, body: Body) -> Answered {
    Form::read(app, asked, viewer, body).await?.finish()?;
    let change = Change::DeleteToken { owner: Owner::User(user), token, if_match: None };
    manage::submit(app, asked, viewer.actor(), change).await?;
    Ok(see_other(&format!("{USER_PAGE}?done=deleted")))
}
