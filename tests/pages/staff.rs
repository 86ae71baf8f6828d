//! Pages of staff: search, access reviews, reports, the log's health.

use crate::browser::send;
use crate::house::House;
use crate::wire::{self, Ask, Told};
use serde_json::json;
use token_ledger::audit::report::content_security_policy;
use token_ledger::domain::command::{Actor, Change, Command, NewSecret, Origin, SignInChange};
use token_ledger::domain::ids::{RequestId, TokenId, UserId};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::{Principal, TokenKind};
use token_ledger::domain::token_text::{TokenDigest, TokenSecret};

/// The operator's token is the first that there is.
const OPERATOR: TokenId = TokenId(1);

/// Names that would be more than text anywhere but where everything is escaped.
const HOSTILE: [&str; 3] = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' or {{ 1 }} &amp;"];

/// Somebody who is signed in, without a script.
struct Browser<'a> {
    house: &'a House,
    cookie: String,
}

impl<'a> Browser<'a> {
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

    async fn operator(house: &'a House) -> Self {
        Self::of(house, Principal::Staff(OPERATOR), 61).await
    }

    async fn auditor(house: &'a House) -> Self {
        Self::of(house, Principal::Staff(TokenId(house.auditor.id)), 62).await
    }

    async fn get(&self, path: &str) -> Told {
        send(self.house, Ask::get(path).header("Cookie", &self.cookie)).await
    }

    async fn page(&self, path: &str) -> String {
        self.get(path).await.expect(200).text().to_owned()
    }

