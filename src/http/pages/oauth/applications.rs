//! The applications that an account registered, and those that its members authorised to act on it.
//!
//! A client secret is shown in the answer to the form that made it, and nowhere else: the form sent again, by a reload, is
//! answered without it.

use crate::domain::command::{Actor, Change, OAuthChange};
use crate::domain::event::ManagementOperation;
use crate::domain::ids::{AccountId, ApplicationId, AuthorizationId, Version};
use crate::domain::oauth::{Application, Authorization, ClientKind};
use crate::domain::rejection::Rejection;
use crate::domain::text::PersonalText;
use crate::http::App;
use crate::http::answer::Reply;
use crate::http::entry::{Asked, Body};
use crate::http::manage::{self, oauth::client_id, oauth::client_secret, tokens::new_secret};
use crate::http::pages::form::{Faults, Form, new_key, once};
use crate::http::pages::page::{Page, Section};
use crate::http::pages::reply::{html, see_other, shown};
use crate::http::pages::viewer::{self, Standing, Viewer};
use crate::http::pages::words::{self, Time};
use crate::http::pages::{Answered, as_of, number};
use crate::http::problem::Problem;
use crate::ledger::View;
use askama::Template;
use smol_str::SmolStr;
use warp::http::StatusCode;

/// How long the secret before a new one goes on working: the time to put the new one everywhere.
const OVERLAP_SECONDS: u64 = 86_400;
const SENT_BEFORE: &str = "was sent before, with another text: look above, the application may be there already";
const CHANGED_MEANWHILE: &str = "was not saved: somebody changed the application meanwhile; open its page again";

#[derive(Template)]
#[template(path = "oauth_applications.html")]
struct ListPage {
    page: Page,
    account: AccountId,
    manages: bool,
    applications: Vec<Row>,
    authorizations: Vec<Given>,
    typed: Typed,
    faults: Faults,
    /// Of the form: what is sent again under it is carried out once.
    key: String,
}

/// What was typed into the form of an application.
#[derive(Clone, Debug, Default)]
struct Typed {
    name: String,
    redirect_uris: String,
    is_public: bool,
}

struct Row {
    id: ApplicationId,
    name: SmolStr,
    client: String,
    kind: &'static str,
    authorizations: usize,
}

struct Given {
    id: AuthorizationId,
    application: SmolStr,
    user: String,
    access: String,
    granted_at: Time,
    tokens: usize,
}

#[derive(Template)]
#[template(path = "oauth_application.html")]
struct OnePage {
    page: Page,
    account: AccountId,
    manages: bool,
    id: ApplicationId,
    name: SmolStr,
    client: String,
    is_public: bool,
    hint: String,
    authorizations: usize,
    created: String,
    version: Version,
    typed: Typed,
    faults: Faults,
    /// The secret that was just made.
    secret: Option<String>,
    key: String,
}

fn row(view: &View<'_>, application: &Application) -> Row {
    Row {
        id: application.id,
        name: words::text(view, application.name),
        client: application.client.to_string(),
        kind: application.kind.name(),
        authorizations: application.authorizations.len(),
    }
}

fn given(view: &View<'_>, authorization: &Authorization) -> Given {
    let state = &view.projections.state;
    let application = state.applications.get(authorization.application.0);
    Given {
        id: authorization.id,
        application: application.map_or_else(|| "(unknown)".into(), |found| words::text(view, found.name)),
        user: words::user_name(view, authorization.user),
        access: words::access_line(view, &authorization.access),
        granted_at: Time(authorization.granted_at),
        tokens: authorization.tokens.len(),
    }
}

/// They are shown as they are: what they were, and who had authorised them, is told by history.
fn check_now(asked: &Asked) -> Result<(), Box<Problem>> {
    let said =
        "OAuth applications are shown as they are now; the history shows who authorized which, and when that ended";
    match as_of::point(asked)? {
        None => Ok(()),
        Some(_) => Err(Box::new(Problem::malformed(said))),
    }
}

/// The list of an account.
pub async fn list(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    check_now(asked)?;
    let account = AccountId(number(variables, 0)?);
    list_page(app, asked, &viewer, account, (Typed::default(), Faults::default())).await.map(|page| shown(&page))
}

