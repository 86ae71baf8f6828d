//! Why a request was refused: what the token's holder is told, and what an auditor sees.

use crate::house::{House, Token, grants};
use crate::wire::Ask;
use serde_json::{Value, json};

/// A question of Caddy's.
pub fn caddy(token: &str, method: &str, target: &str) -> Ask {
    let ask = Ask::get("/forward-auth/caddy").bearer(token);
    ask.header("X-Forwarded-Method", method).header("X-Forwarded-Uri", target)
}

pub fn zones(names: Value) -> Value {
    grants(&[("zones", "read_only", names)])
}

pub async fn edit(house: &House, token: &Token, access: Value) -> u64 {
    house.advance(7);
    house.patch(&token.path, json!({ "access": access })).await.expect(200).number("x-ledger-position").unwrap()
}

async fn put_member(house: &House, access: Value) -> u64 {
    house.advance(7);
    let path = format!("/v1/accounts/{}/members/{}", house.teams, house.grace);
    let told = house.put(path, json!({ "access": access })).await;
    assert!([200, 201].contains(&told.status), "{}", told.text());
    told.number("x-ledger-position").unwrap()
}

/// The time so many seconds from now.
pub fn later(house: &House, seconds: u64) -> String {
    house.clock.now().plus_seconds(seconds).to_seconds_text()
}

/// How an event is pointed at.
pub async fn pointed(house: &House, position: u64) -> Value {
    let event = house.look(format!("/v1/events/{position}")).await.expect(200).data();
    json!({ "position": position, "type": event["type"], "at": event["recorded_at"] })
}

pub async fn success(house: &House, position: u64) -> Value {
    let event = house.look(format!("/v1/events/{position}")).await.expect(200).data();
    assert_eq!(event["type"], "TokenUsed");
    json!({ "position": position, "at": event["recorded_at"] })
}

pub async fn use_it(house: &House, token: &Token, path: &str) -> u64 {
    house.advance(7);
    house.get(&token.text, path).await.expect(200).number("x-ledger-position").unwrap()
}

