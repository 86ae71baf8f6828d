//! The session of a browser: its cookie, as all cookies of ours are, and what keeps other sites from using it.
//!
//! Pages take it from here as their [`Viewer`](super::pages::viewer::Viewer); calls on `/v1` show it beside their header
//! `X-CSRF-Token`, from a page of ours.

use super::App;
use super::bearer;
use super::entry::Asked;
use super::manage;
use super::problem::Problem;
use super::site::Site;
use crate::domain::command::Actor;
use crate::domain::decide::may_look;
use crate::domain::digests::Digests;
use crate::domain::event::ManagementOperation;
use crate::domain::ids::{TextNumber, TokenId};
use crate::domain::rejection::Rejection;
use crate::domain::sign_in::SESSION_SECONDS;
use crate::domain::token::{Principal, TokenKind};
use crate::domain::token_text::{TokenDigest, is_well_formed, prefix_of};
use crate::ledger::View;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::IpAddr;
use subtle::ConstantTimeEq;
use warp::http::{HeaderMap, StatusCode, header};

/// Name of the cookie that opens a session.
const COOKIE: &str = "session";
/// What names of cookies begin with behind TLS: browsers take these from this host alone, and over TLS alone.
const SECURE_PREFIX: &str = "__Host-token-ledger-";
/// The same over plain HTTP, where no browser takes the others.
const PLAIN_PREFIX: &str = "token-ledger-";
/// Header of a session's calls on `/v1`.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// Page of whoever is signed in.
pub const USER_PAGE: &str = "/user";

/// What the cookie shows.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Digest of the session's secret.
    pub digest: TokenDigest,
    /// What forms and calls of this session carry. Made of the secret itself, which the ledger does not have: nobody can
    /// make it from the log, and it outlives a start of the service.
    pub csrf: Csrf,
}

/// What shows that a form or call comes from a page of the session's own. Shown in pages, never in logs.
#[derive(Clone)]
pub struct Csrf(String);

impl Csrf {
    /// As it stands in forms and headers.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what was sent is it. In constant time.
    pub fn is(&self, sent: &str) -> bool {
        !self.0.is_empty() && self.0.as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

impl std::fmt::Display for Csrf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for Csrf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Csrf(redacted)")
    }
}

impl Shown {
    fn of(text: &str) -> Self {
        Self { digest: TokenDigest::of(text), csrf: csrf_of(text) }
    }
}

fn csrf_of(secret: &str) -> Csrf {
    // A key of any length is taken; an empty text is nobody's.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return Csrf(String::new()) };
    mac.update(b"token-ledger csrf 1");
    Csrf(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn cookie_name(site: &Site, name: &str) -> String {
    format!("{}{name}", if site.is_secure() { SECURE_PREFIX } else { PLAIN_PREFIX })
}

/// Reads the cookie.
pub fn shown(app: &App, headers: &HeaderMap) -> Option<Shown> {
    let text = cookie_value(&app.site, headers, COOKIE)?;
    (is_well_formed(text) && text.starts_with(prefix_of(TokenKind::Session))).then(|| Shown::of(text))
}

/// The value of a cookie of ours. Two of the name are none: one of them is somebody else's.
pub(super) fn cookie_value<'a>(site: &Site, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let name = cookie_name(site, name);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let value = values.next();
    if values.next().is_some() { None } else { value }
}

/// The `Set-Cookie` that begins a session in a browser.
pub fn cookie(site: &Site, secret: &str) -> String {
    set_cookie(site, COOKIE, secret, SESSION_SECONDS)
}

/// The `Set-Cookie` that ends it.
pub fn no_cookie(site: &Site) -> String {
    set_cookie(site, COOKIE, "", 0)
}

/// The `Set-Cookie` of a cookie of ours: for this host, and for no script.
pub(super) fn set_cookie(site: &Site, name: &str, value: &str, seconds: u64) -> String {
    let secure = if site.is_secure() { "; Secure" } else { "" };
    format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", cookie_name(site, name))
}

/// Who is signed in, as far as the session says.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// What the cookie shows.
    pub shown: Shown,
    /// The session.
    pub session: TokenId,
    /// A user, or staff.
    pub principal: Principal,
    /// The staff token's kind; that of the session where it is a user's.
    pub kind: TokenKind,
    /// Name of the user, or of the staff token.
    pub name: TextNumber,
}

