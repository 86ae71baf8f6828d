//! Reads as of the past: what the service showed then is what it shows as of then, however much has changed since.

use crate::house::{House, START, grants};
use crate::wire::Ask;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use token_ledger::domain::time::Timestamp;

/// Every read of the house's furniture.
fn reads(house: &House) -> Vec<String> {
    let mut reads: Vec<String> =
        ["users", "accounts", "staff-tokens", "gateway-tokens"].map(|list| format!("/v1/{list}")).to_vec();
    for account in [house.teams, house.solo, house.enterprise] {
        reads.push(format!("/v1/accounts/{account}"));
        reads.extend(["members", "resources", "tokens", "usage"].map(|of| format!("/v1/accounts/{account}/{of}")));
        reads.push(format!("/v1/accounts/{account}/tokens?page=2&per_page=2"));
    }
    for user in [house.ada, house.grace, house.linus] {
        reads.push(format!("/v1/users/{user}"));
        reads.push(format!("/v1/users/{user}/tokens"));
    }
    let tokens = [
        &house.full,
        &house.scoped,
        &house.solo_full,
        &house.corporate,
        &house.adas,
        &house.graces,
        &house.gateway,
        &house.deleted,
        &house.expired,
        &house.rotated,
    ];
    reads.extend(tokens.map(|token| token.path.clone()));
    reads
}

type Shown = BTreeMap<String, (u16, Value)>;

/// What all reads show now; the position and time of it.
async fn remember(house: &House) -> (u64, Timestamp, Shown) {
    let mut shown = Shown::new();
    for path in reads(house) {
        let told = house.look(&path).await;
        shown.insert(path, (told.status, told.json()));
    }
    (house.head(), house.clock.now(), shown)
}

fn as_of(path: &str, parameter: &str) -> String {
    format!("{path}{}{parameter}", if path.contains('?') { '&' } else { '?' })
}

/// Holds what is shown as of a point against what was shown then.
async fn compare(house: &House, position: u64, point: &str, shown: &Shown) {
    for (path, (status, body)) in shown {
        let told = house.look(as_of(path, point)).await;
        let mut now = told.json();
        assert_eq!(told.status, *status, "{path} as of {point}: {now}");
        if told.status == 200 {
            let basis = now.as_object_mut().unwrap().remove("as_of").unwrap();
            assert_eq!(basis["position"], position, "{path} as of {point}");
            assert_eq!(told.header("etag"), None, "{path}");
        }
        assert_eq!(now, *body, "{path} as of {point}");
    }
}

