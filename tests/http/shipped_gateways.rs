//! The configuration that ships for Traefik and Envoy, held against the service: questions are put together from those
//! files as these gateways do it, and what they make of the answers is worked out by their rules.
//!
//! Traefik (`ForwardAuth`): a GET at `address` with the client's headers named by `authRequestHeaders` and its own
//! `X-Forwarded-*`; 2xx passes, with each of `authResponseHeaders` deleted from the client's request and then taken from
//! the answer; any other answer goes to the client. Envoy (`ext_authz`, `http_service`): the client's method at
//! `path_prefix` and its path, `Host`, `Authorization`, `Content-Length: 0` and those of `allowed_headers`; exactly 200
//! passes, with those of `allowed_upstream_headers` in place of the client's.

use crate::house::House;
use crate::wire::{Ask, Told};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const TRAEFIK: &str = include_str!("../../tools/gateways/traefik.yaml");
const TRAEFIK_STATIC: &str = include_str!("../../tools/gateways/traefik-static.yaml");
const ENVOY: &str = include_str!("../../tools/gateways/envoy.yaml");
const NGINX: &str = include_str!("../../tools/gateways/nginx.conf");
const CADDY: &str = include_str!("../../tools/gateways/Caddyfile");

fn read(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_ascii_lowercase()).collect()
}

/// A request as a gateway gets it from its client.
struct Request {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
}

const CLIENT: &str = "203.0.113.9";

impl Request {
    fn new(method: &'static str, target: &str, token: &str) -> Self {
        let headers = vec![("authorization", format!("Bearer {token}")), ("user-agent", "client/1".to_owned())];
        Self { method, target: target.to_owned(), headers }
    }

    /// Everything that a client could hope to be believed.
    fn forging(mut self) -> Self {
        for (name, value) in [
            ("x-token-id", "1"),
            ("x-token-kind", "operator"),
            ("x-token-account", "1"),
            ("x-token-user", "1"),
            ("x-token-scopes", "full"),
            ("x-decision-id", "1"),
            ("x-auth-status", "200"),
            ("x-original-method", "GET"),
            ("x-original-uri", "/v2/whoami"),
            ("x-real-ip", "198.51.100.1"),
            ("x-forwarded-method", "GET"),
            ("x-forwarded-uri", "/v2/whoami"),
            ("x-forwarded-for", "198.51.100.1"),
        ] {
            self.headers.push((name, value.to_owned()));
        }
        self
    }
}

/// What a gateway made of an answer: the headers of the request that reaches the API, or the refusal's status.
type Passed = Result<Vec<(String, String)>, u16>;

fn all<'p>(passed: &'p [(String, String)], name: &str) -> Vec<&'p str> {
    passed.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
}

/// The client's headers without some, which the answer has in their place.
fn replaced(request: &Request, told: &Told, names: &[String], taken_away: &[String]) -> Vec<(String, String)> {
    let client = request.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let answered = told.headers.iter().filter(|(name, _)| names.contains(name)).cloned();
    let kept = client.filter(|(name, _)| !names.contains(name) && !taken_away.contains(name));
    kept.chain(answered).collect()
}

struct Traefik {
    forward: Value,
    taken_away: Vec<String>,
}

impl Traefik {
    fn shipped() -> Self {
        let config = read(TRAEFIK);
        let http = &config["http"];
        assert_eq!(http["routers"]["api"]["middlewares"], json!(["ledger", "without-secret"]));
        assert_eq!(read(TRAEFIK_STATIC)["providers"]["file"]["filename"], "traefik.yaml");
        let custom = http["middlewares"]["without-secret"]["headers"]["customRequestHeaders"].as_object().unwrap();
        let taken_away = custom.iter().filter(|(_, value)| *value == "").map(|(name, _)| name.to_ascii_lowercase());
        Self { forward: http["middlewares"]["ledger"]["forwardAuth"].clone(), taken_away: taken_away.collect() }
    }

