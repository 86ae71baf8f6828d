//! API & Access: a token's life by forms alone, without a script.

use crate::browser::{Browser, Form, text_of, words};
use crate::house::{House, grants};
use crate::wire::Ask;
use serde_json::json;

/// The row of a token in the list.
#[track_caller]
fn row(html: &str, token: u64) -> String {
    let begin = format!("<tr id=\"token-{token}\">");
    let at = html.find(&begin).unwrap_or_else(|| panic!("no token {token} in\n{html}"));
    words(html[at..].split("</tr>").next().unwrap())
}

/// The secret that a page shows.
#[track_caller]
fn secret(html: &str) -> String {
    let secret = text_of(html, "secret");
    assert!(secret.starts_with("tlka_"), "{secret}");
    secret
}

fn list_path(account: u64) -> String {
    format!("/accounts/{account}/access_tokens")
}

/// The form of a new token on a plan with grants, to read two zones.
async fn two_zones(ada: &Browser<'_>, account: u64, name: &str) -> Form {
    let list = list_path(account);
    let form = ada.form(&format!("{list}/new"), &list).await;
    form.with("name", &[name])
        .with("access", &["granted"])
        .with("level.zones", &["read_only"])
        .with("cover.zones", &["named"])
        .with("names.zones", &["example.com", "example.net"])
}

