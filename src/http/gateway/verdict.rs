//! From a decision to what a gateway understands.

use super::dialect::Dialect;
use crate::domain::access::{Access, Coverage, Level};
use crate::domain::decide::{Answer, UseAnswer, Verdict};
use crate::domain::event::Cause;
use crate::domain::scope_map::{Required, Undecidable};
use crate::http::App;
use crate::http::answer::{self, Reply};
use crate::http::problem::Problem;
use crate::ledger::{self, Unavailable};
use warp::http::{HeaderName, StatusCode, header};

/// Names of a group that are told one by one; of more it is said that there is a list.
const NAMES_TOLD_MAX: usize = 20;
/// Width of the window in the IETF's headers.
const WINDOW_SECONDS: u64 = 3_600;

const TOKEN_ID: HeaderName = HeaderName::from_static("x-token-id");
const TOKEN_KIND: HeaderName = HeaderName::from_static("x-token-kind");
const TOKEN_ACCOUNT: HeaderName = HeaderName::from_static("x-token-account");
const TOKEN_USER: HeaderName = HeaderName::from_static("x-token-user");
const TOKEN_SCOPES: HeaderName = HeaderName::from_static("x-token-scopes");
const ACCEPTED_SCOPES: HeaderName = HeaderName::from_static("x-accepted-token-scopes");
const DECISION_ID: HeaderName = HeaderName::from_static("x-decision-id");
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
pub fn answer(app: &App, required: &Required<'_>, reply: ledger::Reply) -> Reply {
    let Answer::Use(used) = reply.answer else { return Problem::invalid_token().into_reply() };
    let mut answered = match &used.verdict {
        Verdict::Allowed { .. } => answer::empty(StatusCode::OK),
        Verdict::Refused(refused) => refusal(required, &used, refused.cause),
    };
    if is_closed(&used.verdict) {
        return answered;
    }
    say_who(app, &mut answered, &used);
    say_rate(&mut answered, &used);
    let position = reply.position.map(|position| position.0.to_string()).unwrap_or_default();
    answer::add_header(&mut answered, DECISION_ID, &position);
    answer::add_position(&mut answered, reply.position);
    if let Some(scope) = required.scope() {
        answer::add_header(&mut answered, ACCEPTED_SCOPES, &scope);
    }
    answered
}

fn is_closed(verdict: &Verdict) -> bool {
    let closed = [Cause::TokenDeleted, Cause::TokenExpired, Cause::SecretEnded, Cause::NotYetValid];
    matches!(verdict, Verdict::Refused(refused) if closed.contains(&refused.cause))
}

fn refusal(required: &Required<'_>, used: &UseAnswer, cause: Cause) -> Reply {
    let problem =
        |status, slug, title, detail: &str| Problem::new(status, slug, title, detail).with("cause", cause.name());
    match cause {
        Cause::TokenDeleted | Cause::TokenExpired | Cause::SecretEnded | Cause::NotYetValid => {
            Problem::invalid_token().into_reply()
        }
        Cause::AddressNotAllowed => Problem::address_not_allowed().into_reply(),
        Cause::WrongKind | Cause::MissingRight => {
            let detail = "tokens of this kind do not call this API";
            problem(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail).into_reply()
        }
        Cause::NoAccount => {
            let detail = "the path names no account, and this token acts on more than one";
            problem(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail).into_reply()
        }
        Cause::ForeignAccount => Problem::not_found("not found").into_reply(),
        Cause::MissingScope => missing_scope(required),
        Cause::MissingFeature => {
            let detail = "Domain Research is not active for this account";
            problem(StatusCode::PRECONDITION_FAILED, "missing-feature", "Feature not active", detail).into_reply()
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

/// 403 with the scope, in RFC 6750's words too.
fn missing_scope(required: &Required<'_>) -> Reply {
    let scope = required.scope().unwrap_or_default();
    let detail = format!("Permission Denied. Required Scope: {scope}");
    let problem = Problem::new(StatusCode::FORBIDDEN, "insufficient-scope", "Insufficient scope", detail);
    let mut reply = problem.with("required_scopes", vec![scope.clone()]).into_reply();
    let challenge = format!("Bearer realm=\"token-ledger\", error=\"insufficient_scope\", scope=\"{scope}\"");
    answer::add_header(&mut reply, header::WWW_AUTHENTICATE, &challenge);
    reply
}

fn over_quota(detail: &str, seconds: u64) -> Reply {
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "quota-exceeded", "Quota exceeded", detail);
    problem.with_retry_after(seconds).into_reply()
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
    let number = |id: Option<u64>| id.map(|id| id.to_string()).unwrap_or_default();
    let rows = [
        (TOKEN_ID, used.token.0.to_string()),
        (TOKEN_KIND, used.kind.name().to_owned()),
        (TOKEN_ACCOUNT, number(used.account.map(|account| account.id.0))),
        (TOKEN_USER, number(used.user.map(|user| user.id.0))),
        (TOKEN_SCOPES, used.access.as_ref().map(|access| scopes(app, access)).unwrap_or_default()),
    ];
    for (name, value) in rows {
        answer::add_header(reply, name, &value);
    }
}

/// An access as scopes, separated by spaces (RFC 6749 section 3.3): `full`, or one a grant and name.
pub(in crate::http) fn scopes(app: &App, access: &Access) -> String {
    let Access::Granted(grants) = access else { return "full".to_owned() };
    let map = app.gateway.map().unwrap_or_default();
    let mut scopes = Vec::new();
    for grant in grants {
        let group = map.group_name(grant.group);
        let verb = if grant.level == Level::FullAccess { "write" } else { "read" };
        match &grant.coverage {
            Coverage::All => scopes.push(format!("{group}:*:{verb}")),
            Coverage::Named(names) if names.len() > NAMES_TOLD_MAX => scopes.push(format!("{group}:listed:{verb}")),
            Coverage::Named(names) => {
                let names = names.iter().filter_map(|&name| app.ledger.texts().text(name).ok().flatten());
                scopes.extend(names.map(|name| format!("{group}:{name}:{verb}")));
            }
        }
    }
    scopes.join(" ")
}

/// The window in DNSimple's headers and in those of draft-ietf-httpapi-ratelimit-headers.
fn say_rate(reply: &mut Reply, used: &UseAnswer) {
    let Some(window) = &used.window else { return };
    answer::add_rate_limit(reply, window, used.now);
    let seconds = window.reset_or_full(used.now).saturating_sub(used.now.seconds());
    answer::add_header(reply, RATE_POLICY, &format!("\"hour\";q={};w={WINDOW_SECONDS}", window.limit));
    answer::add_header(reply, RATE, &format!("\"hour\";r={};t={seconds}", window.remaining));
}
