//! What goes wrong, as answers: DNSimple's bodies on `/v2`, RFC 9457 problems everywhere else.

use super::answer::{Reply, add_retry_after, json, text};
use super::refusal::Told;
use crate::domain::rejection::{FieldFault, LineFaults};
use serde_json::{Map, Value};
use warp::http::{HeaderValue, StatusCode, header};

/// Base of problem types. Each is a page that the service itself hands out.
const TYPE_BASE: &str = "/problems/";

/// Every problem type: slug, and what its page says.
pub const PROBLEM_TYPES: &[(&str, &str)] = &[
    (
        "address-not-allowed",
        "The token works, but not from this address, or not from one that nobody knows. Whoever manages it can change its allowed_addresses.",
    ),
    (
        "as-of-out-of-range",
        "There is no such point: it is before the first record, not over yet, or past the last position. earliest and latest say from where to where the past can be asked about.",
    ),
    (
        "body-too-large",
        "The request body has more bytes than the operation takes; the detail says how many. Send less.",
    ),
    (
        "cross-site",
        "A session's call or form did not come from a page of the service: it lacks the session's csrf token, or another origin sent it. Open the page again.",
    ),
    (
        "digest-exists",
        "The digest belongs to a token already, which token_id names. Of an import of many, duplicates names each line whose digest a token or an earlier line has. Nothing was taken over.",
    ),
    ("clock-as-expected", "The wall clock says what the service counts, within a minute: there is nothing to accept."),
    (
        "erasure-unfinished",
        "The texts are erased and are shown nowhere any more, but something that reads the ledger file keeps an older part of it from being emptied. The service goes on trying by itself. Send the request again after Retry-After to hear when it is finished.",
    ),
    (
        "forbidden",
        "The token works, but may not do this; cause says why. Operator tokens may change and read, auditor tokens may read, gateway tokens may do what their rights say.",
    ),
    (
        "form-expired",
        "The form was sent from a page of another session, or from another site. Nothing was carried out. Open the page again.",
    ),
    (
        "grants-exist",
        "The solo plan has no grants, and these tokens and members carry some. Give them full access, or remove them, first.",
    ),
    (
        "insufficient-scope",
        "The token works, but its access does not cover what required_scopes names. If it did once, taken_away_by says which event changed that, and when; last_success, which request was the last that passed with that scope. Ask an operator or auditor, by the decision_id, who made the change and why.",
    ),
    (
        "idempotency-key-reused",
        "The Idempotency-Key was sent with another method, path or body within 24 hours. A new request takes a new key.",
    ),
    (
        "invalid-token",
        "The token is unknown, malformed, expired, rotated out or deleted. Whoever shows a secret that worked is told which, in cause, with the time in ended_at and, where an event ended it, its position in taken_away_by. An operator or auditor looks decision_id up.",
    ),
    ("last-operator", "This is the last operator token that works. Create another one before deleting it."),
    (
        "missing-feature",
        "The account does not have the feature that this needs. If it had it once, taken_away_by says which event ended that.",
    ),
    (
        "ledger-unavailable",
        "What cannot be recorded is refused. It did not happen, or it happened once: look before sending it again. Retry-After says when to try.",
    ),
    ("limit-reached", "A limit of the service is reached; the detail names it and its number."),
    (
        "too-many-questions",
        "As many questions about the past as the service answers at once are being answered. Ask again.",
    ),
    ("review-closed", "The access review is closed: what it decided stands. Open another one."),
    (
        "too-many-streams",
        "As many streams of events as the service keeps open are open. Come again after Retry-After, or read /v1/events.",
    ),
    ("log-unreadable", "The log could not be read. The operator finds the reason in the service's own log."),
    ("malformed-request", "The request cannot be understood; the detail says which part of it."),
    ("method-not-allowed", "There is something at this path, but not for this method; Allow names the methods."),
    ("missing-token", "Send a token: Authorization: Bearer followed by its text."),
    ("not-found", "There is nothing at this path, or nothing that the caller may know of."),
    ("plan-required", "On the solo plan access is always full. Grants need the plan that required_plan names."),
    (
        "quota-exceeded",
        "The hour's requests, or the month's checks, are used up. Retry-After says when there are new ones; limit, how many there are, window_opened_at or month_began_at and resets_at, of which time. If the limit was set within it, limit_set_by says by which event.",
    ),
    ("resource-exists", "The account has a resource of this kind and name; resource_id is its number."),
    (
        "too-many-failures",
        "Too many failed authentications from this address. A token that works is never blocked by this.",
    ),
    (
        "unsupported-media-type",
        "Send application/json; an import of many tokens and a report of uses are application/x-ndjson, a form at /oauth application/x-www-form-urlencoded.",
    ),
    (
        "validation-error",
        "Fields are not valid; errors says for each field what is wrong with it. Of an import of many, lines says it for each line, and nothing was taken over.",
    ),
    (
        "undecidable",
        "The gateway's scope map does not say what this request needs, so it does not pass. The detail says why.",
    ),
    ("untrusted-gateway", "Whoever asks here is not one of the gateways that the service was told of."),
    (
        "version-conflict",
        "If-Match names another version than the current one, which current_version says. Look again, then change.",
    ),
];

