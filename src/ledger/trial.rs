//! Changes that are only tried: decided as the writer would decide them, and not carried out.

use super::Ledger;
use crate::domain::command::{Command, Origin};
use crate::domain::decide::{Context, Decision, decide};
use crate::log::LogError;
use crate::log::dry_texts::DryTexts;

impl Ledger {
    /// What would be decided of a command as things are: its events, or its rejection. Nothing is recorded, and the
    /// writer is not asked: what changes meanwhile may change the decision.
    pub async fn try_out(&self, command: &Command, origin: &Origin) -> Result<Decision, LogError> {
        self.view_with_digests(|view, digests| {
            let mut texts = DryTexts::new(view.texts);
            let decision =
                decide(&view.projections.state, digests, &Context { now: view.now, origin }, command, &mut texts);
            texts.take_failure().map_or(Ok(decision), Err)
        })
        .await
    }
}
