//! What a form sends: read field by field, as `Fields` reads JSON. What is wrong is collected by field, and the page is
//! shown again with what was typed.

use super::viewer::Viewer;
use super::words;
use crate::domain::command::Change;
use crate::domain::ids::Version;
use crate::domain::rejection::FieldFault;
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::http::App;
use crate::http::entry::{Asked, Body};
use crate::http::manage::media_type;
use crate::http::problem::Problem;
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::BTreeMap;
use warp::http::{StatusCode, header};

/// Longest form: thousands of resources can be ticked.
pub const FORM_BYTES_MAX: usize = 512 * 1024;
/// Most fields of a form, those given more than once each time.
const FIELDS_MAX: usize = 10_000;
/// The field that every form has: what only a page of this session could know.
pub const CSRF: &str = "csrf";

/// The fields of a form.
#[derive(Clone, Default)]
pub struct Form {
    fields: Vec<(String, String)>,
    /// What is wrong, by field.
    pub faults: Faults,
    /// As it came, for a digest of it.
    pub bytes: Bytes,
}

/// Faults of fields, for the page that is shown again.
#[derive(Clone, Default, Debug)]
pub struct Faults(BTreeMap<String, Vec<String>>);

impl Faults {
    /// Notes a fault of a field: a sentence part, as in "can't be blank".
    pub fn note(&mut self, field: &str, fault: impl Into<String>) {
        self.0.entry(field.to_owned()).or_default().push(fault.into());
    }

    /// Notes what a rejected change says of its fields.
    pub fn note_all(&mut self, faults: &[FieldFault]) {
        faults.iter().for_each(|fault| self.note(&fault.field, fault.fault.clone()));
    }

    /// What is wrong with a field.
    pub fn of(&self, field: &str) -> Option<String> {
        self.0.get(field).map(|faults| faults.join("; "))
    }

    /// Every fault with its field.
    pub fn all(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(field, faults)| (field.as_str(), faults.join("; ")))
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Form {
    /// Without what was typed: that may be anything.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Form").field("fields", &names).field("faults", &self.faults).finish()
    }
}

impl Form {
    /// Reads what a page of this viewer sent. Refused before a field is looked at: what another site's page sent.
    pub async fn read(app: &App, asked: &Asked, viewer: &Viewer, body: Body) -> Result<Self, Box<Problem>> {
        check_same_origin(app, asked)?;
        let mut form = Self::of(asked, body).await?;
        let shown = form.take_one(CSRF)?.unwrap_or_default();
        if !viewer.csrf.is(&shown) {
            return Err(Box::new(Problem::form_expired()));
        }
        Ok(form)
    }

    /// Reads a form that nobody is signed in for. The caller answers for where it comes from.
    pub async fn of(asked: &Asked, body: Body) -> Result<Self, Box<Problem>> {
        if media_type(asked).as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(Box::new(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Unsupported media type",
                "a form is application/x-www-form-urlencoded",
            )));
        }
        let bytes = body.read_up_to(FORM_BYTES_MAX, asked.headers()).await?;
        Self::parse(bytes)
    }

    fn parse(bytes: Bytes) -> Result<Self, Box<Problem>> {
        let mut fields = Vec::new();
        for (name, value) in form_urlencoded::parse(&bytes) {
            if fields.len() == FIELDS_MAX {
                return Err(Box::new(Problem::malformed(format!("a form has at most {FIELDS_MAX} fields"))));
            }
            fields.push((decoded(name), decoded(value)));
        }
        Ok(Self { fields, faults: Faults::default(), bytes })
    }

    /// Whether a field was sent.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
    }

    /// A field as it was typed; empty if it was not sent.
    pub fn text(&mut self, name: &str) -> Result<String, Box<Problem>> {
        self.take_one(name).map(Option::unwrap_or_default)
    }

    /// Every value of a field that can be given more than once, in order.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        let (found, rest) = std::mem::take(&mut self.fields).into_iter().partition(|(known, _)| known == name);
        self.fields = rest;
        let found: Vec<(String, String)> = found;
        found.into_iter().map(|(_, value)| value).collect()
    }

    fn take_one(&mut self, name: &str) -> Result<Option<String>, Box<Problem>> {
        let mut found = self.texts(name);
        if found.len() > 1 {
            return Err(Box::new(Problem::malformed(format!("{name} is sent twice"))));
        }
        Ok(found.pop())
    }

    /// The version that a page was made from; none where it says none. Nobody types it, so what is no number is refused.
    pub fn version(&mut self) -> Result<Option<Version>, Box<Problem>> {
        let text = self.text("version")?;
        let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        match (text.is_empty(), number) {
            (true, _) => Ok(None),
            (false, Some(number)) => Ok(Some(Version(number))),
            (false, None) => Err(Box::new(Problem::malformed("version is no number; open the page again"))),
        }
    }

    /// A whole number; none where the field is empty or, noted, is no number.
    pub fn number(&mut self, name: &str) -> Result<Option<u64>, Box<Problem>> {
        let text = self.text(name)?;
        Ok(match text.trim() {
            "" => None,
            text => {
                let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
                if number.is_none() {
                    self.faults.note(name, "must be a whole number");
                }
                number
            }
        })
    }

    /// Whether nothing was sent but what was asked for; fields that a page of this version does not have are refused, not
    /// passed over: what they say would be lost.
    pub fn finish(&self) -> Result<(), Box<Problem>> {
        match self.fields.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(Box::new(Problem::malformed(format!("{name} is no field of this form; open the page again"))))
            }
        }
    }
}

