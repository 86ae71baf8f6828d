//! Answers to uses that are decided and recorded.

use super::{Outcome, Question, ResourceId, Route, UseAnswer, Value, Verdict, json, lists, shapes};
use crate::domain::access::Verb;
use crate::domain::decide::{Answer, Refused};
use crate::domain::directory::ResourceFacts;
use crate::domain::event::Cause;
use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use crate::http::App;
use crate::http::answer::{self, Reply};
use crate::http::entry::Asked;
use crate::http::problem::{self, message};
use crate::http::refusal::{self, Told};
use crate::http::scopes;
use crate::ledger;
use serde::Serialize;
use warp::http::{HeaderValue, StatusCode, header};

pub(super) async fn answer(app: &App, asked: &Asked, question: &Question<'_>, reply: ledger::Reply) -> Reply {
    let Answer::Use(used) = reply.answer else {
        // It was no token's digest after all, see `Ledger::knows`.
        return super::unauthenticated(app, asked, super::INVALID_TOKEN);
    };
    let mut answered = match &used.verdict {
        // Boxed, or every use would carry the room that only refusals need.
        Verdict::Refused(refused) => Box::pin(refused_answer(app, question, &used, refused, reply.position)).await,
        Verdict::Allowed { outcome: Outcome::NotFound, .. } => not_found(question),
        Verdict::Allowed { outcome: Outcome::Invalid, .. } => research_invalid(asked, question),
        Verdict::Allowed { .. } => allowed(app, asked, question, &used).await,
    };
    add_traces(&mut answered, &used, reply.position);
    if !is_closed(&used.verdict)
        && let Some(group) = group_name(question.route)
    {
        answer::add_header(&mut answered, scopes::ACCEPTED_SCOPES, &required_scope(group, question));
    }
    answered
}

/// The answer to a token that does not work, here or at all, whatever it asked.
pub(super) async fn dead(app: &App, used: &UseAnswer, refused: &Refused, position: Option<Position>) -> Reply {
    let told = refusal::tell(app, refused.cause, position, None).await;
    let mut answered = match refused.cause {
        Cause::AddressNotAllowed => address_not_allowed(&told),
        _ => closed(&told),
    };
    told.add_decision(&mut answered);
    add_traces(&mut answered, used, position);
    answered
}

fn add_traces(answered: &mut Reply, used: &UseAnswer, position: Option<Position>) {
    if let Some(window) = &used.window {
        answer::add_rate_limit(answered, window, used.now);
    }
    if !is_closed(&used.verdict) {
        answer::add_position(answered, position);
        scopes::add_expiration(answered, used.expires_at);
    }
}

/// A 401 has no receipt.
fn is_closed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused(refused) if refused.cause.is_closed())
}

fn challenged(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(super::INVALID_TOKEN));
    reply
}

/// 401 for a token that does not work. Whoever shows its secret may know why.
fn closed(told: &Told) -> Reply {
    challenged(refusal::message(StatusCode::UNAUTHORIZED, "Authentication failed", told))
}

fn address_not_allowed(told: &Told) -> Reply {
    let words = "Permission Denied. This token may not be used from this address";
    refusal::message(StatusCode::FORBIDDEN, words, told)
}

async fn refused_answer(
    app: &App,
    question: &Question<'_>,
    used: &UseAnswer,
    refused: &Refused,
    position: Option<Position>,
) -> Reply {
    let told = refusal::tell(app, refused.cause, position, used.window).await;
    let mut reply = refusal(question, used, refused, &told);
    told.add_decision(&mut reply);
    if !is_closed(&used.verdict)
        && let Some(scopes) = used.access.as_ref().and_then(|access| scopes::scopes(app, access))
    {
        answer::add_header(&mut reply, scopes::TOKEN_SCOPES, &scopes);
    }
    reply
}

fn refusal(question: &Question<'_>, used: &UseAnswer, refused: &Refused, told: &Told) -> Reply {
    let message = |status, words: &str| refusal::message(status, words, told);
    match refused.cause {
        Cause::TokenDeleted | Cause::TokenExpired | Cause::SecretEnded | Cause::NotYetValid => closed(told),
        Cause::AddressNotAllowed => address_not_allowed(told),
        // Of rights only gateways are asked, elsewhere.
        Cause::WrongKind | Cause::MissingRight => {
            message(StatusCode::FORBIDDEN, "Permission Denied. This kind of token does not call this API")
        }
        // The same of an account that is there and of one that is not, unless the token's user was a member of it.
        Cause::ForeignAccount if !told.names_an_event() => problem::message(StatusCode::NOT_FOUND, "Not Found"),
        Cause::ForeignAccount => message(StatusCode::NOT_FOUND, "Not Found"),
        // Only a gateway's route names no account where one is needed.
        Cause::MissingScope | Cause::NoAccount => missing_scope(question, told),
        Cause::MissingFeature => {
            message(StatusCode::PRECONDITION_FAILED, "Domain Research is not active for this account")
        }
        Cause::QuotaExceeded => {
            let mut reply = message(StatusCode::TOO_MANY_REQUESTS, "quota exceeded");
            let reset = used.window.map_or(0, |window| window.reset_or_full(used.now));
            answer::add_retry_after(&mut reply, reset.saturating_sub(used.now.seconds()).max(1));
            reply
        }
        Cause::MonthlyCapReached => {
            let mut reply = message(StatusCode::TOO_MANY_REQUESTS, "Monthly request cap reached");
            let ends = refused.month_ends.unwrap_or(used.now);
            answer::add_header(&mut reply, header::RETRY_AFTER, &http_date(ends));
            reply
        }
    }
}

