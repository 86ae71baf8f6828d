//! Who looks at pages: the session cookie, what it opens, and what keeps other sites from using it.
//!
//! For whoever builds a page:
//!
//! ```ignore
//! let viewer = match session::require(app, asked).await { Ok(viewer) => viewer, Err(reply) => return reply };
//! // in every form: <input type="hidden" name="csrf" value="{{ viewer.csrf }}">
//! let form = session::form(asked, &viewer, body).await?;           // a POST: checks `csrf` and where it comes from
//! let carried = manage::submit(app, asked, viewer.actor, change).await?;
//! app.read_history(asked, &viewer.reader(), query).await?;         // before history is shown
//! ```
//!
//! What somebody may see is asked of the domain: [`Viewer::may`], for every look, since memberships end.

use super::App;
use super::answer::{self, Reply};
use super::bearer;
use super::entry::{Asked, Body};
use super::history_reads::Reader;
use super::manage;
use super::problem::Problem;
use super::site::Site;
use crate::domain::access::Access;
use crate::domain::command::{Actor, Change};
use crate::domain::decide::may_look;
use crate::domain::event::ManagementOperation;
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::rejection::Rejection;
use crate::domain::sign_in::SESSION_SECONDS;
use crate::domain::state::{Digests, State};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Principal, TokenKind};
use crate::domain::token_text::{TokenDigest, is_well_formed, prefix_of};
use crate::ledger::View;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::IpAddr;
use subtle::ConstantTimeEq;
use warp::http::{HeaderMap, StatusCode, header};

/// Name of the cookie behind TLS. Browsers take it from this host alone, and over TLS alone.
const SECURE_COOKIE: &str = "__Host-token-ledger-session";
/// Name of the cookie over plain HTTP, where no browser takes the other.
const PLAIN_COOKIE: &str = "token-ledger-session";
/// Header of a session's calls on `/v1`.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// Field of every form.
pub const CSRF_FIELD: &str = "csrf";
/// Where people go who are not signed in.
pub const SIGN_IN: &str = "/sign-in";
/// Page of whoever is signed in.
pub const USER_PAGE: &str = "/user";

/// What the cookie shows.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Digest of the session's secret.
    pub digest: TokenDigest,
    /// What forms and calls of this session carry. Made of the secret itself, which the ledger does not have: nobody can
    /// make it from the log, and it outlives a start of the service.
    csrf: Csrf,
}

/// What shows that a form or call comes from a page of the session's own. Shown in pages, never in logs.
#[derive(Clone)]
pub struct Csrf(String);

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

fn cookie_name(site: &Site) -> &'static str {
    if site.is_secure() { SECURE_COOKIE } else { PLAIN_COOKIE }
}

/// Reads the cookie. Two of the name are none: one of them is somebody else's.
pub fn shown(app: &App, headers: &HeaderMap) -> Option<Shown> {
    let name = cookie_name(&app.site);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let text = values.next().filter(|text| is_well_formed(text) && text.starts_with(prefix_of(TokenKind::Session)));
    if values.next().is_some() { None } else { text.map(Shown::of) }
}

/// The `Set-Cookie` that begins a session in a browser.
pub fn cookie(site: &Site, secret: &str) -> String {
    set_cookie(site, secret, SESSION_SECONDS)
}

/// The `Set-Cookie` that ends it.
pub fn no_cookie(site: &Site) -> String {
    set_cookie(site, "", 0)
}

fn set_cookie(site: &Site, value: &str, seconds: u64) -> String {
    let secure = if site.is_secure() { "; Secure" } else { "" };
    format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", cookie_name(site))
}

/// Who is signed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// A user.
    User(UserId),
    /// Staff, by this token of this kind.
    Staff(TokenId, TokenKind),
}

/// A place in an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    /// The account.
    pub account: AccountId,
    /// Whether with full access: only then tokens are managed and shown.
    pub is_full: bool,
}

