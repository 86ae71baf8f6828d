//! Conditions on tokens over real sockets. Everybody here comes from 127.0.0.1, but for who says otherwise.

use crate::contract;
use crate::house::{House, START, Token};
use crate::wire::{Ask, Line, Told};
use serde_json::{Value, json};
use std::net::SocketAddr;
use token_ledger::domain::time::Timestamp;
use token_ledger::http::operations::{OPERATIONS, Operation};
use tokio::net::TcpSocket;

/// Not where anybody here comes from.
const ELSEWHERE: &str = "192.0.2.0/24";

fn slug(told: &Told) -> String {
    told.json()["type"].as_str().unwrap().to_owned()
}

fn time(seconds: u64) -> String {
    Timestamp::from_seconds(seconds).to_seconds_text()
}

/// A token that was made with these fields beside those that it must have.
async fn with(house: &House, fields: Value) -> Token {
    let mut body = json!({ "name": "conditioned", "access": "full" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    house.account_token(house.teams, body).await
}

async fn causes_after(house: &House, head: u64) -> Vec<Value> {
    house.events_after(head).await.iter().map(|event| event["data"]["cause"].clone()).collect()
}

/// Asks from another address of this machine.
async fn ask_from(house: &House, source: &str, ask: Ask) -> Told {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    let told = Line::over(socket.connect(house.address).await.unwrap()).ask(&ask).await;
    contract::check(&ask, &told);
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_from_its_addresses_and_from_no_other() {
    let house = House::new().await;
    let token = with(&house, json!({ "allowed_addresses": ["127.0.0.2", "2001:db8::/32"] })).await;
    let head = house.head();
    let told = house.get(&token.text, "/v2/whoami").await.expect(403);
    // Nothing of the token's past: whoever asks from elsewhere may not be its holder.
    let expected = json!({
        "message": "Permission Denied. This token may not be used from this address",
        "decision_id": house.head(), "cause": "address_not_allowed",
    });
    assert_eq!(told.json(), expected);
    assert_eq!(causes_after(&house, head).await, ["address_not_allowed"]);
    let told = ask_from(&house, "127.0.0.2", Ask::get("/v2/whoami").bearer(&token.text)).await.expect(200);
    assert_eq!(told.number("x-ratelimit-remaining"), Some(2_399), "the refusal drew nothing");
    assert_eq!(house.shown(&token).await["last_used_status"], "used");
    ask_from(&house, "127.0.0.2", Ask::get("/v1/self").bearer(&token.text)).await.expect(200);
    ask_from(&house, "127.0.0.3", Ask::get("/v1/self").bearer(&token.text)).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_address_hears_nothing_of_the_token_that_is_not_recorded() {
    let house = House::new().await;
    let token = with(&house, json!({ "allowed_addresses": [ELSEWHERE] })).await;
    let (head, zones) = (house.head(), format!("/v2/{}/zones", house.teams));
    for path in [format!("{zones}/a%2Fb"), "/v2/one/zones".to_owned(), format!("{zones}?page=none")] {
        let told = house.get(&token.text, &path).await.expect(403);
        assert!(told.header("x-ledger-position").is_some(), "{path}");
    }
    assert_eq!(causes_after(&house, head).await, ["address_not_allowed"; 3]);
    let head = house.head();
    let nothing = house.get(&token.text, "/v2/nothing").await.expect(404);
    let other_method = house.ask(Ask::new("POST", &zones).bearer(&token.text)).await.expect(405);
    for told in [nothing, other_method] {
        assert_eq!(told.header("x-ratelimit-remaining"), None, "{told:?}");
    }
    assert_eq!(house.head(), head);
    assert_eq!(house.shown(&token).await["last_used_status"], "never");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_from_the_second_it_begins() {
    let house = House::new().await;
    let begin = house.now() + 60;
    let token = with(&house, json!({ "not_before": time(begin) })).await;
    let head = house.head();
    house.advance(59);
    let early = house.get(&token.text, "/v2/whoami").await.expect(401);
    let expired = house.get(&house.expired.text, "/v2/whoami").await.expect(401);
    let (early_body, expired_body) = (early.json(), expired.json());
    assert_eq!(early_body["message"], expired_body["message"]);
    assert_eq!((&early_body["cause"], &expired_body["cause"]), (&json!("not_yet_valid"), &json!("token_expired")));
    assert_eq!(early.header("www-authenticate"), expired.header("www-authenticate"));
    assert_eq!((early.header("x-ledger-position"), early.header("x-ratelimit-limit")), (None, None));
    let own = house.get(&token.text, "/v1/self").await.expect(401);
    assert_eq!(slug(&own), "/problems/invalid-token");
    assert_eq!(causes_after(&house, head).await, ["not_yet_valid", "token_expired", "not_yet_valid"]);
    assert_eq!(house.shown(&token).await["last_used_status"], "never");
    house.advance(1);
    house.get(&token.text, "/v2/whoami").await.expect(200);
    house.get(&token.text, "/v1/self").await.expect(200);
}

/// Whoever adds an operation that asks for no token names it here, so that no other lets a token in from elsewhere.
fn is_open(operation: Operation) -> bool {
    use Operation as Op;
    matches!(
        operation,
        Op::Health | Op::Ready | Op::Metrics | Op::Document | Op::Checkpoint | Op::VerifierKeys | Op::ProblemPage
            // An application asks, with credentials of its own.
            | Op::ExchangeCode
    )
}

fn filled(template: &str) -> String {
    let parts = template.split('/').map(|part| match part {
        "{domain}" | "{zone}" => "example.com",
        "{path}" => "v2/whoami",
        part if part.starts_with('{') => "1",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_lets_a_token_in_from_elsewhere_or_before_its_time() {
    let house = House::new().await;
    let staff = |fields: Value| {
        let mut body = json!({ "role": "operator", "name": "conditioned" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    let later = json!({ "not_before": time(START + 86_400 * 365) });
    let elsewhere = json!({ "allowed_addresses": [ELSEWHERE] });
    for (fields, status, cause) in [(elsewhere, 403, "address_not_allowed"), (later, 401, "not_yet_valid")] {
        let operator = house.token("/v1/staff-tokens", staff(fields)).await;
        for (template, method, _) in OPERATIONS.iter().filter(|(_, _, operation)| !is_open(*operation)) {
            house.advance(60);
            let head = house.head();
            let mut ask = Ask::new(method, filled(template)).bearer(&operator.text);
            for (of_method, of_target) in
                [("X-Original-Method", "X-Original-URI"), ("X-Forwarded-Method", "X-Forwarded-Uri")]
            {
                ask = ask.header(of_method, "GET").header(of_target, "/v2/whoami");
            }
            let ask = ask.header("X-Real-IP", "127.0.0.1").header("X-Forwarded-For", "127.0.0.1");
            let told = house.ask(ask).await.expect(status);
            if status == 403 && !template.starts_with("/v2") {
                assert_eq!(slug(&told), "/problems/address-not-allowed", "{method} {template}");
            }
            assert_eq!(causes_after(&house, head).await, [cause], "{method} {template}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_token_takes_conditions_shows_them_and_loses_them_by_null() {
    let house = House::new().await;
    let begin = time(house.now());
    let given = json!({ "not_before": begin, "allowed_addresses": ["::1", "127.0.0.0/8", "::ffff:127.0.0.0/104"] });
    let shown = json!(["127.0.0.0/8", "::1/128"]);
    let gateway = json!({ "name": "g", "rights": ["report"], "accounts": [house.teams] });
    for (collection, body) in [
        (format!("/v1/accounts/{}/tokens", house.teams), json!({ "name": "t", "access": "full" })),
        (format!("/v1/users/{}/tokens", house.ada), json!({ "name": "t" })),
        ("/v1/gateway-tokens".to_owned(), gateway),
        ("/v1/staff-tokens".to_owned(), json!({ "role": "auditor", "name": "t" })),
    ] {
        let mut body = body;
        body.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
        let head = house.head();
        let token = house.token(&collection, body).await;
        let types: Vec<Value> = house.events_after(head).await.into_iter().map(|event| event["type"].clone()).collect();
        assert_eq!(types, ["TokenCreated", "TokenConditionsChanged"], "{collection}");
        let own = house.get(&token.text, "/v1/self").await.expect(200).data();
        assert_eq!((&own["not_before"], &own["allowed_addresses"]), (&json!(begin), &shown), "{collection}");
        if collection == "/v1/staff-tokens" {
            continue;
        }
        let seen = house.shown(&token).await;
        assert_eq!((&seen["not_before"], &seen["allowed_addresses"]), (&json!(begin), &shown), "{collection}");
        let head = house.head();
        let again = house.patch(&token.path, given.clone()).await.expect(200);
        assert_eq!((house.head(), again.header("etag")), (head, Some("\"2\"")), "the same again is no change");
        let stale = Ask::new("PATCH", &token.path).bearer(&house.operator).header("If-Match", "\"1\"");
        house.ask(stale.json(&json!({ "allowed_addresses": null }))).await.expect(412);
        let partly = house.patch(&token.path, json!({ "allowed_addresses": [] })).await.expect(200);
        assert_eq!((&partly.data()["not_before"], &partly.data()["allowed_addresses"]), (&json!(begin), &Value::Null));
        let free = house.patch(&token.path, json!({ "not_before": null, "allowed_addresses": null })).await.expect(200);
        assert_eq!((&free.data()["not_before"], free.header("etag")), (&Value::Null, Some("\"4\"")), "{collection}");
        let event = house.events_after(head).await.pop().unwrap();
        assert_eq!(event["type"], "TokenConditionsChanged");
        assert_eq!((&event["data"]["not_before"], &event["data"]["allowed_addresses"]), (&Value::Null, &Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_cannot_be_are_refused_field_by_field_and_change_nothing() {
    let house = House::new().await;
    let token = with(&house, json!({ "allowed_addresses": ["127.0.0.1"], "expires_at": time(START + 9_000) })).await;
    let many: Vec<String> = (0..65).map(|last| format!("192.0.2.{last}")).collect();
    let head = house.head();
    for (body, field, fault) in [
        (
            json!({ "allowed_addresses": ["127.0.0.1", "10.1.0.0/8"] }),
            "allowed_addresses[1]",
            "has bits set past its prefix; the range is 10.0.0.0/8",
        ),
        (json!({ "allowed_addresses": [7] }), "allowed_addresses[0]", "must be a string"),
        (json!({ "allowed_addresses": "127.0.0.1" }), "allowed_addresses", "must be a list of strings, or null"),
        (json!({ "allowed_addresses": many }), "allowed_addresses", "has too many ranges (maximum is 64)"),
        (json!({ "not_before": "soon" }), "not_before", "must be a time such as 2026-03-01T12:00:00Z, or null"),
        (json!({ "not_before": time(START + 9_000) }), "not_before", "must be before expires_at"),
    ] {
        let told = house.patch(&token.path, body).await.expect(422);
        assert_eq!(told.json()["errors"][field], json!([fault]), "{told:?}");
    }
    house.patch(&token.path, json!({ "not_before": time(START + 8_000) })).await.expect(200);
    let told = house.patch(&token.path, json!({ "expires_at": time(START + 8_000) })).await.expect(422);
    assert_eq!(told.json()["errors"]["expires_at"], json!(["must be after not_before"]));
    assert_eq!(house.events_after(head).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_token_has_conditions_and_a_bad_line_says_so() {
    let house = House::new().await;
    let path = format!("/v1/accounts/{}/tokens/import", house.teams);
    let line = |digest: &str, ranges: Value| json!({ "name": "old", "access": "full", "digest": digest.repeat(32), "allowed_addresses": ranges });
    let told = house.post(&path, line("0a", json!([ELSEWHERE]))).await.expect(201);
    assert_eq!(told.data()["allowed_addresses"], json!([ELSEWHERE]));
    let lines = format!("{}\n{}", line("0b", json!(null)), line("0c", json!(["192.0.2.1/24"])));
    let many = Ask::new("POST", &path).bearer(&house.operator).header("Content-Type", "application/x-ndjson");
    let told = house.ask(many.bytes(lines)).await.expect(422);
    assert_eq!(told.json()["lines"][0]["line"], 2);
    assert!(told.json()["lines"][0]["errors"]["allowed_addresses[0]"].is_array(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_creation_and_a_rotation_leave_conditions() {
    let house = House::new().await;
    let body = json!({ "name": "t", "access": "full", "allowed_addresses": [ELSEWHERE] });
    let path = format!("/v1/accounts/{}/tokens", house.teams);
    let ask = || Ask::new("POST", &path).bearer(&house.operator).header("Idempotency-Key", "k").json(&body);
    let first = house.ask(ask()).await.expect(201);
    let again = house.ask(ask()).await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), again.data()), (Some("true"), first.data()));
    let token = format!("{path}/{}", first.data()["id"]);
    let turned = house.post(format!("{token}/rotate"), json!({ "overlap_seconds": 0 })).await.expect(201).json();
    assert_eq!(turned["data"]["allowed_addresses"], json!([ELSEWHERE]));
    house.get(turned["token"].as_str().unwrap(), "/v2/whoami").await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_hold_after_a_stop_a_crash_and_the_loss_of_all_views() {
    let mut house = House::new().await;
    let begin = house.now() + 1_000;
    let given = json!({ "not_before": time(begin), "allowed_addresses": ["127.0.0.1", "2001:db8::/32"] });
    let token = with(&house, given).await;
    let elsewhere = with(&house, json!({ "allowed_addresses": [ELSEWHERE] })).await;
    let before = house.shown(&token).await;
    for step in 0..3 {
        match step {
            0 => house.restart(false).await,
            1 => house.restart(true).await,
            _ => house.crash().await,
        }
        assert_eq!(house.shown(&token).await, before, "{step}");
        house.get(&token.text, "/v2/whoami").await.expect(401);
        house.get(&elsewhere.text, "/v2/whoami").await.expect(403);
    }
    house.advance(1_000);
    house.get(&token.text, "/v2/whoami").await.expect(200);
}
