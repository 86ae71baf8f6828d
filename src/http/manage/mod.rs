//! Management (`/v1`): accounts, users, members, resources, tokens.
//!
//! The credential is judged before the body is read; the writer judges it again when it decides.

mod changes;
mod clock;
mod conditions;
pub mod dry_run;
mod erasure;
mod gateway;
mod history;
mod idempotency;
mod imports;
mod narrowing;
pub mod oauth;
pub mod past;
pub mod reads;
pub mod reviews;
pub mod sign_in;
pub mod tokens;

use super::answer::{self, Reply};
use super::bearer::Shown;
use super::entry::{Asked, Body};
use super::fields::Fields;
use super::history_reads::Reader;
use super::operations::Operation;
use super::problem::Problem;
use super::{App, path, refusal, session};
use crate::domain::command::{Actor, Change, Command};
use crate::domain::decide::{Answer, Done, DoneSubject, may_change, may_look};
use crate::domain::event::Cause;
use crate::domain::event::ManagementOperation;
use crate::domain::ids::{AccountId, Position, TokenId, UserId, Version};
use crate::domain::rejection::{Conflict, Rejection};
use crate::domain::token::Owner;
use crate::domain::token_text::TokenDigest;
use crate::ledger::{Reply as Decided, Unavailable, View};
use bytes::Bytes;
use serde_json::{Value, json};
use warp::http::{StatusCode, header};

/// An answer, or the problem in its place.
pub type Answered = Result<Reply, Box<Problem>>;

/// Answers a management operation.
pub async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str], body: Body) -> Answered {
    use Operation as Op;
    match operation {
        Op::GetSelf => reads::own_token(app, asked).await,
        Op::AcceptClock => clock::accept(app, asked).await,
        Op::ListUsers
        | Op::GetUser
        | Op::ListManagedAccounts
        | Op::GetAccount
        | Op::ListMembers
        | Op::ListResources
        | Op::ListAccountTokens
        | Op::GetAccountToken
        | Op::ListUserTokens
        | Op::GetUserToken
        | Op::ListStaffTokens
        | Op::ListGatewayTokens
        | Op::GetGatewayToken
        | Op::ListApplications
        | Op::GetApplication
        | Op::ListAuthorizations
        | Op::GetUsage => reads::answer(app, asked, operation, variables).await,
        Op::GetUsageHistory | Op::GetAccountTokenUsage | Op::GetUserTokenUsage => {
            history::answer(app, asked, operation, variables).await
        }
        Op::CreateAccountToken
        | Op::UpdateAccountToken
        | Op::DeleteAccountToken
        | Op::RotateAccountToken
        | Op::CreateUserToken
        | Op::UpdateUserToken
        | Op::DeleteUserToken
        | Op::RotateUserToken
        | Op::CreateStaffToken
        | Op::DeleteStaffToken => tokens::answer(app, asked, operation, variables, body).await,
        Op::EraseUserTexts | Op::EraseAccountTokenTexts | Op::EraseUserTokenTexts => {
            erasure::answer(app, asked, operation, variables).await
        }
        Op::OpenReview | Op::DecideReview | Op::CloseReview => {
            reviews::answer(app, asked, operation, variables, body).await
        }
        Op::NarrowAccountToken => narrowing::answer(app, asked, variables, body).await,
        Op::CreateUserSignInLink
        | Op::CreateStaffSignInLink
        | Op::ListUserSessions
        | Op::ListStaffSessions
        | Op::EndUserSession
        | Op::EndStaffSession => sign_in::answer(app, asked, operation, variables).await,
        Op::CreateApplication
        | Op::UpdateApplication
        | Op::DeleteApplication
        | Op::RotateApplicationSecret
        | Op::RevokeApplication
        | Op::RevokeAuthorization => oauth::answer(app, asked, operation, variables, body).await,
        Op::ImportTokens => imports::answer(app, asked, variables, body).await,
        Op::CreateGatewayToken | Op::UpdateGatewayToken | Op::DeleteGatewayToken | Op::RotateGatewayToken => {
            gateway::answer(app, asked, operation, variables, body).await
        }
        _ => changes::answer(app, asked, operation, variables, body).await,
    }
}

/// What the request shows itself by, or the answer to whoever shows nothing that is known.
pub(super) fn credential(app: &App, asked: &Asked) -> Result<Actor, Box<Problem>> {
    session::actor(app, asked)
}

/// The digest of the bearer token that the request shows, or the answer to whoever shows none that is known.
pub fn bearer(app: &App, asked: &Asked) -> Result<TokenDigest, Box<Problem>> {
    match asked.shown() {
        Shown::Unreadable => Err(Box::new(
            Problem::malformed("more than one Authorization header")
                .with_challenge("Bearer realm=\"token-ledger\", error=\"invalid_request\""),
        )),
        Shown::Bearer(digest) if app.ledger.knows(&digest) => Ok(digest),
        shown => Err(Box::new(unauthenticated(app, asked, shown == Shown::Nothing))),
    }
}

