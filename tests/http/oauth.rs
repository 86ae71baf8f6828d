//! `POST /oauth/introspect` (RFC 7662), `POST /oauth/revoke` (RFC 7009) and `POST /v1/tokens/lookup`.

use crate::house::{House, Token};
use crate::wire::{Ask, Told};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use token_ledger::domain::time::Timestamp;

async fn form(house: &House, path: &str, pairs: &[(&str, &str)]) -> Told {
    house.ask(Ask::new("POST", path).bearer(&house.gateway.text).form(pairs)).await
}

async fn introspect(house: &House, text: &str) -> Told {
    let told = form(house, "/oauth/introspect", &[("token", text), ("token_type_hint", "refresh_token")]).await;
    assert_eq!(told.header("cache-control"), Some("no-store"));
    told
}

async fn revoke(house: &House, text: &str) -> Told {
    form(house, "/oauth/revoke", &[("token", text)]).await
}

async fn gateway(house: &House, right: &str, accounts: &[u64]) -> Token {
    house.token("/v1/gateway-tokens", json!({ "name": "another", "rights": [right], "accounts": accounts })).await
}

fn hashed(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_token_says_what_it_is_and_looking_leaves_nothing() {
    let house = House::new().await;
    let end = Timestamp::from_seconds(house.now() + 900).to_seconds_text();
    house.patch(&house.scoped.path, json!({ "expires_at": end })).await.expect(200);
    let made =
        house.shown(&house.scoped).await["created_at"].as_str().map(|at| Timestamp::parse(at).unwrap().seconds());
    let (head, remaining) = (house.head(), house.remaining(house.teams).await);
    let told = introspect(&house, &house.scoped.text).await.expect(200).json();
    assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("Bearer")));
    let mut scopes: Vec<&str> = told["scope"].as_str().unwrap().split(' ').collect();
    scopes.sort_unstable();
    assert_eq!(
        scopes,
        [
            "certificates:example.com:read",
            "domains:example.com:write",
            "zones:example.com:read",
            "zones:example.net:read"
        ]
    );
    assert_eq!((told["iat"].as_u64(), told["nbf"].as_u64()), (made, made));
    assert_eq!(told["exp"], house.now() + 900);
    assert_eq!((&told["sub"], &told["kind"]), (&json!(format!("account:{}", house.teams)), &json!("account")));
    assert_eq!((&told["token_id"], &told["account_id"]), (&json!(house.scoped.id), &json!(house.teams)));
    assert_eq!((&told["jti"], &told["iss"]), (&json!(format!("{}.1", house.scoped.id)), &json!("ledger.test/http")));
    assert_eq!(told["ledger_position"], head);
    assert_eq!(introspect(&house, &house.full.text).await.json()["scope"], "full");
    assert_eq!((house.head(), house.remaining(house.teams).await), (head, remaining));
    assert_eq!(house.shown(&house.scoped).await["last_used_status"], "never");
    // A secret on its way out ends before its token does.
    house.post(format!("{}/rotate", house.scoped.path), json!({ "overlap_seconds": 60 })).await.expect(201);
    assert_eq!(introspect(&house, &house.scoped.text).await.json()["exp"], house.now() + 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_token_tells_of_named_accounts_only() {
    let house = House::new().await;
    let told = introspect(&house, &house.adas.text).await.expect(200).json();
    assert_eq!(told["accounts"], json!([{ "account_id": house.teams, "scope": "full" }]));
    assert_eq!(
        (&told["scope"], &told["account_id"], &told["user_id"]),
        (&json!("full"), &Value::Null, &json!(house.ada))
    );
    let both = gateway(&house, "introspect", &[house.teams, house.solo]).await;
    let ask = Ask::new("POST", "/oauth/introspect").bearer(&both.text).form(&[("token", &house.adas.text)]);
    let told = house.ask(ask).await.expect(200).json();
    assert_eq!(
        (told["accounts"].as_array().unwrap().len(), told.get("scope")),
        (2, None),
        "scopes hang on the account"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_not_active_has_one_face() {
    let house = House::new().await;
    let head = house.head();
    let tokens = [&house.deleted, &house.expired, &house.solo_full, &house.linus_own, &house.auditor, &house.gateway];
    let texts = tokens.map(|token| token.text.as_str());
    let others = [&*house.rotated_out, &house.unknown, &house.operator, "tlka_malformed", "a b", "ü"];
    for text in texts.into_iter().chain(others) {
        let told = introspect(&house, text).await.expect(200);
        assert_eq!(told.text(), r#"{"active":false}"#, "{text}");
    }
    assert_eq!(house.head(), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_read_strictly_and_only_after_who_asks() {
    let house = House::new().await;
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        let head = house.head();
        let post = |kind: &str, body: &str| {
            let ask = Ask::new("POST", path).bearer(&house.gateway.text);
            if kind.is_empty() { ask.bytes(body) } else { ask.header("Content-Type", kind).bytes(body) }
        };
        let form = "application/x-www-form-urlencoded";
        for body in
            ["", "token=", "other=1", "token=a&token=b", "token=a&x=1&x=2", "token=%zz", "token=%ff", "token=a%"]
        {
            let told = house.ask(post(form, body)).await.expect(400);
            assert_eq!(told.header("content-type").map(|kind| kind.starts_with("application/json")), Some(true));
            assert_eq!(told.json()["error"], "invalid_request", "{body}");
            assert_eq!(told.header("cache-control"), Some("no-store"));
        }
        for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
            house.ask(post(kind, "token=a")).await.expect(415);
        }
        house.ask(post(&format!("{form}; charset=UTF-8"), "token=a&extra=1")).await.expect(200);
        house.ask(post(form, &format!("token={}", "a".repeat(64 * 1024)))).await.expect(413);
        let doubled = post(form, "token=a").header("Authorization", "Bearer other");
        let told = house.ask(doubled).await.expect(400);
        assert!(told.header("www-authenticate").unwrap().contains("invalid_request"));
        assert_eq!(told.json()["error"], "invalid_request");
        house.ask(Ask::new("POST", path).bearer(&house.unknown).bytes("%")).await.expect(401);
        assert_eq!(house.head(), head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_asked_about_counts_against_nobody() {
    let house = House::with_failure_limit(1).await;
    for _ in 0..5 {
        introspect(&house, &house.unknown).await.expect(200);
        revoke(&house, &house.unknown).await.expect(200);
    }
    let ask = || Ask::new("POST", "/oauth/introspect").bearer(&house.unknown).form(&[("token", &house.full.text)]);
    house.ask(ask()).await.expect(401);
    house.ask(ask()).await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_deleted_by_the_gateway_and_again_it_is_nothing() {
    let house = House::new().await;
    let turned = house.post(format!("{}/rotate", house.scoped.path), json!({ "overlap_seconds": 60 })).await.json();
    let told = revoke(&house, &house.scoped.text).await.expect(200);
    assert_eq!(told.text(), "");
    let position = told.number("x-ledger-position").unwrap();
    let event = house.look(format!("/v1/events/{position}")).await.expect(200).data();
    assert_eq!((&event["type"], &event["token_id"]), (&json!("TokenDeleted"), &json!(house.scoped.id)));
    assert_eq!((&event["account_id"], &event["credential"]), (&json!(house.teams), &json!(house.gateway.id)));
    assert_eq!(event["principal"], json!({ "kind": "staff", "id": house.gateway.id }));
    assert_eq!(event["data"]["by"]["authority"], json!({ "kind": "gateway", "version": 1 }));
    assert_eq!(house.shown(&house.gateway).await["last_used_status"], "used");
    for text in [&*house.scoped.text, turned["token"].as_str().unwrap()] {
        house.get(text, "/v2/whoami").await.expect(401);
        let head = house.head();
        assert_eq!(revoke(&house, text).await.expect(200).header("x-ledger-position"), None);
        assert_eq!(house.head(), head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_reach_stays_and_other_kinds_are_not_revoked_here() {
    let house = House::new().await;
    let head = house.head();
    // Ada is a member of an account that the gateway does not name, too.
    let others = [&house.solo_full, &house.adas, &house.linus_own, &house.expired, &house.deleted];
    let texts = others.map(|token| token.text.as_str());
    for text in texts.into_iter().chain([&*house.rotated_out, &house.unknown, "tlka_malformed"]) {
        assert_eq!(revoke(&house, text).await.expect(200).header("x-ledger-position"), None, "{text}");
    }
    for text in [&house.auditor.text, &house.operator, &house.gateway.text, "tlks_anything"] {
        let told = revoke(&house, text).await.expect(400);
        assert_eq!(told.json()["error"], "unsupported_token_type");
    }
    assert_eq!(house.head(), head);
    house.get(&house.rotated.text, "/v2/whoami").await.expect(200);
    let both = gateway(&house, "revoke", &[house.teams, house.solo]).await;
    let ask = Ask::new("POST", "/oauth/revoke").bearer(&both.text).form(&[("token", &house.adas.text)]);
    assert!(house.ask(ask).await.expect(200).header("x-ledger-position").is_some());
    house.get(&house.adas.text, "/v2/whoami").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_found_by_its_digest_by_whoever_may() {
    let house = House::new().await;
    let look_up = async |asker: &str, digest: String| {
        let ask = Ask::new("POST", "/v1/tokens/lookup").bearer(asker).json(&json!({ "hashed_token": digest }));
        house.ask(ask).await
    };
    let (staff, auditor, edge) = (&*house.operator, &*house.auditor.text, &*house.gateway.text);
    let head = house.head();
    for asker in [staff, auditor, edge] {
        let told = look_up(asker, hashed(&house.scoped.text)).await.expect(200);
        assert_eq!(told.header("etag"), Some("\"1\""));
        let mut shown = house.shown(&house.scoped).await;
        shown["secret_number"] = json!(1);
        assert_eq!(told.data(), shown);
    }
    for token in [&house.solo_full, &house.auditor, &house.gateway] {
        assert_eq!(look_up(staff, hashed(&token.text)).await.expect(200).data()["id"], token.id);
        look_up(edge, hashed(&token.text)).await.expect(404);
    }
    assert_eq!(look_up(edge, hashed(&house.rotated_out)).await.expect(200).data()["secret_number"], 1);
    for asker in [staff, auditor, edge] {
        look_up(asker, hashed(&house.unknown)).await.expect(404);
        look_up(asker, hashed(&house.deleted.text)).await.expect(404);
    }
    let digest = Sha256::digest(house.scoped.text.as_bytes());
    let (plain, url) = (STANDARD_NO_PAD.encode(digest), URL_SAFE.encode([255; 32]));
    let last = format!("{}B=", "A".repeat(42));
    for wrong in [plain, url, last, String::new(), format!("{} ", hashed("x")), STANDARD.encode([0; 33])] {
        look_up(staff, wrong).await.expect(422);
    }
    assert_eq!(house.head(), head, "looks leave nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_conditions_is_active_for_a_client_that_meets_them_and_is_revoked_by_any() {
    let house = House::new().await;
    let later = house.now() + 600;
    let begins = Timestamp::from_seconds(later).to_seconds_text();
    let body = json!({ "name": "here", "access": "full", "allowed_addresses": ["192.0.2.0/24"], "not_before": begins });
    let here = house.account_token(house.teams, body).await;
    let asked = async |address: &[(&str, &str)]| {
        let told = form(&house, "/oauth/introspect", &[&[("token", &*here.text)], address].concat()).await;
        told.expect(200).json()
    };
    let within = [("address", "192.0.2.9")];
    assert_eq!(asked(&within).await, json!({ "active": false }), "not yet");
    house.advance(600);
    assert_eq!(asked(&[]).await, json!({ "active": false }), "a client that nobody knows");
    assert_eq!(asked(&[("address", "198.51.100.1")]).await, json!({ "active": false }));
    assert_eq!(asked(&within).await["nbf"], later);
    let bad = form(&house, "/oauth/introspect", &[("token", &here.text), ("address", "here")]).await;
    assert_eq!(bad.expect(400).json()["error"], "invalid_request");
    assert!(revoke(&house, &here.text).await.expect(200).header("x-ledger-position").is_some());
}
