//! What goes wrong, as answers: DNSimple's bodies on `/v2`, RFC 9457 problems everywhere else.

use super::answer::{Reply, add_retry_after, json};
use crate::domain::rejection::FieldFault;
use serde_json::{Map, Value};
use warp::http::{HeaderValue, StatusCode, header};

/// Base of problem types. Each names a section of the documentation that the service itself hands out.
const TYPE_BASE: &str = "/problems/";

/// A problem on its way to its answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
    detail: String,
    extensions: Map<String, Value>,
    challenge: Option<&'static str>,
    retry_after: Option<u64>,
}

impl Problem {
    /// A problem of a documented type.
    pub fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, slug, title, detail: detail.into(), extensions: Map::new(), challenge: None, retry_after: None }
    }

    /// With one more member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(member.to_owned(), value.into());
        self
    }

    /// With a `WWW-Authenticate` challenge (RFC 6750 section 3).
    #[must_use]
    pub fn with_challenge(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// With the seconds after which to try again.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Nothing is at this path, or nothing that the caller may know of.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// The request is malformed.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed-request", "Malformed request", detail)
    }

    /// Fields are not valid.
    pub fn invalid(faults: &[FieldFault]) -> Self {
        let detail = match faults {
            [one] => format!("{} {}", one.field, one.fault),
            many => format!("{} fields are not valid", many.len()),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation-error", "Validation failed", detail)
            .with("errors", errors_member(faults))
    }

    /// The answer.
    pub fn into_reply(self) -> Reply {
        let mut body = Map::new();
        body.insert("type".to_owned(), format!("{TYPE_BASE}{}", self.slug).into());
        body.insert("title".to_owned(), self.title.into());
        body.insert("status".to_owned(), self.status.as_u16().into());
        body.insert("detail".to_owned(), self.detail.clone().into());
        body.insert("message".to_owned(), self.detail.into());
        body.extend(self.extensions);
        let mut reply = json(self.status, &Value::Object(body));
        reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge {
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after {
            add_retry_after(&mut reply, seconds);
        }
        reply
    }
}

/// The `errors` member: field → list of sentence parts.
pub fn errors_member(faults: &[FieldFault]) -> Value {
    let mut errors = Map::new();
    for fault in faults {
        let texts = errors.entry(fault.field.clone()).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(texts) = texts {
            texts.push(fault.fault.clone().into());
        }
    }
    Value::Object(errors)
}

/// DNSimple's error body.
pub fn message(status: StatusCode, text: &str) -> Reply {
    let mut reply = json(status, &serde_json::json!({ "message": text }));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}

/// DNSimple's 400 with field errors.
pub fn validation_failed(faults: &[FieldFault]) -> Reply {
    let body = serde_json::json!({ "message": "Validation failed", "errors": errors_member(faults) });
    json(StatusCode::BAD_REQUEST, &body)
}
