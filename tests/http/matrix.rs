//! Who may do what: every operation asked by everybody, for their own things, for others' and for what is not there.
//!
//! The expected statuses are in [`MATRIX`]. An operation without its rows, or a row without an operation, fails; so does
//! whatever a refused request leaves beside its refusal.

use crate::contract::MANY;
use crate::house::{House, Token, grants};
use crate::matrix_table::Object::{self, Absent, Foreign, Own};
use crate::matrix_table::{ASKERS, MATRIX, Row};
use crate::oauth_flow::{App, query, register, sign_in};
use crate::wire::Ask;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use token_ledger::audit::questions::{Question, question};
use token_ledger::http::operations::{OPERATIONS, Operation};

/// What the variables of a path stand for: of the asker's, and of somebody else's. Made anew for each operation,
/// because one may use them up.
pub struct Spares {
    number: usize,
    /// When they were made.
    made_at: String,
    own: Values,
    foreign: Values,
}

/// Values of variables.
struct Values {
    account: u64,
    user: u64,
    member: u64,
    account_token: u64,
    /// Its text.
    account_token_text: String,
    user_token: u64,
    staff_token: u64,
    gateway_token: u64,
    resource: u64,
    domain: &'static str,
    zone: &'static str,
    certificate: u64,
    position: u64,
    review: u64,
    /// Of the user, and of the staff token; only where they are ended.
    user_session: u64,
    staff_session: u64,
    application: u64,
    authorization: u64,
}

async fn member(house: &House, account: u64) -> u64 {
    let user = house.user("Spare Example", "spare@example.com").await;
    house.put(format!("/v1/accounts/{account}/members/{user}"), json!({ "access": "full" })).await.expect(201);
    user
}

/// A record of an account.
async fn position(house: &House, account: u64) -> u64 {
    let events = house.look(format!("/v1/events?account={account}&limit=1")).await.expect(200).data();
    events[0]["position"].as_u64().unwrap()
}

/// An application of an account. Old ones go: an account has so many at most.
async fn application(house: &House, account: u64) -> u64 {
    let list = format!("/v1/accounts/{account}/oauth-applications");
    let kept = house.look(format!("{list}?per_page=1")).await.expect(200).json();
    if kept["pagination"]["total_entries"].as_u64().unwrap() > 50 {
        house.delete(format!("{list}/{}", kept["data"][0]["id"])).await.expect(204);
    }
    register(house, account, "confidential").await.id
}

/// What a member authorised on an account.
async fn authorization(house: &House, account: u64) -> u64 {
    let user = member(house, account).await;
    let registered = house.look(format!("/v1/accounts/{}/oauth-applications", house.solo)).await.expect(200).data();
    let app = match registered[0]["client_id"].as_str() {
        Some(client) => App { id: 0, client: client.to_owned(), secret: None },
        None => register(house, house.solo, "confidential").await,
    };
    let query = query(&app, &[("redirect_uri", "http://127.0.0.1/cb")]);
    sign_in(house, user).await.code(house, &query, account).await;
    let path = format!("/v1/accounts/{account}/oauth-authorizations?per_page=1");
    let last = house.look(&*path).await.expect(200).json()["pagination"]["total_pages"].clone();
    house.look(format!("{path}&page={last}")).await.expect(200).data()[0]["id"].as_u64().unwrap()
}

/// An open access review of an account.
async fn review(house: &House, account: u64) -> u64 {
    let opened = house.post("/v1/audit/reviews", json!({ "account_id": account })).await.expect(201);
    opened.data()["id"].as_u64().unwrap()
}

