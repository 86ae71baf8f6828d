//! `POST /v1/tokens/lookup`: the token of a digest. The digest stands in the body: it is no secret, but whoever collects
//! URLs need not learn which tokens are asked about.

use super::{live, reach_of, refuse};
use crate::domain::decide::is_within_reach;
use crate::domain::digests::Digests;
use crate::domain::event::ManagementOperation;
use crate::domain::gateway::{GatewayReach, GatewayRight};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenKind;
use crate::domain::token_text::TokenDigest;
use crate::http::App;
use crate::http::answer::{self, Reply};
use crate::http::entry::{Asked, Body};
use crate::http::fields::Fields;
use crate::http::manage::{bearer, check_json, etag};
use crate::http::problem::Problem;
use crate::http::shapes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::net::IpAddr;
use warp::http::StatusCode;

/// Which tokens whoever asks may look up.
#[derive(Clone, Copy)]
enum Finder<'a> {
    /// Every one: staff.
    Any,
    /// Those within a gateway's reach.
    Reached(&'a GatewayReach),
}

fn finder<'a>(
    state: &'a State,
    digests: &Digests,
    digest: TokenDigest,
    at: (Timestamp, Option<IpAddr>),
) -> Option<Finder<'a>> {
    let (token, _) = live(state, digests, digest, at)?;
    if matches!(token.kind, TokenKind::Operator | TokenKind::Auditor) {
        return Some(Finder::Any);
    }
    reach_of(state, digests, digest, at, GatewayRight::Introspect).map(Finder::Reached)
}

pub(super) async fn answer(app: &App, asked: &Asked, body: Body) -> Result<Reply, Box<Problem>> {
    let digest = bearer(app, asked)?;
    let from = Some(asked.peer());
    let may = app
        .ledger
        .view_with_digests(|view, digests| finder(&view.projections.state, digests, digest, (view.now, from)).is_some())
        .await;
    if !may {
        refuse(app, asked, digest, GatewayRight::Introspect, ManagementOperation::ReadTokens).await?;
    }
    asked.no_parameters()?;
    check_json(asked)?;
    let wanted = wanted(&body.read(asked.headers()).await?)?;
    let found = app
        .ledger
        .view_with_digests(|view, digests| {
            let state = &view.projections.state;
            let finder = finder(state, digests, digest, (view.now, from))?;
            let (token, secret) =
                digests.find(&state.tokens, &wanted).filter(|(token, _)| token.deleted_at.is_none())?;
            if let Finder::Reached(reach) = finder
                && !is_within_reach(state, reach, token)
            {
                return None;
            }
            let mut shape = shapes::token(&view, token);
            shape["secret_number"] = json!(secret);
            Some((shape, token.version.0))
        })
        .await;
    let (shape, version) = found.ok_or_else(|| Box::new(Problem::not_found("token not found")))?;
    let mut reply = answer::json(StatusCode::OK, &json!({ "data": shape }));
    etag(&mut reply, version);
    Ok(reply)
}

/// `hashed_token`: 32 bytes in standard base64 with its padding, no other spelling.
fn wanted(body: &[u8]) -> Result<TokenDigest, Box<Problem>> {
    let mut fields = Fields::parse(body)?;
    let digest = fields.required("hashed_token", |fields, name| {
        fields.word(name, "the SHA-256 of a token's text in standard base64 (44 characters)", |text| {
            STANDARD.decode(text).ok()?.try_into().ok().map(TokenDigest)
        })
    });
    fields.finish()?;
    digest.ok_or_else(|| Box::new(Problem::malformed("a required field is missing")))
}
