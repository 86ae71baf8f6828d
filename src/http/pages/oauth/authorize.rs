//! `/oauth/authorize`: an application asks a person whether it may act for them on an account.
//!
//! Whoever allowed it before is asked again only if the application cannot show that it is the same: a public client.

use super::request::{Asker, Wish, asker, state, wish};
use crate::domain::access::Access;
use crate::domain::command::{AccessRequest, Actor, Change, NewAuthorization, OAuthChange};
use crate::domain::ids::{AccountId, UserId};
use crate::domain::oauth::{Bindings, BoundText, ClientKind};
use crate::domain::redirect_uri::{origin_of, with_parameters};
use crate::domain::rejection::Rejection;
use crate::domain::text::PersonalText;
use crate::domain::token_text::TokenSecret;
use crate::http::App;
use crate::http::answer::Reply;
use crate::http::entry::{Asked, Body};
use crate::http::manage;
use crate::http::pages::form::Form;
use crate::http::pages::page::Page;
use crate::http::pages::reply::{CONTENT_SECURITY_POLICY, see_other, shown};
use crate::http::pages::viewer::{self, Viewer, Who};
use crate::http::pages::{Answered, words};
use crate::http::problem::Problem;
use crate::ledger::View;
use askama::Template;
use smol_str::SmolStr;
use warp::http::{HeaderValue, header};

#[derive(Template)]
#[template(path = "oauth_authorize.html")]
struct AuthorizePage {
    page: Page,
    application: SmolStr,
    developer: SmolStr,
    /// Where the browser goes afterwards, as far as a person has to know it.
    goes_to: String,
    accounts: Vec<Choice>,
    lines: Vec<String>,
    /// The request again, for the form.
    query: String,
}

struct Choice {
    id: AccountId,
    name: SmolStr,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "oauth_onward.html")]
struct OnwardPage {
    page: Page,
    application: SmolStr,
    target: String,
}

/// What a request comes to.
enum Asking {
    /// A person is to be asked.
    Person(Box<(Viewer, UserId, Asker, Wish)>),
    /// The browser is to go there with an error.
    Back(Reply),
}

async fn asking(app: &App, asked: &Asked) -> Result<Asking, crate::http::pages::Instead> {
    let viewer = viewer::required(app, asked).await?;
    let asker = app.ledger.view(|view| asker(&view, asked)).await?;
    let Who::Member(user) = viewer.who else {
        return Err(Box::new(Problem::malformed("Staff have no account to let an application act on.")).into());
    };
    let wish = app.ledger.view(|view| wish(&view.projections.state.groups, asked, asker.kind)).await;
    Ok(match wish {
        Ok(wish) => Asking::Person(Box::new((viewer, user, asker, wish))),
        Err((error, detail)) => {
            Asking::Back(back(&asker, state(asked), &[("error", error), ("error_description", &detail)]))
        }
    })
}

/// The browser goes back to the client.
fn back(asker: &Asker, state: Option<&str>, parameters: &[(&str, &str)]) -> Reply {
    let state = state.map(|state| ("state", state));
    let parameters: Vec<(&str, &str)> = parameters.iter().copied().chain(state).collect();
    match with_parameters(&asker.redirect_uri, &parameters) {
        Some(target) => see_other(&target),
        None => crate::http::pages::error(&Problem::malformed("The place to go back to cannot be read.")),
    }
}

/// Asks the person.
pub async fn ask(app: &App, asked: &Asked) -> Answered {
    let (viewer, user, asker, wish) = match asking(app, asked).await? {
        Asking::Person(person) => *person,
        Asking::Back(reply) => return Ok(reply),
    };
    let accounts = app.ledger.view(|view| choices(&view, user, &wish)).await;
    if let Some(account) = app.ledger.view(|view| allowed_before(&view, user, &asker, &wish)).await {
        return allow(app, asked, &viewer, (&asker, &wish), account).await;
    }
    let page = Page::new("Authorize an application", &viewer, asked);
    let goes_to = origin_of(&asker.redirect_uri).unwrap_or_default();
    let query = asked.raw_query().unwrap_or_default().to_owned();
    let (application, developer, lines) = (asker.name, asker.developer, wish.lines);
    let mut reply = shown(&AuthorizePage { page, application, developer, goes_to, accounts, lines, query });
    let_form_lead_to(&mut reply, &asker.redirect_uri);
    Ok(reply)
}

