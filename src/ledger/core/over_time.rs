//! A batch whose commands come at times of their own: histories that are made up afterwards, in batches large enough to
//! be written fast.

use super::{Committed, Core, Job, Progress};
use crate::domain::time::Timestamp;
use crate::log::writer::AppendError;

impl Core {
    /// Like [`Core::commit`], but each command is decided at the time it comes with, as if it had come alone: windows,
    /// limits and expiries count by it. Times go up; one before the last record's becomes that one's. `begins` is when
    /// the batch begins: what is counted by then is recorded first, also where no command follows.
    pub fn commit_over_time(&mut self, begins: Timestamp, jobs: &[(Timestamp, Job)]) -> Result<Committed, AppendError> {
        self.touch(jobs.iter().map(|(_, job)| job));
        let mut progress = Progress {
            records: Vec::with_capacity(jobs.len()),
            replies: Vec::with_capacity(jobs.len()),
            ..Progress::default()
        };
        self.batch.clear();
        let begins = begins.max(self.state.last_recorded_at);
        let mut decided = self.record_due_sums(begins, false, &mut progress);
        for (at, (command, origin)) in jobs {
            let now = (*at).max(self.state.last_recorded_at);
            decided = decided.and_then(|()| self.decide_one(now, command, origin, &mut progress));
        }
        self.conclude(decided, progress)
    }
}
