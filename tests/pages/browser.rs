//! A browser without a script: it follows links, keeps what a page says, and sends its forms.

use crate::house::House;
use crate::wire::{self, Ask, Told};

/// What every answer of HTML must have.
const HEADERS: [(&str, &str); 5] = [
    ("content-type", "text/html; charset=utf-8"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("cache-control", "no-store"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
];

/// Asks as a browser does, with no session.
pub async fn visit(house: &House, path: &str) -> Told {
    send(house, Ask::get(path)).await
}

/// Sends what a browser sends, and holds every page against what all pages have in common.
pub async fn send(house: &House, ask: Ask) -> Told {
    let told = wire::ask(house.address, &ask.clone().header("Accept", "text/html,*/*;q=0.8")).await;
    check(&ask, &told);
    told
}

/// What holds for every answer.
#[track_caller]
fn check(ask: &Ask, told: &Told) {
    let at = format!("{} {} -> {}", ask.method, ask.path, told.status);
    if (300..400).contains(&told.status) {
        let to = told.header("location").unwrap_or_else(|| panic!("{at}: nowhere"));
        assert!(to.starts_with('/') && !to.starts_with("//"), "{at}: leaves the site to {to}");
        assert_eq!(told.header("cache-control"), Some("no-store"), "{at}");
        return;
    }
    if ask.path.starts_with("/assets/") && told.status == 200 {
        return;
    }
    for (name, value) in HEADERS {
        assert_eq!(told.header(name), Some(value), "{at}: {name}");
    }
    let html = told.text();
    assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{at}");
    // Nothing that the policy would stop, and nothing from elsewhere.
    for inline in [" style=\"", "<style", " onclick=", " onload=", "javascript:", "src=\"http", "href=\"//"] {
        assert!(!html.contains(inline), "{at}: {inline}");
    }
    for once in ["<h1>", "<main id=\"main\"", "<title>", "class=\"skip\" href=\"#main\""] {
        assert_eq!(html.matches(once).count(), 1, "{at}: {once} in\n{html}");
    }
    assert!(html.len() < 100 * 1024, "{at}: {} bytes", html.len());
}
