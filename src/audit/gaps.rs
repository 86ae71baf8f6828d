//! Where a part of the log may lack something: what a negative answer has to name.

use super::archive::{Archive, Range};
use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use crate::log::LogError;
use crate::projections::keys::Key;
use std::ops::ControlFlow;

/// When recording last began, and the position that says so.
pub fn last_start(archive: &Archive) -> Result<Option<(Position, Timestamp)>, LogError> {
    let is_start = &mut |_: &Header, event: &Event| matches!(event, Event::RecordingStarted(_));
    let last = archive.last(&[Key::of_type("RecordingStarted")], (Position::NONE, archive.head()), is_start)?;
    Ok(last.map(|(position, header, _)| (position, header.recorded_at)))
}

/// In sentences: runs that did not end in order, and times in which nothing could be recorded.
pub fn gaps(archive: &Archive, range: Range) -> Result<Vec<String>, LogError> {
    let mut gaps = Vec::new();
    archive.visit(&[Key::Service], range, &mut |position, header, event| {
        match event {
            Event::RecordingStarted(started) if !started.after_clean_stop => gaps.push(format!(
                "the run before position {position} ({}) did not end in order: refusals that it had only counted are missing",
                header.recorded_at.to_seconds_text()
            )),
            Event::RecordingResumed(resumed) => gaps.push(format!(
                "from {} to {} nothing could be recorded ({}); {} commands were turned away (position {position})",
                resumed.since.to_seconds_text(),
                header.recorded_at.to_seconds_text(),
                resumed.cause.name(),
                resumed.turned_away
            )),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(gaps)
}
