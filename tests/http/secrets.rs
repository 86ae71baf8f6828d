//! A secret is shown in the answer that creates it, and is in nothing else that the service writes or says.

use crate::house::House;
use crate::wire::{self, Ask};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use token_ledger::http::operations::OPERATIONS;

/// Everything that the process logs while this test binary runs.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn bytes_under(path: &Path) -> Vec<u8> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    // A socket is no file to read.
    entries
        .flat_map(|entry| if entry.is_dir() { bytes_under(&entry) } else { fs::read(&entry).unwrap_or_default() })
        .collect()
}

/// Parts of a token text long enough that chance does not bring them up: the whole, the middle, the end.
fn parts(text: &str) -> [String; 3] {
    [text.to_owned(), text[5..35].to_owned(), text[30..].to_owned()]
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

/// Every page that can be read, for real ids.
fn readable_paths(house: &House) -> Vec<String> {
    let ids = [
        ("{account}", house.teams.to_string()),
        ("{user}", house.ada.to_string()),
        ("{position}", house.head().to_string()),
        ("{domain}", "example.com".to_owned()),
        ("{zone}", "example.com".to_owned()),
        ("{certificate}", "9".to_owned()),
        ("{slug}", "not-found".to_owned()),
    ];
    let tokens = [house.full.id, house.adas.id, house.rotated.id];
    let mut paths = BTreeSet::new();
    for (template, _, _) in OPERATIONS.iter().filter(|(_, method, _)| *method == "GET") {
        let path = ids.iter().fold((*template).to_owned(), |path, (variable, id)| path.replace(variable, id));
        // A stream that ends by itself.
        let path = if template.ends_with("/stream") { format!("{path}?after=0&before=60") } else { path };
        paths.extend(tokens.iter().map(|token| path.replace("{token}", &token.to_string())));
    }
    paths.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_and_kept_nowhere() {
    let log = Captured::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let house = House::new().await;
    // Chosen by a client, so it is nobody's business either.
    let key = "CHOSEN-key-e3f1";
    let rotation = Ask::new("POST", format!("{}/rotate", house.scoped.path)).bearer(&house.operator);
    let rotation = rotation.header("Idempotency-Key", key).json(&json!({}));
    let rotated = house.ask(rotation.clone()).await.expect(201).json();
    let rotated = rotated["token"].as_str().unwrap().to_owned();
    let ada = format!("/v1/users/{}", house.ada);
    // A link that is used, one that is only looked at, and the session with what its forms carry.
    let (used, kept) = (house.sign_in_link(&ada).await, house.sign_in_link(&ada).await);
    house.press(&used).await.expect(303);
    let browser = house.session(&ada).await;
    let session = browser.cookie.split_once('=').unwrap().1.to_owned();
    let secrets = [
        &house.operator,
        &house.auditor.text,
        &house.full.text,
        &house.scoped.text,
        &house.adas.text,
        &house.deleted.text,
        &house.expired.text,
        &house.rotated.text,
        &house.rotated_out,
        &rotated,
        &house.gateway.text,
        &house.unknown,
        &used,
        &kept,
        &session,
    ];
    let mut said = Vec::new();
    for secret in secrets {
        house.get(secret, "/v2/whoami").await;
        house.get(secret, "/v1/users").await;
        house.get(secret, format!("/v2/{}/zones/%zz", house.teams)).await;
        // Shown by a gateway for its client, whatever it is.
        let ask = |path: &str| Ask::new("POST", path).bearer(&house.gateway.text);
        let question = json!({ "method": "GET", "path": format!("/v2/{}/zones", house.teams) });
        said.extend(
            house.ask(ask("/v1/authorize").json(&json!({ "token": secret, "questions": [question] }))).await.body,
        );
        said.extend(house.ask(ask("/oauth/introspect").form(&[("token", secret)])).await.body);
    }
    for link in [&used, &kept] {
        // Its own page has it in its form, and nothing else says it back.
        let looked = wire::ask(house.address, &Ask::get(format!("/sign-in/{link}"))).await;
        assert_eq!(looked.status, if *link == kept { 200 } else { 404 });
        assert_eq!(contains(&looked.body, link), *link == kept);
        for path in [format!("/sign-in/{link}/"), format!("/sign-in/{link}/x?{link}"), format!("/sign-in/{link}x")] {
            said.extend(wire::ask(house.address, &Ask::get(&path)).await.body);
            said.extend(wire::ask(house.address, &Ask::new("POST", &path)).await.body);
            said.extend(wire::ask(house.address, &browser.shows(Ask::get(&path))).await.body);
        }
    }
    said.extend(house.press(&used).await.expect(404).body);
    for path in ["/user", "/sign-in", "/", "/nothing"] {
        let told = wire::ask(house.address, &browser.shows(Ask::get(path))).await;
        said.extend(told.body.iter().chain(format!("{:?}", told.headers).as_bytes()));
    }
    let refused = house.ask(browser.calls(Ask::get(format!("/v1/users/{}", house.grace)))).await;
    said.extend(refused.body);
    said.extend(house.ask(rotation).await.expect(201).body);
    for path in readable_paths(&house) {
        for token in [&house.operator, &house.auditor.text, &house.full.text, &house.unknown] {
            said.extend(house.get(token, &path).await.body);
        }
    }
    let mut position = 0;
    loop {
        let page = house.look(format!("/v1/events?limit=1000&after={position}")).await.expect(200);
        said.extend(&page.body);
        match page.json()["next"].as_u64() {
            Some(next) => position = next,
            None => break,
        }
    }
    // Both what lies there while the service runs, and what it leaves behind.
    let mut stored = bytes_under(house.dir());
    let ledger = house.ledger.clone();
    tokio::task::spawn_blocking(move || ledger.stop()).await.unwrap();
    stored.extend(bytes_under(house.dir()));
    let logged = log.0.lock().unwrap().clone();
    // The search finds what is there.
    assert!(contains(&said, "certificate") && contains(&stored, "Ada Example") && !logged.is_empty());
    for part in secrets.into_iter().flat_map(|secret| parts(secret)).chain([key.to_owned()]) {
        assert!(!contains(&said, &part), "an answer holds {part}");
        assert!(!contains(&stored, &part), "the data directory holds {part}");
        assert!(!contains(&logged, &part), "the log holds {part}");
    }
    for part in [browser.csrf.as_str(), &browser.csrf[10..]] {
        assert!(!contains(&stored, part) && !contains(&logged, part), "a form's secret is kept");
    }
}