/// Whoever looks at a page.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// Who.
    pub who: Who,
    /// The session.
    pub session: TokenId,
    /// As whom changes are sent.
    pub actor: Actor,
    /// To be in every form, and in the header of every call by script.
    pub csrf: Csrf,
    /// When the session ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Accounts that a user is a member of; staff see all.
    pub seats: Vec<Seat>,
}

impl Viewer {
    /// As whom looks at history are recorded.
    pub fn reader(&self) -> Reader {
        Reader { actor: self.actor, token: self.session }
    }

    /// As whom things are recorded.
    pub fn principal(&self) -> Principal {
        match self.who {
            Who::User(user) => Principal::User(user),
            Who::Staff(token, _) => Principal::Staff(token),
        }
    }

    /// Whether it is an operator's session.
    pub fn is_operator(&self) -> bool {
        matches!(self.who, Who::Staff(_, TokenKind::Operator))
    }

    /// Whether something of this owner's may be looked at, now. A refused look is recorded, and is the answer.
    pub async fn may(
        &self,
        app: &App,
        asked: &Asked,
        operation: ManagementOperation,
        whose: Owner,
    ) -> Result<(), Box<Problem>> {
        manage::authorize_actor(app, asked, self.actor, (operation, whose)).await.map(drop)
    }

    /// The page to begin with.
    pub fn home(&self) -> String {
        match (self.who, self.seats.iter().find(|seat| seat.is_full)) {
            (Who::User(_), Some(seat)) => format!("/accounts/{}/access_tokens", seat.account),
            (Who::User(_), None) => USER_PAGE.to_owned(),
            (Who::Staff(..), _) => "/".to_owned(),
        }
    }
}

/// Who is signed in; nobody without a session that works.
pub async fn viewer(app: &App, asked: &Asked) -> Option<Viewer> {
    let shown = shown(app, asked.headers())?;
    let peer = Some(asked.peer());
    app.ledger.view_with_digests(|view, digests| viewer_of(&view, digests, shown, peer)).await.ok()
}

/// Who is signed in, else the answer that leads to signing in. That a session that is known works no more is recorded.
pub async fn require(app: &App, asked: &Asked) -> Result<Viewer, Reply> {
    let Some(shown) = shown(app, asked.headers()) else { return Err(to_sign_in(app)) };
    let (digest, peer) = (shown.digest, Some(asked.peer()));
    match app.ledger.view_with_digests(|view, digests| viewer_of(&view, digests, shown, peer)).await {
        Ok(viewer) => Ok(viewer),
        Err(Rejection::UnknownToken) => Err(to_sign_in(app)),
        Err(_) => {
            let look = Change::Look(ManagementOperation::ReadSessions, Owner::Service);
            match manage::submit(app, asked, Actor::Session(digest), look).await {
                // Nothing can be recorded: nothing is shown.
                Err(problem) if problem.status().is_server_error() => Err(problem.into_reply()),
                _ => Err(to_sign_in(app)),
            }
        }
    }
}

/// The way to the sign-in page. A cookie that opens nothing goes.
fn to_sign_in(app: &App) -> Reply {
    let mut reply = redirect(SIGN_IN);
    answer::add_header(&mut reply, header::SET_COOKIE, &no_cookie(&app.site));
    reply
}

/// "Look there" after a form was sent (303).
pub fn redirect(path: &str) -> Reply {
    let mut reply = answer::empty(StatusCode::SEE_OTHER);
    answer::add_header(&mut reply, header::LOCATION, path);
    reply
}

