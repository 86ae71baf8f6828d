//! The gateway check: another program stands before an API and asks here, for each request, whether it may pass.
//!
//! [`dialect`] reads how each gateway asks, [`map_in_force`] holds the scope map, and here the question becomes a use:
//! decided, recorded and synced before the answer like any other. Whatever cannot be decided is refused.

pub mod broken_map;
pub mod dialect;
pub mod map_in_force;
mod verdict;

use super::App;
use super::answer::Reply;
use super::bearer::Shown;
use super::entry::Asked;
use super::problem::Problem;
use crate::domain::command::{Command, Origin, Use};
use crate::domain::event::Route;
use crate::domain::ids::AccountId;
use crate::domain::scope_map::Required;
use crate::domain::text::PersonalText;
use crate::domain::token_text::TokenDigest;
use crate::ledger::Unavailable;
use dialect::{Dialect, Guarded};
use map_in_force::MapInForce;
use std::net::IpAddr;
use std::sync::Arc;
use warp::http::StatusCode;

/// A question of a gateway with everything that its answer needs.
struct Question {
    guarded: Guarded,
    map: Arc<MapInForce>,
}

/// Whether a request is one of ours, for any method, since some gateways ask by their client's. But not TRACE, which
/// sends a client's headers back to it (RFC 9110 section 9.3.8): it passes nowhere.
pub fn is_asked(method: &str, path: &str) -> bool {
    method != "TRACE" && Dialect::of_path(path).is_some()
}

/// Answers a gateway.
pub async fn answer(app: &App, asked: &Asked) -> Reply {
    let Some((dialect, appended)) = Dialect::of_path(asked.path()) else {
        return Problem::not_found("there is no such gateway").into_reply();
    };
    let reply = check(app, asked, dialect, appended).await.unwrap_or_else(|refused| *refused);
    verdict::in_dialect(dialect, reply)
}

async fn check(app: &App, asked: &Asked, dialect: Dialect, appended: &str) -> Result<Reply, Box<Reply>> {
    if !app.gateway.trusts(asked.peer()) {
        return Err(Box::new(untrusted(asked.peer())));
    }
    let target = with_query(appended, asked.raw_query());
    let read = dialect.read(asked.method(), &target, asked.headers());
    // Who asks comes first, whatever else is wrong.
    let digest = known(app, asked, read.as_ref().ok().and_then(|guarded| guarded.address))?;
    let guarded = read.map_err(|malformed| Box::new(Problem::malformed(malformed.to_string()).into_reply()))?;
    // Until its map is recorded, no question can be.
    let map = app.gateway.map().ok_or_else(|| Box::new(verdict::not_recorded(Unavailable::NotRecording)))?;
    let question = Question { guarded, map };
    let required = question.required().map_err(|why| Box::new(verdict::undecidable(&why)))?;
    let command = Command::Use(question.use_of(digest, &required));
    let reply = app.ledger.submit(command, question.origin(asked)).await;
    let reply = reply.map_err(|unavailable| Box::new(verdict::not_recorded(unavailable)))?;
    Ok(verdict::answer(app, &required, reply).await)
}

fn untrusted(peer: IpAddr) -> Reply {
    let detail = format!("{peer} is not one of the gateways that this service answers");
    Problem::new(StatusCode::FORBIDDEN, "untrusted-gateway", "Not a known gateway", detail).into_reply()
}

fn with_query(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// The digest that the client showed, or the refusal of whoever showed none that is known. Failures count for the
/// client's address as the gateway tells it.
fn known(app: &App, asked: &Asked, client: Option<IpAddr>) -> Result<TokenDigest, Box<Reply>> {
    match asked.shown() {
        Shown::Bearer(digest) if app.ledger.knows(&digest) => Ok(digest),
        Shown::Unreadable => {
            let problem = Problem::malformed("more than one Authorization header");
            Err(Box::new(
                problem.with_challenge("Bearer realm=\"token-ledger\", error=\"invalid_request\"").into_reply(),
            ))
        }
        shown => {
            app.metrics.count_unauthenticated();
            let address = client.unwrap_or_else(|| asked.peer());
            let refused = match app.failures.fail(address, app.ledger.clock().now()) {
                Ok(()) if shown == Shown::Nothing => Problem::missing_token(),
                Ok(()) => Problem::invalid_token(),
                Err(seconds) => Problem::too_many_failures(seconds),
            };
            Err(Box::new(refused.into_reply()))
        }
    }
}

impl Question {
    fn required(&self) -> Result<Required<'_>, crate::domain::scope_map::Undecidable> {
        self.map.map.find(&self.guarded.method, &self.guarded.target)
    }

    fn use_of(&self, digest: TokenDigest, required: &Required<'_>) -> Use {
        let (target, mapped) = self.map.asked(required);
        let route = Route::Mapped(self.map.place(required));
        let account: Option<AccountId> = required.account;
        Use { digest, route, account, target, mapped, certificate: None, valid: true }
    }

    /// Recorded is the client as the gateway tells it, else the gateway; conditions are judged by the client alone. Gateways
    /// pass the client's agent on.
    fn origin(&self, asked: &Asked) -> Origin {
        let own = asked.origin();
        let address = self.guarded.address.map(|address| PersonalText::new(address.to_string()));
        Origin { address: address.or(own.address), from: self.guarded.address, ..own }
    }
}