impl Spares {
    pub async fn make(house: &House, number: usize, operation: Operation) -> Self {
        for account in [house.teams, house.enterprise] {
            house.put(format!("/v1/accounts/{account}/features/domain_research"), json!({})).await.expect(200);
        }
        let zone = json!({ "kind": "zone", "name": format!("spare{number}.example") });
        let certificate = |name: &str| json!({ "kind": "certificate", "name": name });
        // A name of its own: one that other live tokens bear is not erased with the token.
        let full = json!({ "name": format!("spare {number}"), "access": "full" });
        let gateway = json!({ "name": "spare", "rights": ["report"], "accounts": [house.teams] });
        let staff = json!({ "role": "auditor", "name": "spare" });
        let token = house.account_token(house.teams, full).await;
        let staff_token = house.token("/v1/staff-tokens", staff).await.id;
        let sessions = match operation {
            Operation::EndUserSession => [
                house.session(&format!("/v1/users/{}", house.ada)).await.id,
                house.session(&format!("/v1/users/{}", house.grace)).await.id,
            ],
            Operation::EndStaffSession => {
                let of = async |staff: u64| house.session(&format!("/v1/staff-tokens/{staff}")).await.id;
                [of(staff_token).await, of(house.auditor.id).await]
            }
            _ => [0, 0],
        };
        let own = Values {
            account: house.teams,
            user: house.ada,
            member: member(house, house.teams).await,
            account_token: token.id,
            account_token_text: token.text,
            user_token: house.user_token(house.ada, &format!("spare {number}")).await.id,
            staff_token,
            gateway_token: house.token("/v1/gateway-tokens", gateway).await.id,
            resource: house.resource(house.teams, zone.clone()).await,
            domain: "example.com",
            zone: "example.com",
            certificate: house.resource(house.teams, certificate("example.com")).await,
            position: position(house, house.teams).await,
            review: review(house, house.teams).await,
            user_session: sessions[0],
            staff_session: sessions[0],
            application: application(house, house.teams).await,
            authorization: authorization(house, house.teams).await,
        };
        let foreign = Values {
            account: house.enterprise,
            user: house.grace,
            member: member(house, house.enterprise).await,
            account_token: house.solo_full.id,
            account_token_text: house.solo_full.text.clone(),
            user_token: house.graces.id,
            // The service's too, but of the other kind.
            staff_token: house.gateway.id,
            gateway_token: house.auditor.id,
            resource: house.resource(house.solo, zone).await,
            domain: "solo.example",
            zone: "corporate.example",
            certificate: house.resource(house.solo, certificate("solo.example")).await,
            position: position(house, house.enterprise).await,
            review: review(house, house.enterprise).await,
            user_session: sessions[1],
            staff_session: sessions[1],
            application: application(house, house.enterprise).await,
            authorization: authorization(house, house.solo).await,
        };
        Self { made_at: house.clock.now().to_micros_text(), number, own, foreign }
    }

    /// Only so many are open at once.
    pub async fn close_reviews(&self, house: &House) {
        for review in [self.own.review, self.foreign.review] {
            let told = house.post(format!("/v1/audit/reviews/{review}/close"), json!({})).await;
            assert!([200, 409].contains(&told.status), "{told:?}");
        }
    }

    /// The operation's path: its last variable stands for the object.
    pub fn path(&self, (template, method): (&str, &str), object: Object) -> String {
        let last = template.rfind('{');
        let mut path = template.to_owned();
        for (at, part) in template.match_indices('{').map(|(at, _)| (at, &template[at..])) {
            let variable = &part[..=part.find('}').unwrap()];
            let object = if Some(at) == last { object } else { Own };
            let value = match object {
                Own => self.own.variable(template, variable),
                Foreign => self.foreign.variable(template, variable),
                Absent if ["{domain}", "{zone}"].contains(&variable) => "absent.example".to_owned(),
                Absent if ["{tile}", "{bundle}"].contains(&variable) => "x001/000".to_owned(),
                Absent if variable == "{path}" => "v2/999999/zones/example.com".to_owned(),
                Absent => "999999".to_owned(),
            };
            path = path.replace(variable, &value);
        }
        if let Some(question) = template.strip_prefix("/v1/audit/").and_then(question).filter(|_| method == "GET") {
            return format!("{path}?{}", self.own.required_of(question));
        }
        match template {
            _ if template.ends_with("research/status") => format!("{path}?domain=example.com"),
            // One that ends by itself.
            "/v1/events/stream" => format!("{path}?after=0&before=3"),
            "/v1/audit/bundle" => format!("{path}?account=1"),
            "/proof/inclusion" => format!("{path}?position=1"),
            "/proof/consistency" => format!("{path}?old=1"),
            _ => path,
        }
    }

    /// With what a gateway says of its client's request.
    fn as_gateway(&self, ask: Ask, object: Object) -> Ask {
        let target = match object {
            Own => format!("/{}", self.own.guarded()),
            Foreign => format!("/{}", self.foreign.guarded()),
            Absent => "/v2/999999/zones/example.com".to_owned(),
        };
        let pairs = [("X-Original-Method", "X-Original-URI"), ("X-Forwarded-Method", "X-Forwarded-Uri")];
        pairs.iter().fold(ask, |ask, (method, uri)| ask.header(method, "GET").header(uri, &target))
    }

