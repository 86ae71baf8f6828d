//! `POST /oauth/introspect` (RFC 7662) and `POST /oauth/revoke` (RFC 7009), asked by gateway tokens.
//!
//! A request that is wrong by itself is 400 with the error object of RFC 6749 section 5.2; everything else is a problem
//! as anywhere. Introspection is a look: it records and draws nothing, and moves no last use.

use super::{admit, live, reach_of, submit};
use crate::domain::command::{GatewayCall, GatewayWish};
use crate::domain::decide::is_within_reach;
use crate::domain::event::ManagementOperation;
use crate::domain::gateway::{GatewayReach, GatewayRight};
use crate::domain::ids::AccountId;
use crate::domain::token::{Owner, Token, TokenKind};
use crate::domain::token_text::prefix_of;
use crate::http::answer::{self, Reply};
use crate::http::entry::{Asked, Body};
use crate::http::manage::media_type;
use crate::http::operations::Operation;
use crate::http::path::has_whole_escapes;
use crate::http::problem::Problem;
use crate::http::scopes::scopes;
use crate::http::{App, bearer};
use crate::ledger::View;
use percent_encoding::percent_decode;
use serde_json::{Value, json};
use std::net::IpAddr;
use warp::http::{HeaderValue, StatusCode, header};

const FORM: &str = "application/x-www-form-urlencoded";

/// Answers an operation at `/oauth`.
pub async fn answer(app: &App, asked: &Asked, operation: Operation, body: Body) -> Reply {
    let answered = match operation {
        Operation::Introspect => introspect(app, asked, body).await,
        _ => revoke(app, asked, body).await,
    };
    let mut reply = answered.unwrap_or_else(|problem| match problem.status() {
        StatusCode::BAD_REQUEST => invalid_request(*problem),
        _ => problem.into_reply(),
    });
    // RFC 7662 section 2.4: an answer that somebody kept would outlive what it says.
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// The error object, with the headers of the problem.
fn invalid_request(problem: Problem) -> Reply {
    let error = error("invalid_request", problem.detail());
    let mut reply = problem.into_reply();
    let (parts, body) = error.into_parts();
    reply.headers_mut().extend(parts.headers);
    *reply.body_mut() = body;
    reply
}

fn error(code: &str, description: &str) -> Reply {
    answer::json(StatusCode::BAD_REQUEST, &json!({ "error": code, "error_description": description }))
}

/// What a form says. Other parameters, `token_type_hint` among them, change nothing (RFC 7662 section 2.1); none may be
/// there twice (RFC 6749 section 3.2).
struct Form {
    token: String,
    /// The client that showed the token; our own parameter of introspection.
    address: Option<IpAddr>,
}

async fn form_of(asked: &Asked, body: Body) -> Result<Form, Box<Problem>> {
    if media_type(asked).is_some_and(|kind| kind != FORM) {
        let detail = format!("send {FORM}");
        return Err(Box::new(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "Unsupported media type",
            detail,
        )));
    }
    let body = body.read(asked.headers()).await?;
    read_form(&body).map_err(|fault| Box::new(Problem::malformed(fault)))
}

fn read_form(body: &[u8]) -> Result<Form, &'static str> {
    let raw = std::str::from_utf8(body).map_err(|_| "the form is not text")?;
    if !has_whole_escapes(raw) || percent_decode(body).decode_utf8().is_err() {
        return Err("the form does not decode");
    }
    let mut pairs: Vec<_> = form_urlencoded::parse(body).collect();
    // Sorted, not compared each with each: a body can have thousands.
    pairs.sort_unstable();
    if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
        return Err("a parameter is there twice");
    }
    let value = |wanted| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| &**value);
    let address = value("address").map(str::parse::<IpAddr>).transpose().map_err(|_| "address is no IP address")?;
    let token = value("token").filter(|token| !token.is_empty()).ok_or("the parameter token is missing")?;
    Ok(Form { token: token.to_owned(), address: address.map(|address| address.to_canonical()) })
}

