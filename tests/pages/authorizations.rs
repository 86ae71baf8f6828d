//! The applications that somebody authorised: on their own page, and the end of it there.

use crate::browser::{Form, send, text_of};
use crate::house::{Browser, House, grants};
use crate::wire::{self, Ask, Told};
use serde_json::json;

const CALLBACK: &str = "https://app.example/callback";

/// A registered application.
struct Application {
    client: String,
    secret: String,
}

async fn register(house: &House, name: &str) -> Application {
    let body = json!({ "name": name, "redirect_uris": [CALLBACK], "kind": "confidential" });
    let path = format!("/v1/accounts/{}/oauth-applications", house.enterprise);
    let told = house.post(path, body).await.expect(201).json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    Application { client: text(&told["data"]["client_id"]), secret: text(&told["client_secret"]) }
}

/// Somebody allows an application on an account; the code that it gets.
async fn allow(house: &House, browser: &Browser, application: &Application, account: u64) -> String {
    let pairs = [("response_type", "code"), ("client_id", &*application.client), ("state", "x")];
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let path = format!("/oauth/authorize?{query}");
    let account = account.to_string();
    let fields = [("csrf", &*browser.csrf), ("account", &*account), ("decision", "allow")];
    let told = wire::ask(house.address, &browser.shows(Ask::new("POST", path).form(&fields))).await.expect(303);
    let (_, sent) = told.header("location").unwrap().split_once('?').unwrap();
    form_urlencoded::parse(sent.as_bytes()).find(|(name, _)| name == "code").unwrap().1.into_owned()
}

/// The token that an application gets for a code.
async fn exchange(house: &House, application: &Application, code: &str) -> String {
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", &*application.client),
        ("client_secret", &*application.secret),
        ("code", code),
        ("state", "x"),
    ];
    let told = house.ask(Ask::new("POST", "/v2/oauth/access_token").form(&fields)).await.expect(200).json();
    told["access_token"].as_str().unwrap().to_owned()
}

async fn person(house: &House, user: u64) -> Browser {
    house.session(&format!("/v1/users/{user}")).await
}

async fn show(house: &House, browser: &Browser, path: &str) -> Told {
    send(house, browser.shows(Ask::get(path))).await
}

