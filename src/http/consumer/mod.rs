//! The guarded API: DNSimple's v2 read endpoints, wire-compatible.
//!
//! A malformed path or query is answered before the decision and leaves nothing; everything else of a known token is
//! decided, recorded and only then answered.

mod judged;
mod lists;

use super::answer::{self, Reply};
use super::bearer::Shown;
use super::entry::Asked;
use super::operations::Operation;
use super::problem::{message, validation_failed};
use super::{App, path, scopes, shapes};
use crate::domain::command::{AskedTarget, Command, Use};
use crate::domain::decide::{Answer, UseAnswer, Verdict};
use crate::domain::event::{Outcome, Route};
use crate::domain::ids::{AccountId, ResourceId};
use crate::domain::names::normalize_domain_name;
use crate::domain::rejection::FieldFault;
use crate::domain::token_text::TokenDigest;
use crate::ledger::Unavailable;
use serde_json::{Value, json};
use warp::http::{HeaderValue, StatusCode, header};

/// Answers an operation of the guarded API.
pub async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str]) -> Reply {
    let digest = match shown(app, asked) {
        Ok(digest) => digest,
        Err(reply) => return *reply,
    };
    let question = match question(asked, operation, variables) {
        Ok(question) => question,
        Err(faults) => return Box::pin(unreadable(app, asked, digest, (operation, variables), &faults)).await,
    };
    let use_of_token = Use {
        digest,
        route: question.route,
        account: question.account,
        target: question.target.clone(),
        mapped: None,
        certificate: question.certificate,
        valid: question.valid,
    };
    match app.ledger.submit(Command::Use(use_of_token), asked.origin()).await {
        Err(unavailable) => not_recorded(unavailable),
        Ok(reply) => judged::answer(app, asked, &question, reply).await,
    }
}

/// A path or query that cannot be read: 400, of which nothing is recorded, unless the token works no more. That is
/// said first, and recorded, so that a dead token is told the same whatever it asks.
async fn unreadable(
    app: &App,
    asked: &Asked,
    digest: TokenDigest,
    (operation, variables): (Operation, &[&str]),
    faults: &[FieldFault],
) -> Reply {
    if is_dead(app, asked, digest).await {
        let account = variables.first().and_then(|raw| path::number(raw).ok()).map(AccountId);
        let (route, target) = (route_of(operation), AskedTarget::Unreadable);
        let asked_for = Use { digest, route, account, target, mapped: None, certificate: None, valid: false };
        match app.ledger.submit(Command::Use(asked_for), asked.origin()).await {
            Err(unavailable) => return not_recorded(unavailable),
            Ok(reply) => {
                if let Answer::Use(used) = &reply.answer
                    && let Verdict::Refused(refused) = &used.verdict
                {
                    return judged::dead(app, used, refused, reply.position).await;
                }
                // It works again in the meantime.
            }
        }
    }
    with_rate_limit(app, asked, digest, validation_failed(faults)).await
}

/// Whether a known token's secret opens no door now, or not to this client. The writer judges it again.
async fn is_dead(app: &App, asked: &Asked, digest: TokenDigest) -> bool {
    let look = app.ledger.view_with_digests(|view, digests| {
        let (token, secret) = digests.find(&view.projections.state.tokens, &digest)?;
        Some(token.check(secret, view.now, Some(asked.peer())).is_err())
    });
    look.await.unwrap_or(false)
}

/// A path under `/v2` that is not served: nothing is decided.
pub async fn no_such_path(app: &App, asked: &Asked) -> Reply {
    match shown(app, asked) {
        Ok(digest) => with_rate_limit(app, asked, digest, message(StatusCode::NOT_FOUND, "Not Found")).await,
        Err(reply) => *reply,
    }
}

/// An answer that needs no decision: a known token still sees what it has left.
pub async fn undecided(app: &App, asked: &Asked, reply: Reply) -> Reply {
    match asked.shown() {
        Shown::Bearer(digest) => with_rate_limit(app, asked, digest, reply).await,
        _ => reply,
    }
}

/// What a request asks, once path and query are read.
struct Question<'a> {
    route: Route,
    account: Option<AccountId>,
    target: AskedTarget,
    certificate: Option<u64>,
    valid: bool,
    /// The identifier as it stood in the path, decoded.
    sent: String,
    list: lists::ListQuery,
    /// The name asked for in a research query.
    research_name: &'a str,
}