fn viewer_of(view: &View<'_>, digests: &Digests, shown: Shown, peer: Option<IpAddr>) -> Result<Viewer, Rejection> {
    let state = &view.projections.state;
    let known = digests.get(&shown.digest).and_then(|&(id, _)| state.token(id));
    let token = known.filter(|token| token.kind == TokenKind::Session).ok_or(Rejection::UnknownToken)?;
    let actor = Actor::Session(shown.digest);
    // Everybody may look at the sessions that are their own; staff at everybody's.
    let own = match token.principal() {
        Principal::User(user) => Owner::User(user),
        _ => Owner::Service,
    };
    let wanted = (ManagementOperation::ReadSessions, own);
    let session = may_look(state, digests, actor, wanted, (view.now, peer))?;
    let (who, seats) = match token.principal() {
        Principal::User(user) => (Who::User(user), seats(state, user)),
        Principal::Staff(staff) => {
            let kind = state.token(staff).map(|staff| staff.kind).ok_or(Rejection::UnknownToken)?;
            (Who::Staff(staff, kind), Vec::new())
        }
        _ => return Err(Rejection::UnknownToken),
    };
    Ok(Viewer { who, session, actor, csrf: shown.csrf, expires_at: token.expires_at, seats })
}

fn seats(state: &State, user: UserId) -> Vec<Seat> {
    let accounts = state.user(user).into_iter().flat_map(|user| user.accounts.iter().copied());
    let seat = |account: AccountId| {
        let member = state.account(account)?.members.get(&user)?;
        Some(Seat { account, is_full: member.access == Access::Full })
    };
    accounts.filter_map(seat).collect()
}

/// Whether what was sent is what this session's forms carry. In constant time.
pub fn check_csrf(viewer: &Viewer, sent: &str) -> bool {
    is_same(&viewer.csrf, sent)
}

fn is_same(csrf: &Csrf, sent: &str) -> bool {
    !csrf.0.is_empty() && csrf.0.as_bytes().ct_eq(sent.as_bytes()).into()
}

/// A call on `/v1` that a session makes: with its header, and from a page of ours. Browsers say no origin with a `GET` of
/// the page's own site.
pub fn check_call(app: &App, asked: &Asked, shown: &Shown) -> Result<(), Box<Problem>> {
    let mut sent = asked.headers().get_all(CSRF_HEADER).iter();
    let first = sent.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_token = sent.next().is_none() && is_same(&shown.csrf, first);
    let is_read = asked.method() == "GET";
    let is_ours = match origin_sent(asked) {
        None => is_read,
        Some(origin) => app.site.origin(asked.headers()).is_some_and(|own| own == origin),
    };
    if is_token && is_ours && is_from_ours(asked) { Ok(()) } else { Err(Box::new(forged())) }
}

/// A form that a browser sends comes from a page of ours. With `Referrer-Policy: no-referrer` browsers say `null` as its
/// origin, so that what says it is `Sec-Fetch-Site`; the secret in the form is the rule, this stands before it.
pub fn check_form_origin(app: &App, asked: &Asked) -> Result<(), Box<Problem>> {
    let is_ours = match origin_sent(asked) {
        None | Some("null") => true,
        Some(origin) => app.site.origin(asked.headers()).is_some_and(|own| own == origin),
    };
    if is_ours && is_from_ours(asked) { Ok(()) } else { Err(Box::new(forged())) }
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

/// A form that was sent.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form of any page.
    pub async fn read(asked: &Asked, body: Body) -> Result<Self, Box<Problem>> {
        if manage::media_type(asked).as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(Box::new(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Unsupported media type",
                "send application/x-www-form-urlencoded",
            )));
        }
        let bytes = body.read(asked.headers()).await?;
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }

    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A field's text without spaces around it; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default().trim()
    }

    /// Every value of a field, as of boxes that can be checked.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// A form may hold anything.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Form({} fields)", self.0.len())
    }
}

/// A form of this session's pages: one that carries its `csrf`, and comes from a page of ours.
pub async fn form(app: &App, asked: &Asked, viewer: &Viewer, body: Body) -> Result<Form, Box<Problem>> {
    check_form_origin(app, asked)?;
    let form = Form::read(asked, body).await?;
    let is_token = form.get(CSRF_FIELD).is_some_and(|sent| check_csrf(viewer, sent));
    if is_token && form.all(CSRF_FIELD).count() == 1 { Ok(form) } else { Err(Box::new(forged())) }
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
