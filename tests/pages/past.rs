//! A token's own page, usage, history, one event, and all of them as of a point of the past: what they show is what `/v1` says.

use crate::browser::{send, until_signed};
use crate::house::House;
use crate::wire::{self, Ask, Told};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use token_ledger::domain::command::{Actor, Change, Command, NewSecret, Origin, SignInChange};
use token_ledger::domain::ids::{RequestId, TokenId, UserId};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Principal, TokenKind};
use token_ledger::domain::token_text::{TokenDigest, TokenSecret};
use token_ledger::log::note::{TlogProof, Vkey};

/// Somebody who is signed in.
struct Browser<'a> {
    house: &'a House,
    cookie: String,
}

impl<'a> Browser<'a> {
    /// Signs somebody in as a link does. `seed` tells sessions apart.
    async fn of(house: &'a House, who: Principal, seed: u8) -> Self {
        let origin = || Origin {
            request: RequestId([seed; 16]),
            address: Some(PersonalText::new("127.0.0.1")),
            from: Some([127, 0, 0, 1].into()),
            agent: None,
        };
        let digest = TokenDigest([seed; 32]);
        let link = Change::SignIn(SignInChange::CreateLink { who, digest });
        house.ledger.submit(Command::Manage(Actor::Local(0), Box::new(link)), origin()).await.unwrap();
        let text = TokenSecret::from_random(TokenKind::Session, &[seed; 32]).reveal_once();
        let hint = text.as_bytes()[text.len() - 4..].try_into().unwrap();
        let secret = NewSecret { digest: TokenDigest::of(&text), hint };
        let used = Change::SignIn(SignInChange::UseLink { name: PersonalText::new("test"), secret });
        house.ledger.submit(Command::Manage(Actor::Link(digest), Box::new(used)), origin()).await.unwrap();
        Self { house, cookie: format!("token-ledger-session={text}") }
    }

    async fn ada(house: &'a House) -> Self {
        Self::of(house, Principal::User(UserId(house.ada)), 41).await
    }

    async fn get(&self, path: &str) -> Told {
        send(self.house, Ask::get(path).header("Cookie", &self.cookie)).await
    }

    async fn page(&self, path: &str) -> String {
        self.get(path).await.expect(200).text().to_owned()
    }
}

/// The text of HTML: tags taken out, what was escaped as it was.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for letter in html.chars() {
        match letter {
            '<' => is_tag = true,
            '>' => is_tag = false,
            letter if !is_tag => text.push(letter),
            _ => {}
        }
    }
    for (escaped, letter) in
        [("&nbsp;", " "), ("&#34;", "\""), ("&#38;", "&"), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">")]
    {
        text = text.replace(escaped, letter);
    }
    text
}

/// Rows of the table whose body follows a text, each a list of its cells' texts.
#[track_caller]
fn rows(html: &str, after: &str) -> Vec<Vec<String>> {
    let at = html.find(after).unwrap_or_else(|| panic!("{after} is not in\n{html}"));
    let body = html[at..].split_once("<tbody>").unwrap().1.split_once("</tbody>").unwrap().0;
    let cells = |row: &str| {
        let cells = row.split("</t").filter(|cell| cell.contains("<th ") || cell.contains("<td"));
        cells
            .map(|cell| {
                let at = cell.rfind("<th ").or(cell.rfind("<td")).unwrap();
                plain(cell[at..].split_once('>').unwrap().1).trim().to_owned()
            })
            .collect()
    };
    body.split("</tr>").filter(|row| row.contains("<tr")).map(cells).collect()
}

fn number(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap()
}