fn question<'a>(asked: &'a Asked, operation: Operation, variables: &[&str]) -> Result<Question<'a>, Vec<FieldFault>> {
    let mut faults = Vec::new();
    let route = route_of(operation);
    let mut fault = |field: &str, text: &str| faults.push(FieldFault::new(field, text));
    let account = variables
        .first()
        .and_then(|raw| path::number(raw).inspect_err(|text| fault("account", text)).ok().map(AccountId));
    let named = variables.get(1).copied();
    let target = match (named, route) {
        (Some(raw), _) => path::target(raw).inspect_err(|text| fault("name", text)).ok(),
        (None, Route::Domains | Route::Zones | Route::ResearchStatus) => Some(AskedTarget::List),
        (None, _) => Some(AskedTarget::None),
    };
    let certificate = variables.get(2).map(|raw| path::number(raw).inspect_err(|text| fault("certificate", text)));
    let query = asked.query.as_deref().unwrap_or_default();
    if asked.query.is_none() {
        faults.push(FieldFault::new("query", "does not decode"));
    }
    let list = lists::ListQuery::read(query, route, &mut faults);
    let research_name = research_name(query, route, &mut faults);
    let valid = route != Route::ResearchStatus || is_researchable(research_name);
    let sent = named.and_then(|raw| path::decode(raw).ok()).unwrap_or_default();
    match target {
        Some(target) if faults.is_empty() => {
            let certificate = certificate.and_then(Result::ok);
            Ok(Question { route, account, target, certificate, valid, sent, list, research_name })
        }
        _ => Err(faults),
    }
}

fn research_name<'a>(query: &'a [(String, String)], route: Route, faults: &mut Vec<FieldFault>) -> &'a str {
    if route != Route::ResearchStatus {
        return "";
    }
    let mut names = query.iter().filter(|(key, _)| key == "domain");
    match (names.next(), names.next()) {
        (Some((_, name)), None) => name,
        (None, _) => {
            faults.push(FieldFault::new("domain", "can't be blank"));
            ""
        }
        _ => {
            faults.push(FieldFault::new("domain", "is given twice"));
            ""
        }
    }
}

/// A registrable-looking name: a domain name with at least two labels.
fn is_researchable(name: &str) -> bool {
    normalize_domain_name(name).is_ok_and(|name| name.contains('.') && !name.contains('*'))
}

fn route_of(operation: Operation) -> Route {
    match operation {
        Operation::ListAccounts => Route::Accounts,
        Operation::ListDomains => Route::Domains,
        Operation::GetDomain => Route::Domain,
        Operation::ListZones => Route::Zones,
        Operation::GetZone => Route::Zone,
        Operation::ListCertificates => Route::Certificates,
        Operation::GetCertificate => Route::Certificate,
        Operation::ResearchStatus => Route::ResearchStatus,
        _ => Route::Whoami,
    }
}

/// The digest of a known token, or the answer to whoever shows none.
fn shown(app: &App, asked: &Asked) -> Result<TokenDigest, Box<Reply>> {
    match asked.shown() {
        Shown::Nothing => Err(Box::new(unauthenticated(app, asked, "Bearer realm=\"token-ledger\""))),
        Shown::Unreadable => {
            let mut reply = message(StatusCode::BAD_REQUEST, "More than one Authorization header");
            let challenge = "Bearer realm=\"token-ledger\", error=\"invalid_request\"";
            answer::add_header(&mut reply, header::WWW_AUTHENTICATE, challenge);
            Err(Box::new(reply))
        }
        Shown::Bearer(digest) if app.ledger.knows(&digest) => Ok(digest),
        Shown::Malformed | Shown::Bearer(_) => Err(Box::new(unauthenticated(app, asked, INVALID_TOKEN))),
    }
}

const INVALID_TOKEN: &str = "Bearer realm=\"token-ledger\", error=\"invalid_token\"";

/// 401, or 429 once an address has failed too often.
fn unauthenticated(app: &App, asked: &Asked, challenge: &'static str) -> Reply {
    app.metrics.count_unauthenticated();
    match app.failures.fail(asked.peer(), app.ledger.clock().now()) {
        Ok(()) => {
            let mut reply = message(StatusCode::UNAUTHORIZED, "Authentication failed");
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            reply
        }
        Err(seconds) => {
            let mut reply = message(StatusCode::TOO_MANY_REQUESTS, "quota exceeded");
            answer::add_retry_after(&mut reply, seconds);
            reply
        }
    }
}

/// Adds the rate headers, and the expiry, of a known token to an answer given before the decision. Nothing of it is
/// recorded, so a client at an address that the token is not for learns nothing.
async fn with_rate_limit(app: &App, asked: &Asked, digest: TokenDigest, mut reply: Reply) -> Reply {
    let window = app
        .ledger
        .view_with_digests(|view, digests| {
            let state = &view.projections.state;
            let (token, secret) = digests.find(&state.tokens, &digest)?;
            if token.check(secret, view.now, Some(asked.peer())).is_err() || !token.kind.is_consumer() {
                return None;
            }
            let account = match token.owner {
                crate::domain::token::Owner::Account(account) => account,
                _ => AccountId::NONE,
            };
            let (limit, window) = state.pool(account, token.owner)?;
            Some((window.view(limit, view.now), token.expires_at, view.now))
        })
        .await;
    if let Some((window, expires_at, now)) = window {
        answer::add_rate_limit(&mut reply, &window, now);
        scopes::add_expiration(&mut reply, expires_at);
    }
    reply
}

fn not_recorded(unavailable: Unavailable) -> Reply {
    let mut reply = message(StatusCode::SERVICE_UNAVAILABLE, &unavailable.to_string());
    answer::add_retry_after(&mut reply, unavailable.retry_seconds());
    reply
}
