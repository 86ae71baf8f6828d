//! OAuth from registration to revocation, over real sockets: a person's browser, an application's exchange, and the token.

use crate::house::{House, grants};
use crate::wire::{self, Ask, Told};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use token_ledger::domain::command::{Actor, Change, Command, NewSecret, Origin, SignInChange};
use token_ledger::domain::ids::UserId;
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::{Principal, TokenKind};
use token_ledger::domain::token_text::TokenSecret;
use token_ledger::entropy::Entropy;

const EXCHANGE: &str = "/v2/oauth/access_token";
const CALLBACK: &str = "https://app.example/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A registered application.
pub struct App {
    pub id: u64,
    pub client: String,
    pub secret: Option<String>,
}

/// A browser in which somebody is signed in.
pub struct Browser {
    cookie: String,
}

pub async fn register(house: &House, account: u64, kind: &str) -> App {
    let body = json!({ "name": "Example <app>", "redirect_uris": [CALLBACK, "http://127.0.0.1/cb"], "kind": kind });
    let told = house.post(format!("/v1/accounts/{account}/oauth-applications"), body).await.expect(201).json();
    App {
        id: told["data"]["id"].as_u64().unwrap(),
        client: told["data"]["client_id"].as_str().unwrap().to_owned(),
        secret: told["client_secret"].as_str().map(str::to_owned),
    }
}

/// Signs a user in, by a link made on the machine.
pub async fn sign_in(house: &House, user: u64) -> Browser {
    let entropy = Entropy::system();
    let random = || entropy.split().bytes_32();
    let link = TokenSecret::of_code(&random()).digest();
    let who = Principal::User(UserId(user));
    let make = Change::SignIn(SignInChange::CreateLink { who, digest: link });
    house.ledger.submit(Command::Manage(Actor::Local(0), Box::new(make)), Origin::default()).await.unwrap();
    let secret = TokenSecret::from_random(TokenKind::Session, &random());
    let new = NewSecret { digest: secret.digest(), hint: secret.hint() };
    let open = Change::SignIn(SignInChange::UseLink { name: PersonalText::new("a browser"), secret: new });
    house.ledger.submit(Command::Manage(Actor::Link(link), Box::new(open)), Origin::default()).await.unwrap();
    Browser { cookie: format!("token-ledger-session={}", secret.reveal_once()) }
}

impl Browser {
    async fn get(&self, house: &House, path: &str) -> Told {
        wire::ask(house.address, &Ask::get(path).header("Cookie", &self.cookie)).await
    }

    async fn post(&self, house: &House, path: &str, pairs: &[(&str, &str)]) -> Told {
        wire::ask(house.address, &Ask::new("POST", path).header("Cookie", &self.cookie).form(pairs)).await
    }

    /// Looks at the page that asks, and answers it. Where the browser is sent.
    async fn answer(&self, house: &House, query: &str, account: u64, decision: &str) -> String {
        let path = format!("/oauth/authorize?{query}");
        let page = self.get(house, &path).await.expect(200);
        let (csrf, account) = (csrf_of(&page), account.to_string());
        let pairs = [("csrf", &*csrf), ("account", &*account), ("decision", decision)];
        self.post(house, &path, &pairs).await.expect(303).header("location").unwrap().to_owned()
    }

    /// The code that an application gets.
    pub async fn code(&self, house: &House, query: &str, account: u64) -> String {
        parameter(&self.answer(house, query, account, "allow").await, "code").unwrap()
    }
}

fn csrf_of(page: &Told) -> String {
    let (_, rest) = page.text().split_once("name=\"csrf\" value=\"").expect("a form has it");
    rest.split_once('"').unwrap().0.to_owned()
}

fn parameter(location: &str, name: &str) -> Option<String> {
    let (_, query) = location.split_once('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER.as_bytes()))
}

pub fn query(app: &App, more: &[(&str, &str)]) -> String {
    let own = [("response_type", "code"), ("client_id", &*app.client), ("state", "xyz ü")];
    form_urlencoded::Serializer::new(String::new()).extend_pairs(own).extend_pairs(more).finish()
}

const TO_CALLBACK: (&str, &str) = ("redirect_uri", CALLBACK);

fn exchange<'a>(app: &'a App, code: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("client_id", &*app.client),
        ("code", code),
        TO_CALLBACK,
        ("state", "xyz ü"),
    ];
    pairs.extend(app.secret.as_deref().map(|secret| ("client_secret", secret)));
    pairs
}

