//! The table of what an answer leaves behind, each row asked for real: event, draw, last use, receipt, rate headers.

use crate::house::{House, Token};
use crate::wire::{Ask, Told};
use serde_json::{Value, json};

/// What an answer of the guarded API leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Traces {
    status: u16,
    /// Type of the one event, and its outcome or cause.
    event: Option<(&'static str, &'static str)>,
    draws: bool,
    moves_last_used: bool,
    receipt: bool,
    rate_headers: bool,
}

fn used(status: u16, outcome: &'static str) -> Traces {
    let event = Some(("TokenUsed", outcome));
    Traces { status, event, draws: true, moves_last_used: true, receipt: true, rate_headers: true }
}

fn refused(status: u16, cause: &'static str) -> Traces {
    let event = Some(("TokenUseRefused", cause));
    Traces { status, event, draws: false, moves_last_used: false, receipt: true, rate_headers: true }
}

fn closed(cause: &'static str) -> Traces {
    Traces { receipt: false, rate_headers: false, ..refused(401, cause) }
}

/// Answered before the decision.
fn nothing(status: u16, rate_headers: bool) -> Traces {
    Traces { status, event: None, draws: false, moves_last_used: false, receipt: false, rate_headers }
}

/// A token to ask with, the account whose window counts, and the token whose last use is watched.
struct Asker<'a> {
    text: &'a str,
    account: u64,
    watched: &'a Token,
}

/// What the management surface says of a window and a token. A deleted token has no page, and no last use to move.
async fn state(house: &House, asker: &Asker<'_>) -> (u64, Value) {
    let token = house.look(&asker.watched.path).await;
    let last_used = if token.status == 200 { token.data()["last_used_at"].clone() } else { Value::Null };
    (house.remaining(asker.account).await, last_used)
}

async fn traces(house: &House, asker: &Asker<'_>, ask: Ask) -> Traces {
    house.advance(7);
    let (before, head) = (state(house, asker).await, house.head());
    let told = house.ask(ask).await;
    let (after, events) = (state(house, asker).await, house.events_after(head).await);
    assert!(events.len() <= 1, "{events:?}");
    let receipt = told.number("x-ledger-position");
    if let Some(position) = receipt {
        assert_eq!(events.iter().map(|event| &event["position"]).collect::<Vec<_>>(), [&json!(position)]);
    }
    Traces {
        status: told.status,
        event: events.first().map(event_name),
        draws: drawn(&told, before.0, after.0),
        moves_last_used: before.1 != after.1,
        receipt: receipt.is_some(),
        rate_headers: rate_headers(&told, after.0),
    }
}

fn drawn(told: &Told, before: u64, after: u64) -> bool {
    assert!(before == after || before == after + 1, "{before} -> {after}: {told:?}");
    before != after
}

/// All three or none; and the remaining one tells the truth.
fn rate_headers(told: &Told, remaining: u64) -> bool {
    let headers = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(|name| told.number(name));
    assert!(headers.iter().all(Option::is_some) || headers.iter().all(Option::is_none), "{told:?}");
    assert!(headers[1].is_none_or(|told| told == remaining), "{headers:?}, but {remaining} remain");
    headers[0].is_some()
}