async fn post(house: &House, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Told {
    send(house, browser.shows(Ask::new("POST", path).form(fields))).await
}

fn revoke_path(authorization: u64) -> String {
    format!("/user/authorizations/{authorization}/revoke")
}

/// The number of the newest authorization on an account.
async fn newest(house: &House, account: u64) -> u64 {
    let listed = house.look(format!("/v1/accounts/{account}/oauth-authorizations")).await.expect(200).data();
    listed.as_array().unwrap().last().unwrap()["id"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_authorised_is_listed_with_its_last_use_and_revoked() {
    let house = House::new().await;
    let ada = person(&house, house.ada).await;
    let page = show(&house, &ada, "/user").await.expect(200);
    assert!(page.text().contains("You have authorized no application."));

    // Given: an application that Ada authorised, with a token, and one with no token yet.
    let mirror = register(&house, "zone <b>mirror</b>").await;
    let token = exchange(&house, &mirror, &allow(&house, &ada, &mirror, house.teams).await).await;
    let authorization = newest(&house, house.teams).await;
    let idle = register(&house, "idle").await;
    allow(&house, &ada, &idle, house.solo).await;
    let page = show(&house, &ada, "/user").await.expect(200).text().to_owned();
    assert!(!page.contains("<b>mirror"), "as text, not as markup");
    let row = text_of(&page, &format!("authorization-{authorization}"));
    let granted = "2026-03-01 12:02:00 UTC";
    let said = format!("zone <b>mirror</b> Example Teams Full access {granted} never with the token that it holds");
    assert!(row.starts_with(&said), "{row}");
    let row = text_of(&page, &format!("authorization-{}", newest(&house, house.solo).await));
    assert!(row.contains("idle Example Solo") && row.contains("it holds no token"), "{row}");

    // When it was used, the list says when.
    house.advance(3_600);
    house.get(&token, "/v2/whoami").await.expect(200);
    house.advance(7_200);
    let page = show(&house, &ada, "/user").await.expect(200).text().to_owned();
    let row = text_of(&page, &format!("authorization-{authorization}"));
    assert!(row.contains("2026-03-01 13:02:00 UTC 2 hours ago"), "{row}");

    // When its button is pressed, it ends with its token, and only it.
    let head = house.head();
    let form = Form::in_page(&page, &revoke_path(authorization));
    let told = send(&house, ada.shows(form.ask())).await.expect(303);
    assert_eq!(told.header("location"), Some("/user?done=revoked"));
    house.get(&token, "/v2/whoami").await.expect(401);
    let events = house.recorded_after(head).await;
    let names: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(names, ["AuthorizationRevoked", "TokenDeleted", "TokenUseRefused"]);
    assert_eq!(events[0]["principal"], json!({ "kind": "user", "id": house.ada }));
    assert_eq!((&events[0]["data"]["reason"], &events[0]["credential"]), (&json!("asked"), &json!(ada.id)));
    assert_eq!(told.number("x-ledger-position"), events[1]["position"].as_u64());
    let page = show(&house, &ada, "/user?done=revoked").await.expect(200).text().to_owned();
    assert!(page.contains("Revoked. It works no more.") && !page.contains("mirror") && page.contains("idle"));
    send(&house, ada.shows(form.ask())).await.expect(404);

    // History tells what was given and that it ended, in sentences.
    let history = show(&house, &ada, &format!("/accounts/{}/history?show=changes", house.teams)).await.expect(200);
    let history = crate::browser::words(history.text());
    for said in [
        "Ada Example authorized application zone <b>mirror</b> : full access",
        "authorization of application zone <b>mirror</b> by Ada Example ended",
        "deleted: its authorization was revoked",
    ] {
        assert!(history.contains(said), "{said:?} is not in {history}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_revokes_what_another_person_authorised() {
    let house = House::new().await;
    let (ada, grace, linus) =
        (person(&house, house.ada).await, person(&house, house.grace).await, person(&house, house.linus).await);
    let mirror = register(&house, "mirror").await;
    let token = exchange(&house, &mirror, &allow(&house, &ada, &mirror, house.teams).await).await;
    let path = revoke_path(newest(&house, house.teams).await);
    let staff = house.session("/v1/staff-tokens/1").await;
    let head = house.head();
    for other in [&grace, &linus, &staff] {
        assert!(!show(&house, other, "/user").await.expect(200).text().contains("mirror"));
        post(&house, other, &path, &[("csrf", &other.csrf)]).await.expect(404);
    }
    // Nor somebody who has Ada's cookie sent by a page of their own.
    for fields in [&[][..], &[("csrf", "")], &[("csrf", "x")], &[("csrf", &*grace.csrf)]] {
        post(&house, &ada, &path, fields).await.expect(403);
    }
    let form = Ask::new("POST", &path).form(&[("csrf", &ada.csrf)]);
    send(&house, ada.shows(form.clone()).header("Origin", "https://evil.example")).await.expect(403);
    send(&house, ada.shows(form.clone()).header("Sec-Fetch-Site", "cross-site")).await.expect(403);
    let told = send(&house, form).await.expect(303);
    assert_eq!(told.header("location"), Some(&*format!("/sign-in?next={}", path.replace('/', "%2F"))));
    assert_eq!(house.head(), head, "nothing came of it");
    house.get(&token, "/v2/whoami").await.expect(200);
}

/// A member whose grants do not read the account sees and ends their own all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_member_revokes_their_own() {
    let house = House::new().await;
    let grace = person(&house, house.grace).await;
    let mirror = register(&house, "mirror").await;
    let path = format!("/v1/accounts/{}/members/{}", house.teams, house.grace);
    let access = grants(&[("zones", "read_only", json!("all"))]);
    house.put(path, json!({ "access": access })).await.expect(200);
    allow(&house, &grace, &mirror, house.teams).await;
    let path = revoke_path(newest(&house, house.teams).await);
    let page = show(&house, &grace, "/user").await.expect(200).text().to_owned();
    assert!(page.contains("mirror"));
    send(&house, grace.shows(Form::in_page(&page, &path).ask())).await.expect(303);
    assert!(!show(&house, &grace, "/user").await.expect(200).text().contains("mirror"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_around_an_account_leads_to_its_oauth_applications() {
    let house = House::new().await;
    let ada = person(&house, house.ada).await;
    let path = format!("/accounts/{}/oauth_applications", house.teams);
    for page in ["access_tokens", "usage", "history"] {
        let page = show(&house, &ada, &format!("/accounts/{}/{page}", house.teams)).await.expect(200);
        assert!(page.text().contains(&format!("<a href=\"{path}\">OAuth applications</a>")), "{}", page.text());
    }
    let page = show(&house, &ada, &path).await.expect(200);
    assert!(page.text().contains(&format!("<a href=\"{path}\" aria-current=\"page\">OAuth applications</a>")));
    // They are shown as they are: the page offers no past, shows none as if it were, and no page of the past leads there.
    assert!(!page.text().contains("Show as of"));
    let told = show(&house, &ada, &format!("{path}?as_of=2026-03-01")).await.expect(400);
    assert!(told.text().contains("shown as they are now"));
    let past = format!("/accounts/{}/access_tokens?as_of_position={}", house.teams, house.head());
    assert!(!show(&house, &ada, &past).await.expect(200).text().contains(&path));
}
