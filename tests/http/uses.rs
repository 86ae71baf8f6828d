//! Uses that a gateway decided by itself and tells afterwards: each line once, whatever is sent again.

use crate::contract::MANY;
use crate::house::House;
use crate::wire::{self, Ask, Told};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// When the house is furnished.
const NOW: &str = "2026-03-01T12:02:00Z";
/// Lines recorded in one transaction.
const LINES_A_COMMIT: usize = 1_024;

fn ask(token: &str, body: impl Into<Vec<u8>>) -> Ask {
    Ask::new("POST", "/v1/uses").bearer(token).header("Content-Type", MANY).bytes(body)
}

async fn send(house: &House, body: impl Into<Vec<u8>>) -> Told {
    house.ask(ask(&house.gateway.text, body)).await
}

fn lines(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

async fn report(house: &House, values: &[Value]) -> Vec<Value> {
    send(house, lines(values)).await.expect(200).lines()
}

fn hashed(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

/// A use of a zone by a token of the account that the gateway names.
fn line(house: &House, key: &str) -> Value {
    json!({ "key": key, "token_id": house.full.id, "occurred_at": NOW, "known_position": 1,
        "required_scope": "zones:example.com:read" })
}

fn with(mut line: Value, member: &str, value: impl Into<Value>) -> Value {
    line[member] = value.into();
    line
}

fn without(mut line: Value, member: &str) -> Value {
    line.as_object_mut().unwrap().remove(member);
    line
}

fn words<'a>(results: &'a [Value], member: &str) -> Vec<&'a str> {
    results.iter().map(|result| result[member].as_str().unwrap_or_default()).collect()
}