/// A browser holds the place that a form's answer leads to against the policy of the form's page.
fn let_form_lead_to(reply: &mut Reply, redirect_uri: &str) {
    let Some(origin) = origin_of(redirect_uri).filter(|origin| !is_unsaid_by_policies(origin)) else { return };
    let policy = CONTENT_SECURITY_POLICY.replace("form-action 'self'", &format!("form-action 'self' {origin}"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// Whether a policy cannot name an origin: it knows no IPv6 addresses (CSP 3, section 2.3.1, `host-part`).
fn is_unsaid_by_policies(origin: &str) -> bool {
    origin.contains('[')
}

/// Accounts that the person can choose from.
fn choices(view: &View<'_>, user: UserId, wish: &Wish) -> Vec<Choice> {
    let state = &view.projections.state;
    let ids = state.user(user).into_iter().flat_map(|user| user.accounts.iter());
    let fits = |plan: crate::domain::directory::Plan| wish.access == AccessRequest::Full || plan.has_grants();
    let found = ids.filter_map(|&id| state.account(id)).filter(|account| fits(account.plan));
    let mut choices: Vec<Choice> = found
        .map(|account| Choice { id: account.id, name: words::text(view, account.name), is_chosen: false })
        .collect();
    let chosen = choices.iter().position(|choice| Some(choice.id) == wish.account).unwrap_or(0);
    if let Some(choice) = choices.get_mut(chosen) {
        choice.is_chosen = true;
    }
    choices
}

/// The account that is meant, where the person gave the same word there before, and the client can show who it is.
fn allowed_before(view: &View<'_>, user: UserId, asker: &Asker, wish: &Wish) -> Option<AccountId> {
    let state = &view.projections.state;
    let account = wish.account.filter(|_| asker.kind == ClientKind::Confidential)?;
    let application = state.application_of(asker.client)?.id;
    let is_same = |access: &Access| matches!((access, &wish.access), (Access::Full, AccessRequest::Full));
    let mut given = state.authorizations_by(account, user).filter(|it| it.application == application);
    given.any(|it| is_same(&it.access)).then_some(account)
}

/// Takes the person's answer.
pub async fn answered(app: &App, asked: &Asked, body: Body) -> Answered {
    let (viewer, asker, wish) = match asking(app, asked).await? {
        Asking::Person(person) => {
            let (viewer, _, asker, wish) = *person;
            (viewer, asker, wish)
        }
        Asking::Back(reply) => return Ok(reply),
    };
    let mut form = Form::read(app, asked, &viewer, body).await?;
    let (decision, account) = (form.text("decision")?, form.number("account")?);
    form.finish()?;
    match (decision.as_str(), account) {
        ("allow", Some(account)) => allow(app, asked, &viewer, (&asker, &wish), AccountId(account)).await,
        ("allow", None) => Err(Box::new(Problem::malformed("Choose an account.")).into()),
        _ => {
            let denied = [("error", "access_denied"), ("error_description", "the person did not allow it")];
            Ok(onward(asked, &asker, back(&asker, Some(&wish.state), &denied)))
        }
    }
}

async fn allow(
    app: &App,
    asked: &Asked,
    viewer: &Viewer,
    (asker, wish): (&Asker, &Wish),
    account: AccountId,
) -> Answered {
    let code = TokenSecret::of_code(&app.entropy.lock().bytes_32());
    let digest = code.digest();
    let code = code.reveal_once();
    let new = NewAuthorization {
        account,
        client: asker.client,
        access: wish.access.clone(),
        redirect_uri: PersonalText::new(&*asker.redirect_uri),
        registered_uri: PersonalText::new(&*asker.registered_uri),
        code: digest,
        bindings: Bindings {
            redirect_uri: BoundText::redirect_uri(&code, &asker.redirect_uri),
            redirect_uri_sent: asker.redirect_uri_sent,
            state: BoundText::state(&code, &wish.state),
            challenge: wish.challenge.map(|challenge| BoundText::challenge(&code, &challenge)),
        },
    };
    let change = Change::OAuth(OAuthChange::Authorize(Box::new(new)));
    match manage::try_submit(app, asked, Actor::Session(viewer.digest), change).await? {
        Ok(_) => Ok(onward(asked, asker, back(asker, Some(&wish.state), &[("code", &code)]))),
        Err(rejection) => {
            let (error, detail) = told(&rejection);
            let reply = back(asker, Some(&wish.state), &[("error", error), ("error_description", &detail)]);
            Ok(onward(asked, asker, reply))
        }
    }
}

fn told(rejection: &Rejection) -> (&'static str, String) {
    match rejection {
        Rejection::Invalid(_) | Rejection::PlanRequired => ("invalid_scope", rejection.to_string()),
        Rejection::LimitReached(limit) => ("temporarily_unavailable", (*limit).to_owned()),
        _ => ("server_error", rejection.to_string()),
    }
}

/// A browser that comes here by a form of another page of ours, as right after signing in, would not be led elsewhere
/// by that page's policy, and by the policy of this one not to an origin that no policy can name: it is shown a page that
/// leads on.
fn onward(asked: &Asked, asker: &Asker, reply: Reply) -> Reply {
    let site = asked.headers().get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let target = reply.headers().get(header::LOCATION).and_then(|target| target.to_str().ok());
    let is_unsaid = origin_of(&asker.redirect_uri).is_some_and(|origin| is_unsaid_by_policies(&origin));
    match (asked.method(), site, target) {
        ("POST", _, Some(target)) if is_unsaid => onward_page(asker, target),
        ("GET", Some("same-origin"), Some(target)) => onward_page(asker, target),
        _ => reply,
    }
}

fn onward_page(asker: &Asker, target: &str) -> Reply {
    shown(&OnwardPage {
        page: Page::bare("On your way back"),
        application: asker.name.clone(),
        target: target.to_owned(),
    })
}
