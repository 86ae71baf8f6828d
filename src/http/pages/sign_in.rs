//! Signing in by a one-time link, and out. Looking at a link uses nothing up, so that whatever previews it does no harm;
//! its button does. A link that signs nobody in gets one answer, whatever is wrong with it.

use super::form::{Form, check_same_origin};
use super::page::Page;
use super::reply::{html, see_other, shown};
use super::viewer::{self, Viewer, Who};
use super::{Answered, Instead, next, words};
use crate::domain::command::{Actor, Change, NewSecret, SignInChange};
use crate::domain::decide::DoneSubject;
use crate::domain::ids::TokenId;
use crate::domain::rejection::{Missing, Rejection};
use crate::domain::text::PersonalText;
use crate::domain::token::{Principal, TokenKind};
use crate::domain::token_text::{TokenDigest, TokenSecret, is_link};
use crate::http::answer::{self, Reply};
use crate::http::entry::{Asked, Body};
use crate::http::problem::Problem;
use crate::http::session::{self, USER_PAGE};
use crate::http::{App, manage};
use crate::ledger::View;
use askama::Template;
use smol_str::SmolStr;
use warp::http::{StatusCode, header};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    page: Page,
    /// Whether they were on the way to a page.
    leads_on: bool,
}

#[derive(Template)]
#[template(path = "sign_in_link.html")]
struct LinkPage<'a> {
    page: Page,
    name: SmolStr,
    link: &'a str,
    leads_on: bool,
}

#[derive(Template)]
#[template(path = "sign_in_dead.html")]
struct DeadLinkPage {
    page: Page,
}

/// How one gets in. Who is in already is led on.
pub(super) async fn answer(app: &App, asked: &Asked) -> Answered {
    if let Some(viewer) = viewer::of(app, asked).await {
        return Ok(see_other(&match next::asked_for(asked) {
            Some(next) => next,
            None => home(app, viewer.principal).await,
        }));
    }
    let mut page = Page::bare("Sign in");
    page.flash = has_said(asked, "done", "signed-out").then_some("You are signed out.");
    let asked_for = next::asked_for(asked);
    let leads_on = asked_for.is_some() || next::waiting(app, asked).is_some();
    let mut reply = shown(&SignInPage { page, leads_on });
    if let Some(next) = asked_for {
        answer::add_cookie(&mut reply, &next::wait(app, &next));
    }
    Ok(reply)
}

fn has_said(asked: &Asked, name: &str, value: &str) -> bool {
    asked.query.iter().flatten().any(|(key, said)| key == name && said == value)
}

/// What a link leads to: whom it signs in, and the button that does. Nothing is used up.
pub(super) async fn link(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let link = variables.first().copied().unwrap_or_default();
    let name = app.ledger.view(|view| name_of_link(&view, link)).await;
    let leads_on = next::waiting(app, asked).is_some();
    Ok(match name {
        Some(name) => shown(&LinkPage { page: Page::bare("Sign in"), name, link, leads_on }),
        None => dead(),
    })
}

fn name_of_link(view: &View<'_>, link: &str) -> Option<SmolStr> {
    let state = &view.projections.state;
    let digest = is_link(link).then(|| TokenDigest::of(link))?;
    let (_, found) = state.sign_ins.find(&digest, view.now).filter(|(_, link)| link.is_open(view.now))?;
    match found.who {
        Principal::User(user) => state.user(user).map(|user| words::text(view, user.name)),
        Principal::Staff(staff) => {
            state.token(staff).filter(|staff| staff.is_live(view.now)).map(|staff| words::text(view, staff.name))
        }
        _ => None,
    }
}

/// Used, expired or never there: the page does not say which.
fn dead() -> Reply {
    html(StatusCode::NOT_FOUND, &DeadLinkPage { page: Page::bare("This link does not work") })
}

