//! Answers: status, headers, JSON.

use crate::domain::ids::{Position, RequestId};
use crate::domain::time::Timestamp;
use crate::domain::window::WindowView;
use serde::Serialize;
use warp::http::{HeaderName, HeaderValue, StatusCode, header};

/// What every route answers with.
pub type Reply = warp::reply::Response;

/// Seconds after which a caller may try again when nothing can be recorded.
pub const RETRY_SECONDS: u64 = 1;

/// Bytes of an ordinary body.
const BODY_BYTES_EXPECTED: usize = 384;
/// Headers of an ordinary answer: room for them is taken once.
const HEADERS_EXPECTED: usize = 12;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const LEDGER_POSITION: HeaderName = HeaderName::from_static("x-ledger-position");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An answer with a body of JSON.
pub fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    // Only maps with keys that are not strings could fail here, and none of our bodies has one.
    let mut bytes = Vec::with_capacity(BODY_BYTES_EXPECTED);
    if serde_json::to_writer(&mut bytes, body).is_err() {
        bytes.clear();
    }
    let mut reply = Reply::new(bytes.into());
    *reply.status_mut() = status;
    reply.headers_mut().reserve(HEADERS_EXPECTED);
    reply.headers_mut().insert(header::CONTENT_TYPE, JSON);
    reply
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Reply::default();
    *reply.status_mut() = status;
    reply
}

/// An answer of bytes.
pub fn bytes(content_type: &'static str, body: Vec<u8>) -> Reply {
    let mut reply = Reply::new(body.into());
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// An answer of plain text.
pub fn text(content_type: &'static str, body: String) -> Reply {
    let mut reply = Reply::new(body.into());
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// Says how much of the window is left, in DNSimple's three headers.
pub fn add_rate_limit(reply: &mut Reply, window: &WindowView, now: Timestamp) {
    let headers = reply.headers_mut();
    headers.insert(RATE_LIMIT, window.limit.into());
    headers.insert(RATE_REMAINING, window.remaining.into());
    headers.insert(RATE_RESET, window.reset_or_full(now).into());
}

/// Says where the request is recorded.
pub fn add_position(reply: &mut Reply, position: Option<Position>) {
    if let Some(position) = position {
        reply.headers_mut().insert(LEDGER_POSITION, position.0.into());
    }
}

/// What every answer carries.
pub fn add_common(reply: &mut Reply, request: RequestId) {
    let headers = reply.headers_mut();
    if let Ok(value) = HeaderValue::from_bytes(&request.to_text()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-store"));
}

/// Says when to try again.
pub fn add_retry_after(reply: &mut Reply, seconds: u64) {
    reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
}

/// Adds a header whose value may hold anything; one that no header can hold is left out.
pub fn add_header(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

/// Adds a cookie beside those that are there.
pub fn add_cookie(reply: &mut Reply, set_cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(set_cookie) {
        reply.headers_mut().append(header::SET_COOKIE, value);
    }
}