fn unauthenticated(app: &App, asked: &Asked, missing: bool) -> Problem {
    app.metrics.count_unauthenticated();
    if let Err(seconds) = app.failures.fail(asked.peer(), app.ledger.clock().now()) {
        return Problem::too_many_failures(seconds);
    }
    if missing { Problem::missing_token() } else { Problem::invalid_token() }
}

/// The problem that stands for a service that cannot record now.
pub fn unavailable(unavailable: Unavailable) -> Box<Problem> {
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "ledger-unavailable",
        "The ledger cannot record",
        unavailable.to_string(),
    );
    Box::new(problem.with_retry_after(unavailable.retry_seconds()))
}

/// Lets staff look, and members at their account and what is theirs, as the path says whose it is; a refused attempt is
/// recorded before it is answered. Who looks at history says so besides, by [`App::read_history`].
pub async fn authorize_read(app: &App, asked: &Asked, operation: ManagementOperation) -> Result<Reader, Box<Problem>> {
    authorize_read_of(app, asked, (operation, whose(asked))).await
}

/// As [`authorize_read`], of what is this owner's, whatever the path says.
pub async fn authorize_read_of(
    app: &App,
    asked: &Asked,
    wanted: (ManagementOperation, Owner),
) -> Result<Reader, Box<Problem>> {
    authorize_actor(app, asked, credential(app, asked)?, wanted).await
}

/// As [`authorize_read_of`], of somebody whose credential was read already.
pub async fn authorize_actor(
    app: &App,
    asked: &Asked,
    actor: Actor,
    wanted: (ManagementOperation, Owner),
) -> Result<Reader, Box<Problem>> {
    let peer = Some(asked.peer());
    let allowed = app.ledger.view_with_digests(|view, digests| {
        may_look(&view.projections.state, digests, actor, wanted, (view.now, peer)).is_ok()
    });
    if !allowed.await {
        submit(app, asked, actor, Change::Look(wanted.0, wanted.1)).await?;
    }
    Ok(reader(app, actor).await)
}

/// As whom looks of a bearer or a session are recorded.
async fn reader(app: &App, actor: Actor) -> Reader {
    let (Actor::Bearer(digest) | Actor::Session(digest)) = actor else { return Reader { actor, token: TokenId::NONE } };
    let token = app.ledger.view_with_digests(|view, digests| {
        digests.find(&view.projections.state.tokens, &digest).map_or(TokenId::NONE, |(token, _)| token.id)
    });
    Reader { actor, token: token.await }
}

/// Whose things a path is about, of `/v1` or of a page: an account's, a user's, or the service's.
pub(super) fn whose(asked: &Asked) -> Owner {
    let path = asked.path().strip_prefix("/v1").unwrap_or(asked.path());
    let mut segments = path.split('/').skip(1);
    let (kind, number) = (segments.next(), segments.next().and_then(|raw| path::number(raw).ok()));
    match (kind, number) {
        (Some("accounts"), Some(account)) => Owner::Account(AccountId(account)),
        (Some("users"), Some(user)) => Owner::User(UserId(user)),
        _ => Owner::Service,
    }
}

/// Lets operators change, and members their account's tokens and what is theirs; anybody else's attempt is recorded and
/// refused before the body is read. Nothing can be said in the query.
async fn authorize_change(app: &App, asked: &Asked, operation: ManagementOperation) -> Result<Actor, Box<Problem>> {
    let actor = authorize_trial(app, asked, operation).await?;
    asked.no_parameters()?;
    Ok(actor)
}

/// As [`authorize_change`], where the query can say that it is only to be tried, and is read by the operation.
async fn authorize_trial(app: &App, asked: &Asked, operation: ManagementOperation) -> Result<Actor, Box<Problem>> {
    let actor = credential(app, asked)?;
    let (wanted, peer) = ((operation, whose(asked)), Some(asked.peer()));
    let allowed = app.ledger.view_with_digests(|view, digests| {
        may_change(&view.projections.state, digests, actor, wanted, (view.now, peer)).is_ok()
    });
    if !allowed.await {
        submit(app, asked, actor, Change::Attempt(wanted.0, wanted.1)).await?;
    }
    Ok(actor)
}

/// A carried-out change with its receipt.
#[derive(Clone, Copy, Debug)]
pub struct Carried {
    /// What was done.
    pub done: Done,
    /// Its last record; none where nothing had to change.
    pub position: Option<Position>,
    /// Whether it was carried out by an earlier request under the same idempotency key.
    pub repeated: bool,
}

