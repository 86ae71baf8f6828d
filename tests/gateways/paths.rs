//! Paths that servers read in different ways. Whatever reaches the API has been judged as what the API serves, by every
//! reading that an API may have.

use crate::front::{Gateway, send};
use crate::scene::ZONE;
use crate::stage::{Stage, bearer};
use percent_encoding::percent_decode_str;

/// Readings of a path that APIs have, alone and on top of each other.
const READINGS: [fn(&str) -> String; 6] = [
    |path| percent_decode_str(path).decode_utf8_lossy().into_owned(),
    |path| path.split('/').map(|part| part.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/"),
    |path| path.replace('\\', "/"),
    |path| format!("/{}", path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")),
    |path| {
        let mut kept: Vec<&str> = Vec::new();
        for part in path.split('/') {
            match part {
                "." => {}
                ".." => drop(kept.pop()),
                part => kept.push(part),
            }
        }
        kept.join("/")
    },
    |path| path.split(['#', '\0']).next().unwrap_or_default().to_owned(),
];

/// The zones that some API could serve for a request line's target.
fn zones_served(target: &str) -> Vec<String> {
    let mut readings = vec![target.split('?').next().unwrap_or_default().to_owned()];
    for _ in 0..3 {
        let more: Vec<String> = readings.iter().flat_map(|path| READINGS.iter().map(|read| read(path))).collect();
        readings.extend(more);
        readings.sort();
        readings.dedup();
    }
    let zone = |path: &String| {
        let mut parts = path.split('/').skip_while(|part| !part.eq_ignore_ascii_case("zones")).skip(1);
        parts.next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase()
    };
    // Whoever does not decode a name finds no zone by it.
    readings.iter().map(zone).filter(|zone| !zone.contains('%')).collect()
}

/// What a token for one zone tries, to reach another one.
const HOSTILE: [&str; 42] = [
    "/v2/1/zones/other.example",
    "/v2/1/zones/example.com/../other.example",
    "/v2/1/zones/example.com/./../other.example",
    "/v2/1/zones/other.example/../example.com",
    "/v2/1/zones/example.com/%2e%2e/other.example",
    "/v2/1/zones/example.com/%2E%2e/other.example",
    "/v2/1/zones/example.com/.%2e/other.example",
    "/v2/1/zones/example.com/%252e%252e/other.example",
    "/v2/1/zones/example.com%2f..%2fother.example",
    "/v2/1/zones/example.com%2F..%2Fother.example",
    "/v2/1/zones/example.com/..%2fother.example",
    "/v2/1/zones/example.com%2frecords",
    "/v2/1/zones/..%2fzones%2fother.example",
    "/v2/1/zones/example.com%252fother.example",
    "/v2/1/zones/example.com%5c..%5cother.example",
    "/v2/1/zones/example.com%5C..%5Cother.example",
    "/v2/1/zones/example.com\\..\\other.example",
    "/v2/1/zones\\other.example",
    "/v2/1/zones/example.com;x/records",
    "/v2/1/zones/other.example;/../example.com",
    "/v2/1/zones/example.com/..;/other.example",
    "/v2/1/zones/example.com%3b/records",
    "/v2/1/zones//other.example",
    "/v2/1//zones/example.com",
    "//v2/1/zones/example.com",
    "//other.example/v2/1/zones/example.com",
    "///v2/1/zones/example.com",
    "/v2/1/zones/example.com/",
    "/v2/1/zones/example.com//records",
    "/v2/1/zones/./example.com",
    "/v2/1/zones/example.com/.",
    "/v2/1/zones/example.com/..",
    "/v2/1/zones/example.com%00",
    "/v2/1/zones/example.com%0d%0aX-Token-Id:%201",
    "/v2/1/zones/example.com%09",
    "/v2/1/zones/example%252ecom",
    "/v2/1/zones/example.com%zz",
    "/v2/1/zones/example.com%c0%af..%c0%afother.example",
    "/v2/1/zones/example.com%ef%bc%8fother.example",
    "/V2/1/zones/example.com",
    "/v2/1/ZONES/example.com",
    "/v2/01/zones/other.example",
];

#[test]
fn a_hostile_path_reaches_nothing() {
    let stage = Stage::new();
    let narrow = bearer(&stage.narrow_token().1);
    let before = stage.upstream.count();
    for path in HOSTILE {
        for front in &stage.fronts {
            let answer = send(front.address, "GET", path, &[("Authorization", &narrow)]);
            assert!((400..500).contains(&answer.status), "{:?} {path}: {answer:?}", front.gateway);
            assert_eq!(stage.upstream.count(), before, "{:?}: {path} reached the API", front.gateway);
        }
    }
}

/// The same paths with a token that may do everything: what passes then is what the record says, to any API.
#[test]
fn what_passes_is_judged_as_what_is_served() {
    let stage = Stage::new();
    let full = bearer(&stage.scene.tokens.account[0]);
    let harmless = [
        "/v2/1/zones/example.com",
        "/v2/1/zones/Example.COM",
        "/v2/1/zones/EXAMPLE.com./records",
        "/v2/1/zones/example%2Ecom",
        "/v2/1/zones/%65xample.com/records?page=2&to=../other.example;x#y%2f",
        "/v2/1/zones/%65%78%61mple.com/records/%37",
    ];
    for path in HOSTILE.into_iter().chain(harmless) {
        for front in &stage.fronts {
            let before = stage.upstream.count();
            let answer = send(front.address, "GET", path, &[("Authorization", &full)]);
            let is_served = stage.upstream.count() > before;
            assert_eq!(is_served, answer.status == 200, "{:?} {path}: {answer:?}", front.gateway);
            assert!(is_served || (400..500).contains(&answer.status), "{:?} {path}: {answer:?}", front.gateway);
            if harmless.contains(&path) && !path.contains('#') {
                assert!(is_served, "{:?} {path}: {answer:?}", front.gateway);
            }
            if is_served {
                let served = stage.upstream.last();
                let judged = stage.last_use();
                assert_eq!(served.header("x-decision-id"), Some(judged["position"].to_string()), "{path}");
                let scope = judged["data"]["scope"].as_str().unwrap().to_owned();
                let target = served.line.split(' ').nth(1).unwrap();
                for zone in zones_served(target) {
                    assert_eq!(
                        scope,
                        format!("zones:{zone}:read"),
                        "{:?} {path} was served as {target}",
                        front.gateway
                    );
                }
            }
        }
    }
}

/// Some gateways serve such a target; then by the path in it, and by nothing of its host.
#[test]
fn a_target_with_a_host_in_it_is_judged_by_its_path() {
    let stage = Stage::new();
    let narrow = bearer(&stage.narrow_token().1);
    for front in &stage.fronts {
        // Those that may pass are refused by one gateway or the other.
        for (target, may_pass) in [
            (format!("http://{}/v2/1/zones/{ZONE}", front.address), true),
            (format!("http://elsewhere.example/v2/1/zones/{ZONE}"), true),
            ("http://elsewhere.example/v2/1/zones/other.example".to_owned(), false),
            (format!("http://elsewhere.example/v2/1/zones/{ZONE}/../other.example"), false),
            (format!("http:///v2/1/zones/{ZONE}"), true),
            (format!("elsewhere.example/v2/1/zones/{ZONE}"), false),
            ("*".to_owned(), false),
        ] {
            let before = stage.upstream.count();
            let answer = send(front.address, "GET", &target, &[("Authorization", &narrow)]);
            assert_eq!(stage.upstream.count() > before, answer.status == 200, "{:?} {target}", front.gateway);
            if !may_pass {
                assert!((400..500).contains(&answer.status), "{:?} {target}: {answer:?}", front.gateway);
            } else if answer.status == 200 {
                let line = stage.upstream.last().line;
                assert_eq!(line, format!("GET /v2/1/zones/{ZONE} HTTP/1.1"), "{:?} {target}", front.gateway);
                assert_eq!(stage.last_use()["data"]["scope"], format!("zones:{ZONE}:read"));
            }
        }
    }
}

/// The place where nginx asks from is not one that a client can ask at.
#[test]
fn nginxs_own_place_for_questions_is_closed() {
    let stage = Stage::new();
    let full = bearer(&stage.scene.tokens.account[0]);
    let front = stage.fronts.iter().find(|front| front.gateway == Gateway::Nginx).unwrap();
    for path in ["/_ledger", "/%5fledger", "/_ledger?x", "/x/../_ledger", "//_ledger", "/_ledger/"] {
        let answer = send(front.address, "GET", path, &[("Authorization", &full)]);
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(answer.header("x-token-id").is_none(), "{path}: {answer:?}");
    }
    assert_eq!(stage.upstream.count(), 0);
}
