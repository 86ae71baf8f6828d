//! Real gateways before a small API, with the configuration that ships: nginx and Caddy from Debian's packages ask the
//! real program about every request. What must not pass never reaches the API, whatever the client sends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]
#![allow(missing_docs, reason = "tests say what they mean by their names")]
#![allow(dead_code, reason = "the process tests' means are shared, not all of them are needed here")]

#[path = "process/client.rs"]
mod client;
#[path = "gateways/front.rs"]
mod front;
#[path = "process/program.rs"]
mod program;
#[path = "process/scene.rs"]
mod scene;
#[path = "gateways/upstream.rs"]
mod upstream;

use client::{Ask, Client};
use front::{Front, Gateway, Seen, send};
use program::Server;
use scene::{Scene, ZONE};
use serde_json::{Value, json};
use upstream::Upstream;

/// A ledger, an API, and each gateway between them.
struct Stage {
    scene: Scene,
    server: Option<Server>,
    upstream: Upstream,
    fronts: Vec<Front>,
}

impl Stage {
    fn new() -> Self {
        let scene = Scene::new();
        let server = scene.serve(&["--auth-failures-per-hour", "0"]);
        let upstream = Upstream::start();
        let fronts = [Gateway::Nginx, Gateway::Caddy];
        let fronts = fronts.map(|gateway| Front::start(gateway, server.address, upstream.address)).into();
        Self { scene, server: Some(server), upstream, fronts }
    }

    fn manage(&self, method: &str, path: &str, body: &Value) -> Value {
        let address = self.server.as_ref().unwrap().address;
        let answer = Client::connect(address).unwrap();
        let answer = { answer }.ask(Ask::send(method, path, &self.scene.tokens.operator, body)).unwrap();
        assert!(answer.status / 100 == 2, "{method} {path}: {answer:?}");
        if answer.status == 204 { Value::Null } else { answer.json() }
    }

    fn new_token(&self, body: &Value) -> (u64, String) {
        let made = self.manage("POST", "/v1/accounts/1/tokens", body);
        (made["data"]["id"].as_u64().unwrap(), made["token"].as_str().unwrap().to_owned())
    }

    /// Only reads one zone.
    fn narrow_token(&self) -> (u64, String) {
        let grant = json!({ "group": "zones", "level": "read_only", "resources": [ZONE] });
        self.new_token(&json!({ "name": "narrow", "access": { "grants": [grant] } }))
    }

    fn events(&self, query: &str) -> Vec<Value> {
        let address = self.server.as_ref().unwrap().address;
        let path = format!("/v1/events?{query}");
        let answer = Client::connect(address).unwrap().ask(Ask::get(&path, &self.scene.tokens.operator)).unwrap();
        answer.expect(200).json()["data"].as_array().unwrap().clone()
    }

    /// Sends one request through each gateway; none of them may reach the API.
    #[track_caller]
    fn is_refused(&self, method: &str, path: &str, headers: &[(&str, &str)], nginx: u16, caddy: u16) -> Vec<Seen> {
        let before = self.upstream.count();
        let answers: Vec<Seen> = self.fronts.iter().map(|front| send(front.address, method, path, headers)).collect();
        for (front, (seen, expected)) in self.fronts.iter().zip(answers.iter().zip([nginx, caddy])) {
            assert_eq!(seen.status, expected, "{:?} {method} {path}: {seen:?}", front.gateway);
        }
        assert_eq!(self.upstream.count(), before, "{method} {path} reached the API");
        answers
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

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
    let (narrow_id, narrow) = stage.narrow_token();
    let full = bearer(&stage.scene.tokens.account[0]);
    let narrow = bearer(&narrow);
    let zone = format!("/v2/1/zones/{ZONE}");

    let missing = stage.is_refused("GET", "/v2/1/zones/other.example", &[("Authorization", &narrow)], 403, 403);
    assert!(missing[1].body.contains("zones:other.example:read"), "{missing:?}");
    // A list would show the others too.
    stage.is_refused("GET", "/v2/1/zones", &[("Authorization", &narrow)], 403, 403);
    stage.is_refused("DELETE", "/v2/1/domains/example.com", &[("Authorization", &narrow)], 403, 403);
    stage.is_refused("GET", "/v2/2/zones", &[("Authorization", &full)], 404, 404);
    stage.is_refused("GET", "/v2/1/domains/research/status?domain=a.example", &[("Authorization", &full)], 412, 412);

    let unknown = "Bearer tlka_00000000000000000000000000000000000000000000000000";
    for answer in stage.is_refused("GET", &zone, &[("Authorization", unknown)], 401, 401) {
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"), "{answer:?}");
    }
    for answer in stage.is_refused("GET", &zone, &[], 401, 401) {
        assert!(!answer.header("www-authenticate").unwrap().contains("error"), "{answer:?}");
    }
    stage.manage("DELETE", &format!("/v1/accounts/1/tokens/{narrow_id}"), &Value::Null);
    stage.is_refused("GET", &zone, &[("Authorization", &narrow)], 401, 401);
    let causes: Vec<Value> = stage
        .events(&format!("token={narrow_id}&type=TokenUseRefused&order=desc&limit=2"))
        .iter()
        .map(|event| event["data"]["cause"].clone())
        .collect();
    assert_eq!(causes, ["token_deleted", "token_deleted"]);

    stage.manage("PATCH", "/v1/accounts/1", &json!({ "hourly_limit": 1 }));
    send(stage.fronts[0].address, "GET", &zone, &[("Authorization", &full)]);
    for answer in stage.is_refused("GET", &zone, &[("Authorization", &full)], 429, 429) {
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0, "{answer:?}");
    }
}

