//! Real gateways before a small API, with the configuration that ships: nginx and Caddy from Debian's packages ask the
//! real program about every request. What must not pass never reaches the API, whatever the client sends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]
#![allow(missing_docs, reason = "tests say what they mean by their names")]
#![allow(dead_code, reason = "the process tests' means are shared, not all of them are needed here")]

#[path = "process/client.rs"]
mod client;
#[path = "gateways/front.rs"]
mod front;
#[path = "gateways/paths.rs"]
mod paths;
#[path = "process/program.rs"]
mod program;
#[path = "process/scene.rs"]
mod scene;
#[path = "gateways/stage.rs"]
mod stage;
#[path = "gateways/upstream.rs"]
mod upstream;

use front::{Gateway, send};
use scene::ZONE;
use serde_json::{Value, json};
use stage::{Stage, bearer};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[test]
fn what_may_pass_passes_with_its_facts_and_is_recorded() {
    let stage = Stage::new();
    let (id, narrow) = stage.narrow_token();
    let path = format!("/v2/1/zones/{ZONE}/records?page=2&sort=a%2Fb");
    for front in &stage.fronts {
        let answer = send(front.address, "GET", &path, &[("Authorization", &bearer(&narrow))]);
        assert_eq!(answer.status, 200, "{:?}: {answer:?}", front.gateway);
        let got = stage.upstream.last();
        assert_eq!(got.line, format!("GET {path} HTTP/1.1"), "{:?}", front.gateway);
        let facts = [
            ("x-token-id", id.to_string()),
            ("x-token-kind", "account".to_owned()),
            ("x-token-account", "1".to_owned()),
            ("x-token-user", String::new()),
            ("x-token-scopes", format!("zones:{ZONE}:read")),
        ];
        for (name, value) in facts {
            assert_eq!(got.header(name).unwrap_or_default(), value, "{:?} {name}", front.gateway);
        }
        assert_eq!(got.header("authorization").unwrap_or_default(), "", "the API never sees the secret");
        let position: u64 = got.header("x-decision-id").unwrap().parse().unwrap();
        let event = &stage.events(&format!("after={}&limit=1", position - 1))[0];
        assert_eq!(event["type"], "TokenUsed");
        assert_eq!(event["data"]["scope"], format!("zones:{ZONE}:read"));
        assert_eq!(event["data"]["outcome"], "unknown_upstream");
        assert_eq!(event["data"]["route"]["map"], 1);
        assert_eq!(event["data"]["address"], "127.0.0.1");
    }
    // A user's token acts by its membership; a body goes to the API, not to the ledger.
    let user = bearer(&stage.scene.tokens.user[0]);
    for front in &stage.fronts {
        let answer =
            send(front.address, "POST", "/v2/1/contacts", &[("Authorization", &user), ("Content-Length", "0")]);
        assert_eq!(answer.status, 200, "{:?}: {answer:?}", front.gateway);
        assert_eq!(stage.upstream.last().header("x-token-user").as_deref(), Some("1"));
    }
}

#[test]
fn what_may_not_pass_is_refused_by_both_and_reaches_nothing() {
    let stage = Stage::new();
    let narrow = bearer(&stage.narrow_token().1);
    let full = bearer(&stage.scene.tokens.account[0]);

    let missing = stage.is_refused("GET", "/v2/1/zones/other.example", &[("Authorization", &narrow)], (403, 403));
    assert!(missing[1].body.contains("zones:other.example:read"), "{missing:?}");
    for answer in &missing {
        assert_eq!(answer.header("x-accepted-token-scopes"), Some("zones:other.example:read"), "{answer:?}");
        assert!(answer.header("x-decision-id").unwrap().parse::<u64>().unwrap() > 0, "{answer:?}");
    }
    // A list would show the others too.
    stage.is_refused("GET", "/v2/1/zones", &[("Authorization", &narrow)], (403, 403));
    stage.is_refused("DELETE", "/v2/1/domains/example.com", &[("Authorization", &narrow)], (403, 403));
    stage.is_refused("GET", "/v2/2/zones", &[("Authorization", &full)], (404, 404));
    let research = "/v2/1/domains/research/status?domain=a.example";
    stage.is_refused("GET", research, &[("Authorization", &full)], (412, 412));
    // No rule says what these need.
    stage.is_refused("GET", "/v2/1/nothing", &[("Authorization", &full)], (403, 403));
    stage.is_refused("PUT", "/v2/whoami", &[("Authorization", &full)], (403, 403));
    // Two tokens are none. Both gateways pass one header of the name on or refuse both themselves; neither lets it by.
    stage.is_refused("GET", "/v2/1/nothing", &[("Authorization", &full), ("Authorization", &narrow)], (400, 400));
}