/// Uses a link up, and opens a session.
pub(super) async fn enter(app: &App, asked: &Asked, body: Body) -> Answered {
    check_same_origin(app, asked)?;
    let mut form = Form::of(asked, body).await?;
    let link = form.text("link")?;
    form.finish()?;
    if !is_link(&link) {
        return Ok(unknown(app, asked)?);
    }
    let secret = TokenSecret::from_random(TokenKind::Session, &app.entropy.lock().bytes_32());
    let new = NewSecret { digest: secret.digest(), hint: secret.hint() };
    let agent = asked.origin().agent;
    let name = PersonalText::new(browser_name(agent.as_ref().map_or("", |agent| agent.as_str())));
    let change = Change::SignIn(SignInChange::UseLink { name, secret: new });
    match manage::try_submit(app, asked, Actor::Link(TokenDigest::of(&link)), change).await? {
        Ok(carried) => {
            let waiting = next::waiting(app, asked);
            let mut reply = see_other(&match &waiting {
                Some(next) => next.clone(),
                None => done(&landing(app, carried.done.subject).await, "signed-in"),
            });
            answer::add_cookie(&mut reply, &session::cookie(&app.site, &secret.reveal_once()));
            if waiting.is_some() {
                answer::add_cookie(&mut reply, &next::arrived(app));
            }
            answer::add_position(&mut reply, carried.position);
            Ok(reply)
        }
        Err(Rejection::NotFound(Missing::SignInLink)) => Ok(unknown(app, asked)?),
        Err(rejection) => Err(Instead::Problem(Box::new(manage::rejected(app, rejection).await))),
    }
}

/// Whoever tries links is held up like whoever tries tokens.
fn unknown(app: &App, asked: &Asked) -> Result<Reply, Box<Problem>> {
    app.metrics.count_unauthenticated();
    match app.failures.fail(asked.peer(), app.ledger.clock().now()) {
        Ok(()) => Ok(dead()),
        Err(seconds) => Err(Box::new(Problem::too_many_failures(seconds))),
    }
}

async fn landing(app: &App, subject: DoneSubject) -> String {
    let DoneSubject::Token(session) = subject else { return USER_PAGE.to_owned() };
    let principal = app.ledger.view(|view| principal_of(&view, session)).await;
    match principal {
        Some(principal) => home(app, principal).await,
        None => USER_PAGE.to_owned(),
    }
}

fn principal_of(view: &View<'_>, session: TokenId) -> Option<Principal> {
    view.projections.state.token(session).map(|token| token.principal())
}

/// The page to begin with: of a user the first account, of staff all of them.
async fn home(app: &App, principal: Principal) -> String {
    let Principal::User(user) = principal else { return "/".to_owned() };
    let account =
        app.ledger.view(|view| view.projections.state.user(user).and_then(|user| user.accounts.first().copied()));
    account.await.map_or(USER_PAGE.to_owned(), |account| format!("/accounts/{account}/access_tokens"))
}

fn done(path: &str, word: &str) -> String {
    format!("{path}?done={word}")
}

/// Ends the session of whoever asks.
pub(super) async fn leave(app: &App, asked: &Asked, body: Body) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    Form::read(app, asked, &viewer, body).await?.finish()?;
    Ok(left(app, end(app, asked, &viewer, viewer.session).await?))
}

/// The answer to whoever ended their own session: its cookie goes.
pub(super) fn left(app: &App, mut reply: Reply) -> Reply {
    answer::add_header(&mut reply, header::LOCATION, "/sign-in?done=signed-out");
    answer::add_cookie(&mut reply, &session::no_cookie(&app.site));
    reply
}

/// Ends one of the viewer's sessions.
pub(super) async fn end(app: &App, asked: &Asked, viewer: &Viewer, session: TokenId) -> Result<Reply, Box<Problem>> {
    let change = Change::SignIn(SignInChange::EndSession { who: viewer.principal, session });
    let carried = manage::submit(app, asked, viewer.actor(), change).await?;
    let mut reply = see_other(&done(USER_PAGE, "signed-out"));
    answer::add_position(&mut reply, carried.position);
    Ok(reply)
}

/// Whether the viewer is a person, with tokens of their own.
pub(super) fn is_person(viewer: &Viewer) -> bool {
    matches!(viewer.who, Who::Member(_))
}

/// What a session is called, so that people can tell theirs apart: "Firefox on Linux".
fn browser_name(agent: &str) -> String {
    // The order counts: most browsers claim to be others as well.
    let browsers = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrom", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let find =
        |known: &[(&str, &'static str)]| known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let browser = find(&browsers).unwrap_or("A browser");
    match find(&systems) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::browser_name;

    #[test]
    fn a_session_is_called_after_its_browser() {
        for (agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5.0", "curl"),
            ("", "A browser"),
        ] {
            assert_eq!(browser_name(agent), name, "{agent}");
        }
    }
}