#[test]
fn forged_headers_change_nothing() {
    let stage = Stage::new();
    let (id, narrow) = stage.narrow_token();
    let bearer = bearer(&narrow);
    let forged = [
        ("Authorization", bearer.as_str()),
        ("X-Token-Id", "1"),
        ("X-Token-User", "1"),
        ("X-Token-Scopes", "full"),
        ("X-Decision-Id", "1"),
        ("X-Original-Method", "GET"),
        ("X-Original-URI", "/v2/1/zones/example.com"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Uri", "/v2/1/zones/example.com"),
        ("X-Forwarded-For", "198.51.100.1"),
        ("X-Real-IP", "198.51.100.1"),
    ];
    stage.is_refused("GET", "/v2/1/zones/other.example", &forged, 403, 403);
    for front in &stage.fronts {
        let answer = send(front.address, "GET", &format!("/v2/1/zones/{ZONE}"), &forged);
        assert_eq!(answer.status, 200, "{:?}", front.gateway);
        let got = stage.upstream.last();
        for (name, value) in [
            ("x-token-id", id.to_string()),
            ("x-token-user", String::new()),
            ("x-token-scopes", format!("zones:{ZONE}:read")),
        ] {
            assert_eq!(got.all(name), [value], "{:?} {name}", front.gateway);
        }
        assert_ne!(got.header("x-decision-id").as_deref(), Some("1"), "{:?}", front.gateway);
        let event = &stage.events("type=TokenUsed&order=desc&limit=1")[0];
        assert_eq!(event["data"]["address"], "127.0.0.1", "{:?}: the client cannot choose its address", front.gateway);
    }
}

/// A narrow token tries to reach another zone by paths that servers read in different ways.
#[test]
fn a_path_is_never_judged_as_another_than_the_api_serves() {
    let stage = Stage::new();
    let (_, narrow) = stage.narrow_token();
    let bearer = bearer(&narrow);
    let before = stage.upstream.count();
    for path in [
        "/v2/1/zones/example.com/../other.example",
        "/v2/1/zones/example.com/%2e%2e/other.example",
        "/v2/1/zones/example.com%2f..%2fother.example",
        "/v2/1/zones/example.com;x/records",
        "/v2/1/zones//other.example",
        "//v2/1/zones/example.com",
        "/v2/1/zones/example.com/",
        "/v2/1/zones/./example.com",
        "/v2/1/zones/example.com%00",
        "/v2/1/zones/example%252ecom",
        "/v2/1/zones/example.com\\..\\other.example",
        "/V2/1/zones/example.com",
    ] {
        for front in &stage.fronts {
            let answer = send(front.address, "GET", path, &[("Authorization", &bearer)]);
            assert!((400..500).contains(&answer.status), "{:?} {path}: {answer:?}", front.gateway);
        }
    }
    assert_eq!(stage.upstream.count(), before, "a hostile path reached the API");
    // An encoding that every server reads alike passes, and is judged as what it says.
    for front in &stage.fronts {
        let answer = send(front.address, "GET", "/v2/1/zones/example%2Ecom", &[("Authorization", &bearer)]);
        assert_eq!(answer.status, 200, "{:?}: {answer:?}", front.gateway);
        assert_eq!(stage.upstream.last().line, "GET /v2/1/zones/example%2Ecom HTTP/1.1");
    }
}

#[test]
fn without_the_ledger_nothing_passes() {
    let mut stage = Stage::new();
    let full = bearer(&stage.scene.tokens.account[0]);
    stage.server.take().unwrap().kill();
    for answer in stage.is_refused("GET", "/v2/whoami", &[("Authorization", &full)], 500, 502) {
        assert!(answer.body.len() < 1_000, "{answer:?}");
    }
}
