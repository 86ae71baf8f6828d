//! Rules of changing the key that the log is signed with.

use super::management::{Deciding, Done, Ruled, Subject};
use crate::domain::event::LogKeyRotated;
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::log_keys::{KEYS_AT_ONCE_MAX, OVERLAP_SECONDS_MAX};
use crate::domain::rejection::Rejection;
use crate::domain::text::Texts;

/// A key is used once: whoever holds the verifier key of one span must not find it vouch for another.
pub(super) fn rotate(deciding: &Deciding<'_>, texts: &mut dyn Texts, log_vkey: &str, overlap_seconds: u64) -> Ruled {
    let (state, now) = (deciding.state, deciding.context.now);
    if state.origin.is_empty() {
        return Err(Rejection::field("log_vkey", "has nothing to sign: the log has not begun"));
    }
    // A verifier key begins with its name (C2SP signed-note).
    if !log_vkey.strip_prefix(&state.origin).is_some_and(|rest| rest.starts_with('+')) {
        return Err(Rejection::field("log_vkey", "is not of this log's name"));
    }
    if state.log_keys.had_key(log_vkey) {
        return Err(Rejection::field("log_vkey", "is or was this log's"));
    }
    if overlap_seconds > OVERLAP_SECONDS_MAX {
        return Err(Rejection::field("overlap_seconds", "may be at most 366 days"));
    }
    if state.log_keys.signers(state.head, now).len() >= KEYS_AT_ONCE_MAX {
        return Err(Rejection::LimitReached("eight keys sign this log already; wait until one of them ends"));
    }
    let mut draft = deciding.draft(texts, AccountId::NONE, TokenId::NONE);
    let by = deciding.by(&mut draft);
    draft.record(LogKeyRotated {
        old_vkey: state.log_vkey.clone(),
        log_vkey: log_vkey.to_owned(),
        signs_until: now.plus_seconds(overlap_seconds),
        by,
    });
    Ok((draft.finish(), Done { subject: Subject::Service, created: false }))
}
