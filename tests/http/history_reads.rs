//! Looks at history leave a record: who, what, up to where; once a minute, and never because of themselves.

use crate::house::House;
use serde_json::{Value, json};

/// The looks recorded after a position, without leaving one: read beside the service.
async fn looks_after(house: &House, position: u64) -> Vec<Value> {
    let events = house.recorded_after(position).await;
    events.into_iter().filter(|event| event["type"] == "HistoryRead").collect()
}

fn asked(looks: &[Value]) -> Vec<&Value> {
    looks.iter().map(|look| &look["data"]["asked"]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_is_recorded_once_a_minute_for_one_reader_and_question() {
    let mut house = House::new().await;
    let before = house.head();
    let of_teams = format!("/v1/events?account={}&from=2026-03-01T12:00:00Z", house.teams);
    house.look(&of_teams).await.expect(200);
    house.look(format!("{of_teams}&after=20&limit=3")).await.expect(200);
    let looks = looks_after(&house, before).await;
    assert_eq!(
        asked(&looks),
        [&json!({ "question": "events", "account_id": house.teams, "from": "2026-03-01T12:00:00.000000Z",
            "through": before })]
    );
    assert_eq!(looks[0]["principal"], json!({ "kind": "staff", "id": 1 }));
    assert_eq!((&looks[0]["credential"], &looks[0]["account_id"]), (&json!(1), &Value::Null));
    assert_eq!(looks[0]["data"]["by"]["authority"]["kind"], "operator");
    assert_eq!(looks[0]["data"]["by"]["address"], "127.0.0.1");

    // Another reader, other questions, and of one question about another token.
    house.get(&house.auditor.text, &of_teams).await.expect(200);
    house.look("/v1/events?limit=5").await.expect(200);
    house.look("/v1/events/7").await.expect(200);
    house.look(format!("{}/usage?to=2026-03-02T00:00:00Z", house.full.path)).await.expect(200);
    house.look(format!("{}/usage", house.full.path)).await.expect(200);
    house.look(format!("{}/usage", house.scoped.path)).await.expect(200);
    house.look(format!("{}/usage", house.adas.path)).await.expect(200);
    house.look(format!("/v1/accounts/{}/usage/history", house.teams)).await.expect(200);
    let looks = looks_after(&house, before).await;
    let named: Vec<Value> = asked(&looks)
        .into_iter()
        .map(|asked| json!([asked["question"], asked["account_id"], asked["user_id"], asked["token_id"]]))
        .collect();
    let (teams, none) = (house.teams, Value::Null);
    assert_eq!(
        named,
        [
            json!(["events", teams, none, none]),
            json!(["events", teams, none, none]),
            json!(["events", none, none, none]),
            json!(["event", none, none, none]),
            json!(["usage_history", teams, none, house.full.id]),
            json!(["usage_history", teams, none, house.scoped.id]),
            json!(["usage_history", none, house.ada, house.adas.id]),
            json!(["usage_history", teams, none, none]),
        ]
    );
    let auditors = &looks[1];
    assert_eq!(auditors["data"]["by"]["authority"]["kind"], "auditor");
    assert_eq!(auditors["credential"], house.auditor.id);
    let page = &asked(&looks)[2];
    assert_eq!((&page["after"], &page["through"]), (&none, &json!(5)), "the part of the log that was shown");

    // Within the minute it stays at one across a restart, whatever is left of the read models; in the next it is one more.
    for views_are_lost in [false, true] {
        house.restart(views_are_lost).await;
        let head = house.head();
        house.look(&of_teams).await.expect(200);
        assert_eq!(asked(&looks_after(&house, head).await), Vec::<&Value>::new());
    }
    house.advance(60);
    let head = house.head();
    house.look(&of_teams).await.expect(200);
    house.look(&of_teams).await.expect(200);
    assert_eq!(looks_after(&house, head).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_polls_sees_their_own_looks_and_leaves_no_further_ones() {
    let house = House::new().await;
    let mut after = house.head();
    house.look("/v1/events?limit=1").await.expect(200);
    for _ in 0..4 {
        house.advance(60);
        let page = house.look(format!("/v1/events?after={after}")).await.expect(200).json();
        after = page["head"]["position"].as_u64().unwrap();
    }
    assert_eq!(house.head(), after, "polling left nothing");
    // Another one's look, or a change, is something to see.
    house.get(&house.auditor.text, "/v1/events?limit=1").await.expect(200);
    let head = house.head();
    assert!(head > after);
    house.look(format!("/v1/events?after={after}")).await.expect(200);
    assert_eq!(looks_after(&house, head).await.len(), 1);
    // A question that finds nothing in a part of the log that holds more is a look all the same.
    house.advance(60);
    let head = house.head();
    house.look("/v1/events?type=PlanChanged").await.expect(200);
    assert_eq!(looks_after(&house, head).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_moves_last_used_of_its_token_and_nothing_else() {
    let house = House::new().await;
    let of_auditor = |list: Value| {
        let list = list.as_array().unwrap().clone();
        list.into_iter().find(|token| token["id"] == house.auditor.id).unwrap()
    };
    let before = of_auditor(house.look("/v1/staff-tokens").await.data());
    assert_eq!((&before["last_used_status"], &before["version"]), (&json!("never"), &json!(1)));
    house.get(&house.auditor.text, "/v1/users").await.expect(200);
    assert_eq!(of_auditor(house.look("/v1/staff-tokens").await.data()), before, "the present may be looked at freely");
    house.get(&house.auditor.text, "/v1/events?limit=1").await.expect(200);
    let after = of_auditor(house.look("/v1/staff-tokens").await.data());
    assert_eq!((&after["last_used_status"], &after["version"]), (&json!("used"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_recorded_looks_go_on_and_are_counted_afterwards() {
    let mut house = House::new().await;
    // A start with the clock well behind the log: nothing but deletions is recorded until it has caught up.
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    let noon = house.now();
    house.clock.set(token_ledger::domain::time::Timestamp::from_seconds(noon - 120));
    house.restart(false).await;
    house.get(&house.full.text, "/v2/whoami").await.expect(503);
    let head = house.head();
    let of_teams = format!("/v1/events?account={}", house.teams);
    for _ in 0..3 {
        house.look(&of_teams).await.expect(200);
    }
    house.get(&house.auditor.text, "/v1/events/7").await.expect(200);
    assert_eq!(house.head(), head, "nothing is recorded");

    house.clock.set(token_ledger::domain::time::Timestamp::from_seconds(noon + 5));
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    let events = house.recorded_after(head).await;
    let types: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    let used = types.iter().position(|name| *name == "TokenUsed").unwrap();
    let resumed = types.iter().position(|name| *name == "RecordingResumed").unwrap();
    assert_eq!(types[resumed..used].to_vec(), ["RecordingResumed", "HistoryRead", "HistoryRead"], "{types:?}");
    assert_eq!(events[resumed]["data"]["turned_away"], 1, "the use; no look was turned away");
    let counted: Vec<Value> = events[resumed + 1..used]
        .iter()
        .map(|look| {
            let (asked, counted) = (&look["data"]["asked"], &look["data"]["counted"]);
            json!([look["credential"], asked["question"], asked["account_id"], counted["reads"]])
        })
        .collect();
    let expected = [json!([1, "events", house.teams, 3]), json!([house.auditor.id, "event", null, 1])];
    assert_eq!(counted, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_within_the_outage_records_what_was_counted() {
    let mut house = House::new().await;
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    let noon = house.now();
    house.clock.set(token_ledger::domain::time::Timestamp::from_seconds(noon - 120));
    house.restart(false).await;
    let head = house.head();
    house.look("/v1/events/7").await.expect(200);
    house.restart(false).await;
    let looks = looks_after(&house, head).await;
    assert_eq!(looks.iter().map(|look| look["data"]["counted"]["reads"].clone()).collect::<Vec<_>>(), [json!(1)]);
}