async fn token_of(house: &House, app: &App, code: &str) -> String {
    let told = house.ask(Ask::new("POST", EXCHANGE).form(&exchange(app, code))).await.expect(200).json();
    told["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_registration_to_a_recorded_use_to_revocation() {
    let house = House::new().await;
    let app = register(&house, house.enterprise, "confidential").await;
    let ada = sign_in(&house, house.ada).await;
    let location = ada.answer(&house, &query(&app, &[TO_CALLBACK]), house.teams, "allow").await;
    assert!(location.starts_with("https://app.example/callback?"), "{location}");
    assert_eq!(parameter(&location, "state").as_deref(), Some("xyz ü"));
    let code = parameter(&location, "code").unwrap();
    let told = house.ask(Ask::new("POST", EXCHANGE).form(&exchange(&app, &code))).await.expect(200);
    assert_eq!((told.number("x-ratelimit-limit"), told.number("x-ratelimit-remaining")), (Some(30), Some(30)));
    let body = told.json();
    let text = body["access_token"].as_str().unwrap().to_owned();
    assert!(text.starts_with("tlko_"));
    assert_eq!(body, json!({ "access_token": text, "token_type": "Bearer", "scope": null, "account_id": house.teams }));

    let whoami = house.get(&text, "/v2/whoami").await.expect(200).data();
    assert_eq!((&whoami["user"], &whoami["account"]["id"]), (&Value::Null, &json!(house.teams)));
    let used = house.get(&text, format!("/v2/{}/zones", house.teams)).await.expect(200);
    let position = used.number("x-ledger-position").unwrap();
    let event = house.look(format!("/v1/events/{position}")).await.expect(200).data();
    assert_eq!(
        (&event["type"], &event["principal"]),
        (&json!("TokenUsed"), &json!({ "kind": "application", "id": app.id }))
    );
    let source = json!({ "kind": "authorization", "version": 1, "membership_version": 1 });
    assert_eq!(event["data"]["source"], source);
    house.get(&text, format!("/v2/{}/zones", house.solo)).await.expect(404);

    let token =
        house.look(format!("/v1/accounts/{}/tokens/{}", house.teams, event["token_id"])).await.expect(200).data();
    assert_eq!((&token["kind"], &token["last_used_status"]), (&json!("oauth"), &json!("used")));
    let authorization = &token["authorization"];
    assert_eq!((&authorization["user_id"], &authorization["application_id"]), (&json!(house.ada), &json!(app.id)));
    let created =
        house.look(format!("/v1/events?type=TokenCreated&token={}", event["token_id"])).await.expect(200).data();
    assert_eq!(created[0]["data"]["authorized"]["membership_version"], json!(1), "whose word, under which membership");
    let form = [("token", &*text)];
    let told = house
        .ask(Ask::new("POST", "/oauth/introspect").bearer(&house.gateway.text).form(&form))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&told["active"], &told["client_id"], &told["scope"]),
        (&json!(true), &json!(app.client), &json!("full"))
    );
    assert_eq!(told["sub"], format!("user:{}", house.ada));

    let listed = house.look(format!("/v1/accounts/{}/oauth-authorizations", house.teams)).await.expect(200).data();
    assert_eq!(
        (&listed[0]["application_name"], &listed[0]["token_ids"]),
        (&json!("Example <app>"), &json!([event["token_id"]]))
    );
    let path = format!("/v1/accounts/{}/oauth-authorizations/{}", house.teams, listed[0]["id"]);
    let tried = house.delete(format!("{path}?dry_run=true")).await.expect(200).json();
    assert!(tried.to_string().contains("zones"), "it says what would be refused: {tried}");
    house.delete(&*path).await.expect(204);
    house.get(&text, "/v2/whoami").await.expect(401);
    house.delete(path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_member_narrows_it_and_a_removed_one_ends_it_and_the_cause_says_so() {
    let house = House::new().await;
    let app = register(&house, house.teams, "confidential").await;
    let ada = sign_in(&house, house.ada).await;
    let code = ada.code(&house, &query(&app, &[TO_CALLBACK]), house.teams).await;
    let text = token_of(&house, &app, &code).await;
    let zone = format!("/v2/{}/zones/example.org", house.teams);
    house.get(&text, &*zone).await.expect(200);
    let member = format!("/v1/accounts/{}/members/{}", house.teams, house.ada);
    let access = grants(&[("zones", "read_only", json!(["example.com"]))]);
    let narrowed = house.put(&*member, json!({ "access": access })).await.expect(200).number("x-ledger-position");
    let told = house.get(&text, &*zone).await.expect(403);
    assert_eq!(told.json()["message"], "Permission Denied. Required Scope: zones:example.org:read");
    let position = told.number("x-ledger-position").unwrap();
    let explained = house.look(format!("/v1/events/{position}")).await.expect(200).data()["explanation"].clone();
    assert_eq!(explained["taken_away_by"]["position"], json!(narrowed), "{explained}");
    assert_eq!(explained["taken_away_by"]["type"], "MemberAccessChanged");
    house.get(&text, format!("/v2/{}/zones/example.com", house.teams)).await.expect(200);

    house.delete(member).await.expect(204);
    let told = house.get(&text, "/v2/whoami").await.expect(401);
    let refused = house.look("/v1/events?type=TokenUseRefused&order=desc").await.expect(200).data()[0].clone();
    assert_eq!((&refused["data"]["cause"], told.status), (&json!("token_deleted"), 401));
    let event = house.look(format!("/v1/events/{}", refused["position"])).await.expect(200).data();
    let by = event["explanation"]["taken_away_by"]["position"].as_u64().unwrap();
    let ended = house.look(format!("/v1/events/{by}")).await.expect(200).data();
    assert_eq!((&ended["type"], &ended["data"]["reason"]), (&json!("TokenDeleted"), &json!("member_removed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_shows_by_pkce_that_it_asked() {
    let house = House::new().await;
    let app = register(&house, house.teams, "public").await;
    assert_eq!(app.secret, None);
    let ada = sign_in(&house, house.ada).await;
    let challenge = challenge();
    let pkce = [("code_challenge", &*challenge), ("code_challenge_method", "S256")];
    // The port is the one that was free.
    let query = query(&app, &[pkce[0], pkce[1], ("redirect_uri", "http://127.0.0.1:51004/cb/1")]);
    let location = ada.answer(&house, &query, house.teams, "allow").await;
    assert!(location.starts_with("http://127.0.0.1:51004/cb/1?"), "{location}");
    let code = parameter(&location, "code").unwrap();
    let body = json!({
        "grant_type": "authorization_code", "client_id": app.client, "code": code, "code_verifier": VERIFIER,
        "redirect_uri": "http://127.0.0.1:51004/cb/1", "client_secret": null,
    });
    let told = wire::ask(house.address, &Ask::new("POST", EXCHANGE).json(&body)).await.expect(200).json();
    house.get(told["access_token"].as_str().unwrap(), "/v2/whoami").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn official_clients_send_what_they_like() {
    let house = House::new().await;
    let app = register(&house, house.teams, "confidential").await;
    let ada = sign_in(&house, house.ada).await;
    let query = query(&app, &[TO_CALLBACK]);
    let pairs = |code: &str| {
        exchange(&app, code).iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    for round in 0..3 {
        let code = ada.code(&house, &query, house.teams).await;
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs(&code)).finish();
        let ask = match round {
            // A form that says it is JSON, with a bearer token that means nothing.
            0 => {
                Ask::new("POST", EXCHANGE).bearer(&house.unknown).header("Content-Type", "application/json").bytes(form)
            }
            1 => Ask::new("POST", EXCHANGE).json(
                &pairs(&code)
                    .into_iter()
                    .map(|(name, value)| (name, Value::from(value)))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            ),
            _ => {
                let shown = format!("{}:{}", app.client, app.secret.as_deref().unwrap());
                let without: Vec<(&str, &str)> =
                    exchange(&app, &code).into_iter().filter(|(name, _)| !name.starts_with("client_")).collect();
                Ask::new("POST", EXCHANGE)
                    .header("Authorization", format!("Basic {}", STANDARD.encode(shown)))
                    .form(&without)
            }
        };
        wire::ask(house.address, &ask).await.expect(200);
    }
}

/// A row: what is sent in place of what, the status, the error.
type Row = (&'static str, Option<&'static str>, u16, &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn every_error_of_an_exchange_is_this_table() {
    let house = House::new().await;
    let app = register(&house, house.teams, "confidential").await;
    let ada = sign_in(&house, house.ada).await;
    let query = query(&app, &[TO_CALLBACK]);
    let rows: [Row; 13] = [
        ("grant_type", None, 400, "invalid_request"),
        ("grant_type", Some("refresh_token"), 400, "invalid_request"),
        ("client_id", None, 400, "invalid_request"),
        ("client_id", Some("0123456789abcdef"), 401, "invalid_client"),
        ("client_id", Some("not an id"), 401, "invalid_client"),
        ("client_secret", None, 401, "invalid_client"),
        ("client_secret", Some("tlkc_wrong"), 401, "invalid_client"),
        ("code", None, 400, "invalid_request"),
        ("code", Some("tlkx_wrong"), 400, "invalid_grant"),
        ("redirect_uri", None, 400, "invalid_request"),
        ("redirect_uri", Some("https://app.example/callback/other"), 400, "invalid_request"),
        ("state", Some("abc"), 400, "invalid_request"),
        ("code_verifier", Some(VERIFIER), 400, "invalid_grant"),
    ];
    for (name, value, status, error) in rows {
        let code = ada.code(&house, &query, house.teams).await;
        let mut pairs = exchange(&app, &code);
        pairs.retain(|(known, _)| *known != name);
        pairs.extend(value.map(|value| (name, value)));
        let told = house.ask(Ask::new("POST", EXCHANGE).form(&pairs)).await.expect(status).json();
        assert_eq!(told["error"], error, "{name} {value:?}");
        assert_eq!(told["message"], Value::Null, "{name}");
        for secret in [&*code, app.secret.as_deref().unwrap()] {
            assert!(!told.to_string().contains(secret), "{name}");
        }
    }
    let twice = format!("grant_type=authorization_code&grant_type=x&client_id={}", app.client);
    for body in [twice.as_str(), "{\"grant_type\":1}", "{", "%zz=1", ""] {
        let told = house.ask(Ask::new("POST", EXCHANGE).bytes(body)).await.expect(400).json();
        assert_eq!(told["error"], "invalid_request", "{body}");
    }
    let code = ada.code(&house, &query, house.teams).await;
    let text = token_of(&house, &app, &code).await;
    let again = house.ask(Ask::new("POST", EXCHANGE).form(&exchange(&app, &code))).await.expect(400).json();
    assert_eq!(again["error"], "invalid_grant");
    house.get(&text, "/v2/whoami").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_is_stopped_for_the_hour() {
    let house = House::with_failure_limit(2).await;
    let app = register(&house, house.teams, "confidential").await;
    let pairs = exchange(&app, "tlkx_wrong");
    for remaining in [1, 0] {
        let told = house.ask(Ask::new("POST", EXCHANGE).form(&pairs)).await.expect(400);
        assert_eq!(told.number("x-ratelimit-remaining"), Some(remaining));
    }
    let told = house.ask(Ask::new("POST", EXCHANGE).form(&pairs)).await.expect(429);
    assert!(told.number("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_redirect_shows_a_page_and_the_rest_is_told_to_the_client() {
    let house = House::new().await;
    let app = register(&house, house.teams, "confidential").await;
    let public = register(&house, house.teams, "public").await;
    let ada = sign_in(&house, house.ada).await;
    let unknown = App { client: "0123456789abcdef".to_owned(), ..register(&house, house.teams, "public").await };
    let pages = [
        query(&unknown, &[TO_CALLBACK]),
        query(&app, &[("redirect_uri", "https://evil.example/callback")]),
        query(&app, &[("redirect_uri", "https://app.example/callback/../x")]),
        query(&app, &[]),
        query(&app, &[TO_CALLBACK, TO_CALLBACK]),
        "response_type=code&state=x".to_owned(),
    ];
    for query in pages {
        let told = ada.get(&house, &format!("/oauth/authorize?{query}")).await.expect(400);
        assert_eq!(told.header("location"), None, "{query}");
    }
    let with = |app: &App, name: &str, value: &str| {
        let all = [("response_type", "code"), ("client_id", &*app.client), ("state", "s"), TO_CALLBACK];
        let kept = all.into_iter().filter(|(known, _)| *known != name);
        let sent = (!value.is_empty()).then_some((name, value));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).extend_pairs(sent).finish()
    };
    let redirects = [
        (with(&app, "response_type", "token"), "unsupported_response_type"),
        (with(&app, "response_type", ""), "invalid_request"),
        (with(&app, "state", ""), "invalid_request"),
        (with(&app, "scope", "everything"), "invalid_scope"),
        (with(&app, "scope", "zones:a.example:read zones:b.example:write"), "invalid_scope"),
        (with(&app, "account_id", "mine"), "invalid_request"),
        (with(&app, "code_challenge_method", "S256"), "invalid_request"),
        (with(&app, "code_challenge", "abc"), "invalid_request"),
        (with(&public, "x", "y"), "invalid_request"),
    ];
    for (query, error) in redirects {
        let told = ada.get(&house, &format!("/oauth/authorize?{query}")).await.expect(303);
        let location = told.header("location").unwrap();
        assert!(location.starts_with(CALLBACK), "{location}");
        assert_eq!(parameter(location, "error").as_deref(), Some(error), "{query}");
        assert_eq!(parameter(location, "code"), None, "{query}");
        let state = if query.contains("state=") { Some("s") } else { None };
        assert_eq!(parameter(location, "state").as_deref(), state, "{query}");
    }
    let denied = ada.answer(&house, &query(&app, &[TO_CALLBACK]), house.teams, "deny").await;
    assert_eq!(parameter(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&denied, "state").as_deref(), Some("xyz ü"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_that_asks_says_who_and_what_and_takes_no_answer_from_elsewhere() {
    let house = House::new().await;
    let app = register(&house, house.teams, "confidential").await;
    let ada = sign_in(&house, house.ada).await;
    let scope = ("scope", "zones:example.com:read domains:*:write");
    let path = format!("/oauth/authorize?{}", query(&app, &[TO_CALLBACK, scope]));
    let page = ada.get(&house, &path).await.expect(200);
    for said in
        ["Example &#60;app&#62;", "Zones: read only on example.com", "Domains: full access", "https://app.example"]
    {
        assert!(page.text().contains(said), "{said}\n{}", page.text());
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
    let (account, csrf) = (house.teams.to_string(), csrf_of(&page));
    let forged = [("csrf", "wrong"), ("account", &*account), ("decision", "allow")];
    assert!(ada.post(&house, &path, &forged).await.status >= 400);
    let foreign = house.enterprise.to_string();
    let pairs = [("csrf", &*csrf), ("account", &*foreign), ("decision", "allow")];
    let told = ada.post(&house, &path, &pairs).await;
    assert_eq!(told.header("location").and_then(|location| parameter(location, "code")), None, "{}", told.status);
    let allowed = ada.answer(&house, &query(&app, &[TO_CALLBACK, scope]), house.teams, "allow").await;
    let text = token_of(&house, &app, &parameter(&allowed, "code").unwrap()).await;
    house.get(&text, format!("/v2/{}/zones/example.com", house.teams)).await.expect(200);
    house.get(&text, format!("/v2/{}/zones/example.net", house.teams)).await.expect(403);
    let stranger = wire::ask(house.address, &Ask::get(&path)).await.expect(303);
    assert!(stranger.header("location").unwrap().starts_with("/sign-in?next=%2Foauth%2Fauthorize"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_allowed_it_before_goes_straight_back_unless_the_client_cannot_show_itself() {
    let house = House::new().await;
    let ada = sign_in(&house, house.ada).await;
    let account = house.teams.to_string();
    let challenge = challenge();
    let pkce = [("code_challenge", &*challenge), ("code_challenge_method", "S256")];
    for (kind, expected) in [("confidential", 303), ("public", 200)] {
        let app = register(&house, house.enterprise, kind).await;
        let query = query(&app, &[TO_CALLBACK, ("account_id", &account), pkce[0], pkce[1]]);
        ada.code(&house, &query, house.teams).await;
        let told = ada.get(&house, &format!("/oauth/authorize?{query}")).await.expect(expected);
        let code = told.header("location").and_then(|location| parameter(location, "code"));
        assert_eq!(code.is_some(), kind == "confidential");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_managed_by_its_account_and_its_secret_is_shown_once() {
    let house = House::new().await;
    let app = register(&house, house.teams, "confidential").await;
    let list = format!("/v1/accounts/{}/oauth-applications", house.teams);
    let one = format!("{list}/{}", app.id);
    let shown = house.look(&*one).await.expect(200);
    assert_eq!((shown.data()["client_id"].as_str(), shown.header("etag")), (Some(&*app.client), Some("\"1\"")));
    for told in [house.look(&*list).await.expect(200), shown] {
        assert!(!told.text().contains(app.secret.as_deref().unwrap()));
    }
    house.look(format!("/v1/accounts/{}/oauth-applications/{}", house.enterprise, app.id)).await.expect(404);
    let uris = json!({ "redirect_uris": ["http://app.example/x", "ftp://x"] });
    let faults = house.patch(&*one, uris).await.expect(422).json()["errors"].clone();
    assert_eq!(faults.as_object().unwrap().len(), 2, "{faults}");
    house.patch(&*one, json!({ "name": "Renamed" })).await.expect(200);
    let rotated = house.post(format!("{one}/rotate"), json!({ "overlap_seconds": 0 })).await.expect(201).json();
    assert_ne!(rotated["client_secret"].as_str(), app.secret.as_deref());
    let public = register(&house, house.teams, "public").await;
    house.post(format!("{list}/{}/rotate", public.id), json!({})).await.expect(409);
    house.delete(format!("{one}/authorizations")).await.expect(204);
    house.delete(&*one).await.expect(204);
    house.look(one).await.expect(404);
}
