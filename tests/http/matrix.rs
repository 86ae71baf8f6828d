//! Who may do what: every operation asked by everybody, for things that are there and things that are not.
//!
//! The expected statuses are written by hand. An operation without a row, or a row without an operation, fails.

use crate::house::{House, Token};
use crate::wire::Ask;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use token_ledger::http::operations::{OPERATIONS, Operation};

const ASKERS: [&str; 11] = [
    "none",
    "malformed",
    "unknown",
    "deleted",
    "expired",
    "full",
    "scoped",
    "other account's",
    "user",
    "auditor",
    "operator",
];

/// An operation, what is answered about things that are there, and about things that are not.
type Row = (Operation, &'static str, &'static str);

const NO_ABSENCE: &str = "";

/// `full`, `scoped` and the deleted and expired tokens are of the account in the path, `user` is a full member of it.
#[rustfmt::skip]
const MATRIX: &[Row] = {
    use Operation::*;
    &[
        //                    there                                               absent
        //                    -   bad unk del exp  ful sco oth usr  aud opr       -   bad unk del exp  ful sco oth usr  aud opr
        (Whoami,             "401 401 401 401 401  200 200 200 200  403 403",    NO_ABSENCE),
        (ListAccounts,       "401 401 401 401 401  200 200 200 200  403 403",    NO_ABSENCE),
        (ListDomains,        "401 401 401 401 401  200 200 404 200  403 403",    "401 401 401 401 401  404 404 404 404  403 403"),
        (GetDomain,          "401 401 401 401 401  200 200 404 200  403 403",    "401 401 401 401 401  404 403 404 404  403 403"),
        (ListZones,          "401 401 401 401 401  200 200 404 200  403 403",    "401 401 401 401 401  404 404 404 404  403 403"),
        (GetZone,            "401 401 401 401 401  200 200 404 200  403 403",    "401 401 401 401 401  404 403 404 404  403 403"),
        (ListCertificates,   "401 401 401 401 401  200 200 404 200  403 403",    "401 401 401 401 401  404 403 404 404  403 403"),
        (GetCertificate,     "401 401 401 401 401  200 200 404 200  403 403",    "401 401 401 401 401  404 404 404 404  403 403"),
        (ResearchStatus,     "401 401 401 401 401  200 403 404 200  403 403",    "401 401 401 401 401  404 404 404 404  403 403"),
        (CreateUser,         "401 401 401 401 401  403 403 403 403  403 201",    NO_ABSENCE),
        (ListUsers,          "401 401 401 401 401  403 403 403 403  200 200",    NO_ABSENCE),
        (GetUser,            "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (CreateAccount,      "401 401 401 401 401  403 403 403 403  403 201",    NO_ABSENCE),
        (ListManagedAccounts,"401 401 401 401 401  403 403 403 403  200 200",    NO_ABSENCE),
        (GetAccount,         "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (UpdateAccount,      "401 401 401 401 401  403 403 403 403  403 200",    "401 401 401 401 401  403 403 403 403  403 404"),
        (ActivateResearch,   "401 401 401 401 401  403 403 403 403  403 200",    "401 401 401 401 401  403 403 403 403  403 404"),
        (DeactivateResearch, "401 401 401 401 401  403 403 403 403  403 204",    "401 401 401 401 401  403 403 403 403  403 404"),
        (ListMembers,        "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (PutMember,          "401 401 401 401 401  403 403 403 403  403 200",    "401 401 401 401 401  403 403 403 403  403 404"),
        (RemoveMember,       "401 401 401 401 401  403 403 403 403  403 204",    "401 401 401 401 401  403 403 403 403  403 404"),
        (AddResource,        "401 401 401 401 401  403 403 403 403  403 201",    "401 401 401 401 401  403 403 403 403  403 404"),
        (ListResources,      "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (RemoveResource,     "401 401 401 401 401  403 403 403 403  403 204",    "401 401 401 401 401  403 403 403 403  403 404"),
        (CreateAccountToken, "401 401 401 401 401  403 403 403 403  403 201",    "401 401 401 401 401  403 403 403 403  403 404"),
        (ListAccountTokens,  "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (GetAccountToken,    "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (UpdateAccountToken, "401 401 401 401 401  403 403 403 403  403 200",    "401 401 401 401 401  403 403 403 403  403 404"),
        (DeleteAccountToken, "401 401 401 401 401  403 403 403 403  403 204",    "401 401 401 401 401  403 403 403 403  403 404"),
        (RotateAccountToken, "401 401 401 401 401  403 403 403 403  403 201",    "401 401 401 401 401  403 403 403 403  403 404"),
        (CreateUserToken,    "401 401 401 401 401  403 403 403 403  403 201",    "401 401 401 401 401  403 403 403 403  403 404"),
        (ListUserTokens,     "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (GetUserToken,       "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (UpdateUserToken,    "401 401 401 401 401  403 403 403 403  403 200",    "401 401 401 401 401  403 403 403 403  403 404"),
        (DeleteUserToken,    "401 401 401 401 401  403 403 403 403  403 204",    "401 401 401 401 401  403 403 403 403  403 404"),
        (RotateUserToken,    "401 401 401 401 401  403 403 403 403  403 201",    "401 401 401 401 401  403 403 403 403  403 404"),
        (CreateStaffToken,   "401 401 401 401 401  403 403 403 403  403 201",    NO_ABSENCE),
        (ListStaffTokens,    "401 401 401 401 401  403 403 403 403  200 200",    NO_ABSENCE),
        (DeleteStaffToken,   "401 401 401 401 401  403 403 403 403  403 204",    "401 401 401 401 401  403 403 403 403  403 404"),
        (GetUsage,           "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (GetUsageHistory,    "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (GetAccountTokenUsage,"401 401 401 401 401  403 403 403 403  200 200",   "401 401 401 401 401  403 403 403 403  404 404"),
        (GetUserTokenUsage,  "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (GetSelf,            "401 401 401 401 401  200 200 200 200  200 200",    NO_ABSENCE),
        (ListEvents,         "401 401 401 401 401  403 403 403 403  200 200",    NO_ABSENCE),
        (GetEvent,           "401 401 401 401 401  403 403 403 403  200 200",    "401 401 401 401 401  403 403 403 403  404 404"),
        (Health,             "200 200 200 200 200  200 200 200 200  200 200",    NO_ABSENCE),
        (Ready,              "200 200 200 200 200  200 200 200 200  200 200",    NO_ABSENCE),
        (Metrics,            "200 200 200 200 200  200 200 200 200  200 200",    NO_ABSENCE),
        (Document,           "200 200 200 200 200  200 200 200 200  200 200",    NO_ABSENCE),
        (Checkpoint,         "200 200 200 200 200  200 200 200 200  200 200",    NO_ABSENCE),
        (VerifierKeys,       "200 200 200 200 200  200 200 200 200  200 200",    NO_ABSENCE),
        (ProblemPage,        "200 200 200 200 200  200 200 200 200  200 200",    "404 404 404 404 404  404 404 404 404  404 404"),
    ]
};

/// Things that a row may use up, made anew for each.
struct Spares {
    account_token: Token,
    user_token: Token,
    staff_token: Token,
    resource: u64,
    certificate: u64,
    number: usize,
}

impl Spares {
    async fn make(house: &House, number: usize) -> Self {
        let zone = json!({ "kind": "zone", "name": format!("spare{number}.example") });
        let certificate = json!({ "kind": "certificate", "name": "example.com" });
        let member = format!("/v1/accounts/{}/members/{}", house.teams, house.linus);
        house.put(member, json!({ "access": "full" })).await;
        house.put(format!("/v1/accounts/{}/features/domain_research", house.teams), json!({})).await.expect(200);
        Self {
            account_token: house.account_token(house.teams, json!({ "name": "spare", "access": "full" })).await,
            user_token: house.user_token(house.linus, "spare").await,
            staff_token: house.token("/v1/staff-tokens", json!({ "role": "auditor", "name": "spare" })).await,
            resource: house.resource(house.teams, zone).await,
            certificate: house.resource(house.teams, certificate).await,
            number,
        }
    }

    fn variable(&self, house: &House, template: &str, variable: &str) -> String {
        let token = match template {
            template if template.starts_with("/v1/users") => &self.user_token,
            template if template.starts_with("/v1/staff") => &self.staff_token,
            _ => &self.account_token,
        };
        match variable {
            "{account}" => house.teams.to_string(),
            "{user}" => house.linus.to_string(),
            "{token}" => token.id.to_string(),
            "{resource}" => self.resource.to_string(),
            "{certificate}" => self.certificate.to_string(),
            "{position}" => "1".to_owned(),
            "{domain}" | "{zone}" => "example.com".to_owned(),
            other => panic!("{other} needs a spare"),
        }
    }

    /// The path of a thing that is there, or, with its last variable changed, of one that is not.
    fn path(&self, house: &House, template: &str, absent: bool) -> String {
        let last = template.rfind('{');
        let mut path = template.to_owned();
        for (at, part) in template.match_indices('{').map(|(at, _)| (at, &template[at..])) {
            let variable = &part[..=part.find('}').unwrap()];
            let value = match (absent && Some(at) == last, variable) {
                (true, "{domain}" | "{zone}") => "absent.example".to_owned(),
                (false, "{slug}") => "not-found".to_owned(),
                (true, _) => "999999".to_owned(),
                (false, _) => self.variable(house, template, variable),
            };
            path = path.replace(variable, &value);
        }
        if template.ends_with("research/status") { format!("{path}?domain=example.com") } else { path }
    }

    fn body(&self, operation: Operation) -> Option<Value> {
        use Operation as Op;
        Some(match operation {
            Op::CreateUser => json!({ "name": "n", "email": "n@example.com" }),
            Op::CreateAccount => json!({ "name": "n", "email": "n@example.com", "plan": "solo" }),
            Op::UpdateAccount => json!({ "hourly_limit": 1_000 + self.number }),
            Op::ActivateResearch => json!({ "monthly_cap": 1_000 + self.number }),
            Op::PutMember => json!({ "access": { "grants": [] } }),
            Op::AddResource => json!({ "kind": "zone", "name": format!("added{}.example", self.number) }),
            Op::CreateAccountToken => json!({ "name": "n", "access": "full" }),
            Op::CreateUserToken | Op::UpdateAccountToken | Op::UpdateUserToken => json!({ "name": "n" }),
            Op::RotateAccountToken | Op::RotateUserToken => json!({ "overlap_seconds": 0 }),
            Op::CreateStaffToken => json!({ "role": "auditor", "name": "n" }),
            _ => return None,
        })
    }
}

fn credential<'a>(house: &'a House, asker: &str) -> Option<&'a str> {
    Some(match asker {
        "none" => return None,
        "malformed" => "tlka_malformed",
        "unknown" => &house.unknown,
        "deleted" => &house.deleted.text,
        "expired" => &house.expired.text,
        "full" => &house.full.text,
        "scoped" => &house.scoped.text,
        "other account's" => &house.solo_full.text,
        "user" => &house.adas.text,
        "auditor" => &house.auditor.text,
        "operator" => &house.operator,
        other => panic!("{other} has no token"),
    })
}

/// Events that a refused request may leave: one refusal, in the refused token's own name.
fn is_refusal(events: &[Value]) -> bool {
    match events {
        [] => true,
        [event] => ["ManagementRefused", "TokenUseRefused"].contains(&event["type"].as_str().unwrap()),
        _ => false,
    }
}

/// One cell; a sentence if it is not as written.
async fn fault(house: &House, ask: Ask, asker: &str, status: u16) -> Option<String> {
    let head = house.head();
    let told = house.ask(ask.clone()).await;
    let at = format!("{} {} by {asker}", ask.method, ask.path);
    if told.status != status {
        return Some(format!("{at}: {} instead of {status}", told.status));
    }
    let events = house.events_after(head).await;
    let is_denied = [401, 403].contains(&status);
    let unknown = ["none", "malformed", "unknown"].contains(&asker);
    if is_denied && (!is_refusal(&events) || unknown && house.head() != head) {
        return Some(format!("{at} left {events:?}"));
    }
    if status == 404 && ask.path.starts_with("/v1/") && !events.is_empty() {
        return Some(format!("{at} changed nothing and left {events:?}"));
    }
    let named = is_denied && !unknown && events.is_empty();
    named.then(|| format!("{at}: the refusal is not recorded"))
}

async fn row_faults(house: &House, row: &Row, number: usize, faults: &mut Vec<String>) {
    let (operation, there, absent) = row;
    let (template, method, _) = OPERATIONS.iter().find(|(_, _, other)| other == operation).unwrap();
    // Another minute, so that no token comes to the sixty refusals that are recorded one by one.
    house.advance(60);
    let spares = Spares::make(house, number).await;
    for (is_absent, statuses) in [(true, absent), (false, there)] {
        let statuses: Vec<u16> = statuses.split_whitespace().map(|status| status.parse().unwrap()).collect();
        assert!(statuses.is_empty() || statuses.len() == ASKERS.len(), "{operation:?}");
        for (asker, status) in ASKERS.iter().zip(statuses) {
            let mut ask = Ask::new(method, spares.path(house, template, is_absent));
            if let Some(body) = spares.body(*operation) {
                ask = ask.json(&body);
            }
            if let Some(token) = credential(house, asker) {
                ask = ask.bearer(token);
            }
            faults.extend(fault(house, ask, asker, status).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_do_what_the_matrix_says_and_nothing_else() {
    let house = House::new().await;
    let mut faults = Vec::new();
    for (number, row) in MATRIX.iter().enumerate() {
        row_faults(&house, row, number, &mut faults).await;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_operation_has_one_row_and_every_path_with_a_variable_both_halves() {
    let rows: BTreeSet<Operation> = MATRIX.iter().map(|(operation, _, _)| *operation).collect();
    let served: BTreeSet<Operation> = OPERATIONS.iter().map(|(_, _, operation)| *operation).collect();
    assert_eq!(rows, served);
    assert_eq!(rows.len(), MATRIX.len(), "an operation has two rows");
    for (operation, _, absent) in MATRIX {
        let (template, _, _) = OPERATIONS.iter().find(|(_, _, other)| other == operation).unwrap();
        assert_eq!(template.contains('{'), *absent != NO_ABSENCE, "{operation:?}");
    }
}