#[test]
fn a_token_that_is_unknown_missing_or_deleted_is_challenged() {
    let stage = Stage::new();
    let (id, narrow) = stage.narrow_token();
    let (narrow, zone) = (bearer(&narrow), format!("/v2/1/zones/{ZONE}"));
    let unknown = "Bearer tlka_00000000000000000000000000000000000000000000000000";
    for answer in stage.is_refused("GET", &zone, &[("Authorization", unknown)], (401, 401)) {
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"), "{answer:?}");
    }
    for answer in stage.is_refused("GET", &zone, &[], (401, 401)) {
        assert!(!answer.header("www-authenticate").unwrap().contains("error"), "{answer:?}");
    }
    stage.manage("DELETE", &format!("/v1/accounts/1/tokens/{id}"), &Value::Null);
    for answer in stage.is_refused("GET", &zone, &[("Authorization", &narrow)], (401, 401)) {
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"), "{answer:?}");
    }
    assert_eq!(causes(&stage, id), ["token_deleted", "token_deleted"]);
}

fn causes(stage: &Stage, token: u64) -> Vec<Value> {
    let refused = stage.events(&format!("token={token}&type=TokenUseRefused&order=desc&limit=2"));
    refused.iter().map(|event| event["data"]["cause"].clone()).collect()
}

/// Judged by the address that the gateway saw; whatever a client says of its own is not one.
#[test]
fn a_token_passes_from_its_addresses_only() {
    let stage = Stage::new();
    let path = format!("/v2/1/zones/{ZONE}");
    let allowed_from = |addresses: Value| {
        let body = json!({ "name": "bound", "access": "full", "allowed_addresses": addresses });
        let (id, token) = stage.new_token(&body);
        (id, bearer(&token))
    };
    let (_, near) = allowed_from(json!(["127.0.0.0/8", "::1"]));
    for front in &stage.fronts {
        assert_eq!(send(front.address, "GET", &path, &[("Authorization", &near)]).status, 200, "{:?}", front.gateway);
    }
    let (id, far) = allowed_from(json!(["198.51.100.0/24"]));
    stage.is_refused("GET", &path, &[("Authorization", &far)], (403, 403));
    let claimed = ["X-Real-IP", "X-Forwarded-For", "Forwarded", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP"];
    let value = |name: &str| if name == "Forwarded" { "for=198.51.100.7" } else { "198.51.100.7" };
    let headers: Vec<_> = claimed.into_iter().map(|name| (name, value(name))).collect();
    let headers = [&[("Authorization", far.as_str())], &headers[..]].concat();
    stage.is_refused("GET", &path, &headers, (403, 403));
    assert_eq!(causes(&stage, id), ["address_not_allowed", "address_not_allowed"]);
}

#[test]
fn a_token_passes_until_it_expires() {
    let stage = Stage::new();
    let expires_at = (OffsetDateTime::now_utc() + Duration::from_secs(3)).format(&Rfc3339).unwrap();
    let (id, token) = stage.new_token(&json!({ "name": "short", "access": "full", "expires_at": expires_at }));
    let (token, zone) = (bearer(&token), format!("/v2/1/zones/{ZONE}"));
    for front in &stage.fronts {
        assert_eq!(send(front.address, "GET", &zone, &[("Authorization", &token)]).status, 200);
    }
    let until = Instant::now() + program::PATIENCE;
    while send(stage.fronts[0].address, "GET", &zone, &[("Authorization", &token)]).status == 200 {
        assert!(Instant::now() < until, "it never expires");
        // Only the pause between two looks.
        std::thread::sleep(Duration::from_millis(50));
    }
    stage.is_refused("GET", &zone, &[("Authorization", &token)], (401, 401));
    assert_eq!(causes(&stage, id), ["token_expired", "token_expired"]);
}

#[test]
fn over_its_limit_a_client_is_told_when_to_come_back() {
    let stage = Stage::new();
    let (full, zone) = (bearer(&stage.scene.tokens.account[0]), format!("/v2/1/zones/{ZONE}"));
    stage.manage("PATCH", "/v1/accounts/1", &json!({ "hourly_limit": 1 }));
    send(stage.fronts[0].address, "GET", &zone, &[("Authorization", &full)]);
    for answer in stage.is_refused("GET", &zone, &[("Authorization", &full)], (429, 429)) {
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0, "{answer:?}");
    }
}

