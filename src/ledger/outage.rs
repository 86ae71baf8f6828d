//! A time in which commands are turned away unrecorded. Its end is an event, so that a negative answer can name its gap.

use super::condition::Unavailable;
use crate::domain::command::Change;
use crate::domain::event::OutageCause;
use crate::domain::time::Timestamp;

/// What is to be said of the outage that lasts, if one does. Lost when the process is killed: the next
/// `RecordingStarted` says that the run before did not end in order.
#[derive(Debug, Default)]
pub(super) struct Outage {
    lasting: Option<Lasting>,
}

#[derive(Clone, Copy, Debug)]
struct Lasting {
    since: Timestamp,
    cause: OutageCause,
    turned_away: u64,
}

impl Outage {
    pub fn lasts(&self) -> bool {
        self.lasting.is_some()
    }

    /// It begins, unless one lasts already: that one goes on for its first cause.
    pub fn begin(&mut self, since: Timestamp, cause: OutageCause) {
        self.lasting.get_or_insert(Lasting { since, cause, turned_away: 0 });
    }

    /// Commands that were turned away in it.
    pub fn turn_away(&mut self, commands: usize) {
        if let Some(lasting) = &mut self.lasting {
            lasting.turned_away += commands as u64;
        }
    }

    /// What is to be recorded of it when it ends.
    pub fn to_record(&self) -> Option<Change> {
        let Lasting { since, cause, turned_away } = self.lasting?;
        Some(Change::ResumeRecording { since, cause, turned_away })
    }

    /// Its end is in the log.
    pub fn end(&mut self) {
        self.lasting = None;
    }
}

/// Why only commands that take something away are carried out.
pub(super) fn cause_of(restriction: Unavailable) -> OutageCause {
    match restriction {
        Unavailable::DiskFull => OutageCause::DiskFull,
        Unavailable::ClockBehind => OutageCause::ClockBehind,
        Unavailable::Busy | Unavailable::NotRecording => OutageCause::WriteFailed,
    }
}