    async fn asks(&self, house: &House, request: &Request) -> (Told, Passed) {
        assert_eq!(self.forward["trustForwardHeader"], false);
        let address = self.forward["address"].as_str().unwrap();
        let mut ask = Ask::get(&address[address.match_indices('/').nth(2).unwrap().0..]);
        let sent = words(&self.forward["authRequestHeaders"]);
        for (name, value) in request.headers.iter().filter(|(name, _)| sent.iter().any(|sent| sent == name)) {
            ask = ask.header(name, value.as_str());
        }
        let own = [
            ("X-Forwarded-For", CLIENT),
            ("X-Forwarded-Method", request.method),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "api.example.com"),
            ("X-Forwarded-Uri", request.target.as_str()),
            ("Accept-Encoding", "gzip"),
        ];
        let ask = own.into_iter().fold(ask, |ask, (name, value)| ask.header(name, value));
        let told = house.ask(ask).await;
        let passes = told.status / 100 == 2;
        let headers = replaced(request, &told, &words(&self.forward["authResponseHeaders"]), &self.taken_away);
        let passed = if passes { Ok(headers) } else { Err(told.status) };
        (told, passed)
    }
}

struct Envoy {
    filter: Value,
    taken_away: Vec<String>,
}

fn exact(matchers: &Value) -> Vec<String> {
    let patterns = matchers["patterns"].as_array().unwrap();
    patterns.iter().map(|pattern| pattern["exact"].as_str().unwrap().to_ascii_lowercase()).collect()
}

impl Envoy {
    fn shipped() -> Self {
        let config = read(ENVOY);
        let chain = &config["static_resources"]["listeners"][0]["filter_chains"][0];
        let manager = &chain["filters"][0]["typed_config"];
        assert_eq!(manager["use_remote_address"], true, "or the client would choose its address");
        let filters = manager["http_filters"].as_array().unwrap();
        assert_eq!(filters[0]["name"], "envoy.filters.http.ext_authz");
        assert_eq!(filters.last().unwrap()["name"], "envoy.filters.http.router");
        let host = &manager["route_config"]["virtual_hosts"][0];
        let filter = filters[0]["typed_config"].clone();
        Self { filter, taken_away: words(&host["request_headers_to_remove"]) }
    }

    async fn asks(&self, house: &House, request: &Request) -> (Told, Passed) {
        assert_eq!(self.filter["failure_mode_allow"], false);
        let service = &self.filter["http_service"];
        let path = format!("{}{}", service["path_prefix"].as_str().unwrap(), request.target);
        let mut ask = Ask::new(request.method, path).header("content-length", "0");
        let mut sent = exact(&self.filter["allowed_headers"]);
        sent.push("authorization".to_owned());
        for (name, value) in request.headers.iter().filter(|(name, _)| sent.iter().any(|sent| sent == name)) {
            // Envoy appends the address that it saw to what its client sent.
            if *name != "x-forwarded-for" {
                ask = ask.header(name, value.as_str());
            }
        }
        if sent.contains(&"x-forwarded-for".to_owned()) {
            let forged = request.headers.iter().find(|(name, _)| *name == "x-forwarded-for");
            let list = forged.map_or(CLIENT.to_owned(), |(_, value)| format!("{value},{CLIENT}"));
            ask = ask.header("x-forwarded-for", list);
        }
        let told = house.ask(ask).await;
        let answer = &service["authorization_response"];
        let headers = replaced(request, &told, &exact(&answer["allowed_upstream_headers"]), &self.taken_away);
        let passed = if told.status == 200 { Ok(headers) } else { Err(told.status) };
        (told, passed)
    }
}