async fn introspect(app: &App, asked: &Asked, body: Body) -> Result<Reply, Box<Problem>> {
    let gateway = admit(app, asked, GatewayRight::Introspect, ManagementOperation::Introspect).await?;
    let Form { token, address } = form_of(asked, body).await?;
    let (shown, peer) = (bearer::digest_of(&token), Some(asked.peer()));
    let active = app
        .ledger
        .view_with_digests(|view, digests| {
            let state = &view.projections.state;
            let reach = reach_of(state, digests, gateway, (view.now, peer), GatewayRight::Introspect)?;
            // Of a client that nobody knows: a token for certain addresses is not active for it.
            let (token, secret) = live(state, digests, shown?, (view.now, address))?;
            is_within_reach(state, reach, token).then(|| active(app, &view, reach, token, secret))
        })
        .await;
    Ok(answer::json(StatusCode::OK, &active.unwrap_or_else(|| json!({ "active": false }))))
}

/// A token that works. `exp` is when this text stops working, by the token's end or the secret's.
fn active(app: &App, view: &View<'_>, reach: &GatewayReach, token: &Token, secret: u32) -> Value {
    let state = &view.projections.state;
    let kept = token.secrets.iter().find(|kept| kept.number == secret);
    let ends = [token.expires_at, kept.and_then(|kept| kept.not_after)].into_iter().flatten().min();
    let begins = token.conditions.as_ref().and_then(|conditions| conditions.not_before);
    let account = match token.owner {
        Owner::Account(account) => Some(account),
        Owner::User(_) | Owner::Service => None,
    };
    // Of an OAuth token the member who authorised it.
    let user = token.follows();
    let subject = user.map(|user| format!("user:{user}")).or(account.map(|account| format!("account:{account}")));
    let mut shape = json!({
        "active": true,
        "token_type": "Bearer",
        "iat": token.created_at.seconds(),
        "nbf": begins.unwrap_or(token.created_at).seconds(),
        "sub": subject,
        "iss": state.origin,
        "jti": format!("{}.{secret}", token.id),
        "token_id": token.id.0,
        "kind": token.kind.name(),
        "account_id": account.map(|account| account.0),
        "user_id": user.map(|user| user.0),
        "ledger_position": view.projections.position.0,
    });
    let application = token.authorized.as_deref().and_then(|it| state.application(it.application));
    if let Some(application) = application {
        shape["client_id"] = json!(application.client.to_string());
    }
    if let Some(ends) = ends {
        shape["exp"] = json!(ends.seconds());
    }
    let accesses = accesses(app, view, reach, token);
    // Of a user's token the scopes hang on the account: of one account they are the token's, of more it has none.
    if let [(_, scope)] = &*accesses {
        shape["scope"] = json!(scope);
    }
    shape["accounts"] =
        accesses.iter().map(|(account, scope)| json!({ "account_id": account.0, "scope": scope })).collect();
    shape
}

/// What the token may do in each account that the gateway may ask about.
fn accesses(app: &App, view: &View<'_>, reach: &GatewayReach, token: &Token) -> Vec<(AccountId, String)> {
    let state = &view.projections.state;
    match token.owner {
        Owner::Account(account) => {
            let counts = state.access_on(token, account);
            counts.map(|(_, access, _)| (account, scopes(app, &access).unwrap_or_default())).into_iter().collect()
        }
        Owner::User(user) => {
            let accounts = state.user(user).into_iter().flat_map(|user| user.accounts.iter().copied());
            let of_account = |account: AccountId| {
                let member = state.account(account)?.members.get(&user)?;
                Some((account, scopes(app, &member.access).unwrap_or_default()))
            };
            accounts.filter(|&account| reach.names(account)).filter_map(of_account).collect()
        }
        Owner::Service => Vec::new(),
    }
}

async fn revoke(app: &App, asked: &Asked, body: Body) -> Result<Reply, Box<Problem>> {
    let gateway = admit(app, asked, GatewayRight::Revoke, ManagementOperation::DeleteToken).await?;
    let text = form_of(asked, body).await?.token;
    if is_of_another_kind(&text) {
        return Ok(error("unsupported_token_type", "tokens of gateways and staff, and sessions, are not revoked here"));
    }
    let mut reply = answer::empty(StatusCode::OK);
    if let Some(shown) = bearer::digest_of(&text).filter(|shown| app.ledger.knows(shown)) {
        let carried = submit(app, asked, GatewayCall { gateway, wish: GatewayWish::Revoke { shown } }).await?;
        answer::add_position(&mut reply, carried.position);
    }
    Ok(reply)
}

/// By its beginning alone, so that the answer does not say whether there is such a token.
fn is_of_another_kind(text: &str) -> bool {
    let kinds = [TokenKind::Gateway, TokenKind::Operator, TokenKind::Auditor, TokenKind::Session];
    kinds.iter().any(|&kind| text.starts_with(prefix_of(kind)))
}