fn event_name(event: &Value) -> (&'static str, &'static str) {
    const TYPES: [&str; 3] = ["TokenUsed", "TokenUseRefused", "ManagementRefused"];
    const ENDS: [&str; 13] = [
        "ok",
        "not_found",
        "invalid",
        "token_deleted",
        "token_expired",
        "secret_ended",
        "wrong_kind",
        "foreign_account",
        "missing_scope",
        "missing_feature",
        "quota_exceeded",
        "not_yet_valid",
        "address_not_allowed",
    ];
    let end = event["data"]["outcome"].as_str().or(event["data"]["cause"].as_str()).unwrap();
    let known = |names: &[&'static str], name: &str| *names.iter().find(|known| **known == name).unwrap_or(&"unknown");
    (known(&TYPES, event["type"].as_str().unwrap()), known(&ENDS, end))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_leaves_what_the_table_says() {
    let house = House::new().await;
    let (teams, solo, enterprise) = (house.teams, house.solo, house.enterprise);
    let v2 = |rest: &str| format!("/v2/{teams}/{rest}");
    let research = |name: &str| format!("/v2/{enterprise}/domains/research/status?domain={name}");
    let (full, scoped, corporate) = (&house.full, &house.scoped, &house.corporate);
    let elsewhere = json!({ "name": "elsewhere", "access": "full", "allowed_addresses": ["192.0.2.0/24"] });
    let elsewhere = house.account_token(teams, elsewhere).await;
    let waiting = json!({ "name": "waiting", "access": "full", "not_before": "2027-01-01T00:00:00Z" });
    let waiting = house.account_token(teams, waiting).await;
    let (whoami, zone) = ("/v2/whoami".to_owned(), v2("zones/example.com"));
    #[rustfmt::skip]
    let rows = [
        // token            watched                account     path                              leaves
        (&*full.text,       full,                  teams,      whoami.clone(),                   used(200, "ok")),
        (&*full.text,       full,                  teams,      zone.clone(),                     used(200, "ok")),
        (&*full.text,       full,                  teams,      v2("zones"),                      used(200, "ok")),
        (&*scoped.text,     scoped,                teams,      v2("zones"),                      used(200, "ok")),
        (&*house.graces.text, &house.graces,       teams,      zone.clone(),                     used(200, "ok")),
        (&*house.rotated.text, &house.rotated,     teams,      whoami.clone(),                   used(200, "ok")),
        (&*full.text,       full,                  teams,      v2("zones/absent.example"),       used(404, "not_found")),
        (&*full.text,       full,                  teams,      v2("domains/999999"),             used(404, "not_found")),
        (&*full.text,       full,                  teams,      v2("domains/example.com/certificates/999999"), used(404, "not_found")),
        (&*corporate.text,  corporate,             enterprise, research("example.com"),          used(200, "ok")),
        (&*corporate.text,  corporate,             enterprise, research("not%20a%20name"),       used(400, "invalid")),
        (&*full.text,       full,                  teams,      v2("zones/a%2Fb"),                nothing(400, true)),
        (&*full.text,       full,                  teams,      "/v2/one/zones".to_owned(),       nothing(400, true)),
        (&*full.text,       full,                  teams,      v2("zones?page=none"),            nothing(400, true)),
        (&*full.text,       full,                  teams,      v2("zones?sort=colour"),          nothing(400, true)),
        (&*full.text,       full,                  teams,      v2("zones?name_like=%FF"),         nothing(400, true)),
        (&*full.text,       full,                  teams,      v2("nothing"),                    nothing(404, true)),
        (&*scoped.text,     scoped,                teams,      v2("zones/example.org"),          refused(403, "missing_scope")),
        (&*scoped.text,     scoped,                teams,      v2("zones/absent.example"),       refused(403, "missing_scope")),
        (&*scoped.text,     scoped,                teams,      v2("domains/999999"),             refused(403, "missing_scope")),
        (&*house.graces.text, &house.graces,       teams,      v2("domains"),                    refused(403, "missing_scope")),
        (&*house.corporate_zones.text, &house.corporate_zones, enterprise, research("example.com"), refused(403, "missing_scope")),
        (&*full.text,       full,                  teams,      v2("domains/research/status?domain=example.com"), refused(412, "missing_feature")),
        (&*full.text,       full,                  teams,      format!("/v2/{solo}/zones"),      refused(404, "foreign_account")),
        (&*full.text,       full,                  teams,      "/v2/999999/zones".to_owned(),    refused(404, "foreign_account")),
        (&*house.deleted.text, &house.deleted,     teams,      whoami.clone(),                   closed("token_deleted")),
        (&*house.expired.text, &house.expired,     teams,      zone.clone(),                     closed("token_expired")),
        (&*house.rotated_out, &house.rotated,      teams,      zone.clone(),                     closed("secret_ended")),
        (&*house.deleted.text, &house.deleted,     teams,      v2("zones/a%2Fb"),                closed("token_deleted")),
        (&*house.expired.text, &house.expired,     teams,      "/v2/one/zones".to_owned(),       closed("token_expired")),
        (&*house.rotated_out, &house.rotated,      teams,      v2("zones?page=none"),            closed("secret_ended")),
        (&*house.rotated_out, &house.rotated,      teams,      v2("zones?name_like=%FF"),        closed("secret_ended")),
        (&*waiting.text,    &waiting,              teams,      zone.clone(),                     closed("not_yet_valid")),
        (&*waiting.text,    &waiting,              teams,      v2("zones/a%2Fb"),                closed("not_yet_valid")),
        (&*elsewhere.text,  &elsewhere,            teams,      zone.clone(),                     refused(403, "address_not_allowed")),
        (&*elsewhere.text,  &elsewhere,            teams,      v2("zones/a%2Fb"),                refused(403, "address_not_allowed")),
        (&*house.unknown,   full,                  teams,      v2("zones/a%2Fb"),                nothing(401, false)),
        (&*house.unknown,   full,                  teams,      zone.clone(),                     nothing(401, false)),
        ("tlka_malformed",  full,                  teams,      zone.clone(),                     nothing(401, false)),
    ];
    for (text, watched, account, path, wanted) in rows {
        let asker = Asker { text, account, watched };
        let seen = traces(&house, &asker, Ask::get(&path).bearer(asker.text)).await;
        assert_eq!(seen, wanted, "{path}");
    }
    let asker = Asker { text: "", account: teams, watched: full };
    assert_eq!(traces(&house, &asker, Ask::get(&zone)).await, nothing(401, false), "no credential");
    let twice = Ask::get(&zone).bearer(&full.text).bearer(&full.text);
    assert_eq!(traces(&house, &asker, twice).await, nothing(400, false), "two credentials");
    let other_method = Ask::new("POST", &zone).bearer(&full.text);
    assert_eq!(traces(&house, &asker, other_method).await, nothing(405, true), "another method");
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_and_gateways_are_refused_and_nothing_draws() {
    let house = House::new().await;
    for (token, kind) in
        [(&house.operator, "operator"), (&house.auditor.text, "auditor"), (&house.gateway.text, "gateway")]
    {
        let head = house.head();
        let told = house.get(token, format!("/v2/{}/zones", house.teams)).await.expect(403);
        assert_eq!(told.header("x-ratelimit-limit"), None, "{kind} has no window");
        assert!(told.header("x-ledger-position").is_some(), "{kind}");
        let events = house.events_after(head).await;
        assert_eq!(events.iter().map(event_name).collect::<Vec<_>>(), [("TokenUseRefused", "wrong_kind")], "{kind}");
    }
    assert_eq!(house.remaining(house.teams).await, 2_400);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_429_of_a_window_has_an_event_and_a_receipt() {
    let house = House::new().await;
    house.patch(format!("/v1/accounts/{}", house.solo), json!({ "hourly_limit": 2 })).await.expect(200);
    let asker = Asker { text: &house.solo_full.text, account: house.solo, watched: &house.solo_full };
    let ask = || Ask::get("/v2/whoami").bearer(asker.text);
    for _ in 0..2 {
        assert_eq!(traces(&house, &asker, ask()).await, used(200, "ok"));
    }
    assert_eq!(traces(&house, &asker, ask()).await, refused(429, "quota_exceeded"));
    for _ in 0..3 {
        let later = Traces { event: None, receipt: false, ..refused(429, "quota_exceeded") };
        assert_eq!(traces(&house, &asker, ask()).await, later);
    }
    house.advance(3_600);
    let told = house.ask(ask()).await.expect(200);
    assert_eq!(told.number("x-ratelimit-remaining"), Some(1), "the next window is full again");
    let totals = house.look("/v1/events?type=QuotaRefusalsTotalled").await.data();
    assert_eq!(totals[0]["data"]["counts"], json!([{ "token_id": house.solo_full.id, "count": 4 }]), "{totals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn past_sixty_a_minute_refusals_are_summed() {
    let house = House::new().await;
    house.advance(60 - house.now() % 60);
    let head = house.head();
    let path = format!("/v2/{}/zones/example.org", house.teams);
    for index in 0..70 {
        let told = house.get(&house.scoped.text, &path).await.expect(403);
        assert_eq!(told.header("x-ledger-position").is_some(), index < 60, "{index}");
    }
    assert_eq!(house.events_after(head).await.len(), 60);
    house.advance(60);
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    let events = house.events_after(head).await;
    let sums: Vec<_> = events.iter().filter(|event| event["type"] == "RefusalsSummed").collect();
    assert_eq!(sums.len(), 1);
    assert_eq!(sums[0]["data"]["counts"], json!([{ "cause": "missing_scope", "count": 10 }]));
    assert_eq!(sums[0]["data"]["addresses"], json!(["127.0.0.1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_is_refused_with_503() {
    let house = House::new().await;
    let head = house.head();
    let ledger = house.ledger.clone();
    tokio::task::spawn_blocking(move || ledger.stop()).await.unwrap();
    for token in [&house.full.text, &house.deleted.text] {
        let told = house.get(token, "/v2/whoami").await.expect(503);
        assert!(told.number("retry-after").is_some_and(|seconds| seconds > 0), "{told:?}");
        assert_eq!(told.header("x-ledger-position"), None);
    }
    let told = house.post("/v1/users", json!({ "name": "late", "email": "late@example.com" })).await.expect(503);
    assert_eq!(told.json()["type"], "/problems/ledger-unavailable");
    assert!(house.head() <= head + 1, "nothing but the stop itself");
}
