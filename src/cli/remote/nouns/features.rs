//! `features`.

use crate::cli::remote::table::{DAYS, DRY_RUN, Field, IF_MATCH, Kind, Noun, Place, Shows, Verb, body};
use crate::http::operations::Operation;

/// There is one, and paths name it.
const FEATURE: Field = body("feature", Kind::Word(&["domain_research"]), "Which feature").at(Place::Here).required();

pub(super) const FEATURES: Noun = Noun {
    name: "features",
    about: "Activate and deactivate features of an account; `accounts show` shows them",
    own: None,
    verbs: &[
        Verb {
            name: "activate",
            operations: &[Operation::ActivateResearch],
            about: "Activate a feature, or change its cap",
            example: "features activate --feature domain_research --account 1 --monthly-cap 1000",
            fields: &[
                FEATURE,
                body("monthly-cap", Kind::Number, "Checks a calendar month; no cap unless said"),
                IF_MATCH,
                DRY_RUN,
                DAYS,
            ],
            shows: Shows::Thing,
        },
        Verb {
            name: "deactivate",
            operations: &[Operation::DeactivateResearch],
            about: "Deactivate a feature",
            example: "features deactivate --feature domain_research --account 1",
            fields: &[FEATURE, IF_MATCH, DRY_RUN, DAYS],
            shows: Shows::Done("Deactivated"),
        },
    ],
};
