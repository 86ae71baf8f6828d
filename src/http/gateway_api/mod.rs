//! What gateways ask with a token of their own: whether requests may pass (`authorize`), what a token is, and that it
//! be revoked ([`oauth`]); and what they tell afterwards (`uses`). `lookup` finds a token by its digest.
//!
//! The gateway's token is judged before the body is read, and again by the writer. Only whoever asks can fail to
//! authenticate here: a token asked *about* that is unknown counts against nobody, because the gateway shows it for its
//! clients. A token out of the gateway's reach is unknown to it.

mod authorize;
mod lookup;
pub mod oauth;
mod questions;
mod uses;

use super::answer::Reply;
use super::entry::{Asked, Body};
use super::manage::{bearer, unavailable};
use super::operations::Operation;
use super::problem::Problem;
use super::refusal;
use super::{App, gateway::map_in_force::MapInForce};
use crate::domain::command::{Command, GatewayCall, GatewayWish};
use crate::domain::decide::Answer;
use crate::domain::digests::Digests;
use crate::domain::event::{Cause, ManagementOperation};
use crate::domain::gateway::{GatewayReach, GatewayRight};
use crate::domain::rejection::Rejection;
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenKind};
use crate::domain::token_text::TokenDigest;
use crate::ledger::{self, Unavailable};
use std::net::IpAddr;
use std::sync::Arc;
use warp::http::StatusCode;

/// Answers an operation whose errors are problems.
pub async fn answer(app: &App, asked: &Asked, operation: Operation, body: Body) -> Result<Reply, Box<Problem>> {
    match operation {
        Operation::Authorize => authorize::answer(app, asked, body).await,
        Operation::ReportUses => uses::answer(app, asked, body).await,
        _ => lookup::answer(app, asked, body).await,
    }
}

/// The token of a digest, with the number of the secret, if it works now for a client at this address.
fn live<'a>(
    state: &'a State,
    digests: &Digests,
    digest: TokenDigest,
    (now, from): (Timestamp, Option<IpAddr>),
) -> Option<(&'a Token, u32)> {
    let (token, secret) = digests.find(&state.tokens, &digest)?;
    token.check(secret, now, from).ok().map(|()| (token, secret))
}

/// The reach of whoever shows a gateway token that works and has the right.
fn reach_of<'a>(
    state: &'a State,
    digests: &Digests,
    gateway: TokenDigest,
    at: (Timestamp, Option<IpAddr>),
    right: GatewayRight,
) -> Option<&'a GatewayReach> {
    let (token, _) = live(state, digests, gateway, at)?;
    let reach = token.gateway.as_deref().filter(|_| token.kind == TokenKind::Gateway)?;
    reach.has(right).then_some(reach)
}

/// Lets gateway tokens with the right go on. Anybody else's attempt is recorded and refused before the body is read.
async fn admit(
    app: &App,
    asked: &Asked,
    right: GatewayRight,
    operation: ManagementOperation,
) -> Result<TokenDigest, Box<Problem>> {
    let digest = bearer(app, asked)?;
    let may = app
        .ledger
        .view_with_digests(|view, digests| {
            reach_of(&view.projections.state, digests, digest, (view.now, Some(asked.peer())), right).is_some()
        })
        .await;
    if !may {
        refuse(app, asked, digest, right, operation).await?;
    }
    Ok(digest)
}

/// Has the writer refuse an attempt, which records it. It lets pass what has become right in the meantime.
async fn refuse(
    app: &App,
    asked: &Asked,
    gateway: TokenDigest,
    right: GatewayRight,
    operation: ManagementOperation,
) -> Result<(), Box<Problem>> {
    submit(app, asked, GatewayCall { gateway, wish: GatewayWish::Look(right, operation) }).await.map(drop)
}

/// Hands a call to the writer; its rejection is a problem.
async fn submit(app: &App, asked: &Asked, call: GatewayCall) -> Result<ledger::Reply, Box<Problem>> {
    let right = match &call.wish {
        GatewayWish::Authorize { .. } => GatewayRight::Authorize,
        GatewayWish::Revoke { .. } => GatewayRight::Revoke,
        GatewayWish::Report { .. } => GatewayRight::Report,
        GatewayWish::Look(right, _) => *right,
    };
    let reply = app.ledger.submit(Command::Gateway(Box::new(call)), asked.origin()).await.map_err(unavailable)?;
    match reply.answer {
        Answer::Rejected(rejection) => {
            let problem = rejected(&rejection, right);
            let (Rejection::Forbidden(cause) | Rejection::Closed(cause)) = rejection else {
                return Err(Box::new(problem));
            };
            let told = Box::pin(refusal::tell(app, cause, reply.position, None)).await;
            Err(Box::new(problem.with_cause(told)))
        }
        _ => Ok(reply),
    }
}

fn rejected(rejection: &Rejection, right: GatewayRight) -> Problem {
    let forbidden = |detail: String| {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail).with("required_right", right.name())
    };
    match rejection {
        // The token works, only not from here: its holder is told so.
        Rejection::Forbidden(Cause::AddressNotAllowed) => Problem::address_not_allowed(),
        Rejection::Forbidden(Cause::MissingRight) => {
            forbidden(format!("this gateway token does not have the right {}", right.name()))
        }
        Rejection::Forbidden(_) => {
            forbidden(format!("only a gateway token with the right {} may do this", right.name()))
        }
        _ => Problem::invalid_token(),
    }
}

/// The scope map in force; until the first is recorded no question can be.
fn map_in_force(app: &App) -> Result<Arc<MapInForce>, Box<Problem>> {
    app.gateway.map().ok_or_else(|| unavailable(Unavailable::NotRecording))
}