/// The key of a form that makes something: what is sent under it twice is made once.
pub fn new_key(app: &App) -> String {
    app.entropy.lock().bytes_16().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A change under the key of the form that it was sent with: the same form sent again carries nothing out again, and what was
/// typed differently under the same key is told from it. A key that is none of ours is no key.
pub fn once(app: &App, asked: &Asked, key: String, sent: &[u8], change: Change) -> Change {
    if key.len() != 32 || !key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return change;
    }
    let request = app.ledger.digest_request(asked.method(), asked.path(), sent);
    Change::Once { key: PersonalText::new(key), request, change: Box::new(change) }
}

/// A form ends its lines with CR LF, whatever was typed.
fn decoded(text: Cow<'_, str>) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n") } else { text.into_owned() }
}

/// Browsers say where a form comes from. One that does not is judged by the form's own secret alone. Where an address of
/// the service was told, it is that one, whatever a proxy makes of `Host`; else a proxy may speak TLS that nobody told of.
pub(super) fn check_same_origin(app: &App, asked: &Asked) -> Result<(), Box<Problem>> {
    let header = |name| asked.headers().get(name).and_then(|value: &warp::http::HeaderValue| value.to_str().ok());
    let is_own = match (header(header::ORIGIN), app.site.told()) {
        (None, _) => header(warp::http::HeaderName::from_static("sec-fetch-site"))
            .is_none_or(|site| matches!(site, "same-origin" | "none")),
        (Some(origin), Some(told)) => origin.eq_ignore_ascii_case(told),
        (Some(origin), None) => {
            let host = header(header::HOST).unwrap_or_default();
            origin.split_once("://").is_some_and(|(_, own)| !host.is_empty() && own.eq_ignore_ascii_case(host))
        }
    };
    if is_own { Ok(()) } else { Err(Box::new(Problem::form_expired())) }
}

/// What a field is called in the sentence that tells its faults, at the head of the page.
pub fn label_of(field: &str) -> String {
    let (kind, group) = field.split_once('.').unwrap_or((field, ""));
    match (kind, group) {
        ("names" | "level" | "cover" | "more", group) => words::group_label(group),
        ("expires_at", _) => "Expires".to_owned(),
        (kind, _) => words::group_label(kind),
    }
}

/// Reads a time as people and browsers write it, in UTC: `2026-03-01`, `2026-03-01T12:00`, `2026-03-01 12:00:05`, RFC 3339.
pub fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim().replacen(' ', "T", 1);
    let text = text.strip_suffix("TUTC").or(text.strip_suffix(" UTC")).unwrap_or(&text);
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        _ => text.to_owned(),
    };
    Timestamp::parse(&whole).or_else(|| Timestamp::parse(&format!("{whole}Z")))
}

/// A time as `<input type="datetime-local">` takes it, in UTC; empty if there is none.
pub fn time_value(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_seconds_text().trim_end_matches('Z').to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Form {
        Form::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap_or_default()
    }

    #[test]
    fn fields_are_read_once_and_what_is_left_is_refused() {
        let mut form = parsed("name=a+b%26c&tick=1&tick=2&other=x");
        assert_eq!(form.text("name").ok().as_deref(), Some("a b&c"));
        assert!(form.text("tick").is_err(), "one value is asked for, and two are sent");
        let mut form = parsed("tick=1&tick=2&other=x");
        assert_eq!(form.texts("tick"), ["1", "2"]);
        assert!(form.finish().is_err());
        assert_eq!(form.text("other").ok().as_deref(), Some("x"));
        assert_eq!(form.text("missing").ok().as_deref(), Some(""));
        assert!(form.finish().is_ok());
    }

    #[test]
    fn a_number_is_digits() {
        for (sent, number) in [("n=12", Some(12)), ("n=", None), ("", None), ("n=%2B1", None), ("n=x", None)] {
            assert_eq!(parsed(sent).number("n").ok().flatten(), number, "{sent}");
        }
        let mut form = parsed("n=x");
        let _ = form.number("n");
        assert_eq!(form.faults.of("n").as_deref(), Some("must be a whole number"));
    }

    #[test]
    fn times_are_read_as_people_and_browsers_write_them() {
        for (text, told) in [
            ("2026-03-01", Some("2026-03-01T00:00:00Z")),
            ("2026-03-01T12:00", Some("2026-03-01T12:00:00Z")),
            ("2026-03-01 12:00", Some("2026-03-01T12:00:00Z")),
            (" 2026-03-01 12:00:05 ", Some("2026-03-01T12:00:05Z")),
            ("2026-03-01 12:00:05 UTC", Some("2026-03-01T12:00:05Z")),
            ("2026-03-01T12:00:05+02:00", Some("2026-03-01T10:00:05Z")),
            ("2026-03-01T12:00:05.5Z", Some("2026-03-01T12:00:05Z")),
            ("2026-03-01T12:00:05", Some("2026-03-01T12:00:05Z")),
            ("2026-02-30", None),
            ("2026-13-01T00:00", None),
            ("12:00", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(time(text).map(Timestamp::to_seconds_text).as_deref(), told, "{text}");
        }
        assert_eq!(time_value(Timestamp::parse("2026-03-01T12:00:00Z")), "2026-03-01T12:00:00");
    }

    #[test]
    fn too_many_fields_are_refused() {
        assert!(Form::parse("a=&".repeat(FIELDS_MAX + 1).into()).is_err());
    }
}
