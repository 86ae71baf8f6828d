//! Least privilege carried out: one call tells what the smallest access refuses, and gives it.

use crate::house::{House, grants};
use crate::wire::Ask;
use serde_json::{Value, json};

fn path(house: &House) -> String {
    format!("{}/least-privilege", house.full.path)
}

/// A token with full access reads two zones and lists domains.
async fn used() -> House {
    let house = House::new().await;
    for rest in ["zones/example.com", "zones/example.net", "zones/example.com", "domains"] {
        house.get(&house.full.text, format!("/v2/{}/{rest}", house.teams)).await.expect(200);
    }
    house
}

fn expected() -> Value {
    grants(&[("domains", "read_only", json!("all")), ("zones", "read_only", json!(["example.com", "example.net"]))])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_tells_the_access_and_what_it_refuses_and_changes_nothing() {
    let house = used().await;
    let before = house.head();
    let told = house.post(format!("{}?dry_run=true", path(&house)), json!({})).await.expect(200);
    assert_eq!(told.header("etag"), Some("\"1\""));
    assert_eq!(told.header("x-ledger-position"), None);
    let told = told.json();
    assert_eq!((&told["summary"]["access"], &told["summary"]["carried_out"]), (&expected(), &json!(false)));
    assert_eq!(told["summary"]["refused"], 0, "it covers what was done: {told:#}");
    assert_eq!(told["refused_uses"], json!([]));
    assert_eq!(told["grants"][1]["uses"], 3);
    assert_eq!(house.shown(&house.full).await["access"], "full");
    let left = house.recorded_after(before).await;
    assert_eq!(left.iter().map(|event| &event["type"]).collect::<Vec<_>>(), ["HistoryRead"]);
    assert_eq!(left[0]["data"]["asked"]["token_id"], house.full.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_narrows_the_token_as_any_edit_would() {
    let house = used().await;
    let told = house.post(path(&house), json!({ "days": 30 })).await.expect(200);
    assert_eq!(told.header("etag"), Some("\"2\""));
    let position = told.number("x-ledger-position").unwrap();
    assert_eq!(
        (&told.json()["summary"]["access"], &told.json()["summary"]["carried_out"]),
        (&expected(), &json!(true))
    );
    assert_eq!(house.shown(&house.full).await["access"], expected());
    let event = house.look(format!("/v1/events/{position}")).await.data();
    assert_eq!((&event["type"], &event["token_id"]), (&json!("TokenAccessChanged"), &json!(house.full.id)));
    house.get(&house.full.text, format!("/v2/{}/zones/example.com", house.teams)).await.expect(200);
    house.get(&house.full.text, format!("/v2/{}/zones/example.org", house.teams)).await.expect(403);
    // What was not used for so long is nothing that it needs.
    house.advance(40 * 86_400);
    let told = house.post(path(&house), json!({ "days": 7 })).await.expect(200).json();
    assert_eq!(told["summary"]["access"], json!({ "grants": [] }));
    house.get(&house.full.text, format!("/v2/{}/zones/example.com", house.teams)).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_refused_as_any_edit_would_be_and_on_another_version() {
    let house = used().await;
    let ask = |version: &str| {
        Ask::new("POST", path(&house)).bearer(&house.operator).header("If-Match", version).json(&json!({}))
    };
    let told = house.ask(ask("\"7\"")).await.expect(412).json();
    assert_eq!(told["type"], "/problems/version-conflict");
    house.patch(&house.full.path, json!({ "name": "another" })).await.expect(200);
    house.ask(ask("\"1\"")).await.expect(412);
    assert_eq!(house.shown(&house.full).await["access"], "full");
    for query in ["dryrun=true", "dry_run=yes", "days=7", "dry_run=true&days=7"] {
        house.post(format!("{}?{query}", path(&house)), json!({})).await.expect(400);
    }
    for body in [json!({ "days": 0 }), json!({ "days": 401 }), json!({ "lists": "x" }), json!({ "nonsense": 1 })] {
        house.post(path(&house), body).await.expect(422);
    }
    let solo = format!("{}/least-privilege", house.solo_full.path);
    let told = house.post(&solo, json!({})).await.expect(412).json();
    assert_eq!(told["type"], "/problems/plan-required");
    house.post(format!("{}/least-privilege", house.deleted.path), json!({})).await.expect(404);
    assert_eq!(house.shown(&house.full).await["access"], "full");
    // Under a key it happens once.
    let ask =
        || Ask::new("POST", path(&house)).bearer(&house.operator).header("Idempotency-Key", "once").json(&json!({}));
    let first = house.ask(ask()).await.expect(200);
    let again = house.ask(ask()).await.expect(200);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.number("x-ledger-position"), first.number("x-ledger-position"));
}
