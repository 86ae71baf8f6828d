//! The page that shows a secret, once: after a token was generated, or rotated.

use super::page::Page;
use super::reply::html;
use super::words::{self, Time};
use crate::domain::ids::Position;
use crate::domain::token::{Token, TokenKind};
use crate::domain::token_text::TokenSecret;
use crate::http::App;
use crate::http::answer::Reply;
use crate::http::entry::Asked;
use crate::http::manage::Carried;
use crate::ledger::View;
use askama::Template;
use smol_str::SmolStr;
use warp::http::StatusCode;

/// A token with its new secret. Without the secret where it was shown before.
#[derive(Template)]
#[template(path = "secret.html")]
pub(super) struct SecretPage {
    page: Page,
    told: Told,
    name: SmolStr,
    access: String,
    expires_at: Option<Time>,
    overlaps_until: Option<Time>,
    /// Where one goes on: path and words.
    onward: [(String, &'static str); 2],
}

/// What the answer that made a secret tells of it.
pub(super) struct Told {
    secret: Option<String>,
    /// A line that shows whether it works.
    curl: String,
    position: Option<Position>,
}

impl Told {
    /// Of a change that was carried out, now or when the same form was sent before: then nobody has its secret any more.
    pub fn of(app: &App, asked: &Asked, secret: TokenSecret, carried: &Carried) -> Self {
        let secret = (!carried.repeated).then(|| secret.reveal_once());
        let origin = app.site.origin(asked.headers()).unwrap_or_else(|| "http://localhost".to_owned());
        let line = |secret: &String| format!("curl {origin}/v2/whoami -H 'Authorization: Bearer {secret}'");
        let curl = secret.as_ref().map(line).unwrap_or_default();
        Self { secret, curl, position: carried.position }
    }
}

impl SecretPage {
    /// Of a token as it is now.
    pub fn new(
        page: Page,
        told: Told,
        (view, token): (&View<'_>, &Token),
        onward: [(String, &'static str); 2],
    ) -> Self {
        let older = token.secrets.iter().rev().nth(1).and_then(|secret| secret.not_after);
        let access = match token.kind {
            TokenKind::User => "yours, on every account that you are a member of".to_owned(),
            _ => words::access_line(view, &token.access),
        };
        Self {
            page,
            told,
            name: words::text(view, token.name),
            access,
            expires_at: token.expires_at.map(Time),
            overlaps_until: older.filter(|end| *end > view.now).map(Time),
            onward,
        }
    }

    /// The answer to the form.
    pub fn reply(&self) -> Reply {
        let status = if self.told.secret.is_some() { StatusCode::CREATED } else { StatusCode::OK };
        html(status, self)
    }
}
