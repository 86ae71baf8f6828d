//! `gateway-tokens`.

use super::tokens::{ALLOW, EXPIRES_AT, NOT_BEFORE, OVERLAP};
use crate::cli::remote::table::{AS_OF, Columns, Field, IF_MATCH, Kind, Noun, Shows, Verb, body};
use crate::http::operations::Operation;

const NAME: Field = body("name", Kind::Text, "Its name");
const RIGHTS: Field = body(
    "right",
    Kind::Words(&["introspect", "authorize", "report", "revoke"]),
    "What it may ask; can be given more than once, all in place of those before",
)
.on_the_wire("rights");
const ACCOUNTS: Field = body(
    "account",
    Kind::Numbers,
    "Number of an account that it may ask about; can be given more than once, all in place of those before",
)
.on_the_wire("accounts");

const LIST: Columns = Columns {
    title: "Gateway tokens",
    columns: &[
        ("id", "id"),
        ("name", "name"),
        ("rights", "rights"),
        ("accounts", "accounts"),
        ("hint", "hint"),
        ("version", "version"),
        ("last used", "last_used_at"),
        ("expires at", "expires_at"),
    ],
};

pub(super) const GATEWAY_TOKENS: Noun = Noun {
    name: "gateway-tokens",
    about: "List, show, create, update, rotate and delete tokens of gateways",
    own: Some("token"),
    verbs: &[
        Verb {
            name: "list",
            operations: &[Operation::ListGatewayTokens],
            about: "List live gateway tokens",
            example: "gateway-tokens list",
            fields: &AS_OF,
            shows: Shows::Pages(&LIST),
        },
        Verb {
            name: "show",
            operations: &[Operation::GetGatewayToken],
            about: "Show a live gateway token",
            example: "gateway-tokens show 6",
            fields: &AS_OF,
            shows: Shows::Thing,
        },
        Verb {
            name: "create",
            operations: &[Operation::CreateGatewayToken],
            about: "Create a gateway token; its text is shown this once",
            example: "gateway-tokens create --name edge --right authorize --right report --account 1",
            fields: &[NAME.required(), RIGHTS.required(), ACCOUNTS.required(), EXPIRES_AT, NOT_BEFORE, ALLOW],
            shows: Shows::Secret,
        },
        Verb {
            name: "update",
            operations: &[Operation::UpdateGatewayToken],
            about: "Change what is said of a gateway token; the rest stays as it is",
            example: "gateway-tokens update 6 --account 1 --account 2",
            fields: &[NAME, RIGHTS, ACCOUNTS, EXPIRES_AT, NOT_BEFORE, ALLOW, IF_MATCH],
            shows: Shows::Thing,
        },
        Verb {
            name: "rotate",
            operations: &[Operation::RotateGatewayToken],
            about: "Give a gateway token a new secret, which is shown this once",
            example: "gateway-tokens rotate 6 --overlap-seconds 600",
            fields: &[OVERLAP, IF_MATCH],
            shows: Shows::Secret,
        },
        Verb {
            name: "delete",
            operations: &[Operation::DeleteGatewayToken],
            about: "Delete a gateway token with all its secrets, for ever",
            example: "gateway-tokens delete 6",
            fields: &[IF_MATCH],
            shows: Shows::Done("Deleted"),
        },
    ],
};
