//! Tokens of another system, taken over by the digests of their texts.

use crate::contract::MANY;
use crate::house::{House, grants};
use crate::wire::{Ask, Told};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A text of another system's, of its shape and not of ours.
const OLD: &str = "dnsimple_a_0ld-style.token~of+other/shape==";

pub fn digest_of(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn line(text: &str) -> Value {
    json!({ "name": "old robot", "access": "full", "digest": digest_of(text) })
}

fn path(account: u64) -> String {
    format!("/v1/accounts/{account}/tokens/import")
}

async fn import_lines(house: &House, body: impl Into<Vec<u8>>) -> Told {
    let ask = Ask::new("POST", path(house.teams)).bearer(&house.operator).header("Content-Type", MANY);
    house.ask(ask.bytes(body)).await
}

fn lines(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_text_goes_on_working_and_its_last_use_is_unknown_until_it_is_used() {
    let mut house = House::new().await;
    let mut body = line(OLD);
    body["hint"] = json!("e==");
    body["created_at"] = json!("2019-05-06T07:08:09Z");
    house.get(OLD, "/v1/self").await.expect(401);
    let shown = house.post(path(house.teams), body).await.expect(201).data();
    assert_eq!((&shown["created_at"], &shown["hint"]), (&json!("2019-05-06T07:08:09Z"), &json!(".e==")));
    assert_eq!((&shown["imported_at"], &shown["version"]), (&json!("2026-03-01T12:02:00Z"), &json!(1)));
    let token = format!("/v1/accounts/{}/tokens/{}", house.teams, shown["id"]);
    let status = async |house: &House| {
        let data = house.look(&token).await.expect(200).data();
        (data["last_used_status"].clone(), data["last_used_at"].clone())
    };
    let unknown = (json!("unknown"), Value::Null);
    assert_eq!(status(&house).await, unknown);
    let own = house.get(OLD, "/v1/self").await.expect(200).data();
    assert_eq!((&own["id"], &own["last_used_status"]), (&shown["id"], &json!("unknown")));
    for views_are_lost in [false, true] {
        house.restart(views_are_lost).await;
        assert_eq!(status(&house).await, unknown, "after a restart");
    }
    house.get(OLD, format!("/v2/{}/zones/absent.example", house.solo)).await.expect(404);
    assert_eq!(status(&house).await, unknown, "a refusal is no use");
    house.advance(7);
    let told = house.get(OLD, "/v2/whoami").await.expect(200);
    assert_eq!(told.data()["account"]["id"], house.teams);
    let used = (json!("used"), json!("2026-03-01T12:02:07Z"));
    assert_eq!(status(&house).await, used);
    for views_are_lost in [false, true] {
        house.restart(views_are_lost).await;
        assert_eq!(status(&house).await, used, "after a restart");
    }
    house.get(OLD, "/v2/whoami").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_token_is_edited_rotated_expires_and_is_deleted_like_any_other() {
    let house = House::new().await;
    let mut body = line(OLD);
    body["digest"] = json!(digest_of(OLD).to_uppercase());
    body["access"] = grants(&[("zones", "read_only", json!(["example.com"]))]);
    body["expires_at"] = json!("2026-03-01T13:00:00Z");
    let shown = house.post(path(house.teams), body).await.expect(201).data();
    assert_eq!((&shown["hint"], &shown["kind"]), (&json!("...."), &json!("account")));
    assert_eq!(shown["created_at"], shown["imported_at"], "nothing else is known");
    let token = format!("/v1/accounts/{}/tokens/{}", house.teams, shown["id"]);
    let zone = |name: &str| format!("/v2/{}/zones/{name}", house.teams);
    house.get(OLD, zone("example.com")).await.expect(200);
    house.get(OLD, zone("example.net")).await.expect(403);
    house.patch(&token, json!({ "access": "full" })).await.expect(200);
    house.get(OLD, zone("example.net")).await.expect(200);
    let turned = house.post(format!("{token}/rotate"), json!({ "overlap_seconds": 60 })).await.expect(201).json();
    let new = turned["token"].as_str().unwrap();
    assert!(new.starts_with("tlka_"), "the next text is one of ours");
    for text in [OLD, new] {
        house.get(text, "/v2/whoami").await.expect(200);
    }
    house.advance(60);
    house.get(OLD, "/v2/whoami").await.expect(401);
    house.get(new, "/v2/whoami").await.expect(200);
    house.advance(3_600);
    house.get(new, "/v2/whoami").await.expect(401);
    house.patch(&token, json!({ "expires_at": null })).await.expect(200);
    house.get(new, "/v2/whoami").await.expect(200);
    house.delete(&token).await.expect(204);
    for text in [OLD, new] {
        let head = house.head();
        house.get(text, "/v2/whoami").await.expect(401);
        assert_eq!(house.events_after(head).await[0]["data"]["cause"], "token_deleted");
    }
    let again = house.post(path(house.solo), line(OLD)).await.expect(409).json();
    assert_eq!((&again["type"], &again["token_id"]), (&json!("/problems/digest-exists"), &shown["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_other_shapes_are_looked_up_and_unknown_ones_count_as_failures() {
    let house = House::with_failure_limit(2).await;
    let longest = "a".repeat(512);
    for text in [OLD, "x", "tlka", &longest] {
        house.post(path(house.teams), line(text)).await.expect(201);
        house.get(text, "/v2/whoami").await.expect(200);
    }
    // Ours by its beginning, and not well-formed: refused before it is hashed, whatever was imported.
    let ours = format!("{}0", &house.unknown[..house.unknown.len() - 1]);
    let too_long = "a".repeat(513);
    for text in ["tlka_short", &too_long, &ours] {
        house.post(path(house.teams), line(text)).await.expect(201);
    }
    house.get("tlka_short", "/v2/whoami").await.expect(401);
    house.get(&too_long, "/v2/whoami").await.expect(401);
    house.get("unknown-old-text", "/v2/whoami").await.expect(429);
    house.get("unknown-old-text", "/v1/self").await.expect(429);
    house.get(OLD, "/v2/whoami").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_taken_over_at_once_and_each_line_is_answered() {
    let house = House::new().await;
    let texts: Vec<String> = (0..300).map(|number| format!("old-{number}")).collect();
    let values: Vec<Value> = texts.iter().map(|text| line(text)).collect();
    let head = house.head();
    // An empty line between, ends as other systems write them, and none at the end.
    let body = lines(&values).replacen('\n', "\n\r\n", 1).replace("}\n", "}\r\n");
    let told = import_lines(&house, body.trim_end()).await.expect(201);
    let data = told.data();
    assert_eq!((&data["imported"], data["tokens"].as_array().unwrap().len()), (&json!(300), 300));
    let numbers: Vec<u64> = [0, 1, 299].map(|at: usize| data["tokens"][at]["line"].as_u64().unwrap()).to_vec();
    assert_eq!(numbers, [1, 3, 301]);
    let events = house.events_after(head).await;
    assert!(events.len() == 300 && events.iter().all(|event| event["type"] == "TokenImported"));
    assert_eq!(told.number("x-ledger-position"), events[299]["position"].as_u64());
    for at in [0, 150, 299] {
        let own = house.get(&texts[at], "/v1/self").await.expect(200).data();
        assert_eq!((&own["id"], &own["last_used_status"]), (&data["tokens"][at]["token_id"], &json!("unknown")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_line_and_nothing_is_taken_over_and_every_fault_has_its_line() {
    let house = House::new().await;
    let taken = digest_of(&house.full.text);
    let bad = [
        line("one").to_string(),
        "{\"name\":".to_owned(),
        "[]".to_owned(),
        json!({ "name": "n", "access": "full", "digest": "abc", "colour": 1 }).to_string(),
        String::new(),
        json!({ "name": "", "access": { "grants": [{ "group": "nonsense", "level": "read_only", "resources": "all" }] },
            "digest": digest_of("two"), "hint": "five!", "created_at": "soon" })
        .to_string(),
        json!({ "name": "", "access": "full", "digest": digest_of("two"), "created_at": "2030-01-01T00:00:00Z" })
            .to_string(),
        json!({ "name": "n", "access": "full", "digest": taken }).to_string(),
        line("one").to_string(),
        "{\"name\":\"a\",\"name\":\"b\"}".to_owned(),
    ];
    let head = house.head();
    let problem = import_lines(&house, bad.join("\n")).await.expect(422).json();
    assert_eq!(problem["type"], "/problems/validation-error");
    let faults: Vec<(u64, Vec<&str>)> = problem["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| {
            let fields = fault["errors"].as_object().unwrap().keys().map(String::as_str).collect();
            (fault["line"].as_u64().unwrap(), fields)
        })
        .collect();
    let wanted = [
        (2, vec!["line"]),
        (3, vec!["line"]),
        (4, vec!["digest", "colour"]),
        (6, vec!["hint", "created_at"]),
        (7, vec!["name", "created_at"]),
        (8, vec!["digest"]),
        (9, vec!["digest"]),
        (10, vec!["line"]),
    ];
    assert_eq!(faults, wanted);
    let sentence = &problem["lines"][5]["errors"]["digest"][0];
    assert_eq!(*sentence, json!(format!("belongs to token {} already", house.full.id)));
    assert_eq!(house.head(), head, "nothing is recorded");
    house.get("one", "/v2/whoami").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_digests_are_named_by_line_and_token_and_nothing_is_modified() {
    let house = House::new().await;
    let mut deleted = line("x");
    deleted["digest"] = json!(digest_of(&house.deleted.text));
    let head = house.head();
    let body = lines(&[line("a"), line("b"), line("a"), deleted, line("b")]);
    let problem = import_lines(&house, body).await.expect(409).json();
    assert_eq!(problem["type"], "/problems/digest-exists");
    let duplicates = json!([
        { "line": 3, "first_line": 1 },
        { "line": 4, "token_id": house.deleted.id },
        { "line": 5, "first_line": 2 },
    ]);
    assert_eq!(problem["duplicates"], duplicates);
    assert_eq!(house.head(), head);
    house.get("a", "/v2/whoami").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_many_is_bounded_in_lines_and_bytes_and_one_as_every_body() {
    let house = House::new().await;
    let short = |number: usize| json!({ "name": "n", "access": "full", "digest": format!("{number:064x}") });
    let many = |count: usize| lines(&(0..count).map(short).collect::<Vec<_>>());
    let head = house.head();
    let problem = import_lines(&house, many(5_001)).await.expect(422).json();
    assert_eq!(problem["type"], "/problems/limit-reached");
    let padded = |length: usize| format!("{}{}", short(1), " ".repeat(length - short(1).to_string().len()));
    let problem = import_lines(&house, padded((1 << 20) + 1)).await.expect(413).json();
    assert!(problem["detail"].as_str().unwrap().contains("1048576"), "{problem}");
    for nothing in ["", "\n", " \r\n\n"] {
        import_lines(&house, nothing).await.expect(422);
    }
    let one = |body: String| Ask::new("POST", path(house.teams)).bearer(&house.operator).bytes(body);
    house.ask(one(padded((64 << 10) + 1))).await.expect(413);
    house.ask(one("{".to_owned())).await.expect(400);
    house.ask(one(short(1).to_string()).header("Content-Type", "text/plain")).await.expect(415);
    assert_eq!(house.head(), head);
    import_lines(&house, padded(1 << 20)).await.expect(201);
    let all = lines(&(2..=5_001).map(short).collect::<Vec<_>>());
    assert_eq!(import_lines(&house, all).await.expect(201).data()["imported"], 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_is_checked_as_its_creation_would_be() {
    let house = House::new().await;
    let with = |field: &str, value: Value| {
        let mut body = line(OLD);
        body[field] = value;
        body
    };
    let head = house.head();
    #[rustfmt::skip]
    let rows = [
        (json!({}),                                         vec!["name", "access", "digest"]),
        (with("name", json!("")),                           vec!["name"]),
        (with("access", json!("some")),                     vec!["access"]),
        (with("digest", json!("0".repeat(63))),             vec!["digest"]),
        (with("digest", json!(format!("+f{}", "0".repeat(62)))), vec!["digest"]),
        (with("hint", json!("")),                           vec!["hint"]),
        (with("hint", json!("12345")),                      vec!["hint"]),
        (with("hint", json!("a b")),                        vec!["hint"]),
        (with("created_at", json!("2026-03-01T12:02:01Z")), vec!["created_at"]),
        (with("expires_at", json!("2026-03-01T12:02:00Z")), vec!["expires_at"]),
        (with("token", json!(OLD)),                         vec!["token"]),
    ];
    for (body, wanted) in rows {
        let problem = house.post(path(house.teams), body.clone()).await.expect(422).json();
        let fields: Vec<&str> = problem["errors"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, wanted, "{body}");
    }
    let zones = grants(&[("zones", "read_only", json!("all"))]);
    let problem = house.post(path(house.solo), with("access", zones)).await.expect(412).json();
    assert_eq!(problem["type"], "/problems/plan-required");
    house.post(path(999_999), line(OLD)).await.expect(404);
    house.ask(Ask::get(path(house.teams)).bearer(&house.operator)).await.expect(405);
    assert_eq!(house.head(), head);
}
