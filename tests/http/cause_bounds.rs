//! Where explanations of refusals end, what they survive, and the headers beside them.

use crate::causes::{caddy, edit, later, use_it, zones};
use crate::house::{House, grants};
use crate::wire::{Ask, Told};
use serde_json::{Value, json};
use token_ledger::audit::explanation::CHANGES_KEPT;

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_before_the_changes_that_are_looked_at_is_said_not_to_be_searched() {
    let house = House::new().await;
    let (token, zone) = (&house.full, format!("/v2/{}/zones/example.org", house.teams));
    let narrowed = edit(&house, token, zones(json!([]))).await;
    for change in 1..CHANGES_KEPT {
        let names = if change % 2 == 1 { json!(["example.com"]) } else { json!(["example.net"]) };
        edit(&house, token, zones(names)).await;
    }
    let body = house.get(&token.text, &zone).await.expect(403).json();
    assert_eq!((&body["taken_away_by"]["position"], body.get("not_searched")), (&json!(narrowed), None));
    edit(&house, token, grants(&[])).await;
    let body = house.get(&token.text, &zone).await.expect(403).json();
    assert_eq!((body.get("taken_away_by"), &body["not_searched"]), (None, &json!(["taken_away_by"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn past_sixty_a_minute_a_refusal_has_no_decision_of_its_own_and_says_so() {
    let house = House::new().await;
    let zone = format!("/v2/{}/zones/example.org", house.teams);
    let ask = async || -> Told { house.get(&house.scoped.text, &zone).await.expect(403) };
    for _ in 0..60 {
        assert!(ask().await.header("x-decision-id").is_some());
    }
    let told = ask().await;
    let body = told.json();
    assert_eq!((told.header("x-decision-id"), &body["decision_id"]), (None, &Value::Null));
    assert_eq!(
        (&body["cause"], &body["required_scopes"]),
        (&json!("missing_scope"), &json!(["zones:example.org:read"]))
    );
    let told = house.ask(caddy(&house.scoped.text, "GET", &zone)).await.expect(403);
    assert_eq!((told.header("x-decision-id"), &told.json()["decision_id"]), (Some(""), &Value::Null));
    for _ in 0..60 {
        house.get(&house.graces.text, "/v1/users").await.expect(403);
    }
    let told = house.get(&house.graces.text, "/v1/users").await.expect(403);
    assert_eq!((told.header("x-decision-id"), &told.json()["decision_id"]), (None, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_token_reads_its_scopes_and_its_end_in_headers() {
    let house = House::new().await;
    let (teams, end) = (house.teams, later(&house, 1_000));
    let access = grants(&[("zones", "read_only", json!(["example.com"])), ("domains", "full_access", json!("all"))]);
    let ending = json!({ "name": "short", "access": access, "expires_at": end });
    let ending = house.account_token(teams, ending).await;
    let end = Some(end.as_str());
    for (path, status, accepted) in [
        ("/v2/whoami".to_owned(), 200, None),
        (format!("/v2/{teams}/zones/example.com"), 200, Some("zones:example.com:read")),
        (format!("/v2/{teams}/zones"), 200, Some("zones:*:read")),
        (format!("/v2/{teams}/domains/absent.example"), 404, Some("domains:absent.example:read")),
        (format!("/v2/{teams}/zones/example.org"), 403, Some("zones:example.org:read")),
        (format!("/v2/{teams}/zones?page=0"), 400, None),
        ("/v2/nothing".to_owned(), 404, None),
    ] {
        let told = house.get(&ending.text, &path).await.expect(status);
        assert_eq!(
            (told.header("x-token-expiration"), told.header("x-accepted-token-scopes")),
            (end, accepted),
            "{path}"
        );
        let told = house.get(&house.full.text, &path).await;
        assert_eq!(told.header("x-token-expiration"), None, "{path}");
    }
    let scopes = Some("domains:*:write zones:example.com:read");
    let told = house.get(&ending.text, "/v1/self").await.expect(200);
    assert_eq!((told.header("x-token-scopes"), told.header("x-token-expiration")), (scopes, end));
    for target in ["/v2/whoami".to_owned(), format!("/v2/{teams}/zones/example.org")] {
        let told = house.ask(caddy(&ending.text, "GET", &target)).await;
        assert_eq!((told.header("x-token-scopes"), told.header("x-token-expiration")), (scopes, end), "{target}");
    }
    assert_eq!(house.get(&house.adas.text, "/v1/self").await.expect(200).header("x-token-scopes"), Some(""));
    house.advance(1_001);
    let told = house.get(&ending.text, "/v2/whoami").await.expect(401);
    assert_eq!((told.header("x-token-expiration"), told.header("x-token-scopes")), (None, None));
}

/// Headers are bounded: gateways take only so many bytes of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_of_scopes_becomes_short() {
    let house = House::new().await;
    let long = |index: u32| format!("{}.{}{index:02}.example", "a".repeat(60), "b".repeat(50));
    let names = |count: u32| (0..count).map(long).collect::<Vec<_>>();
    let told = async |access: Value| {
        edit(&house, &house.scoped, access).await;
        let told = house.get(&house.scoped.text, format!("/v2/{}/domains", house.teams)).await.expect(403);
        told.header("x-token-scopes").unwrap().to_owned()
    };
    assert_eq!(told(zones(json!(names(21)))).await, "zones:listed:read");
    assert!(told(zones(json!(names(3)))).await.starts_with("zones:aaa"));
    let many = grants(&[("certificates", "read_only", json!(names(18))), ("zones", "read_only", json!("all"))]);
    assert_eq!(told(many).await, "certificates:listed:read zones:*:read");
}

/// A record that a refusal would point at is damaged while the service runs: the refusal is answered without it.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_up_is_left_out_and_the_answer_stands() {
    let house = House::new().await;
    let zone = format!("/v2/{}/zones/example.org", house.teams);
    use_it(&house, &house.full, &zone).await;
    let narrowed = edit(&house, &house.full, grants(&[])).await;
    let file = rusqlite::Connection::open(house.ledger.dir().ledger()).unwrap();
    file.execute_batch("DROP TRIGGER events_never_change").unwrap();
    file.execute("UPDATE events SET record = zeroblob(9) WHERE position = ?1", [narrowed.cast_signed()]).unwrap();
    let told = house.get(&house.full.text, &zone).await.expect(403);
    let expected = json!({
        "message": "Permission Denied. Required Scope: zones:example.org:read", "decision_id": house.head(),
        "cause": "missing_scope", "required_scopes": ["zones:example.org:read"],
    });
    assert_eq!((told.json(), told.number("x-decision-id")), (expected, Some(house.head())));
    house.look(format!("/v1/events/{}", house.head())).await.expect(500);
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_address_that_it_is_not_for_nothing_of_a_token_is_told_but_the_decision() {
    let house = House::new().await;
    let bound = json!({ "name": "bound", "access": zones(json!("all")), "expires_at": later(&house, 5_000),
        "allowed_addresses": ["192.0.2.0/24"] });
    let bound = house.account_token(house.teams, bound).await;
    let zone = format!("/v2/{}/zones/example.org", house.teams);
    for ask in [Ask::get(&zone).bearer(&bound.text), caddy(&bound.text, "GET", &zone)] {
        let told = house.ask(ask).await.expect(403);
        let (body, decision) = (told.json(), house.head());
        assert_eq!((&body["cause"], &body["decision_id"]), (&json!("address_not_allowed"), &json!(decision)));
        for member in ["taken_away_by", "last_success", "required_scopes"] {
            assert_eq!(body.get(member), None);
        }
        assert_eq!(told.number("x-decision-id"), Some(decision));
        for name in ["x-token-scopes", "x-token-expiration"] {
            assert_eq!(told.header(name).unwrap_or_default(), "", "{name}");
        }
    }
}
