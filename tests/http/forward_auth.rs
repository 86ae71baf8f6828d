//! Questions of gateways, as the service itself sees them. With real gateways before it: `tests/gateways.rs`.

use crate::house::{House, Token};
use crate::wire::{Ask, Told};
use serde_json::{Value, json};
use token_ledger::domain::time::Timestamp;

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

/// The same question in each gateway's dialect, with a client's address if the gateway tells it.
fn in_every_dialect(token: &str, target: &str, address: Option<&str>) -> Vec<(&'static str, Ask)> {
    let ask = |dialect: &str| Ask::get(format!("/forward-auth/{dialect}")).bearer(token);
    let nginx = ask("nginx").header("X-Original-Method", "GET").header("X-Original-URI", target);
    let forwarded = |ask: Ask| ask.header("X-Forwarded-Method", "GET").header("X-Forwarded-Uri", target);
    let rows = [
        ("nginx", "X-Real-IP", nginx),
        ("caddy", "X-Forwarded-For", forwarded(ask("caddy"))),
        ("traefik", "X-Forwarded-For", forwarded(ask("traefik"))),
        ("envoy", "X-Forwarded-For", ask(&format!("envoy{target}"))),
    ];
    let told = |(dialect, header, ask): (&'static str, &str, Ask)| match address {
        Some(address) => (dialect, ask.header(header, address)),
        None => (dialect, ask),
    };
    rows.into_iter().map(told).collect()
}

async fn conditioned(house: &House, fields: Value) -> Token {
    let mut body = json!({ "name": "conditioned", "access": "full" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    house.account_token(house.teams, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_address_counts_in_every_dialect_and_never_the_gateways() {
    let house = House::new().await;
    let token = conditioned(&house, json!({ "allowed_addresses": ["192.0.2.0/24", "2001:db8::/32"] })).await;
    let target = format!("/v2/{}/zones/example.com/records", house.teams);
    // The last hop is the client as the gateway saw it; what stands before came from the client itself.
    for (address, allowed) in [
        ("192.0.2.7", true),
        ("2001:db8::7", true),
        ("::ffff:192.0.2.7", true),
        ("198.51.100.7", false),
        ("2001:db9::7", false),
        ("127.0.0.1", false),
        ("198.51.100.7, 192.0.2.7", true),
        ("192.0.2.7, 198.51.100.7", false),
    ] {
        for (dialect, ask) in in_every_dialect(&token.text, &target, Some(address)) {
            house.advance(60);
            let head = house.head();
            let told = house.ask(ask).await;
            if dialect == "nginx" && address.contains(',') {
                // X-Real-IP is one address: nginx never sends a list.
                assert_eq!((told.status, told.header("x-auth-status")), (403, Some("400")), "{address}");
                continue;
            }
            assert_eq!(told.status, if allowed { 200 } else { 403 }, "{dialect} {address}");
            let event = house.events_after(head).await.pop().unwrap();
            let ends = (&event["data"]["outcome"], &event["data"]["cause"]);
            match allowed {
                true => assert_eq!(ends, (&json!("unknown_upstream"), &Value::Null), "{dialect} {address}"),
                false => {
                    assert_eq!(ends, (&Value::Null, &json!("address_not_allowed")), "{dialect} {address}");
                    assert_eq!(slug(&told), "address-not-allowed");
                    assert_eq!(told.header("x-token-scopes"), Some(""), "{dialect}: nobody there hears what it may");
                    assert_eq!(told.number("x-decision-id"), event["position"].as_u64());
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_address_no_gateway_tells_passes_only_without_ranges() {
    let house = House::new().await;
    let target = format!("/v2/{}/zones/example.com/records", house.teams);
    // The gateway's own address, which the service sees, is not the client's.
    let token = conditioned(&house, json!({ "allowed_addresses": ["127.0.0.1", "0.0.0.0/0", "::/0"] })).await;
    for (dialect, ask) in in_every_dialect(&token.text, &target, None) {
        assert_eq!(slug(&house.ask(ask).await.expect(403)), "address-not-allowed", "{dialect}");
    }
    for (dialect, ask) in in_every_dialect(&house.full.text, &target, None) {
        assert_eq!(house.ask(ask).await.status, 200, "{dialect}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_dialects_address_and_a_doubled_one_let_nobody_in() {
    let house = House::new().await;
    let token = conditioned(&house, json!({ "allowed_addresses": ["192.0.2.7"] })).await;
    let target = format!("/v2/{}/zones/example.com/records", house.teams);
    for (dialect, ask) in in_every_dialect(&token.text, &target, None) {
        let foreign = if dialect == "nginx" { "X-Forwarded-For" } else { "X-Real-IP" };
        let forged = ask.header(foreign, "192.0.2.7").header("Forwarded", "for=192.0.2.7");
        assert_eq!(slug(&house.ask(forged).await.expect(403)), "address-not-allowed", "{dialect}");
    }
    for (dialect, ask) in in_every_dialect(&token.text, &target, Some("192.0.2.7")) {
        let own = if dialect == "nginx" { "X-Real-IP" } else { "X-Forwarded-For" };
        let told = house.ask(ask.header(own, "192.0.2.7")).await;
        assert_eq!(slug(&told), "malformed-request", "{dialect}: which one is the gateway's nobody could say");
    }
    for (dialect, ask) in in_every_dialect(&token.text, &target, Some("somewhere")) {
        assert_eq!(slug(&house.ask(ask).await), "malformed-request", "{dialect}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_not_begun_is_as_an_expired_one_in_every_dialect() {
    let house = House::new().await;
    let begin = Timestamp::from_seconds(house.now() + 60);
    let token = conditioned(&house, json!({ "not_before": begin.to_seconds_text() })).await;
    let target = format!("/v2/{}/zones/example.com/records", house.teams);
    for (seconds, status) in [(59, 401), (1, 200)] {
        house.advance(seconds);
        for (dialect, ask) in in_every_dialect(&token.text, &target, Some("192.0.2.7")) {
            let told = house.ask(ask).await;
            assert_eq!(told.status, status, "{dialect}");
            assert_eq!(told.header("x-token-id").is_some(), status == 200, "{dialect}");
        }
    }
}
