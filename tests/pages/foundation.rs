//! What all pages have in common.

use crate::browser::{send, visit};
use crate::house::House;
use crate::wire::{self, Ask};
use token_ledger::http::operations::{OPERATIONS, Operation};
use token_ledger::http::pages::assets::{ICON, SCRIPT, STYLE};
use token_ledger::http::pages::table::{PAGES, PageOperation};

/// Pages that anybody may see.
const OPEN: [PageOperation; 4] =
    [PageOperation::Asset, PageOperation::SignIn, PageOperation::Enter, PageOperation::SignInLink];

/// A path of a row, with numbers that nothing has.
fn path_of(template: &str) -> String {
    let parts = template.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_signed_in_is_led_to_sign_in_and_back() {
    let house = House::new().await;
    let head = house.head();
    for (template, method, operation) in PAGES {
        let Operation::Page(page) = operation else { panic!("{template} is no page") };
        if OPEN.contains(page) {
            continue;
        }
        let path = path_of(template);
        let told = send(&house, Ask::new(method, &path).form(&[("csrf", "x")])).await.expect(303);
        let back = if path == "/" { String::new() } else { format!("?next={}", path.replace('/', "%2F")) };
        assert_eq!(told.header("location").unwrap(), format!("/sign-in{back}"), "{method} {path}");
    }
    let told = visit(&house, "/accounts/1/access_tokens?q=a&sort=name").await.expect(303);
    let back = "/sign-in?next=%2Faccounts%2F1%2Faccess_tokens%3Fq%3Da%26sort%3Dname";
    assert_eq!(told.header("location"), Some(back));
    assert_eq!(house.head(), head, "nobody known asked, and nothing is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_are_kept_by_browsers_and_name_their_content() {
    let house = House::new().await;
    let kinds =
        [(&STYLE, "text/css; charset=utf-8"), (&SCRIPT, "text/javascript; charset=utf-8"), (&ICON, "image/svg+xml")];
    for (asset, kind) in kinds {
        let told = visit(&house, &asset.path()).await.expect(200);
        assert_eq!(told.header("content-type"), Some(kind));
        assert_eq!(told.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(told.header("x-content-type-options"), Some("nosniff"));
        assert!(told.body.len() < 32 * 1024, "{}: {} bytes", asset.path(), told.body.len());
    }
    visit(&house, "/assets/ledger.css").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_in_html_and_programs_in_json() {
    let house = House::new().await;
    let told = visit(&house, "/no/such/page").await.expect(404);
    assert!(told.text().contains("<h1>Not found</h1>"));
    let told = send(&house, Ask::new("PATCH", "/accounts/1/access_tokens")).await.expect(405);
    assert_eq!(told.header("allow"), Some("GET, POST"));
    for (accept, path) in [("application/json", "/no/such/page"), ("text/html", "/v1/no/such/thing"), ("", "/nothing")]
    {
        let told = wire::ask(house.address, &Ask::get(path).header("Accept", accept)).await.expect(404);
        assert_eq!(told.header("content-type"), Some("application/problem+json"), "{accept} {path}");
    }
}

#[test]
fn no_page_stands_in_the_way_of_the_api() {
    for (template, method, operation) in PAGES {
        assert!(matches!(operation, Operation::Page(_)), "{template}");
        assert!(!OPERATIONS.iter().any(|(other, by, _)| (other, by) == (template, method)), "{method} {template}");
        assert!(!template.starts_with("/v1") && !template.starts_with("/v2"), "{template}");
    }
}
