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

/// Of users, and of staff.
pub(super) const SESSIONS: Columns = Columns {
    title: "Sessions",
    columns: &[
        ("id", "id"),
        ("name", "name"),
        ("last used", "last_used_at"),
        ("expires at", "expires_at"),
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
            name: "sign-in-link",
            operations: &[Operation::CreateUserSignInLink],
            about: "Make a link that signs a user in, once, within 15 minutes",
            example: "users sign-in-link 7",
            fields: &[],
            shows: Shows::Secret,
        },
        Verb {
            name: "sessions",
            operations: &[Operation::ListUserSessions],
            about: "List a user's sessions",
            example: "users sessions 7",
            fields: &[],
            shows: Shows::Pages(&SESSIONS),
        },
        Verb {
            name: "end-session",
            operations: &[Operation::EndUserSession],
            about: "End a session of a user",
            example: "users end-session 7 --session 31",
            fields: &[],
            shows: Shows::Done("Ended"),
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
