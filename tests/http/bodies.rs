//! Request bodies: what is refused, with what status, and how exactly the fault is named.

use crate::house::House;
use crate::wire::{Ask, Told};
use serde_json::{Value, json};

const BODY_BYTES_MAX: usize = 64 * 1024;

async fn post_raw(house: &House, body: impl Into<Vec<u8>>) -> Told {
    house
        .ask(
            Ask::new("POST", "/v1/users")
                .bearer(&house.operator)
                .header("Content-Type", "application/json")
                .bytes(body),
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_named_by_the_path_of_its_field() {
    let house = House::new().await;
    let tokens = format!("/v1/accounts/{}/tokens", house.teams);
    let resources = format!("/v1/accounts/{}/resources", house.teams);
    let account = format!("/v1/accounts/{}", house.teams);
    let grant = |group: Value, level: Value, resources: Value| {
        json!({ "name": "n", "access": { "grants": [{ "group": "zones", "level": "read_only", "resources": "all" },
            { "group": group, "level": level, "resources": resources }] } })
    };
    let certificate = |field: &str, value: Value| {
        let mut body = json!({ "kind": "certificate", "name": "example.com" });
        body[field] = value;
        body
    };
    let rotate = format!("{}/rotate", house.full.path);
    let research = format!("{account}/features/domain_research");
    let member = format!("{account}/members/{}", house.linus);
    #[rustfmt::skip]
    let rows = [
        ("POST", "/v1/users",    json!({}),                                                          vec!["email", "name"]),
        ("POST", "/v1/users",    json!({ "email": 1, "name": ["a"] }),                               vec!["email", "name"]),
        ("POST", "/v1/users",    json!({ "email": "no", "name": "" }),                               vec!["email", "name"]),
        ("POST", "/v1/users",    json!({ "email": "a@b.c", "name": "a", "colour": 1 }),              vec!["colour"]),
        ("POST", "/v1/accounts", json!({ "name": "a", "email": "a@b.c", "plan": "gold" }),           vec!["plan"]),
        ("POST", "/v1/accounts", json!({ "name": "a", "email": "a@b.c", "plan": "solo", "hourly_limit": 0 }), vec!["hourly_limit"]),
        ("POST", "/v1/accounts", json!({ "name": "a", "email": "a@b.c", "plan": "solo", "hourly_limit": -1 }), vec!["hourly_limit"]),
        ("POST", "/v1/accounts", json!({ "name": "a", "email": "a@b.c", "plan": "solo", "hourly_limit": 1.5 }), vec!["hourly_limit"]),
        ("PATCH", &account,      json!({ "name": null, "hourly_limit": 1_000_000_001 }),             vec!["name"]),
        ("PATCH", &account,      json!({ "hourly_limit": 1_000_000_001 }),                           vec!["hourly_limit"]),
        ("PUT",  &research,      json!({ "monthly_cap": "many" }),                                   vec!["monthly_cap"]),
        ("PUT",  &member,        json!({}),                                                          vec!["access"]),
        ("PUT",  &member,        json!({ "access": "some" }),                                        vec!["access"]),
        ("PUT",  &member,        json!({ "access": {} }),                                            vec!["access.grants"]),
        ("PUT",  &member,        json!({ "access": { "grants": "all" } }),                           vec!["access.grants"]),
        ("PUT",  &member,        json!({ "access": { "grants": [], "extra": 1 } }),                  vec!["access.extra"]),
        ("PUT",  &member,        json!({ "access": { "grants": [1] } }),                             vec!["access.grants[0]"]),
        ("POST", &tokens,        json!({ "name": "n" }),                                             vec!["access"]),
        ("POST", &tokens,        json!({ "access": "full" }),                                        vec!["name"]),
        ("POST", &tokens,        grant(json!("colours"), json!("read_only"), json!("all")),          vec!["access.grants[1].group"]),
        ("POST", &tokens,        grant(json!("zones"), json!("read_only"), json!("all")),            vec!["access.grants[1].group"]),
        ("POST", &tokens,        grant(json!("domains"), json!("write"), json!("all")),              vec!["access.grants[1].level"]),
        ("POST", &tokens,        grant(json!("domains"), json!("read_only"), json!("some")),         vec!["access.grants[1].resources"]),
        ("POST", &tokens,        grant(json!("domains"), json!("read_only"), json!(["a b"])),        vec!["access.grants[1].resources"]),
        ("POST", &tokens,        grant(json!("billing"), json!("read_only"), json!(["a.example"])),  vec!["access.grants[1].resources"]),
        ("POST", &tokens,        grant(json!("domain_research"), json!("read_only"), json!("all")),  vec!["access.grants[1].group"]),
        ("POST", &tokens,        json!({ "name": "n", "access": "full", "expires_at": "soon" }),     vec!["expires_at"]),
        ("POST", &tokens,        json!({ "name": "n", "access": "full", "expires_at": "2020-01-01T00:00:00Z" }), vec!["expires_at"]),
        ("PATCH", &house.full.path, json!({ "name": "a\u{0}", "expires_at": "2020-01-01T00:00:00Z" }), vec!["name", "expires_at"]),
        ("PATCH", &house.full.path, json!({ "hint": "abcd" }),                                       vec!["hint"]),
        ("PATCH", &house.adas.path, json!({ "access": "full" }),                                     vec!["access"]),
        ("POST", &rotate,        json!({ "overlap_seconds": 2_592_001 }),                            vec!["overlap_seconds"]),
        ("POST", &rotate,        json!({ "overlap_seconds": "long" }),                               vec!["overlap_seconds"]),
        ("POST", "/v1/staff-tokens", json!({ "role": "owner", "name": "n" }),                        vec!["role"]),
        ("POST", &resources,     json!({ "kind": "colour", "name": "a.example", "reverse": true }),  vec!["kind"]),
        ("POST", &resources,     json!({ "name": "a.example" }),                                     vec!["kind"]),
        ("POST", &resources,     json!({ "kind": "zone", "name": "a b" }),                           vec!["name"]),
        ("POST", &resources,     json!({ "kind": "zone", "name": "a.example", "trustee": true }),    vec!["trustee"]),
        ("POST", &resources,     json!({ "kind": "domain", "name": "a.example", "auto_renew": 1 }),  vec!["auto_renew"]),
        ("POST", &resources,     certificate("years", json!(11)),                                    vec!["years"]),
        ("POST", &resources,     certificate("years", json!(1_000)),                                 vec!["years"]),
        ("POST", &resources,     certificate("common_name", json!("a b")),                           vec!["common_name"]),
        ("POST", &resources,     certificate("alternate_names", json!(["a b"])),                     vec!["alternate_names"]),
        ("POST", &resources,     certificate("alternate_names", json!(vec!["a.example"; 101])),      vec!["alternate_names"]),
        ("POST", &resources,     certificate("name", json!("absent.example")),                       vec!["name"]),
    ];
    let head = house.head();
    for (method, path, body, wanted) in rows {
        let told = house.send(method, path, body.clone()).await;
        assert_eq!(told.status, 422, "{method} {path} {body}: {}", told.text());
        let problem = told.json();
        assert_eq!(problem["type"], "/problems/validation-error");
        assert_eq!(problem["message"], problem["detail"]);
        let fields: Vec<&str> = problem["errors"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, wanted, "{method} {path} {body}");
        assert_eq!(told.header("x-ledger-position"), None);
    }
    assert_eq!(house.head(), head, "nothing of it is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_one_to_255_characters_of_any_script() {
    let house = House::new().await;
    let tokens = format!("/v1/accounts/{}/tokens", house.teams);
    let longest = "名".repeat(255);
    for name in [
        "a",
        "Приклад",
        "🦀 crab",
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "e\u{301}",
        "\u{202e}txt.exe",
        &longest,
    ] {
        let token = house.token(&tokens, json!({ "name": name, "access": "full" })).await;
        assert_eq!(house.shown(&token).await["name"], name);
        let account = house.account(name, "solo").await;
        assert_eq!(house.look(format!("/v1/accounts/{account}")).await.data()["name"], name);
    }
    let too_long = "名".repeat(256);
    let bad = ["", " ", "\t", "a\nb", "a\rb", "a\u{0}b", "a\u{7f}", "a\u{85}b", "a\u{2028}b", "a\u{2029}b", &too_long];
    for name in bad {
        for (path, body) in [
            (&*tokens, json!({ "name": name, "access": "full" })),
            ("/v1/users", json!({ "name": name, "email": "a@example.com" })),
            ("/v1/accounts", json!({ "name": name, "email": "a@example.com", "plan": "solo" })),
            ("/v1/staff-tokens", json!({ "name": name, "role": "auditor" })),
        ] {
            let told = house.post(path, body).await.expect(422);
            assert!(told.json()["errors"]["name"].is_array(), "{path} {name:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_json_object_is_400() {
    let house = House::new().await;
    for body in [
        "{",
        "[]",
        "1",
        "null",
        "\"text\"",
        "{} {}",
        "{\"a\":}",
        "{'a':1}",
        "\u{feff}{}",
        "{\"a\":NaN}",
        "{\"name\":\"\\ud800\"}",
    ] {
        let told = post_raw(&house, body).await.expect(400);
        assert_eq!(told.json()["type"], "/problems/malformed-request", "{body}");
    }
    post_raw(&house, b"{\"name\":\"\xff\"}".to_vec()).await.expect(400);
    post_raw(&house, "  ").await.expect(422);
    post_raw(&house, "{\"name\":\"a\",\"name\":\"b\",\"email\":\"a@example.com\"}").await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_too_deep_or_with_lists_too_long_are_400() {
    let house = House::new().await;
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    for (depth, status) in [(32, 422), (33, 400), (127, 400), (5_000, 400), (30_000, 400)] {
        // The object itself is the first level.
        assert_eq!(post_raw(&house, nested(depth)).await.status, status, "{depth}");
    }
    for (items, status) in [(1_000, 422), (1_001, 400)] {
        let body = json!({ "a": vec![0; items] });
        assert_eq!(post_raw(&house, body.to_string()).await.status, status, "{items}");
    }
    let names: Vec<String> = (0..1_000).map(|index| format!("n{index}.example")).collect();
    let access = crate::house::grants(&[("zones", "read_only", json!(names))]);
    house.account_token(house.teams, json!({ "name": "wide", "access": access })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_64_kib_is_413_whether_announced_or_not() {
    let house = House::new().await;
    let padded = |length: usize| {
        let body = json!({ "name": "a", "email": "a@example.com" }).to_string();
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    let ask = |length: usize| {
        Ask::new("POST", "/v1/users")
            .bearer(&house.operator)
            .header("Content-Type", "application/json")
            .bytes(padded(length))
    };
    house.ask(ask(BODY_BYTES_MAX)).await.expect(201);
    house.ask(ask(BODY_BYTES_MAX).chunked()).await.expect(201);
    for over in [
        ask(BODY_BYTES_MAX + 1),
        ask(BODY_BYTES_MAX + 1).chunked(),
        ask(4 * BODY_BYTES_MAX),
        ask(4 * BODY_BYTES_MAX).chunked(),
    ] {
        let told = house.ask(over).await.expect(413);
        assert_eq!(told.json()["type"], "/problems/body-too-large");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_announced_as_something_else_is_415() {
    let house = House::new().await;
    let body = || json!({ "name": "a", "email": "a@example.com" }).to_string();
    let ask =
        |kind: &str| Ask::new("POST", "/v1/users").bearer(&house.operator).header("Content-Type", kind).bytes(body());
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", "", "json"]
    {
        let told = house.ask(ask(kind)).await.expect(415);
        assert_eq!(told.json()["type"], "/problems/unsupported-media-type", "{kind}");
    }
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
        house.ask(ask(kind)).await.expect(201);
    }
    house.ask(Ask::new("POST", "/v1/users").bearer(&house.operator).bytes(body())).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credential_is_judged_before_the_body() {
    let house = House::new().await;
    let hostile =
        |token: &str| Ask::new("POST", "/v1/users").bearer(token).header("Content-Type", "text/plain").bytes("{");
    house.ask(hostile(&house.unknown)).await.expect(401);
    house.ask(hostile(&house.full.text)).await.expect(403);
    house.ask(hostile(&house.auditor.text)).await.expect(403);
    house.ask(hostile(&house.operator)).await.expect(415);
}
