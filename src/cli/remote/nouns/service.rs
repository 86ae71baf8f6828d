//! `self` and `clock`.

use crate::cli::remote::table::{Noun, Shows, Verb};
use crate::http::operations::Operation;

pub(super) const SELF: Noun = Noun {
    name: "self",
    about: "Show what the credential in use may know of itself",
    own: None,
    verbs: &[Verb {
        name: "",
        operations: &[Operation::GetSelf],
        about: "Show what the credential in use may know of itself",
        example: "self",
        fields: &[],
        shows: Shows::Thing,
    }],
};

pub(super) const CLOCK: Noun = Noun {
    name: "clock",
    about: "Accept what the service's wall clock says",
    own: None,
    verbs: &[Verb {
        name: "accept",
        operations: &[Operation::AcceptClock],
        about: "Follow the service's wall clock at once after it has stepped",
        example: "clock accept",
        fields: &[],
        shows: Shows::Thing,
    }],
};
