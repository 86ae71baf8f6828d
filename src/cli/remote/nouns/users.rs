//! `users`.

use crate::cli::remote::table::{AS_OF, Columns, Kind, Noun, Shows, Verb, YES, body};
use crate::http::operations::Operation;

const LIST: Columns = Columns {
    title: "Users",
    columns: &[
        ("id", "id"),
        ("name", "name"),
        ("e-mail", "email"),
        ("accounts", "accounts"),
        ("version", "version"),
        ("created at", "created_at"),
    ],
};

pub(super) const USERS: Noun = Noun {
    name: "users",
    about: "List, show and create users, erase their personal texts",
    own: Some("user"),
    verbs: &[
        Verb {
            name: "list",
            operations: &[Operation::ListUsers],
            about: "List users",
            example: "users list",
            fields: &AS_OF,
            shows: Shows::Pages(&LIST),
        },
        Verb {
            name: "show",
            operations: &[Operation::GetUser],
            about: "Show a user",
            example: "users show 1",
            fields: &AS_OF,
            shows: Shows::Thing,
        },
        Verb {
            name: "create",
            operations: &[Operation::CreateUser],
            about: "Create a user",
            example: "users create --name 'Ada Example' --email ada@example.com",
            fields: &[
                body("name", Kind::Text, "Their name").required(),
                body("email", Kind::Text, "Their e-mail address").required(),
            ],
            shows: Shows::Thing,
        },
        Verb {
            name: "erase-texts",
            operations: &[Operation::EraseUserTexts],
            about: "Erase a user's personal texts, for ever",
            example: "users erase-texts 7",
            fields: &[YES],
            shows: Shows::Thing,
        },
    ],
};
