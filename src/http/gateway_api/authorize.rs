//! `POST /v1/authorize`: may these requests pass?

use super::questions::{Asking, BODY_BYTES_MAX, Sent, read};
use super::{admit, map_in_force, submit};
use crate::domain::access::Visible;
use crate::domain::command::{GatewayCall, GatewayWish};
use crate::domain::decide::{Answer, Answered, UseAnswer, Verdict};
use crate::domain::event::{Cause, ManagementOperation};
use crate::domain::gateway::GatewayRight;
use crate::domain::ids::Position;
use crate::domain::names::normalize_domain_name;
use crate::domain::rejection::Rejection;
use crate::domain::token_text::TokenDigest;
use crate::http::App;
use crate::http::answer::{self, Reply};
use crate::http::entry::{Asked, Body};
use crate::http::manage::check_json;
use crate::http::problem::Problem;
use crate::http::shapes::{self, Data};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::HashSet;
use warp::http::StatusCode;

pub(super) async fn answer(app: &App, asked: &Asked, body: Body) -> Result<Reply, Box<Problem>> {
    let gateway = admit(app, asked, GatewayRight::Authorize, ManagementOperation::Authorize).await?;
    asked.no_parameters()?;
    check_json(asked)?;
    let body = body.read_up_to(BODY_BYTES_MAX, asked.headers()).await?;
    let sent = read(&body, &*map_in_force(app)?)?;
    let (asked_for, answered, position) = decide(app, asked, gateway, sent).await?;
    let results = asked_for.iter().zip(&answered).map(|(asking, answered)| result(app, asking, answered)).collect();
    let mut reply = answer::json(StatusCode::OK, &Data::<Vec<ResultShape<'_>>> { data: results });
    answer::add_position(&mut reply, position);
    Ok(reply)
}

/// An answer for each question. About a text that can be no token nobody needs to be asked.
async fn decide(
    app: &App,
    asked: &Asked,
    gateway: TokenDigest,
    sent: Sent,
) -> Result<(Vec<Asking>, Vec<Answered>, Option<Position>), Box<Problem>> {
    let Sent { shown, client, dry_run, asked: asked_for } = sent;
    let unknown = || Answered { answer: Err(Rejection::UnknownToken), position: None };
    let Some(shown) = shown.filter(|shown| app.ledger.knows(shown)) else {
        let answered = asked_for.iter().map(|_| unknown()).collect();
        return Ok((asked_for, answered, None));
    };
    let questions = asked_for.iter().map(|asking| asking.question.clone()).collect();
    let wish = GatewayWish::Authorize { shown, client, questions, dry_run };
    let reply = submit(app, asked, GatewayCall { gateway, wish }).await?;
    let Answer::Authorized(answered) = reply.answer else {
        return Err(Box::new(Problem::malformed("the command was not a question")));
    };
    Ok((asked_for, answered, reply.position))
}

/// One answer.
#[derive(Debug, Serialize)]
struct ResultShape<'a> {
    allowed: bool,
    code: &'static str,
    /// The status that the API behind should answer its client with.
    status: u16,
    cause: Option<&'static str>,
    /// Why it cannot be decided.
    reason: Option<&'a str>,
    required_scope: Option<&'a str>,
    decision_id: Option<u64>,
    token_id: Option<u64>,
    account_id: Option<u64>,
    user_id: Option<u64>,
    rate_limit: Option<RateShape>,
    retry_after: Option<u64>,
    visible: Option<Vec<&'a str>>,
}

#[derive(Debug, Serialize)]
struct RateShape {
    limit: u64,
    remaining: u64,
    /// Unix seconds.
    reset: u64,
}

impl<'a> ResultShape<'a> {
    fn refused(asking: &'a Asking, code: &'static str, status: u16) -> Self {
        Self {
            allowed: false,
            code,
            status,
            cause: None,
            reason: None,
            required_scope: asking.required_scope.as_deref(),
            decision_id: None,
            token_id: None,
            account_id: None,
            user_id: None,
            rate_limit: None,
            retry_after: None,
            visible: None,
        }
    }
}

