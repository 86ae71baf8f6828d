//! A wall clock that steps: seen, said, followed in time or when somebody accepts it; times of records never go back.

use crate::house::{House, START};
use crate::wire::Ask;
use serde_json::{Value, json};

const HOUR: i64 = 3_600 * 1_000_000;

/// A use, with the event that it left and what remains.
async fn used(house: &House) -> (Value, u64) {
    let told = house.get(&house.full.text, "/v2/whoami").await.expect(200);
    let event = house.look(format!("/v1/events/{}", told.header("x-ledger-position").unwrap())).await.data();
    (event, told.header("x-ratelimit-remaining").unwrap().parse().unwrap())
}

async fn recorded_at(house: &House) -> String {
    used(house).await.0["recorded_at"].as_str().unwrap().to_owned()
}

async fn steps(house: &House) -> Vec<Value> {
    house.look("/v1/events?type=ClockStepped").await.data().as_array().unwrap().clone()
}

async fn warnings(house: &House) -> Vec<String> {
    let ready = house.ask(Ask::get("/readyz")).await.expect(200).json();
    serde_json::from_value(ready.get("warnings").cloned().unwrap_or(json!([]))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_more_than_a_minute_is_recorded_once_and_moves_nothing() {
    let house = House::new().await;
    for seconds in [60, -60] {
        house.clock.step_wall(seconds * 1_000_000);
        used(&house).await;
        assert!(steps(&house).await.is_empty(), "{seconds}");
        house.clock.step_wall(-seconds * 1_000_000);
    }
    assert!(warnings(&house).await.is_empty());
    house.clock.step_wall(61_000_000);
    let before = house.clock.now().to_micros_text();
    assert_eq!(recorded_at(&house).await, before);
    used(&house).await;
    let steps = steps(&house).await;
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert_eq!(steps[0]["data"]["step_microseconds"], 61_000_000);
    assert_eq!((&steps[0]["data"]["followed"], &steps[0]["data"]["by"]), (&json!(false), &Value::Null));
    let warnings = warnings(&house).await;
    assert!(warnings.len() == 1 && warnings[0].contains("off by 61 s"), "{warnings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_forward_is_followed_after_ten_minutes_and_ends_windows_by_the_new_time() {
    let house = House::new().await;
    let (_, remaining) = used(&house).await;
    house.clock.step_wall(HOUR);
    assert_eq!(used(&house).await.1, remaining - 1);
    house.advance(599);
    assert_eq!(used(&house).await.1, remaining - 2, "the step has not lasted ten minutes");
    house.advance(1);
    let (event, fresh) = used(&house).await;
    assert_eq!(fresh, 2_399, "an hour has passed");
    assert_eq!(event["recorded_at"], house.clock.now().to_micros_text());
    assert_eq!(house.now(), START + 120 + 600 + 3_600);
    let steps = steps(&house).await;
    let followed: Vec<&Value> = steps.iter().map(|step| &step["data"]["followed"]).collect();
    assert_eq!(followed, [false, true]);
    assert_eq!(steps[1]["data"]["seen_at"], steps[0]["recorded_at"]);
    assert!(warnings(&house).await.is_empty());
}

/// The wall clock goes back over the beginning of the window: nobody gets the hour twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_back_stands_still_until_the_clock_has_caught_up_and_opens_no_window_again() {
    let house = House::new().await;
    let (_, remaining) = used(&house).await;
    house.clock.step_wall(-2 * HOUR);
    used(&house).await;
    house.advance(600);
    let (event, left) = used(&house).await;
    let stands_at = house.look("/v1/events?type=ClockStepped").await.data()[1]["recorded_at"].clone();
    assert_eq!((&event["recorded_at"], left), (&stands_at, remaining - 2));
    assert!(warnings(&house).await[0].contains("stand still"), "{:?}", warnings(&house).await);
    // An hour later the window would be over, were it counted by the clock on the wall from its new beginning.
    house.advance(3_600);
    let (event, left) = used(&house).await;
    assert_eq!((&event["recorded_at"], left), (&stands_at, remaining - 3));
    // Two hours after the step time goes on where it stood, and the window has the rest of its hour.
    house.advance(3_601);
    let (event, left) = used(&house).await;
    assert!(event["recorded_at"].as_str() > stands_at.as_str());
    assert_eq!(left, remaining - 4);
    assert!(warnings(&house).await.is_empty());
    house.advance(3_600);
    assert_eq!(used(&house).await.1, 2_399);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_accepts_a_step_and_is_named() {
    let house = House::new().await;
    let accept = || house.ask(Ask::new("POST", "/v1/clock/accept").bearer(&house.operator));
    let told = accept().await.expect(409);
    assert_eq!(told.json()["type"], "/problems/clock-as-expected");
    house.clock.step_wall(HOUR);
    used(&house).await;
    let wall = house.clock.wall();
    let told = accept().await.expect(200);
    let data = told.data();
    assert_eq!(data, json!({ "now": wall.to_micros_text(), "wall": wall.to_micros_text() }));
    assert_eq!(recorded_at(&house).await, wall.to_micros_text());
    let steps = steps(&house).await;
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[1]["position"].to_string(), told.header("x-ledger-position").unwrap());
    assert_eq!(steps[1]["principal"]["kind"], "staff");
    assert_eq!(steps[1]["data"]["by"]["authority"]["kind"], "operator");
    assert!(warnings(&house).await.is_empty());
    accept().await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_accepted_twice_under_one_key_is_accepted_once() {
    let house = House::new().await;
    let accept = || {
        let ask = Ask::new("POST", "/v1/clock/accept").bearer(&house.operator);
        house.ask(ask.header("Idempotency-Key", "once"))
    };
    accept().await.expect(409);
    house.clock.step_wall(HOUR);
    let first = accept().await.expect(200);
    let again = accept().await.expect(200);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("x-ledger-position"), first.header("x-ledger-position"));
    assert_eq!(steps(&house).await.iter().filter(|step| step["data"]["followed"] == true).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_goes_away_by_itself_is_no_longer_warned_of() {
    let house = House::new().await;
    house.clock.step_wall(-HOUR);
    used(&house).await;
    assert_eq!(warnings(&house).await.len(), 1);
    house.clock.step_wall(HOUR);
    house.advance(600);
    used(&house).await;
    assert!(warnings(&house).await.is_empty());
    assert_eq!(steps(&house).await.len(), 1);
}