#[test]
fn forged_headers_change_nothing() {
    let stage = Stage::new();
    let (id, narrow) = stage.narrow_token();
    let bearer = bearer(&narrow);
    let facts = [
        ("x-token-id", id.to_string()),
        ("x-token-kind", "account".to_owned()),
        ("x-token-account", "1".to_owned()),
        ("x-token-user", String::new()),
        ("x-token-scopes", format!("zones:{ZONE}:read")),
        ("x-token-expiration", String::new()),
    ];
    let forged = [
        ("X-Token-Id", "1"),
        ("X-Token-Kind", "operator"),
        ("X-Token-Account", "2"),
        ("X-Token-User", "1"),
        ("X-Token-Scopes", "full"),
        ("X-Token-Expiration", "2999-01-01T00:00:00Z"),
        ("X-Decision-Id", "1"),
        ("X-Auth-Status", "200"),
        ("X-Original-Method", "GET"),
        ("X-Original-URI", "/v2/1/zones/example.com"),
        ("X-Original-URL", "/v2/1/zones/example.com"),
        ("X-Real-IP", "198.51.100.1"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Uri", "/v2/1/zones/example.com"),
        ("X-Forwarded-For", "198.51.100.1"),
        ("X-Envoy-Original-Path", "/v2/1/zones/example.com"),
        // What CGI makes the same names of.
        ("X_Token_Id", "1"),
        ("X_Token-Scopes", "full"),
        ("X-Token_Account", "2"),
        ("X_Decision_Id", "1"),
        ("X_Original_URI", "/v2/1/zones/example.com"),
        ("X_Forwarded_Uri", "/v2/1/zones/example.com"),
    ];
    let once: Vec<_> = std::iter::once(("Authorization", bearer.as_str())).chain(forged).collect();
    // Twice, and once as a list of two.
    let twice: Vec<_> = once.iter().copied().chain(forged).collect();
    let listed: Vec<_> = once
        .iter()
        .map(|&(name, value)| (name, if name == "X-Forwarded-For" { "192.0.2.1, 192.0.2.2" } else { value }))
        .collect();
    for headers in [&once, &twice, &listed] {
        stage.is_refused("GET", "/v2/1/zones/other.example", headers, (403, 403));
        stage.is_refused("DELETE", &format!("/v2/1/zones/{ZONE}/records/1"), headers, (403, 403));
        for front in &stage.fronts {
            let answer = send(front.address, "GET", &format!("/v2/1/zones/{ZONE}"), headers);
            assert_eq!(answer.status, 200, "{:?}: {answer:?}", front.gateway);
            let (got, used) = (stage.upstream.last(), stage.last_use());
            for (name, value) in &facts {
                assert_eq!(got.all(name), [value.as_str()], "{:?} {name}", front.gateway);
            }
            assert_eq!(got.all("x-decision-id"), [used["position"].to_string()], "{:?}", front.gateway);
            assert_eq!(used["data"]["address"], "127.0.0.1", "{:?}: nobody chooses their address", front.gateway);
        }
    }
}

/// Refused to a request without a token too, where nothing of an answer could replace what was forged.
#[test]
fn forged_headers_are_no_token() {
    let stage = Stage::new();
    let forged = [("X-Token-Id", "1"), ("X-Token-Scopes", "full"), ("X-Auth-Status", "200"), ("X-Decision-Id", "1")];
    stage.is_refused("GET", "/v2/whoami", &forged, (401, 401));
}

#[test]
fn without_the_ledger_nothing_passes() {
    let mut stage = Stage::new();
    let full = bearer(&stage.scene.tokens.account[0]);
    // Connections that the gateways keep are cut in the middle of their life, too.
    for front in &stage.fronts {
        assert_eq!(send(front.address, "GET", "/v2/whoami", &[("Authorization", &full)]).status, 200);
    }
    stage.server.take().unwrap().kill();
    for _ in 0..3 {
        for answer in stage.is_refused("GET", "/v2/whoami", &[("Authorization", &full)], (503, 502)) {
            assert!(answer.body.len() < 1_000, "{answer:?}");
        }
    }
}

/// The ledger is there, and cannot record: as closed as when it is not there.
#[test]
fn what_cannot_be_recorded_does_not_pass() {
    let mut stage = Stage::new();
    drop(stage.server.take());
    // More than any disk has free.
    let server = stage.scene.serve(&["--low-water-mib", "1000000000"]);
    let full = bearer(&stage.scene.tokens.account[0]);
    stage.fronts = [Gateway::Nginx, Gateway::Caddy]
        .map(|gateway| front::Front::start(gateway, server.address, stage.upstream.address))
        .into();
    stage.server = Some(server);
    for answer in stage.is_refused("GET", "/v2/whoami", &[("Authorization", &full)], (503, 503)) {
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0, "{answer:?}");
    }
}
