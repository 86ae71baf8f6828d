//! `usage` of accounts; that of a token is `tokens usage`.

use super::tokens::{FROM, TO};
use crate::cli::remote::table::{AS_OF, Columns, Next, Noun, Shows, Verb};
use crate::http::operations::Operation;

const WINDOWS: Columns = Columns {
    title: "Windows that have ended",
    columns: &[
        ("opened at", "opened_at"),
        ("closed at", "closed_at"),
        ("limit", "limit"),
        ("used", "used"),
        ("refused", "refused"),
    ],
};

pub(super) const USAGE: Noun = Noun {
    name: "usage",
    about: "Show usage of an account, now and before; `tokens usage` shows a token's",
    own: None,
    verbs: &[
        Verb {
            name: "show",
            operations: &[Operation::GetUsage],
            about: "Show the running usage windows of an account",
            example: "usage show --account 1",
            fields: &AS_OF,
            shows: Shows::Thing,
        },
        Verb {
            name: "history",
            operations: &[Operation::GetUsageHistory],
            about: "List the usage windows of an account that have ended, oldest first",
            example: "usage history --account 1 --from 2026-03-01T00:00:00Z --to 2026-03-02T00:00:00Z",
            fields: &[FROM, TO],
            shows: Shows::Chain(&WINDOWS, Next::From),
        },
    ],
};
