//! `tokens`: those of accounts and of users.

use crate::cli::remote::table::{
    AS_OF, Columns, DAYS, DRY_RUN, Field, IF_MATCH, Kind, Next, Noun, Place, Shows, Verb, YES, body, query,
};
use crate::http::operations::Operation;

const NAME: Field = body("name", Kind::Text, "Its name");
const ACCESS: Field = body("access", Kind::Access, "");
pub(super) const EXPIRES_AT: Field = body("expires-at", Kind::TimeOrNever, "When it stops working");
pub(super) const NOT_BEFORE: Field = body("not-before", Kind::TimeOrNow, "When it begins to work");
pub(super) const ALLOW: Field = body(
    "allow",
    Kind::Ranges,
    "Address or range (192.0.2.0/24) from which it works; can be given more than once, all in place of those before",
)
.on_the_wire("allowed_addresses");
pub(super) const OVERLAP: Field = body(
    "overlap-seconds",
    Kind::Number,
    "How long the secret before goes on working; 0: not at all. A day unless said",
);
pub(super) const FROM: Field = query("from", Kind::Time, "Only what began at or after this time");
pub(super) const TO: Field = query("to", Kind::Time, "Only what began before this time");

const LIST: Columns = Columns {
    title: "Tokens",
    columns: &[
        ("id", "id"),
        ("name", "name"),
        ("access", "access"),
        ("hint", "hint"),
        ("version", "version"),
        ("last used", "last_used_at"),
        ("expires at", "expires_at"),
        ("created at", "created_at"),
    ],
};

const HOURS: Columns = Columns {
    title: "Uses and refusals by hour (UTC)",
    columns: &[
        ("hour", "hour"),
        ("account", "account_id"),
        ("uses", "uses"),
        ("last group", "last_group"),
        ("refused", "refused"),
    ],
};

pub(super) const TOKENS: Noun = Noun {
    name: "tokens",
    about: "List, show, look up, create, update, rotate, import and delete tokens of accounts and users",
    own: Some("token"),
    verbs: &[
        Verb {
            name: "list",
            operations: &[Operation::ListAccountTokens, Operation::ListUserTokens],
            about: "List live tokens of an account or a user",
            example: "tokens list --account 1",
            fields: &AS_OF,
            shows: Shows::Pages(&LIST),
        },
        Verb {
            name: "show",
            operations: &[Operation::GetAccountToken, Operation::GetUserToken],
            about: "Show a live token",
            example: "tokens show 2 --account 1",
            fields: &AS_OF,
            shows: Shows::Thing,
        },
        Verb {
            name: "lookup",
            operations: &[Operation::LookUpToken],
            about: "Find a live token by the digest of its text: whose is one that was found somewhere?",
            example: "tokens lookup --hashed-token 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            fields: &[body(
                "hashed-token",
                Kind::Text,
                "SHA-256 of the token's whole text in base64: tr -d '\\n' <FILE | openssl dgst -sha256 -binary | base64",
            )
            .required()],
            shows: Shows::Found,
        },
        Verb {
            name: "create",
            operations: &[Operation::CreateAccountToken, Operation::CreateUserToken],
            about: "Create a token; its text is shown this once. A user's token takes no access of its own",
            example: "tokens create --account 1 --name deploy --grant zones:read_only:example.com,example.net",
            fields: &[NAME.required(), ACCESS, EXPIRES_AT, NOT_BEFORE, ALLOW],
            shows: Shows::Secret,
        },
        Verb {
            name: "update",
            operations: &[Operation::UpdateAccountToken, Operation::UpdateUserToken],
            about: "Change what is said of a token; the rest stays as it is",
            example: "tokens update 2 --account 1 --grant zones:full_access:all --if-match 1",
            fields: &[NAME, ACCESS, EXPIRES_AT, NOT_BEFORE, ALLOW, IF_MATCH, DRY_RUN, DAYS],
            shows: Shows::Thing,
        },
        Verb {
            name: "rotate",
            operations: &[Operation::RotateAccountToken, Operation::RotateUserToken],
            about: "Give a token a new secret, which is shown this once",
            example: "tokens rotate 2 --account 1 --overlap-seconds 3600 --secret-file ./deploy.token",
            fields: &[OVERLAP, IF_MATCH],
            shows: Shows::Secret,
        },
        Verb {
            name: "delete",
            operations: &[Operation::DeleteAccountToken, Operation::DeleteUserToken],
            about: "Delete a token with all its secrets, for ever",
            example: "tokens delete 2 --account 1",
            fields: &[IF_MATCH, DRY_RUN, DAYS],
            shows: Shows::Done("Deleted"),
        },
        Verb {
            name: "import",
            operations: &[Operation::ImportTokens],
            about: "Take over tokens of another system by the SHA-256 of their texts: one, or a file of many",
            example: "tokens import --account 1 --file tokens.ndjson",
            fields: &[
                body("file", Kind::File, "One JSON object a line, as in {\"name\":\"ci\",\"access\":\"full\",\"digest\":\"…\"}; - is standard input")
                    .at(Place::Lines),
                NAME,
                ACCESS,
                body("digest", Kind::Text, "SHA-256 of the token's whole text in 64 hexadecimal digits"),
                body("hint", Kind::Text, "The last characters of its text, at most four"),
                body("created-at", Kind::Time, "When the other system made it"),
                EXPIRES_AT,
                NOT_BEFORE,
                ALLOW,
            ],
            shows: Shows::Thing,
        },
        Verb {
            name: "narrow",
            operations: &[Operation::NarrowAccountToken],
            about: "Give a token the smallest access that covers its uses; --dry-run shows it and what it would refuse",
            example: "tokens narrow 2 --account 1 --days 90 --dry-run",
            fields: &[
                body("days", Kind::Number, "How many days back uses count, 90 unless said"),
                body("lists", Kind::Word(&["narrow", "keep"]), "keep: every list goes on showing the same"),
                IF_MATCH,
                DRY_RUN,
            ],
            shows: Shows::Answer,
        },
        Verb {
            name: "usage",
            operations: &[Operation::GetAccountTokenUsage, Operation::GetUserTokenUsage],
            about: "Uses and refusals of a token by clock hour, a deleted token's too",
            example: "tokens usage 2 --account 1 --from 2026-03-01T00:00:00Z",
            fields: &[FROM, TO],
            shows: Shows::Chain(&HOURS, Next::From),
        },
        Verb {
            name: "erase-texts",
            operations: &[Operation::EraseAccountTokenTexts, Operation::EraseUserTokenTexts],
            about: "Erase a token's personal texts, for ever",
            example: "tokens erase-texts 2 --account 1",
            fields: &[YES],
            shows: Shows::Thing,
        },
    ],
};