    /// A body that is accepted, another one for each object.
    pub fn body(&self, operation: Operation, object: Object) -> Option<Value> {
        use Operation as Op;
        let number = self.number * 3 + object as usize;
        Some(match operation {
            Op::CreateUser => json!({ "name": "n", "email": "n@example.com" }),
            Op::CreateAccount => json!({ "name": "n", "email": "n@example.com", "plan": "solo" }),
            Op::UpdateAccount => json!({ "hourly_limit": 1_000 + number }),
            Op::ActivateResearch => json!({ "monthly_cap": 1_000 + number }),
            Op::PutMember => json!({ "access": grants(&[]) }),
            Op::AddResource => json!({ "kind": "zone", "name": format!("added{number}.example") }),
            Op::CreateAccountToken => json!({ "name": "n", "access": "full" }),
            Op::CreateApplication => {
                json!({ "name": "n", "redirect_uris": ["https://app.example"], "kind": "confidential" })
            }
            Op::UpdateApplication => json!({ "name": "n" }),
            Op::RotateApplicationSecret => json!({ "overlap_seconds": 0 }),
            Op::ImportTokens => json!({ "name": "n", "access": "full", "digest": format!("{number:064x}") }),
            Op::CreateGatewayToken => json!({ "name": "n", "rights": ["report"], "accounts": [1] }),
            Op::CreateUserToken | Op::UpdateAccountToken | Op::UpdateUserToken | Op::UpdateGatewayToken => {
                json!({ "name": "n" })
            }
            Op::RotateAccountToken | Op::RotateUserToken | Op::RotateGatewayToken => json!({ "overlap_seconds": 0 }),
            Op::Authorize => {
                let question = json!({ "method": "GET", "path": format!("/{}", self.own.guarded()) });
                json!({ "token": self.own.account_token_text, "questions": [question] })
            }
            Op::ReportUses => json!({ "key": number.to_string(), "token_id": self.own.account_token,
                "occurred_at": self.made_at, "known_position": 1, "required_scope": "zones:*:read" }),
            Op::OpenReview => json!({ "account_id": self.own.account }),
            Op::DecideReview => json!({ "token_id": self.own.account_token, "verdict": "keep" }),
            Op::AskLeakOfText => json!({ "token": self.own.account_token_text, "since": "1" }),
            Op::LookUpToken => {
                let digest = Sha256::digest(self.own.account_token_text.as_bytes());
                json!({ "hashed_token": STANDARD.encode(digest) })
            }
            Op::CreateStaffToken => json!({ "role": "auditor", "name": "n" }),
            _ => return None,
        })
    }
}

impl Values {
    /// What a question must be told.
    fn required_of(&self, question: &Question) -> String {
        let value = |name: &str| match name {
            "account" => self.account.to_string(),
            "user" => self.user.to_string(),
            "token" => self.account_token.to_string(),
            "scope" => "zones:example.com".to_owned(),
            "review" => self.review.to_string(),
            "since" => "1".to_owned(),
            other => panic!("{other} needs a value"),
        };
        match question.name {
            "what-if" => return format!("token={}&removed=yes", self.account_token),
            "least-privilege" => return format!("token={}", self.account_token),
            "leak" => return format!("token={}&since=1", self.account_token),
            "since-review" => return format!("account={}&review={}", self.account, self.review),
            "quota" => return format!("account={}", self.account),
            _ => {}
        }
        // Where none must be told, one of them must.
        let needs = question.parameters.iter().any(|parameter| parameter.required);
        let (first, others) = question.parameters.split_at(usize::from(!needs));
        let required = first.iter().chain(others.iter().filter(|parameter| parameter.required));
        let pairs: Vec<String> =
            required.map(|parameter| format!("{}={}", parameter.name, value(parameter.name))).collect();
        pairs.join("&")
    }

    /// A path of the API behind a gateway.
    fn guarded(&self) -> String {
        format!("v2/{}/zones/example.com", self.account)
    }

    fn variable(&self, template: &str, variable: &str) -> String {
        let number = match (variable, template) {
            ("{domain}", _) => return self.domain.to_owned(),
            ("{zone}", _) => return self.zone.to_owned(),
            ("{slug}", _) => return "not-found".to_owned(),
            // Of every size from the first on.
            ("{level}", _) => return "0".to_owned(),
            ("{tile}" | "{bundle}", _) => return "000.p/1".to_owned(),
            // As many segments as the client's path has.
            ("{path}", _) => return self.guarded(),
            ("{account}", _) => self.account,
            ("{user}", template) if template.contains("/members/") => self.member,
            ("{user}", _) => self.user,
            ("{token}", template) if template.starts_with("/v1/users") => self.user_token,
            ("{token}", template) if template.starts_with("/v1/staff") => self.staff_token,
            ("{token}", template) if template.starts_with("/v1/gateway") => self.gateway_token,
            ("{token}", _) => self.account_token,
            ("{resource}", _) => self.resource,
            ("{certificate}", _) => self.certificate,
            ("{position}", _) => self.position,
            ("{review}", _) => self.review,
            ("{session}", template) if template.starts_with("/v1/users") => self.user_session,
            ("{session}", _) => self.staff_session,
            ("{application}", _) => self.application,
            ("{authorization}", _) => self.authorization,
            (other, _) => panic!("{other} needs a value"),
        };
        number.to_string()
    }
}

