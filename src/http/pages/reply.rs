//! Answers of HTML, with the headers that every one of them has.

use super::page::Page;
use crate::http::answer::{self, Reply};
use crate::http::problem::Problem;
use askama::Template;
use warp::http::{HeaderName, HeaderValue, StatusCode, header};

/// What a page may load: its own files, and nothing from elsewhere; no script or style stands within a page.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    // Not `no-referrer`: a browser would then say no origin of a form either.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// A page.
pub fn html(status: StatusCode, template: &impl Template) -> Reply {
    let (status, body) = match template.render() {
        Ok(body) => (status, body),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "<!doctype html><title>Error</title><p>This page could not be made.".into(),
            )
        }
    };
    let mut reply = Reply::new(body.into());
    *reply.status_mut() = status;
    for (name, value) in HEADERS {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// The page as it was asked for.
pub fn shown(template: &impl Template) -> Reply {
    html(StatusCode::OK, template)
}

/// Elsewhere, by GET: after what a form sent was carried out, so that a reload sends nothing again.
pub fn see_other(path: &str) -> Reply {
    let mut reply = answer::empty(StatusCode::SEE_OTHER);
    answer::add_header(&mut reply, header::LOCATION, path);
    answer::add_header(&mut reply, header::CACHE_CONTROL, "no-store");
    answer::add_header(&mut reply, header::REFERRER_POLICY, "same-origin");
    reply
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    page: Page,
    title: &'static str,
    detail: String,
    retry_after: Option<u64>,
    status: u16,
}

/// What went wrong, for a person.
pub fn error(problem: &Problem) -> Reply {
    let (title, retry_after) = (problem.title(), problem.retry_after());
    let (detail, status) = (problem.detail().to_owned(), problem.status());
    let page = Page::bare(title);
    let mut reply = html(status, &ErrorPage { page, title, detail, retry_after, status: status.as_u16() });
    if let Some(seconds) = retry_after {
        answer::add_retry_after(&mut reply, seconds);
    }
    reply
}