/// What happens in the house, step by step.
async fn happen(house: &House, step: usize) {
    let teams = format!("/v1/accounts/{}", house.teams);
    match step {
        0 => {
            house.get(&house.full.text, "/v2/whoami").await.expect(200);
            house.get(&house.scoped.text, format!("/v2/{}/zones/example.com", house.teams)).await.expect(200);
            let research = format!("/v2/{}/domains/research/status?domain=a.example", house.enterprise);
            house.get(&house.corporate.text, research).await.expect(200);
        }
        1 => {
            let access = grants(&[("zones", "full_access", json!("all"))]);
            house.patch(&house.scoped.path, json!({ "access": access, "name": "android" })).await.expect(200);
            house.patch(&teams, json!({ "hourly_limit": 7, "name": "Example Team" })).await.expect(200);
            house.delete(format!("{teams}/members/{}", house.grace)).await.expect(204);
        }
        2 => {
            house.delete(&house.full.path).await.expect(204);
            house.delete("/v1/accounts/1/resources/1").await.expect(204);
            house.get(&house.full.text, "/v2/whoami").await.expect(401);
            house.get(&house.adas.text, format!("/v2/{}/zones", house.solo)).await.expect(200);
            house.get(&house.adas.text, "/v2/whoami").await.expect(200);
        }
        3 => {
            house.put(format!("{teams}/members/{}", house.grace), json!({ "access": "full" })).await.expect(201);
            house.post(format!("{}/rotate", house.solo_full.path), json!({ "overlap_seconds": 60 })).await.expect(201);
            house.get(&house.solo_full.text, "/v2/whoami").await.expect(200);
            house.delete(&house.gateway.path).await.expect(204);
        }
        4 => {
            house.patch(&house.corporate.path, json!({ "expires_at": "2026-03-01T15:00:00Z" })).await.expect(200);
            house.put("/v1/accounts/3/features/domain_research", json!({ "monthly_cap": 9 })).await.expect(200);
            house.user("Edsger Example", "edsger@example.com").await;
            house.account("Another", "solo").await;
        }
        _ => {
            house.get(&house.scoped.text, format!("/v2/{}/zones/example.net", house.teams)).await.expect(200);
            let research = format!("/v2/{}/domains/research/status?domain=b.example", house.enterprise);
            house.get(&house.corporate_zones.text, &research).await.expect(403);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_then_is_shown_as_of_then() {
    let mut house = House::new().await;
    let mut remembered = vec![remember(&house).await];
    for step in 0..6 {
        house.advance([30, 600, 3_000, 3_600, 20, 31 * 86_400][step]);
        happen(&house, step).await;
        remembered.push(remember(&house).await);
        // Later, with nothing recorded: windows and secrets end by themselves.
        house.advance(90);
        remembered.push(remember(&house).await);
    }
    assert!(remembered.windows(2).filter(|two| two[0].2 != two[1].2).count() > 6, "hardly anything changed");
    house.advance(10);
    for restarted in [false, true] {
        if restarted {
            // Once more with tables of what is closed.
            house.ledger.move_history().await;
            house.restart(false).await;
        }
        for (position, time, shown) in &remembered {
            compare(&house, *position, &format!("as_of={}", time.to_micros_text()), shown).await;
        }
    }
    // A position is judged at its own time: those that were remembered at the moment of their last record.
    let own_time = remembered.iter().skip(1).step_by(2);
    for (position, _, shown) in own_time {
        compare(&house, *position, &format!("as_of_position={position}"), shown).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_as_of_the_past_names_position_time_and_root_and_lets_nobody_in_by_it() {
    let house = House::new().await;
    let position = house.head();
    house.advance(5);
    house.delete(&house.scoped.path).await.expect(204);
    house.delete(&house.auditor.path).await.expect(204);

    let head = house.head();
    let told = house.look(format!("{}?as_of_position={position}", house.scoped.path)).await.expect(200).json();
    let event = house.look(format!("/v1/events/{position}")).await.expect(200).data();
    assert_eq!(told["as_of"]["time"], event["recorded_at"]);
    assert_eq!((&told["as_of"]["position"], &told["as_of"]["head"]), (&json!(position), &json!(head)));
    let looks = house.recorded_after(head).await;
    let about = json!({ "question": "as_of", "token_id": house.scoped.id, "through": position });
    assert_eq!(looks[0]["data"]["asked"], about, "a look at the past is recorded");
    assert_eq!(told["data"]["name"], "robot");
    let root = told["as_of"]["root_hash"].as_str().unwrap();
    let changes = house.look("/v1/audit/changes?account=1").await.expect(200).json();
    assert_ne!(changes["as_of"]["root_hash"], root, "another position has another root");
    assert_eq!(root.len(), 44);

    // Who may read is judged now: the auditor of then is nobody now.
    house.get(&house.auditor.text, format!("/v1/users?as_of_position={position}")).await.expect(401);
    house.get(&house.full.text, format!("/v1/users?as_of_position={position}")).await.expect(403);
    house.ask(Ask::get(format!("/v1/users?as_of_position={position}"))).await.expect(401);
    // And what is not shown then is not there: the token before it was made.
    let before = house.look("/v1/accounts/1/tokens/2?as_of_position=3").await.expect(404);
    assert_eq!(before.json()["type"], "/problems/not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_that_is_none_is_refused_and_says_which_ones_there_are() {
    let house = House::new().await;
    let head = house.head();
    let path = format!("/v1/accounts/{}", house.teams);
    for (query, words) in [
        ("as_of=yesterday", "as_of must be a time"),
        ("as_of=7", "as_of must be a time"),
        ("as_of_position=x", "as_of_position must be a number"),
        ("as_of_position=-1", "as_of_position must be a number"),
        ("as_of_position=1&as_of=2026-03-01T12:00:00Z", "as_of or as_of_position"),
        ("as_of_position=1&as_of_position=2", "as_of or as_of_position"),
    ] {
        let told = house.look(format!("{path}?{query}")).await.expect(400);
        assert!(told.json()["detail"].as_str().unwrap().contains(words), "{query}: {}", told.text());
    }
    for query in
        ["as_of_position=0".to_owned(), format!("as_of_position={}", head + 1), format!("as_of_position={}", u64::MAX)]
    {
        let told = house.look(format!("{path}?{query}")).await.expect(422).json();
        assert_eq!(told["type"], "/problems/as-of-out-of-range", "{query}");
        assert_eq!((&told["earliest"], &told["latest"]), (&json!(1), &json!(head)), "{query}");
    }
    let (first, now) = (Timestamp::from_seconds(START), house.clock.now());
    for asked in [Timestamp(first.0 - 1), Timestamp(now.0 + 1), Timestamp(0)] {
        let told = house.look(format!("{path}?as_of={}", asked.to_micros_text())).await.expect(422).json();
        assert_eq!(told["type"], "/problems/as-of-out-of-range");
        assert_eq!(told["earliest"], first.to_micros_text());
        assert_eq!(told["latest"], now.to_micros_text());
    }
    house.look(format!("{path}?as_of={}", now.to_micros_text())).await.expect(200);
    // A token asks only what it is now.
    let own = house.get(&house.full.text, "/v1/self?as_of_position=1").await.expect(400);
    assert!(own.text().contains("is not a parameter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_name_is_erased_of_the_past_too() {
    let house = House::new().await;
    let position = house.head();
    let path = format!("/v1/users/{}?as_of_position={position}", house.grace);
    let before = house.look(&path).await.expect(200).data();
    assert_eq!(before["name"], "Grace Example");
    house.delete(format!("/v1/users/{}/personal-texts", house.grace)).await.expect(200);
    let after = house.look(&path).await.expect(200).data();
    assert_eq!((&after["name"], &after["email"]), (&Value::Null, &Value::Null));
    assert_eq!((&after["accounts"], &after["version"]), (&before["accounts"], &before["version"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_question_state_says_all_of_a_token_at_a_point() {
    let house = House::new().await;
    house.get(&house.scoped.text, format!("/v2/{}/zones/example.com", house.teams)).await.expect(200);
    let (position, used_at) = (house.head(), house.now());
    house.advance(600);
    house.patch(&house.scoped.path, json!({ "access": "full" })).await.expect(200);
    house.delete(&house.scoped.path).await.expect(204);

    let told =
        house.look(format!("/v1/audit/state?token={}&as_of={position}", house.scoped.id)).await.expect(200).json();
    assert_eq!((&told["question"], &told["as_of"]["position"]), (&json!("state"), &json!(position)));
    let rows = told["state"].as_array().unwrap();
    let member = |name: &str| rows.iter().find(|row| row["member"] == name).unwrap()["value"].clone();
    assert_eq!((member("state"), member("access"), member("plan")), (json!("live"), json!("granted"), json!("teams")));
    assert_eq!((member("last_used_position"), member("deleted_at")), (json!(position), Value::Null));
    let groups: Vec<&Value> = told["grants"].as_array().unwrap().iter().map(|row| &row["group"]).collect();
    assert_eq!(groups, ["certificates", "domains", "zones"]);
    assert_eq!(told["secrets"].as_array().unwrap().len(), 1);
    let window = &told["windows"][0];
    let reset = Timestamp::from_seconds(used_at + 3_600).to_micros_text();
    assert_eq!(
        (&window["used"], &window["remaining"], &window["resets_at"]),
        (&json!(1), &json!(2_399), &json!(reset))
    );

    // Now: deleted, but not forgotten.
    let told = house.look(format!("/v1/audit/state?token={}", house.scoped.id)).await.expect(200).json();
    let rows = told["state"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["member"] == "state" && row["value"] == "deleted"), "{rows:?}");
    // As CSV, a table at a time.
    let csv = house.look(format!("/v1/audit/state?account={}&format=csv&table=windows", house.teams)).await.expect(200);
    assert!(
        csv.text()
            .starts_with("account_id,user_id,limit,used,remaining,refused,opened_at,resets_at\r\n1,,2400,1,2399,0,")
    );
    let membership = format!("/v1/audit/state?account={}&user={}", house.teams, house.grace);
    assert_eq!(house.look(membership).await.expect(200).json()["grants"][0]["resources"], json!(["example.com"]));

    for (query, status) in
        [("", 400), ("token=1&user=1", 400), ("token=999", 404), ("account=1&user=3", 404), ("token=1&as_of=0", 422)]
    {
        house.look(format!("/v1/audit/state?{query}")).await.expect(status);
    }
}
