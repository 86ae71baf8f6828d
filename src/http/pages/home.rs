//! `/`: the accounts of whoever is signed in. Who has one account only is led to it.

use super::page::{Page, Section};
use super::reply::{see_other, shown};
use super::viewer::{self, Who};
use super::{Answered, words};
use crate::domain::directory::Account;
use crate::domain::ids::AccountId;
use crate::http::App;
use crate::http::entry::Asked;
use crate::ledger::View;
use askama::Template;
use smol_str::SmolStr;

/// Accounts listed to staff; the others are found by searching.
const ACCOUNTS_MAX: usize = 100;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    page: Page,
    accounts: Vec<Row>,
    total: usize,
}

struct Row {
    id: AccountId,
    name: SmolStr,
    plan: &'static str,
    tokens: usize,
    members: usize,
}

pub(super) async fn answer(app: &App, asked: &Asked) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    let (accounts, total) = app.ledger.view(|view| rows(&view, viewer.who)).await;
    if let ([only], Who::Member(_)) = (&accounts[..], viewer.who) {
        return Ok(see_other(&format!("/accounts/{}/access_tokens", only.id)));
    }
    let page = Page::new("Accounts", &viewer, asked).in_section(Section::None);
    Ok(shown(&HomePage { page, accounts, total }))
}

fn rows(view: &View<'_>, who: Who) -> (Vec<Row>, usize) {
    let state = &view.projections.state;
    let row = |account: &Account| Row {
        id: account.id,
        name: words::text(view, account.name),
        plan: account.plan.name(),
        tokens: account.tokens.len(),
        members: account.members.len(),
    };
    match who {
        Who::Member(user) => {
            let ids = state.user(user).map(|user| user.accounts.clone()).unwrap_or_default();
            let rows: Vec<Row> = ids.iter().filter_map(|&id| state.account(id)).map(row).collect();
            let total = rows.len();
            (rows, total)
        }
        Who::Operator | Who::Auditor => {
            (state.accounts.iter().take(ACCOUNTS_MAX).map(row).collect(), state.accounts.len())
        }
    }
}
