//! `accounts`.

use crate::cli::remote::table::{AS_OF, Columns, DAYS, DRY_RUN, Field, IF_MATCH, Kind, Noun, Shows, Verb, body};
use crate::http::operations::Operation;

const PLANS: Kind = Kind::Word(&["solo", "teams", "enterprise"]);
const NAME: Field = body("name", Kind::Text, "Its name");
const EMAIL: Field = body("email", Kind::Text, "Its e-mail address");
const PLAN: Field = body("plan", PLANS, "Its plan; solo has no grants");
const LIMIT: Field = body("hourly-limit", Kind::Number, "Requests an hour that its tokens share");

const LIST: Columns = Columns {
    title: "Accounts",
    columns: &[
        ("id", "id"),
        ("name", "name"),
        ("e-mail", "email"),
        ("plan", "plan"),
        ("hourly limit", "hourly_limit"),
        ("members", "members"),
        ("tokens", "tokens"),
        ("resources", "resources"),
        ("version", "version"),
    ],
};

pub(super) const ACCOUNTS: Noun = Noun {
    name: "accounts",
    about: "List, show, create and update accounts",
    own: Some("account"),
    verbs: &[
        Verb {
            name: "list",
            operations: &[Operation::ListManagedAccounts],
            about: "List accounts",
            example: "accounts list",
            fields: &AS_OF,
            shows: Shows::Pages(&LIST),
        },
        Verb {
            name: "show",
            operations: &[Operation::GetAccount],
            about: "Show an account",
            example: "accounts show 1",
            fields: &AS_OF,
            shows: Shows::Thing,
        },
        Verb {
            name: "create",
            operations: &[Operation::CreateAccount],
            about: "Create an account",
            example: "accounts create --name Example --email ops@example.com --plan teams",
            fields: &[NAME.required(), EMAIL.required(), PLAN.required(), LIMIT],
            shows: Shows::Thing,
        },
        Verb {
            name: "update",
            operations: &[Operation::UpdateAccount],
            about: "Change what is said of an account; the rest stays as it is",
            example: "accounts update 1 --hourly-limit 5000 --if-match 1",
            fields: &[NAME, EMAIL, PLAN, LIMIT, IF_MATCH, DRY_RUN, DAYS],
            shows: Shows::Thing,
        },
    ],
};
