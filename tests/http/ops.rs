//! Health, metrics, the document, and paths that are nobody's.

use crate::house::House;
use crate::wire::Ask;
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_the_document_need_no_credential_and_leave_nothing() {
    let house = House::new().await;
    let head = house.head();
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.yaml"] {
        let told = house.ask(Ask::get(path)).await.expect(200);
        assert!(told.header("x-request-id").is_some(), "{path}");
        assert_eq!(told.header("x-content-type-options"), Some("nosniff"), "{path}");
        house.get(&house.unknown, path).await.expect(200);
    }
    assert_eq!(house.head(), head);
    let document = house.ask(Ask::get("/openapi.yaml")).await;
    assert_eq!(document.text(), include_str!("../../schema/openapi.yaml"));
}

/// Samples by name, from the OpenMetrics text format 1.0.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let body = text.strip_suffix("# EOF\n").expect("the text ends with # EOF");
    let mut kinds = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (keyword, name, value) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert!(["HELP", "TYPE", "UNIT"].contains(&keyword), "{line}");
            if keyword == "TYPE" {
                assert!(kinds.insert(name.to_owned(), value.to_owned()).is_none(), "{name} has two types");
            }
            continue;
        }
        let (name, value) = line.split_once(' ').unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
        let family = name.strip_suffix("_total").unwrap_or(name);
        let wanted = if name.ends_with("_total") { "counter" } else { "gauge" };
        assert_eq!(kinds.get(family).map(String::as_str), Some(wanted), "{line}");
        assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} is there twice");
    }
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_openmetrics_and_count() {
    let house = House::new().await;
    let read = async || {
        let told = house.ask(Ask::get("/metrics")).await.expect(200);
        assert_eq!(told.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
        samples(told.text())
    };
    let before = read().await;
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    house.get(&house.unknown, "/v2/whoami").await.expect(401);
    house.get(&house.scoped.text, format!("/v2/{}/zones/example.org", house.teams)).await.expect(403);
    let after = read().await;
    let grown = |name: &str| after[&format!("token_ledger_{name}")] - before[&format!("token_ledger_{name}")];
    assert_eq!(grown("unauthenticated_requests_total"), 1.0);
    assert_eq!(grown("answers_4xx_total"), 2.0);
    assert_eq!(grown("answers_2xx_total"), 2.0, "the use and the metrics before");
    assert_eq!(grown("events_total"), grown("head_position"));
    assert_eq!(after["token_ledger_head_position"] as u64, house.head());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_are_problems_and_dnsimples_404_under_v2() {
    let house = House::new().await;
    let head = house.head();
    for path in [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/users/",
        "//v1/users",
        "/V1/users",
        "/v2",
        "/healthz/",
        "/v1/accounts/1/tokens/1/rotate/x",
    ] {
        let told = house.ask(Ask::get(path)).await.expect(404);
        assert_eq!(told.header("content-type"), Some("application/problem+json"), "{path}");
        assert_eq!(told.json()["type"], "/problems/not-found", "{path}");
    }
    for path in ["/v2/", "/v2/whoami/", "/v2//zones", "/v2/nothing"] {
        house.ask(Ask::get(path)).await.expect(401);
        let told = house.get(&house.full.text, path).await.expect(404);
        assert_eq!(told.text(), "{\"message\":\"Not Found\"}", "{path}");
        assert!(told.header("x-ratelimit-remaining").is_some(), "{path}");
    }
    assert_eq!(house.head(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_kept_when_it_is_a_uuid() {
    let house = House::new().await;
    let ask = |id: &str| Ask::get("/v2/whoami").bearer(&house.full.text).header("X-Request-Id", id);
    let id = "0198C5F2-3a1b-7c4d-8e9f-001122334455";
    let told = house.ask(ask(id)).await.expect(200);
    assert_eq!(told.header("x-request-id"), Some(id.to_lowercase().as_str()));
    let event = house.look(format!("/v1/events/{}", told.header("x-ledger-position").unwrap())).await.data();
    assert_eq!(event["request_id"], id.to_lowercase());
    for other in ["", "mine", "0198c5f2-3a1b-7c4d-8e9f-00112233445", "0198c5f2-3a1b-7c4d-8e9f-00112233445g"] {
        let told = house.ask(ask(other)).await.expect(200);
        assert_ne!(told.header("x-request-id"), Some(other));
        assert_eq!(told.header("x-request-id").unwrap().len(), 36);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_does_not_decode_is_400_for_whoever_may_ask() {
    let house = House::new().await;
    for path in ["/v1/users?page=%FF", "/v1/events?type=%FF", "/v1/accounts?%ZZ=1"] {
        house.look(path).await.expect(400);
        house.get(&house.full.text, path).await.expect(403);
        house.ask(Ask::get(path)).await.expect(401);
    }
}
