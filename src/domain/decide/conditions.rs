//! Rules of conditions on tokens.

use super::directory::Faults;
use super::draft::Draft;
use super::management::Deciding;
use crate::domain::conditions::{ADDRESS_RANGES_MAX, Conditions, ConditionsEdit};
use crate::domain::event::TokenConditionsChanged;
use crate::domain::time::Timestamp;
use crate::domain::token::Token;

/// What is wrong with the conditions of a new token.
pub(super) fn faults_of_new(
    conditions: &Conditions,
    expires_at: Option<Timestamp>,
) -> [(&'static str, Result<(), &'static str>); 2] {
    let begins_too_late = !is_span(conditions.not_before, expires_at);
    [
        ("not_before", if begins_too_late { Err("must be before expires_at") } else { Ok(()) }),
        ("allowed_addresses", check_count(conditions)),
    ]
}

/// Holds an edit against what the token has already: a beginning and an end must fit, whichever of the two is new.
pub(super) fn check_edit(
    faults: &mut Faults,
    token: &Token,
    edit: &ConditionsEdit,
    expires_at: Option<Option<Timestamp>>,
) {
    let after = edit.applied_to(token.conditions());
    faults.check("allowed_addresses", check_count(&after));
    if is_span(after.not_before, expires_at.unwrap_or(token.expires_at)) {
        return;
    }
    match (edit.not_before, expires_at) {
        (Some(_), _) => faults.check("not_before", Err("must be before expires_at")),
        (None, Some(_)) => faults.check("expires_at", Err("must be after not_before")),
        (None, None) => {}
    }
}

/// Whether there is a time between beginning and end.
fn is_span(not_before: Option<Timestamp>, expires_at: Option<Timestamp>) -> bool {
    not_before.zip(expires_at).is_none_or(|(begin, end)| begin < end)
}

fn check_count(conditions: &Conditions) -> Result<(), &'static str> {
    const _: () = assert!(ADDRESS_RANGES_MAX == 64, "the text below says the number");
    if conditions.allowed_addresses.len() > ADDRESS_RANGES_MAX {
        return Err("has too many ranges (maximum is 64)");
    }
    Ok(())
}

/// Writes down other conditions than before; the same again make no event.
pub(super) fn set(deciding: &Deciding<'_>, draft: &mut Draft<'_>, before: &Conditions, after: Conditions) {
    if after != *before {
        let by = deciding.by(draft);
        draft.record(TokenConditionsChanged { conditions: after, by });
    }
}
