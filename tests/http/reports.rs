//! Reports: an answer as one HTML file, over HTTP.

use crate::house::House;
use serde_json::json;
use token_ledger::audit::report::content_security_policy;

/// Names that would be more than text anywhere but where everything is escaped.
const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</td></style><style>*{display:none}",
    "{{ 7 * 7 }} & ' onload='x'",
    "\u{202e}gnp.exe\u{200b}😀",
    "]]><svg/onload=alert(1)>",
];

/// What a page that stands by itself never has.
pub fn assert_stands_alone(html: &str) {
    let lower = html.to_lowercase();
    for forbidden in [
        "<script",
        "<img",
        "<link",
        "<iframe",
        "<form",
        "onerror=alert(1)>",
        "src=\"",
        "href=\"",
        "@import",
        "http://",
        "https://",
    ] {
        assert!(!lower.contains(forbidden), "{forbidden} is in the page");
    }
    assert_eq!(lower.matches("<style>").count(), 1);
    assert!(lower.starts_with("<!doctype html>") && lower.trim_end().ends_with("</html>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_told_as_a_page_that_stands_alone() {
    let house = House::new().await;
    for name in HOSTILE {
        house.account_token(house.teams, json!({ "name": name, "access": "full" })).await;
    }
    house.get(&house.scoped.text, format!("/v2/{}/zones/example.com", house.teams)).await.expect(200);
    let path = format!("/v1/audit/who-could?account={}&scope=zones:example.com", house.teams);
    let answer = house.look(&path).await.expect(200).json();
    let before = house.head();
    house.advance(120);
    let told = house.get(&house.auditor.text, format!("{path}&format=html")).await.expect(200);
    assert_eq!(told.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(told.header("content-security-policy"), Some(content_security_policy().as_str()));
    let html = told.text();
    assert_stands_alone(html);
    for name in HOSTILE {
        let escaped = name
            .replace('&', "&#38;")
            .replace('<', "&#60;")
            .replace('>', "&#62;")
            .replace('"', "&#34;")
            .replace('\'', "&#39;");
        assert!(html.contains(&escaped), "{name} is not there as text");
    }
    for words in [
        "Which tokens could touch zones:example.com:read of account 1",
        "What this proves, and what it does not",
        "<svg viewBox",
    ] {
        assert!(html.contains(words), "{words}");
    }
    // It says what it rests on, and that is the log's.
    assert!(html.contains(answer["could"][0]["granted_at"].as_str().unwrap()));
    let events = house.recorded_after(before).await;
    let read = events.iter().find(|event| event["type"] == "HistoryRead").expect("the look is recorded");
    assert_eq!(read["data"]["asked"]["question"], "who-could");
    house.look(format!("{path}&format=html&table=could")).await.expect(400);
    house.get(&house.scoped.text, format!("{path}&format=html")).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_name_is_told_to_be_erased() {
    let house = House::new().await;
    let token = house.account_token(house.teams, json!({ "name": "soon gone", "access": "full" })).await;
    let path = format!("/v1/audit/who-could?account={}&scope=zones:example.com&format=html", house.teams);
    assert!(house.look(&path).await.expect(200).text().contains("soon gone"));
    house.delete(format!("{}/personal-texts", token.path)).await.expect(200);
    let told = house.look(&path).await.expect(200);
    let html = told.text();
    assert!(!html.contains("soon gone"));
    assert!(html.contains("<td class=\"erased\">erased</td>") && html.contains("a name stood that was erased"));
}