pub async fn explained(house: &House, token: &str, position: u64) -> Value {
    house.get(token, format!("/v1/events/{position}")).await.expect(200).data()["explanation"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_token_is_told_the_event_and_its_last_success() {
    let house = House::new().await;
    let (token, zone) = (&house.full, format!("/v2/{}/zones/example.org", house.teams));
    use_it(&house, token, &zone).await;
    let last = use_it(&house, token, &zone).await;
    use_it(&house, token, &format!("/v2/{}/zones/example.com", house.teams)).await;
    let narrowed = edit(&house, token, zones(json!(["example.com"]))).await;
    edit(&house, token, zones(json!(["example.com", "example.net"]))).await;
    let expected = json!({
        "cause": "missing_scope", "required_scopes": ["zones:example.org:read"],
        "taken_away_by": pointed(&house, narrowed).await, "last_success": success(&house, last).await,
    });
    for ask in [Ask::get(&zone).bearer(&token.text), caddy(&token.text, "GET", &zone)] {
        let told = house.ask(ask).await.expect(403);
        assert_eq!(told.number("x-decision-id"), Some(house.head()));
        assert_eq!(told.header("x-accepted-token-scopes"), Some("zones:example.org:read"));
        assert_eq!(told.header("x-token-scopes"), Some("zones:example.com:read zones:example.net:read"));
        let body = told.json();
        assert_eq!(body["decision_id"], house.head());
        let members: Value =
            expected.as_object().unwrap().keys().map(|name| (name.clone(), body[name].clone())).collect();
        assert_eq!(members, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_change_before_which_the_scope_was_covered_is_meant() {
    let house = House::new().await;
    let (token, zone) = (&house.full, format!("/v2/{}/zones/example.org", house.teams));
    let taken = async || house.get(&token.text, &zone).await.expect(403).json()["taken_away_by"]["position"].clone();
    let first = edit(&house, token, zones(json!(["example.com"]))).await;
    assert_eq!(taken().await, first, "from full");
    edit(&house, token, zones(json!([]))).await;
    assert_eq!(taken().await, first, "what was gone before is not taken again");
    edit(&house, token, json!("full")).await;
    house.patch(&token.path, json!({ "name": "another" })).await.expect(200);
    let again = edit(&house, token, grants(&[("domains", "full_access", json!("all"))])).await;
    edit(&house, token, grants(&[])).await;
    assert_eq!(taken().await, again, "widened, then narrowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_covered_was_taken_by_nothing() {
    let house = House::new().await;
    let zone = format!("/v2/{}/zones/example.org", house.teams);
    edit(&house, &house.scoped, zones(json!(["example.com"]))).await;
    for token in [&house.scoped, &house.graces] {
        let told = house.get(&token.text, &zone).await.expect(403);
        let (body, decision) = (told.json(), house.head());
        let expected = json!({
            "message": "Permission Denied. Required Scope: zones:example.org:read", "decision_id": decision,
            "cause": "missing_scope", "required_scopes": ["zones:example.org:read"],
        });
        assert_eq!(body, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_passed_is_not_the_last_success_of_a_write() {
    let house = House::new().await;
    let records = format!("/v2/{}/zones/example.com/records", house.teams);
    let token = &house.full;
    let wrote = house.ask(caddy(&token.text, "POST", &records)).await.expect(200).number("x-ledger-position").unwrap();
    let read = house.ask(caddy(&token.text, "GET", &records)).await.expect(200).number("x-ledger-position").unwrap();
    edit(&house, token, zones(json!("all"))).await;
    let body = house.ask(caddy(&token.text, "POST", &records)).await.expect(403).json();
    assert_eq!(body["last_success"], success(&house, wrote).await);
    edit(&house, token, grants(&[])).await;
    let body = house.ask(caddy(&token.text, "GET", &records)).await.expect(403).json();
    assert_eq!(body["last_success"], success(&house, read).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_token_is_told_of_its_membership() {
    let house = House::new().await;
    let (token, zone) = (&house.graces, format!("/v2/{}/zones/example.com", house.teams));
    let last = use_it(&house, token, &zone).await;
    let narrowed = put_member(&house, zones(json!(["example.net"]))).await;
    let body = house.get(&token.text, &zone).await.expect(403).json();
    assert_eq!(body["taken_away_by"], pointed(&house, narrowed).await);
    assert_eq!(body["taken_away_by"]["type"], "MemberAccessChanged");
    assert_eq!(body["last_success"], success(&house, last).await);
    put_member(&house, json!("full")).await;
    let member = format!("/v1/accounts/{}/members/{}", house.teams, house.grace);
    let removed = house.delete(&member).await.expect(204).number("x-ledger-position").unwrap();
    let told = house.get(&token.text, &zone).await.expect(404);
    assert_eq!(told.json()["taken_away_by"], pointed(&house, removed).await);
    put_member(&house, zones(json!(["example.net"]))).await;
    let body = house.get(&token.text, &zone).await.expect(403).json();
    assert_eq!(body["taken_away_by"], pointed(&house, removed).await, "full until the removal");
}

/// What somebody else is told of an account, there or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_account_looks_like_none() {
    let house = House::new().await;
    for token in [&house.scoped, &house.linus_own] {
        for accounts in [[house.enterprise, 4_711]] {
            let mut on_v2 = Vec::new();
            let mut at_gateways = Vec::new();
            for account in accounts {
                let path = format!("/v2/{account}/zones/corporate.example");
                on_v2.push(house.get(&token.text, &path).await.expect(404).body);
                let mut body = house.ask(caddy(&token.text, "GET", &path)).await.expect(404).json();
                assert_eq!(body["decision_id"].take(), house.head());
                at_gateways.push(body);
            }
            assert_eq!(on_v2[0], b"{\"message\":\"Not Found\"}");
            assert_eq!(on_v2[0], on_v2[1]);
            assert_eq!(at_gateways[0], at_gateways[1]);
            assert_eq!(at_gateways[0].get("taken_away_by"), None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ended_is_told_when_and_by_which_event() {
    let house = House::new().await;
    let token = &house.full;
    let last = use_it(&house, token, "/v2/whoami").await;
    house.advance(7);
    let deleted = house.delete(&token.path).await.expect(204).number("x-ledger-position").unwrap();
    let event = pointed(&house, deleted).await;
    let own = |path: &str| Ask::get(path).bearer(&token.text);
    for ask in [own("/v2/whoami"), own("/v1/self"), own("/v1/users"), caddy(&token.text, "GET", "/v2/whoami")] {
        let told = house.ask(ask).await.expect(401);
        let body = told.json();
        assert_eq!((&body["cause"], &body["taken_away_by"]), (&json!("token_deleted"), &event));
        assert_eq!((&body["ended_at"], &body["last_success"]), (&event["at"], &success(&house, last).await));
        assert_eq!((&body["decision_id"], told.number("x-decision-id")), (&house.head().into(), Some(house.head())));
    }
    let body = house.get(&house.expired.text, "/v2/whoami").await.expect(401).json();
    assert_eq!((&body["cause"], body.get("taken_away_by")), (&json!("token_expired"), None), "it was made so");
    assert_eq!(body["ended_at"], "2026-03-01T12:01:00.000000Z");
    assert_eq!(body.get("last_success"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_that_set_an_end_is_named() {
    let house = House::new().await;
    let token = &house.full;
    let until = |seconds| json!({ "expires_at": later(&house, seconds) });
    house.patch(&token.path, until(100)).await.expect(200);
    let set = house.patch(&token.path, until(50)).await.expect(200).number("x-ledger-position").unwrap();
    let end = until(50)["expires_at"].clone();
    house.advance(60);
    let body = house.get(&token.text, "/v2/whoami").await.expect(401).json();
    assert_eq!(body["taken_away_by"], pointed(&house, set).await);
    assert_eq!(body["ended_at"].as_str().unwrap().replace(".000000", ""), end.as_str().unwrap());
    // The second rotation ends the first secret's overlap at once.
    let token = &house.scoped;
    let rotate = async |overlap: u64| {
        house.advance(7);
        let told =
            house.post(format!("{}/rotate", token.path), json!({ "overlap_seconds": overlap })).await.expect(201);
        told.number("x-ledger-position").unwrap()
    };
    rotate(1_000).await;
    let second = rotate(1_000).await;
    rotate(1_000).await;
    let body = house.get(&token.text, "/v2/whoami").await.expect(401).json();
    let event = pointed(&house, second).await;
    assert_eq!((&body["cause"], &body["taken_away_by"]), (&json!("secret_ended"), &event));
    assert_eq!(body["ended_at"], event["at"]);
}

/// A secret that is rotated out may have leaked: whoever has it does not watch the token work on.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_an_old_secret_is_not_told_when_the_token_is_used() {
    let house = House::new().await;
    let last = use_it(&house, &house.rotated, "/v2/whoami").await;
    let body = house.get(&house.rotated_out, "/v2/whoami").await.expect(401).json();
    assert_eq!((&body["cause"], body.get("last_success")), (&json!("secret_ended"), None));
    let explanation = explained(&house, &house.auditor.text, house.head()).await;
    assert_eq!(explanation["last_success"], success(&house, last).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_tells_the_window_and_who_set_its_limit_only_if_it_was_set_within_it() {
    let house = House::new().await;
    let account = format!("/v1/accounts/{}", house.teams);
    house.patch(&account, json!({ "hourly_limit": 2 })).await.expect(200);
    house.advance(10);
    let opened = house.now();
    use_it(&house, &house.scoped, "/v2/whoami").await;
    let opened = opened + 7;
    let last = use_it(&house, &house.full, "/v2/whoami").await;
    let told = house.get(&house.full.text, "/v2/whoami").await.expect(429);
    let body = told.json();
    let time = |seconds| token_ledger::domain::time::Timestamp::from_seconds(seconds).to_seconds_text();
    let window = json!({ "limit": 2, "window_opened_at": time(opened), "resets_at": time(opened + 3_600) });
    let in_body = |body: &Value| -> Value {
        window.as_object().unwrap().keys().map(|name| (name.clone(), body[name].clone())).collect()
    };
    assert_eq!(in_body(&body), window);
    assert_eq!((&body["decision_id"], told.number("x-decision-id")), (&house.head().into(), Some(house.head())));
    let first = house.head();
    assert_eq!((body.get("limit_set_by"), &body["last_success"]), (None, &success(&house, last).await));
    // The second of a window is only counted: it has no record, and says so.
    let told = house.get(&house.full.text, "/v2/whoami").await.expect(429);
    let body = told.json();
    assert_eq!((&body["decision_id"], told.header("x-decision-id")), (&Value::Null, None));
    assert_eq!(in_body(&body), window);
    assert_eq!(body.get("last_success"), None);
    // The limit is set within the next window.
    house.advance(3_600);
    use_it(&house, &house.full, "/v2/whoami").await;
    let set =
        house.patch(&account, json!({ "hourly_limit": 1 })).await.expect(200).number("x-ledger-position").unwrap();
    let body = house.get(&house.full.text, "/v2/whoami").await.expect(429).json();
    assert_eq!((&body["limit"], &body["limit_set_by"]), (&json!(1), &pointed(&house, set).await));
    // An auditor sees both windows later, with the limit of then.
    house.patch(&account, json!({ "hourly_limit": 50 })).await.expect(200);
    let explanation = explained(&house, &house.auditor.text, first).await;
    assert_eq!(in_body(&explanation), window);
    assert_eq!(explanation.get("limit_set_by"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feature_that_ended_and_a_resource_that_is_gone_are_named() {
    let house = House::new().await;
    let research = format!("/v2/{}/domains/research/status?domain=example.com", house.enterprise);
    let last = use_it(&house, &house.corporate, &research).await;
    let feature = format!("/v1/accounts/{}/features/domain_research", house.enterprise);
    let ended = house.delete(feature).await.expect(204).number("x-ledger-position").unwrap();
    let body = house.get(&house.corporate.text, &research).await.expect(412).json();
    assert_eq!(body["taken_away_by"], pointed(&house, ended).await);
    assert_eq!(body["last_success"], success(&house, last).await);
    // An account that never had it.
    let body = house.get(&house.full.text, research.replace(&house.enterprise.to_string(), &house.teams.to_string()));
    assert_eq!(body.await.expect(412).json().get("taken_away_by"), None);

    let zone = house.get(&house.scoped.text, format!("/v2/{}/zones/example.com", house.teams)).await.data();
    let by_id = format!("/v2/{}/zones/{}", house.teams, zone["id"]);
    let last = use_it(&house, &house.scoped, &by_id).await;
    let resource = format!("/v1/accounts/{}/resources/{}", house.teams, zone["id"]);
    let removed = house.delete(resource).await.expect(204).number("x-ledger-position").unwrap();
    let body = house.get(&house.scoped.text, &by_id).await.expect(403).json();
    assert_eq!(body["taken_away_by"], pointed(&house, removed).await);
    assert_eq!(body["last_success"], success(&house, last).await);
    // Whoever was not let see the zone is not told that it was there.
    let others = house.account_token(house.teams, json!({ "name": "other", "access": zones(json!(["example.net"])) }));
    let body = house.get(&others.await.text, &by_id).await.expect(403).json();
    assert_eq!((body.get("taken_away_by"), body.get("last_success")), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_in_the_path_does_not_become_a_name() {
    let house = House::new().await;
    let zone = house.get(&house.full.text, format!("/v2/{}/zones/example.org", house.teams)).await.data();
    let path = format!("/v2/{}/zones/{}", house.teams, zone["id"]);
    let told = house.get(&house.scoped.text, &path).await.expect(403);
    assert_eq!(told.json()["required_scopes"], json!([format!("zones:{}:read", zone["id"])]));
    assert!(!told.text().contains("example.org"), "{}", told.text());
    let explanation = explained(&house, &house.auditor.text, house.head()).await;
    assert_eq!(explanation["required_scopes"], json!(["zones:example.org:read"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_sees_by_whom_and_the_holder_does_not() {
    let house = House::new().await;
    let operator = house.token("/v1/staff-tokens", json!({ "role": "operator", "name": "night shift" })).await;
    let zone = format!("/v2/{}/zones/example.org", house.teams);
    let last = use_it(&house, &house.full, &zone).await;
    let ask = Ask::new("PATCH", &house.full.path).bearer(&operator.text).header("User-Agent", "console/7");
    let body = json!({ "access": zones(json!([])) });
    let narrowed = house.ask(ask.json(&body)).await.expect(200).number("x-ledger-position").unwrap();
    for ask in [Ask::get(&zone).bearer(&house.full.text), caddy(&house.full.text, "GET", &zone)] {
        let told = house.ask(ask).await.expect(403);
        let by = told.json()["taken_away_by"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(by, ["position", "type", "at"]);
        for secret in ["staff", "night", "console", "127.0.0.1", "principal", "credential"] {
            assert!(!told.text().contains(secret), "{secret}: {}", told.text());
        }
    }
    let refused = house.head();
    for reader in [&house.auditor.text, &house.operator] {
        let explanation = explained(&house, reader, refused).await;
        let by = &explanation["taken_away_by"];
        assert_eq!((&by["position"], &by["credential"]), (&narrowed.into(), &operator.id.into()));
        assert_eq!(by["principal"], json!({ "kind": "staff", "id": operator.id }));
        assert_eq!(by["data"]["by"]["agent"], "console/7");
        assert_eq!(explanation["last_success"], success(&house, last).await);
    }
    for stranger in [&house.full.text, &house.gateway.text, &house.adas.text] {
        house.get(stranger, format!("/v1/events/{refused}")).await.expect(403);
    }
    let allowed = house.get(&house.auditor.text, format!("/v1/events/{last}")).await.expect(200).data();
    assert_eq!(allowed.get("explanation"), None, "of refusals only");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_refusal_is_explained_as_of_then() {
    let house = House::new().await;
    let (token, zone) = (&house.full, format!("/v2/{}/zones/example.org", house.teams));
    let last = use_it(&house, token, &zone).await;
    let narrowed = edit(&house, token, zones(json!(["example.com"]))).await;
    let told = house.get(&token.text, &zone).await.expect(403).json();
    let refused = house.head();
    edit(&house, token, json!("full")).await;
    use_it(&house, token, &zone).await;
    edit(&house, token, grants(&[])).await;
    house.delete(&token.path).await.expect(204);
    let explanation = explained(&house, &house.auditor.text, refused).await;
    assert_eq!(explanation["taken_away_by"]["position"], narrowed);
    assert_eq!(
        (&explanation["last_success"], &told["last_success"]),
        (&success(&house, last).await, &told["last_success"])
    );
    assert_eq!(told["last_success"], explanation["last_success"]);
    assert_eq!(explanation.get("not_searched"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_the_same_after_a_restart_from_a_snapshot_from_the_log_and_after_a_crash() {
    let mut house = House::new().await;
    let zone = format!("/v2/{}/zones/example.org", house.teams);
    let (full, deleted) = (house.full.clone(), house.scoped.clone());
    use_it(&house, &full, &zone).await;
    edit(&house, &full, zones(json!(["example.com"]))).await;
    house.delete(&deleted.path).await.expect(204);
    let ask = async |house: &House| {
        let mut told = Vec::new();
        for (token, path) in [(&full, zone.as_str()), (&deleted, "/v2/whoami")] {
            let mut body = house.get(&token.text, path).await.json();
            body["decision_id"].take();
            told.push(body);
        }
        told
    };
    let before = ask(&house).await;
    assert!(before.iter().all(|body| body.get("taken_away_by").is_some()), "{before:?}");
    assert!(before[0].get("last_success").is_some());
    house.restart(false).await;
    assert_eq!(ask(&house).await, before, "from a snapshot");
    house.restart(true).await;
    assert_eq!(ask(&house).await, before, "from the log alone");
    house.crash().await;
    assert_eq!(ask(&house).await, before, "after a crash");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_took_a_token_away_is_named_to_who_may_know() {
    let house = House::new().await;
    let token = &house.full;
    let last = use_it(&house, token, "/v2/whoami").await;
    let put =
        async |fields: Value| house.patch(&token.path, fields).await.expect(200).number("x-ledger-position").unwrap();
    put(json!({ "allowed_addresses": ["127.0.0.0/8"] })).await;
    let closed = put(json!({ "allowed_addresses": ["192.0.2.0/24"] })).await;
    put(json!({ "allowed_addresses": ["198.51.100.0/24"] })).await;
    let told = house.get(&token.text, "/v2/whoami").await.expect(403).json();
    assert_eq!(
        (&told["taken_away_by"], &told["last_success"]),
        (&Value::Null, &Value::Null),
        "not to whoever is elsewhere"
    );
    let seen = explained(&house, &house.auditor.text, house.head()).await;
    assert_eq!(seen["taken_away_by"]["position"], closed, "the change before which this address was in a range");
    assert_eq!(seen["last_success"], success(&house, last).await);
    put(json!({ "allowed_addresses": null })).await;
    let put_off = put(json!({ "not_before": later(&house, 600) })).await;
    let told = house.get(&token.text, "/v2/whoami").await.expect(401).json();
    assert_eq!(told["cause"], "not_yet_valid");
    assert_eq!(told["taken_away_by"], pointed(&house, put_off).await);
    assert_eq!(told["last_success"], success(&house, last).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_a_token_was_made_with_took_nothing_away() {
    let house = House::new().await;
    let body = json!({ "name": "later", "access": "full", "not_before": later(&house, 600) });
    let token = house.account_token(house.teams, body).await;
    let told = house.get(&token.text, "/v2/whoami").await.expect(401).json();
    assert_eq!((&told["cause"], &told["taken_away_by"]), (&json!("not_yet_valid"), &Value::Null));
}
