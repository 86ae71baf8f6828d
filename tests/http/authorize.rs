//! `POST /v1/authorize`: one call, one to a hundred questions about one token.

use crate::house::{House, Token, grants};
use crate::wire::{Ask, Told};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use token_ledger::domain::time::Timestamp;

async fn authorize(house: &House, gateway: &Token, body: &Value) -> Told {
    house.ask(Ask::new("POST", "/v1/authorize").bearer(&gateway.text).json(body)).await
}

/// The results of a call by the house's gateway.
async fn results(house: &House, body: Value) -> Vec<Value> {
    authorize(house, &house.gateway, &body).await.expect(200).data().as_array().unwrap().clone()
}

fn call(token: &Token, questions: &[Value]) -> Value {
    json!({ "token": token.text, "questions": questions })
}

fn by_path(method: &str, path: impl Into<String>) -> Value {
    json!({ "method": method, "path": path.into() })
}

fn by_scope(account: u64, scope: &str) -> Value {
    json!({ "account_id": account, "required_scope": scope })
}

fn codes(results: &[Value]) -> Vec<&str> {
    results.iter().map(|result| result["code"].as_str().unwrap()).collect()
}

/// A gateway token with these rights over these accounts.
async fn gateway(house: &House, rights: &[&str], accounts: &[u64]) -> Token {
    house.token("/v1/gateway-tokens", json!({ "name": "another", "rights": rights, "accounts": accounts })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_question_tells_every_fact_and_its_record_names_the_gateway_and_the_client() {
    let house = House::new().await;
    let mut body =
        call(&house.full, &[by_path("GET", format!("/v2/{}/zones/Example.com/records?page=2", house.teams))]);
    body["address"] = "2001:DB8::7".into();
    body["user_agent"] = "curl/8".into();
    let told = authorize(&house, &house.gateway, &body).await.expect(200);
    let position = told.number("x-ledger-position").unwrap();
    let expected = json!([{
        "allowed": true, "code": "VALID", "status": 200, "cause": null, "reason": null,
        "required_scope": "zones:example.com:read", "decision_id": position,
        "token_id": house.full.id, "account_id": house.teams, "user_id": null,
        "rate_limit": { "limit": 2400, "remaining": 2399, "reset": house.now() + 3_600 },
        "retry_after": null, "visible": null,
    }]);
    assert_eq!(told.data(), expected);
    let event = house.look(format!("/v1/events/{position}")).await.expect(200).data();
    let (data, route) = (&event["data"], &event["data"]["route"]);
    assert_eq!((&event["type"], &event["token_id"]), (&json!("TokenUsed"), &json!(house.full.id)));
    assert_eq!(event["credential"], house.full.id, "the token that the client showed");
    assert_eq!((&data["address"], &data["agent"]), (&json!("2001:db8::7"), &json!("curl/8")));
    assert_eq!((&route["gateway_token_id"], &route["gateway_secret"]), (&json!(house.gateway.id), &json!(1)));
    assert!(route["line"].as_u64().is_some_and(|line| line > 0), "{route}");
    assert_eq!(house.shown(&house.full).await["last_used_status"], "used");
    assert_eq!(house.shown(&house.gateway).await["last_used_status"], "used", "it asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_questions_are_answered_in_their_order_each_with_its_record_and_one_more_is_too_many() {
    let house = House::new().await;
    let question = |index: u64| match index % 4 {
        0 => by_scope(house.teams, "zones:example.com:read"),
        1 => by_scope(house.teams, "zones:example.org:read"),
        2 => by_path("GET", "/v2/whoami"),
        _ => by_path("GET", "/nothing"),
    };
    let questions: Vec<Value> = (0..100).map(question).collect();
    let head = house.head();
    let results = results(&house, call(&house.scoped, &questions)).await;
    let wanted = ["VALID", "INSUFFICIENT_PERMISSIONS", "VALID", "UNDECIDABLE"];
    assert_eq!(codes(&results), wanted.repeat(25));
    assert_eq!(results[1]["required_scope"], "zones:example.org:read");
    assert_eq!((&results[1]["cause"], &results[1]["status"]), (&json!("missing_scope"), &json!(403)));
    assert_eq!((&results[3]["decision_id"], &results[3]["status"]), (&Value::Null, &json!(403)));
    assert!(results[3]["reason"].as_str().unwrap().contains("no route"));
    let told: Vec<u64> = results.iter().filter_map(|result| result["decision_id"].as_u64()).collect();
    let events = house.events_after(head).await;
    let recorded: Vec<u64> = events.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(told, recorded);
    assert_eq!(recorded.len(), 75);
    assert_eq!(house.remaining(house.teams).await, 2_400 - 50);

    let one_more: Vec<Value> = (0..101).map(question).collect();
    let head = house.head();
    let problem = authorize(&house, &house.gateway, &call(&house.scoped, &one_more)).await.expect(422).json();
    assert_eq!(problem["errors"], json!({ "questions": ["must have 1 to 100 items"] }));
    authorize(&house, &house.gateway, &call(&house.scoped, &[])).await.expect(422);
    assert_eq!(house.head(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_limit_passes_within_a_call_and_across_calls() {
    let house = House::new().await;
    house.patch(format!("/v1/accounts/{}", house.teams), json!({ "hourly_limit": 130 })).await.expect(200);
    let questions = vec![by_scope(house.teams, "zones:example.com:read"); 100];
    let first = results(&house, call(&house.full, &questions)).await;
    assert_eq!(codes(&first), ["VALID"; 100]);
    assert_eq!(first[99]["rate_limit"]["remaining"], 30);
    let head = house.head();
    let second = results(&house, call(&house.scoped, &questions)).await;
    assert_eq!(codes(&second), [vec!["VALID"; 30], vec!["RATE_LIMITED"; 70]].concat());
    let (over, after) = (&second[30], &second[31]);
    assert_eq!((&over["status"], &over["rate_limit"]["remaining"]), (&json!(429), &json!(0)));
    assert_eq!(over["retry_after"], 3_600);
    assert!(over["decision_id"].is_u64(), "the first of a window");
    assert_eq!(after["decision_id"], Value::Null, "the others are totalled");
    assert_eq!(house.events_after(head).await.len(), 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_answers_the_same_and_leaves_and_draws_nothing() {
    let house = House::new().await;
    house.patch(format!("/v1/accounts/{}", house.teams), json!({ "hourly_limit": 2 })).await.expect(200);
    let questions = [
        by_scope(house.teams, "zones:example.com:read"),
        by_scope(house.teams, "zones:never-seen.example:read"),
        by_path("GET", "/v2/whoami"),
        json!({ "account_id": house.teams, "group": "zones", "candidates": ["example.com", "example.org"] }),
        by_path("GET", "/nothing"),
    ];
    let head = house.head();
    let mut body = call(&house.scoped, &questions);
    body["dry_run"] = true.into();
    body["address"] = "192.0.2.200".into();
    for _ in 0..2 {
        let told = results(&house, body.clone()).await;
        assert_eq!(codes(&told), ["VALID", "INSUFFICIENT_PERMISSIONS", "VALID", "VALID", "UNDECIDABLE"]);
        assert!(told.iter().all(|result| result["decision_id"].is_null()));
        assert_eq!((&told[3]["visible"], &told[3]["rate_limit"]["remaining"]), (&json!(["example.com"]), &json!(2)));
    }
    let dead = json!({ "token": house.deleted.text, "dry_run": true, "questions": questions });
    assert_eq!(codes(&results(&house, dead).await), ["DISABLED"; 5]);
    assert_eq!(house.head(), head, "no use, no refusal, no text");
    assert_eq!(house.remaining(house.teams).await, 2);
    let wet = results(&house, call(&house.scoped, &questions)).await;
    assert_eq!(codes(&wet), ["VALID", "INSUFFICIENT_PERMISSIONS", "VALID", "RATE_LIMITED", "UNDECIDABLE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_filtered_as_the_services_own_are() {
    let house = House::new().await;
    let candidates = json!(["Example.NET.", "example.org", "example.com", "not a name", "example.net"]);
    let list = |group: &str, verb: &str| json!({ "account_id": house.teams, "group": group, "verb": verb, "candidates": candidates });
    let head = house.head();
    let told = results(&house, call(&house.scoped, &[list("zones", "read")])).await;
    assert_eq!(told[0]["visible"], json!(["Example.NET.", "example.com", "example.net"]), "as sent, in their order");
    assert_eq!(told[0]["required_scope"], "zones:*:read");
    let events = house.events_after(head).await;
    assert_eq!(events.len(), 1, "one use, however many names");
    assert_eq!((&events[0]["type"], &events[0]["data"]["scope"]), (&json!("TokenUsed"), &json!("zones:*:read")));
    let told = results(&house, call(&house.full, &[list("zones", "write")])).await;
    assert_eq!(told[0]["visible"], candidates, "full access sees all that is asked about");
    let told = results(&house, call(&house.scoped, &[list("zones", "write"), list("billing", "read")])).await;
    assert_eq!(codes(&told), ["INSUFFICIENT_PERMISSIONS"; 2]);
    assert_eq!((&told[1]["required_scope"], &told[1]["visible"]), (&json!("billing:*:read"), &Value::Null));
    let none = house
        .account_token(house.teams, json!({ "name": "n", "access": grants(&[("zones", "read_only", json!([]))]) }))
        .await;
    assert_eq!(results(&house, call(&none, &[list("zones", "read")])).await[0]["visible"], json!([]));
    let names: Vec<String> = (0..1_000).map(|index| format!("name-{index}.example")).collect();
    let many = json!({ "account_id": house.teams, "group": "zones", "candidates": names });
    assert_eq!(results(&house, call(&house.full, &[many])).await[0]["visible"].as_array().unwrap().len(), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_out_of_reach_is_as_unknown_as_one_that_never_was_and_leaves_nothing() {
    let house = House::new().await;
    let head = house.head();
    let questions = [by_path("GET", "/v2/whoami"), by_scope(house.teams, "zones:*:read"), by_path("GET", "/nothing")];
    let strangers = [&house.solo_full, &house.corporate, &house.linus_own, &house.auditor, &house.gateway];
    let texts = strangers.map(|token| token.text.as_str());
    for text in texts.into_iter().chain([&*house.operator, &*house.unknown, "tlka_malformed", "", "two words"]) {
        let told = results(&house, json!({ "token": text, "questions": questions })).await;
        assert_eq!(codes(&told), ["NOT_FOUND"; 3], "{text}");
        assert!(told.iter().all(|result| result["token_id"].is_null() && result["status"] == 401));
    }
    // Ada is a member of teams, which the gateway names, and of solo, which it does not.
    let told = results(&house, call(&house.adas, &[by_scope(house.solo, "zones:solo.example:read")])).await;
    assert_eq!(codes(&told), ["NOT_FOUND"]);
    assert_eq!(house.head(), head);
    let asked = [
        by_scope(house.teams, "zones:example.com:write"),
        by_path("GET", "/v2/whoami"),
        by_scope(house.enterprise, "zones:corporate.example:read"),
    ];
    let told = results(&house, call(&house.adas, &asked)).await;
    assert_eq!(codes(&told), ["VALID", "VALID", "NOT_FOUND"]);
    assert_eq!((&told[0]["user_id"], &told[0]["account_id"]), (&json!(house.ada), &json!(house.teams)));
    // An account's token asked about another account is refused in its own stream.
    let told = results(&house, call(&house.full, &[by_scope(house.enterprise, "zones:*:read")])).await;
    assert_eq!((codes(&told), &told[0]["status"]), (vec!["FORBIDDEN"], &json!(404)));
    let accounts: BTreeSet<u64> =
        house.events_after(head).await.iter().map(|event| event["account_id"].as_u64().unwrap_or(0)).collect();
    assert_eq!(accounts, BTreeSet::from([0, house.teams]), "nothing in the stream of an account that is not named");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_tokens_are_refused_as_such_and_recorded() {
    let house = House::new().await;
    let mut turned = house.rotated.clone();
    turned.text.clone_from(&house.rotated_out);
    for (token, code, cause) in [
        (&house.deleted, "DISABLED", "token_deleted"),
        (&house.expired, "EXPIRED", "token_expired"),
        (&turned, "EXPIRED", "secret_ended"),
    ] {
        let head = house.head();
        let told = results(&house, call(token, &[by_path("GET", "/v2/whoami"), by_path("GET", "/nothing")])).await;
        assert_eq!((codes(&told), &told[0]["cause"]), (vec![code; 2], &json!(cause)));
        assert_eq!((&told[0]["status"], &told[0]["rate_limit"]), (&json!(401), &Value::Null));
        let events = house.events_after(head).await;
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|event| event["type"] == "TokenUseRefused" && event["data"]["cause"] == cause));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_is_needed_for_its_own_and_no_other_token_will_do() {
    let house = House::new().await;
    let authorize = json!({ "token": house.full.text, "questions": [by_path("GET", "/v2/whoami")] });
    let digest = json!({ "hashed_token": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" });
    let form = [("token", &*house.unknown)];
    let rows = [
        ("authorize", Ask::new("POST", "/v1/authorize").json(&authorize), 200, "authorize"),
        ("introspect", Ask::new("POST", "/oauth/introspect").form(&form), 200, "introspect"),
        ("introspect", Ask::new("POST", "/v1/tokens/lookup").json(&digest), 404, "read_tokens"),
        ("revoke", Ask::new("POST", "/oauth/revoke").form(&form), 200, "delete_token"),
    ];
    for right in ["introspect", "authorize", "report", "revoke"] {
        let gateway = gateway(&house, &[right], &[house.teams]).await;
        for (needed, ask, status, operation) in &rows {
            let head = house.head();
            let ask = ask.clone().bearer(&gateway.text);
            if right == *needed {
                house.ask(ask).await.expect(*status);
                continue;
            }
            let told = house.ask(ask).await.expect(403);
            assert_eq!(told.number("x-decision-id"), Some(house.head()));
            let problem = told.json();
            assert_eq!(problem["decision_id"], house.head());
            assert_eq!((&problem["cause"], &problem["required_right"]), (&json!("missing_right"), &json!(needed)));
            let events = house.events_after(head).await;
            assert_eq!((events.len(), &events[0]["type"]), (1, &json!("ManagementRefused")));
            let data = &events[0]["data"];
            assert_eq!((&data["operation"], &data["cause"]), (&json!(operation), &json!("missing_right")));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_comes_before_what_is_asked_and_faults_are_named() {
    let house = House::new().await;
    let garbage =
        |token: &str| Ask::new("POST", "/v1/authorize").bearer(token).header("Content-Type", "text/plain").bytes("{");
    house.ask(garbage(&house.unknown)).await.expect(401);
    house.ask(garbage(&house.full.text)).await.expect(403);
    house.ask(garbage(&house.gateway.text)).await.expect(415);
    let head = house.head();
    let question = |question: Value| json!({ "token": house.full.text, "questions": [question] });
    let group = "questions[0].group";
    let rows = [
        (json!({}), vec!["questions", "token"]),
        (
            json!({ "token": 1, "questions": {}, "address": "here", "dry_run": "no", "more": 1 }),
            vec!["address", "dry_run", "more", "questions", "token"],
        ),
        (question(json!("whoami")), vec!["questions[0]"]),
        (question(json!({ "method": "GET" })), vec!["questions[0].path"]),
        (question(json!({ "method": "GET", "path": "/", "account_id": 1 })), vec!["questions[0].account_id"]),
        (question(json!({ "account_id": 0, "required_scope": "zones:*:read" })), vec!["questions[0].account_id"]),
        (question(json!({ "account_id": 1 })), vec!["questions[0].required_scope"]),
        (question(json!({ "account_id": 1, "candidates": [], "group": "nothing" })), vec![group]),
        (
            question(json!({ "account_id": 1, "candidates": [1], "verb": "delete" })),
            vec!["questions[0].candidates", group, "questions[0].verb"],
        ),
    ];
    for (body, wanted) in rows {
        let problem = authorize(&house, &house.gateway, &body).await.expect(422).json();
        let mut fields: Vec<&str> = problem["errors"].as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, wanted, "{body}");
    }
    for scope in
        ["zones", "zones:*", "zones:*:read:x", "nothing:*:read", "zones::read", "zones:a b:read", "zones:*:delete"]
    {
        let body = question(json!({ "account_id": house.teams, "required_scope": scope }));
        authorize(&house, &house.gateway, &body).await.expect(422);
    }
    let long = json!({ "token": "x".repeat(512 * 1024), "questions": [by_path("GET", "/v2/whoami")] });
    authorize(&house, &house.gateway, &long).await.expect(413);
    assert_eq!(house.head(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_is_judged_as_the_map_would() {
    let house = House::new().await;
    let scopes = ["zones:Example.com:read", "zones:listed:read", "zones:*:read", "zones:example.com:write"];
    let asked = scopes.map(|scope| by_scope(house.teams, scope));
    let told = results(&house, call(&house.scoped, &asked)).await;
    assert_eq!(codes(&told), ["VALID", "VALID", "INSUFFICIENT_PERMISSIONS", "INSUFFICIENT_PERMISSIONS"]);
    let scopes: Vec<&Value> = told.iter().map(|result| &result["required_scope"]).collect();
    assert_eq!(scopes, ["zones:example.com:read", "zones:*:read", "zones:*:read", "zones:example.com:write"]);
    let without = by_scope(house.teams, "domain_research:*:read");
    assert_eq!(results(&house, call(&house.full, &[without])).await[0]["cause"], "missing_feature");
    let gateway = gateway(&house, &["authorize"], &[house.enterprise]).await;
    let research = vec![by_scope(house.enterprise, "domain_research:*:read"); 4];
    let told = authorize(&house, &gateway, &call(&house.corporate, &research)).await.expect(200).data();
    let told = told.as_array().unwrap();
    assert_eq!(codes(told), ["VALID", "VALID", "VALID", "USAGE_EXCEEDED"], "capped at three a month");
    assert!(told[3]["retry_after"].as_u64().is_some_and(|seconds| seconds > 86_400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tokens_conditions_are_judged_by_the_client_that_the_gateway_tells_of() {
    let house = House::new().await;
    let later = Timestamp::from_seconds(house.now() + 600).to_seconds_text();
    let here = json!({ "name": "here", "access": "full", "allowed_addresses": ["192.0.2.0/24"] });
    let here = house.account_token(house.teams, here).await;
    let soon = house.account_token(house.teams, json!({ "name": "soon", "access": "full", "not_before": later })).await;
    let question = [by_path("GET", "/v2/whoami")];
    for (address, code, status) in [
        (Value::Null, "FORBIDDEN", 403),
        (json!("198.51.100.1"), "FORBIDDEN", 403),
        (json!("::ffff:192.0.2.9"), "VALID", 200),
    ] {
        let mut body = call(&here, &question);
        if !address.is_null() {
            body["address"] = address.clone();
        }
        let told = results(&house, body.clone()).await;
        assert_eq!((codes(&told), &told[0]["status"]), (vec![code], &json!(status)), "{address}");
        body["dry_run"] = true.into();
        assert_eq!(codes(&results(&house, body).await), [code]);
    }
    assert_eq!(codes(&results(&house, call(&soon, &question)).await), ["NOT_YET_VALID"]);
    // A gateway's own token is judged by where the gateway is.
    let elsewhere = json!({ "name": "e", "rights": ["authorize"], "accounts": [house.teams], "allowed_addresses": ["192.0.2.0/24"] });
    let elsewhere = house.token("/v1/gateway-tokens", elsewhere).await;
    authorize(&house, &elsewhere, &call(&here, &question)).await.expect(403);
}
