//! Usage windows over the wire.

use crate::house::House;
use crate::wire::{Ask, Line};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_call_shows_one_less_than_the_limit_and_a_reset_in_an_hour() {
    let house = House::new().await;
    let told = house.get(&house.full.text, "/v2/whoami").await.expect(200);
    assert_eq!(told.number("x-ratelimit-limit"), Some(2_400));
    assert_eq!(told.number("x-ratelimit-remaining"), Some(2_399));
    assert_eq!(told.number("x-ratelimit-reset"), Some(house.now() + 3_600));
    let reset = told.number("x-ratelimit-reset");
    house.advance(1_000);
    let told = house.get(&house.scoped.text, "/v2/whoami").await.expect(200);
    assert_eq!(told.number("x-ratelimit-remaining"), Some(2_398), "all tokens of an account share its window");
    assert_eq!(told.number("x-ratelimit-reset"), reset);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unopened_window_is_announced_as_if_it_opened_now() {
    let house = House::new().await;
    let told = house.get(&house.full.text, "/v2/nothing").await.expect(404);
    assert_eq!(told.number("x-ratelimit-remaining"), Some(2_400));
    assert_eq!(told.number("x-ratelimit-reset"), Some(house.now() + 3_600));
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_limit_passes_however_many_race() {
    const LIMIT: u64 = 40;
    let house = House::new().await;
    house.patch(format!("/v1/accounts/{}", house.teams), json!({ "hourly_limit": LIMIT })).await.expect(200);
    let racers: Vec<_> = (0..16)
        .map(|index| {
            let text = if index % 2 == 0 { house.full.text.clone() } else { house.scoped.text.clone() };
            let address = house.address;
            tokio::spawn(async move {
                let mut line = Line::open(address).await;
                let mut seen = Vec::new();
                for _ in 0..5 {
                    let told = line.ask(&Ask::get("/v2/whoami").bearer(&text)).await;
                    seen.push((told.status, told.number("x-ratelimit-remaining").unwrap()));
                }
                seen
            })
        })
        .collect();
    let mut seen = Vec::new();
    for racer in racers {
        seen.extend(racer.await.unwrap());
    }
    let mut passed: Vec<u64> = seen.iter().filter(|(status, _)| *status == 200).map(|(_, left)| *left).collect();
    passed.sort_unstable();
    assert_eq!(passed, (0..LIMIT).collect::<Vec<_>>(), "each that passed drew one, and saw another rest");
    assert!(seen.iter().filter(|(status, _)| *status != 200).all(|seen| *seen == (429, 0)), "{seen:?}");
    assert_eq!(house.remaining(house.teams).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_says_when_to_come_back_and_then_it_passes() {
    let house = House::new().await;
    house.patch(format!("/v1/accounts/{}", house.solo), json!({ "hourly_limit": 1 })).await.expect(200);
    let reset = house.get(&house.solo_full.text, "/v2/whoami").await.expect(200).number("x-ratelimit-reset");
    house.advance(600);
    let told = house.get(&house.solo_full.text, "/v2/whoami").await.expect(429);
    assert_eq!(told.json()["message"], "quota exceeded");
    assert_eq!(told.number("retry-after"), Some(3_000));
    assert_eq!((told.number("x-ratelimit-remaining"), told.number("x-ratelimit-reset")), (Some(0), reset));
    house.advance(2_999);
    house.get(&house.solo_full.text, "/v2/whoami").await.expect(429);
    house.advance(1);
    house.get(&house.solo_full.text, "/v2/whoami").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_limit_acts_at_once() {
    let house = House::new().await;
    let account = format!("/v1/accounts/{}", house.teams);
    for _ in 0..3 {
        house.get(&house.full.text, "/v2/whoami").await.expect(200);
    }
    house.patch(&account, json!({ "hourly_limit": 2 })).await.expect(200);
    let told = house.get(&house.full.text, "/v2/whoami").await.expect(429);
    assert_eq!((told.number("x-ratelimit-limit"), told.number("x-ratelimit-remaining")), (Some(2), Some(0)));
    house.patch(&account, json!({ "hourly_limit": 5 })).await.expect(200);
    let told = house.get(&house.full.text, "/v2/whoami").await.expect(200);
    assert_eq!((told.number("x-ratelimit-limit"), told.number("x-ratelimit-remaining")), (Some(5), Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_token_draws_from_the_account_it_acts_on_or_from_its_users_own_window() {
    let house = House::new().await;
    let ask = async |path: String| house.get(&house.adas.text, path).await.expect(200).number("x-ratelimit-remaining");
    assert_eq!(ask("/v2/whoami".to_owned()).await, Some(2_399));
    assert_eq!(ask("/v2/accounts".to_owned()).await, Some(2_398));
    assert_eq!((house.remaining(house.teams).await, house.remaining(house.solo).await), (2_400, 2_400));
    assert_eq!(ask(format!("/v2/{}/zones", house.teams)).await, Some(2_399));
    assert_eq!(ask(format!("/v2/{}/zones", house.solo)).await, Some(2_399));
    assert_eq!((house.remaining(house.teams).await, house.remaining(house.solo).await), (2_399, 2_399));
    let other = house.user_token(house.ada, "phone").await;
    let told = house.get(&other.text, "/v2/whoami").await.expect(200);
    assert_eq!(told.number("x-ratelimit-remaining"), Some(2_397), "all tokens of a user share its own window");
    let own = house.get(&house.adas.text, "/v1/self").await.expect(200).data();
    assert_eq!(own["limits"]["remaining"], 2_397, "and each may know of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn research_has_a_cap_in_the_calendar_month() {
    let house = House::new().await;
    let path = |name: &str| format!("/v2/{}/domains/research/status?domain={name}", house.enterprise);
    let ask = async |name: &str| house.get(&house.corporate.text, path(name)).await;
    for _ in 0..3 {
        ask("example.com").await.expect(200);
    }
    ask("invalid").await.expect(400);
    let usage = house.look(format!("/v1/accounts/{}/usage", house.enterprise)).await.data();
    assert_eq!(usage["domain_research"], json!({ "month": "2026-03", "used": 3, "cap": 3 }));
    assert_eq!(usage["general"]["used"], 4, "an invalid name counts in the hour only");
    let told = ask("example.com").await.expect(429);
    assert_eq!(told.json()["message"], "Monthly request cap reached");
    assert_eq!(told.header("retry-after"), Some("Wed, 01 Apr 2026 00:00:00 GMT"));
    assert_eq!(told.number("x-ratelimit-remaining"), Some(2_396), "a refusal draws nothing");
    house.advance(31 * 86_400);
    ask("example.com").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_of_an_unopened_window_has_no_times() {
    let house = House::new().await;
    let usage = house.look(format!("/v1/accounts/{}/usage", house.teams)).await.expect(200).data();
    let window = json!({ "limit": 2400, "remaining": 2400, "used": 0, "window_opened_at": Value::Null, "resets_at": Value::Null });
    assert_eq!(usage, json!({ "general": window }));
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    let usage = house.look(format!("/v1/accounts/{}/usage", house.teams)).await.expect(200).data();
    assert_eq!(usage["general"]["window_opened_at"], "2026-03-01T12:02:00Z");
    assert_eq!(usage["general"]["resets_at"], "2026-03-01T13:02:00Z");
}
