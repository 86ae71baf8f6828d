//! Search over all accounts: by number, name, e-mail address, last characters or digest.

use super::{Answered, page};
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::token::{Owner, Token};
use crate::domain::token_text::TokenDigest;
use crate::http::App;
use crate::http::entry::Asked;
use crate::http::pages::page::Page;
use crate::http::pages::reply::shown;
use crate::http::pages::viewer::Viewer;
use crate::http::pages::words::{self, counted};
use crate::ledger::View;
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use smol_str::SmolStr;

/// Things found of each kind, at most.
const FOUND_MAX: usize = 50;
/// Names looked at of each kind: past them a name is found by its number only.
const LOOKED_MAX: usize = 100_000;

#[derive(Template)]
#[template(path = "staff_search.html")]
struct SearchPage {
    page: Page,
    q: String,
    found: Option<Found>,
    is_token_text: bool,
}

struct Found {
    accounts: Vec<Thing>,
    tokens: Vec<Thing>,
    users: Vec<Thing>,
    resources: Vec<Thing>,
    is_cut: bool,
}

struct Thing {
    id: u64,
    link: Option<String>,
    name: SmolStr,
    what: String,
}

impl Found {
    fn sections(&self) -> Vec<(&'static str, &[Thing])> {
        vec![
            ("Accounts", &self.accounts),
            ("Tokens", &self.tokens),
            ("Users", &self.users),
            ("Resources", &self.resources),
        ]
    }

    fn is_empty(&self) -> bool {
        [&self.accounts, &self.tokens, &self.users, &self.resources].iter().all(|things| things.is_empty())
    }
}

pub(super) async fn answer(app: &App, asked: &Asked, viewer: &Viewer) -> Answered {
    let said = asked.query()?.iter().rfind(|(name, _)| name == "q");
    let q = said.map(|(_, text)| text.trim().to_owned()).unwrap_or_default();
    // A token's text is in the address by now; at least it is not shown again, and not looked for.
    let is_token_text = q.len() > 40 && q.starts_with("tlk") && q.get(4..5) == Some("_");
    let found = match q.is_empty() || is_token_text {
        true => None,
        false => {
            let wanted = Wanted::of(&q);
            Some(
                app.ledger
                    .view_with_digests(|view, digests| {
                        let tokens = &view.projections.state.tokens;
                        let known = wanted.digest.and_then(|digest| digests.find(tokens, &digest));
                        find(&view, &wanted, known.map(|(token, _)| token.id))
                    })
                    .await,
            )
        }
    };
    let q = if is_token_text { String::new() } else { q };
    Ok(shown(&SearchPage { page: page("Search", viewer, asked), q, found, is_token_text }))
}

struct Wanted {
    number: Option<u64>,
    text: String,
    hint: Option<[u8; 4]>,
    digest: Option<TokenDigest>,
}

impl Wanted {
    fn of(q: &str) -> Self {
        let bare = q.trim_start_matches('…');
        Self {
            number: q.parse().ok(),
            text: q.to_lowercase(),
            hint: bare.as_bytes().try_into().ok(),
            digest: STANDARD.decode(q).ok().and_then(|bytes| bytes.try_into().ok()).map(TokenDigest),
        }
    }
}

fn find(view: &View<'_>, wanted: &Wanted, digest: Option<TokenId>) -> Found {
    let state = &view.projections.state;
    let mut is_cut = false;
    let has = |name: &SmolStr| name.to_lowercase().contains(&wanted.text);
    let is_it = |id: u64| wanted.number == Some(id);
    let mut add = |things: &mut Vec<Thing>, thing: Thing| {
        if things.len() < FOUND_MAX { things.push(thing) } else { is_cut = true }
    };
    let (mut accounts, mut tokens, mut users, mut resources) = (vec![], vec![], vec![], vec![]);
    for (at, account) in state.accounts.iter().enumerate() {
        let name = words::text(view, account.name);
        if is_it(account.id.0) || (at < LOOKED_MAX && (has(&name) || has(&words::text(view, account.email)))) {
            let (tokens, members) = (account.tokens.len() as u64, account.members.len() as u64);
            let what = format!("{}, {}, {}", account.plan.name(), counted(tokens, "token"), counted(members, "member"));
            let link = Some(format!("/accounts/{}/access_tokens", account.id));
            add(&mut accounts, Thing { id: account.id.0, link, name, what });
        }
    }
    for (at, token) in state.tokens.iter().enumerate() {
        let is_shown = digest == Some(token.id) || is_it(token.id.0) || has_hint(token, wanted);
        if is_shown || (at < LOOKED_MAX && has(&words::text(view, token.name))) {
            add(&mut tokens, of_token(view, state, token));
        }
    }
    for (at, user) in state.users.iter().enumerate() {
        let name = words::text(view, user.name);
        let email = words::text(view, user.email);
        if is_it(user.id.0) || (at < LOOKED_MAX && (has(&name) || has(&email))) {
            let (of, tokens) = (user.accounts.len() as u64, user.tokens.len() as u64);
            let what = format!("{email}, {}, {}", counted(of, "account"), counted(tokens, "token"));
            add(&mut users, Thing { id: user.id.0, link: None, name, what });
        }
    }
    for (at, resource) in state.resources.iter().enumerate() {
        let name = words::text(view, resource.name);
        if is_it(resource.id.0) || (at < LOOKED_MAX && has(&name)) {
            let of = account_name(view, state, resource.account);
            let gone = if resource.removed_at.is_some() { ", removed" } else { "" };
            let what = format!("{} of {of}{gone}", resource.facts.kind().name());
            let link = Some(format!("/accounts/{}/history?resource={}", resource.account, words::in_url(&name)));
            add(&mut resources, Thing { id: resource.id.0, link, name, what });
        }
    }
    Found { accounts, tokens, users, resources, is_cut }
}

fn has_hint(token: &Token, wanted: &Wanted) -> bool {
    wanted.hint.is_some_and(|hint| token.secrets.iter().any(|secret| secret.hint == hint))
}

fn of_token(view: &View<'_>, state: &State, token: &Token) -> Thing {
    let (of, link) = match token.owner {
        Owner::Account(account) => {
            let link = format!("/accounts/{account}/access_tokens/{}", token.id);
            (account_name(view, state, account), Some(link))
        }
        Owner::User(user) => (user_name(view, state, user), None),
        Owner::Service => ("the service".to_owned(), None),
    };
    let hint = String::from_utf8_lossy(&token.hint()).into_owned();
    let what = format!("{} …{hint} of {of}, {}", words::kind_label(token.kind), token.standing(view.now));
    Thing { id: token.id.0, link, name: words::text(view, token.name), what }
}

fn account_name(view: &View<'_>, state: &State, id: AccountId) -> String {
    let name = state.account(id).map(|account| words::text(view, account.name));
    format!("account {id} {}", name.as_deref().unwrap_or_default())
}

fn user_name(view: &View<'_>, state: &State, id: UserId) -> String {
    let name = state.user(id).map(|user| words::text(view, user.name));
    format!("user {id} {}", name.as_deref().unwrap_or_default())
}
