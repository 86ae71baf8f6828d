//! `routes check` and `routes explain`, with the program itself and both maps that ship.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_token-ledger"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the program prints UTF-8")
}

#[test]
fn both_maps_that_ship_are_without_fault() {
    for map in ["dnsimple-v2", "object-store"] {
        let output = run(&["routes", "check", &format!("schema/scope-maps/{map}.toml")]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with(&format!("{map}: ")));
    }
}

#[test]
fn explain_says_route_account_and_scope_of_both_maps() {
    let store = ["--map", "schema/scope-maps/object-store.toml"];
    let listed = "any grant in the group will do: the API shows only what the token may see";
    let rows: [(&[&str], &str, &str, &str); 20] = [
        (&[], "GET", "/v2/whoami", "the token's own / none: any token that works"),
        (&[], "GET", "/v2/7/zones/example.com/records?page=2", "7 / zones:example.com:read"),
        (&[], "HEAD", "/v2/7/zones", "7 / zones:*:read"),
        (
            &[],
            "POST",
            "/v2/7/registrar/domains/B%C3%BCcher.example/renewals",
            "7 / registrar:xn--bcher-kva.example:write",
        ),
        (&[], "DELETE", "/v2/12/contacts/3", "12 / contacts:*:write"),
        (&[], "PATCH", "/v2/7/zones/example.com/records/5", "7 / zones:example.com:write"),
        (&[], "DELETE", "/v2/7/domains/Example.COM.", "7 / domains:example.com:write"),
        (&[], "GET", "/v2/7/domains/research/status?domain=a.example", "7 / domain_research:*:read"),
        (&[], "GET", "/v2/7/domains/example.com/certificates/3/private_key", "7 / certificates:example.com:write"),
        (&[], "GET", "/v2/7/billing/charges", "7 / billing:*:read"),
        (&store, "GET", "/store/v1/status", "the token's own / none: any token that works"),
        (&store, "GET", "/store/v1/buckets", &format!("the token's own / buckets:*:read / {listed}")),
        (&store, "POST", "/store/v1/buckets", "the token's own / buckets:*:write"),
        (&store, "GET", "/store/v1/buckets/photos", "the token's own / buckets:photos:read"),
        (&store, "HEAD", "/store/v1/buckets/photos/objects/a", "the token's own / buckets:photos:read"),
        (&store, "DELETE", "/store/v1/buckets/photos", "the token's own / buckets:photos:write"),
        (&store, "GET", "/store/v1/jobs/17", "the token's own / jobs:*:read"),
        (&store, "PUT", "/store/v1/buckets/photos/objects/2026/a.jpg", "the token's own / buckets:photos:write"),
        (&store, "POST", "/store/v1/jobs", "the token's own / jobs:*:write"),
        (&store, "GET", "/store/v1/prices", "the token's own / prices:*:read"),
    ];
    for (map, method, path, expected) in rows {
        let output = run(&[&["routes", "explain", method, path], map].concat());
        assert!(output.status.success(), "{method} {path}: {}", text(&output.stderr));
        let told: Vec<&str> = text(&output.stdout).lines().skip(1).map(|line| line[9..].trim()).collect();
        assert_eq!(told.join(" / "), expected, "{method} {path}");
    }
}

#[test]
fn what_cannot_be_decided_or_read_is_named_with_exit_code_1() {
    let rows: [(&[&str], &str); 4] = [
        (&["routes", "explain", "GET", "/v2/7/../8/zones"], "undecidable: the path has a dot segment"),
        (&["routes", "explain", "PUT", "/v2/whoami"], "the scope map has this path for GET only"),
        (&["routes", "explain", "GET", "/v2/7/nothing"], "no route of the scope map has this path"),
        (&["routes", "check", "schema/codec.md"], "schema/codec.md: line 3"),
    ];
    for (arguments, told) in rows {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(told), "{arguments:?}: {}", text(&output.stderr));
    }
}

/// The API behind may serve another resource under another spelling: `/PHOTOS/` of a file system is not `/photos/`.
#[test]
fn names_of_a_maps_own_groups_have_one_spelling_and_domain_names_have_many() {
    let store = ["--map", "schema/scope-maps/object-store.toml"];
    for name in ["PHOTOS", "photos.", "photo%C5%BF", "%EF%BD%90hotos", "photos%E2%80%8B", "b%C3%BCcher"] {
        let path = format!("/store/v1/buckets/{name}");
        let output = run(&[&["routes", "explain", "GET", &path][..], &store].concat());
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(text(&output.stderr).contains("the one spelling"), "{name}: {}", text(&output.stderr));
    }
    assert!(run(&["routes", "explain", "GET", "/v2/7/zones/EXAMPLE.com."]).status.success());
}

#[test]
fn a_map_without_a_route_is_none() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let file = home.path().join("cut_off.toml");
    std::fs::write(&file, "name = \"x\"\n").expect("it is written");
    let output = run(&["routes", "check", &file.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("line 1: a scope map has at least one route"), "{}", text(&output.stderr));
}