/// 403 with the scope, in DNSimple's words and in RFC 6750's.
fn missing_scope(question: &Question<'_>, told: &Told) -> Reply {
    let scope = required_scope(group_name(question.route).unwrap_or("domains"), question);
    let told = told.clone().with("required_scopes", vec![scope.clone()]);
    let words = format!("Permission Denied. Required Scope: {scope}");
    let mut reply = refusal::message(StatusCode::FORBIDDEN, &words, &told);
    let challenge = format!("Bearer realm=\"token-ledger\", error=\"insufficient_scope\", scope=\"{scope}\"");
    answer::add_header(&mut reply, header::WWW_AUTHENTICATE, &challenge);
    reply
}

/// The scope group that a route is judged in; none where it needs no scope.
fn group_name(route: Route) -> Option<&'static str> {
    match route {
        Route::Whoami | Route::Accounts | Route::Mapped(_) | Route::Asked(_) => None,
        Route::Domains | Route::Domain => Some("domains"),
        Route::Zones | Route::Zone => Some("zones"),
        Route::Certificates | Route::Certificate => Some("certificates"),
        Route::ResearchStatus => Some("domain_research"),
    }
}

/// As the request sent it: what a number meant is not said.
fn required_scope(group: &str, question: &Question<'_>) -> String {
    let name = match &question.target {
        super::AskedTarget::Name(name) => name.as_str(),
        super::AskedTarget::Number(_) => question.sent.as_str(),
        _ => "*",
    };
    format!("{group}:{name}:{}", Verb::Read.name())
}

fn not_found(question: &Question<'_>) -> Reply {
    let sent = &question.sent;
    let text = match (question.route, question.certificate) {
        (Route::Zone, _) => format!("Zone `{sent}` not found"),
        (Route::Certificate, Some(certificate)) => format!("Certificate `{certificate}` not found"),
        _ => format!("Domain `{sent}` not found"),
    };
    message(StatusCode::NOT_FOUND, &text)
}

/// DNSimple answers an invalid name with 400 and a `data` body, without `message`.
fn research_invalid(asked: &Asked, question: &Question<'_>) -> Reply {
    let name = question.research_name;
    let errors = [format!("'{name}': Invalid domain name")];
    answer::json(StatusCode::BAD_REQUEST, &json!({ "data": research(asked, name, &errors) }))
}

/// The service asks no registry: it answers for the scope, the feature and the counting, with `unknown`.
fn research(asked: &Asked, name: &str, errors: &[String]) -> Value {
    json!({ "request_id": asked.request.to_string(), "domain": name, "availability": "unknown", "errors": errors })
}

async fn allowed(app: &App, asked: &Asked, question: &Question<'_>, used: &UseAnswer) -> Reply {
    let texts = app.ledger.texts();
    match question.route {
        // Mapped routes are asked about by gateways only; this API serves its own.
        Route::Whoami | Route::Mapped(_) | Route::Asked(_) => answer::json(StatusCode::OK, &whoami(app, used)),
        Route::Accounts => {
            let accounts: Vec<_> = used.accounts.iter().map(|account| shapes::account_card(texts, account)).collect();
            answer::json(StatusCode::OK, &shapes::Data { data: accounts })
        }
        Route::ResearchStatus => {
            let errors = ["No registry is connected to this service".to_owned()];
            answer::json(StatusCode::OK, &json!({ "data": research(asked, question.research_name, &errors) }))
        }
        Route::Domains | Route::Zones | Route::Certificates => Box::pin(lists::answer(app, question, used)).await,
        Route::Domain | Route::Zone | Route::Certificate => Box::pin(one(app, question, used)).await,
    }
}

/// `GET /v2/whoami`: exactly one of the two is null.
#[derive(Serialize)]
struct Whoami {
    user: Option<shapes::UserShape>,
    account: Option<shapes::AccountShape>,
}

fn whoami(app: &App, used: &UseAnswer) -> impl Serialize {
    let texts = app.ledger.texts();
    let user = used.user.map(|user| shapes::user_card(texts, &user));
    let account = match user {
        Some(_) => None,
        None => used.account.map(|account| shapes::account_card(texts, &account)),
    };
    shapes::Data { data: Whoami { user, account } }
}

async fn one(app: &App, question: &Question<'_>, used: &UseAnswer) -> Reply {
    let Verdict::Allowed { resource: Some(id), .. } = used.verdict else { return not_found(question) };
    let shape = app.ledger.view(|view| shape_of(&view, id)).await;
    match shape {
        Some(shape) => answer::json(StatusCode::OK, &json!({ "data": shape })),
        None => not_found(question),
    }
}

fn shape_of(view: &ledger::View<'_>, id: ResourceId) -> Option<Value> {
    let resource = view.projections.state.resources.get(id.0)?;
    Some(match &resource.facts {
        ResourceFacts::Domain(facts) => shapes::domain(view.texts, resource, facts),
        ResourceFacts::Zone(facts) => shapes::zone(view.texts, resource, facts),
        ResourceFacts::Certificate(facts) => shapes::certificate(view, resource, facts),
    })
}

/// IMF-fixdate of RFC 9110 section 5.6.7.
fn http_date(at: Timestamp) -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let seconds = i64::try_from(at.seconds()).unwrap_or(0);
    let date = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    date.format(format).unwrap_or_default()
}
