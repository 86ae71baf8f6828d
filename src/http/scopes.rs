//! What a token may do, and for how long, in headers: `X-Token-Scopes`, `X-Accepted-Token-Scopes` and
//! `X-Token-Expiration`, after GitHub's `X-OAuth-Scopes`, `X-Accepted-OAuth-Scopes` and
//! `GitHub-Authentication-Token-Expiration`.

use super::App;
use super::answer::{self, Reply};
use crate::domain::access::{Access, Coverage, Grant, Level};
use crate::domain::time::Timestamp;
use warp::http::HeaderName;

/// Names of a group that are told one by one; of more it is said that there is a list.
const NAMES_TOLD_MAX: usize = 20;
/// Longest list of scopes with names in it. A longer one says of each group with names that there is a list: gateways
/// and clients take only so many bytes of headers, nginx 4 KiB of an answer unless it is told otherwise.
const SCOPES_BYTES_MAX: usize = 2_048;

/// What the token may do.
pub const TOKEN_SCOPES: HeaderName = HeaderName::from_static("x-token-scopes");
/// What would do for the request, alternatives separated by `;`.
pub const ACCEPTED_SCOPES: HeaderName = HeaderName::from_static("x-accepted-token-scopes");
/// When the token stops working by itself.
pub const TOKEN_EXPIRATION: HeaderName = HeaderName::from_static("x-token-expiration");

/// Says when a token stops working by itself, where it does: RFC 3339 in UTC, as `expires_at` in bodies.
pub fn add_expiration(reply: &mut Reply, expires_at: Option<Timestamp>) {
    if let Some(at) = expires_at {
        answer::add_header(reply, TOKEN_EXPIRATION, &at.to_seconds_text());
    }
}

/// An access as scopes, separated by spaces (RFC 6749 section 3.3): `full`, or one a grant and name. None before the
/// names of groups are known.
pub fn scopes(app: &App, access: &Access) -> Option<String> {
    let Access::Granted(grants) = access else { return Some("full".to_owned()) };
    let map = app.gateway.map()?;
    let group_name = |grant: &Grant| map.group_name(grant.group).to_owned();
    let named = join(app, grants, group_name, NAMES_TOLD_MAX);
    Some(if named.len() > SCOPES_BYTES_MAX { join(app, grants, group_name, 0) } else { named })
}

fn join(app: &App, grants: &[Grant], group_name: impl Fn(&Grant) -> String, names_max: usize) -> String {
    let mut scopes = Vec::new();
    for grant in grants {
        let group = group_name(grant);
        let verb = if grant.level == Level::FullAccess { "write" } else { "read" };
        match &grant.coverage {
            Coverage::All => scopes.push(format!("{group}:*:{verb}")),
            Coverage::Named(names) if names.len() > names_max => scopes.push(format!("{group}:listed:{verb}")),
            Coverage::Named(names) => {
                let names = names.iter().filter_map(|&name| app.ledger.texts().text(name).ok().flatten());
                scopes.extend(names.map(|name| format!("{group}:{name}:{verb}")));
            }
        }
    }
    scopes.join(" ")
}
