//! `reviews`: access reviews. What is read of them are questions: `audit reviews`, `audit review`, `audit since-review`.

use crate::cli::remote::table::{Kind, Noun, Shows, Verb, body};
use crate::http::operations::Operation;

pub(super) const REVIEWS: Noun = Noun {
    name: "reviews",
    about: "Open, decide and close access reviews; `audit reviews` and `audit review` show them",
    own: Some("review"),
    verbs: &[
        Verb {
            name: "open",
            operations: &[Operation::OpenReview],
            about: "Open a review of what an account's tokens and members have, or had at a point",
            example: "reviews open --account 1 --as-of 2026-03-01T00:00:00Z",
            fields: &[
                body("account", Kind::Number, "Of this account").on_the_wire("account_id").required(),
                body("as-of", Kind::Text, "As of this time or position; now unless said"),
            ],
            shows: Shows::Thing,
        },
        Verb {
            name: "decide",
            operations: &[Operation::DecideReview],
            about: "Decide a row of a review; carrying it out is another command",
            example: "reviews decide 1 --token 2 --verdict narrow --note 'reads zones only'",
            fields: &[
                body("token", Kind::Number, "Number of the token that the row is about; or --user")
                    .on_the_wire("token_id"),
                body("user", Kind::Number, "Number of the user whose membership the row is about; or --token")
                    .on_the_wire("user_id"),
                body("verdict", Kind::Word(&["keep", "narrow", "delete"]), "What is decided").required(),
                body("note", Kind::Text, "Why"),
            ],
            shows: Shows::Thing,
        },
        Verb {
            name: "close",
            operations: &[Operation::CloseReview],
            about: "Close a review; rows that nobody decided stay so",
            example: "reviews close 1",
            fields: &[],
            shows: Shows::Thing,
        },
    ],
};