    /// Sends a form as the page has it: with its hidden word, from the page's own site.
    async fn send(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Told {
        let shown = self.page(page).await;
        let csrf = shown.split_once("name=\"csrf\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        let fields = [&[("csrf", csrf.as_str())], fields].concat();
        let origin = "http://ledger.test".to_owned();
        let ask = Ask::new("POST", action).form(&fields).header("Cookie", &self.cookie).header("Origin", &origin);
        send(self.house, ask.header("Sec-Fetch-Site", "same-origin")).await
    }
}

const PAGES: [&str; 4] = ["/staff", "/staff/reviews", "/staff/reports", "/staff/health"];

#[tokio::test(flavor = "multi_thread")]
async fn staff_sees_its_pages_and_nobody_else_does() {
    let house = House::new().await;
    let (operator, auditor) = (Browser::operator(&house).await, Browser::auditor(&house).await);
    let member = Browser::of(&house, Principal::User(UserId(house.ada)), 63).await;
    for page in PAGES {
        for staff in [&operator, &auditor] {
            let html = staff.page(page).await;
            assert!(html.contains("<a href=\"/staff\" aria-current=\"page\">Staff</a>"), "{page}");
        }
        let before = house.head();
        let status = member.get(page).await.status;
        assert!(status == 403 || status == 404, "{page}: {status}");
        let events = house.recorded_after(before).await;
        assert!(events.iter().any(|event| event["type"] == "ManagementRefused"), "{page}: {events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_by_number_name_hint_and_digest_and_escapes_what_it_finds() {
    let house = House::new().await;
    for name in HOSTILE {
        house.account_token(house.teams, json!({ "name": name, "access": "full" })).await;
    }
    let auditor = Browser::auditor(&house).await;
    let scoped = &house.scoped;
    let hint = &scoped.text[scoped.text.len() - 4..];
    let digest = token_ledger::audit::questions::leak::hashed(TokenDigest::of(&scoped.text));
    let link = format!("/accounts/{}/access_tokens/{}\"", house.teams, scoped.id);
    for q in
        [scoped.id.to_string(), hint.to_owned(), digest.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")]
    {
        let html = auditor.page(&format!("/staff?q={q}")).await;
        assert!(html.contains(&link), "{q}: {html}");
    }
    let html = auditor.page("/staff?q=example.com").await;
    assert!(html.contains("<h2>Resources</h2>") && html.contains("zone of account"), "{html}");
    let html = auditor.page("/staff?q=alert%281%29").await;
    assert!(!html.contains("<script>alert") && !html.contains("<img"), "{html}");
    assert!(html.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "{html}");
    // The text of a token is looked for nowhere, and not shown again.
    let html = auditor.page(&format!("/staff?q={}", scoped.text)).await;
    assert!(html.contains("That looks like the text of a token") && !html.contains(&scoped.text));
    assert!(auditor.page("/staff?q=nothing-is-called-so").await.contains("Nothing is like that."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_opened_decided_row_by_row_and_closed_by_operators() {
    let house = House::new().await;
    let (operator, auditor) = (Browser::operator(&house).await, Browser::auditor(&house).await);
    let account = house.teams.to_string();
    let html = operator.page("/staff/reviews").await;
    let key = html.split_once("name=\"key\" value=\"").expect("a key").1[..32].to_owned();
    // Clicked twice it opens one; the form of before opens none of another account.
    for done in ["recorded", "sent-before"] {
        let form = [("account", account.as_str()), ("key", key.as_str())];
        let told = operator.send("/staff/reviews", "/staff/reviews", &form).await.expect(303);
        assert_eq!(told.header("location"), Some(format!("/staff/reviews/1?done={done}").as_str()));
    }
    let other = house.solo.to_string();
    let form = [("account", other.as_str()), ("key", key.as_str())];
    let told = operator.send("/staff/reviews", "/staff/reviews", &form).await.expect(422);
    assert!(told.text().contains("was sent before") && !told.text().contains(&key), "{}", told.text());
    let page = "/staff/reviews/1";
    let before = operator.page(page).await;
    assert!(before.contains("not yet") && before.contains("<button name=\"verdict\" value=\"narrow\">"));
    let id = house.scoped.id.to_string();
    let decision = [("token_id", id.as_str()), ("page", "1"), ("note", HOSTILE[0]), ("verdict", "narrow")];
    let told = operator.send(page, "/staff/reviews/1/decisions", &decision).await.expect(303);
    assert_eq!(told.header("location"), Some(format!("/staff/reviews/1?page=1&done=recorded#token-{id}").as_str()));
    let after = auditor.page(page).await;
    assert!(after.contains("<strong>narrow</strong>") && after.contains("&#60;script&#62;"), "{after}");
    assert!(!after.contains("value=\"narrow\">") && !after.contains("Close the review"), "an auditor decides nothing");
    // What the page does not show, the service refuses too.
    let auditors = auditor.page("/staff").await;
    let csrf = auditors.split_once("name=\"csrf\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let fields = [("csrf", csrf.as_str()), ("token_id", id.as_str()), ("page", "1"), ("note", ""), ("verdict", "keep")];
    let origin = "http://ledger.test".to_owned();
    for (path, fields) in [("/staff/reviews/1/decisions", &fields[..]), ("/staff/reviews/1/close", &fields[..1])] {
        let ask = Ask::new("POST", path).form(fields).header("Cookie", &auditor.cookie).header("Origin", &origin);
        send(&house, ask.header("Sec-Fetch-Site", "same-origin")).await.expect(403);
    }
    // Without the page's word nothing is done.
    let ask = Ask::new("POST", "/staff/reviews/1/close").form(&[]).header("Cookie", &operator.cookie);
    send(&house, ask.header("Origin", &origin)).await.expect(403);
    house.patch(&house.scoped.path, json!({ "access": "full" })).await.expect(200);
    operator.send(page, "/staff/reviews/1/close", &[]).await.expect(303);
    let closed = operator.page(page).await;
    assert!(closed.contains("What changed since") && !closed.contains("Close the review"), "{closed}");
    let listed = auditor.page("/staff/reviews").await;
    assert!(listed.contains("1 to narrow") && listed.contains("<span class=\"tag\">closed</span>"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_asked_for_by_form() {
    let house = House::new().await;
    let auditor = Browser::auditor(&house).await;
    let forms = auditor.page("/staff/reports").await;
    for kind in ["access", "usage", "review", "leak"] {
        assert!(forms.contains(&format!("action=\"/staff/reports/{kind}\"")), "{kind}");
    }
    // As a browser sends it: fields left empty, times without a zone.
    let path = format!(
        "/staff/reports/access?account={}&scope=zones%3Aexample.com&verb=&from=2026-03-01T12%3A00&to=",
        house.teams
    );
    let told = wire::ask(house.address, &Ask::get(&path).header("Cookie", &auditor.cookie)).await.expect(200);
    assert_eq!(told.header("content-security-policy"), Some(content_security_policy().as_str()));
    assert!(
        told.text().contains("Which tokens could touch zones:example.com:read") && !told.text().contains("<script")
    );
    auditor.get("/staff/reports/access?account=1").await.expect(400);
    auditor.get("/staff/reports/nothing").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_head_checkpoint_gaps_disk_and_clock() {
    let house = House::new().await;
    let auditor = Browser::auditor(&house).await;
    let html = auditor.page("/staff/health").await;
    for words in
        ["Root there", "Verifier key", "Checkpoint", "it leaves no trace", "Recording gaps, 90 days", "as it should be"]
    {
        assert!(html.contains(words), "{words}: {html}");
    }
}
