//! `Idempotency-Key` on every `POST` (draft-ietf-httpapi-idempotency-key-header): what is sent again under its key is
//! answered again, and not carried out again.

use crate::domain::command::Change;
use crate::domain::idempotency::{KEY_BYTES_MAX, RequestDigest};
use crate::domain::text::PersonalText;
use crate::http::App;
use crate::http::answer::Reply;
use crate::http::entry::{Asked, Body};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use warp::http::{HeaderMap, HeaderName, HeaderValue};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key of a `POST`, if it has one, with the digest of what was sent under it.
pub(super) struct Key(Option<(PersonalText, RequestDigest)>);

impl Key {
    /// The change as it is to be sent to the writer.
    pub fn guard(self, change: Change) -> Change {
        match self.0 {
            Some((key, request)) => Change::Once { key, request, change: Box::new(change) },
            None => change,
        }
    }
}

/// Reads the body of a `POST`, and its key. A key that cannot be read is refused before the body is.
pub(super) async fn posted(app: &App, asked: &Asked, body: Body) -> Result<(Fields, Key), Box<Problem>> {
    let sent = Sent::read(asked)?;
    let bytes = super::body(asked, body).await?;
    let fields = Fields::parse(&bytes)?;
    Ok((fields, sent.of(app, asked, &bytes)))
}

/// The header, read before the body is.
pub(super) struct Sent(Option<PersonalText>);

impl Sent {
    /// Reads the header.
    pub fn read(asked: &Asked) -> Result<Self, Box<Problem>> {
        let key = key(asked.headers());
        key.map(Self).map_err(|fault| Box::new(Problem::malformed(format!("the Idempotency-Key {fault}"))))
    }

    /// Together with what was sent under it.
    pub fn of(self, app: &App, asked: &Asked, body: &[u8]) -> Key {
        Key(self.0.map(|key| (key, app.ledger.digest_request(asked.method(), asked.target(), body))))
    }
}

/// Says that an answer is that of an earlier request.
pub(super) fn mark_repeated(reply: &mut Reply) {
    reply.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
}

/// One key: the bare text, or the same text as a string of structured fields (RFC 9651 section 3.3.3).
fn key(headers: &HeaderMap) -> Result<Option<PersonalText>, &'static str> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("is given twice");
    }
    let sent = value.to_str().map_err(|_| "must be visible ASCII")?;
    let key = match sent.strip_prefix('"') {
        Some(quoted) => unquoted(quoted).ok_or("begins with a quote, but is no quoted string")?,
        None => sent.to_owned(),
    };
    if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be 1 to 255 characters of visible ASCII");
    }
    Ok(Some(PersonalText::new(key)))
}

/// The text of a quoted string whose first quote is gone. Only quotes and backslashes are escaped.
fn unquoted(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    loop {
        match rest.next()? {
            '"' => return rest.as_str().is_empty().then_some(text),
            '\\' => text.push(rest.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            plain => text.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        }
        key(&headers).map(|key| key.map(|key| key.as_str().to_owned()))
    }

    #[test]
    fn the_bare_and_the_quoted_form_are_one_key() {
        let longest = "k".repeat(KEY_BYTES_MAX);
        assert_eq!(read(&[]), Ok(None));
        for (sent, kept) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ("a\"b\\", "a\"b\\"),
            (r#""a\"b\\""#, "a\"b\\"),
            (&longest, &longest),
        ] {
            assert_eq!(read(&[sent]), Ok(Some(kept.to_owned())), "{sent}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let too_long = "k".repeat(KEY_BYTES_MAX + 1);
        for sent in [
            "",
            "\"\"",
            "\"",
            "\"open",
            "\"a\"b",
            "\"a\";p=1",
            r#""a\b""#,
            "two words",
            "\"two words\"",
            "schlüssel",
            &too_long,
        ] {
            assert!(read(&[sent]).is_err(), "{sent}");
        }
        assert!(read(&["a", "a"]).is_err());
    }
}
