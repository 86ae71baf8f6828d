//! `resources`.

use crate::cli::remote::table::{AS_OF, Columns, Kind, Noun, Shows, Verb, body};
use crate::http::operations::Operation;

const LIST: Columns = Columns {
    title: "Resources",
    columns: &[
        ("id", "id"),
        ("kind", "kind"),
        ("name", "name"),
        ("of domain", "domain_name"),
        ("state", "state"),
        ("expires at", "expires_at"),
        ("created at", "created_at"),
    ],
};

pub(super) const RESOURCES: Noun = Noun {
    name: "resources",
    about: "List, add and remove domains, zones and certificates of an account",
    own: Some("resource"),
    verbs: &[
        Verb {
            name: "list",
            operations: &[Operation::ListResources],
            about: "List domains, zones and certificates of an account",
            example: "resources list --account 1",
            fields: &AS_OF,
            shows: Shows::Pages(&LIST),
        },
        Verb {
            name: "add",
            operations: &[Operation::AddResource],
            about: "Add a domain, zone or certificate; what is not said has a default",
            example: "resources add --account 1 --kind zone --name example.com",
            fields: &[
                body("kind", Kind::Word(&["domain", "zone", "certificate"]), "What it is").required(),
                body("name", Kind::Text, "Its name; of a certificate, that of its domain").required(),
                body("registrant-id", Kind::Number, "Of a domain: number of its registrant"),
                body(
                    "state",
                    Kind::Text,
                    "Of a domain: hosted, registered or expired; of a certificate: requesting or issued",
                ),
                body("auto-renew", Kind::Bool, "Of a domain or certificate: whether it is renewed by itself"),
                body("private-whois", Kind::Bool, "Of a domain: whether its registrant is hidden"),
                body("trustee", Kind::Bool, "Of a domain: whether it has a trustee"),
                body("expires-at", Kind::TimeOrNever, "Of a domain or certificate: when it expires"),
                body("reverse", Kind::Bool, "Of a zone: whether it is a reverse zone"),
                body("secondary", Kind::Bool, "Of a zone: whether it is a secondary zone"),
                body("active", Kind::Bool, "Of a zone: whether it is active"),
                body("last-transferred-at", Kind::TimeOrNever, "Of a zone: when it was transferred last"),
                body("common-name", Kind::Text, "Of a certificate: its common name"),
                body("alternate-name", Kind::Texts, "Of a certificate: an alternate name; can be given more than once")
                    .on_the_wire("alternate_names"),
                body("csr", Kind::Text, "Of a certificate: its signing request"),
                body("contact-id", Kind::Number, "Of a certificate: number of its contact"),
                body("years", Kind::Number, "Of a certificate: how many years it is for"),
                body(
                    "authority-identifier",
                    Kind::Word(&["letsencrypt", "sectigo"]),
                    "Of a certificate: who issues it",
                ),
            ],
            shows: Shows::Thing,
        },
        Verb {
            name: "remove",
            operations: &[Operation::RemoveResource],
            about: "Remove a resource",
            example: "resources remove 4 --account 1",
            fields: &[],
            shows: Shows::Done("Removed"),
        },
    ],
};
