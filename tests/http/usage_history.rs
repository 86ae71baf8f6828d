//! Usage of the past over the wire: closed windows, and uses and refusals by clock hour.

use crate::house::House;
use serde_json::{Value, json};

/// Asks so many times; the answer must always be the same.
async fn use_it(house: &House, token: &str, path: &str, times: u64, status: u16) {
    for _ in 0..times {
        house.get(token, path).await.expect(status);
    }
}

async fn rows(house: &House, path: &str) -> (Vec<Value>, Value) {
    let told = house.look(path).await.expect(200).json();
    (told["data"].as_array().unwrap().clone(), told["next"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_ended_are_listed_and_the_open_one_beside_them() {
    let house = House::new().await;
    let path = format!("/v1/accounts/{}/usage/history", house.teams);
    assert_eq!(house.look(&path).await.expect(200).json(), json!({ "data": [], "current": null, "next": null }));

    house.patch(format!("/v1/accounts/{}", house.teams), json!({ "hourly_limit": 3 })).await.expect(200);
    use_it(&house, &house.full.text, "/v2/whoami", 3, 200).await;
    use_it(&house, &house.scoped.text, "/v2/whoami", 2, 429).await;
    let current = house.look(&path).await.expect(200).json()["current"].clone();
    assert_eq!((&current["used"], &current["remaining"], &current["refused"]), (&json!(3), &json!(0), &json!(1)));
    assert_eq!(current["window_opened_at"], "2026-03-01T12:02:00Z");

    // Its time is over: it is closed, though nothing else has opened yet. What was only counted is recorded with the
    // next batch.
    house.advance(3_600);
    house.patch(format!("/v1/accounts/{}", house.solo), json!({ "hourly_limit": 5 })).await.expect(200);
    let told = house.look(&path).await.expect(200).json();
    let first = json!({ "opened_at": "2026-03-01T12:02:00Z", "closed_at": "2026-03-01T13:02:00Z",
        "limit": 3, "used": 3, "refused": 2 });
    assert_eq!(told, json!({ "data": [first], "current": null, "next": null }));

    // Another opens, and a raised limit acts in it at once.
    use_it(&house, &house.full.text, "/v2/whoami", 1, 200).await;
    house.patch(format!("/v1/accounts/{}", house.teams), json!({ "hourly_limit": 9 })).await.expect(200);
    house.advance(7_200);
    use_it(&house, &house.full.text, "/v2/whoami", 2, 200).await;
    let second = json!({ "opened_at": "2026-03-01T13:02:00Z", "closed_at": "2026-03-01T14:02:00Z",
        "limit": 9, "used": 1, "refused": 0 });
    let told = house.look(&path).await.expect(200).json();
    assert_eq!(told["data"], json!([first, second]));
    assert_eq!(told["current"]["used"], 2);

    // The same once the rows are in their tables, and page by page.
    house.ledger.move_history().await;
    assert_eq!(house.look(&path).await.expect(200).json(), told);
    let (page, next) = rows(&house, &format!("{path}?limit=1")).await;
    assert_eq!(page, [first]);
    let (page, next) = rows(&house, &format!("{path}?limit=1&from={}", next.as_str().unwrap())).await;
    assert_eq!((page.as_slice(), next), (&[second.clone()][..], Value::Null));
    let (page, _) = rows(&house, &format!("{path}?from=2026-03-01T12:02:01Z&to=2026-03-01T13:02:00Z")).await;
    assert_eq!(page, Vec::<Value>::new(), "from inclusive, to exclusive");
    let (page, _) = rows(&house, &format!("{path}?from=2026-03-01T13:02:00Z&to=2026-03-01T13:02:01Z")).await;
    assert_eq!(page, [second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tokens_uses_and_refusals_are_listed_by_hour() {
    let house = House::new().await;
    let path = format!("{}/usage", house.scoped.path);
    assert_eq!(rows(&house, &path).await, (vec![], Value::Null));
    let zone = |name: &str| format!("/v2/{}/zones/{name}", house.teams);
    use_it(&house, &house.scoped.text, &zone("example.com"), 2, 200).await;
    use_it(&house, &house.scoped.text, &zone("example.org"), 3, 403).await;
    use_it(&house, &house.scoped.text, "/v2/whoami", 1, 200).await;
    house.ledger.move_history().await;
    // Some of the hour in the tables, some not yet; and an hour without any in between.
    use_it(&house, &house.scoped.text, &zone("example.com"), 1, 200).await;
    use_it(&house, &house.scoped.text, "/v1/accounts", 1, 403).await;
    house.advance(2 * 3_600);
    use_it(&house, &house.scoped.text, &zone("example.org"), 1, 403).await;
    let hour = |hour: u8, uses: u64, group: Value, refused: Value| {
        json!({ "hour": format!("2026-03-01T{hour}:00:00Z"), "account_id": house.teams, "uses": uses,
            "last_group": group, "refused": refused })
    };
    let first = hour(12, 4, json!("zones"), json!({ "missing_scope": 3, "wrong_kind": 1 }));
    let second = hour(14, 0, Value::Null, json!({ "missing_scope": 1 }));
    for _ in 0..2 {
        assert_eq!(rows(&house, &path).await, (vec![first.clone(), second.clone()], Value::Null));
        let (page, next) = rows(&house, &format!("{path}?limit=1")).await;
        assert_eq!(page, std::slice::from_ref(&first));
        let (page, next) = rows(&house, &format!("{path}?limit=1&from={}", next.as_str().unwrap())).await;
        assert_eq!((page, next), (vec![second.clone()], Value::Null));
        let (page, _) = rows(&house, &format!("{path}?from=2026-03-01T12:00:01Z&to=2026-03-01T14:00:00Z")).await;
        assert_eq!(page, Vec::<Value>::new(), "hours that begin within the time");
        house.ledger.move_history().await;
    }
    // What a token did is not deleted with it.
    house.delete(&house.scoped.path).await.expect(204);
    assert_eq!(rows(&house, &path).await.0.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_token_has_a_row_for_each_account_and_one_for_none() {
    let house = House::new().await;
    for account in [house.teams, house.solo] {
        use_it(&house, &house.adas.text, &format!("/v2/{account}/zones"), 1, 200).await;
    }
    use_it(&house, &house.adas.text, "/v2/accounts", 2, 200).await;
    let (rows, next) = rows(&house, &format!("{}/usage?limit=1", house.adas.path)).await;
    let told: Vec<_> = rows.iter().map(|row| (row["account_id"].as_u64(), row["uses"].as_u64().unwrap())).collect();
    assert_eq!(told, [(None, 2), (Some(house.teams), 1), (Some(house.solo), 1)], "an hour is never cut");
    assert_eq!(next, Value::Null);
    // It is a user's token and no account's.
    house.look(format!("/v1/accounts/{}/tokens/{}/usage", house.teams, house.adas.id)).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_makes_no_sense_is_400() {
    let house = House::new().await;
    let path = format!("/v1/accounts/{}/usage/history", house.teams);
    for query in ["limit=0", "limit=x", "from=yesterday", "to=1", "page=2", "limit=1&limit=2"] {
        house.look(format!("{path}?{query}")).await.expect(400);
    }
}
