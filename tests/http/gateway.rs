//! Gateway tokens: what is shown of them, what they may not do, and what a body must say.

use crate::house::House;
use crate::wire::Ask;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_token_is_shown_with_its_rights_and_accounts() {
    let house = House::new().await;
    let (teams, solo) = (house.teams, house.solo);
    let body = json!({ "name": "edge", "rights": ["report", "introspect", "report"], "accounts": [solo, teams, solo],
        "expires_at": "2027-01-01T00:00:00Z" });
    let told = house.post("/v1/gateway-tokens", body).await.expect(201).json();
    let (text, shown) = (told["token"].as_str().unwrap(), &told["data"]);
    assert!(text.starts_with("tlkg_"), "the text says what it is");
    assert_eq!((&shown["rights"], &shown["accounts"]), (&json!(["introspect", "report"]), &json!([teams, solo])));
    let absent = [&shown["access"], &shown["account_id"], &shown["user_id"], &shown["imported_at"]];
    assert!(absent.iter().all(|member| member.is_null()), "{shown}");
    let path = format!("/v1/gateway-tokens/{}", shown["id"]);
    assert_eq!(house.look(&path).await.expect(200).data(), *shown);
    let own = house.get(text, "/v1/self").await.expect(200).data();
    for member in ["id", "kind", "rights", "accounts", "expires_at"] {
        assert_eq!(own[member], shown[member], "{member}");
    }
    assert_eq!((&own["secret_number"], &own["limits"]), (&json!(1), &Value::Null));
    let event = house.look("/v1/events?type=TokenCreated&order=desc&limit=1").await.data()[0].clone();
    assert_eq!(event["data"]["gateway"], json!({ "rights": ["introspect", "report"], "accounts": [teams, solo] }));

    let changed = house.patch(&path, json!({ "rights": ["authorize"] })).await.expect(200).data();
    assert_eq!((&changed["rights"], &changed["accounts"]), (&json!(["authorize"]), &json!([teams, solo])));
    let changed = house.patch(&path, json!({ "accounts": [teams], "name": "inner" })).await.expect(200).data();
    assert_eq!((&changed["rights"], &changed["accounts"]), (&json!(["authorize"]), &json!([teams])));
    assert_eq!((&changed["name"], &changed["version"]), (&json!("inner"), &json!(4)));
    let head = house.head();
    house.patch(&path, json!({ "rights": ["authorize", "authorize"], "accounts": [teams] })).await.expect(200);
    assert_eq!(house.head(), head, "the same again");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_and_accounts_are_checked_by_name() {
    let house = House::new().await;
    let body = |rights: Value, accounts: Value| json!({ "name": "edge", "rights": rights, "accounts": accounts });
    let (some, here) = (json!(["report"]), json!([house.teams]));
    #[rustfmt::skip]
    let rows = [
        (json!({}),                                           vec!["accounts", "name", "rights"]),
        (body(json!([]), here.clone()),                       vec!["rights"]),
        (body(some.clone(), json!([])),                       vec!["accounts"]),
        (body(some.clone(), json!([house.teams, 999_999])),   vec!["accounts"]),
        (body(some.clone(), json!([0])),                      vec!["accounts"]),
        (body(json!(["all"]), json!(["1"])),                  vec!["accounts", "rights"]),
        (body(json!("report"), json!(house.teams)),           vec!["accounts", "rights"]),
        (json!({ "name": "", "rights": some, "accounts": here, "expires_at": "2020-01-01T00:00:00Z" }), vec!["expires_at", "name"]),
        (json!({ "name": "n", "rights": ["report"], "accounts": [1], "access": "full" }), vec!["access"]),
    ];
    let head = house.head();
    for (body, wanted) in rows {
        let problem = house.post("/v1/gateway-tokens", body.clone()).await.expect(422).json();
        let mut fields: Vec<&str> = problem["errors"].as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, wanted, "{body}");
    }
    for body in [json!({ "rights": [] }), json!({ "accounts": [] }), json!({ "accounts": [999_999] })] {
        house.patch(&house.gateway.path, body).await.expect(422);
    }
    assert_eq!(house.head(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_and_gateway_tokens_are_no_tokens_of_each_others_paths() {
    let house = House::new().await;
    let at = |collection: &str, id: u64| format!("/v1/{collection}-tokens/{id}");
    house.delete(at("staff", house.gateway.id)).await.expect(404);
    for id in [house.auditor.id, house.full.id, 999_999] {
        house.look(at("gateway", id)).await.expect(404);
        house.patch(at("gateway", id), json!({ "name": "mine" })).await.expect(404);
        house.delete(at("gateway", id)).await.expect(404);
        house.post(format!("{}/rotate", at("gateway", id)), json!({})).await.expect(404);
    }
    let ids = |data: Value| -> Vec<u64> {
        data.as_array().unwrap().iter().map(|token| token["id"].as_u64().unwrap()).collect()
    };
    assert_eq!(ids(house.look("/v1/gateway-tokens").await.data()), [house.gateway.id]);
    assert_eq!(ids(house.look("/v1/staff-tokens").await.data()), [1, house.auditor.id]);
    house.delete(&house.gateway.path).await.expect(204);
    house.delete(&house.gateway.path).await.expect(404);
    assert_eq!(ids(house.look("/v1/gateway-tokens").await.data()), [0u64; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_token_neither_manages_nor_calls_the_guarded_api_and_each_try_is_recorded() {
    let house = House::new().await;
    let other = format!("/v1/accounts/{}", house.teams);
    let guarded = format!("/v2/{}/zones", house.teams);
    for (method, path, event) in [
        ("GET", &*guarded, "TokenUseRefused"),
        ("GET", &other, "ManagementRefused"),
        ("PATCH", &other, "ManagementRefused"),
        ("PATCH", &house.gateway.path, "ManagementRefused"),
        ("GET", "/v1/events", "ManagementRefused"),
    ] {
        let head = house.head();
        house.ask(Ask::new(method, path).bearer(&house.gateway.text)).await.expect(403);
        let events = house.events_after(head).await;
        assert_eq!(events.len(), 1, "{method} {path}: {events:?}");
        assert_eq!((&events[0]["type"], &events[0]["data"]["cause"]), (&json!(event), &json!("wrong_kind")));
        assert_eq!(events[0]["token_id"], house.gateway.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_tokens_secrets_turn_over_and_end() {
    let house = House::new().await;
    let rotate = format!("{}/rotate", house.gateway.path);
    let turned = house.post(&rotate, json!({ "overlap_seconds": 5 })).await.expect(201).json();
    let new = turned["token"].as_str().unwrap();
    assert!(new.starts_with("tlkg_"));
    for text in [&house.gateway.text, new] {
        house.get(text, "/v1/self").await.expect(200);
    }
    house.advance(5);
    house.get(&house.gateway.text, "/v1/self").await.expect(401);
    house.get(new, "/v1/self").await.expect(200);
    house.patch(&house.gateway.path, json!({ "expires_at": "2026-03-01T13:00:00Z" })).await.expect(200);
    house.advance(3_600);
    house.get(new, "/v1/self").await.expect(401);
}
