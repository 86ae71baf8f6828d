//! The user page: user tokens and sessions, with the script off.

use crate::browser::send;
use crate::house::{Browser, House};
use crate::wire::{Ask, Told};
use serde_json::json;

async fn adas(house: &House) -> Browser {
    house.session(&format!("/v1/users/{}", house.ada)).await
}

async fn show(house: &House, browser: &Browser, path: &str) -> Told {
    send(house, browser.shows(Ask::get(path))).await
}

async fn submit(house: &House, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Told {
    let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", &*browser.csrf)]).collect();
    send(house, browser.shows(Ask::new("POST", path).form(&fields))).await
}

/// The value of a field of a form.
fn field<'a>(page: &'a Told, name: &str) -> &'a str {
    let mark = format!("name=\"{name}\" value=\"");
    page.text().split_once(&mark).unwrap().1.split('"').next().unwrap()
}

fn secret(page: &Told) -> Option<String> {
    let at = page.text().find("tlku_")?;
    Some(page.text()[at..at + 54].to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_user_token() {
    let house = House::new().await;
    let browser = adas(&house).await;
    let page = show(&house, &browser, "/user").await.expect(200);
    assert!(page.text().contains("laptop") && !page.text().contains("tablet"), "one's own, and nobody else's");
    let key = field(&page, "key").to_owned();
    let fields = [("name", "phone"), ("expires_at", "2026-12-31T12:00"), ("key", &*key)];
    let made = submit(&house, &browser, "/user/tokens", &fields).await.expect(201);
    let text = secret(&made).unwrap();
    house.get(&text, "/v2/whoami").await.expect(200);
    // The same form again: no other token, and the secret is not shown again.
    let again = submit(&house, &browser, "/user/tokens", &fields).await.expect(200);
    assert_eq!(secret(&again), None);
    let listed = house.look(format!("/v1/users/{}/tokens", house.ada)).await.expect(200).data();
    let token = listed.as_array().unwrap().iter().find(|token| token["name"] == "phone").unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(token["expires_at"], "2026-12-31T12:00:00Z");
    let path = format!("/user/tokens/{}", token["id"]);

    let form = show(&house, &browser, &path).await.expect(200);
    let version = field(&form, "version").to_owned();
    let edit = [("name", "old phone"), ("expires_at", ""), ("version", &*version)];
    let saved = submit(&house, &browser, &path, &edit).await.expect(303);
    assert_eq!(saved.header("location"), Some("/user?done=updated"));
    // Somebody else, or another window, was quicker.
    let stale = submit(&house, &browser, &path, &edit).await.expect(422);
    assert!(stale.text().contains("changed meanwhile"));
    let blank = [("name", " "), ("expires_at", "someday"), ("version", "2")];
    let refused = submit(&house, &browser, &path, &blank).await.expect(422);
    assert!(refused.text().contains("must be a time"));

    let rotated = submit(&house, &browser, &format!("{path}/rotate"), &[("overlap_seconds", "0")]).await.expect(201);
    house.get(&text, "/v2/whoami").await.expect(401);
    house.get(&secret(&rotated).unwrap(), "/v2/whoami").await.expect(200);
    let gone = submit(&house, &browser, &format!("{path}/delete"), &[]).await.expect(303);
    assert_eq!(gone.header("location"), Some("/user?done=deleted"));
    show(&house, &browser, &path).await.expect(404);
    let page = show(&house, &browser, "/user?done=deleted").await.expect(200);
    assert!(!page.text().contains("old phone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_that_is_not_right_is_shown_again_as_it_was_typed() {
    let house = House::new().await;
    let browser = adas(&house).await;
    let fields = [("name", "<b>&\"phone"), ("expires_at", "2020-01-01T00:00"), ("key", "none")];
    let told = submit(&house, &browser, "/user/tokens", &fields).await.expect(422);
    assert!(told.text().contains("must be in the future"));
    assert!(!told.text().contains("<b>&\"phone"), "as text, not as markup");
    let unsent = [("name", "phone"), ("surprise", "1")];
    submit(&house, &browser, "/user/tokens", &unsent).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_persons_is_not_there() {
    let house = House::new().await;
    let browser = adas(&house).await;
    let graces = house.session(&format!("/v1/users/{}", house.grace)).await;
    for token in [house.graces.id, house.full.id, graces.id, 999_999] {
        let path = format!("/user/tokens/{token}");
        show(&house, &browser, &path).await.expect(404);
        submit(&house, &browser, &path, &[("name", "mine"), ("expires_at", "")]).await.expect(404);
        submit(&house, &browser, &format!("{path}/rotate"), &[("overlap_seconds", "0")]).await.expect(404);
        submit(&house, &browser, &format!("{path}/delete"), &[]).await.expect(404);
        submit(&house, &browser, &format!("/user/sessions/{token}/end"), &[]).await.expect(404);
    }
    show(&house, &graces, "/user").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_one_by_one() {
    let house = House::new().await;
    let (here, there) = (adas(&house).await, adas(&house).await);
    let page = show(&house, &here, "/user").await.expect(200);
    assert_eq!(page.text().matches("Firefox on Linux").count(), 4, "two, each with its button");
    assert_eq!(page.text().matches("this one").count(), 1);
    let head = house.head();
    let ended = submit(&house, &here, &format!("/user/sessions/{}/end", there.id), &[]).await.expect(303);
    assert_eq!(ended.header("location"), Some("/user?done=signed-out"));
    let events = house.recorded_after(head).await;
    assert_eq!(events[0]["type"], "TokenDeleted");
    assert_eq!(events[0]["data"]["by"]["authority"], json!({ "kind": "own" }));
    assert_eq!((&events[0]["token_id"], &events[0]["credential"]), (&json!(there.id), &json!(here.id)));
    show(&house, &there, "/user").await.expect(303);
    // One's own too: then it is signing out.
    let ended = submit(&house, &here, &format!("/user/sessions/{}/end", here.id), &[]).await.expect(303);
    assert_eq!(ended.header("location"), Some("/sign-in?done=signed-out"));
    assert!(ended.header("set-cookie").unwrap().contains("Max-Age=0"));
}

/// Staff have sessions, and no user tokens.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_staff_has_their_sessions() {
    let house = House::new().await;
    let browser = house.session(&house.auditor.path).await;
    let page = show(&house, &browser, "/user").await.expect(200);
    assert!(page.text().contains("Firefox on Linux") && !page.text().contains("Generate"));
    submit(&house, &browser, "/user/tokens", &[("name", "phone"), ("expires_at", ""), ("key", "")]).await.expect(404);
    submit(&house, &browser, &format!("/user/sessions/{}/end", browser.id), &[]).await.expect(303);
    show(&house, &browser, "/user").await.expect(303);
}
