//! Where somebody was on the way to when they had to sign in first.
//!
//! The link that signs them in was made elsewhere and knows nothing of it, so that it waits in a cookie of their browser.
//! It is no secret, and anybody can write it into a link to `/sign-in`: whatever it says, it leads to a page of ours.

use super::table::PageOperation;
use crate::http::App;
use crate::http::entry::Asked;
use crate::http::operations::{Found, Operation, find};
use crate::http::session::{cookie_value, set_cookie};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Name of the cookie.
const COOKIE: &str = "next";
/// How long it waits: somebody is asked for a link, and it is opened.
const SECONDS: u64 = 3_600;
/// Longest way that is kept: browsers take cookies of 4,096 bytes, and this becomes longer in one.
const BYTES_MAX: usize = 2_900;

/// What the query of `/sign-in` says.
pub(super) fn asked_for(asked: &Asked) -> Option<String> {
    let (_, next) = asked.query.iter().flatten().find(|(name, _)| name == "next")?;
    page_of_ours(next)
}

/// What waits in the browser.
pub(super) fn waiting(app: &App, asked: &Asked) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cookie_value(&app.site, asked.headers(), COOKIE)?).ok()?;
    page_of_ours(std::str::from_utf8(&bytes).ok()?)
}

/// The `Set-Cookie` that has it wait.
pub(super) fn wait(app: &App, next: &str) -> String {
    set_cookie(&app.site, COOKIE, &URL_SAFE_NO_PAD.encode(next), SECONDS)
}

/// The `Set-Cookie` after which nothing waits.
pub(super) fn arrived(app: &App) -> String {
    set_cookie(&app.site, COOKIE, "", 0)
}

/// A path on this host, with its query, that a browser cannot read as anything else, and that a page is at. Of one that
/// only forms are sent to, the page above it.
fn page_of_ours(text: &str) -> Option<String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if !is_plain || text.len() > BYTES_MAX || !text.starts_with('/') || text.starts_with("//") {
        return None;
    }
    let path = text.split(['?', '#']).next().unwrap_or_default();
    if is_page(path) {
        return Some(text.to_owned());
    }
    let above = path.match_indices('/').rev().map(|(end, _)| &path[..end]);
    above.filter(|path| !path.is_empty()).find(|path| is_page(path)).map(str::to_owned)
}

/// Whether somebody can be on the way to it. The first page needs no way: everybody begins there.
fn is_page(path: &str) -> bool {
    use PageOperation as Op;
    match find(path, "GET") {
        Found::Operation(Operation::Page(page), _) => {
            !matches!(page, Op::Home | Op::Asset | Op::SignIn | Op::SignInLink)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_leads_to_a_page_of_ours_as_it_was_asked_for() {
        for way in [
            "/user",
            "/staff/reports",
            "/accounts/1/access_tokens?q=a&sort=name",
            "/accounts/1/usage?as_of=2026-03-01T12%3A00%3A00Z",
            "/accounts/1/access_tokens/2/edit",
            "/oauth/authorize?response_type=code&client_id=00ff00000000abcd&redirect_uri=https%3A%2F%2Fa.example%2Fb&state=%C3%BC",
        ] {
            assert_eq!(page_of_ours(way).as_deref(), Some(way));
        }
    }

    #[test]
    fn of_a_form_it_leads_to_the_page_that_has_it() {
        for (way, page) in [
            ("/user/tokens", Some("/user")),
            ("/user/tokens/3/rotate", Some("/user/tokens/3")),
            ("/user/sessions/3/end?x=y", Some("/user")),
            ("/accounts/1/oauth_applications/2/rotate", Some("/accounts/1/oauth_applications/2")),
            ("/accounts/1/oauth_authorizations/2/revoke", None),
            ("/sign-out", None),
        ] {
            assert_eq!(page_of_ours(way).as_deref(), page, "{way}");
        }
    }

    #[test]
    fn it_leads_nowhere_else() {
        for way in [
            "",
            "/",
            "/?a=b",
            "user",
            "//evil.example",
            "//evil.example/user",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/user\\",
            "https://evil.example",
            "https:/user",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            " /user",
            "/user\r\nSet-Cookie: a=b",
            "/%2Fevil.example",
            "/%2f%2fevil.example",
            "/%5Cevil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/@evil.example",
            "/sign-in",
            "/sign-in/tlkl_0",
            "/assets/ledger.css",
            "/v1/events",
            "/v2/whoami",
            "/no/such/page",
            "/ü",
        ] {
            assert_eq!(page_of_ours(way), None, "{way:?}");
        }
        assert_eq!(page_of_ours(&format!("/user?{}", "a".repeat(BYTES_MAX))), None, "no browser keeps so much");
    }
}
