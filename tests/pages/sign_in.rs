//! Signing in and out, as a browser does it.

use crate::browser::{send, visit};
use crate::house::House;
use crate::wire::{self, Ask, Told};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

fn ada(house: &House) -> String {
    format!("/v1/users/{}", house.ada)
}

fn button(link: &str) -> Ask {
    Ask::new("POST", "/sign-in").form(&[("link", link)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_in_once_and_a_preview_uses_nothing_up() {
    let house = House::new().await;
    let link = house.sign_in_link(&ada(&house)).await;
    let head = house.head();
    for _ in 0..3 {
        let page = visit(&house, &format!("/sign-in/{link}")).await.expect(200);
        assert!(page.text().contains("Ada Example") && page.header("set-cookie").is_none());
    }
    assert_eq!(house.head(), head, "looking leaves nothing");

    let told = send(&house, button(&link)).await.expect(303);
    let to = format!("/accounts/{}/access_tokens?done=signed-in", house.teams.min(house.solo));
    assert_eq!(told.header("location"), Some(&*to));
    let events = house.recorded_after(head).await;
    let names: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(names, ["TokenCreated", "SignInLinkUsed"]);
    assert_eq!(events[1]["principal"], json!({ "kind": "user", "id": house.ada }));
    assert_eq!(events[1]["data"]["by"]["authority"]["kind"], "sign_in_link");
    assert_eq!(events[1]["data"]["by"]["address"], "127.0.0.1");

    // Used: the same answer as of one that was never made, and a record that somebody tried.
    let again = send(&house, button(&link)).await.expect(404);
    let other = if link.ends_with('x') { 'y' } else { 'x' };
    let never = format!("{}{other}", &link[..link.len() - 1]);
    let unknown = send(&house, button(&never)).await.expect(404);
    assert_eq!(again.body, unknown.body);
    assert!(again.header("set-cookie").is_none());
    let tried = house.recorded_after(head).await;
    assert_eq!((&tried[2]["type"], &tried[2]["data"]["cause"]), (&json!("SignInRefused"), &json!("link_used")));
    assert_eq!(tried.len(), 3);
    let looked = visit(&house, &format!("/sign-in/{link}")).await.expect(404);
    assert_eq!(looked.body, visit(&house, &format!("/sign-in/{never}")).await.expect(404).body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_after_fifteen_minutes() {
    let house = House::new().await;
    let link = house.sign_in_link(&ada(&house)).await;
    house.advance(899);
    visit(&house, &format!("/sign-in/{link}")).await.expect(200);
    house.advance(1);
    let head = house.head();
    visit(&house, &format!("/sign-in/{link}")).await.expect(404);
    send(&house, button(&link)).await.expect(404);
    assert_eq!(house.head(), head, "of a link that is over nothing is recorded");
}

/// Else another site could sign somebody in as whom it likes.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_presses_the_button() {
    let house = House::new().await;
    let link = house.sign_in_link(&ada(&house)).await;
    for (name, value) in [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        send(&house, button(&link).header(name, value)).await.expect(403);
    }
    send(&house, button(&link).header("Origin", "http://ledger.test").header("Sec-Fetch-Site", "same-origin"))
        .await
        .expect(303);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_for_this_host_and_no_script() {
    let house = House::new().await;
    let told = house.press(&house.sign_in_link(&ada(&house)).await).await.expect(303);
    let cookie = told.header("set-cookie").unwrap();
    let (named, attributes) = cookie.split_once("; ").unwrap();
    assert!(named.starts_with("token-ledger-session=tlks_"), "{}", named.len());
    assert_eq!(attributes, "Path=/; Max-Age=43200; HttpOnly; SameSite=Lax");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_for_good() {
    let house = House::new().await;
    let browser = house.session(&ada(&house)).await;
    let out = |csrf: &str| browser.shows(Ask::new("POST", "/sign-out").form(&[("csrf", csrf)]));
    for wrong in ["", "wrong", &house.session(&ada(&house)).await.csrf] {
        send(&house, out(wrong)).await.expect(403);
    }
    send(&house, browser.shows(Ask::get("/user"))).await.expect(200);
    let told = send(&house, out(&browser.csrf)).await.expect(303);
    assert_eq!(told.header("location"), Some("/sign-in?done=signed-out"));
    assert!(told.header("set-cookie").unwrap().starts_with("token-ledger-session=; Path=/; Max-Age=0"));

    // A copy of the cookie opens nothing either, and that is recorded.
    let head = house.head();
    let told = send(&house, browser.shows(Ask::get("/user"))).await.expect(303);
    assert_eq!(told.header("location"), Some("/sign-in?next=%2Fuser"));
    let events = house.recorded_after(head).await;
    assert_eq!(
        (&events[0]["type"], &events[0]["data"]["cause"]),
        (&json!("ManagementRefused"), &json!("token_deleted"))
    );
    house.ask(browser.calls(Ask::get("/v1/self"))).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_in_is_led_on_and_never_elsewhere() {
    let house = House::new().await;
    visit(&house, "/sign-in").await.expect(200);
    let browser = house.session(&ada(&house)).await;
    let home = format!("/accounts/{}/access_tokens", house.teams.min(house.solo));
    for (next, to) in [
        ("", home.as_str()),
        ("?next=%2Fuser", "/user"),
        ("?next=%2F%2Fevil.example", &home),
        ("?next=https%3A%2F%2Fevil.example", &home),
        ("?next=%2F%5Cevil.example", &home),
        ("?next=%2F%2F%2Fevil.example", &home),
        ("?next=%2F%255Cevil.example", &home),
        ("?next=%2F%252Fevil.example", &home),
        ("?next=%2F%09%2Fevil.example", &home),
        ("?next=%2Fuser%0D%0ASet-Cookie%3A+a%3Db", &home),
        ("?next=javascript%3Aalert(1)", &home),
        ("?next=user", &home),
        ("?next=%2Fno%2Fsuch%2Fpage", &home),
        ("?next=%2Fassets%2Fledger.css", &home),
        ("?next=%2Fsign-in%3Fnext%3D%2Fuser", &home),
        ("?next=%2Fuser%2Fsessions%2F1%2Fend", "/user"),
        ("?next=%2Fsign-out", &home),
    ] {
        let told = send(&house, browser.shows(Ask::get(format!("/sign-in{next}")))).await.expect(303);
        assert_eq!(told.header("location"), Some(to), "{next}");
    }
    // Who is a member of nothing begins with their own page.
    let told = house.press(&house.sign_in_link(&format!("/v1/users/{}", house.linus)).await).await.expect(303);
    assert_eq!(told.header("location"), Some("/user?done=signed-in"));
}

/// The cookie that a page gave, as it is sent back.
fn kept(told: &Told) -> Option<String> {
    let given = told.headers.iter().filter(|(name, _)| name == "set-cookie");
    let mut waiting = given.filter(|(_, value)| value.starts_with("token-ledger-next="));
    let found = waiting.next().map(|(_, value)| value.split(';').next().unwrap().to_owned());
    assert!(waiting.next().is_none());
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_that_somebody_wanted_opens_once_they_are_signed_in() {
    let house = House::new().await;
    for wanted in [
        "/accounts/1/access_tokens?q=a+b&sort=-used".to_owned(),
        "/accounts/1/history?as_of=2026-03-01T12%3A00%3A00Z".to_owned(),
        format!("/oauth/authorize?response_type=code&client_id=00ff00000000abcd&state={}", "%C3%BC".repeat(300)),
    ] {
        // Given: somebody who was sent to sign in.
        let told = visit(&house, &wanted).await.expect(303);
        let page = visit(&house, told.header("location").unwrap()).await.expect(200);
        assert!(page.text().contains("leads you on to the page that you wanted"));
        let cookie = kept(&page).expect("it waits in the browser");
        let attributes = page.header("set-cookie").unwrap().split_once("; ").unwrap().1;
        assert_eq!(attributes, "Path=/; Max-Age=3600; HttpOnly; SameSite=Lax");
        // When the link that they get is opened in the same browser, it says so, and a look uses nothing up.
        let link = house.sign_in_link(&ada(&house)).await;
        let shows = |ask: Ask| ask.header("Cookie", &cookie);
        let page = send(&house, shows(Ask::get(format!("/sign-in/{link}")))).await.expect(200);
        assert!(page.text().contains("You then go on to the page that you wanted"));
        let told = send(&house, shows(button(&link))).await.expect(303);
        assert_eq!(told.header("location"), Some(&*wanted));
        let given: Vec<_> = told.headers.iter().filter(|(name, _)| name == "set-cookie").collect();
        assert!(given[0].1.starts_with("token-ledger-session=tlks_"));
        assert_eq!(given[1].1, "token-ledger-next=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax", "it waits no more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leads_from_a_sign_in_to_another_site() {
    let house = House::new().await;
    let home = format!("/accounts/{}/access_tokens?done=signed-in", house.teams.min(house.solo));
    let evil = [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "/user\r\nLocation: https://evil.example",
        "/%2Fevil.example",
        "/.//evil.example",
        "/sign-out",
    ];
    for next in evil {
        // Neither through the page that asks for a link …
        let asked = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let page = visit(&house, &format!("/sign-in?{asked}")).await.expect(200);
        assert_eq!(kept(&page), None, "{next:?}");
        assert!(!page.text().contains("leads you on") && !page.text().contains("evil"), "{next:?}");
        // … nor by a cookie that somebody else put there.
        let link = house.sign_in_link(&ada(&house)).await;
        let cookie = format!("token-ledger-next={}", URL_SAFE_NO_PAD.encode(next));
        let told = send(&house, button(&link).header("Cookie", cookie)).await.expect(303);
        assert_eq!(told.header("location"), Some(&*home), "{next:?}");
    }
    for cookie in
        ["token-ledger-next=?", "token-ledger-next=_w", "token-ledger-next=L3VzZXI; token-ledger-next=L3VzZXI"]
    {
        let link = house.sign_in_link(&ada(&house)).await;
        let told = send(&house, button(&link).header("Cookie", cookie)).await.expect(303);
        assert_eq!(told.header("location"), Some(&*home), "{cookie}");
    }
    // The link itself takes no way: whoever sends it decides nothing.
    let link = house.sign_in_link(&ada(&house)).await;
    let page = visit(&house, &format!("/sign-in/{link}?next=%2Fuser")).await.expect(200);
    assert_eq!(kept(&page), None);
}

/// Whoever tries links is held up like whoever tries tokens.
#[tokio::test(flavor = "multi_thread")]
async fn guessing_links_is_bounded() {
    let house = House::with_failure_limit(3).await;
    let guess = format!("tlkl_{}", "0".repeat(49));
    for _ in 0..3 {
        send(&house, button(&guess)).await.expect(404);
    }
    send(&house, button(&guess)).await.expect(429);
    let link = house.sign_in_link(&ada(&house)).await;
    wire::ask(house.address, &button(&link).header("Accept", "text/html")).await.expect(303);
}
