//! `members`.

use crate::cli::remote::table::{AS_OF, Columns, DAYS, DRY_RUN, IF_MATCH, Kind, Noun, Shows, Verb, body};
use crate::http::operations::Operation;

const LIST: Columns = Columns {
    title: "Members",
    columns: &[("user", "user_id"), ("name", "name"), ("access", "access"), ("version", "version"), ("since", "since")],
};

pub(super) const MEMBERS: Noun = Noun {
    name: "members",
    about: "List, put and remove members of an account",
    own: Some("user"),
    verbs: &[
        Verb {
            name: "list",
            operations: &[Operation::ListMembers],
            about: "List members of an account",
            example: "members list --account 1",
            fields: &AS_OF,
            shows: Shows::Pages(&LIST),
        },
        Verb {
            name: "put",
            operations: &[Operation::PutMember],
            about: "Make a user a member, or change a member's access",
            example: "members put 3 --account 1 --grant domains:full_access:all --grant zones:read_only:example.com",
            fields: &[body("access", Kind::Access, "").required(), IF_MATCH, DRY_RUN, DAYS],
            shows: Shows::Thing,
        },
        Verb {
            name: "remove",
            operations: &[Operation::RemoveMember],
            about: "Remove a member; their tokens reach the account no more",
            example: "members remove 3 --account 1",
            fields: &[IF_MATCH, DRY_RUN, DAYS],
            shows: Shows::Done("Removed"),
        },
    ],
};
