//! `staff-tokens`: operators and auditors.

use super::tokens::{ALLOW, EXPIRES_AT, NOT_BEFORE};
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
            name: "delete",
            operations: &[Operation::DeleteStaffToken],
            about: "Delete a token of an operator or auditor, for ever; the last operator's stays",
            example: "staff-tokens delete 5",
            fields: &[IF_MATCH],
            shows: Shows::Done("Deleted"),
        },
    ],
};