/// Generates a token; gives its number and secret.
async fn generate(ada: &Browser<'_>, form: &Form) -> (u64, String) {
    let html = ada.submit(form).await.expect(201).text().to_owned();
    let at = html.find("/access_tokens/").unwrap();
    let numbers = html[at..].split("/access_tokens/").filter_map(|rest| rest.split('"').next()?.parse().ok());
    (numbers.last().unwrap(), secret(&html))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lives_from_generation_to_deletion_by_forms_alone() {
    let house = House::new().await;
    let (ada, list) = (Browser::of_user(&house, house.ada).await, list_path(house.teams));
    let before = house.head();
    let (token, first) = generate(&ada, &two_zones(&ada, house.teams, "deploy pipeline").await).await;
    let html = ada.page(&list).await;
    let shown = row(&html, token);
    for part in ["deploy pipeline", "Zones: read only on example.com, example.net", "by Ada Example", "never"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!html.contains(&first), "the secret is shown once");

    // It is used, by a client.
    for zone in ["example.com", "example.net"] {
        house.get(&first, format!("/v2/{}/zones/{zone}", house.teams)).await.expect(200);
    }
    house.get(&first, format!("/v2/{}/zones/example.org", house.teams)).await.expect(403);
    let shown = row(&ada.page(&list).await, token);
    assert!(shown.contains("2026-03-01 12:02:00 UTC just now"), "{shown}");
    assert!(shown.contains("2 uses in 30 days, on 1 day; at most 2 a day"), "{shown}");

    // Narrower by one zone and wider by another: what that would have refused, and let pass, is told before it is saved.
    let edit = format!("{list}/{token}/edit");
    let form = ada.form(&edit, &edit).await;
    assert_eq!(form.value("name"), "deploy pipeline");
    assert_eq!(form.value("level.zones"), "read_only");
    let names: Vec<_> =
        form.fields.iter().filter(|(name, _)| name == "names.zones").map(|(_, zone)| zone.clone()).collect();
    assert_eq!(names, ["example.com", "example.net"]);
    let form = form.with("names.zones", &["example.com", "example.org"]);
    let position = house.head();
    let html = ada.submit(&form).await.expect(200).text().to_owned();
    assert_eq!(text_of(&html, "narrower"), "Zones: no longer example.net");
    assert_eq!(text_of(&html, "wider"), "Zones: also example.org");
    assert!(text_of(&html, "would-refuse").starts_with("1 of 2 uses would have been refused."), "{html}");
    assert_eq!(text_of(&html, "would-allow"), "1 refused request would have passed.");
    assert!(words(&html).contains("zones:example.net:read 1 2026-03-01 12:02:00 UTC"), "{html}");
    let looked = house.recorded_after(position).await;
    assert!(looked.iter().all(|event| event["type"] == "HistoryRead"), "{looked:?}");
    house.get(&first, format!("/v2/{}/zones/example.net", house.teams)).await.expect(200);
    // From there it is saved, or edited further.
    let preview = Form::in_page(&html, &edit);
    let back = ada.submit(&preview.clone().with("step", &["edit"])).await.expect(200).text().to_owned();
    let sorted = |form: Form| {
        let mut fields = form.with("step", &[]).fields;
        fields.sort();
        fields
    };
    assert_eq!(sorted(Form::in_page(&back, &edit)), sorted(form));
    let html = ada.submit_and_follow(&preview.with("step", &["save"])).await;
    assert!(html.contains("Saved. The token works with these settings from now on."));
    assert!(row(&html, token).contains("Zones: read only on example.com, example.org"));
    house.get(&first, format!("/v2/{}/zones/example.net", house.teams)).await.expect(403);

    // A new secret beside the one before: which is still used?
    let rotate = format!("{list}/{token}/rotate");
    let form = ada.form(&rotate, &rotate).await.with("overlap", &["3600"]);
    house.advance(10);
    let html = ada.submit(&form).await.expect(201).text().to_owned();
    let second = secret(&html);
    assert!(html.contains("works until"), "{html}");
    let html = ada.page(&rotate).await;
    assert!(words(&html).contains("not since 2026-03-01 12:02:10 UTC not used any more"), "{}", words(&html));
    house.advance(10);
    house.get(&first, "/v2/whoami").await.expect(200);
    house.get(&second, "/v2/whoami").await.expect(200);
    let told = words(&ada.page(&rotate).await);
    assert!(told.contains("still used"), "{told}");
    assert!(row(&ada.page(&list).await, token).contains("old secret still works"));

    // Deleted, with its last uses in sight.
    let delete = format!("{list}/{token}/delete");
    let html = ada.page(&delete).await;
    assert!(html.contains("It was used in the last 7 days."));
    assert!(words(&html).contains("zones:example.net:read"), "{html}");
    let html = ada.submit_and_follow(&Form::in_page(&html, &delete)).await;
    assert!(html.contains("The token is deleted") && !html.contains(&format!("id=\"token-{token}\"")));
    house.get(&second, "/v2/whoami").await.expect(401);
    ada.open(&edit).await.expect(404);

    // All of it is in the log, by her right as a member.
    let events = house.events_after(before).await;
    for kind in ["TokenCreated", "TokenAccessChanged", "TokenRotated", "TokenDeleted"] {
        let event = events.iter().find(|event| event["type"] == kind && event["token_id"] == token).unwrap();
        assert_eq!(event["principal"], json!({ "kind": "user", "id": house.ada }), "{kind}");
        assert_eq!(event["data"]["by"]["authority"]["kind"], "membership", "{kind}");
    }
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains(&first) && !text.contains(&second), "no secret is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_solo_a_token_has_full_access_and_the_form_says_so() {
    let house = House::new().await;
    let (ada, list) = (Browser::of_user(&house, house.ada).await, list_path(house.solo));
    let html = ada.page(&format!("{list}/new")).await;
    assert!(html.contains("This token will have full access to the account."));
    let form = Form::in_page(&html, &list).with("name", &["home automation"]);
    assert!(!form.has("access") && !form.has("level.zones"));
    let (token, secret) = generate(&ada, &form).await;
    house.get(&secret, format!("/v2/{}/domains/solo.example", house.solo)).await.expect(200);
    assert!(row(&ada.page(&list).await, token).contains("Full access"));
    let edit = format!("{list}/{token}/edit");
    let form = ada.form(&edit, &edit).await.with("name", &["renamed"]);
    // A new name changes nothing that it can do: it is saved at once.
    assert!(row(&ada.submit_and_follow(&form).await, token).contains("renamed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_is_made_once_and_its_secret_is_not_shown_again() {
    let house = House::new().await;
    let (ada, list) = (Browser::of_user(&house, house.ada).await, list_path(house.teams));
    let form = two_zones(&ada, house.teams, "once").await;
    let (token, secret) = generate(&ada, &form).await;
    let position = house.head();
    // A reload of the answer.
    let html = ada.submit(&form).await.expect(200).text().to_owned();
    assert!(html.contains("This was done already") && !html.contains(&secret) && !html.contains("id=\"secret\""));
    // Back to the form, and something else.
    let told = ada.submit(&form.clone().with("name", &["twice"])).await.expect(422);
    assert!(told.text().contains("This form was sent before"));
    assert_eq!(house.head(), position, "nothing was made");
    let again = Form::in_page(told.text(), &list);
    assert_eq!(again.value("name"), "twice");
    let (other, _) = generate(&ada, &again).await;
    assert_ne!(other, token);
    // A rotation too.
    let rotate = format!("{list}/{token}/rotate");
    let form = ada.form(&rotate, &rotate).await;
    let position = house.head();
    let shown = secret_in(ada.submit(&form).await.expect(201).text());
    let rotated = house.head();
    assert!(rotated > position);
    let html = ada.submit(&form).await.expect(200).text().to_owned();
    assert!(!html.contains(&shown) && house.head() == rotated, "rotated once");
}

fn secret_in(html: &str) -> String {
    secret(html)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_beside_its_field_and_what_was_typed_is_kept() {
    let house = House::new().await;
    let (ada, list) = (Browser::of_user(&house, house.ada).await, list_path(house.teams));
    let form = two_zones(&ada, house.teams, "  ").await;
    let position = house.head();
    let told = ada
        .submit(&form.clone().with("names.zones", &[]).with("addresses", &["192.0.2.1/24\nnowhere"]))
        .await
        .expect(422);
    let html = told.text();
    let said = text_of(html, "faults");
    for part in [
        "Name: can't be blank",
        "Zones: tick at least one, or choose all",
        "Addresses: 192.0.2.1/24 has bits set past its prefix; the range is 192.0.2.0/24; nowhere is not an address",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(text_of(html, "name-error"), "can't be blank");
    let again = Form::in_page(html, &list);
    assert_eq!(again.value("addresses"), "192.0.2.1/24\nnowhere");
    assert_eq!(again.value("level.zones"), "read_only");
    // What only the ledger's own rules know.
    let form = form.with("name", &["a"]).with("expires_at", &["2026-02-01T00:00"]).with("more.zones", &["no name!"]);
    let told = ada.submit(&form).await.expect(422);
    let said = text_of(told.text(), "faults");
    assert!(said.contains("Expires: must be in the future"), "{said}");
    assert_eq!(Form::in_page(told.text(), &list).value("expires_at"), "2026-02-01T00:00");
    let told = ada.submit(&form.with("expires_at", &[""])).await.expect(422);
    assert!(text_of(told.text(), "faults").contains("Zones: "), "{}", told.text());
    assert_eq!(house.head(), position, "nothing was made");
    // Nothing at all is no access, and not what anybody means.
    let none = two_zones(&ada, house.teams, "b").await.with("level.zones", &["none"]);
    assert!(text_of(ada.submit(&none).await.expect(422).text(), "access-error").contains("give access to something"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_over_somebody_elses_is_caught_and_nothing_typed_is_lost() {
    let house = House::new().await;
    let (ada, list) = (Browser::of_user(&house, house.ada).await, list_path(house.teams));
    let token = house.scoped.id;
    let edit = format!("{list}/{token}/edit");
    let form = ada.form(&edit, &edit).await.with("name", &["mine"]);
    house.patch(&house.scoped.path, json!({ "name": "theirs" })).await.expect(200);
    let told = ada.submit(&form).await.expect(409);
    assert!(
        words(told.text()).contains("As it stands now: “theirs”, Certificates: read only on example.com;"),
        "{}",
        words(told.text())
    );
    assert_eq!(house.shown(&house.scoped).await["name"], "theirs");
    let again = Form::in_page(told.text(), &edit);
    assert_eq!(again.value("name"), "mine");
    assert!(row(&ada.submit_and_follow(&again).await, token).contains("mine"));
    // A token that is changed while somebody is about to delete it, or deleted while somebody edits it.
    let delete = format!("{list}/{token}/delete");
    let form = ada.form(&delete, &delete).await;
    let editing = ada.form(&edit, &edit).await;
    house.patch(&house.scoped.path, json!({ "name": "theirs again" })).await.expect(200);
    let told = ada.submit(&form).await.expect(409);
    assert!(told.text().contains("Somebody changed this token meanwhile."));
    house.delete(&house.scoped.path).await.expect(204);
    ada.submit(&editing).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_expired_can_still_be_renamed_or_brought_back() {
    let house = House::new().await;
    let (ada, list) = (Browser::of_user(&house, house.ada).await, list_path(house.teams));
    let edit = format!("{list}/{}/edit", house.expired.id);
    let form = ada.form(&edit, &edit).await;
    assert_eq!(form.value("expires_at"), "2026-03-01T12:01:00");
    let html = ada.submit_and_follow(&form.clone().with("name", &["too late"])).await;
    let shown = row(&html, house.expired.id);
    assert!(shown.contains("too late") && shown.contains("2026-03-01 12:01:00 UTC expired"), "{shown}");
    house.get(&house.expired.text, "/v2/whoami").await.expect(401);
    let form = ada.form(&edit, &edit).await.with("expires_at", &[""]);
    let html = ada.submit(&form).await.expect(200).text().to_owned();
    assert_eq!(text_of(&html, "wider"), "Never expires");
    ada.submit_and_follow(&Form::in_page(&html, &edit).with("step", &["save"])).await;
    house.get(&house.expired.text, "/v2/whoami").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn narrowing_to_what_is_used_fills_the_form_and_saves_nothing() {
    let house = House::new().await;
    let (ada, list) = (Browser::of_user(&house, house.ada).await, list_path(house.teams));
    house.get(&house.full.text, format!("/v2/{}/zones/example.org", house.teams)).await.expect(200);
    let edit = format!("{list}/{}/edit", house.full.id);
    let form = ada.form(&format!("{edit}?narrow=used"), &edit).await;
    assert_eq!(form.value("access"), "granted");
    assert_eq!((form.value("level.zones"), form.value("names.zones")), ("read_only", "example.org"));
    assert_eq!(form.value("level.domains"), "none");
    assert_eq!(house.shown(&house.full).await["access"], "full");
    let html = ada.submit(&form).await.expect(200).text().to_owned();
    assert!(
        text_of(&html, "would-refuse").starts_with("Nothing that this token did would have been refused, of 1 use"),
        "{html}"
    );
    assert_eq!(text_of(&html, "narrower"), "No full access any more, only Zones: read only on example.org");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_session_or_site_does_nothing() {
    let house = House::new().await;
    let (ada, list) = (Browser::of_user(&house, house.ada).await, list_path(house.teams));
    let form = two_zones(&ada, house.teams, "forged").await;
    let position = house.head();
    let other = Browser::of_user(&house, house.ada).await;
    let signed_in = house.head();
    for wrong in ["", "x", other.form(&format!("{list}/new"), &list).await.value("csrf")] {
        ada.submit(&form.clone().with("csrf", &[wrong])).await.expect(403);
    }
    ada.submit(&form.clone().with("csrf", &[])).await.expect(403);
    for (name, value) in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")] {
        let mut ask = form.ask();
        ask.headers.retain(|(name, _)| name != "Origin");
        ada.send(ask.header(name, value)).await.expect(403);
    }
    // Nor does one that this page does not have.
    ada.submit(&form.clone().with("is_admin", &["1"])).await.expect(400);
    ada.send(Ask::new("POST", &list).json(&json!({ "name": "a" }))).await.expect(415);
    assert!(house.head() == signed_in && signed_in > position, "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_card_shows_limits_as_they_are() {
    let house = House::new().await;
    let ada = Browser::of_user(&house, house.ada).await;
    let teams = ada.page(&list_path(house.teams)).await;
    assert!(teams.contains("All tokens of this account share these limits"));
    assert!(!teams.contains("Domain Research"), "the account does not have the feature");
    assert!(words(&teams).contains("No window is open: the next request opens one"));
    house.patch(format!("/v1/accounts/{}", house.teams), json!({ "hourly_limit": 3 })).await.expect(200);
    for status in [200, 200, 200, 429] {
        house.get(&house.full.text, "/v2/whoami").await.expect(status);
    }
    let html = ada.page(&list_path(house.teams)).await;
    assert_eq!(text_of(&html, "remaining"), "0");
    let said = words(&html);
    for part in ["0 of 3 an hour left", "Used 3 1 refused over the limit", "at 2026-03-01 13:02:00 UTC"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(html.contains("aria-label=\"3 of 3 requests used\""));
    house.advance(3_600);
    assert_eq!(text_of(&ada.page(&list_path(house.teams)).await, "remaining"), "3");

    let operator = Browser::of_staff(&house, 1).await;
    let research = format!("/v2/{}/domains/research/status?domain=example.com", house.enterprise);
    house.get(&house.corporate.text, research).await.expect(200);
    let said = words(&operator.page(&list_path(house.enterprise)).await);
    for part in ["Domain Research 1 of 3 checks in 2026-03", "Next month begins 2026-04-01 00:00:00 UTC"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

/// Names in the order of the list.
fn names(html: &str) -> Vec<String> {
    let rows = html.split("<tr id=\"token-").skip(1);
    rows.map(|row| words(row.split("<bdi>").nth(1).unwrap().split("</bdi>").next().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_searched_filtered_sorted_and_paged() {
    let house = House::new().await;
    let (ada, list) = (Browser::of_user(&house, house.ada).await, list_path(house.teams));
    for number in 0..60 {
        let access = match number {
            0 => json!("full"),
            _ => grants(&[("zones", "read_only", json!(["example.net"]))]),
        };
        house.account_token(house.teams, json!({ "name": format!("worker {number:02}"), "access": access })).await;
    }
    let html = ada.page(&list).await;
    assert!(words(&html).contains("64 tokens, page 1 of 3"), "{}", words(&html));
    assert_eq!(names(&html).len(), 25);
    let last = ada.page(&format!("{list}?page=3")).await;
    assert_eq!(names(&last).len(), 14);
    assert_eq!(names(&ada.page(&format!("{list}?page=99")).await), names(&last), "past the end is the end");
    assert_eq!(names(&ada.page(&format!("{list}?q=WORKER+07")).await), ["worker 07"]);
    assert_eq!(names(&ada.page(&format!("{list}?q=worker&show=full")).await), ["worker 00"]);
    assert!(words(&ada.page(&format!("{list}?q=nothing+has+this")).await).contains("No token is like that."));
    // By the last characters of the secret, all of them or none: they are random, and part of them finds nothing.
    let end = |characters: usize| &house.scoped.text[house.scoped.text.len() - characters..];
    for asked in [end(4).to_owned(), format!("%E2%80%A6{}", end(4))] {
        assert!(names(&ada.page(&format!("{list}?q={asked}")).await).contains(&"robot".to_owned()), "{asked}");
    }
    let part = end(3).to_lowercase();
    let shown = words(&row(&ada.page(&format!("{list}?q=robot")).await, house.scoped.id)).to_lowercase();
    // Unless they are in what the row says otherwise, too, as three random characters can be.
    if shown.replace(&end(4).to_lowercase(), "").find(&part).is_none() {
        assert!(!names(&ada.page(&format!("{list}?q=robot+{part}")).await).contains(&"robot".to_owned()), "{part}");
    }
    // By what it may, too.
    assert!(names(&ada.page(&format!("{list}?q=certificates")).await).contains(&"robot".to_owned()));
    house.get(&house.scoped.text, format!("/v2/{}/zones", house.teams)).await.expect(200);
    assert_eq!(names(&ada.page(&format!("{list}?sort=used")).await)[0], "robot");
    let created = names(&ada.page(&format!("{list}?sort=-created")).await);
    assert_eq!(created[0], "worker 59");
    house.advance(91 * 86_400);
    let ada = Browser::of_user(&house, house.ada).await;
    let idle = words(&ada.page(&format!("{list}?show=idle&q=robot")).await);
    assert!(idle.contains("1 of 64 tokens"), "{idle}");
    // Expired a long time ago.
    assert_eq!(names(&ada.page(&format!("{list}?show=expiring")).await), ["late"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_as_of_then_says_so_and_offers_no_change() {
    let house = House::new().await;
    let (ada, list) = (Browser::of_user(&house, house.ada).await, list_path(house.teams));
    house.patch(&house.full.path, json!({ "name": "renamed" })).await.expect(200);
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    let now = ada.page(&list).await;
    assert!(names(&now).contains(&"renamed".to_owned()));
    let then = ada.page(&format!("{list}?as_of=2026-03-01T12:01")).await;
    assert!(then.contains("This is the past.") && then.contains("2026-03-01 12:01:00"));
    assert!(names(&then).contains(&"deploy".to_owned()), "{:?}", names(&then));
    assert!(!then.contains("/edit\"") && !then.contains("Generate token"), "the past is not changed");
    assert!(row(&then, house.full.id).contains("never"));
    ada.open(&format!("{list}?as_of=2030-01-01")).await.expect(422);
    for path in [list.clone(), format!("{list}/new"), format!("{list}/{}/edit", house.full.id)] {
        ada.open(&format!("{path}?as_of=soon")).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_shown_as_typed_and_do_nothing() {
    let house = House::new().await;
    let (ada, list) = (Browser::of_user(&house, house.ada).await, list_path(house.teams));
    let hostile = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</title></textarea><svg/onload=alert(1)>",
        "{{ 7*7 }} ${7*7} #{7*7} <%= 7*7 %>",
        "&lt;b&gt; &amp; &#60;",
        "=cmd|'/C calc'!A0",
        "\u{202e}evil\u{202c} \u{2066}x",
        "zero\u{200b}width\u{feff}",
        "𝒻𝑜𝓊𝓇 bytes 🦀🇦🇹",
        "javascript:alert(1)",
        "a`b\\c/d%00%0d%0aSet-Cookie:x",
        "{\"json\":[1,2]}",
        "--><!-- comment",
        "]]><![CDATA[",
    ];
    for name in hostile {
        let form = two_zones(&ada, house.teams, name).await;
        let told = ada.submit(&form).await;
        if told.status == 422 {
            // Names that the rules refuse are still shown as typed.
            assert_eq!(Form::in_page(told.text(), &list).value("name"), name);
            continue;
        }
        let html = told.expect(201).text().to_owned();
        let token = house.look(format!("/v1/accounts/{}/tokens?per_page=100", house.teams)).await.data();
        let token = token.as_array().unwrap().last().unwrap().clone();
        assert_eq!(token["name"], name);
        let path = format!("{list}/{}", token["id"]);
        let edit = ada.page(&format!("{path}/edit")).await;
        assert_eq!(Form::in_page(&edit, &format!("{path}/edit")).value("name"), name);
        let pages = [
            html,
            edit,
            ada.page(&list).await,
            ada.page(&format!("{path}/delete")).await,
            ada.page(&format!("{path}/rotate")).await,
        ];
        for page in pages {
            assert!(words(&page).contains(&name.split_whitespace().collect::<Vec<_>>().join(" ")), "{name} in {page}");
            for raw in ["<script>", "<img", "<svg/", "onmouseover='", "<%", "<!--"] {
                assert!(!page.contains(raw), "{name}: {raw}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_tokens_with_a_hundred_zones_stay_light() {
    let house = House::new().await;
    let ada = Browser::of_user(&house, house.ada).await;
    for number in 0..150 {
        let zone = json!({ "kind": "zone", "name": format!("a-rather-long-zone-name-{number:03}.example") });
        house.resource(house.teams, zone).await;
    }
    let access = grants(&[
        (
            "zones",
            "full_access",
            json!([
                "a-rather-long-zone-name-001.example",
                "a-rather-long-zone-name-002.example",
                "example.com",
                "example.org"
            ]),
        ),
        ("domains", "read_only", json!("all")),
    ]);
    for number in 0..196 {
        let name = format!("a worker with a rather long name, number {number:03}");
        house.account_token(house.teams, json!({ "name": name, "access": access })).await;
    }
    let list = list_path(house.teams);
    let assets = token_ledger::http::pages::assets::STYLE.length() + token_ledger::http::pages::assets::SCRIPT.length();
    for path in [list.clone(), format!("{list}/new"), format!("{list}/{}/edit", house.scoped.id)] {
        let weight = ada.page(&path).await.len() + assets;
        assert!(weight < 100 * 1024, "{path}: {weight} bytes with style and script");
    }
    let form = ada.form(&format!("{list}/new"), &list).await;
    assert!(words(&ada.page(&format!("{list}/new")).await).contains("54 more are not listed; type their names."));
    let form = form
        .with("name", &["typed"])
        .with("access", &["granted"])
        .with("level.zones", &["read_only"])
        .with("cover.zones", &["named"])
        .with("more.zones", &["A-rather-long-zone-name-149.example, example.org"]);
    let (token, _) = generate(&ada, &form).await;
    let told = house.look(format!("/v1/accounts/{}/tokens/{token}", house.teams)).await.data();
    let names = told["access"]["grants"][0]["resources"].as_array().unwrap();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&json!("a-rather-long-zone-name-149.example")) && names.contains(&json!("example.org")));
}
