//! Archives beside a running ledger: what it has in memory is used, and open files are kept for the next question.

use super::archive::Archive;
use crate::ledger::Sources;
use crate::log::LogError;
use crate::log::reader::LogReader;
use crate::projections::index::find::Finder;
use parking_lot::Mutex;
use std::sync::Arc;

/// Open files kept at most.
const KEPT_MAX: usize = 8;

/// Where archives come from. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Archives(Arc<Mutex<Vec<(LogReader, Finder)>>>);

impl Archives {
    /// Does something with an archive of all that was committed when the sources were taken. Blocks.
    pub fn with<T, E: From<LogError>>(
        &self,
        sources: Sources,
        work: impl FnOnce(&Archive) -> Result<T, E>,
    ) -> Result<T, E> {
        let archive = self.take(sources)?;
        let done = work(&archive)?;
        let mut kept = self.0.lock();
        if kept.len() < KEPT_MAX {
            kept.push(archive.into_parts());
        }
        Ok(done)
    }

    fn take(&self, Sources { dir, texts, groups, recent, now }: Sources) -> Result<Archive, LogError> {
        let kept = self.0.lock().pop();
        let (log, finder) = match kept {
            Some((log, mut finder)) => {
                finder.refresh(&dir, &log, recent);
                (log, finder)
            }
            None => {
                let log = LogReader::open(&dir)?;
                let finder = Finder::open(&dir, &log, recent);
                (log, finder)
            }
        };
        Archive::of(log, finder, texts, groups, now)
    }
}
