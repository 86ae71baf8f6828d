//! `dry_run=true`: what an edit is said to refuse is what fails when it is made and the same is asked again.

use crate::house::{House, grants};
use crate::wire::Told;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use token_ledger::audit::archive::Archive;
use token_ledger::audit::questions::{self, Asked, question};

/// A past use: who asked for what, how long after the one before, and what became of it.
struct Past {
    token: String,
    path: String,
    pause: u64,
    status: u16,
    position: u64,
    names: Vec<String>,
}

fn names(told: &Told) -> Vec<String> {
    let listed = told.json()["data"].as_array().cloned().unwrap_or_default();
    listed.iter().filter_map(|item| item["name"].as_str().map(str::to_owned)).collect()
}

/// Asks for everything once more, with the same pauses; gives what came of it.
async fn again(house: &House, past: &[Past]) -> Vec<(u16, Vec<String>)> {
    let mut came = Vec::new();
    for one in past {
        house.advance(one.pause);
        let told = house.get(&one.token, &one.path).await;
        came.push((told.status, names(&told)));
    }
    came
}

/// Uses of many tokens over more than an hour.
async fn uses(house: &House) -> Vec<Past> {
    let (teams, enterprise) = (house.teams, house.enterprise);
    let asked = [
        (&house.scoped, format!("/v2/{teams}/zones"), 0),
        (&house.scoped, format!("/v2/{teams}/zones/example.com"), 2),
        (&house.full, format!("/v2/{teams}/zones/example.org"), 3),
        (&house.scoped, format!("/v2/{teams}/zones/example.net"), 4),
        (&house.scoped, format!("/v2/{teams}/domains/example.com"), 5),
        (&house.scoped, format!("/v2/{teams}/domains"), 1),
        (&house.scoped, format!("/v2/{teams}/domains/example.com/certificates"), 1),
        (&house.full, format!("/v2/{teams}/domains"), 0),
        (&house.full, format!("/v2/{teams}/zones/absent.example"), 60),
        (&house.adas, format!("/v2/{teams}/zones/example.com"), 0),
        (&house.adas, "/v2/whoami".to_owned(), 0),
        (&house.graces, format!("/v2/{teams}/zones/example.com"), 9),
        (&house.graces, format!("/v2/{teams}/zones"), 9),
        (&house.scoped, "/v2/whoami".to_owned(), 3_000),
        (&house.full, format!("/v2/{teams}/zones/example.com"), 700),
        (&house.full, "/v2/whoami".to_owned(), 1),
        (&house.corporate, format!("/v2/{enterprise}/domains/research/status?domain=a.example"), 1),
        (&house.corporate, format!("/v2/{enterprise}/domains/research/status?domain=b.example"), 1),
        (&house.corporate, format!("/v2/{enterprise}/zones"), 1),
        (&house.scoped, format!("/v2/{teams}/zones/example.com"), 1),
    ];
    let mut past = Vec::new();
    for (token, path, pause) in asked {
        house.advance(pause);
        let told = house.get(&token.text, &path).await;
        assert!([200, 404].contains(&told.status), "{path}: {}", told.status);
        let position = told.number("x-ledger-position").unwrap();
        past.push(Past { token: token.text.clone(), path, pause, status: told.status, position, names: names(&told) });
    }
    past
}

fn refused(told: &Value) -> BTreeSet<u64> {
    told["refused_uses"].as_array().unwrap().iter().map(|row| row["position"].as_u64().unwrap()).collect()
}

