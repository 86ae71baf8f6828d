//! API & Access: an account's limits and its tokens, and everything that is done with a token.
//!
//! `limits` and `list` are the page itself, `permissions` and `settings` the form, `difference` and `preview`
//! what is said before it is saved; then what is done: `generate`, `edit`, `rotate`, `delete`.

mod delete;
mod difference;
mod edit;
mod generate;
pub mod limits;
pub mod list;
pub mod permissions;
mod preview;
mod rotate;
pub mod settings;

pub(super) use delete::{ask as ask_delete, delete};
pub(super) use edit::{edit, update};
pub(super) use generate::{generate, new};
pub(super) use rotate::{ask as ask_rotate, rotate};

use super::as_of::{self, Scene};
use super::page::{Page, Section};
use super::reply::{see_other, shown};
use super::viewer::{self, Standing, Viewer};
use super::{Answered, Instead, number, sparks, words};
use crate::audit::as_of::LastUses;
use crate::domain::directory::Account;
use crate::domain::event::ManagementOperation;
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::token::{Owner, Token};
use crate::http::App;
use crate::http::answer::Reply;
use crate::http::entry::Asked;
use crate::http::problem::Problem;
use crate::ledger::View;
use askama::Template;
use limits::Limits;
use list::{List, Wanted};

#[derive(Template)]
#[template(path = "access_tokens.html")]
struct AccessTokensPage {
    page: Page,
    account: AccountId,
    manages: bool,
    limits: Limits,
    /// None where tokens are not shown to the viewer.
    list: Option<List>,
    wanted: Wanted,
}

impl AccessTokensPage {
    /// The point of the past as a further part of a query.
    fn kept(&self) -> String {
        self.page.suffix().replacen('?', "&", 1)
    }
}

/// The page itself, now or as of a point of the past.
pub(super) async fn answer(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    let account = AccountId(number(variables, 0)?);
    // Of the past somebody sees what history shows, and no less is needed for it.
    let is_past = as_of::point(asked)?.is_some();
    let wanted_right = match is_past {
        true => (ManagementOperation::ReadEvents, Standing::Looks),
        false => (ManagementOperation::ReadUsage, Standing::Limited),
    };
    let standing = viewer.enter(app, asked, account, wanted_right).await?;
    let scene = Scene::of(app, asked, account, LastUses::OfAccount).await?;
    let wanted = Wanted::read(asked);
    let built = scene.view(app, |view| {
        let found = view.projections.state.account(account)?;
        let page = Page::new("API & Access", &viewer, asked).in_account(&view, account, standing, Section::Access);
        let list = (standing > Standing::Limited).then(|| list::list(&view, found, &wanted));
        Some((page, Limits::of(&view, found), list, view.now))
    });
    let absent = || Box::new(Problem::not_found("there was no such account then"));
    let (page, limits, mut list, now) = built.await.ok_or_else(absent)?;
    scene.note(app, asked, &viewer).await?;
    if let Some(list) = list.as_mut().filter(|_| !is_past) {
        let tokens: Vec<TokenId> = list.rows.iter().map(|row| row.id).collect();
        if let Some(days) = sparks::of(app, &tokens, now).await {
            list.rows.iter_mut().zip(days).for_each(|(row, days)| row.spark = Some(sparks::sparkline(days)));
        }
    }
    let page = page.as_of(scene.as_of());
    let manages = standing == Standing::Manages && !is_past;
    Ok(shown(&AccessTokensPage { page, account, manages, limits, list, wanted }))
}

fn gone() -> Instead {
    Box::new(Problem::not_found("it is gone in the meantime")).into()
}

/// Looks at a live token of an account, and at the account; 404 where there is none.
async fn with_token<T>(
    app: &App,
    (account, token): (AccountId, TokenId),
    look: impl FnOnce(&View<'_>, &Account, &Token) -> T,
) -> Result<T, Instead> {
    let looked = app.ledger.view(|view| {
        let found = view.projections.state.account(account)?;
        let is_its = |token: &&Token| token.owner == Owner::Account(account) && token.deleted_at.is_none();
        let token = view.projections.state.token(token).filter(is_its)?;
        Some(look(&view, found, token))
    });
    let absent = || Box::new(Problem::not_found("there is no such token in this account; it may have been deleted"));
    Ok(looked.await.ok_or_else(absent)?)
}

/// What a page of one token begins with: who looks, and at what.
struct AtToken {
    viewer: Viewer,
    account: AccountId,
    token: TokenId,
    standing: Standing,
}

impl AtToken {
    /// For whoever manages the account.
    async fn enter(
        app: &App,
        asked: &Asked,
        variables: &[&str],
        operation: ManagementOperation,
    ) -> Result<Self, Instead> {
        let viewer = viewer::required(app, asked).await?;
        let (account, token) = (AccountId(number(variables, 0)?), TokenId(number(variables, 1)?));
        let standing = viewer.enter(app, asked, account, (operation, Standing::Manages)).await?;
        Ok(Self { viewer, account, token, standing })
    }

    fn owner(&self) -> Owner {
        Owner::Account(self.account)
    }

    fn page(&self, view: &View<'_>, asked: &Asked, title: &str) -> Page {
        Page::new(title, &self.viewer, asked).in_account(view, self.account, self.standing, Section::Access)
    }
}

/// Where one goes on from the page that shows a secret.
fn onward(account: AccountId, token: TokenId) -> [(String, &'static str); 2] {
    let all = format!("/accounts/{account}/access_tokens");
    [(format!("{all}/{token}"), "To the token"), (all, "To all tokens")]
}

/// The list again, after something was done: by GET, so that a reload sends nothing again.
fn back_to(account: AccountId, done: &str) -> Reply {
    see_other(&format!("/accounts/{account}/access_tokens?done={done}"))
}
