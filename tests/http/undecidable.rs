//! Questions of gateways that no rule answers: refused in each dialect, with the rule that was missing, and unrecorded.

use crate::house::House;
use crate::wire::{self, Ask, Told};

/// How a gateway asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gateway {
    Nginx,
    Caddy,
    Traefik,
    Envoy,
}

const GATEWAYS: [Gateway; 4] = [Gateway::Nginx, Gateway::Caddy, Gateway::Traefik, Gateway::Envoy];

impl Gateway {
    fn endpoint(self) -> &'static str {
        match self {
            Self::Nginx => "/forward-auth/nginx",
            Self::Caddy => "/forward-auth/caddy",
            Self::Traefik => "/forward-auth/traefik",
            Self::Envoy => "/forward-auth/envoy",
        }
    }

    /// Headers of the method, the target and the client's address, where there are such.
    fn headers(self) -> (Option<&'static str>, Option<&'static str>, &'static str) {
        match self {
            Self::Nginx => (Some("X-Original-Method"), Some("X-Original-URI"), "X-Real-IP"),
            Self::Caddy | Self::Traefik => (Some("X-Forwarded-Method"), Some("X-Forwarded-Uri"), "X-Forwarded-For"),
            Self::Envoy => (None, None, "X-Forwarded-For"),
        }
    }

    fn asks(self, token: &str, method: &str, target: &str) -> Ask {
        let (method_header, target_header, address) = self.headers();
        let ask = match (method_header, target_header) {
            (Some(of_method), Some(of_target)) => {
                Ask::get(self.endpoint()).header(of_method, method).header(of_target, target)
            }
            _ => Ask::new(method, format!("{}{target}", self.endpoint())),
        };
        ask.bearer(token).header(address, "192.0.2.7")
    }

    /// nginx knows no status but 401 and 403: others are told beside it.
    #[track_caller]
    fn is_told(self, told: Told, status: u16, what: &str) -> Told {
        if self == Self::Nginx && !matches!(status, 401 | 403) {
            assert_eq!((told.status, told.number("x-auth-status")), (403, Some(u64::from(status))), "{self:?} {what}");
        } else {
            assert_eq!((told.status, told.header("x-auth-status")), (status, None), "{self:?} {what}: {}", told.text());
        }
        told
    }
}

