//! RFC 6750: what a refused client is told in `WWW-Authenticate`, word for word.

use crate::house::House;
use crate::wire::Ask;

const REALM: &str = "Bearer realm=\"token-ledger\"";
const INVALID: &str = "Bearer realm=\"token-ledger\", error=\"invalid_token\"";
const REQUEST: &str = "Bearer realm=\"token-ledger\", error=\"invalid_request\"";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_no_token_is_told_no_error_code() {
    let house = House::new().await;
    for path in ["/v2/whoami", "/v1/users", "/v1/self", "/v1/events"] {
        let told = house.ask(Ask::get(path)).await.expect(401);
        assert_eq!(told.header("www-authenticate"), Some(REALM), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_no_secret_of_the_ledger_gets_one_answer() {
    let house = House::new().await;
    let guessed = [&house.unknown, "tlka_short", "a b", "\u{e9}"];
    for path in ["/v2/whoami", "/v1/users", "/v1/self", "/v1/events"] {
        let mut bodies = Vec::new();
        for token in guessed {
            let told = house.get(token, path).await.expect(401);
            assert_eq!(told.header("www-authenticate"), Some(INVALID), "{path} {token}");
            assert_eq!((told.header("x-ledger-position"), told.header("x-decision-id")), (None, None));
            bodies.push(told.body);
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{path}: an answer tells why");
    }
    for value in ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "token", ""] {
        let told = house.ask(Ask::get("/v2/whoami").header("Authorization", value)).await.expect(401);
        assert_eq!(told.header("www-authenticate"), Some(INVALID), "{value:?}");
    }
}

/// Whoever shows the secret of a token that ended may know that it did; everything else is the answer to a guess.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_works_no_more_adds_its_cause_to_the_same_answer() {
    let house = House::new().await;
    let ended = [
        (&house.deleted.text, "token_deleted"),
        (&house.expired.text, "token_expired"),
        (&house.rotated_out, "secret_ended"),
    ];
    for path in ["/v2/whoami", "/v1/users", "/v1/self", "/v1/events"] {
        let guess = house.get(&house.unknown, path).await.expect(401);
        for (token, cause) in ended {
            let told = house.get(token, path).await.expect(401);
            let (mut body, decision) = (told.json(), house.head());
            assert_eq!(told.header("www-authenticate"), Some(INVALID), "{path} {cause}");
            assert_eq!((told.header("x-ledger-position"), told.number("x-decision-id")), (None, Some(decision)));
            assert_eq!((&body["cause"], &body["decision_id"]), (&cause.into(), &decision.into()), "{path}");
            let plain = guess.json();
            body.as_object_mut().unwrap().retain(|member, _| plain.get(member).is_some());
            assert_eq!(body, plain, "{path} {cause}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_are_an_invalid_request() {
    let house = House::new().await;
    for path in ["/v2/whoami", "/v1/users", "/v1/self", "/v1/events", "/v2/nothing"] {
        let told = house.ask(Ask::get(path).bearer(&house.full.text).bearer(&house.operator)).await.expect(400);
        assert_eq!(told.header("www-authenticate"), Some(REQUEST), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_scope_is_named_as_it_was_asked_for() {
    let house = House::new().await;
    let rows = [
        ("zones/example.org", "zones:example.org:read"),
        ("zones/EXAMPLE.org.", "zones:example.org:read"),
        ("zones/b%C3%BCcher.example", "zones:xn--bcher-kva.example:read"),
        ("zones/absent.example", "zones:absent.example:read"),
        ("zones/999999", "zones:999999:read"),
        ("domains/example.net", "domains:example.net:read"),
        ("domains/example.net/certificates", "certificates:example.net:read"),
        ("domains/999999/certificates/1", "certificates:999999:read"),
    ];
    for (path, scope) in rows {
        let told = house.get(&house.scoped.text, format!("/v2/{}/{path}", house.teams)).await.expect(403);
        let challenge = format!("Bearer realm=\"token-ledger\", error=\"insufficient_scope\", scope=\"{scope}\"");
        assert_eq!(told.header("www-authenticate"), Some(challenge.as_str()), "{path}");
        assert_eq!(told.json()["message"], format!("Permission Denied. Required Scope: {scope}"));
    }
    for (path, scope) in [("domains", "domains:*:read"), ("domains/example.com", "domains:example.com:read")] {
        let told = house.get(&house.graces.text, format!("/v2/{}/{path}", house.teams)).await.expect(403);
        assert_eq!(told.json()["message"], format!("Permission Denied. Required Scope: {scope}"));
    }
    let research = format!("/v2/{}/domains/research/status?domain=example.com", house.enterprise);
    let told = house.get(&house.corporate_zones.text, research).await.expect(403);
    assert_eq!(told.json()["message"], "Permission Denied. Required Scope: domain_research:*:read");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scheme_is_read_in_any_case() {
    let house = House::new().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let ask = Ask::get("/v2/whoami").header("Authorization", format!("{scheme} {}", house.full.text));
        house.ask(ask).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_too_often_waits_but_a_valid_token_never_does() {
    let house = House::with_failure_limit(3).await;
    for _ in 0..3 {
        house.get(&house.unknown, "/v2/whoami").await.expect(401);
    }
    for path in ["/v2/whoami", "/v1/users"] {
        let told = house.get(&house.unknown, path).await.expect(429);
        assert_eq!(told.number("retry-after"), Some(3_600), "{path}");
    }
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    house.look("/v1/users").await.expect(200);
    house.advance(3_600);
    house.get(&house.unknown, "/v2/whoami").await.expect(401);
}
