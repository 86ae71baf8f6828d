//! The page that shows a secret, once: after a token was generated, or rotated.

use crate::domain::ids::{AccountId, Position, TokenId};
use crate::http::App;
use crate::http::entry::Asked;
use crate::http::pages::page::Page;
use crate::http::pages::words::Time;
use askama::Template;
use std::sync::Arc;

/// What was made. Without the secret where it was shown before.
#[derive(Template)]
#[template(path = "secret.html")]
pub(super) struct SecretPage {
    pub page: Page,
    pub account: AccountId,
    pub token: TokenId,
    pub heading: &'static str,
    pub secret: Option<String>,
    pub curl: String,
    pub name: Arc<str>,
    pub access: String,
    pub expires_at: Option<Time>,
    pub overlaps_until: Option<Time>,
    pub position: Option<Position>,
}

/// A line that shows whether it works.
pub(super) fn curl(app: &App, asked: &Asked, secret: &str) -> String {
    let origin = app.site.origin(asked.headers()).unwrap_or_else(|| "http://localhost".to_owned());
    format!("curl {origin}/v2/whoami -H 'Authorization: Bearer {secret}'")
}
