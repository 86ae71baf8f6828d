//! `/v1/events` and `/v1/self`: the log in words, and what a token may know of itself.

use crate::house::House;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use token_ledger::log::reader::LogReader;

fn positions(body: &Value) -> Vec<u64> {
    body["data"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_forward_by_after_and_back_by_before_and_end_with_null() {
    let house = House::new().await;
    // The look itself is recorded: once, for all the pages of this minute.
    house.look("/v1/events?limit=1").await.expect(200);
    let head = house.head();
    let (mut forward, mut after) = (Vec::new(), Some(0));
    while let Some(position) = after {
        let body = house.look(format!("/v1/events?after={position}&limit=7")).await.expect(200).json();
        assert_eq!(body["head"]["position"], head);
        forward.extend(positions(&body));
        after = body["next"].as_u64();
    }
    assert_eq!(forward, (1..=head).collect::<Vec<_>>());
    let (mut back, mut query) = (Vec::new(), Some("order=desc&limit=7".to_owned()));
    while let Some(asked) = query {
        let body = house.look(format!("/v1/events?{asked}")).await.expect(200).json();
        back.extend(positions(&body));
        query = body["next"].as_u64().map(|before| format!("order=desc&limit=7&before={before}"));
    }
    assert_eq!(back, (1..=head).rev().collect::<Vec<_>>());
    for (query, wanted) in [
        (format!("after={head}"), vec![]),
        ("after=18446744073709551615".to_owned(), vec![]),
        ("order=desc&before=1".to_owned(), vec![]),
        ("order=desc&before=0".to_owned(), vec![]),
        ("order=desc&before=3".to_owned(), vec![2, 1]),
        ("before=3".to_owned(), vec![1, 2]),
        ("before=0".to_owned(), vec![]),
        ("after=1&before=4".to_owned(), vec![2, 3]),
        ("after=1&before=4&order=desc".to_owned(), vec![3, 2]),
        ("after=4&before=2".to_owned(), vec![]),
        ("after=4&before=2&order=desc".to_owned(), vec![]),
        ("after=99999999999999999999".to_owned(), vec![]),
        ("limit=0".to_owned(), vec![1]),
        ("order=desc&before=18446744073709551615&limit=1".to_owned(), vec![head]),
    ] {
        let body = house.look(format!("/v1/events?{query}")).await.expect(200).json();
        assert_eq!(positions(&body), wanted, "{query}");
        assert!(wanted.len() == 1 || body["next"].is_null(), "{query}");
    }
    let all = house.look("/v1/events?limit=100000").await.expect(200).json();
    assert_eq!(positions(&all).len() as u64, head.min(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_one_and_the_other() {
    let house = House::new().await;
    let before = house.now();
    house.advance(10);
    house.get(&house.scoped.text, format!("/v2/{}/zones/example.com", house.teams)).await.expect(200);
    house.get(&house.scoped.text, format!("/v2/{}/zones/example.org", house.teams)).await.expect(403);
    house.get(&house.full.text, format!("/v2/{}/zones/absent.example", house.teams)).await.expect(404);
    house.get(&house.full.text, "/v1/users").await.expect(403);
    let time = |seconds: u64| token_ledger::domain::time::Timestamp::from_seconds(seconds).to_seconds_text();
    let (from, to) = (time(before + 1), time(before + 1));
    let (teams, scoped) = (house.teams, house.scoped.id);
    for (query, types) in [
        (format!("token={scoped}&from={from}"), vec!["TokenUsed", "TokenUseRefused"]),
        (format!("token={scoped}&to={to}"), vec!["TokenCreated"]),
        (format!("account={teams}&outcome=missing_scope"), vec!["TokenUseRefused"]),
        (format!("account={teams}&outcome=wrong_kind"), vec!["ManagementRefused"]),
        (format!("account={}&from={from}", house.solo), vec![]),
        ("outcome=not_found".to_owned(), vec!["TokenUsed"]),
        (format!("resource=example.com&from={from}"), vec!["TokenUsed"]),
        (format!("resource=EXAMPLE.ORG&from={from}"), vec!["TokenUseRefused"]),
        ("resource=xn--bcher-kva.example".to_owned(), vec!["ResourceAdded", "ResourceAdded"]),
        ("resource=b%C3%BCcher.example".to_owned(), vec!["ResourceAdded", "ResourceAdded"]),
        ("type=PlanChanged".to_owned(), vec![]),
        ("type=RecordingStarted".to_owned(), vec!["RecordingStarted"]),
        (format!("type=TokenUsed&token={scoped}&account={teams}&outcome=ok&resource=example.com"), vec!["TokenUsed"]),
    ] {
        let body = house.look(format!("/v1/events?{query}")).await.expect(200).json();
        let seen: Vec<&str> =
            body["data"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
        let seen: Vec<&str> = seen.into_iter().filter(|name| *name != "TextSeen").collect();
        assert_eq!(seen, types, "{query}");
    }
    for query in [
        "after=x",
        "after=-1",
        "limit=x",
        "order=up",
        "type=tokenUsed",
        "from=yesterday",
        "after=+1",
        "colour=red",
        "limit=1&limit=2",
        "outcome=missing_scop",
    ] {
        house.look(format!("/v1/events?{query}")).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_has_its_own_page() {
    let house = House::new().await;
    let last = house.look("/v1/events?order=desc&limit=1").await.data()[0].clone();
    assert_eq!(house.look(format!("/v1/events/{}", last["position"])).await.expect(200).data(), last);
    assert_eq!(
        house.look(format!("/v1/events/{}", house.head() + 1)).await.expect(404).json()["type"],
        "/problems/not-found"
    );
    house.look("/v1/events/0").await.expect(400);
    house.look("/v1/events/18446744073709551615").await.expect(404);
}

/// RFC 6962 section 2.1, as it is written there.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    if let [leaf] = leaves {
        return *leaf;
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    Sha256::new().chain_update([1]).chain_update(root(left)).chain_update(root(right)).finalize().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_and_root_are_those_of_the_stored_bytes() {
    let house = House::new().await;
    for _ in 0..300 {
        house.ledger_use().await;
    }
    let body = house.look("/v1/events?limit=1000").await.expect(200).json();
    let head = body["head"]["position"].as_u64().unwrap();
    assert!(head > 256, "more than one tile");
    let records = house
        .ledger
        .read_log(move |log: &LogReader| {
            (1..=head)
                .map(|position| log.record(token_ledger::domain::ids::Position(position)))
                .collect::<Result<Vec<_>, _>>()
        })
        .await
        .unwrap();
    let leaves: Vec<[u8; 32]> = records
        .into_iter()
        .map(|record| Sha256::new().chain_update([0]).chain_update(record.unwrap()).finalize().into())
        .collect();
    let told: Vec<Value> = body["data"].as_array().unwrap().iter().map(|event| event["leaf_hash"].clone()).collect();
    let wanted: Vec<Value> = leaves.iter().map(|leaf| json!(STANDARD.encode(leaf))).collect();
    assert_eq!(told, wanted);
    assert_eq!(body["head"]["root_hash"], STANDARD.encode(root(&leaves)));
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_numbers_have_no_gaps() {
    let house = House::new().await;
    for token in [&house.full, &house.scoped, &house.adas, &house.graces] {
        for path in ["/v2/whoami".to_owned(), format!("/v2/{}/zones", house.teams), format!("/v2/{}/zones", house.solo)]
        {
            house.get(&token.text, path).await;
        }
    }
    for (query, number) in [
        (format!("account={}", house.teams), "account_number"),
        (format!("account={}", house.solo), "account_number"),
        (format!("account={}&token={}", house.teams, house.scoped.id), "token_number"),
        (format!("account={}&token={}", house.teams, house.adas.id), "token_number"),
        (format!("account={}&token={}", house.solo, house.adas.id), "token_number"),
    ] {
        let events = house.look(format!("/v1/events?limit=1000&{query}")).await.data();
        let numbers: Vec<u64> =
            events.as_array().unwrap().iter().map(|event| event[number].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{query}");
        assert!(!numbers.is_empty(), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_ended_by_the_scan_budget_is_empty_and_names_the_next() {
    const BUDGET: u64 = token_ledger::audit::history::SCAN_BUDGET;
    let house = House::new().await;
    house.fill_to(BUDGET + 10).await;
    let body = house.look("/v1/events?outcome=not_found").await.expect(200).json();
    assert_eq!((&body["data"], &body["next"]), (&json!([]), &json!(BUDGET)));
    let body = house.look(format!("/v1/events?outcome=not_found&after={BUDGET}")).await.expect(200).json();
    assert_eq!((&body["data"], &body["next"]), (&json!([]), &Value::Null));
    let body = house.look("/v1/events?outcome=not_found&order=desc").await.expect(200).json();
    let next = body["next"].as_u64().unwrap();
    assert_eq!((&body["data"], next), (&json!([]), house.head() - BUDGET + 1));
    let body = house.look(format!("/v1/events?outcome=not_found&order=desc&before={next}")).await.expect(200).json();
    assert_eq!(body["next"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_any_kind_may_know_itself_without_a_record() {
    let house = House::new().await;
    let head = house.head();
    let own = async |token: &str| house.get(token, "/v1/self").await.expect(200).data();
    let account = own(&house.scoped.text).await;
    assert_eq!(
        (&account["kind"], &account["id"], &account["account_id"]),
        (&json!("account"), &json!(house.scoped.id), &json!(house.teams))
    );
    assert_eq!(account["access"]["grants"][0]["level"], "read_only");
    assert_eq!((&account["limits"]["remaining"], &account["hint"]), (&json!(2_400), &json!(&house.scoped.text[50..])));
    assert_eq!(own(&house.full.text).await["access"], "full");
    let user = own(&house.adas.text).await;
    assert_eq!((&user["kind"], &user["user_id"], &user["access"]), (&json!("user"), &json!(house.ada), &Value::Null));
    let accounts: Vec<&Value> =
        user["accounts"].as_array().unwrap().iter().map(|account| &account["account_id"]).collect();
    assert_eq!(accounts, [&json!(house.teams), &json!(house.solo)]);
    for (token, kind) in
        [(&house.operator, "operator"), (&house.auditor.text, "auditor"), (&house.gateway.text, "gateway")]
    {
        assert_eq!(own(token).await["kind"], kind);
    }
    let rotated = own(&house.rotated.text).await;
    assert_eq!(rotated["secret_number"], 2);
    assert_eq!(house.head(), head);
}
