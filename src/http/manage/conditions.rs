//! Conditions on tokens, as bodies say them: `not_before` and `allowed_addresses`.

use crate::domain::conditions::{AddressRange, Conditions, ConditionsEdit};
use crate::http::fields::Fields;

/// Of a new token: what is absent or null is no condition.
pub(super) fn of_new(fields: &mut Fields) -> Conditions {
    edit(fields).applied_to(&Conditions::default())
}

/// Of an edit: what is absent stays, null takes the condition away.
pub(super) fn edit(fields: &mut Fields) -> ConditionsEdit {
    let not_before = fields.time_or_null("not_before");
    let allowed_addresses = fields.texts_or_null("allowed_addresses", AddressRange::parse);
    ConditionsEdit { not_before, allowed_addresses: allowed_addresses.map(Option::unwrap_or_default) }
}