/// Who is signed in; else why not. A session that is known and works no more is refused as any other token.
pub async fn signed_in(app: &App, asked: &Asked) -> Result<SignedIn, Rejection> {
    let shown = shown(app, asked.headers()).ok_or(Rejection::UnknownToken)?;
    let peer = Some(asked.peer());
    app.ledger.view_with_digests(|view, digests| read(&view, digests, shown, peer)).await
}

fn read(view: &View<'_>, digests: &Digests, shown: Shown, peer: Option<IpAddr>) -> Result<SignedIn, Rejection> {
    let state = &view.projections.state;
    let known = digests.find(&state.tokens, &shown.digest).map(|(token, _)| token);
    let token = known.filter(|token| token.kind == TokenKind::Session).ok_or(Rejection::UnknownToken)?;
    // Everybody may look at the sessions that are their own.
    let wanted = (ManagementOperation::ReadSessions, token.owner);
    let session = may_look(state, digests, Actor::Session(shown.digest), wanted, (view.now, peer))?;
    let principal = token.principal();
    let (kind, name) = match principal {
        Principal::User(user) => (token.kind, state.user(user).map(|user| user.name)),
        Principal::Staff(staff) => match state.token(staff) {
            Some(staff) => (staff.kind, Some(staff.name)),
            None => return Err(Rejection::UnknownToken),
        },
        _ => return Err(Rejection::UnknownToken),
    };
    Ok(SignedIn { shown, session, principal, kind, name: name.unwrap_or_default() })
}

/// A call on `/v1` that a session makes: with its header, and from a page of ours. Browsers say no origin with a `GET` of
/// the page's own site.
pub fn check_call(app: &App, asked: &Asked, shown: &Shown) -> Result<(), Box<Problem>> {
    let mut sent = asked.headers().get_all(CSRF_HEADER).iter();
    let first = sent.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_token = sent.next().is_none() && shown.csrf.is(first);
    let is_read = asked.method() == "GET";
    let is_ours = match origin_sent(asked) {
        None => is_read,
        Some(origin) => app.site.origin(asked.headers()).is_some_and(|own| own == origin),
    };
    if is_token && is_ours && is_from_ours(asked) { Ok(()) } else { Err(Box::new(forged())) }
}

fn origin_sent(asked: &Asked) -> Option<&str> {
    asked.headers().get(header::ORIGIN).map(|value| value.to_str().unwrap_or("?"))
}

/// What browsers say of where a request comes from; nothing where they do not.
fn is_from_ours(asked: &Asked) -> bool {
    let said = asked.headers().get("sec-fetch-site");
    said.is_none_or(|said| matches!(said.as_bytes(), b"same-origin" | b"none"))
}

fn forged() -> Problem {
    let detail = "this did not come from a page of the running session; open the page again, and send it again";
    Problem::new(StatusCode::FORBIDDEN, "cross-site", "Not from our page", detail)
}

/// What a request shows itself by: the `Authorization` header if there is one, else the session cookie.
pub(super) fn actor(app: &App, asked: &Asked) -> Result<Actor, Box<Problem>> {
    match shown(app, asked.headers()) {
        Some(shown) if asked.shown() == bearer::Shown::Nothing && app.ledger.knows(&shown.digest) => {
            check_call(app, asked, &shown)?;
            Ok(Actor::Session(shown.digest))
        }
        _ => manage::bearer(app, asked).map(Actor::Bearer),
    }
}
