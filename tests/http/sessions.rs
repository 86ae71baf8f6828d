//! The session of a browser on `/v1`: what it takes beside the cookie, and when it ends.

use crate::house::{Browser, House};
use crate::wire::{Ask, Told};
use serde_json::json;
use token_ledger::domain::sign_in::{LINKS_MAX, SESSION_SECONDS};

fn tokens_of(house: &House) -> String {
    format!("/v1/accounts/{}/tokens", house.teams)
}

async fn adas(house: &House) -> Browser {
    house.session(&format!("/v1/users/{}", house.ada)).await
}

fn new_token(house: &House) -> Ask {
    Ask::new("POST", tokens_of(house)).json(&json!({ "name": "from a page", "access": "full" }))
}

/// Without the headers that only a page of ours can send, a cookie is nothing: a browser sends it for any site.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_takes_the_sessions_own_token_and_an_origin_of_ours() {
    let house = House::new().await;
    let (browser, other) = (adas(&house).await, house.session(&format!("/v1/users/{}", house.grace)).await);
    let ours = "http://ledger.test";
    type Row<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>, u16);
    let rows: [Row<'_>; 9] = [
        ("as a page does it", Some(&browser.csrf), Some(ours), Some("same-origin"), 201),
        ("without the token", None, Some(ours), None, 403),
        ("with a wrong token", Some("wrong"), Some(ours), None, 403),
        ("with another session's token", Some(&other.csrf), Some(ours), None, 403),
        ("without an origin", Some(&browser.csrf), None, None, 403),
        ("from another site", Some(&browser.csrf), Some("https://evil.example"), None, 403),
        (
            "from the same host over TLS, which is another origin",
            Some(&browser.csrf),
            Some("https://ledger.test"),
            None,
            403,
        ),
        ("from nowhere", Some(&browser.csrf), Some("null"), None, 403),
        ("as a browser says it is another site's", Some(&browser.csrf), Some(ours), Some("cross-site"), 403),
    ];
    let head = house.head();
    for (at, csrf, origin, site, status) in rows.into_iter().rev() {
        let mut ask = new_token(&house).header("Cookie", &browser.cookie);
        for (name, value) in [("X-CSRF-Token", csrf), ("Origin", origin), ("Sec-Fetch-Site", site)] {
            if let Some(value) = value {
                ask = ask.header(name, value);
            }
        }
        let told = house.ask(ask).await;
        assert_eq!(told.status, status, "{at}");
        if status == 403 {
            assert_eq!(told.json()["type"], "/problems/cross-site", "{at}");
            assert_eq!(house.head(), head, "{at}: what a person did not do leaves nothing under their name");
        }
    }
    // A page's own GET has no origin; it has the token all the same.
    let read = || Ask::get(tokens_of(&house)).header("Cookie", &browser.cookie);
    house.ask(read()).await.expect(403);
    house.ask(read().header("X-CSRF-Token", &browser.csrf)).await.expect(200);
    house.ask(read().header("X-CSRF-Token", &browser.csrf).header("Origin", "https://evil.example")).await.expect(403);
}

/// Its secret is a cookie's, and nothing that a program sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_sessions_secret_is_no_bearer_token_and_a_bearer_token_no_cookie() {
    let house = House::new().await;
    let browser = adas(&house).await;
    let secret = browser.cookie.split_once('=').unwrap().1;
    let told = house.get(secret, tokens_of(&house)).await.expect(403);
    assert_eq!(told.json()["cause"], "wrong_kind");
    house.get(secret, "/v2/whoami").await.expect(403);
    house.get(secret, "/v1/self").await.expect(403);
    let cookie = format!("token-ledger-session={}", house.operator);
    house
        .ask(Ask::get("/v1/accounts").header("Cookie", cookie).header("X-CSRF-Token", &browser.csrf))
        .await
        .expect(401);
    // Over TLS browsers keep another cookie; this house has none.
    let named = format!("__Host-{}", browser.cookie);
    house.ask(Ask::get("/v1/self").header("Cookie", named).header("X-CSRF-Token", &browser.csrf)).await.expect(401);
    // Two of one name: one of them is somebody else's.
    let twice = format!("{0}; {0}", browser.cookie);
    house.ask(Ask::get("/v1/self").header("Cookie", twice).header("X-CSRF-Token", &browser.csrf)).await.expect(401);
    // Who shows a token besides is that token.
    let both = browser.calls(Ask::get("/v1/accounts")).bearer(&house.operator);
    house.ask(both).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_does_is_recorded_as_the_persons_under_the_membership() {
    let house = House::new().await;
    let browser = adas(&house).await;
    let head = house.head();
    let made = house.ask(browser.calls(new_token(&house))).await.expect(201);
    let id = made.data()["id"].as_u64().unwrap();
    let events = house.recorded_after(head).await;
    let created = events.iter().find(|event| event["type"] == "TokenCreated").unwrap();
    assert_eq!(created["principal"], json!({ "kind": "user", "id": house.ada }));
    assert_eq!(created["credential"], browser.id);
    assert_eq!(created["data"]["by"]["authority"], json!({ "kind": "membership", "version": 1 }));

    // Looks at history too, and of their own.
    let head = house.head();
    let path = format!("/v1/events?account={}&token={id}", house.teams);
    let listed = house.ask(browser.calls(Ask::get(path))).await.expect(200).data();
    assert!(listed.as_array().unwrap().iter().all(|event| event["account_id"] == house.teams));
    let own = format!("/v1/events?token={}", house.adas.id);
    house.ask(browser.calls(Ask::get(own))).await.expect(200);
    let looks = house.recorded_after(head).await;
    let authorities: Vec<_> = looks.iter().map(|look| look["data"]["by"]["authority"]["kind"].clone()).collect();
    assert_eq!(authorities, ["membership", "own"], "{looks:?}");
    assert!(looks.iter().all(|look| look["principal"]["id"] == house.ada));

    // All of the log is nobody's account, and another's account is not there.
    house.ask(browser.calls(Ask::get("/v1/events"))).await.expect(403);
    for path in [
        format!("/v1/events?account={}", house.enterprise),
        format!("/v1/events?token={}", house.corporate.id),
        format!("/v1/audit/state?token={}", house.corporate.id),
        format!("/v1/audit/changes?account={}", house.enterprise),
        format!("/v1/users/{}", house.grace),
    ] {
        house.ask(browser.calls(Ask::get(path))).await.expect(404);
    }
    // Two names, of which one is theirs, are not theirs.
    let mixed = format!("/v1/audit/state?token={}&account={}", id, house.enterprise);
    let told = house.ask(browser.calls(Ask::get(mixed))).await;
    assert!([400, 404].contains(&told.status), "{told:?}");
}