async fn use_it(house: &House, token: &str, path: &str, times: u64, status: u16) {
    for _ in 0..times {
        house.get(token, path).await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tokens_page_tells_its_life_and_counts_what_v1_counts() {
    let house = House::new().await;
    let ada = Browser::ada(&house).await;
    let (teams, scoped) = (house.teams, &house.scoped);
    let path = format!("/accounts/{teams}/access_tokens/{}", scoped.id);
    let zone = format!("/v2/{teams}/zones/example.com");
    use_it(&house, &scoped.text, &zone, 3, 200).await;
    use_it(&house, &scoped.text, &format!("/v2/{teams}/zones/example.org"), 2, 403).await;
    let grants = json!([{ "group": "zones", "level": "full_access", "resources": "all" }]);
    house
        .patch(scoped.path.clone(), json!({ "name": "a <b>name</b>", "access": { "grants": grants } }))
        .await
        .expect(200);
    house.patch(scoped.path.clone(), json!({ "allowed_addresses": ["127.0.0.0/8"] })).await.expect(200);
    house.advance(3_600);
    use_it(&house, &scoped.text, &zone, 2, 200).await;

    let html = ada.page(&path).await;
    let text = plain(&html);
    for said in [
        "zones: was read only on example.com, example.net, now full access on all",
        "domains: was full access on example.com, now no access",
        "works at once, from 127.0.0.0/8 only",
        "a <b>name</b>",
    ] {
        assert!(text.contains(said), "{said} is not in\n{text}");
    }
    assert!(!html.contains("<b>name"), "names are escaped");

    // The numbers by hour are those of `/v1`.
    let hours = rows(&html, "id=\"hours-title\"");
    let told = house.look(&format!("{}/usage", scoped.path)).await.expect(200).json();
    let told = told["data"].as_array().unwrap();
    assert_eq!(hours.len(), 24);
    for row in told {
        let hour: usize = row["hour"].as_str().unwrap()[11..13].parse().unwrap();
        let refused: u64 = row["refused"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(
            (number(&hours[hour][1]), number(&hours[hour][2])),
            (row["uses"].as_u64().unwrap(), refused),
            "{row}"
        );
    }
    let sum = |column: usize| hours.iter().map(|row| number(&row[column])).sum::<u64>();
    assert_eq!((sum(1), sum(2)), (5, 2), "nothing else is in the table");
    let days = rows(&html, "id=\"days-title\"");
    assert_eq!((days.len(), number(&days[29][1]), number(&days[29][2])), (30, 5, 2));

    // Scopes are those of least privilege, addresses and agents are those of the requests.
    let least = house.look(&format!("/v1/audit/least-privilege?token={}", scoped.id)).await.expect(200).json();
    let scopes: Vec<(String, u64)> =
        rows(&html, "Scopes, most used first").iter().map(|row| (row[0].clone(), number(&row[1]))).collect();
    let expected: Vec<(String, u64)> = least["scopes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["scope"].as_str().unwrap().to_owned(), row["uses"].as_u64().unwrap()))
        .collect();
    assert_eq!(scopes, expected);
    assert_eq!(rows(&html, "<caption>Addresses")[0][..3], ["127.0.0.1", "5", "2"]);
    assert!(html.contains("/edit?narrow=used"), "nothing was changed, and not all zones were used");

    // It keeps its page when it is gone, and nothing leads to a change of it.
    house.delete(&scoped.path).await.expect(204);
    let html = ada.page(&path).await;
    assert!(plain(&html).contains("final: it works no more, and its history stays"));
    assert!(!html.contains("/edit") && !html.contains("/delete"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_accounts_are_not_there() {
    let house = House::new().await;
    let ada = Browser::ada(&house).await;
    let (teams, enterprise) = (house.teams, house.enterprise);
    let of_enterprise =
        house.look(&format!("/v1/events?account={enterprise}&limit=1")).await.json()["data"][0]["position"]
            .as_u64()
            .unwrap();
    let of_service = 1;
    for path in [
        format!("/accounts/{enterprise}/usage"),
        format!("/accounts/{enterprise}/history"),
        format!("/accounts/{enterprise}/access_tokens/{}", house.corporate.id),
        format!("/accounts/{enterprise}/history/{of_enterprise}"),
        format!("/accounts/{enterprise}/history/{of_enterprise}/proof"),
        format!("/accounts/{teams}/access_tokens/{}", house.corporate.id),
        format!("/accounts/{teams}/access_tokens/{}", house.solo_full.id),
        format!("/accounts/{teams}/access_tokens/{}", house.auditor.id),
        format!("/accounts/{teams}/access_tokens/9999"),
        format!("/accounts/{teams}/history/{of_enterprise}"),
        format!("/accounts/{teams}/history/{of_enterprise}/proof"),
        format!("/accounts/{teams}/history/{of_service}"),
        "/accounts/9999/history".to_owned(),
    ] {
        ada.get(&path).await.expect(404);
    }
    // A member with grants sees the account's limits, not its history.
    let grace = Browser::of(&house, Principal::User(UserId(house.grace)), 42).await;
    grace.get(&format!("/accounts/{teams}/history")).await.expect(403);
    // An auditor sees all of them.
    let auditor = Browser::of(&house, Principal::Staff(TokenId(house.auditor.id)), 43).await;
    auditor.page(&format!("/accounts/{enterprise}/history/{of_enterprise}")).await;
    auditor.page(&format!("/accounts/{teams}/access_tokens/{}", house.adas.id)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_shows_the_windows_of_a_day_by_token_and_who_caused_its_refusals() {
    let house = House::new().await;
    let teams = house.teams;
    house.patch(format!("/v1/accounts/{teams}"), json!({ "hourly_limit": 5 })).await.expect(200);
    use_it(&house, &house.full.text, "/v2/whoami", 4, 200).await;
    use_it(&house, &house.scoped.text, "/v2/whoami", 1, 200).await;
    use_it(&house, &house.scoped.text, "/v2/whoami", 3, 429).await;
    house.advance(3_600);
    use_it(&house, &house.scoped.text, "/v2/whoami", 2, 200).await;
    house.advance(86_400);
    use_it(&house, &house.full.text, "/v2/whoami", 1, 200).await;

    let ada = Browser::of(&house, Principal::User(UserId(house.ada)), 45).await;
    let day = "2026-03-01";
    let html = ada.page(&format!("/accounts/{teams}/usage?day={day}")).await;
    let told = house
        .look(&format!("/v1/accounts/{teams}/usage/history?from={day}T00:00:00Z&to=2026-03-02T00:00:00Z"))
        .await
        .json();
    let windows = rows(&html, "id=\"windows-list\"");
    let told = told["data"].as_array().unwrap();
    assert_eq!(windows.len(), told.len());
    for (row, told) in windows.iter().zip(told) {
        assert_eq!(row[0], told["opened_at"].as_str().unwrap().replace('T', " ").replace('Z', " UTC"));
        assert_eq!(
            (number(&row[1]), number(&row[2])),
            (told["limit"].as_u64().unwrap(), told["used"].as_u64().unwrap())
        );
        assert_eq!(row[4].trim_end_matches(" × 429").parse::<u64>().unwrap(), told["refused"].as_u64().unwrap());
    }
    // The worst window is told by token, as the question says.
    let quota = house
        .look(&format!("/v1/audit/quota?account={teams}&from={day}T00:00:00Z&to=2026-03-02T00:00:00Z"))
        .await
        .json();
    let first = quota["windows"][0]["opened_at"].clone();
    let of_first: Vec<(u64, u64)> = quota["by_token"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["opened_at"] == first)
        .map(|row| (row["used"].as_u64().unwrap(), row["refused"].as_u64().unwrap()))
        .collect();
    let mut shown: Vec<(u64, u64)> =
        rows(&html, "Who caused the refusals").iter().map(|row| (number(&row[1]), number(&row[3]))).collect();
    assert_eq!(shown, [(4, 0), (1, 3)], "most used first");
    shown.sort_unstable();
    let mut of_first = of_first;
    of_first.sort_unstable();
    assert_eq!(shown, of_first);
    // The chart's table has a row for each clock hour, with the day's sums in it.
    let chart = rows(&html, "id=\"windows-title\"");
    assert_eq!(chart.len(), 24);
    let sum: u64 = chart.iter().flat_map(|row| &row[1..3]).map(|cell| number(cell)).sum();
    assert_eq!(sum, 7);
    assert!(html.contains(&format!("/accounts/{teams}/usage?day=2026-02-28")) && html.contains("day=2026-03-02"));
    // A day without anything is said to be one.
    assert!(
        ada.page(&format!("/accounts/{teams}/usage?day=2026-02-20")).await.contains("No window opened on this day")
    );
    ada.get(&format!("/accounts/{teams}/usage?day=yesterday")).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_pages_through_the_accounts_events_as_v1_does() {
    let house = House::new().await;
    let ada = Browser::ada(&house).await;
    let teams = house.teams;
    use_it(&house, &house.full.text, &format!("/v2/{teams}/zones/example.com"), 60, 200).await;
    use_it(&house, &house.scoped.text, &format!("/v2/{teams}/zones/example.org"), 1, 403).await;
    let told = house.look(&format!("/v1/events?account={teams}&order=desc&limit=1000")).await.json();
    let expected: Vec<u64> =
        told["data"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()).collect();
    // Page after page, nothing left out and nothing twice.
    let (mut shown, mut path) = (Vec::new(), format!("/accounts/{teams}/history?show=everything"));
    loop {
        let html = ada.page(&path).await;
        shown.extend(rows(&html, "class=\"stack history\"").iter().map(|row| number(&row[0])));
        let Some(at) = html.find(">Older</a>") else { break };
        let link = html[..at].rsplit_once("href=\"").unwrap().1.split_once('"').unwrap().0;
        path = link.replace("&#38;", "&").replace("&amp;", "&");
    }
    assert_eq!(shown, expected);

    for (query, api) in [
        (format!("token={}", house.scoped.id), format!("token={}", house.scoped.id)),
        ("type=TokenUseRefused".to_owned(), "type=TokenUseRefused".to_owned()),
        ("outcome=missing_scope".to_owned(), "outcome=missing_scope".to_owned()),
        ("resource=Example.ORG&show=refusals".to_owned(), "resource=example.org&type=TokenUseRefused".to_owned()),
        ("to=2026-03-01+12%3A01&show=everything".to_owned(), "to=2026-03-01T12:01:00Z".to_owned()),
    ] {
        let told =
            house.look(&format!("/v1/events?account={teams}&order=desc&limit=50&{api}")).await.expect(200).json();
        let expected: Vec<u64> = told["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| query.contains("show=everything") || event["type"] != "TextSeen")
            .map(|event| event["position"].as_u64().unwrap())
            .collect();
        let html = ada.page(&format!("/accounts/{teams}/history?{query}")).await;
        let shown: Vec<u64> = rows(&html, "class=\"stack history\"").iter().map(|row| number(&row[0])).collect();
        assert_eq!(shown, expected, "{query}");
    }
    let html = ada.page(&format!("/accounts/{teams}/history?show=refusals")).await;
    assert!(plain(&html).contains("refused zones:example.org:read from 127.0.0.1"), "{html}");
    assert!(ada.page(&format!("/accounts/{teams}/history?outcome=nothing")).await.contains("Nothing of this kind"));
    ada.get(&format!("/accounts/{teams}/history?type=Nothing")).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_page_can_be_shown_as_of_the_past_and_says_so() {
    let house = House::new().await;
    let ada = Browser::ada(&house).await;
    let (teams, scoped) = (house.teams, &house.scoped);
    use_it(&house, &scoped.text, &format!("/v2/{teams}/zones/example.com"), 2, 200).await;
    let then = house.head();
    house.advance(7_200);
    house.patch(scoped.path.clone(), json!({ "name": "renamed", "access": "full" })).await.expect(200);
    use_it(&house, &scoped.text, &format!("/v2/{teams}/zones/example.com"), 3, 200).await;
    house.delete(&scoped.path).await.expect(204);

    let answer = house.look(&format!("{}?as_of_position={then}", scoped.path)).await.expect(200).json();
    let (root, name) = (answer["as_of"]["root_hash"].as_str().unwrap(), answer["data"]["name"].as_str().unwrap());
    let own = format!("/accounts/{teams}/access_tokens/{}", scoped.id);
    for path in [own.clone(), format!("/accounts/{teams}/usage"), format!("/accounts/{teams}/history")] {
        let html = ada.page(&format!("{path}?as_of_position={then}")).await;
        assert!(html.contains("This is the past."), "{path}");
        assert!(html.contains("nothing can be changed here"), "{path}");
        assert!(html.contains(&format!("position {then}")) && plain(&html).contains(root), "{path}");
        assert!(!html.contains("/edit") && !html.contains("/delete"), "{path}");
        // Links within the account stay in the past, but the one to now.
        for link in html.split("href=\"/accounts/").skip(1).map(|rest| rest.split_once('"').unwrap().0) {
            assert!(link.contains(&format!("as_of={then}")), "{path}: {link}");
        }
        assert!(!html.contains("renamed"), "{path}: what came later is not there");
        assert_eq!(html.matches(&format!("name=\"as_of\" value=\"{then}\"")).count(), 1, "{path}: its form stays, too");
    }
    let list = ada.page(&format!("/accounts/{teams}/access_tokens?as_of={then}")).await;
    assert!(plain(&list).contains("by first (staff)"), "whoever made a token has their name in the past, too: {list}");
    assert!(!list.contains("(erased)"), "nothing is said erased that is not: {list}");
    let html = ada.page(&format!("{own}?as_of={then}")).await;
    assert!(html.contains(name) && html.contains("zones: read only on"), "{html}");
    let hours = rows(&html, "id=\"hours-title\"");
    assert_eq!(
        hours.iter().map(|row| number(&row[1])).sum::<u64>(),
        2,
        "uses until then, from the hour that it ends in"
    );
    assert_eq!(number(&rows(&html, "Scopes, most used first")[0][1]), 2);
    assert!(plain(&html).contains("Uses2"), "as many as until then: {html}");
    // The same by its time.
    let at = answer["as_of"]["time"].as_str().unwrap().to_owned();
    assert!(ada.page(&format!("{own}?as_of={at}")).await.contains(&format!("position {then}")));
    for (asked, status) in
        [("2030-01-01", 422), ("0", 422), ("1999-01-01T00:00", 422), ("soon", 400), ("1&as_of_position=2", 400)]
    {
        ada.get(&format!("{own}?as_of={asked}")).await.expect(status);
    }
    // Before the account there was none of it.
    ada.get(&format!("/accounts/{teams}/history?as_of=1")).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_somebodys_token_an_account_tells_what_was_used_there() {
    let house = House::new().await;
    let ada = Browser::ada(&house).await;
    let (here, elsewhere) = (house.teams, house.solo);
    use_it(&house, &house.adas.text, &format!("/v2/{here}/zones/example.com"), 2, 200).await;
    let then = house.head();
    let last = house.now();
    house.advance(600);
    use_it(&house, &house.adas.text, &format!("/v2/{elsewhere}/zones"), 3, 200).await;
    use_it(&house, &house.adas.text, "/v2/whoami", 1, 200).await;
    let own = format!("/accounts/{here}/access_tokens/{}", house.adas.id);
    for path in [own.clone(), format!("{own}?as_of={then}"), format!("{own}?as_of={}", house.head())] {
        let html = plain(&ada.page(&path).await);
        assert!(html.contains("Uses here2"), "{path}: {html}");
        let at = Timestamp::from_seconds(last).to_seconds_text();
        assert!(html.contains(&format!("Last used here{} {}", &at[..10], &at[11..19])), "{path}: {html}");
    }
    // Whoever left used it all the same.
    use_it(&house, &house.graces.text, &format!("/v2/{here}/zones/example.com"), 1, 200).await;
    let last = house.now();
    house.advance(600);
    house.delete(format!("/v1/accounts/{here}/members/{}", house.grace)).await.expect(204);
    let own = format!("/accounts/{here}/access_tokens/{}", house.graces.id);
    for path in [own.clone(), format!("{own}?as_of={}", house.head())] {
        let html = plain(&ada.page(&path).await);
        let at = Timestamp::from_seconds(last).to_seconds_text();
        let said = format!("Last used here{} {}", &at[..10], &at[11..19]);
        assert!(html.contains("Uses here1") && html.contains(&said), "{path}: {html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_is_recorded_once_a_minute_and_reader() {
    let house = House::new().await;
    let ada = Browser::ada(&house).await;
    let teams = house.teams;
    for _ in 0..3 {
        ada.page(&format!("/accounts/{teams}/history")).await;
        ada.page(&format!("/accounts/{teams}/usage")).await;
        ada.page(&format!("/accounts/{teams}/access_tokens/{}", house.full.id)).await;
    }
    let told = house.look("/v1/events?type=HistoryRead&order=desc").await.json();
    let looks: Vec<(&str, &Value)> = told["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["principal"] == json!({ "kind": "user", "id": house.ada }))
        .map(|event| (event["data"]["asked"]["question"].as_str().unwrap(), &event["data"]["asked"]["account_id"]))
        .collect();
    let account = json!(teams);
    assert_eq!(looks, [("token_life", &account), ("usage_day", &account), ("events", &account)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_has_a_page_with_a_proof_that_verifies() {
    let house = House::new().await;
    let ada = Browser::ada(&house).await;
    let teams = house.teams;
    use_it(&house, &house.scoped.text, &format!("/v2/{teams}/zones/example.org"), 1, 403).await;
    let told = house.look(&format!("/v1/events?account={teams}&type=TokenUseRefused&order=desc&limit=1")).await.json();
    let event = told["data"][0].clone();
    let position = event["position"].as_u64().unwrap();
    let vkey: Vkey = house.ask(Ask::get("/vkeys")).await.expect(200).text().lines().next().unwrap().parse().unwrap();
    until_signed(&house, position).await;
    let path = format!("/accounts/{teams}/history/{position}");
    let html = ada.page(&path).await;
    let text = plain(&html);
    let leaf = event["leaf_hash"].as_str().unwrap();
    for said in ["its access does not cover it", "needed was zones:example.org:read", leaf, "token-ledger proof verify"]
    {
        assert!(text.contains(said), "{said} is not in\n{text}");
    }
    let told = wire::ask(house.address, &Ask::get(format!("{path}/proof")).header("Cookie", &ada.cookie)).await;
    assert_eq!(
        told.header("content-disposition"),
        Some(&*format!("attachment; filename=\"record-{position}.tlog-proof\""))
    );
    assert!(text.contains(&vkey.to_string()), "the page names the key");
    let proof = TlogProof::parse(told.expect(200).text()).unwrap();
    let leaf: [u8; 32] = STANDARD.decode(leaf).unwrap().try_into().unwrap();
    assert!(proof.verify(&leaf, &vkey).unwrap().size >= position);
    assert!(proof.verify(&[0; 32], &vkey).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_name_is_said_to_be_erased() {
    let house = House::new().await;
    let auditor = Browser::of(&house, Principal::Staff(TokenId(house.auditor.id)), 44).await;
    house.delete(&format!("{}/personal-texts", house.full.path)).await.expect(200);
    let html = auditor.page(&format!("/accounts/{}/access_tokens/{}", house.teams, house.full.id)).await;
    assert!(html.contains("<em>(erased)</em>"), "{html}");
}

/// Exports of the page and of `/v1` have the events that `/v1` pages through, as lines.
#[tokio::test(flavor = "multi_thread")]
async fn a_selection_is_exported_as_it_is_shown() {
    let house = House::new().await;
    let ada = Browser::ada(&house).await;
    let teams = house.teams;
    // More than are read at a time, so that it goes on.
    use_it(&house, &house.full.text, &format!("/v2/{teams}/zones/example.com"), 510, 200).await;
    use_it(&house, &house.scoped.text, &format!("/v2/{teams}/zones/example.org"), 1, 403).await;
    let told = house.look(&format!("/v1/events?account={teams}&limit=1000")).await.json();
    let expected = told["data"].as_array().unwrap();
    assert!(expected.len() > 500);
    let export = |query: String| {
        let ask = Ask::get(format!("/accounts/{teams}/history/export?{query}")).header("Cookie", &ada.cookie);
        async move { wire::ask(house.address, &ask).await }
    };
    let told = export("format=ndjson&show=everything".to_owned()).await.expect(200);
    assert_eq!(told.header("content-type"), Some("application/x-ndjson"));
    let name = told.header("content-disposition").unwrap();
    assert!(name.starts_with("attachment; filename=\"events-to-") && name.ends_with(".ndjson\""), "{name}");
    let lines = told.lines();
    let positions =
        |events: &[Value]| -> Vec<u64> { events.iter().map(|event| event["position"].as_u64().unwrap()).collect() };
    assert_eq!(positions(&lines), positions(expected));
    assert!(!told.text().contains("hashed_token"), "digests are for staff");
    let told = export(format!("format=csv&token={}&outcome=missing_scope", house.scoped.id)).await.expect(200);
    let rows: Vec<&str> = told.text().lines().collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows[0].starts_with("position,recorded_at,type,") && rows[1].contains("TokenUseRefused"), "{rows:?}");
    // As of the past it ends there.
    let then = expected[9]["position"].as_u64().unwrap();
    let told = export(format!("format=ndjson&show=everything&as_of={then}")).await.expect(200);
    assert_eq!(positions(&told.lines()), positions(&expected[..10]));
    export("format=xml".to_owned()).await.expect(400);

    let told = house.look(&format!("/v1/events?account={teams}&format=ndjson")).await.expect(200);
    assert_eq!(told.lines(), *expected, "the same members as in a page");
    let told = house.look("/v1/events?type=AccountCreated&format=csv").await.expect(200);
    assert_eq!(told.text().lines().count(), 4, "a head and three accounts");
    for wrong in ["format=xml", "format=csv&limit=3", "format=ndjson&order=desc", "format=csv&format=csv"] {
        house.look(&format!("/v1/events?{wrong}")).await.expect(400);
    }
}