/// The text that an asker shows.
fn credential<'a>(house: &'a House, asker: &str) -> Option<&'a str> {
    match asker {
        "none" => None,
        "malformed" => Some("tlka_malformed"),
        "unknown" => Some(&house.unknown),
        "operator" => Some(&house.operator),
        known => Some(&token(house, known).text),
    }
}

/// The token that a known asker shows, the operator's apart.
fn token<'a>(house: &'a House, asker: &str) -> &'a Token {
    match asker {
        "deleted" => &house.deleted,
        "expired" => &house.expired,
        "full" => &house.full,
        "scoped" => &house.scoped,
        "other account's" => &house.solo_full,
        "user" => &house.adas,
        "other user" => &house.linus_own,
        "gateway" => &house.gateway,
        "auditor" => &house.auditor,
        other => panic!("{other} has no token"),
    }
}

/// Why a known asker is refused, as its record must say.
fn cause(asker: &str, status: u16) -> &'static str {
    match (asker, status) {
        ("deleted", 401) => "token_deleted",
        ("expired", 401) => "token_expired",
        ("scoped", 403) => "missing_scope",
        (_, 404) => "foreign_account",
        _ => "wrong_kind",
    }
}

/// What is wrong with the records that an answer left, interned texts apart.
fn record_fault(house: &House, ask: &Ask, asker: &str, status: u16, events: &[Value]) -> Option<&'static str> {
    let guarded = ask.path.starts_with("/v2/") || ask.path.starts_with("/forward-auth/");
    let looks = ["/v1/tokens/lookup", "/oauth/introspect", "/v1/audit/leak"];
    let reads_only = (ask.method == "GET" && !guarded) || looks.contains(&&*ask.path);
    match status {
        401 | 403 if ["none", "malformed", "unknown"].contains(&asker) => None,
        401 | 403 => {
            let [event] = events else { return Some("a refusal is one record") };
            let (kind, cause) = match guarded {
                true => ("TokenUseRefused", cause(asker, status)),
                // There the scope is not asked for: the kind of token is wrong.
                false if status == 403 => ("ManagementRefused", "wrong_kind"),
                false => ("ManagementRefused", cause(asker, status)),
            };
            let is_it = event["type"] == kind && event["data"]["cause"] == cause;
            (!is_it || !is_by(house, event, asker)).then_some("the record says another refusal")
        }
        404 if guarded => {
            let [event] = events else { return Some("a use or refusal is one record") };
            // The account in the path is named; an account that the token does not act on has nothing in its stream.
            let asked_account = asked_account(ask);
            let is_of_it = event["account_id"].as_u64() == asked_account;
            let is_use = event["type"] == "TokenUsed" && event["data"]["outcome"] == "not_found" && is_of_it;
            let is_refusal =
                event["type"] == "TokenUseRefused" && event["data"]["cause"] == cause(asker, status) && !is_of_it;
            (!(is_use || is_refusal) || !is_by(house, event, asker)).then_some("the record says something else")
        }
        404 | 409 => (!events.is_empty()).then_some("nothing was changed"),
        // Asked by an application with its own credentials, and not as it is asked for.
        400 if ask.path == "/v2/oauth/access_token" => (!events.is_empty()).then_some("nothing was changed"),
        // All authorizations of an application that has none.
        204 if ask.path.ends_with("/authorizations") && events.is_empty() => None,
        // A look at history leaves that it was one, and nothing else does.
        _ if reads_only => (!events.iter().all(|event| is_look_by(house, event, asker))).then_some("only looked at"),
        _ => events.is_empty().then_some("it is not recorded"),
    }
}

/// The account that the path names, of a gateway's question its client's path.
fn asked_account(ask: &Ask) -> Option<u64> {
    let told = ask.headers.iter().find(|(name, _)| name == "X-Original-URI").map(|(_, uri)| uri);
    let path = if ask.path.starts_with("/forward-auth/") { told? } else { &ask.path };
    path.split('/').nth(2).and_then(|text| text.parse().ok())
}

