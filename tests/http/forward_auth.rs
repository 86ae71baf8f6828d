//! Questions of gateways, as the service itself sees them. With real gateways before it: `tests/gateways.rs`.

use crate::house::House;
use crate::wire::{Ask, Told};
use serde_json::Value;

fn nginx(house: &House, token: &str, target: &str) -> Ask {
    let _ = house;
    Ask::get("/forward-auth/nginx").bearer(token).header("X-Original-Method", "GET").header("X-Original-URI", target)
}

fn caddy(token: &str, method: &str, target: &str) -> Ask {
    let ask = Ask::get("/forward-auth/caddy").bearer(token);
    ask.header("X-Forwarded-Method", method).header("X-Forwarded-Uri", target)
}

fn slug(told: &Told) -> String {
    told.json()["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_question_tells_every_fact_and_draws_like_any_use() {
    let house = House::new().await;
    let path = format!("/v2/{}/zones/example.com/records", house.teams);
    let told = house.ask(nginx(&house, &house.full.text, &path).header("X-Real-IP", "192.0.2.7")).await.expect(200);
    assert_eq!(told.text(), "", "a body would cost nginx its connection");
    assert_eq!(told.header("x-token-id").unwrap(), house.full.id.to_string());
    assert_eq!(told.header("x-token-account").unwrap(), house.teams.to_string());
    assert_eq!((told.header("x-token-kind"), told.header("x-token-user")), (Some("account"), Some("")));
    assert_eq!(
        (told.header("x-token-scopes"), told.header("x-decision-id")),
        (Some("full"), told.header("x-ledger-position"))
    );
    assert_eq!(told.header("x-accepted-token-scopes"), Some("zones:example.com:read"));
    assert_eq!(told.header("ratelimit-policy"), Some("\"hour\";q=2400;w=3600"));
    assert_eq!(
        (told.header("ratelimit"), told.header("x-ratelimit-remaining")),
        (Some("\"hour\";r=2399;t=3600"), Some("2399"))
    );
    let position = told.number("x-ledger-position").unwrap();
    let event = house.look(format!("/v1/events/{position}")).await.expect(200).data();
    assert_eq!((&event["type"], &event["data"]["address"]), (&"TokenUsed".into(), &"192.0.2.7".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_decided_does_not_pass_and_leaves_nothing() {
    let house = House::new().await;
    let (full, zone) = (&house.full.text, format!("/v2/{}/zones/example.com", house.teams));
    let head = house.head();
    let missing = Ask::get("/forward-auth/caddy").bearer(full).header("X-Forwarded-Method", "GET");
    assert_eq!(slug(&house.ask(missing).await.expect(400)), "malformed-request");
    let doubled = caddy(full, "GET", &zone).header("X-Forwarded-Uri", "/v2/whoami");
    assert_eq!(slug(&house.ask(doubled).await.expect(400)), "malformed-request");
    let doubled = nginx(&house, full, &zone).header("X-Original-URI", "/v2/whoami");
    let told = house.ask(doubled).await.expect(403);
    assert_eq!(told.header("x-auth-status"), Some("400"), "nginx knows no 400");
    for (method, target) in [
        ("GET", "/v2/nothing".to_owned()),
        ("PUT", "/v2/whoami".to_owned()),
        ("GET", format!("{zone}/..%2f..%2f")),
        ("GET", format!("{zone};v=1")),
    ] {
        let told = house.ask(caddy(full, method, &target)).await.expect(403);
        assert_eq!(slug(&told), "undecidable", "{method} {target}");
    }
    assert_eq!(house.head(), head);
    // Who shows no token that works is told so first, whatever else is wrong.
    house.ask(Ask::get("/forward-auth/caddy")).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_asks_by_its_clients_method_and_path() {
    let house = House::new().await;
    let path = format!("/forward-auth/envoy/v2/{}/zones/example.com/records?page=2", house.teams);
    for (method, scope) in [("GET", "zones:example.com:read"), ("POST", "zones:example.com:write")] {
        let told = house.ask(Ask::new(method, path.clone()).bearer(&house.full.text)).await.expect(200);
        assert_eq!(told.header("x-accepted-token-scopes"), Some(scope), "{method}");
    }
    house.ask(Ask::new("POST", path.clone()).bearer(&house.scoped.text)).await.expect(403);
    let told = house.ask(Ask::new("TRACE", "/forward-auth/caddy").bearer(&house.full.text)).await;
    assert_eq!(told.status, 405, "it would send a client's headers back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_token_is_recorded_and_a_list_of_named_grants_does_not_pass() {
    let house = House::new().await;
    let head = house.head();
    house.ask(caddy(&house.deleted.text, "GET", "/v2/whoami")).await.expect(401);
    let told = house.ask(caddy(&house.scoped.text, "GET", &format!("/v2/{}/zones", house.teams))).await.expect(403);
    assert_eq!(told.json()["required_scopes"][0], "zones:*:read");
    let causes: Vec<Value> =
        house.events_after(head).await.iter().map(|event| event["data"]["cause"].clone()).collect();
    assert_eq!(causes, ["token_deleted", "missing_scope"]);
}
