//! The guarded API's bodies: exactly DNSimple's keys, in every shape, and DNSimple's words when something is wrong.

use crate::house::House;
use crate::wire::Ask;
use serde_json::{Value, json};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

const ACCOUNT: [&str; 6] = ["id", "email", "name", "plan_identifier", "created_at", "updated_at"];
const USER: [&str; 4] = ["id", "email", "created_at", "updated_at"];
const DOMAIN: [&str; 13] = [
    "id",
    "account_id",
    "registrant_id",
    "name",
    "unicode_name",
    "state",
    "auto_renew",
    "private_whois",
    "trustee",
    "expires_on",
    "expires_at",
    "created_at",
    "updated_at",
];
const ZONE: [&str; 9] =
    ["id", "account_id", "name", "reverse", "secondary", "last_transferred_at", "active", "created_at", "updated_at"];
const CERTIFICATE: [&str; 15] = [
    "id",
    "domain_id",
    "contact_id",
    "name",
    "common_name",
    "years",
    "csr",
    "state",
    "auto_renew",
    "alternate_names",
    "authority_identifier",
    "created_at",
    "updated_at",
    "expires_at",
    "expires_on",
];

#[tokio::test(flavor = "multi_thread")]
async fn whoami_shows_exactly_one_of_account_and_user() {
    let house = House::new().await;
    let told = house.get(&house.full.text, "/v2/whoami").await.expect(200);
    assert_eq!(told.header("content-type"), Some("application/json; charset=utf-8"));
    let data = told.data();
    assert_eq!(keys(&data), ["user", "account"]);
    assert_eq!(data["user"], Value::Null);
    assert_eq!(keys(&data["account"]), ACCOUNT);
    assert_eq!(data["account"]["id"], house.teams);
    assert_eq!(data["account"]["plan_identifier"], "teams");
    assert_eq!(data["account"]["created_at"], "2026-03-01T12:00:00Z");
    let data = house.get(&house.adas.text, "/v2/whoami").await.expect(200).data();
    assert_eq!(data["account"], Value::Null);
    assert_eq!(keys(&data["user"]), USER);
    assert_eq!(data["user"]["email"], "ada@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_those_the_token_acts_on_without_pages() {
    let house = House::new().await;
    for (token, wanted) in [
        (&house.full, vec![house.teams]),
        (&house.scoped, vec![house.teams]),
        (&house.adas, vec![house.teams, house.solo]),
        (&house.graces, vec![house.teams]),
        (&house.linus_own, vec![]),
    ] {
        let body = house.get(&token.text, "/v2/accounts").await.expect(200).json();
        assert_eq!(keys(&body), ["data"]);
        let accounts = body["data"].as_array().unwrap();
        assert!(accounts.iter().all(|account| keys(account) == ACCOUNT));
        assert_eq!(accounts.iter().map(|account| account["id"].as_u64().unwrap()).collect::<Vec<_>>(), wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_a_zone_and_a_certificate_have_dnsimples_keys() {
    let house = House::new().await;
    let get = async |rest: &str| house.get(&house.full.text, format!("/v2/{}/{rest}", house.teams)).await.expect(200);
    let domain = get("domains/example.com").await.data();
    assert_eq!(keys(&domain), DOMAIN);
    assert_eq!((&domain["account_id"], &domain["registrant_id"]), (&json!(house.teams), &json!(7)));
    assert_eq!(
        (&domain["state"], &domain["expires_at"], &domain["expires_on"]),
        (&json!("registered"), &Value::Null, &Value::Null)
    );
    assert!(get("domains").await.data().as_array().unwrap().iter().all(|domain| keys(domain) == DOMAIN));
    let zone = get("zones/example.com").await.data();
    assert_eq!(keys(&zone), ZONE);
    assert_eq!((&zone["reverse"], &zone["active"]), (&json!(false), &json!(true)));
    assert!(get("zones").await.data().as_array().unwrap().iter().all(|zone| keys(zone) == ZONE));
    let certificates = get("domains/example.com/certificates").await.json();
    assert_eq!(keys(&certificates), ["data", "pagination"]);
    let certificate = &certificates["data"][0];
    assert_eq!(keys(certificate), CERTIFICATE);
    assert_eq!((&certificate["domain_id"], &certificate["name"]), (&domain["id"], &json!("www")));
    assert_eq!(
        (&certificate["common_name"], &certificate["expires_on"]),
        (&json!("www.example.com"), &json!("2027-01-02"))
    );
    let one = get(&format!("domains/example.com/certificates/{}", certificate["id"])).await.data();
    assert_eq!(one, *certificate);
    assert_eq!(get(&format!("domains/{}/certificates", domain["id"])).await.json(), certificates);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_found_by_number_and_by_every_spelling_of_its_name() {
    let house = House::new().await;
    let get = async |rest: String| {
        house.get(&house.full.text, format!("/v2/{}/{rest}", house.teams)).await.expect(200).data()
    };
    let bucher = get("domains/b%C3%BCcher.example".to_owned()).await;
    assert_eq!((&bucher["name"], &bucher["unicode_name"]), (&json!("xn--bcher-kva.example"), &json!("bücher.example")));
    for spelling in [
        "xn--bcher-kva.example",
        "B%C3%9CCHER.example",
        "bu%CC%88cher.example",
        "XN--BCHER-KVA.EXAMPLE.",
        &bucher["id"].to_string(),
    ] {
        assert_eq!(get(format!("domains/{spelling}")).await, bucher, "{spelling}");
    }
    let zone = get("zones/example.com".to_owned()).await;
    assert_eq!(get(format!("zones/{}", zone["id"])).await, zone);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named_as_it_was_sent() {
    let house = House::new().await;
    let zone = house.get(&house.full.text, format!("/v2/{}/zones/example.com", house.teams)).await.data()["id"].clone();
    let rows = [
        ("zones/Absent.Example".to_owned(), "Zone `Absent.Example` not found"),
        ("zones/999999".to_owned(), "Zone `999999` not found"),
        ("zones/0".to_owned(), "Zone `0` not found"),
        ("zones/99999999999999999999".to_owned(), "Zone `99999999999999999999` not found"),
        ("domains/fehlt%2Eexample".to_owned(), "Domain `fehlt.example` not found"),
        ("domains/f%C3%A4hlt.example".to_owned(), "Domain `fählt.example` not found"),
        ("domains/absent.example/certificates".to_owned(), "Domain `absent.example` not found"),
        ("domains/example.com/certificates/999999".to_owned(), "Certificate `999999` not found"),
    ];
    for (path, message) in rows {
        let told = house.get(&house.full.text, format!("/v2/{}/{path}", house.teams)).await.expect(404);
        assert_eq!(told.json(), json!({ "message": message }), "{path}");
    }
    // A zone's number is no domain's.
    house.get(&house.full.text, format!("/v2/{}/domains/{zone}", house.teams)).await.expect(404);
    let too_long = "/v2/99999999999999999999/zones".to_owned();
    for path in [format!("/v2/{}/zones", house.solo), "/v2/999999/zones".to_owned(), too_long, "/v2/nothing".to_owned()]
    {
        let told = house.get(&house.full.text, path).await.expect(404);
        assert_eq!(told.json(), json!({ "message": "Not Found" }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_segments_are_refused_before_anything_is_decided() {
    let house = House::new().await;
    for segment in ["a%2Fb", "%00", "%2e%2e", "%252e", "%ff", "%zz", "a%5Cb", "a%20b", "a..b", "%3Cscript%3E"] {
        let told = house.get(&house.full.text, format!("/v2/{}/zones/{segment}", house.teams)).await.expect(400);
        assert_eq!(told.json()["message"], "Validation failed", "{segment}");
        assert!(told.json()["errors"]["name"].is_array(), "{segment}");
    }
    for account in ["0", "-1", "1.0", "+1", "one", "%31"] {
        let told = house.get(&house.full.text, format!("/v2/{account}/zones")).await.expect(400);
        assert!(told.json()["errors"]["account"].is_array(), "{account}");
    }
    let told = house.get(&house.full.text, format!("/v2/{}/domains/example.com/certificates/x", house.teams)).await;
    assert!(told.expect(400).json()["errors"]["certificate"].is_array());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_is_405_with_allow_empty_on_v2_and_a_problem_elsewhere() {
    let house = House::new().await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"] {
        let told = house.ask(Ask::new(method, "/v2/whoami").bearer(&house.full.text)).await.expect(405);
        assert_eq!((told.header("allow"), told.text()), (Some("GET"), ""), "{method}");
    }
    let told = house.ask(Ask::new("DELETE", "/v1/users").bearer(&house.operator)).await.expect(405);
    assert_eq!(told.header("allow"), Some("POST, GET"));
    assert_eq!(told.header("content-type"), Some("application/problem+json"));
    assert_eq!(told.json()["type"], "/problems/method-not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn research_answers_for_scope_feature_and_counting() {
    let house = House::new().await;
    let path = |query: &str| format!("/v2/{}/domains/research/status{query}", house.enterprise);
    let id = "0198c5f2-3a1b-7c4d-8e9f-001122334455";
    let ask = Ask::get(path("?domain=example.com")).bearer(&house.corporate.text).header("X-Request-Id", id);
    let told = house.ask(ask).await.expect(200);
    assert_eq!(told.header("x-request-id"), Some(id));
    let data = told.data();
    assert_eq!(keys(&data), ["request_id", "domain", "availability", "errors"]);
    assert_eq!(
        (&data["request_id"], &data["domain"], &data["availability"]),
        (&json!(id), &json!("example.com"), &json!("unknown"))
    );
    for invalid in ["nodots", "a%20b.example", "*.example.com"] {
        let told = house.get(&house.corporate.text, path(&format!("?domain={invalid}"))).await.expect(400);
        assert_eq!(keys(&told.json()), ["data"], "no message");
        assert!(told.data()["errors"][0].as_str().unwrap().ends_with("': Invalid domain name"), "{invalid}");
    }
    for (query, fault) in [("", "can't be blank"), ("?domain=a.example&domain=b.example", "is given twice")] {
        let told = house.get(&house.corporate.text, path(query)).await.expect(400);
        assert_eq!(told.json()["errors"]["domain"], json!([fault]));
    }
}
