//! An account's OAuth applications: forms sent again, looks that are refused, and where consent leads.

use crate::browser::{Browser, Form, send};
use crate::house::House;
use crate::wire::Ask;
use serde_json::json;

fn path_of(account: u64) -> String {
    format!("/accounts/{account}/oauth_applications")
}

fn filled(mut form: Form, name: &str, uri: &str) -> Form {
    for (field, value) in [("name", name), ("redirect_uris", uri), ("kind", "confidential")] {
        form.fields.retain(|(known, _)| known != field);
        form.fields.push((field.to_owned(), value.to_owned()));
    }
    form
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_sent_twice_registers_once_and_says_so() {
    let house = House::new().await;
    let ada = Browser::of_user(&house, house.ada).await;
    let path = path_of(house.teams);
    let form = filled(ada.form(&path, &path).await, "first", "https://app.example/cb");
    assert!(ada.submit(&form).await.expect(200).text().contains("shown this once"));
    // The same again: nothing is made, no secret is shown, and the page says why.
    let again = ada.submit(&form).await.expect(303);
    let told = ada.page(again.header("location").unwrap()).await;
    assert!(told.contains("This form was sent before.") && !told.contains("shown this once"), "{told}");
    // Gone back to and edited: what was typed is not lost, and nobody thinks that it is registered.
    let edited = filled(form, "second", "https://other.example/cb");
    let told = ada.submit(&edited).await.expect(422);
    assert!(told.text().contains("was sent before") && told.text().contains("second"), "{}", told.text());
    let listed = house.look(format!("/v1/accounts/{}/oauth-applications", house.teams)).await.expect(200).data();
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_stays_when_it_cannot_be_saved() {
    let house = House::new().await;
    let ada = Browser::of_user(&house, house.ada).await;
    let path = path_of(house.teams);
    ada.submit(&filled(ada.form(&path, &path).await, "first", "https://app.example/cb")).await.expect(200);
    let own = format!("{path}/1");
    let form = filled(ada.form(&own, &own).await, "renamed", "ftp://app.example");
    let told = ada.submit(&form).await.expect(422);
    assert!(told.text().contains("renamed") && told.text().contains("ftp://app.example"), "{}", told.text());
    // Changed by somebody else meanwhile.
    let form = filled(ada.form(&own, &own).await, "mine", "https://app.example/cb");
    let theirs = json!({ "name": "theirs" });
    house.patch(format!("/v1/accounts/{}/oauth-applications/1", house.teams), theirs).await.expect(200);
    let told = ada.submit(&form).await.expect(422);
    assert!(told.text().contains("changed the application meanwhile") && told.text().contains("mine"));
    // A version that is none is not taken for none.
    let mut form = filled(ada.form(&own, &own).await, "mine", "https://app.example/cb");
    form.fields.iter_mut().filter(|(name, _)| name == "version").for_each(|(_, value)| "abc".clone_into(value));
    let head = house.head();
    ada.submit(&form).await.expect(400);
    assert_eq!(house.head(), head, "nothing came of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_look_is_recorded() {
    let house = House::new().await;
    let linus = house.session(&format!("/v1/users/{}", house.linus)).await;
    for path in [path_of(house.teams), format!("{}/1", path_of(house.teams))] {
        let head = house.head();
        send(&house, linus.shows(Ask::get(&path))).await.expect(404);
        let events = house.recorded_after(head).await;
        assert!(events.iter().any(|event| event["type"] == "ManagementRefused"), "{path}: {events:?}");
    }
}

/// Policies cannot name an IPv6 address, so a browser would not be led there by the answer to a form.
#[tokio::test(flavor = "multi_thread")]
async fn consent_leads_to_the_persons_own_machine_by_ipv6_too() {
    let house = House::new().await;
    let ada = Browser::of_user(&house, house.ada).await;
    let body = json!({ "name": "local", "redirect_uris": ["http://[::1]:7799/cb"], "kind": "public" });
    let made = house.post(format!("/v1/accounts/{}/oauth-applications", house.teams), body).await.expect(201).json();
    let client = made["data"]["client_id"].as_str().unwrap();
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let query =
        format!("response_type=code&client_id={client}&state=x&code_challenge={challenge}&code_challenge_method=S256");
    let path = format!("/oauth/authorize?{query}");
    let asked = ada.send(Ask::get(&path)).await.expect(200);
    assert!(!asked.header("content-security-policy").unwrap().contains('['), "no policy can say it");
    for decision in ["allow", "deny"] {
        let mut form = Form::in_page(asked.text(), &path.replace('&', "&#38;"));
        form.action = path.clone();
        form.fields.push(("decision".to_owned(), decision.to_owned()));
        let told = ada.submit(&form).await.expect(200);
        assert!(
            told.text().contains("On your way back") && told.text().contains("http://[::1]:7799/cb?"),
            "{}",
            told.text()
        );
    }
}