fn is_look_by(house: &House, event: &Value, asker: &str) -> bool {
    let id = if asker == "operator" { 1 } else { token(house, asker).id };
    let looks = ["HistoryRead", "HistoryStreamOpened", "HistoryStreamClosed"];
    looks.iter().any(|kind| event["type"] == *kind) && event["credential"] == id
}

fn is_by(house: &House, event: &Value, asker: &str) -> bool {
    let id = if asker == "operator" { 1 } else { token(house, asker).id };
    event["token_id"] == id && event["credential"] == id
}

/// One cell; a sentence if it is not as written.
async fn fault(house: &House, ask: Ask, asker: &str, status: u16) -> Option<String> {
    let head = house.head();
    let told = house.ask(ask.clone()).await;
    let at = format!("{} {} by {asker}", ask.method, ask.path);
    if told.status != status {
        return Some(format!("{at}: {} instead of {status}", told.status));
    }
    if ["none", "malformed", "unknown"].contains(&asker) && house.head() != head {
        return Some(format!("{at}: nobody known asked, and the log grew"));
    }
    let events = house.events_after(head).await;
    // nginx is told another status than the one decided, which stands beside it.
    let status = told.header("x-auth-status").map_or(status, |decided| decided.parse().unwrap());
    record_fault(house, &ask, asker, status, &events).map(|fault| format!("{at}: {status}, {fault}: {events:?}"))
}

pub fn line_of(operation: Operation) -> (&'static str, &'static str) {
    let (template, method, _) = OPERATIONS.iter().find(|(_, _, other)| *other == operation).unwrap();
    (template, method)
}

async fn row_faults(house: &House, row: &Row, spares: &Spares, faults: &mut Vec<String>) {
    let (operation, object, statuses) = *row;
    let (template, method) = line_of(operation);
    let statuses: Vec<u16> = statuses.split_whitespace().map(|status| status.parse().unwrap()).collect();
    assert_eq!(statuses.len(), ASKERS.len(), "{operation:?} {object:?}");
    for (asker, status) in ASKERS.iter().zip(statuses) {
        let mut ask = Ask::new(method, spares.path((template, method), object));
        if let Some(body) = spares.body(operation, object) {
            ask = match operation {
                Operation::ReportUses => ask.header("Content-Type", MANY).bytes(body.to_string()),
                _ => ask.json(&body),
            };
        }
        if template.starts_with("/oauth/") {
            ask = ask.form(&[("token", &spares.own.account_token_text)]);
        }
        if let Some(token) = credential(house, asker) {
            ask = ask.bearer(token);
        }
        if template.starts_with("/forward-auth/") {
            ask = spares.as_gateway(ask, object);
        }
        faults.extend(fault(house, ask, asker, status).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_do_what_the_matrix_says_and_nothing_else() {
    let house = House::new().await;
    let mut faults = Vec::new();
    for (number, rows) in MATRIX.chunk_by(|one, next| one.0 == next.0).enumerate() {
        // Another minute, so that no token comes to the sixty refusals that are recorded one by one.
        house.advance(60);
        let spares = Spares::make(&house, number, rows[0].0).await;
        // What is not accepted first: the own thing may be used up.
        for row in rows.iter().rev() {
            row_faults(&house, row, &spares, &mut faults).await;
        }
        spares.close_reviews(&house).await;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The objects that a path can name.
fn objects(template: &str) -> Vec<Object> {
    match template {
        template if !template.contains('{') && !template.starts_with("/forward-auth/") => vec![Own],
        // Nobody owns these.
        template if template.ends_with("{slug}") || template.starts_with("/tile/") => vec![Own, Absent],
        _ => vec![Own, Foreign, Absent],
    }
}

#[test]
fn every_operation_has_its_rows_and_every_path_with_a_variable_all_objects() {
    let rows: BTreeSet<Operation> = MATRIX.iter().map(|(operation, _, _)| *operation).collect();
    let served: BTreeSet<Operation> = OPERATIONS.iter().map(|(_, _, operation)| *operation).collect();
    assert_eq!(rows, served);
    for rows in MATRIX.chunk_by(|one, next| one.0 == next.0) {
        let named: Vec<Object> = rows.iter().map(|(_, object, _)| *object).collect();
        assert_eq!(named, objects(line_of(rows[0].0).0), "{:?}", rows[0].0);
    }
}