async fn works(house: &House, browser: &Browser) -> Told {
    house.ask(browser.calls(Ask::get("/v1/self"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_twelve_hours_and_its_refusal_is_recorded() {
    let house = House::new().await;
    let browser = adas(&house).await;
    house.advance(SESSION_SECONDS - 1);
    works(&house, &browser).await.expect(200);
    house.advance(1);
    let head = house.head();
    let told = works(&house, &browser).await.expect(401);
    assert_eq!(told.json()["cause"], "token_expired");
    let events = house.recorded_after(head).await;
    assert_eq!((&events[0]["type"], &events[0]["token_id"]), (&json!("ManagementRefused"), &json!(browser.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_goes_with_the_membership_and_the_session_stays() {
    let house = House::new().await;
    let browser = adas(&house).await;
    house.ask(browser.calls(Ask::get(tokens_of(&house)))).await.expect(200);
    house.delete(format!("/v1/accounts/{}/members/{}", house.teams, house.ada)).await.expect(204);
    house.ask(browser.calls(Ask::get(tokens_of(&house)))).await.expect(404);
    house.ask(browser.calls(new_token(&house))).await.expect(404);
    works(&house, &browser).await.expect(200);
    house.ask(browser.calls(Ask::get(format!("/v1/accounts/{}/tokens", house.solo)))).await.expect(200);
}

/// A session of staff is the staff token's shadow: its role, and its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_staff_has_the_role_of_its_token_and_ends_with_it() {
    let house = House::new().await;
    let end = house.clock.now().plus_seconds(3_600).to_seconds_text();
    let role = |role: &str| json!({ "role": role, "name": role, "expires_at": end });
    let operator = house.token("/v1/staff-tokens", role("operator")).await;
    let auditor = house.token("/v1/staff-tokens", role("auditor")).await;
    let (operators, auditors) = (house.session(&operator.path).await, house.session(&auditor.path).await);
    let head = house.head();
    house.ask(operators.calls(new_token(&house))).await.expect(201);
    let events = house.recorded_after(head).await;
    assert_eq!(events[0]["principal"], json!({ "kind": "staff", "id": operator.id }));
    assert_eq!(events[0]["credential"], operators.id);
    house.ask(auditors.calls(new_token(&house))).await.expect(403);
    house.ask(auditors.calls(Ask::get("/v1/events?limit=1"))).await.expect(200);

    house.delete(&operator.path).await.expect(204);
    let told = house.ask(operators.calls(Ask::get("/v1/accounts"))).await.expect(401);
    assert_eq!(told.json()["cause"], "token_deleted");
    house.advance(3_600);
    let told = house.ask(auditors.calls(Ask::get("/v1/accounts"))).await.expect(401);
    assert_eq!(told.json()["cause"], "token_expired");
    works(&house, &auditors).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_counted_and_made_once_under_a_key() {
    let house = House::new().await;
    let path = format!("/v1/users/{}/sign-in-links", house.ada);
    let ask = || Ask::new("POST", &path).bearer(&house.operator).header("Idempotency-Key", "one");
    let first = house.ask(ask()).await.expect(201).json();
    let again = house.ask(ask()).await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!((again.json()["url"].clone(), again.data()), (json!(null), first["data"].clone()));
    for _ in 1..LINKS_MAX {
        house.sign_in_link(&format!("/v1/users/{}", house.ada)).await;
    }
    let told = house.ask(Ask::new("POST", &path).bearer(&house.operator)).await.expect(422);
    assert_eq!(told.json()["type"], "/problems/limit-reached");
    house.advance(900);
    house.ask(Ask::new("POST", &path).bearer(&house.operator)).await.expect(201);
}
