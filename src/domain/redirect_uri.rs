//! Where a browser may be sent after an authorization: the URIs that an application registers, and which of them an
//! authorization request falls under.
//!
//! Texts are read as browsers read them (WHATWG URL), so that nobody is sent elsewhere than where the rule looked.

use core::net::{Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// Longest redirect URI, in bytes.
pub const REDIRECT_URI_BYTES_MAX: usize = 2_000;

/// Whether a URI can be registered, or why not, as a sentence part that follows the field's name.
pub fn check_redirect_uri(text: &str) -> Result<(), &'static str> {
    read(text).map(drop)
}

/// The URI as a browser would go to it, if an application may be answered there at all.
fn read(text: &str) -> Result<Url, &'static str> {
    if text.is_empty() {
        return Err("can't be blank");
    }
    if text.len() > REDIRECT_URI_BYTES_MAX {
        return Err("is too long (maximum is 2000 bytes)");
    }
    // What a browser reads in a way of its own is not read at all.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte));
    let url = Url::parse(text).ok().filter(|_| is_plain).ok_or("is not an absolute URI")?;
    // A host goes into policies of pages, where these would end it.
    if url
        .host_str()
        .is_some_and(|host| !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte)))
    {
        return Err("is not an absolute URI");
    }
    if url.fragment().is_some() {
        return Err("can't have a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("can't have a user name or password");
    }
    if url.path().to_ascii_lowercase().split('/').any(|part| part.contains("%2f") || part.contains("%5c")) {
        return Err("can't have an escaped slash in its path");
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(url),
        "http" if is_own_machine(&url) => Ok(url),
        "http" => Err("must be https, but for localhost, 127.0.0.1 and [::1]"),
        _ => Err("must be https"),
    }
}

fn is_own_machine(url: &Url) -> bool {
    is_loopback_literal(url) || matches!(url.host(), Some(Host::Domain("localhost")))
}

fn is_loopback_literal(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        _ => false,
    }
}

/// Whether a URI that was asked for is the registered one or below it. At a loopback literal the port does not count:
/// a program on somebody's machine takes the one that is free (RFC 8252 section 7.3). A query has to be the registered one.
pub fn is_under(asked: &str, registered: &str) -> bool {
    if asked == registered {
        return read(asked).is_ok();
    }
    let (Ok(asked), Ok(registered)) = (read(asked), read(registered)) else { return false };
    let is_port =
        asked.port_or_known_default() == registered.port_or_known_default() || is_loopback_literal(&registered);
    asked.scheme() == registered.scheme()
        && asked.host() == registered.host()
        && is_port
        && asked.query() == registered.query()
        && is_path_under(asked.path(), registered.path())
}

fn is_path_under(asked: &str, registered: &str) -> bool {
    match asked.strip_prefix(registered) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || registered.ends_with('/'),
        None => false,
    }
}

/// The URI with these parameters added to its query; none of a text that is no such URI.
pub fn with_parameters(uri: &str, parameters: &[(&str, &str)]) -> Option<String> {
    let mut url = read(uri).ok()?;
    url.query_pairs_mut().extend_pairs(parameters);
    Some(url.into())
}

/// The origin of a URI, as in `https://app.example`; none of a text that is no such URI.
pub fn origin_of(uri: &str) -> Option<String> {
    Some(read(uri).ok()?.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_registered_is_this_table() {
        let long = format!("https://example.com/{}", "x".repeat(2_000));
        let rows = [
            ("https://example.com", true),
            ("https://example.com/callback", true),
            ("https://example.com:8443/callback?site=1", true),
            ("http://localhost/callback", true),
            ("http://localhost:3000/callback", true),
            ("http://127.0.0.1/callback", true),
            ("http://[::1]:9000/", true),
            ("http://example.com/callback", false),
            ("http://localhost.example.com/", false),
            ("http://127.0.0.2/", false),
            ("", false),
            ("/callback", false),
            ("callback", false),
            ("https://", false),
            ("https://a.example;sandbox/cb", false),
            ("https://a.example,b/cb", false),
            ("https://example.com/#part", false),
            ("https://example.com/#", false),
            ("https://user@example.com/", false),
            ("https://user:secret@example.com/", false),
            ("https://example.com\\@evil.example/", false),
            ("https://example.com/a b", false),
            ("https://example.com/a\nb", false),
            ("https://example.com/é", false),
            ("https://example.com/a%2fb", false),
            ("https://example.com/a%5Cb", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("myapp://callback", false),
            (&*long, false),
        ];
        for (uri, expected) in rows {
            assert_eq!(check_redirect_uri(uri).is_ok(), expected, "{uri}");
        }
    }

    #[test]
    fn what_falls_under_a_registered_uri_is_this_table() {
        let web = "https://example.com/callback";
        let rows = [
            (web, web, true),
            ("https://example.com/callback/", web, true),
            ("https://example.com/callback/site/1", web, true),
            ("https://EXAMPLE.com:443/callback", web, true),
            ("https://example.com/callbacks", web, false),
            ("https://example.com/", web, false),
            ("https://example.com/callback/../other", web, false),
            ("https://example.com/callback/%2e%2e/other", web, false),
            ("https://example.com/callback/..%2fother", web, false),
            ("https://example.com/callback?next=x", web, false),
            ("https://example.com/callback#x", web, false),
            ("https://example.com:8443/callback", web, false),
            ("http://example.com/callback", web, false),
            ("https://www.example.com/callback", web, false),
            ("https://example.com.evil.example/callback", web, false),
            ("https://example.com@evil.example/callback", web, false),
            ("https://example.com\\.evil.example/callback", web, false),
            ("//example.com/callback", web, false),
            ("https://example.com/anything", "https://example.com", true),
            ("https://example.com/anything", "https://example.com/", true),
            ("https://example.com/cb?site=1", "https://example.com/cb?site=1", true),
            ("https://example.com/cb/x?site=1", "https://example.com/cb?site=1", true),
            ("https://example.com/cb?site=2", "https://example.com/cb?site=1", false),
            ("https://example.com/cb", "https://example.com/cb?site=1", false),
            ("http://127.0.0.1:51004/cb", "http://127.0.0.1/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:8080/cb", true),
            ("http://[::1]:51004/cb", "http://[::1]/cb", true),
            ("http://[::1]:51004/cb", "http://127.0.0.1/cb", false),
            ("http://localhost:51004/cb", "http://localhost/cb", false),
            ("http://localhost:80/cb", "http://localhost/cb", true),
            ("http://localhost:3000/cb", "http://localhost:3000/cb", true),
            ("https://127.0.0.1/cb", "http://127.0.0.1/cb", false),
        ];
        for (asked, registered, expected) in rows {
            assert_eq!(is_under(asked, registered), expected, "{asked} under {registered}");
        }
    }

    #[test]
    fn parameters_are_added_to_what_is_there() {
        let added = with_parameters("https://example.com/cb?site=1", &[("code", "a b"), ("state", "ü&x=1")]);
        assert_eq!(added.as_deref(), Some("https://example.com/cb?site=1&code=a+b&state=%C3%BC%26x%3D1"));
        assert_eq!(with_parameters("nowhere", &[]), None);
    }
}