/// The page of a problem type.
pub fn page(slug: &str) -> Result<Reply, Box<Problem>> {
    let found = PROBLEM_TYPES.iter().find(|(known, _)| *known == slug);
    let (slug, words) = found.ok_or_else(|| Box::new(Problem::not_found("there is no such problem type")))?;
    Ok(text("text/plain; charset=utf-8", format!("{slug}\n\n{words}\n")))
}

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
    told: Option<Box<Told>>,
}

impl Problem {
    /// A problem of a documented type.
    pub fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let (extensions, detail) = (Map::new(), detail.into());
        Self { status, slug, title, detail, extensions, challenge: None, retry_after: None, told: None }
    }

    /// With one more member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(member.to_owned(), value.into());
        self
    }

    /// With the decision's id and what history shows of a refusal.
    #[must_use]
    pub fn with_cause(mut self, told: Told) -> Self {
        self.told = Some(Box::new(told));
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

    /// No token was shown. RFC 6750 section 3.1: then the challenge names no error.
    pub fn missing_token() -> Self {
        let detail = "send a token in the Authorization header";
        Self::new(StatusCode::UNAUTHORIZED, "missing-token", "Missing token", detail)
            .with_challenge("Bearer realm=\"token-ledger\"")
    }

    /// The token that was shown does not work. Which reason it has is not said.
    pub fn invalid_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid-token", "Invalid token", "Authentication failed")
            .with_challenge("Bearer realm=\"token-ledger\", error=\"invalid_token\"")
    }

    /// The token works, but not from where it was shown. Which ranges it has is not said.
    pub fn address_not_allowed() -> Self {
        let detail = "this token may not be used from this address";
        Self::new(StatusCode::FORBIDDEN, "address-not-allowed", "Address not allowed", detail)
    }

    /// An address failed too often.
    pub fn too_many_failures(seconds: u64) -> Self {
        let detail = "too many failed authentications from this address";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-failures", "Too many failed authentications", detail)
            .with_retry_after(seconds)
    }

    /// A person may see the page, but not do this.
    pub fn not_permitted() -> Self {
        let detail = "your access to this account does not cover this; a member with full access can help";
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not permitted", detail)
    }

    /// A form is of another session, or from elsewhere.
    pub fn form_expired() -> Self {
        let detail = "this form is not from a page of your present session; go back, open the page again and repeat it";
        Self::new(StatusCode::FORBIDDEN, "form-expired", "This form has expired", detail)
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

    /// Lines of a body of many are not valid.
    pub fn invalid_lines(lines: &[LineFaults]) -> Self {
        let detail = match lines {
            [one] => format!("line {} is not valid; nothing was carried out", one.line),
            many => format!("{} lines are not valid; nothing was carried out", many.len()),
        };
        let lines: Vec<Value> = lines
            .iter()
            .map(|line| serde_json::json!({ "line": line.line, "errors": errors_member(&line.faults) }))
            .collect();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation-error", "Validation failed", detail)
            .with("lines", lines)
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its type in a few words.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// The seconds after which to try again, if it says so.
    pub fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    /// What it says to a person.
    pub fn detail(&self) -> &str {
        &self.detail
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
        body.extend(self.told.iter().flat_map(|told| told.members().clone()));
        let mut reply = json(self.status, &Value::Object(body));
        reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge {
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after {
            add_retry_after(&mut reply, seconds);
        }
        if let Some(told) = self.told {
            told.add_decision(&mut reply);
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
pub fn message(status: StatusCode, words: &str) -> Reply {
    let mut reply = json(status, &serde_json::json!({ "message": words }));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}

/// DNSimple's 400 with field errors.
pub fn validation_failed(faults: &[FieldFault]) -> Reply {
    let body = serde_json::json!({ "message": "Validation failed", "errors": errors_member(faults) });
    json(StatusCode::BAD_REQUEST, &body)
}

#[cfg(test)]
mod tests {
    use super::PROBLEM_TYPES;
    use std::path::Path;

    /// Slugs stand in the sources as the second argument of `Problem::new`, or the first of a shorthand for it.
    /// Every file of the room, without its tests.
    fn sources(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let (dirs, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        let own = files.iter().filter_map(|path| std::fs::read_to_string(path).ok());
        let own = own.map(|text| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
        own.chain(dirs.iter().flat_map(|dir| sources(dir))).collect()
    }

    #[test]
    fn every_slug_in_the_sources_has_its_page_and_every_page_its_slug() {
        let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"));
        for (slug, _) in PROBLEM_TYPES {
            let quoted = format!("\"{slug}\"");
            let stands: usize = sources.iter().map(|source| source.matches(&quoted).count()).sum();
            assert!(stands >= 2, "{slug} is a page of no problem");
        }
        let known: Vec<String> = PROBLEM_TYPES.iter().map(|(slug, _)| format!("\"{slug}\"")).collect();
        for source in &sources {
            for call in source.split("Problem::new(").skip(1).chain(source.split("problem(\"").skip(1)) {
                let head: String = call.chars().take(160).collect();
                let names_one = known.iter().any(|slug| head.contains(slug.as_str()) || head.starts_with(&slug[1..]));
                assert!(names_one || head.contains("slug"), "no known slug in: {head}");
            }
        }
    }
}
