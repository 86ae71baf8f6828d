//! `Idempotency-Key`: what is sent again under its key is answered again, and carried out once.

use crate::house::{House, Token, grants};
use crate::wire::{Ask, Told};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const REPLAYED: &str = "idempotent-replayed";
const DAY_SECONDS: u64 = 86_400;

fn keyed(token: &str, path: &str, key: &str, body: &Value) -> Ask {
    Ask::new("POST", path).bearer(token).header("Idempotency-Key", key).json(body)
}

async fn post(house: &House, path: &str, key: &str, body: &Value) -> Told {
    house.ask(keyed(&house.operator, path, key, body)).await
}

/// The same answer as before, with null where a secret was, and nothing done for it.
#[track_caller]
fn assert_repeated(first: &Told, again: &Told) {
    assert_eq!((first.header(REPLAYED), again.header(REPLAYED)), (None, Some("true")));
    assert_eq!(again.status, first.status);
    assert_eq!(again.header("x-ledger-position"), first.header("x-ledger-position"), "the same receipt");
    assert_eq!(again.header("etag"), first.header("etag"));
    let mut expected = first.json();
    if !expected["token"].is_null() {
        expected["token"] = Value::Null;
    }
    assert_eq!(again.json(), expected);
}

fn slug(told: &Told) -> String {
    told.json()["type"].as_str().unwrap().to_owned()
}

fn imported(digit: &str) -> Value {
    json!({ "name": "old", "access": "full", "digest": digit.repeat(64) })
}

