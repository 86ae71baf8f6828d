//! Every look at history is recorded before it is answered: who, what, up to which position.
//!
//! To be called by whatever answers from history, once it knows what it was asked and before the answer goes out:
//!
//! ```text
//! let reader = authorize_read(app, asked, ManagementOperation::ReadEvents).await?;
//! …
//! app.read_history(asked, &reader, HistoryQuery::of("who_could", head).about_account(account)).await?;
//! ```

use super::App;
use super::entry::Asked;
use super::manage::{refused_look, whose};
use super::problem::Problem;
use crate::domain::command::Actor;
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::TokenId;
use crate::ledger::Looked;

/// Whoever may look: staff, or a person's session at what is theirs.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// What was shown.
    pub actor: Actor,
    /// The token.
    pub token: TokenId,
}

impl App {
    /// Records a look at history: once a minute for one reader and shape. In an outage it is counted instead and the look
    /// goes on. Refused only if the token's right ended since it was judged.
    pub async fn read_history(&self, asked: &Asked, reader: &Reader, query: HistoryQuery) -> Result<(), Box<Problem>> {
        // A member may look at this and not at that: the record says whose it was.
        let query = if matches!(reader.actor, Actor::Session(_)) { query.about(whose(asked)) } else { query };
        let who = (reader.actor, reader.token);
        match self.ledger.read_history(who, query, asked.origin()).await {
            Looked::Recorded | Looked::Counted => Ok(()),
            Looked::Refused(reply) => Err(refused_look(self, *reply).await),
        }
    }
}