async fn list_page(
    app: &App,
    asked: &Asked,
    viewer: &Viewer,
    account: AccountId,
    (typed, faults): (Typed, Faults),
) -> Result<ListPage, crate::http::pages::Instead> {
    let standing = viewer.enter(app, asked, account, (ManagementOperation::ReadApplications, Standing::Looks)).await?;
    let key = new_key(app);
    let seen = app
        .ledger
        .view(|view| -> Result<ListPage, Box<Problem>> {
            let state = &view.projections.state;
            let found =
                state.account(account).ok_or_else(|| Box::new(Problem::not_found("there is no such account")))?;
            let page = Page::new("OAuth applications", viewer, asked);
            Ok(ListPage {
                page: page.in_account(&view, account, standing, Section::Applications),
                account,
                manages: standing == Standing::Manages,
                applications: found
                    .applications
                    .iter()
                    .filter_map(|&id| state.application(id))
                    .map(|it| row(&view, it))
                    .collect(),
                authorizations: found
                    .authorizations
                    .iter()
                    .filter_map(|&id| state.authorization(id))
                    .map(|it| given(&view, it))
                    .collect(),
                typed,
                faults,
                key,
            })
        })
        .await?;
    Ok(seen)
}

fn uris(typed: &str) -> Vec<PersonalText> {
    typed.lines().map(str::trim).filter(|line| !line.is_empty()).map(PersonalText::new).collect()
}

fn typed(form: &mut Form) -> Result<Typed, Box<Problem>> {
    let (name, redirect_uris) = (form.text("name")?, form.text("redirect_uris")?);
    let is_public = form.text("kind")? == "public";
    Ok(Typed { name, redirect_uris, is_public })
}

/// Faults of single URIs are the list's.
fn note(faults: &mut Faults, rejection: &Rejection) -> bool {
    match rejection {
        Rejection::Invalid(found) => {
            for fault in found {
                let field = fault.field.split('[').next().unwrap_or_default();
                faults.note(field, fault.fault.clone());
            }
            true
        }
        Rejection::LimitReached(limit) => {
            faults.note("name", *limit);
            true
        }
        _ => false,
    }
}

/// Registers one.
pub async fn register(app: &App, asked: &Asked, variables: &[&str], body: Body) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    let account = AccountId(number(variables, 0)?);
    let mut form = Form::read(app, asked, &viewer, body).await?;
    let (typed, key) = (typed(&mut form)?, form.text("key")?);
    form.finish()?;
    let secret = client_secret(app);
    let change = Change::OAuth(OAuthChange::Register {
        account,
        name: PersonalText::new(&*typed.name),
        redirect_uris: uris(&typed.redirect_uris),
        kind: if typed.is_public { ClientKind::Public } else { ClientKind::Confidential },
        client: client_id(app),
        secret: new_secret(&secret),
    });
    let sent = format!("{}\n{}\n{}", typed.name, typed.is_public, typed.redirect_uris);
    let change = once(app, asked, key, sent.as_bytes(), change);
    match manage::try_submit(app, asked, Actor::Session(viewer.digest), change).await? {
        Ok(carried) => {
            let crate::domain::decide::DoneSubject::Application(id) = carried.done.subject else {
                return Err(Box::new(Problem::malformed("the form made no application")).into());
            };
            if carried.repeated {
                return Ok(see_other(&format!("/accounts/{account}/oauth_applications/{id}?done=sent-before")));
            }
            let secret = (!typed.is_public).then(|| secret.reveal_once());
            one(app, asked, &viewer, (account, id), (None, Faults::default(), secret), StatusCode::OK).await
        }
        Err(rejection) => {
            let mut faults = Faults::default();
            if rejection == Rejection::KeyReused {
                faults.note("name", SENT_BEFORE);
            } else if !note(&mut faults, &rejection) {
                return Err(Box::new(manage::rejected(app, rejection).await).into());
            }
            let page = list_page(app, asked, &viewer, account, (typed, faults)).await?;
            Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
    }
}

/// One application.
pub async fn page(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    check_now(asked)?;
    let whose = (AccountId(number(variables, 0)?), ApplicationId(number(variables, 1)?));
    one(app, asked, &viewer, whose, (None, Faults::default(), None), StatusCode::OK).await
}

