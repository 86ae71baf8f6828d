//! API & Access: an account's limits and its tokens, and everything that is done with a token.
//!
//! [`limits`] and [`list`] are the page itself, [`permissions`] and [`settings`] the form, [`difference`] and [`preview`]
//! what is said before it is saved; then what is done: [`generate`], [`edit`], [`rotate`], [`delete`].

mod delete;
mod difference;
mod edit;
mod generate;
pub mod limits;
pub mod list;
pub mod permissions;
mod preview;
mod rotate;
mod secrets;
pub mod settings;

pub(super) use delete::{ask as ask_delete, delete};
pub(super) use edit::{edit, update};
pub(super) use generate::{generate, new};
pub(super) use rotate::{ask as ask_rotate, rotate};

use super::page::{AsOf, Page, Section};
use super::reply::{see_other, shown};
use super::viewer::{self, Standing, Viewer};
use super::{Answered, Instead, number, sparks, words};
use crate::audit::answer::Basis;
use crate::audit::as_of::{Rows, Subject, state_of};
use crate::audit::past::Point;
use crate::domain::directory::Account;
use crate::domain::event::ManagementOperation;
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::token::{Owner, Token};
use crate::http::App;
use crate::http::answer::Reply;
use crate::http::audit;
use crate::http::entry::Asked;
use crate::http::problem::Problem;
use crate::ledger::View;
use askama::Template;
use limits::Limits;
use list::{LastUse, List, Wanted};

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
    /// The point of the past as the query says it, to be kept by links and filters; empty for now.
    as_of: String,
    as_of_position: String,
}

impl AccessTokensPage {
    /// The point of the past as a further part of a query.
    fn kept(&self) -> String {
        let mut kept = String::new();
        for (name, value) in [("as_of", &self.as_of), ("as_of_position", &self.as_of_position)] {
            if !value.is_empty() {
                kept.push_str(&format!("&{name}={}", words::in_url(value)));
            }
        }
        kept
    }

    /// The same as the only part of one.
    fn kept_alone(&self) -> String {
        self.kept().trim_start_matches('&').to_owned()
    }

    /// The same behind a path.
    fn kept_behind(&self) -> String {
        let kept = self.kept_alone();
        if kept.is_empty() { kept } else { format!("?{kept}") }
    }
}

/// The page itself, now or as of a point of the past.
pub(super) async fn answer(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    let account = AccountId(number(variables, 0)?);
    let standing = viewer.enter(app, asked, account, (ManagementOperation::ReadUsage, Standing::Limited)).await?;
    let wanted = Wanted::read(asked);
    match point(asked)? {
        None => now(app, asked, &viewer, (account, standing), wanted).await,
        Some(point) if standing > Standing::Limited => {
            then(app, asked, &viewer, (account, standing), wanted, point).await
        }
        Some(_) => Err(Box::new(Problem::not_permitted()).into()),
    }
}

async fn now(
    app: &App,
    asked: &Asked,
    viewer: &Viewer,
    (account, standing): (AccountId, Standing),
    wanted: Wanted,
) -> Answered {
    let built = app.ledger.view(|view| {
        let found = view.projections.state.account(account)?;
        let page = Page::new("API & Access", viewer, asked).in_account(&view, account, standing, Section::Access);
        let list = (standing > Standing::Limited).then(|| list::list(&view, found, &wanted));
        Some((page, Limits::of(&view, found), list, view.now))
    });
    let (page, limits, mut list, now) = built.await.ok_or_else(gone)?;
    if let Some(list) = &mut list {
        let tokens: Vec<TokenId> = list.rows.iter().map(|row| row.id).collect();
        if let Some(days) = sparks::of(app, &tokens, now).await {
            list.rows.iter_mut().zip(days).for_each(|(row, days)| row.spark = Some(sparks::sparkline(days)));
        }
    }
    let manages = standing == Standing::Manages;
    let (as_of, as_of_position) = (String::new(), String::new());
    Ok(shown(&AccessTokensPage { page, account, manages, limits, list, wanted, as_of, as_of_position }))
}

/// The same, as it was then: nothing can be changed from it, and the look is recorded.
async fn then(
    app: &App,
    asked: &Asked,
    viewer: &Viewer,
    (account, standing): (AccountId, Standing),
    wanted: Wanted,
    point: Point,
) -> Answered {
    let asked_for = wanted.clone();
    let (limits, list, as_of) = audit::at_desk(app, move |archive| {
        let moment = archive.moment(point)?;
        let all = Rows { skip: 0, take: usize::MAX };
        let tokens = state_of(archive, moment, Subject::AccountTokens(account, all))?;
        let usage = state_of(archive, moment, Subject::Usage(account))?;
        let view = |projections| View { projections, texts: archive.texts(), now: moment.at };
        let list = tokens.state.account(account).map(|found| list::list(&view(&tokens), found, &asked_for));
        let limits = usage.state.account(account).map(|found| Limits::of(&view(&usage), found));
        let basis = Basis::new(archive, moment.position, moment.at)?;
        Ok((limits, list, AsOf::new(&basis, point)))
    })
    .await?;
    let query = HistoryQuery::of("as_of", as_of.position).about_account(account);
    app.read_history(asked, &viewer.reader(), query).await?;
    let absent = || Box::new(Problem::not_found("there was no such account then"));
    let (limits, list) = limits.zip(list).ok_or_else(absent)?;
    let page = app
        .ledger
        .view(|view| Page::new("API & Access", viewer, asked).in_account(&view, account, standing, Section::Access));
    let page = page.await.as_of(Some(as_of));
    let said = |wanted: &str| {
        let pair = asked.query.iter().flatten().find(|(name, _)| name == wanted);
        pair.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (as_of, as_of_position) = (said("as_of"), said("as_of_position"));
    let manages = false;
    Ok(shown(&AccessTokensPage { page, account, manages, limits, list: Some(list), wanted, as_of, as_of_position }))
}

/// The point of the past that is asked for: `as_of` as RFC 3339 or as a form has it (UTC), or `as_of_position`.
pub(super) fn point(asked: &Asked) -> Result<Option<Point>, Box<Problem>> {
    let mut point = None;
    for (name, value) in asked.query.iter().flatten().filter(|(_, value)| !value.trim().is_empty()) {
        let read = match name.as_str() {
            "as_of" => super::form::time(value).map(Point::Time),
            "as_of_position" => value.parse().ok().map(|number| Point::Position(Position(number))),
            _ => continue,
        };
        let read = read.ok_or_else(|| {
            Box::new(Problem::malformed(format!(
                "{name} cannot be read: give a time such as 2026-03-01 12:00, in UTC, or a position"
            )))
        })?;
        if point.replace(read).is_some() {
            return Err(Box::new(Problem::malformed("give as_of or as_of_position, and once")));
        }
    }
    Ok(point)
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

/// The key of a form that makes something: what is sent under it twice is made once.
fn form_key(app: &App) -> String {
    app.entropy.lock().bytes_16().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The list again, after something was done: by GET, so that a reload sends nothing again.
fn back_to(account: AccountId, done: &str) -> Reply {
    see_other(&format!("/accounts/{account}/access_tokens?done={done}"))
}