fn result<'a>(app: &App, asking: &'a Asking, answered: &Answered) -> ResultShape<'a> {
    let used = match &answered.answer {
        Ok(used) => used,
        Err(Rejection::Unreadable) => {
            let reason = asking.undecidable.as_deref();
            return ResultShape { reason, ..ResultShape::refused(asking, "UNDECIDABLE", 403) };
        }
        Err(_) => return ResultShape::refused(asking, "NOT_FOUND", 401),
    };
    let (cause, (code, status)) = match &used.verdict {
        Verdict::Allowed { .. } => (None, ("VALID", 200)),
        Verdict::Refused(refused) => (Some(refused.cause), code_of(refused.cause)),
    };
    ResultShape {
        allowed: cause.is_none(),
        cause: cause.map(Cause::name),
        decision_id: answered.position.map(|position| position.0),
        token_id: Some(used.token.0),
        account_id: used.account.map(|account| account.id.0),
        user_id: used.user.map(|user| user.id.0),
        rate_limit: rate(used),
        retry_after: cause.and_then(|cause| retry_after(used, cause)),
        visible: visible(app, asking, &used.verdict),
        ..ResultShape::refused(asking, code, status)
    }
}

/// The word for a refusal, and the status that the API behind should answer with: what forward authentication says.
fn code_of(cause: Cause) -> (&'static str, u16) {
    match cause {
        Cause::TokenExpired | Cause::SecretEnded => ("EXPIRED", 401),
        Cause::TokenDeleted => ("DISABLED", 401),
        Cause::NotYetValid => ("NOT_YET_VALID", 401),
        Cause::WrongKind | Cause::MissingRight | Cause::NoAccount | Cause::AddressNotAllowed => ("FORBIDDEN", 403),
        Cause::ForeignAccount => ("FORBIDDEN", 404),
        Cause::MissingScope => ("INSUFFICIENT_PERMISSIONS", 403),
        Cause::MissingFeature => ("FORBIDDEN", 412),
        Cause::QuotaExceeded => ("RATE_LIMITED", 429),
        Cause::MonthlyCapReached => ("USAGE_EXCEEDED", 429),
    }
}

fn rate(used: &UseAnswer) -> Option<RateShape> {
    let window = used.window?;
    Some(RateShape { limit: window.limit, remaining: window.remaining, reset: window.reset_or_full(used.now) })
}

/// Seconds until what was used up is there again.
fn retry_after(used: &UseAnswer, cause: Cause) -> Option<u64> {
    let again = match cause {
        Cause::QuotaExceeded => used.window?.reset_or_full(used.now),
        Cause::MonthlyCapReached => used.now.month().end().seconds(),
        _ => return None,
    };
    Some(again.saturating_sub(used.now.seconds()).max(1))
}

/// Those of the candidates that the token may see, as they were sent and in their order.
fn visible<'a>(app: &App, asking: &'a Asking, verdict: &Verdict) -> Option<Vec<&'a str>> {
    let candidates = asking.candidates.as_ref()?;
    let Verdict::Allowed { visible, .. } = verdict else { return None };
    let numbers = match visible {
        Visible::All => return Some(candidates.iter().map(String::as_str).collect()),
        Visible::Named(numbers) => numbers,
    };
    let texts = app.ledger.texts();
    let names: HashSet<SmolStr> = numbers.iter().filter_map(|&number| shapes::text(texts, number)).collect();
    let group = asking.required_scope.as_deref().and_then(|scope| scope.split(':').next()).unwrap_or_default();
    // Of a group of the scope map another spelling may be another thing.
    let is_exact = app.gateway.map().is_none_or(|map| map.map.is_own(group));
    let is_seen = |sent: &&String| {
        normalize_domain_name(sent).is_ok_and(|name| names.contains(name.as_str()) && (!is_exact || name == **sent))
    };
    Some(candidates.iter().filter(is_seen).map(String::as_str).collect())
}