#[track_caller]
fn says(told: &Told, slug: &str, words: &str) {
    let body = told.json();
    assert!(body["type"].as_str().unwrap().ends_with(&format!("/{slug}")), "{body}");
    assert!(body["detail"].as_str().unwrap().contains(words), "{words:?}: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_map_does_not_decide_is_refused_with_the_missing_rule() {
    let house = House::new().await;
    let zones = format!("/v2/{}/zones", house.teams);
    let rows = [
        ("GET", "/v2/nothing".to_owned(), "no route of the scope map has this path"),
        ("GET", "/".to_owned(), "no route of the scope map has this path"),
        ("PUT", "/v2/whoami".to_owned(), "the scope map has this path for GET only"),
        ("DELETE", "/v2/7/zones/a.example/records".to_owned(), "the scope map has this path for GET, POST only"),
        ("PROPFIND", zones.clone(), "the scope map has this path for GET only"),
        ("GET", "/v2/seven/zones".to_owned(), "the account in the path is not a number"),
        ("GET", format!("{zones}/a%20b"), "the resource name in the path is not a domain name"),
        ("GET", format!("{zones}//example.com"), "the path has an empty segment"),
        ("GET", format!("{zones}/example.com/"), "the path has an empty segment"),
        ("GET", format!("{zones}/example.com/../other.example"), "the path has a dot segment"),
        ("GET", format!("{zones}/example.com/%2E%2e/other.example"), "the path has a dot segment"),
        ("GET", format!("{zones}/example.com;v=1"), "the path has a semicolon"),
        ("GET", format!("{zones}/example.com%2f..%2fother.example"), "the path has an encoded slash"),
        ("GET", format!("{zones}/example.com%5Cother.example"), "the path has an encoded slash, backslash"),
        ("GET", format!("{zones}/example%252ecom"), "the path has an encoded slash, backslash or percent sign"),
        ("GET", format!("{zones}/example.com%00"), "the path has a control character"),
        ("GET", format!("{zones}/example.com%zz"), "the path has a broken percent escape"),
        ("GET", format!("{zones}/example.com%ff"), "the path is not UTF-8"),
    ];
    let head = house.head();
    for (method, target, words) in &rows {
        for gateway in GATEWAYS {
            let told = house.ask(gateway.asks(&house.full.text, method, target)).await;
            says(&gateway.is_told(told, 403, target), "undecidable", words);
        }
    }
    assert_eq!(house.head(), head, "what is not decided is not recorded");
}

/// Envoy's own target is the question. Its server would read such a target otherwise than ours, or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_or_backslash_in_a_target_passes_nowhere() {
    let house = House::new().await;
    let zone = format!("/v2/{}/zones/example.com", house.teams);
    let head = house.head();
    for target in [format!("{zone}#/../other"), format!("{zone}\\..\\other"), format!("{zone}/r%23#")] {
        for gateway in GATEWAYS {
            let told = wire::ask(house.address, &gateway.asks(&house.full.text, "GET", &target)).await;
            assert!((400..500).contains(&told.status), "{gateway:?} {target}: {told:?}");
        }
    }
    assert_eq!(house.head(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_missing_doubled_or_unreadable_is_named() {
    let house = House::new().await;
    let (token, zone) = (house.full.text.as_str(), format!("/v2/{}/zones/example.com", house.teams));
    let head = house.head();
    for gateway in GATEWAYS {
        let (method, target, address) = gateway.headers();
        let whole = || gateway.asks(token, "GET", &zone);
        let all = [method, target, Some(address)].into_iter().flatten();
        for name in all {
            // The same value twice, and another one: neither says which is the gateway's.
            let same = whole().headers.iter().find(|(own, _)| own == name).unwrap().1.clone();
            for value in [same.as_str(), "192.0.2.8"] {
                let told = gateway.is_told(house.ask(whole().header(name, value)).await, 400, name);
                says(&told, "malformed-request", &format!("{} stands twice", name.to_ascii_lowercase()));
            }
        }
        let twice = gateway.is_told(house.ask(whole().bearer(token)).await, 400, "Authorization");
        says(&twice, "malformed-request", "more than one Authorization header");
        for name in [method, target].into_iter().flatten() {
            for empty in [false, true] {
                let mut ask = whole();
                ask.headers.retain(|(own, _)| own != name);
                let ask = if empty { ask.header(name, "") } else { ask };
                let told = gateway.is_told(house.ask(ask).await, 400, name);
                says(&told, "malformed-request", &format!("the gateway sent no {}", name.to_ascii_lowercase()));
            }
        }
        let mut ask = whole();
        ask.headers.retain(|(own, _)| own != address);
        let told = gateway.is_told(house.ask(ask.header(address, "somebody")).await, 400, address);
        says(&told, "malformed-request", &format!("{} cannot be read", address.to_ascii_lowercase()));
    }
    assert_eq!(house.head(), head);
}

/// Another gateway's headers, forged by a client, are no question here: they are neither read nor in the way.
#[tokio::test(flavor = "multi_thread")]
async fn headers_of_other_dialects_change_nothing() {
    let house = House::new().await;
    let (zone, other) = (format!("/v2/{}/zones/example.com", house.teams), "/v2/whoami");
    for gateway in GATEWAYS {
        let (method, target, address) = gateway.headers();
        let own: Vec<&str> = [method, target, Some(address)].into_iter().flatten().collect();
        let forged = [
            ("X-Original-Method", "GET"),
            ("X-Original-URI", other),
            ("X-Original-URL", other),
            ("X-Real-IP", "198.51.100.1"),
            ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Uri", other),
            ("X-Forwarded-For", "198.51.100.1"),
            ("X-Envoy-Original-Path", other),
            ("X-HTTP-Method-Override", "GET"),
            ("X-Rewrite-URL", other),
        ];
        // Twice each, too: only the gateway's own must be single.
        let mut ask = gateway.asks(&house.scoped.text, "DELETE", &format!("{zone}/records/7"));
        for (name, value) in forged.into_iter().filter(|(name, _)| !own.contains(name)) {
            ask = ask.header(name, value).header(name, value);
        }
        let head = house.head();
        let told = gateway.is_told(house.ask(ask).await, 403, "a read-only token deletes");
        says(&told, "insufficient-scope", "zones:example.com:write");
        let events = house.events_after(head).await;
        let refused = events.iter().find(|event| event["type"] == "TokenUseRefused").unwrap();
        assert_eq!(refused["data"]["address"], "192.0.2.7", "{gateway:?}");
    }
}