/// Has the writer carry out a change, or the problem that it is refused with.
pub async fn submit(app: &App, asked: &Asked, actor: Actor, change: Change) -> Result<Carried, Box<Problem>> {
    match try_submit(app, asked, actor, change).await? {
        Ok(carried) => Ok(carried),
        Err(rejection) => Err(Box::new(rejected(app, rejection).await)),
    }
}

/// As [`submit`], for whoever has words of their own for a rejection.
pub async fn try_submit(
    app: &App,
    asked: &Asked,
    actor: Actor,
    change: Change,
) -> Result<Result<Carried, Rejection>, Box<Problem>> {
    let command = Command::Manage(actor, Box::new(change));
    let reply = app.ledger.submit(command, asked.origin()).await.map_err(unavailable)?;
    carried_or_rejected(app, reply).await
}

/// The answer to a look at history that was refused after it had been let in.
pub(super) async fn refused_look(app: &App, reply: Decided) -> Box<Problem> {
    match carried_or_rejected(app, reply).await {
        Err(problem) => problem,
        Ok(Err(rejection)) => Box::new(rejected(app, rejection).await),
        Ok(Ok(_)) => Box::new(Problem::invalid_token()),
    }
}

async fn carried_or_rejected(app: &App, reply: Decided) -> Result<Result<Carried, Rejection>, Box<Problem>> {
    match reply.answer {
        Answer::Done(done) => Ok(Ok(Carried { done, position: reply.position, repeated: false })),
        Answer::Repeated(done, position) => Ok(Ok(Carried { done, position: Some(position), repeated: true })),
        Answer::Rejected(Rejection::Closed(cause)) => {
            let told = Box::pin(refusal::tell(app, cause, reply.position, None)).await;
            Err(Box::new(Problem::invalid_token().with_cause(told)))
        }
        // A member's of another account: nobody learns what there is.
        Answer::Rejected(Rejection::Forbidden(Cause::ForeignAccount)) => Err(Box::new(foreign())),
        Answer::Rejected(Rejection::Forbidden(cause)) => {
            let told = Box::pin(refusal::tell(app, cause, reply.position, None)).await;
            Err(Box::new(forbidden(cause).with_cause(told)))
        }
        Answer::Rejected(rejection) => Ok(Err(rejection)),
        Answer::Use(_) | Answer::Authorized(_) | Answer::Reported(_) => {
            Err(Box::new(Problem::malformed("the command was not a change")))
        }
    }
}

/// Every rejection, as a problem.
pub async fn rejected(app: &App, rejection: Rejection) -> Problem {
    match rejection {
        Rejection::UnknownToken | Rejection::Closed(_) => Problem::invalid_token(),
        Rejection::Forbidden(Cause::ForeignAccount) => foreign(),
        Rejection::Forbidden(cause) => forbidden(cause),
        Rejection::NotFound(missing) => Problem::not_found(format!("{} not found", missing.name())),
        Rejection::Invalid(faults) => Problem::invalid(&faults),
        Rejection::InvalidLines(lines) => Problem::invalid_lines(&lines),
        Rejection::Unreadable => Problem::malformed("the request could not be read"),
        Rejection::PlanRequired => Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "plan-required",
            "Another plan is required",
            "on the solo plan access is always full; grants need teams or enterprise",
        )
        .with("required_plan", "teams"),
        Rejection::Conflict(conflict) => conflicting(app, conflict).await,
        Rejection::VersionMismatch(current) => Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "version-conflict",
            "Changed in the meantime",
            format!("If-Match names another version; the current one is {current}"),
        )
        .with("current_version", current.0),
        Rejection::KeyReused => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "Idempotency key used again",
            "this Idempotency-Key was sent with another request within 24 hours; a new request takes a new key",
        ),
        Rejection::LimitReached(limit) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "limit-reached", "Limit reached", limit)
        }
        Rejection::UnknownClient | Rejection::NotExchanged(_) => Problem::not_found("OAuth application not found"),
    }
}

/// What a member of other accounts is told of this one, there or not.
fn foreign() -> Problem {
    Problem::not_found("not found")
}

fn forbidden(cause: Cause) -> Problem {
    let detail = match cause {
        Cause::AddressNotAllowed => return Problem::address_not_allowed(),
        Cause::MissingScope => "this takes a membership with full access to the account",
        _ => "this token may not do this; an operator token can (an auditor token can read)",
    };
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
}