async fn last_event(house: &House) -> Value {
    house.look("/v1/events?type=UseReported&order=desc&limit=1").await.data()[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_use_says_who_reports_what_was_used_when_and_what_was_known() {
    let house = House::new().await;
    let path = format!("/v2/{}/zones/Example.COM/records?page=2", house.teams);
    let sent = json!({ "key": "edge-1/1", "hashed_token": hashed(&house.full.text), "account_id": house.teams,
        "occurred_at": "2026-03-01T13:01:59.25+01:00", "known_position": house.head(), "method": "GET", "path": path,
        "status": 404, "address": "::ffff:192.0.2.7" });
    let head = house.head();
    let told = send(&house, lines(&[sent])).await.expect(200);
    let position = told.number("x-ledger-position").unwrap();
    let wanted = json!({ "line": 1, "key": "edge-1/1", "result": "recorded", "position": position, "flags": [] });
    assert_eq!(told.lines(), [wanted]);
    let event = last_event(&house).await;
    assert_eq!(event["position"], position);
    let (staff, full) = (json!({ "kind": "staff", "id": house.gateway.id }), json!(house.full.id));
    assert_eq!((&event["principal"], &event["credential"]), (&staff, &json!(house.gateway.id)));
    assert_eq!((&event["account_id"], &event["token_id"]), (&json!(house.teams), &full));
    let data = &event["data"];
    assert_eq!((&data["occurred_at"], &data["known_position"]), (&json!("2026-03-01T12:01:59.250000Z"), &json!(head)));
    assert_eq!((&data["scope"], &data["status"]), (&json!("zones:example.com:read"), &json!(404)));
    assert_eq!((&data["address"], &data["secret"], &data["flags"]), (&json!("192.0.2.7"), &json!(1), &json!([])));
    assert!(data["route"]["line"].as_u64().unwrap() > 0, "{data}");
    assert_eq!(data["by"]["authority"], json!({ "kind": "gateway", "version": 1 }));
    assert_eq!((&data["by"]["secret"], &data["by"]["address"]), (&json!(1), &json!("127.0.0.1")));
    assert!(!event.to_string().contains("edge-1"), "the key is a text that a client chose: {event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reported_uses_are_no_decisions_and_are_counted_apart() {
    let mut house = House::new().await;
    let remaining = house.remaining(house.teams).await;
    let before = house.shown(&house.full).await;
    assert_eq!((&before["reported_uses"], &before["last_reported_at"]), (&json!(0), &Value::Null));
    let early = with(line(&house, "2"), "occurred_at", "2026-03-01T12:01:00Z");
    report(&house, &[line(&house, "1"), early]).await;
    for views_are_lost in [false, true] {
        let after = house.shown(&house.full).await;
        assert_eq!((&after["reported_uses"], &after["last_reported_at"]), (&json!(2), &json!(NOW)));
        assert_eq!(after["last_used_status"], "never");
        assert_eq!((&after["last_used_at"], &after["version"]), (&before["last_used_at"], &before["version"]));
        assert_eq!(house.remaining(house.teams).await, remaining);
        let usage = house.look(format!("{}/usage", house.full.path)).await.expect(200).data();
        assert_eq!(usage, json!([]), "no use in any hour");
        assert_eq!(house.shown(&house.gateway).await["last_used_status"], "used", "it is the gateway that called");
        house.restart(views_are_lost).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_sent_again_is_a_duplicate_and_other_content_is_a_conflict() {
    let mut house = House::new().await;
    let first = report(&house, &[line(&house, "a"), line(&house, "b"), line(&house, "a")]).await;
    assert_eq!(words(&first, "result"), ["recorded", "recorded", "duplicate"]);
    assert_eq!(first[0]["position"], first[2]["position"], "the second time in one body");
    let again = |house: &House| {
        let other_spelling = with(line(house, "a"), "occurred_at", "2026-03-01T12:02:00.000+00:00");
        let other = with(line(house, "b"), "occurred_at", "2026-03-01T12:01:59Z");
        let null = with(line(house, "b"), "status", Value::Null);
        [other_spelling, other, null, with(line(house, "b"), "status", 200)]
    };
    for round in 0..3 {
        let head = house.head();
        let told = send(&house, lines(&again(&house))).await.expect(200);
        let results = told.lines();
        assert_eq!(words(&results, "result"), ["duplicate", "conflict", "duplicate", "conflict"]);
        let positions: Vec<_> = results.iter().map(|result| &result["position"]).collect();
        assert_eq!(positions, [0, 1, 1, 1].map(|at: usize| &first[at]["position"]), "that of the first");
        assert_eq!((house.head(), told.header("x-ledger-position")), (head, None), "nothing is recorded");
        match round {
            0 => house.restart(true).await,
            _ => house.restart(false).await,
        }
    }
    // Another gateway's keys are its own.
    let body = json!({ "name": "other", "rights": ["report"], "accounts": [house.teams] });
    let other = house.token("/v1/gateway-tokens", body).await;
    let told = house.ask(ask(&other.text, lines(&[line(&house, "a")]))).await.expect(200).lines();
    assert_eq!(words(&told, "result"), ["recorded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_after_the_tokens_end_is_recorded_and_flagged() {
    let house = House::new().await;
    let early = |line: Value| with(line, "occurred_at", "2026-03-01T11:59:30Z");
    let of = |text: &str| {
        let named = without(line(&house, text), "token_id");
        with(named, "hashed_token", hashed(text))
    };
    let of_number = |key: &str, id: u64| with(line(&house, key), "token_id", id);
    let results = report(
        &house,
        &[
            of_number("deleted", house.deleted.id),
            with(of_number("deleted before", house.deleted.id), "occurred_at", "2026-03-01T11:59:30Z"),
            of_number("expired", house.expired.id),
            with(of_number("expired then", house.expired.id), "occurred_at", "2026-03-01T12:01:00Z"),
            with(of_number("not yet expired", house.expired.id), "occurred_at", "2026-03-01T12:00:59.999Z"),
            of(&house.rotated_out),
            early(with(of(&house.rotated_out), "key", "rotated later")),
            of(&house.rotated.text),
            of_number("no secret is known", house.rotated.id),
        ],
    )
    .await;
    let flags: Vec<Value> = results.iter().map(|result| result["flags"].clone()).collect();
    let (deleted, expired, rotated) = (json!(["after_deletion"]), json!(["after_expiry"]), json!(["after_rotation"]));
    let none = json!([]);
    let wanted = [&deleted, &none, &expired, &expired, &none, &rotated, &none, &none, &none];
    assert_eq!(flags.iter().collect::<Vec<_>>(), wanted, "{results:?}");
    house.delete(&house.expired.path).await.expect(204);
    let both = report(&house, &[of_number("both", house.expired.id)]).await;
    assert_eq!(both[0]["flags"], json!(["after_deletion", "after_expiry"]));
    assert_eq!(last_event(&house).await["data"]["flags"], both[0]["flags"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_have_happened_is_refused_by_name_and_spoils_no_other_line() {
    let house = House::new().await;
    let good = |key: &str| line(&house, key);
    let at = |key: &str, time: &str| with(good(key), "occurred_at", time);
    let of = |key: &str, token: u64| with(good(key), "token_id", token);
    #[rustfmt::skip]
    let rows = [
        (at("1", "2026-03-01T12:03:00Z"),                              "recorded", ""),
        (at("2", "2026-03-01T12:03:00.000001Z"),                       "refused",  "in_the_future"),
        (at("3", "2026-03-01T11:59:00Z"),                              "recorded", ""),
        (at("4", "2026-03-01T11:58:59.999999Z"),                       "refused",  "before_creation"),
        (with(good("5"), "known_position", house.head() + 1_000),      "refused",  "unknown_position"),
        (of("6", 999_999),                                             "refused",  "unknown_token"),
        (of("7", house.solo_full.id),                                  "refused",  "unknown_token"),
        (of("8", house.gateway.id),                                    "refused",  "unknown_token"),
        (of("9", 1),                                                   "refused",  "unknown_token"),
        (with(good("10"), "account_id", house.solo),                   "refused",  "unknown_token"),
        (with(of("11", house.adas.id), "account_id", house.teams),     "recorded", ""),
        (with(of("12", house.adas.id), "account_id", house.solo),      "refused",  "unknown_token"),
        (of("13", house.adas.id),                                      "refused",  "no_account"),
        (with(of("14", house.linus_own.id), "account_id", house.teams), "refused", "unknown_token"),
        (good("15"),                                                   "recorded", ""),
    ];
    let sent: Vec<Value> = rows.iter().map(|(line, ..)| line.clone()).collect();
    let head = house.head();
    let results = report(&house, &sent).await;
    for ((number, (line, result, error)), told) in (1..).zip(&rows).zip(&results) {
        let is_so = told["line"] == number && told["key"] == line["key"] && told["result"] == *result;
        assert!(is_so && told["error"].as_str().unwrap_or_default() == *error, "{told} of {line}");
        assert_eq!(told.get("detail").is_some(), *result == "refused", "{told}");
    }
    let recorded = rows.iter().filter(|(_, result, _)| *result == "recorded").count();
    assert_eq!(house.events_after(head).await.len(), recorded);
    // What is refused for its reach is told in the same words as what never was.
    let unknown: Vec<&Value> = results.iter().filter(|told| told["error"] == "unknown_token").collect();
    assert!(unknown.iter().all(|told| told["detail"] == unknown[0]["detail"]), "{unknown:?}");
    // A key whose line was refused is free.
    assert_eq!(words(&report(&house, &[good("2")]).await, "result"), ["recorded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_of_a_users_token_on_no_account_needs_no_scope() {
    let house = House::new().await;
    let who = json!({ "key": "1", "token_id": house.adas.id, "occurred_at": NOW, "known_position": 1,
        "method": "GET", "path": "/v2/whoami" });
    let of_account = with(with(who.clone(), "key", "2"), "token_id", house.full.id);
    let of_nobody = with(with(who.clone(), "key", "3"), "token_id", house.linus_own.id);
    let results = report(&house, &[who, of_account, of_nobody]).await;
    assert_eq!(words(&results, "result"), ["recorded", "recorded", "refused"], "{results:?}");
    let events = house.look("/v1/events?type=UseReported").await.data();
    assert_eq!((&events[0]["account_id"], &events[1]["account_id"]), (&Value::Null, &json!(house.teams)));
    assert_eq!((&events[0]["data"]["scope"], &events[0]["token_id"]), (&Value::Null, &json!(house.adas.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_cannot_be_read_says_why_and_the_others_count() {
    let house = House::new().await;
    let good = |key: &str| line(&house, key);
    let path = |path: &str| with(with(without(good("k"), "required_scope"), "method", "GET"), "path", path);
    #[rustfmt::skip]
    let rows = [
        ("{".to_owned(),                                                                  "malformed", ""),
        ("[]".to_owned(),                                                                 "malformed", ""),
        ("{} {}".to_owned(),                                                              "malformed", ""),
        (good("k").to_string().replacen('{', "{\"key\":\"twice\",", 1),                   "malformed", ""),
        ("{}".to_owned(),                                                                 "invalid",   "known_position can't be blank"),
        (without(good("k"), "key").to_string(),                                           "invalid",   "key can't be blank"),
        (good("").to_string(),                                                            "invalid",   "key must be"),
        (good(&"k".repeat(65)).to_string(),                                               "invalid",   "key must be"),
        (with(good("k"), "key", 7).to_string(),                                           "invalid",   "key must be"),
        (with(good("k"), "hashed_token", hashed("x")).to_string(),                        "invalid",   "either token_id"),
        (without(good("k"), "token_id").to_string(),                                      "invalid",   "either token_id"),
        (with(good("k"), "token_id", json!(["tlka_secret"])).to_string(),                 "invalid",   "token_id must be"),
        (with(without(good("k"), "token_id"), "hashed_token", "tlka_secret").to_string(), "invalid",   "hashed_token must be"),
        (with(good("k"), "account_id", 0).to_string(),                                    "invalid",   "account_id must be"),
        (with(good("k"), "occurred_at", "yesterday").to_string(),                         "invalid",   "occurred_at must be"),
        (with(good("k"), "known_position", -1).to_string(),                               "invalid",   "known_position must be"),
        (with(good("k"), "known_position", json!({ "a": [1] })).to_string(),              "invalid",   "known_position must be"),
        (with(good("k"), "required_scope", "nonsense:*:read").to_string(),                "invalid",   "required_scope must be"),
        (with(good("k"), "required_scope", "zones:a b:read").to_string(),                 "invalid",   "required_scope must be"),
        (without(good("k"), "required_scope").to_string(),                                "invalid",   "either required_scope"),
        (with(path("/v2/1/zones"), "required_scope", "zones:*:read").to_string(),         "invalid",   "either required_scope"),
        (without(path("/v2/1/zones"), "method").to_string(),                              "invalid",   "method can't be blank"),
        (with(path(&format!("/v2/{}/zones", house.solo)), "account_id", house.teams).to_string(), "invalid", "account_id is not"),
        (path("/v2/1/secrets").to_string(),                                               "undecidable", "no route"),
        (path("/v2/1/zones//x").to_string(),                                              "undecidable", "path"),
        (with(good("k"), "status", 600).to_string(),                                      "invalid",   "status must be"),
        (with(good("k"), "address", "localhost").to_string(),                             "invalid",   "address must be"),
        (with(good("k"), "user", "ada").to_string(),                                      "invalid",   "a member is there"),
    ];
    let mut body: String = rows.iter().map(|(line, ..)| format!("{line}\n")).collect();
    body.push_str(&format!("\r\n  \n{}\r\n{}", good("last"), good("really last")));
    let mut bytes = body.into_bytes();
    bytes.extend_from_slice(b"\n{\"key\":\"\xff\"}");
    let results = send(&house, bytes).await.expect(200).lines();
    for ((number, (line, error, words)), told) in (1..).zip(&rows).zip(&results) {
        assert_eq!(
            (&told["line"], &told["result"], &told["error"]),
            (&json!(number), &json!("refused"), &json!(error))
        );
        assert!(told["detail"].as_str().unwrap().contains(words), "{told} of {line}");
        assert!(!told.to_string().contains("tlka_secret"), "{told}");
    }
    let rest = &results[rows.len()..];
    assert_eq!(words(rest, "result"), ["recorded", "recorded", "refused"], "{rest:?}");
    let numbers: Vec<u64> = rest.iter().map(|told| told["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [rows.len() as u64 + 3, rows.len() as u64 + 4, rows.len() as u64 + 5], "empty lines count");
    assert_eq!(house.look("/v1/events?type=UseReported").await.data().as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_over_its_limits_is_refused_whole() {
    let house = House::new().await;
    let head = house.head();
    for (body, status, slug, words) in [
        (format!("{}\n", line(&house, "a")).into_bytes().repeat(20_001), 422, "limit-reached", "20000 lines"),
        (vec![b'\n'; 8 << 20], 422, "limit-reached", "at least one line"),
        (vec![b' '; (8 << 20) + 1], 413, "body-too-large", "8388608 bytes"),
        (Vec::new(), 422, "limit-reached", "at least one line"),
    ] {
        let told = wire::ask(house.address, &ask(&house.gateway.text, body)).await.expect(status).json();
        assert_eq!(told["type"], format!("/problems/{slug}"));
        assert!(told["detail"].as_str().unwrap().contains(words), "{told}");
    }
    let json = Ask::new("POST", "/v1/uses").bearer(&house.gateway.text).json(&line(&house, "a"));
    house.ask(json).await.expect(415);
    assert_eq!(house.head(), head, "nothing is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_gateway_token_with_the_right_reports_and_before_its_body_is_read() {
    let house = House::new().await;
    let body =
        json!({ "name": "asks only", "rights": ["introspect", "authorize", "revoke"], "accounts": [house.teams] });
    let asks_only = house.token("/v1/gateway-tokens", body).await;
    for (token, cause) in
        [(&asks_only.text, "missing_right"), (&house.operator, "wrong_kind"), (&house.full.text, "wrong_kind")]
    {
        let head = house.head();
        let told = house.ask(ask(token, "no line at all")).await.expect(403).json();
        assert_eq!((&told["cause"], &told["required_right"]), (&json!(cause), &json!("report")));
        let events = house.events_after(head).await;
        assert_eq!((events.len(), &events[0]["type"]), (1, &json!("ManagementRefused")));
        assert_eq!(events[0]["data"]["operation"], "report_uses");
    }
    house.ask(ask(&house.unknown, "no line at all")).await.expect(401);
    house.ask(Ask::new("POST", "/v1/uses").header("Content-Type", MANY).bytes("x")).await.expect(401);
    house.delete(&house.gateway.path).await.expect(204);
    send(&house, lines(&[line(&house, "a")])).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_report_is_recorded_in_parts_and_again_after_a_crash_only_as_far_as_it_was_not() {
    let mut house = House::new().await;
    let many: Vec<Value> = (0..LINES_A_COMMIT * 2 + 7).map(|number| line(&house, &format!("k{number}"))).collect();
    // As far as it came.
    let some = report(&house, &many[..LINES_A_COMMIT + 3]).await;
    assert!(words(&some, "result").iter().all(|word| *word == "recorded"));
    house.crash().await;
    let all = report(&house, &many).await;
    let (before, after) = all.split_at(some.len());
    assert!(words(before, "result").iter().all(|word| *word == "duplicate"));
    assert!(words(after, "result").iter().all(|word| *word == "recorded"));
    let positions = |results: &[Value]| results.iter().map(|told| told["position"].clone()).collect::<Vec<_>>();
    assert_eq!(positions(before), positions(&some), "each is where it was");
    assert_eq!(house.shown(&house.full).await["reported_uses"], many.len());
    let keys: Vec<&str> = words(&all, "key");
    assert!(keys.iter().zip(&many).all(|(key, sent)| sent["key"] == *key), "in the order of the lines");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_address_goes_when_the_tokens_texts_are_erased() {
    let house = House::new().await;
    report(&house, &[with(line(&house, "1"), "address", "198.51.100.77")]).await;
    assert_eq!(last_event(&house).await["data"]["address"], "198.51.100.77");
    house.delete(&format!("{}/personal-texts", house.full.path)).await.expect(200);
    let event = last_event(&house).await;
    assert_eq!(event["data"]["address"], Value::Null);
    assert_eq!(event["data"]["by"]["address"], "127.0.0.1", "the gateway's own stays");
}
