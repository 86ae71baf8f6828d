//! Whether a part of the log holds nothing but what somebody's own looks at it left, so that whoever polls the log does not
//! feed it.

use crate::domain::event::{Event, Header};
use crate::domain::ids::{Position, TokenId};
use crate::log::LogError;
use crate::log::reader::LogReader;
use std::ops::ControlFlow;

/// Records looked at before a part is taken for one that holds more.
const LOOKED_AT_MAX: u64 = 1_000;

/// Whether the records after one position, up to and with another, are looks of this token alone, or none at all. The
/// texts that came with a look count as part of it.
pub fn holds_only_looks_of(
    log: &LogReader,
    token: TokenId,
    after: Position,
    through: Position,
) -> Result<bool, LogError> {
    if after >= through {
        return Ok(true);
    }
    if through.0.saturating_sub(after.0) > LOOKED_AT_MAX {
        return Ok(false);
    }
    let mut only_looks = true;
    log.replay(after, through, |_, header, event| {
        only_looks = is_look_of(token, &header, &event);
        if only_looks { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(only_looks)
}

fn is_look_of(token: TokenId, header: &Header, event: &Event) -> bool {
    header.credential == token && matches!(event, Event::HistoryRead(_) | Event::TextSeen(_))
}
