//! From a decision to what a gateway understands.

use super::dialect::Dialect;
use crate::domain::decide::{Answer, UseAnswer, Verdict};
use crate::domain::event::Cause;
use crate::domain::scope_map::{Required, Undecidable};
use crate::http::App;
use crate::http::answer::{self, Reply};
use crate::http::problem::Problem;
use crate::http::refusal::{self, DECISION_ID, Told};
use crate::http::scopes::{self, ACCEPTED_SCOPES, TOKEN_EXPIRATION, TOKEN_SCOPES};
use crate::ledger::{self, Unavailable};
use warp::http::{HeaderName, HeaderValue, StatusCode, header};

/// Headers of an answer, what the server adds included: room for them is taken once.
const HEADERS_EXPECTED: usize = 24;
/// Width of the window in the IETF's headers.
const WINDOW_SECONDS: u64 = 3_600;

const TOKEN_ID: HeaderName = HeaderName::from_static("x-token-id");
const TOKEN_KIND: HeaderName = HeaderName::from_static("x-token-kind");
const TOKEN_ACCOUNT: HeaderName = HeaderName::from_static("x-token-account");
const TOKEN_USER: HeaderName = HeaderName::from_static("x-token-user");
const AUTH_STATUS: HeaderName = HeaderName::from_static("x-auth-status");
const RATE_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE: HeaderName = HeaderName::from_static("ratelimit");

/// nginx understands 2xx, 401 and 403 of an authorization request and makes an error of anything else: what else is
/// refused becomes 403, and says its status beside it. A failure of ours stays one, so that nothing passes.
pub fn in_dialect(dialect: Dialect, mut reply: Reply) -> Reply {
    let status = reply.status();
    let is_understood = status.is_success() || matches!(status.as_u16(), 401 | 403) || status.is_server_error();
    if dialect == Dialect::Nginx && !is_understood {
        answer::add_header(&mut reply, AUTH_STATUS, status.as_str());
        *reply.status_mut() = StatusCode::FORBIDDEN;
    }
    reply
}

/// The answer to a decided question.
pub async fn answer(app: &App, required: &Required<'_>, reply: ledger::Reply) -> Reply {
    let Answer::Use(used) = reply.answer else { return Problem::invalid_token().into_reply() };
    let mut answered = match &used.verdict {
        Verdict::Allowed { .. } => answer::empty(StatusCode::OK),
        Verdict::Refused(refused) => {
            // Boxed, or every question would carry the room that only refusals need.
            let told = Box::pin(refusal::tell(app, refused.cause, reply.position, used.window)).await;
            refusal(required, &used, refused.cause, told)
        }
    };
    if is_closed(&used.verdict) {
        return answered;
    }
    say_who(app, &mut answered, &used);
    say_rate(&mut answered, &used);
    scopes::add_expiration(&mut answered, used.expires_at);
    let position = reply.position.map(|position| position.0.to_string()).unwrap_or_default();
    answer::add_header(&mut answered, DECISION_ID, &position);
    answer::add_position(&mut answered, reply.position);
    if let Some(scope) = required.scope() {
        answer::add_header(&mut answered, ACCEPTED_SCOPES, &scope);
    }
    answered
}

fn is_closed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused(refused) if refused.cause.is_closed())
}

fn refusal(required: &Required<'_>, used: &UseAnswer, cause: Cause, told: Told) -> Reply {
    let scope = required.scope().filter(|_| cause == Cause::MissingScope);
    let problem = problem_of(used, cause, scope.as_deref()).with_cause(told);
    let mut reply = problem.into_reply();
    if let Some(scope) = scope {
        let challenge = format!("Bearer realm=\"token-ledger\", error=\"insufficient_scope\", scope=\"{scope}\"");
        answer::add_header(&mut reply, header::WWW_AUTHENTICATE, &challenge);
    }
    reply
}