/// What each list is said to be without, by token and group.
fn without(told: &Value) -> Vec<(u64, String, BTreeSet<String>)> {
    let lists = told["narrowed"].as_array().unwrap().iter();
    let names =
        |row: &Value| row["without"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect();
    lists
        .map(|row| (row["token_id"].as_u64().unwrap(), row["group"].as_str().unwrap().to_owned(), names(row)))
        .collect()
}

/// Tries a change, makes it, asks for everything again.
async fn hold(method: &str, path: impl Fn(&House) -> String, body: impl Fn(&House) -> Value, expected: usize) {
    let house = House::new().await;
    let past = uses(&house).await;
    let (path, body) = (path(&house), body(&house));
    let before = house.head();
    let told = house.send(method, format!("{path}?dry_run=true"), body.clone()).await.expect(200).json();
    let left = house.events_after(before).await;
    assert!(left.iter().all(|event| event["type"] == "HistoryRead"), "{left:?}");
    let made = house.send(method, path.clone(), body).await;
    assert!([200, 204].contains(&made.status), "{method} {path}: {}", made.status);
    // Another month, so that every window and count begins anew.
    house.advance(40 * 86_400);
    let came = again(&house, &past).await;
    let mut failed = BTreeSet::new();
    for (one, (status, names)) in past.iter().zip(&came) {
        if *status != one.status {
            failed.insert(one.position);
        } else if *names != one.names {
            let lost: BTreeSet<String> = one.names.iter().filter(|name| !names.contains(name)).cloned().collect();
            assert!(without(&told).iter().any(|(_, _, names)| *names == lost), "{} lost {lost:?}: {told}", one.path);
        }
    }
    assert_eq!(refused(&told), failed, "{method} {path}: {told:#}");
    assert_eq!(failed.len(), expected, "{method} {path}");
}

fn zones_com() -> Value {
    grants(&[("zones", "read_only", json!(["example.com"]))])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrower_access_refuses_what_was_said() {
    hold("PATCH", |house| house.scoped.path.clone(), |_| json!({ "access": zones_com() }), 4).await;
    hold("PATCH", |house| house.full.path.clone(), |_| json!({ "access": zones_com() }), 3).await;
    hold("PATCH", |house| house.full.path.clone(), |_| json!({ "name": "another", "access": "full" }), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_conditions_refuse_what_was_said() {
    let elsewhere = json!({ "allowed_addresses": ["192.0.2.0/24"] });
    hold("PATCH", |house| house.full.path.clone(), |_| elsewhere.clone(), 5).await;
    hold("PATCH", |house| house.full.path.clone(), |_| json!({ "allowed_addresses": ["127.0.0.0/8"] }), 0).await;
    hold("PATCH", |house| house.adas.path.clone(), |_| json!({ "not_before": "2027-01-01T00:00:00Z" }), 2).await;
    hold("PATCH", |house| house.adas.path.clone(), |_| json!({ "expires_at": "2027-01-01T00:00:00Z" }), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_refuses_what_was_said() {
    hold("DELETE", |house| house.scoped.path.clone(), |_| json!({}), 8).await;
    hold("DELETE", |house| house.adas.path.clone(), |_| json!({}), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_members_change_refuses_what_was_said() {
    let member = |house: &House, user: u64| format!("/v1/accounts/{}/members/{user}", house.teams);
    hold("DELETE", |house| member(house, house.grace), |_| json!({}), 2).await;
    hold("PUT", |house| member(house, house.ada), |_| json!({ "access": grants(&[]) }), 1).await;
    let net = || json!({ "access": grants(&[("zones", "read_only", json!(["example.net"]))]) });
    hold("PUT", |house| member(house, house.grace), |_| net(), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_limit_refuses_what_was_said() {
    let account = |house: &House| format!("/v1/accounts/{}", house.teams);
    hold("PATCH", account, |_| json!({ "hourly_limit": 5 }), 8).await;
    hold("PATCH", account, |_| json!({ "hourly_limit": 1 }), 14).await;
    hold("PATCH", account, |_| json!({ "hourly_limit": 9_999, "plan": "enterprise" }), 0).await;
}

/// A plan itself takes nothing away: what it would take is refused until it is gone. What is changed with it may.
#[tokio::test(flavor = "multi_thread")]
async fn another_plan_refuses_what_was_said() {
    let account = |house: &House| format!("/v1/accounts/{}", house.enterprise);
    hold("PATCH", account, |_| json!({ "plan": "teams" }), 0).await;
    hold("PATCH", account, |_| json!({ "plan": "teams", "hourly_limit": 1 }), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn less_research_refuses_what_was_said() {
    let feature = |house: &House| format!("/v1/accounts/{}/features/domain_research", house.enterprise);
    hold("PUT", feature, |_| json!({ "monthly_cap": 1 }), 1).await;
    hold("DELETE", feature, |_| json!({}), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_is_refused_as_the_change_would_be_and_changes_nothing() {
    let house = House::new().await;
    let teams = format!("/v1/accounts/{}", house.teams);
    let stale = house.scoped.path.clone();
    let both = [
        ("PATCH", teams.clone(), json!({ "plan": "solo" }), 409),
        (
            "PATCH",
            house.full.path.clone(),
            json!({ "access": grants(&[("nonsense", "read_only", json!("all"))]) }),
            422,
        ),
        ("PATCH", house.full.path.clone(), json!({ "expires_at": "2001-01-01T00:00:00Z" }), 422),
        ("PATCH", house.solo_full.path.clone(), json!({ "access": zones_com() }), 412),
        ("PATCH", house.adas.path.clone(), json!({ "access": "full" }), 422),
        ("PATCH", house.full.path.clone(), json!({ "nonsense": 1 }), 422),
        ("PATCH", format!("{teams}/tokens/999999"), json!({}), 404),
        ("DELETE", house.deleted.path.clone(), json!({}), 404),
        ("PUT", format!("{teams}/members/999999"), json!({ "access": "full" }), 404),
        ("DELETE", format!("/v1/accounts/{}/features/domain_research", house.teams), json!({}), 404),
    ];
    let before = house.head();
    for (method, path, body, status) in both {
        let tried = house.send(method, format!("{path}?dry_run=true&days=7"), body.clone()).await.expect(status).json();
        assert_eq!(tried, house.send(method, &path, body).await.expect(status).json(), "{method} {path}");
    }
    let ask = crate::wire::Ask::new("PATCH", format!("{stale}?dry_run=true")).bearer(&house.operator);
    house.ask(ask.header("If-Match", "\"99\"").json(&json!({ "name": "n" }))).await.expect(412);
    for query in [
        "dryrun=true",
        "dry_run=yes",
        "dry_run=true&dry_run=true",
        "days=7",
        "dry_run=true&days=0",
        "dry_run=true&days=401",
    ] {
        house.patch(format!("{stale}?{query}"), json!({ "name": "n" })).await.expect(400);
    }
    assert_eq!(house.head(), before);
    let ask = crate::wire::Ask::new("PATCH", format!("{stale}?dry_run=true")).bearer(&house.auditor.text);
    house.ask(ask.json(&json!({ "name": "n" }))).await.expect(403);
    let attempt = house.events_after(before).await;
    assert_eq!(attempt[0]["type"], "ManagementRefused");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_question_answers_the_same_over_http_and_over_the_files() {
    let house = House::new().await;
    uses(&house).await;
    house.get(&house.graces.text, format!("/v2/{}/zones/example.net", house.teams)).await.expect(403);
    let access = json!({ "grants": [{ "group": "zones", "level": "read_only", "resources": "all" }] });
    let access = form_urlencoded::byte_serialize(access.to_string().as_bytes()).collect::<String>();
    let (teams, scoped, grace) = (house.teams, house.scoped.id, house.grace);
    for query in [
        format!("what-if?token={scoped}&access={access}"),
        format!("what-if?account={teams}&user={grace}&access={access}"),
        format!("what-if?account={teams}&hourly_limit=2&plan=solo"),
    ] {
        let told = house.look(format!("/v1/audit/{query}")).await.expect(200).json();
        let (name, pairs) = query.split_once('?').unwrap();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(pairs.as_bytes()).into_owned().collect();
        let question = question(name).unwrap();
        let archive = Archive::open(house.ledger.dir(), house.clock.now()).unwrap();
        let answer = questions::ask(&archive, question, &Asked::read(question, &pairs).unwrap()).unwrap().to_json();
        for (member, value) in answer.as_object().unwrap().iter().filter(|(member, _)| *member != "as_of") {
            assert_eq!(told[member], *value, "{query}: {member}");
        }
        assert!(
            told["summary"]["refused"].as_u64().unwrap() + told["summary"]["newly_allowed"].as_u64().unwrap() > 0,
            "{query}: {told:#}"
        );
    }
}
