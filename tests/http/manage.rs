//! Management: every operation accepted once, with what it shows and records, and every kind of refusal by state.

use crate::house::{House, grants};
use crate::wire::{Ask, Told};
use serde_json::{Value, json};

/// The one event of an accepted change, which is the receipt.
async fn recorded(house: &House, head: u64, told: &Told) -> Value {
    let events = house.events_after(head).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(Some(events[0]["position"].as_u64().unwrap()), told.number("x-ledger-position"));
    events[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_accepted_shown_and_recorded() {
    let house = House::new().await;
    let (teams, linus) = (house.teams, house.linus);
    let account = format!("/v1/accounts/{teams}");
    let (member, research) = (format!("{account}/members/{linus}"), format!("{account}/features/domain_research"));
    let (rotate, user_rotate) = (format!("{}/rotate", house.full.path), format!("{}/rotate", house.adas.path));
    let gateway_rotate = format!("{}/rotate", house.gateway.path);
    let zone = house.resource(teams, json!({ "kind": "zone", "name": "spare.example" })).await;
    let staff = house.token("/v1/staff-tokens", json!({ "role": "operator", "name": "spare" })).await;
    let some = grants(&[("zones", "read_only", json!(["example.com"]))]);
    #[rustfmt::skip]
    let rows = [
        ("POST",   "/v1/users".into(),    json!({ "name": "New", "email": "new@example.com" }),     201, "UserCreated"),
        ("POST",   "/v1/accounts".into(), json!({ "name": "New", "email": "n@example.com", "plan": "solo", "hourly_limit": 5 }), 201, "AccountCreated"),
        ("PATCH",  account.clone(),       json!({ "name": "Renamed" }),                             200, "AccountRenamed"),
        ("PATCH",  account.clone(),       json!({ "plan": "enterprise" }),                          200, "PlanChanged"),
        ("PATCH",  account.clone(),       json!({ "hourly_limit": 100 }),                           200, "HourlyLimitChanged"),
        ("PUT",    research.clone(),      json!({ "monthly_cap": null }),                           200, "ResearchActivated"),
        ("PUT",    research.clone(),      json!({ "monthly_cap": 9 }),                              200, "ResearchActivated"),
        ("DELETE", research.clone(),      Value::Null,                                              204, "ResearchDeactivated"),
        ("PUT",    member.clone(),        json!({ "access": "full" }),                              201, "MemberAdded"),
        ("PUT",    member.clone(),        json!({ "access": some }),                                200, "MemberAccessChanged"),
        ("DELETE", member.clone(),        Value::Null,                                              204, "MemberRemoved"),
        ("POST",   format!("{account}/resources"), json!({ "kind": "domain", "name": "spare.example" }), 201, "ResourceAdded"),
        ("DELETE", format!("{account}/resources/{zone}"), Value::Null,                              204, "ResourceRemoved"),
        ("POST",   format!("{account}/tokens"), json!({ "name": "t", "access": some, "expires_at": "2027-01-01T00:00:00Z" }), 201, "TokenCreated"),
        ("PATCH",  house.full.path.clone(), json!({ "name": "renamed" }),                           200, "TokenRenamed"),
        ("PATCH",  house.full.path.clone(), json!({ "access": some }),                              200, "TokenAccessChanged"),
        ("PATCH",  house.full.path.clone(), json!({ "expires_at": "2027-01-01T00:00:00Z" }),        200, "TokenExpiryChanged"),
        ("POST",   rotate,                json!({ "overlap_seconds": 60 }),                         201, "TokenRotated"),
        ("DELETE", house.full.path.clone(), Value::Null,                                            204, "TokenDeleted"),
        ("POST",   format!("/v1/users/{linus}/tokens"), json!({ "name": "t" }),                     201, "TokenCreated"),
        ("PATCH",  house.adas.path.clone(), json!({ "name": "renamed" }),                           200, "TokenRenamed"),
        ("POST",   user_rotate,           Value::Null,                                              201, "TokenRotated"),
        ("DELETE", house.adas.path.clone(), Value::Null,                                            204, "TokenDeleted"),
        ("POST",   "/v1/staff-tokens".into(), json!({ "role": "auditor", "name": "t" }),            201, "TokenCreated"),
        ("DELETE", staff.path.clone(),    Value::Null,                                              204, "TokenDeleted"),
        ("POST",   "/v1/gateway-tokens".into(), json!({ "name": "g", "rights": ["report"], "accounts": [teams] }), 201, "TokenCreated"),
        ("PATCH",  house.gateway.path.clone(), json!({ "name": "renamed" }),                        200, "TokenRenamed"),
        ("PATCH",  house.gateway.path.clone(), json!({ "rights": ["authorize"] }),                  200, "GatewayRightsChanged"),
        ("PATCH",  house.gateway.path.clone(), json!({ "accounts": [teams, house.solo] }),          200, "GatewayRightsChanged"),
        ("PATCH",  house.gateway.path.clone(), json!({ "expires_at": "2027-01-01T00:00:00Z" }),     200, "TokenExpiryChanged"),
        ("POST",   gateway_rotate,        json!({ "overlap_seconds": 60 }),                         201, "TokenRotated"),
        ("DELETE", house.gateway.path.clone(), Value::Null,                                         204, "TokenDeleted"),
        ("POST",   format!("{account}/tokens/import"), json!({ "name": "old", "access": "full", "digest": "0f".repeat(32) }), 201, "TokenImported"),
    ];
    for (method, path, body, status, event) in rows {
        house.advance(1);
        let head = house.head();
        let ask = Ask::new(method, &path).bearer(&house.operator);
        let ask = if body.is_null() { ask } else { ask.json(&body) };
        let told = house.ask(ask).await;
        assert_eq!(told.status, status, "{method} {path}: {}", told.text());
        let recorded = recorded(&house, head, &told).await;
        assert_eq!(recorded["type"], event, "{method} {path}");
        let by = &recorded["data"]["by"];
        assert_eq!(
            (&by["authority"]["kind"], &by["secret"], &by["address"]),
            (&json!("operator"), &json!(1), &json!("127.0.0.1"))
        );
        assert_eq!((&recorded["principal"]["kind"], &recorded["credential"]), (&json!("staff"), &json!(1)));
        assert_eq!(recorded["request_id"].as_str(), told.header("x-request-id"));
    }
    let first = house.look("/v1/staff-tokens").await.data()[0].clone();
    assert_eq!((&first["last_used_status"], &first["created_by"]["kind"]), (&json!("used"), &json!("service")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_to_what_is_there_already_changes_nothing() {
    let house = House::new().await;
    let account = format!("/v1/accounts/{}", house.teams);
    let shown = house.shown(&house.scoped).await;
    let head = house.head();
    for (method, path, body) in [
        ("PATCH", account.clone(), json!({ "name": "Example Teams", "plan": "teams", "hourly_limit": 2_400 })),
        ("PATCH", account.clone(), json!({})),
        ("PUT", format!("{account}/members/{}", house.ada), json!({ "access": "full" })),
        (
            "PATCH",
            house.scoped.path.clone(),
            json!({ "name": shown["name"], "access": shown["access"], "expires_at": null }),
        ),
        ("PUT", format!("/v1/accounts/{}/features/domain_research", house.enterprise), json!({ "monthly_cap": 3 })),
    ] {
        let told = house.send(method, &path, body).await.expect(200);
        assert_eq!(told.header("x-ledger-position"), None, "{path}");
    }
    assert_eq!(house.head(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_one_thing_carries_its_version_and_lists_are_cut() {
    let house = House::new().await;
    let user = format!("/v1/users/{}", house.ada);
    let account = format!("/v1/accounts/{}", house.teams);
    for path in [&user, &account, &house.full.path, &house.adas.path] {
        let told = house.look(path).await.expect(200);
        assert_eq!(told.header("etag"), Some(format!("\"{}\"", told.data()["version"]).as_str()), "{path}");
    }
    for (path, total) in [
        ("/v1/users".to_owned(), 3),
        ("/v1/accounts".to_owned(), 3),
        ("/v1/staff-tokens".to_owned(), 2),
        ("/v1/gateway-tokens".to_owned(), 1),
        (format!("{account}/members"), 2),
        (format!("{account}/resources"), 9),
        (format!("{account}/tokens"), 4),
        (format!("{user}/tokens"), 1),
    ] {
        let all = house.look(format!("{path}?per_page=1000")).await.expect(200).json();
        assert_eq!(all["data"].as_array().unwrap().len(), total, "{path}");
        let pagination = json!({ "current_page": 1, "per_page": 100, "total_entries": total, "total_pages": 1 });
        assert_eq!(all["pagination"], pagination, "{path}");
        let last = house.look(format!("{path}?per_page=1&page={total}")).await.expect(200).json();
        assert_eq!(last["data"], json!([all["data"][total - 1]]), "{path}");
        let past = house.look(format!("{path}?page=99")).await.expect(200).json();
        assert_eq!(past["data"], json!([]), "{path}");
        for query in ["page=0", "per_page=x", "colour=red", "page=1&page=2"] {
            house.look(format!("{path}?{query}")).await.expect(400);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_refuses_a_stale_version_and_what_is_no_version() {
    let house = House::new().await;
    let ask =
        |method: &str, path: &str, tag: &str| Ask::new(method, path).bearer(&house.operator).header("If-Match", tag);
    for path in [house.full.path.clone(), house.adas.path.clone(), format!("/v1/accounts/{}", house.teams)] {
        let seen = house.look(&path).await.header("etag").unwrap().to_owned();
        let rename = |name: &str, tag: &str| ask("PATCH", &path, tag).json(&json!({ "name": name }));
        let told = house.ask(rename("one", &seen)).await.expect(200);
        let now = told.header("etag").unwrap().to_owned();
        assert_ne!(now, seen);
        let told = house.ask(rename("two", &seen)).await.expect(412);
        assert_eq!(told.json()["type"], "/problems/version-conflict");
        assert_eq!(format!("\"{}\"", told.json()["current_version"]), now);
        for garbage in ["", "1", "\"x\"", "W/\"1\"", "\"1\", \"2\"", "\"-1\"", "\"+1\"", "\"99999999999999999999\""] {
            house.ask(rename("three", garbage)).await.expect(400);
        }
        for (one, two) in [(&now, &seen), (&seen, &now)] {
            house.ask(rename("three", one).header("If-Match", two)).await.expect(400);
        }
        house.ask(rename("four", "*")).await.expect(200);
        house.ask(rename("five", "\"999\"")).await.expect(412);
    }
    for path in [&house.full.path, &house.adas.path, &house.auditor.path] {
        house.ask(ask("DELETE", path, "\"999\"")).await.expect(412);
        house.ask(ask("DELETE", path, "garbage")).await.expect(400);
    }
    for path in [&house.full.path, &house.adas.path] {
        house.ask(ask("POST", &format!("{path}/rotate"), "\"999\"")).await.expect(412);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_holds_for_memberships_and_features_too() {
    let house = House::new().await;
    let ask =
        |method: &str, path: &str, tag: &str| Ask::new(method, path).bearer(&house.operator).header("If-Match", tag);
    let member = format!("/v1/accounts/{}/members/{}", house.teams, house.grace);
    let feature = format!("/v1/accounts/{}/features/domain_research", house.teams);
    let bodies = |path: &str| {
        if *path == member { ["full", "none"].map(access_of) } else { [1, 2].map(|cap| json!({ "monthly_cap": cap })) }
    };
    for path in [&member, &feature] {
        let [one, other] = bodies(path);
        house.put(path, one.clone()).await;
        let seen = house.put(path, other.clone()).await.expect(200).header("etag").unwrap().to_owned();
        let now = house.ask(ask("PUT", path, &seen).json(&one)).await.expect(200).header("etag").unwrap().to_owned();
        assert_ne!(now, seen);
        let head = house.head();
        let told = house.ask(ask("PUT", path, &seen).json(&other)).await.expect(412);
        assert_eq!(format!("\"{}\"", told.json()["current_version"]), now);
        house.ask(ask("PUT", &format!("{path}?dry_run=true"), &seen).json(&other)).await.expect(412);
        house.ask(ask("DELETE", path, &seen)).await.expect(412);
        for method in ["PUT", "DELETE"] {
            house.ask(ask(method, path, "garbage").json(&other)).await.expect(400);
        }
        assert_eq!(house.head(), head);
        house.ask(ask("DELETE", path, &now)).await.expect(204);
    }
    // Somebody ended it meanwhile: a version of it brings it back no more than it changes it.
    house.ask(ask("PUT", &member, "\"1\"").json(&access_of("full"))).await.expect(404);
}

fn access_of(word: &str) -> Value {
    json!({ "access": if word == "full" { json!("full") } else { grants(&[]) } })
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_twice_is_204_then_404() {
    let house = House::new().await;
    let resource = house.look(format!("/v1/accounts/{}/resources", house.teams)).await.data()[0]["id"].clone();
    for path in [
        house.full.path.clone(),
        house.adas.path.clone(),
        house.auditor.path.clone(),
        format!("/v1/accounts/{}/members/{}", house.teams, house.grace),
        format!("/v1/accounts/{}/resources/{resource}", house.teams),
        format!("/v1/accounts/{}/features/domain_research", house.enterprise),
    ] {
        let told = house.delete(&path).await.expect(204);
        assert_eq!(told.header("content-type"), None);
        house.delete(&path).await.expect(404);
    }
    house.look(&house.full.path).await.expect(404);
    house.patch(&house.full.path, json!({ "name": "back" })).await.expect(404);
    house.post(format!("{}/rotate", house.full.path), json!({})).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_another_owner_is_not_there() {
    let house = House::new().await;
    let rows = [
        format!("/v1/accounts/{}/tokens/{}", house.solo, house.full.id),
        format!("/v1/accounts/{}/tokens/{}", house.teams, house.adas.id),
        format!("/v1/users/{}/tokens/{}", house.grace, house.adas.id),
        format!("/v1/users/{}/tokens/{}", house.ada, house.full.id),
    ];
    for path in rows {
        house.look(&path).await.expect(404);
        house.patch(&path, json!({ "name": "mine" })).await.expect(404);
        house.delete(&path).await.expect(404);
        house.post(format!("{path}/rotate"), json!({})).await.expect(404);
    }
    house.delete(format!("/v1/staff-tokens/{}", house.full.id)).await.expect(404);
    let resource = house.look(format!("/v1/accounts/{}/resources", house.teams)).await.data()[0]["id"].clone();
    house.delete(format!("/v1/accounts/{}/resources/{resource}", house.solo)).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn solo_has_no_grants_and_going_down_to_it_lists_what_stands_in_the_way() {
    let house = House::new().await;
    let zones = grants(&[("zones", "read_only", json!("all"))]);
    let refused = [
        ("POST", format!("/v1/accounts/{}/tokens", house.solo), json!({ "name": "n", "access": zones })),
        ("PATCH", house.solo_full.path.clone(), json!({ "access": zones })),
        ("PUT", format!("/v1/accounts/{}/members/{}", house.solo, house.linus), json!({ "access": zones })),
    ];
    for (method, path, body) in refused {
        let problem = house.send(method, &path, body).await.expect(412).json();
        assert_eq!((&problem["type"], &problem["required_plan"]), (&json!("/problems/plan-required"), &json!("teams")));
    }
    let account = format!("/v1/accounts/{}", house.teams);
    let problem = house.patch(&account, json!({ "plan": "solo", "name": "Smaller" })).await.expect(409).json();
    assert_eq!(problem["type"], "/problems/grants-exist");
    assert_eq!(problem["tokens"], json!([{ "id": house.scoped.id, "name": "robot" }]));
    assert_eq!(problem["members"], json!([{ "user_id": house.grace, "name": "Grace Example" }]));
    assert_eq!(house.look(&account).await.data()["name"], "Example Teams", "nothing of it was carried out");
    house.patch(&house.scoped.path, json!({ "access": "full" })).await.expect(200);
    house.delete(format!("{account}/members/{}", house.grace)).await.expect(204);
    house.patch(&account, json!({ "plan": "solo" })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_of_state_are_409() {
    let house = House::new().await;
    let resources = format!("/v1/accounts/{}/resources", house.teams);
    for name in ["example.com", "EXAMPLE.com.", "BÜCHER.example", "xn--bcher-kva.example"] {
        let problem = house.post(&resources, json!({ "kind": "zone", "name": name })).await.expect(409).json();
        assert_eq!(problem["type"], "/problems/resource-exists", "{name}");
        assert!(problem["resource_id"].is_u64());
    }
    let told = house.delete("/v1/staff-tokens/1").await.expect(409);
    assert_eq!(told.json()["type"], "/problems/last-operator");
    let second = house.token("/v1/staff-tokens", json!({ "role": "operator", "name": "second" })).await;
    let told = house.ask(Ask::new("DELETE", "/v1/staff-tokens/1").bearer(&second.text)).await.expect(204);
    assert!(told.header("x-ledger-position").is_some());
    house.look("/v1/users").await.expect(401);
    house.get(&second.text, "/v1/users").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_with_something_that_is_no_number_are_400() {
    let house = House::new().await;
    for path in [
        "/v1/accounts/x",
        "/v1/accounts/0",
        "/v1/users/-1",
        "/v1/users/1/tokens/1.0",
        "/v1/accounts/1/tokens/%31",
        "/v1/events/x",
    ] {
        let told = house.look(path).await.expect(400);
        assert_eq!(told.json()["type"], "/problems/malformed-request", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_keeps_identity_and_lets_the_old_secret_run_out() {
    let house = House::new().await;
    let told =
        house.post(format!("{}/rotate", house.full.path), json!({ "overlap_seconds": 60 })).await.expect(201).json();
    let new = told["token"].as_str().unwrap();
    assert_eq!(told["data"]["id"], house.full.id);
    assert_eq!(told["data"]["secrets"].as_array().unwrap().len(), 2);
    for text in [&house.full.text, new] {
        house.get(text, "/v2/whoami").await.expect(200);
    }
    let own = house.get(new, "/v1/self").await.expect(200).data();
    assert_eq!((&own["id"], &own["secret_number"]), (&json!(house.full.id), &json!(2)));
    house.advance(60);
    house.get(&house.full.text, "/v2/whoami").await.expect(401);
    house.get(new, "/v2/whoami").await.expect(200);
    assert_eq!(house.shown(&house.full).await["secrets"].as_array().unwrap().len(), 1);
    house.patch(&house.full.path, json!({ "expires_at": "2026-03-01T13:00:00Z" })).await.expect(200);
    house.advance(3_600);
    house.get(new, "/v2/whoami").await.expect(401);
    house.patch(&house.full.path, json!({ "expires_at": null })).await.expect(200);
    house.get(new, "/v2/whoami").await.expect(200);
}

/// Introspection and headers say `zones:*:read` and `zones:listed:read` of more than one resource.
#[tokio::test(flavor = "multi_thread")]
async fn no_resource_has_a_name_that_scopes_have_for_many() {
    let house = House::new().await;
    let head = house.head();
    for name in ["*", "listed", "Listed."] {
        let access = crate::house::grants(&[("zones", "read_only", json!([name]))]);
        let token = json!({ "name": "star", "access": access });
        for (path, body) in [("tokens", token), ("resources", json!({ "kind": "zone", "name": name }))] {
            let told = house.post(format!("/v1/accounts/{}/{path}", house.teams), body).await.expect(422);
            assert!(told.text().contains("scopes have for more than one resource"), "{}", told.text());
        }
    }
    assert!(house.events_after(head).await.is_empty(), "nothing was made");
}