/// Each shipped gateway's question, and what comes of it.
async fn ask_both(house: &House, request: &Request) -> [(Told, Passed); 2] {
    [Traefik::shipped().asks(house, request).await, Envoy::shipped().asks(house, request).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_passes_with_the_facts_in_place_of_forged_ones_and_without_the_secret() {
    let house = House::new().await;
    let target = format!("/v2/{}/zones/example.com/records?page=2", house.teams);
    for (told, passed) in ask_both(&house, &Request::new("GET", &target, &house.scoped.text).forging()).await {
        let passed = passed.unwrap();
        assert_eq!(told.text(), "");
        assert_eq!(all(&passed, "x-token-id"), [house.scoped.id.to_string()]);
        assert_eq!(all(&passed, "x-token-kind"), ["account"]);
        assert_eq!(all(&passed, "x-token-account"), [house.teams.to_string()]);
        assert_eq!(all(&passed, "x-token-user"), [""]);
        assert_ne!(all(&passed, "x-token-scopes"), ["full"]);
        assert_eq!(all(&passed, "x-decision-id"), [told.header("x-ledger-position").unwrap()]);
        assert_eq!(all(&passed, "authorization"), Vec::<&str>::new());
        let position = told.number("x-ledger-position").unwrap();
        let event = house.look(format!("/v1/events/{position}")).await.expect(200).data();
        assert_eq!((&event["data"]["address"], &event["data"]["agent"]), (&CLIENT.into(), &"client/1".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_method_is_judged_and_its_refusal_reaches_it_as_it_is() {
    let house = House::new().await;
    let (zone, dead) = (format!("/v2/{}/zones/example.com", house.teams), &house.deleted.text);
    let foreign = format!("/v2/{}/zones", house.solo);
    for (method, target, token, status) in [
        ("POST", &format!("{zone}/records"), &house.scoped.text, 403),
        ("GET", &foreign, &house.full.text, 404),
        ("GET", &zone, dead, 401),
        ("GET", &zone, &house.unknown, 401),
        ("GET", &format!("{zone}/..%2fother.example"), &house.full.text, 403),
        ("PUT", &"/v2/whoami".to_owned(), &house.full.text, 403),
    ] {
        for (_, passed) in ask_both(&house, &Request::new(method, target, token).forging()).await {
            assert_eq!(passed, Err(status), "{method} {target}");
        }
    }
    house.patch(format!("/v1/accounts/{}", house.teams), json!({ "hourly_limit": 1 })).await.expect(200);
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    for (told, passed) in ask_both(&house, &Request::new("GET", &zone, &house.full.text)).await {
        assert_eq!(passed, Err(429));
        assert!(told.number("retry-after").unwrap() > 0);
    }
}

/// A fact that some gateway does not replace is one that its clients can forge.
#[tokio::test(flavor = "multi_thread")]
async fn every_fact_of_an_answer_is_listed_in_every_shipped_file_and_nothing_else_is() {
    let house = House::new().await;
    let (told, _) = Envoy::shipped().asks(&house, &Request::new("GET", "/v2/whoami", &house.adas.text)).await;
    let is_fact = |name: &str| name.starts_with("x-token-") || name == "x-decision-id";
    let told: BTreeSet<String> = told.headers.into_iter().map(|(name, _)| name).filter(|name| is_fact(name)).collect();
    assert!(told.len() >= 6, "{told:?}");

    let set = |names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(set(words(&Traefik::shipped().forward["authResponseHeaders"])), told, "traefik.yaml");
    let answer = &Envoy::shipped().filter["http_service"]["authorization_response"];
    assert_eq!(set(exact(&answer["allowed_upstream_headers"])), told, "envoy.yaml");

    let copied = CADDY.lines().find_map(|line| line.trim().strip_prefix("copy_headers ")).unwrap();
    assert_eq!(set(copied.split_whitespace().map(str::to_ascii_lowercase).collect()), told, "Caddyfile");

    let mut sent = BTreeSet::new();
    for line in NGINX.lines().filter_map(|line| line.trim().strip_prefix("proxy_set_header ")) {
        let (name, variable) = line.trim_end_matches(';').split_once(' ').unwrap();
        let name = name.to_ascii_lowercase();
        if is_fact(&name) {
            let from = format!("auth_request_set {variable} $upstream_http_{};", name.replace('-', "_"));
            assert!(NGINX.contains(&from), "{from}");
            sent.insert(name);
        }
    }
    assert_eq!(sent, told, "nginx.conf");
}
