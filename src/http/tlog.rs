//! The log as others check it: C2SP tlog-tiles (checkpoint, hash tiles, entry bundles) and its verifier keys.
//!
//! Nothing is served that the published checkpoint does not speak of. Checkpoint and keys are for everybody; hash tiles
//! and proofs for auditors and operators, or with `serve --public-tiles` for everybody; records for auditors and operators
//! alone. Every record has 16 bytes that nobody can guess, so its hash tells nobody what is in it.

use super::App;
use super::answer::{self, Reply};
use super::entry::Asked;
use super::events::unreadable;
use super::manage::{Answered, authorize_read};
use super::problem::Problem;
use crate::audit::receipts::Published;
use crate::audit::tiles;
use crate::domain::event::ManagementOperation;
use crate::domain::history_read::HistoryQuery;
use crate::ledger::LogError;
use warp::http::{HeaderValue, header};

const OCTETS: &str = "application/octet-stream";
/// What has a name here never changes (tlog-tiles, "Merkle Tree"): a year is as long as caches take it for.
const FOR_EVERYBODY: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const FOR_THE_ASKER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// The last signed checkpoint, as it is stored.
pub fn checkpoint(app: &App) -> Answered {
    let published = published(app)?;
    let mut reply = answer::text("text/plain; charset=utf-8", published.note);
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(reply)
}

/// What is published.
pub(super) fn published(app: &App) -> Result<Published, Box<Problem>> {
    let note = app.ledger.checkpoint();
    let published = note.as_deref().and_then(Published::of);
    published.ok_or_else(|| Box::new(Problem::not_found("no checkpoint is signed yet")))
}

/// All verifier keys that the log ever had (C2SP signed-note), one a line: today's first, then those that it replaced and
/// those of the logs that it continues, newest first. What was signed with them stays signed.
pub async fn verifier_keys(app: &App) -> Reply {
    let vkeys = app.ledger.view(|view| {
        let keys = view.projections.state.log_keys.iter().rev();
        keys.map(|span| format!("{}\n", span.log_vkey)).collect::<String>()
    });
    answer::text("text/plain; charset=utf-8", vkeys.await)
}

/// Lets those look at the tree who may.
pub(super) async fn authorize_tree(app: &App, asked: &Asked) -> Result<(), Box<Problem>> {
    if app.public_tiles {
        return Ok(());
    }
    authorize_read(app, asked, ManagementOperation::ReadEvents).await.map(drop)
}

/// `/tile/<L>/<N>[.p/<W>]`.
pub async fn hash_tile(app: &App, asked: &Asked) -> Answered {
    authorize_tree(app, asked).await?;
    let (size, name) = (published(app)?.size, below(asked, "/tile/"));
    let bytes = app.ledger.read_log(move |log| tiles::hash_tile(log, size, &name)).await;
    let for_whom = if app.public_tiles { FOR_EVERYBODY } else { FOR_THE_ASKER };
    immutable(asked, bytes, for_whom)
}

/// `/tile/entries/<N>[.p/<W>]`.
pub async fn entries(app: &App, asked: &Asked) -> Answered {
    let reader = authorize_read(app, asked, ManagementOperation::ReadEvents).await?;
    let (size, name) = (published(app)?.size, below(asked, "/tile/entries/"));
    let bytes = app.ledger.read_log(move |log| tiles::entries(log, size, &name)).await;
    let reply = immutable(asked, bytes, FOR_THE_ASKER)?;
    // Records are history; hashes of them are not.
    app.read_history(asked, &reader, HistoryQuery::of("entries", size)).await?;
    Ok(reply)
}

fn below(asked: &Asked, prefix: &str) -> String {
    asked.path().strip_prefix(prefix).unwrap_or_default().to_owned()
}

fn immutable(asked: &Asked, bytes: Result<Option<Vec<u8>>, LogError>, for_whom: HeaderValue) -> Answered {
    let bytes = bytes.map_err(|error| unreadable(&error))?;
    let nothing = || Problem::not_found(format!("there is nothing at {} in the published tree", asked.path()));
    let mut reply = answer::bytes(OCTETS, bytes.ok_or_else(nothing)?);
    reply.headers_mut().insert(header::CACHE_CONTROL, for_whom);
    Ok(reply)
}