async fn one(
    app: &App,
    asked: &Asked,
    viewer: &Viewer,
    (account, id): (AccountId, ApplicationId),
    (typed, faults, secret): (Option<Typed>, Faults, Option<String>),
    status: StatusCode,
) -> Answered {
    let standing = viewer.enter(app, asked, account, (ManagementOperation::ReadApplications, Standing::Looks)).await?;
    let key = new_key(app);
    let seen = app
        .ledger
        .view(|view| -> Result<OnePage, Box<Problem>> {
            let found = view.projections.state.application(id).filter(|found| found.account == account);
            let found = found.ok_or_else(|| Box::new(Problem::not_found("there is no such application")))?;
            let name = words::text(&view, found.name);
            let uris: Vec<SmolStr> = found.redirect_uris.iter().map(|&uri| words::text(&view, uri)).collect();
            let page = Page::new(name.to_string(), viewer, asked);
            let by = words::principal(&view, found.created_by);
            Ok(OnePage {
                page: page.in_account(&view, account, standing, Section::Applications),
                account,
                manages: standing == Standing::Manages,
                id,
                typed: typed.unwrap_or_else(|| Typed {
                    name: name.to_string(),
                    redirect_uris: uris.join("\n"),
                    is_public: false,
                }),
                name,
                client: found.client.to_string(),
                is_public: found.kind == ClientKind::Public,
                hint: found.hint().map(|hint| String::from_utf8_lossy(&hint).into_owned()).unwrap_or_default(),
                authorizations: found.authorizations.len(),
                created: format!("{} by {by}", Time(found.created_at).plain()),
                version: found.version,
                faults,
                secret,
                key,
            })
        })
        .await?;
    Ok(html(status, &seen))
}

/// Changes one: its name and redirect URIs, its secret, what was authorised for it, or all of it.
pub async fn change(app: &App, asked: &Asked, variables: &[&str], body: Body, what: What) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    let (account, application) = (AccountId(number(variables, 0)?), ApplicationId(number(variables, 1)?));
    let mut form = Form::read(app, asked, &viewer, body).await?;
    let own = format!("/accounts/{account}/oauth_applications/{application}");
    let secret = client_secret(app);
    let mut was_typed = None;
    let (change, after) = match what {
        What::Edit => {
            let (typed, version) = (typed(&mut form)?, form.version()?);
            let (name, redirect_uris) = (Some(PersonalText::new(&*typed.name)), Some(uris(&typed.redirect_uris)));
            let if_match = version;
            was_typed = Some(typed);
            (OAuthChange::Update { account, application, name, redirect_uris, if_match }, format!("{own}?done=saved"))
        }
        What::Rotate => {
            let (overlap_seconds, secret) = (OVERLAP_SECONDS, new_secret(&secret));
            (OAuthChange::RotateSecret { account, application, overlap_seconds, secret, if_match: None }, own.clone())
        }
        What::Revoke => (OAuthChange::RevokeAll { account, application }, format!("{own}?done=revoked")),
        What::Delete => (
            OAuthChange::Delete { account, application, if_match: None },
            format!("/accounts/{account}/oauth_applications?done=gone"),
        ),
    };
    let key = if what == What::Rotate { form.text("key")? } else { String::new() };
    form.finish()?;
    let change = Change::OAuth(change);
    let change = if what == What::Rotate { once(app, asked, key, b"", change) } else { change };
    match manage::try_submit(app, asked, Actor::Session(viewer.digest), change).await? {
        Ok(carried) if carried.repeated => Ok(see_other(&format!("{own}?done=sent-before"))),
        Ok(_) if what == What::Rotate => {
            let made = (None, Faults::default(), Some(secret.reveal_once()));
            one(app, asked, &viewer, (account, application), made, StatusCode::OK).await
        }
        Ok(_) => Ok(see_other(&after)),
        Err(rejection) => {
            let mut faults = Faults::default();
            if what == What::Edit && matches!(rejection, Rejection::VersionMismatch(_)) {
                faults.note("name", CHANGED_MEANWHILE);
            } else if what != What::Edit || !note(&mut faults, &rejection) {
                return Err(Box::new(manage::rejected(app, rejection).await).into());
            }
            let again = (was_typed, faults, None);
            one(app, asked, &viewer, (account, application), again, StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}

/// What a form of an application's page changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Name and redirect URIs.
    Edit,
    /// The secret.
    Rotate,
    /// What was authorised for it.
    Revoke,
    /// All of it.
    Delete,
}

/// Ends what a member of the account authorised.
pub async fn revoke(app: &App, asked: &Asked, variables: &[&str], body: Body) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    let (account, authorization) = (AccountId(number(variables, 0)?), AuthorizationId(number(variables, 1)?));
    Form::read(app, asked, &viewer, body).await?.finish()?;
    let change = Change::OAuth(OAuthChange::Revoke { account, authorization });
    manage::submit(app, asked, Actor::Session(viewer.digest), change).await?;
    let reply: Reply = see_other(&format!("/accounts/{account}/oauth_applications?done=revoked"));
    Ok(reply)
}
