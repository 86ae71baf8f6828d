//! What goes on through a rotation, a restart and a crash as if nothing had been.

use crate::house::{House, Token};
use crate::wire::Told;
use serde_json::{Value, json};

/// Secret and outcome, or cause, of the last use or refusal.
async fn last_use(house: &House, told: &Told, head: u64) -> (u64, String) {
    let events = house.events_after(head).await;
    assert_eq!(events.len(), 1, "{told:?}: {events:?}");
    let data = &events[0]["data"];
    let end = data["outcome"].as_str().or(data["cause"].as_str()).unwrap();
    (data["secret"].as_u64().unwrap(), end.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn through_an_overlap_of_five_seconds_both_secrets_work_then_one_and_uses_name_theirs() {
    let house = House::new().await;
    let imported = json!({ "name": "old", "access": "full", "digest": crate::imports::digest_of("old-text") });
    let id = house.post(format!("/v1/accounts/{}/tokens/import", house.teams), imported).await.expect(201).data();
    let path = format!("/v1/accounts/{}/tokens/{}", house.teams, id["id"]);
    let imported = Token { id: id["id"].as_u64().unwrap(), text: "old-text".to_owned(), path };
    for old in [&house.full, &house.adas, &imported] {
        let rotate = format!("{}/rotate", old.path);
        let new = house.post(rotate, json!({ "overlap_seconds": 5 })).await.expect(201).json();
        let new = new["token"].as_str().unwrap();
        for (second, old_works) in [(0, true), (4, true), (5, false), (6, false)] {
            for (text, secret, works) in [(&*old.text, 1, old_works), (new, 2, true)] {
                let head = house.head();
                let told = house.get(text, "/v2/whoami").await;
                let (status, end) = if works { (200, "ok") } else { (401, "secret_ended") };
                assert_eq!(told.status, status, "second {second}, secret {secret}");
                assert_eq!(last_use(&house, &told, head).await, (secret, end.to_owned()), "second {second}");
            }
            let shown = house.shown(old).await;
            assert_eq!(shown["secrets"].as_array().unwrap().len(), if old_works { 2 } else { 1 });
            house.advance(if second == 0 { 4 } else { 1 });
        }
    }
}

/// Everything that callers and staff are told of windows and last uses.
async fn told_of_usage(house: &House, tokens: &[&Token]) -> Vec<Value> {
    let mut told = Vec::new();
    for account in house.look("/v1/accounts").await.expect(200).data().as_array().unwrap() {
        told.push(house.look(format!("/v1/accounts/{}/usage", account["id"])).await.expect(200).data());
    }
    for token in tokens {
        told.push(house.look(&token.path).await.expect(200).data());
        let own = house.get(&token.text, "/v1/self").await.expect(200).data();
        told.push(json!([own["limits"], own["accounts"], own["last_used_at"], own["last_used_status"]]));
    }
    told
}

/// The three headers of a use.
fn rates(told: &Told) -> [Option<u64>; 3] {
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(|name| told.number(name))
}

/// Windows opened at different times, partly used, used up, and untouched.
async fn use_some(house: &House) {
    let (teams, solo, enterprise) = (house.teams, house.solo, house.enterprise);
    house.patch(format!("/v1/accounts/{solo}"), json!({ "hourly_limit": 3 })).await.expect(200);
    let spare = house.account("Example Spare", "solo").await;
    house.account_token(spare, json!({ "name": "untouched", "access": "full" })).await;
    for times in 1..=4 {
        house.advance(11);
        for _ in 0..times {
            house.get(&house.full.text, "/v2/whoami").await.expect(200);
            house.get(&house.graces.text, format!("/v2/{teams}/zones/example.com")).await.expect(200);
            house.get(&house.adas.text, "/v2/accounts").await.expect(200);
        }
        house.get(&house.scoped.text, format!("/v2/{teams}/zones/example.org")).await.expect(403);
        let research = format!("/v2/{enterprise}/domains/research/status?domain=example.com");
        let status = if times < 4 { 200 } else { 429 };
        house.get(&house.corporate.text, research).await.expect(status);
        let status = if times < 4 { 200 } else { 429 };
        house.get(&house.solo_full.text, "/v2/whoami").await.expect(status);
    }
    for _ in 0..3 {
        house.get(&house.adas.text, format!("/v2/{solo}/zones")).await.expect(429);
    }
    house.advance(1_000);
}

async fn goes_on_after(interrupt: impl AsyncFn(&mut House)) {
    let mut house = House::new().await;
    use_some(&house).await;
    let tokens = [
        house.full.clone(),
        house.scoped.clone(),
        house.solo_full.clone(),
        house.corporate.clone(),
        house.adas.clone(),
        house.graces.clone(),
        house.linus_own.clone(),
    ];
    let tokens: Vec<&Token> = tokens.iter().collect();
    let before = told_of_usage(&house, &tokens).await;
    let uses = ["/v2/whoami", "/v2/accounts"];
    let mut rates_before = Vec::new();
    for token in &tokens {
        let told = house.get(&token.text, uses[0]).await;
        rates_before.push((token.text.clone(), told.status, rates(&told)));
    }
    assert!(rates_before.iter().any(|(_, status, _)| *status == 429), "a window is used up");
    let moved = told_of_usage(&house, &tokens).await;
    assert_ne!(before, moved, "uses show");
    interrupt(&mut house).await;
    assert_eq!(told_of_usage(&house, &tokens).await, moved, "exactly as before");
    let head = house.head();
    // What each draws now, counted by pool, comes after what it drew before.
    for (text, status, [limit, remaining, reset]) in rates_before {
        let told = house.get(&text, uses[1]).await;
        let [limit_now, remaining_now, reset_now] = rates(&told);
        assert_eq!((told.status, limit_now, reset_now), (status, limit, reset));
        assert!(remaining_now.unwrap() < remaining.unwrap() || remaining == Some(0), "{remaining:?} {remaining_now:?}");
    }
    let refused = house.events_after(head).await;
    let again = refused.iter().filter(|event| event["data"]["cause"] == "quota_exceeded").count();
    assert_eq!(again, 0, "the first 429 of the window was recorded before");
    house.advance(3_600);
    let fresh = house.get(&house.solo_full.text, "/v2/whoami").await.expect(200);
    assert_eq!(rates(&fresh), [Some(3), Some(2), Some(house.now() + 3_600)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_an_hour_changes_no_limit_remaining_reset_or_last_use() {
    goes_on_after(async |house: &mut House| house.restart(false).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_a_restart_that_has_only_the_log() {
    goes_on_after(async |house: &mut House| house.restart(true).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_a_crash() {
    goes_on_after(async |house: &mut House| house.crash().await).await;
}