async fn other_operator(house: &House) -> Token {
    house.token("/v1/staff-tokens", json!({ "role": "operator", "name": "other" })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_post_takes_a_key_and_is_carried_out_once_under_it() {
    let house = House::new().await;
    let account = format!("/v1/accounts/{}", house.teams);
    let zones = grants(&[("zones", "read_only", json!(["example.com"]))]);
    let gateway = json!({ "name": "t", "rights": ["authorize"], "accounts": [house.teams] });
    let rows = [
        ("/v1/users".to_owned(), json!({ "name": "New", "email": "new@example.com" }), "UserCreated"),
        ("/v1/accounts".to_owned(), json!({ "name": "N", "email": "n@example.com", "plan": "solo" }), "AccountCreated"),
        (format!("{account}/resources"), json!({ "kind": "zone", "name": "new.example" }), "ResourceAdded"),
        (format!("{account}/tokens"), json!({ "name": "t", "access": zones }), "TokenCreated"),
        (format!("{}/rotate", house.full.path), json!({ "overlap_seconds": 60 }), "TokenRotated"),
        (format!("/v1/users/{}/tokens", house.ada), json!({ "name": "t" }), "TokenCreated"),
        (format!("{}/rotate", house.adas.path), json!({}), "TokenRotated"),
        ("/v1/staff-tokens".to_owned(), json!({ "role": "auditor", "name": "t" }), "TokenCreated"),
        ("/v1/gateway-tokens".to_owned(), gateway, "TokenCreated"),
        (format!("{}/rotate", house.gateway.path), json!({}), "TokenRotated"),
        (format!("{account}/tokens/import"), imported("a"), "TokenImported"),
    ];
    for (number, (path, body, event)) in rows.iter().enumerate() {
        let (key, head) = (format!("key-{number}"), house.head());
        let first = post(&house, path, &key, body).await.expect(201);
        let events = house.events_after(head).await;
        let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(types, [*event, "IdempotencyKeyKept"], "{path}");
        assert_eq!(events[1]["position"].as_u64(), first.number("x-ledger-position"));
        assert_eq!(events[1]["request_id"], events[0]["request_id"]);
        assert_eq!(events[1]["data"]["status"], 201);
        assert_eq!(events[1]["data"]["subject"]["id"], first.data()["id"]);
        let head = house.head();
        house.advance(1);
        assert_repeated(&first, &post(&house, path, &key, body).await);
        assert_eq!(house.head(), head, "{path}: nothing was recorded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_many_is_repeated_line_by_line() {
    let house = House::new().await;
    let lines = format!("{}\n\n{}\n", imported("a"), imported("b"));
    let ask = || {
        let ask = Ask::new("POST", format!("/v1/accounts/{}/tokens/import", house.teams)).bearer(&house.operator);
        ask.header("Content-Type", "application/x-ndjson").header("Idempotency-Key", "k").bytes(lines.clone())
    };
    let first = house.ask(ask()).await.expect(201);
    let head = house.head();
    assert_repeated(&first, &house.ask(ask()).await);
    assert_eq!((house.head(), &first.data()["imported"]), (head, &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_forms_of_a_key_are_one_and_what_is_no_key_is_refused_before_the_body_is_read() {
    let house = House::new().await;
    let path = format!("/v1/accounts/{}/tokens", house.teams);
    let body = json!({ "name": "once", "access": "full" });
    let first = post(&house, &path, "\"9f0c\"", &body).await.expect(201);
    assert_repeated(&first, &post(&house, &path, "9f0c", &body).await);
    let head = house.head();
    let too_long = "k".repeat(256);
    for bad in ["", "\"\"", "two words", "\"open", "k\u{e9}", too_long.as_str()] {
        let told = house.ask(keyed(&house.operator, &path, bad, &body)).await.expect(400);
        assert_eq!(slug(&told), "/problems/malformed-request", "{bad}");
    }
    let twice = keyed(&house.operator, &path, "a", &body).header("Idempotency-Key", "a");
    house.ask(twice).await.expect(400);
    assert_eq!(house.head(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_under_a_key_is_refused_and_another_sender_has_keys_of_its_own() {
    let house = House::new().await;
    let path = format!("/v1/accounts/{}/tokens", house.teams);
    let body = json!({ "name": "once", "access": "full" });
    let first = post(&house, &path, "k", &body).await.expect(201);
    let other = other_operator(&house).await;
    let head = house.head();
    let other_path = format!("/v1/accounts/{}/tokens", house.enterprise);
    for (path, body) in [
        (&path, json!({ "name": "twice", "access": "full" })),
        (&path, json!({ "access": "full", "name": "once" })),
        (&other_path, body.clone()),
        (&format!("{}/rotate", house.full.path), json!({})),
    ] {
        let told = post(&house, path, "k", &body).await.expect(422);
        assert_eq!(slug(&told), "/problems/idempotency-key-reused", "{path} {body}");
    }
    assert_eq!(house.head(), head);
    let others = house.ask(keyed(&other.text, &path, "k", &body)).await.expect(201);
    assert_eq!(others.header(REPLAYED), None);
    assert_ne!(others.data()["id"], first.data()["id"]);
    assert_repeated(&others, &house.ask(keyed(&other.text, &path, "k", &body)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_change_gets_nothing_out_of_a_key() {
    let house = House::new().await;
    let path = format!("/v1/accounts/{}/tokens", house.teams);
    let body = json!({ "name": "once", "access": "full" });
    let other = other_operator(&house).await;
    house.ask(keyed(&other.text, &path, "k", &body)).await.expect(201);
    house.ask(keyed(&house.auditor.text, &path, "k", &body)).await.expect(403);
    house.ask(keyed(&house.full.text, &path, "k", &body)).await.expect(403);
    house.ask(keyed(&house.unknown, &path, "k", &body)).await.expect(401);
    house.delete(&other.path).await.expect(204);
    house.ask(keyed(&other.text, &path, "k", &body)).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_keeps_no_key_so_it_can_be_mended() {
    let house = House::new().await;
    let path = format!("/v1/accounts/{}/resources", house.teams);
    let taken = json!({ "kind": "zone", "name": "example.com" });
    post(&house, &path, "k", &json!({ "kind": "zone" })).await.expect(422);
    post(&house, &path, "k", &taken).await.expect(409);
    let first = post(&house, &path, "k", &json!({ "kind": "zone", "name": "mended.example" })).await.expect(201);
    assert_eq!(first.header(REPLAYED), None);
    assert_eq!(slug(&post(&house, &path, "k", &taken).await.expect(422)), "/problems/idempotency-key-reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_kept_for_a_day_and_its_answer_shows_what_is_there_by_then() {
    let house = House::new().await;
    let path = format!("/v1/accounts/{}/tokens", house.teams);
    let body = json!({ "name": "once", "access": "full" });
    let first = post(&house, &path, "k", &body).await.expect(201);
    let token = format!("{path}/{}", first.data()["id"]);
    house.patch(&token, json!({ "name": "renamed" })).await.expect(200);
    let again = post(&house, &path, "k", &body).await.expect(201);
    assert_eq!((again.data()["name"].as_str(), again.data()["version"].as_u64()), (Some("renamed"), Some(2)));
    house.delete(&token).await.expect(204);
    house.advance(DAY_SECONDS - 1);
    let again = post(&house, &path, "k", &body).await.expect(201);
    assert_eq!((again.header(REPLAYED), &again.data()["id"]), (Some("true"), &first.data()["id"]), "deleted by now");
    house.advance(1);
    let anew = post(&house, &path, "k", &body).await.expect(201);
    assert_eq!(anew.header(REPLAYED), None);
    assert_ne!(anew.data()["id"], first.data()["id"]);
    assert!(anew.json()["token"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_under_a_key_is_repeated_though_the_version_it_named_is_gone() {
    let house = House::new().await;
    let path = format!("{}/rotate", house.full.path);
    let version = house.shown(&house.full).await["version"].to_string();
    let ask = || keyed(&house.operator, &path, "k", &json!({})).header("If-Match", format!("\"{version}\""));
    let first = house.ask(ask()).await.expect(201);
    assert_repeated(&first, &house.ask(ask()).await);
    let secrets = house.shown(&house.full).await["secrets"].as_array().unwrap().len();
    assert_eq!(secrets, 2, "the first secret and the one of the rotation");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_connections_with_one_key_make_one_token_and_see_its_secret_once() {
    let house = House::new().await;
    let path = format!("/v1/accounts/{}/tokens", house.teams);
    let ask = keyed(&house.operator, &path, "race", &json!({ "name": "raced", "access": "full" }));
    let before = house.head();
    let mut racing = JoinSet::new();
    for _ in 0..16 {
        let (address, ask) = (house.address, ask.clone());
        racing.spawn(async move { crate::wire::ask(address, &ask).await });
    }
    let told: Vec<Told> = racing.join_all().await.into_iter().map(|told| told.expect(201)).collect();
    let firsts: Vec<&Told> = told.iter().filter(|told| told.header(REPLAYED).is_none()).collect();
    assert_eq!(firsts.len(), 1);
    let secret = firsts[0].json()["token"].as_str().unwrap().to_owned();
    for again in told.iter().filter(|told| told.header(REPLAYED).is_some()) {
        assert_repeated(firsts[0], again);
        assert!(!again.text().contains(&secret));
    }
    let events = house.events_after(before).await;
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["TokenCreated", "IdempotencyKeyKept"]);
    house.get(&secret, "/v2/whoami").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_survive_a_restart() {
    let mut house = House::new().await;
    let path = format!("/v1/accounts/{}/tokens", house.teams);
    let body = json!({ "name": "once", "access": "full" });
    let first = post(&house, &path, "k", &body).await.expect(201);
    for from_log_alone in [false, true] {
        house.restart(from_log_alone).await;
        assert_repeated(&first, &post(&house, &path, "k", &body).await);
        post(&house, &path, "k", &json!({ "name": "other", "access": "full" })).await.expect(422);
    }
}
