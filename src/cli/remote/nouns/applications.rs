//! `oauth-applications` and `oauth-authorizations`: what an account registered, and what its members authorised.

use super::tokens::OVERLAP;
use crate::cli::remote::table::{AS_OF, Columns, DAYS, DRY_RUN, Field, IF_MATCH, Kind, Noun, Shows, Verb, body};
use crate::http::operations::Operation;

const NAME: Field = body("name", Kind::Text, "Its name, which people see before they authorise it");
const REDIRECT_URI: Field = body(
    "redirect-uri",
    Kind::Texts,
    "Where people may be sent back to; can be given more than once, all in place of those before",
)
.on_the_wire("redirect_uris");

const APPLICATIONS_LIST: Columns = Columns {
    title: "OAuth applications",
    columns: &[
        ("id", "id"),
        ("name", "name"),
        ("client id", "client_id"),
        ("kind", "kind"),
        ("hint", "hint"),
        ("version", "version"),
        ("created at", "created_at"),
    ],
};

const AUTHORIZATIONS_LIST: Columns = Columns {
    title: "Authorizations of OAuth applications",
    columns: &[
        ("id", "id"),
        ("application", "application_name"),
        ("by", "user_name"),
        ("access", "access"),
        ("granted at", "granted_at"),
    ],
};

pub(super) const APPLICATIONS: Noun = Noun {
    name: "oauth-applications",
    about: "List, show, register, update, rotate and delete OAuth applications of an account",
    own: Some("application"),
    verbs: &[
        Verb {
            name: "list",
            operations: &[Operation::ListApplications],
            about: "List OAuth applications that an account has registered",
            example: "oauth-applications list --account 1",
            fields: &AS_OF,
            shows: Shows::Pages(&APPLICATIONS_LIST),
        },
        Verb {
            name: "show",
            operations: &[Operation::GetApplication],
            about: "Show an OAuth application",
            example: "oauth-applications show 1 --account 1",
            fields: &AS_OF,
            shows: Shows::Thing,
        },
        Verb {
            name: "register",
            operations: &[Operation::CreateApplication],
            about: "Register an OAuth application; a confidential one's secret is shown this once",
            example: "oauth-applications register --account 1 --name deploy --kind confidential --redirect-uri https://app.example.com/callback",
            fields: &[
                NAME.required(),
                body("kind", Kind::Word(&["confidential", "public"]), "Whether it can keep a secret; for good")
                    .required(),
                REDIRECT_URI.required(),
            ],
            shows: Shows::Secret,
        },
        Verb {
            name: "update",
            operations: &[Operation::UpdateApplication],
            about: "Change an OAuth application's name or redirect URIs",
            example: "oauth-applications update 1 --account 1 --redirect-uri https://app.example.com/cb",
            fields: &[NAME, REDIRECT_URI, IF_MATCH],
            shows: Shows::Thing,
        },
        Verb {
            name: "rotate",
            operations: &[Operation::RotateApplicationSecret],
            about: "Give an OAuth application a new secret; it is shown this once",
            example: "oauth-applications rotate 1 --account 1 --overlap-seconds 3600",
            fields: &[OVERLAP, IF_MATCH],
            shows: Shows::Secret,
        },
        Verb {
            name: "revoke",
            operations: &[Operation::RevokeApplication],
            about: "End all that was authorised for an OAuth application, with its tokens, on every account",
            example: "oauth-applications revoke 1 --account 1",
            fields: &[DRY_RUN, DAYS],
            shows: Shows::Done("Revoked"),
        },
        Verb {
            name: "delete",
            operations: &[Operation::DeleteApplication],
            about: "Delete an OAuth application, with all that was authorised for it",
            example: "oauth-applications delete 1 --account 1",
            fields: &[IF_MATCH, DRY_RUN, DAYS],
            shows: Shows::Done("Deleted"),
        },
    ],
};

pub(super) const AUTHORIZATIONS: Noun = Noun {
    name: "oauth-authorizations",
    about: "List and revoke what members authorised OAuth applications to do on an account",
    own: Some("authorization"),
    verbs: &[
        Verb {
            name: "list",
            operations: &[Operation::ListAuthorizations],
            about: "List live authorizations on an account",
            example: "oauth-authorizations list --account 1",
            fields: &AS_OF,
            shows: Shows::Pages(&AUTHORIZATIONS_LIST),
        },
        Verb {
            name: "revoke",
            operations: &[Operation::RevokeAuthorization],
            about: "End an authorization, with its tokens",
            example: "oauth-authorizations revoke 1 --account 1",
            fields: &[DRY_RUN, DAYS],
            shows: Shows::Done("Revoked"),
        },
    ],
};
