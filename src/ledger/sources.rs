//! What it takes to ask about the past beside a running ledger.

use super::handle::Ledger;
use crate::domain::access::ScopeGroup;
use crate::domain::table::Table;
use crate::domain::time::Timestamp;
use crate::log::DataDir;
use crate::log::personal::TextReader;
use crate::projections::index::tail::Recent;
use std::sync::Arc;

/// What it takes to ask about the past beside a running ledger.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Where the files are.
    pub dir: DataDir,
    /// Texts. Shared, so that an erasure drops what is cached of them.
    pub texts: Arc<TextReader>,
    /// Every scope group that was ever defined.
    pub groups: Table<ScopeGroup>,
    /// What is not in the index in the file yet.
    pub recent: Recent,
    /// The time at which what lasts is judged.
    pub now: Timestamp,
}

impl Ledger {
    /// As of a position at or after the head committed when this was called.
    pub async fn sources(&self) -> Sources {
        let mut sources = self
            .view(|view| Sources {
                dir: self.dir().clone(),
                texts: self.shared_texts(),
                groups: view.projections.state.groups.clone(),
                recent: view.projections.index.as_ref().map(|tail| tail.recent()).unwrap_or_default(),
                now: view.now,
            })
            .await;
        sources.recent = sources.recent.sorted();
        sources
    }
}
