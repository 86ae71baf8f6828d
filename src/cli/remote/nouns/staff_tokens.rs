//! `staff-tokens`: operators and auditors.

use super::tokens::{ALLOW, EXPIRES_AT, NOT_BEFORE};
use super::users::SESSIONS;
use crate::cli::remote::table::{AS_OF, Columns, IF_MATCH, Kind, Noun, Shows, Verb, body};
use crate::http::operations::Operation;

const LIST: Columns = Columns {
    title: "Tokens of staff",
    columns: &[
        ("id", "id"),
        ("kind", "kind"),
        ("name", "name"),
        ("hint", "hint"),
        ("version", "version"),
        ("last used", "last_used_at"),
        ("expires at", "expires_at"),
        ("created at", "created_at"),
    ],
};

pub(super) const STAFF_TOKENS: Noun = Noun {
    name: "staff-tokens",
    about: "List, create and delete tokens of operators and auditors",
    own: Some("token"),
    verbs: &[
        Verb {
            name: "list",
            operations: &[Operation::ListStaffTokens],
            about: "List live tokens of operators and auditors",
            example: "staff-tokens list",
            fields: &AS_OF,
            shows: Shows::Pages(&LIST),
        },
        Verb {
            name: "create",
            operations: &[Operation::CreateStaffToken],
            about: "Create a token of an operator or auditor; its text is shown this once",
            example: "staff-tokens create --role auditor --name 'yearly audit' --secret-file ./auditor.token",
            fields: &[
                body("role", Kind::Word(&["operator", "auditor"]), "May it change everything, or read everything")
                    .required(),
                body("name", Kind::Text, "Its name").required(),
                EXPIRES_AT,
                NOT_BEFORE,
                ALLOW,
            ],
            shows: Shows::Secret,
        },
        Verb {
            name: "sign-in-link",
            operations: &[Operation::CreateStaffSignInLink],
            about: "Make a link that signs staff in by their token, once, within 15 minutes",
            example: "staff-tokens sign-in-link 5",
            fields: &[],
            shows: Shows::Secret,
        },
        Verb {
            name: "sessions",
            operations: &[Operation::ListStaffSessions],
            about: "List the sessions of staff that stand for a token",
            example: "staff-tokens sessions 5",
            fields: &[],
            shows: Shows::Pages(&SESSIONS),
        },
        Verb {
            name: "end-session",
            operations: &[Operation::EndStaffSession],
            about: "End a session of staff",
            example: "staff-tokens end-session 5 --session 31",
            fields: &[],
            shows: Shows::Done("Ended"),
        },
        Verb {
            name: "delete",
            operations: &[Operation::DeleteStaffToken],
            about: "Delete a token of an operator or auditor, for ever; the last operator's stays",
            example: "staff-tokens delete 5",
            fields: &[IF_MATCH],
            shows: Shows::Done("Deleted"),
        },
    ],
};
