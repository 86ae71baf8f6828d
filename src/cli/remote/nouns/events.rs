//! `events`: the log.

use crate::cli::remote::table::{Columns, Kind, Next, Noun, Shows, Verb, query};
use crate::http::operations::Operation;

const LIST: Columns = Columns {
    title: "Events",
    columns: &[
        ("position", "position"),
        ("recorded at", "recorded_at"),
        ("event", "type"),
        ("by", "principal"),
        ("with token", "credential"),
        ("what", "data"),
    ],
};

pub(super) const EVENTS: Noun = Noun {
    name: "events",
    about: "List and show events of the log",
    own: Some("position"),
    verbs: &[
        Verb {
            name: "list",
            operations: &[Operation::ListEvents],
            about: "List events, filtered; all of them unless --limit says how many",
            example: "events list --token 2 --type TokenUsed --order desc --limit 20",
            fields: &[
                query("after", Kind::Number, "Only after this position"),
                query("before", Kind::Number, "Only before this position"),
                query("order", Kind::Word(&["asc", "desc"]), "Oldest first, or newest first"),
                query("account", Kind::Number, "Only events of this account"),
                query("token", Kind::Number, "Only events of this token"),
                query("type", Kind::Text, "Only events of this type, as in TokenUsed"),
                query("from", Kind::Time, "Only what was recorded at or after this time"),
                query("to", Kind::Time, "Only what was recorded before this time"),
                query("resource", Kind::Text, "Only uses, refusals and additions of the resource of this name"),
                query("outcome", Kind::Text, "Only uses with this outcome, or refusals with this cause"),
            ],
            shows: Shows::Chain(&LIST, Next::Position),
        },
        Verb {
            name: "show",
            operations: &[Operation::GetEvent],
            about: "Show an event by its position: the receipt of a use",
            example: "events show 56",
            fields: &[],
            shows: Shows::Thing,
        },
    ],
};
