//! Generate a token: the form, and what it makes. The secret is in the answer to the form, and nowhere else.

use super::settings::{Settings, Wish};
use super::{gone, onward};
use crate::domain::command::Change;
use crate::domain::decide::DoneSubject;
use crate::domain::event::ManagementOperation;
use crate::domain::ids::AccountId;
use crate::domain::rejection::Rejection;
use crate::domain::token::{Owner, TokenKind};
use crate::domain::token_text::TokenSecret;
use crate::http::App;
use crate::http::entry::{Asked, Body};
use crate::http::manage::tokens::{make_secret, new_secret};
use crate::http::manage::{self, rejected};
use crate::http::pages::form::{Form, new_key, once};
use crate::http::pages::page::{Page, Section};
use crate::http::pages::reply::{html, shown};
use crate::http::pages::secret::{SecretPage, Told};
use crate::http::pages::viewer::{self, Standing, Viewer};
use crate::http::pages::{Answered, form as forms, number, words};
use askama::Template;
use warp::http::StatusCode;

#[derive(Template)]
#[template(path = "token_new.html")]
struct NewTokenPage {
    page: Page,
    account: AccountId,
    settings: Settings,
    key: String,
    was_sent_before: bool,
}

/// The form.
pub async fn new(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let (viewer, account) = enter(app, asked, variables).await?;
    let built = app.ledger.view(|view| {
        let found = view.projections.state.account(account)?;
        Some((page(&view, asked, &viewer, account), Settings::new(&view, found)))
    });
    let (page, settings) = built.await.ok_or_else(gone)?;
    Ok(shown(&NewTokenPage { page, account, settings, key: new_key(app), was_sent_before: false }))
}

async fn enter(
    app: &App,
    asked: &Asked,
    variables: &[&str],
) -> Result<(Viewer, AccountId), crate::http::pages::Instead> {
    let viewer = viewer::required(app, asked).await?;
    let account = AccountId(number(variables, 0)?);
    viewer.enter(app, asked, account, (ManagementOperation::CreateToken, Standing::Manages)).await?;
    Ok((viewer, account))
}

fn page(view: &crate::ledger::View<'_>, asked: &Asked, viewer: &Viewer, account: AccountId) -> Page {
    Page::new("Generate token", viewer, asked).in_account(view, account, Standing::Manages, Section::Access)
}

/// What the form asks for is made, once.
pub async fn generate(app: &App, asked: &Asked, variables: &[&str], body: Body) -> Answered {
    let (viewer, account) = enter(app, asked, variables).await?;
    let mut form = Form::read(app, asked, &viewer, body).await?;
    let key = form.text("key")?;
    let sent = form.bytes.clone();
    let read = app.ledger.view(|view| {
        let found = view.projections.state.account(account);
        found.map(|found| Settings::read(&view, found, form))
    });
    let (mut settings, wish) = read.await.ok_or_else(gone)??;
    let mut was_sent_before = false;
    if let Some(Wish { name, access, expires_at, conditions }) = wish {
        let secret = make_secret(app, TokenKind::Account);
        let conditions = conditions.applied_to(&crate::domain::conditions::Conditions::default());
        let (owner, kind) = (Owner::Account(account), TokenKind::Account);
        let access = Some(access);
        let change =
            Change::CreateToken { owner, kind, name, access, expires_at, conditions, secret: new_secret(&secret) };
        let change = once(app, asked, key, &sent, change);
        match manage::try_submit(app, asked, viewer.actor(), change).await? {
            Ok(carried) => return made(app, asked, &viewer, account, carried, secret).await,
            Err(Rejection::Invalid(faults)) => settings.note(&faults),
            // Sent before with other fields: from a page that was gone back to.
            Err(Rejection::KeyReused) => was_sent_before = true,
            Err(Rejection::PlanRequired) => {
                settings.faults.note("access", "cannot be limited any more: the account's plan was changed to Solo");
            }
            Err(other) => return Err(Box::new(rejected(app, other).await).into()),
        }
    }
    let page = app.ledger.view(|view| page(&view, asked, &viewer, account)).await;
    let again = NewTokenPage { page, account, settings, key: new_key(app), was_sent_before };
    Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &again))
}

async fn made(
    app: &App,
    asked: &Asked,
    viewer: &Viewer,
    account: AccountId,
    carried: manage::Carried,
    secret: TokenSecret,
) -> Answered {
    let DoneSubject::Token(token) = carried.done.subject else { return Err(gone()) };
    let told = Told::of(app, asked, secret, &carried);
    let built = app.ledger.view(|view| {
        let found = view.projections.state.token(token)?;
        let page = Page::new("Token generated", viewer, asked);
        let page = page.in_account(&view, account, Standing::Manages, Section::Access);
        Some(SecretPage::new(page, told, (&view, found), onward(account, token)))
    });
    Ok(built.await.ok_or_else(gone)?.reply())
}