fn problem_of(used: &UseAnswer, cause: Cause, scope: Option<&str>) -> Problem {
    let problem = |status, slug, title, detail: &str| Problem::new(status, slug, title, detail);
    match cause {
        Cause::TokenDeleted | Cause::TokenExpired | Cause::SecretEnded | Cause::NotYetValid => Problem::invalid_token(),
        Cause::AddressNotAllowed => Problem::address_not_allowed(),
        Cause::WrongKind | Cause::MissingRight => {
            let detail = "tokens of this kind do not call this API";
            problem(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
        }
        Cause::NoAccount => {
            let detail = "the path names no account, and this token acts on more than one";
            problem(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
        }
        Cause::ForeignAccount => Problem::not_found("not found"),
        Cause::MissingScope => missing_scope(scope.unwrap_or_default()),
        Cause::MissingFeature => {
            let detail = "Domain Research is not active for this account";
            problem(StatusCode::PRECONDITION_FAILED, "missing-feature", "Feature not active", detail)
        }
        Cause::QuotaExceeded => {
            let reset = used.window.map_or(0, |window| window.reset_or_full(used.now));
            over_quota("quota exceeded", reset.saturating_sub(used.now.seconds()).max(1))
        }
        Cause::MonthlyCapReached => {
            let ends = used.now.month().end().seconds();
            over_quota("monthly request cap reached", ends.saturating_sub(used.now.seconds()).max(1))
        }
    }
}

fn missing_scope(scope: &str) -> Problem {
    let detail = format!("Permission Denied. Required Scope: {scope}");
    let problem = Problem::new(StatusCode::FORBIDDEN, "insufficient-scope", "Insufficient scope", detail);
    problem.with("required_scopes", vec![scope])
}

fn over_quota(detail: &str, seconds: u64) -> Problem {
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "quota-exceeded", "Quota exceeded", detail);
    problem.with_retry_after(seconds)
}

/// 403 for what the map does not decide: default deny, with the reason.
pub fn undecidable(why: &Undecidable) -> Reply {
    Problem::new(StatusCode::FORBIDDEN, "undecidable", "Cannot be decided", why.to_string()).into_reply()
}

/// 503: what cannot be recorded does not pass.
pub fn not_recorded(unavailable: Unavailable) -> Reply {
    crate::http::manage::unavailable(unavailable).into_reply()
}

/// Always all of these headers, empty where they do not apply: one that were left out would let a client's own header
/// of that name through some gateways.
fn say_who(app: &App, reply: &mut Reply, used: &UseAnswer) {
    let number = |id: Option<u64>| id.map_or(HeaderValue::from_static(""), HeaderValue::from);
    let headers = reply.headers_mut();
    headers.reserve(HEADERS_EXPECTED);
    headers.insert(TOKEN_ID, used.token.0.into());
    headers.insert(TOKEN_KIND, HeaderValue::from_static(used.kind.name()));
    headers.insert(TOKEN_ACCOUNT, number(used.account.map(|account| account.id.0)));
    headers.insert(TOKEN_USER, number(used.user.map(|user| user.id.0)));
    // A token without an end gets it empty.
    headers.insert(TOKEN_EXPIRATION, HeaderValue::from_static(""));
    let scopes = used.access.as_ref().and_then(|access| scopes::scopes(app, access)).unwrap_or_default();
    answer::add_header(reply, TOKEN_SCOPES, &scopes);
}

/// The window in DNSimple's headers and in those of draft-ietf-httpapi-ratelimit-headers.
fn say_rate(reply: &mut Reply, used: &UseAnswer) {
    let Some(window) = &used.window else { return };
    answer::add_rate_limit(reply, window, used.now);
    let seconds = window.reset_or_full(used.now).saturating_sub(used.now.seconds());
    answer::add_header(reply, RATE_POLICY, &format!("\"hour\";q={};w={WINDOW_SECONDS}", window.limit));
    answer::add_header(reply, RATE, &format!("\"hour\";r={};t={seconds}", window.remaining));
}