async fn conflicting(app: &App, conflict: Conflict) -> Problem {
    let problem = |slug, detail: String| Problem::new(StatusCode::CONFLICT, slug, "Conflict", detail);
    match conflict {
        Conflict::GrantsExist { tokens, members } => {
            let (tokens, members) = app
                .ledger
                .view(|view| {
                    let state = &view.projections.state;
                    let name = |number| super::shapes::text(view.texts, number);
                    let tokens: Vec<Value> = tokens
                        .iter()
                        .filter_map(|&id| state.token(id))
                        .map(|token| json!({ "id": token.id.0, "name": name(token.name) }))
                        .collect();
                    let members: Vec<Value> = members
                        .iter()
                        .filter_map(|&id| state.user(id))
                        .map(|user| json!({ "user_id": user.id.0, "name": name(user.name) }))
                        .collect();
                    (tokens, members)
                })
                .await;
            let detail = "the solo plan has no grants; give these tokens and members full access or remove them first";
            problem("grants-exist", detail.to_owned()).with("tokens", tokens).with("members", members)
        }
        Conflict::ResourceExists(id) => {
            problem("resource-exists", "the account has a resource of this kind and name".to_owned())
                .with("resource_id", id.0)
        }
        Conflict::DigestExists => problem("digest-exists", "this digest belongs to a token already".to_owned()),
        Conflict::DigestsTaken(taken) => imports::duplicates(&taken),
        Conflict::ClockAsExpected => problem(
            "clock-as-expected",
            "the wall clock is not off by more than 60 s: there is nothing to accept".to_owned(),
        ),
        Conflict::PublicClient => problem(
            "public-client",
            "a public application has no secret; it shows by PKCE that it is the one that asked".to_owned(),
        ),
        Conflict::HeldByApplication => problem(
            "held-by-application",
            "an application holds this token, and gets another by another authorization; delete this one".to_owned(),
        ),
        Conflict::ReviewClosed => problem("review-closed", "this access review is closed; open another one".to_owned()),
        Conflict::LastOperator => problem(
            "last-operator",
            "this is the last operator token that works; create another one before deleting it".to_owned(),
        ),
    }
}

/// A number in the path; anything else is as absent as a number that was never given.
fn path_number(variables: &[&str], index: usize, what: &str) -> Result<u64, Box<Problem>> {
    let raw = variables.get(index).copied().unwrap_or_default();
    path::number(raw).map_err(|_| Box::new(Problem::malformed(format!("the {what} in the path is not a number"))))
}

/// The announced media type without its parameters, in small letters; none where nothing is announced.
pub fn media_type(asked: &Asked) -> Option<String> {
    let kind = asked.headers().get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

async fn fields(asked: &Asked, sent: Body) -> Result<Fields, Box<Problem>> {
    Fields::parse(&body(asked, sent).await?)
}

/// The body of JSON, whole.
async fn body(asked: &Asked, body: Body) -> Result<Bytes, Box<Problem>> {
    check_json(asked)?;
    body.read(asked.headers()).await
}

/// Whether the body is announced as JSON, or as nothing.
pub(super) fn check_json(asked: &Asked) -> Result<(), Box<Problem>> {
    if media_type(asked).is_some_and(|kind| kind != "application/json" && !kind.ends_with("+json")) {
        return Err(Box::new(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "Unsupported media type",
            "send application/json",
        )));
    }
    Ok(())
}

/// The version in `If-Match`: a strong ETag of ours, or `*`, or none.
fn if_match(asked: &Asked) -> Result<Option<Version>, Box<Problem>> {
    let mut values = asked.headers().get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Box::new(Problem::malformed("If-Match stands twice")));
    }
    let text = value.to_str().unwrap_or_default();
    if text == "*" {
        return Ok(None);
    }
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
    match inner.parse::<u64>() {
        // Exactly as it was given: "+3" and "03" are nobody's ETag.
        Ok(number) if number.to_string() == inner => Ok(Some(Version(number))),
        _ => Err(Box::new(Problem::malformed("If-Match must be one ETag that this service gave, such as \"3\""))),
    }
}

pub(super) fn etag(reply: &mut Reply, version: u64) {
    answer::add_header(reply, header::ETAG, &format!("\"{version}\""));
}

/// The answer to a carried-out change: the thing as it is now, 201 if it is new.
async fn show(
    app: &App,
    carried: &Carried,
    shape: impl FnOnce(&View<'_>, DoneSubject) -> Option<(Value, Option<u64>)>,
) -> Answered {
    let subject = carried.done.subject;
    let shown = app.ledger.view(|view| shape(&view, subject)).await;
    let Some((data, version)) = shown else {
        return Err(Box::new(Problem::not_found("it is gone in the meantime")));
    };
    let status = if carried.done.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut reply = answer::json(status, &json!({ "data": data }));
    answer::add_position(&mut reply, carried.position);
    if let Some(version) = version {
        etag(&mut reply, version);
    }
    if carried.repeated {
        idempotency::mark_repeated(&mut reply);
    }
    Ok(reply)
}

/// 204 with the receipt.
fn gone(carried: &Carried) -> Reply {
    let mut reply = answer::empty(StatusCode::NO_CONTENT);
    answer::add_position(&mut reply, carried.position);
    reply
}
