//! What anybody may hold against the log later: its last checkpoint (C2SP tlog-checkpoint) and its verifier keys.

use super::App;
use super::answer::{self, Reply};
use super::manage::Answered;
use super::problem::Problem;
use warp::http::{HeaderValue, header};

/// The last signed checkpoint, as it is stored.
pub fn checkpoint(app: &App) -> Answered {
    match app.ledger.checkpoint() {
        Some(note) => {
            let mut reply = answer::text("text/plain; charset=utf-8", note.to_string());
            reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(reply)
        }
        None => Err(Box::new(Problem::not_found("no checkpoint is signed yet"))),
    }
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
