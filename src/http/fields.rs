//! Fields of a JSON body, read one by one; what is wrong is collected, so that a person can mend all at once.

use super::problem::Problem;
use super::strict_json;
use crate::domain::access::Level;
use crate::domain::command::{AccessRequest, CoverageRequest, GrantRequest};
use crate::domain::rejection::FieldFault;
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use serde_json::{Map, Value};

/// The fields of one JSON object.
#[derive(Debug)]
pub struct Fields {
    object: Map<String, Value>,
    prefix: String,
    faults: Vec<FieldFault>,
}

impl Fields {
    /// Parses a body. An empty one is an empty object.
    pub fn parse(body: &[u8]) -> Result<Self, Box<Problem>> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::of(Map::new(), ""));
        }
        Self::parse_object(body).map_err(|fault| Box::new(Problem::malformed(format!("the body {fault}"))))
    }

    /// Parses one JSON object; else a sentence part that says what is wrong.
    pub fn parse_object(text: &[u8]) -> Result<Self, String> {
        match strict_json::parse(text) {
            Ok(Value::Object(object)) => Ok(Self::of(object, "")),
            Ok(_) => Err("must be a JSON object".to_owned()),
            Err(error) => Err(format!("is not JSON as it must be: {error}")),
        }
    }

    fn of(object: Map<String, Value>, prefix: impl Into<String>) -> Self {
        Self { object, prefix: prefix.into(), faults: Vec::new() }
    }

    /// Notes a fault of a field.
    pub fn fault(&mut self, name: &str, fault: impl Into<String>) {
        let field = if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) };
        self.faults.push(FieldFault::new(field, fault));
    }

    /// Says nothing of the fields that are left: what may be there hangs on a field that is at fault itself.
    pub fn ignore_rest(&mut self) {
        self.object.clear();
    }

    /// Whether a field was sent at all.
    pub fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    fn take<T>(&mut self, name: &str, wanted: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.object.remove(name)?;
        let read = read(&value);
        if read.is_none() {
            self.fault(name, format!("must be {wanted}"));
        }
        read
    }

    /// A field that must be there; `read` is one of the readers below.
    pub fn required<T>(&mut self, name: &str, read: impl FnOnce(&mut Self, &str) -> Option<T>) -> Option<T> {
        if !self.has(name) {
            self.fault(name, "can't be blank");
            return None;
        }
        read(self, name)
    }

    /// A string.
    pub fn string(&mut self, name: &str) -> Option<String> {
        self.take(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A string that a person chose.
    pub fn text(&mut self, name: &str) -> Option<PersonalText> {
        self.string(name).map(PersonalText::new)
    }

    /// A whole number from 0 on.
    pub fn number(&mut self, name: &str) -> Option<u64> {
        self.take(name, "a whole number", whole_number)
    }

    /// A number or null.
    pub fn number_or_null(&mut self, name: &str) -> Option<Option<u64>> {
        self.take(name, "a whole number or null", |value| match value {
            Value::Null => Some(None),
            value => whole_number(value).map(Some),
        })
    }

    /// True or false.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        self.take(name, "true or false", Value::as_bool)
    }

    /// One of a few words.
    pub fn word<T>(&mut self, name: &str, words: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.take(name, words, |value| parse(value.as_str()?))
    }

    /// A time (RFC 3339) or null.
    pub fn time_or_null(&mut self, name: &str) -> Option<Option<Timestamp>> {
        self.take(name, "a time such as 2026-03-01T12:00:00Z, or null", |value| match value {
            Value::Null => Some(None),
            value => Timestamp::parse(value.as_str()?).map(Some),
        })
    }

    /// A list of strings.
    pub fn texts(&mut self, name: &str) -> Option<Vec<PersonalText>> {
        self.take(name, "a list of strings", |value| {
            value.as_array()?.iter().map(|item| item.as_str().map(PersonalText::new)).collect()
        })
    }

    /// A list of texts that `read` reads, or null. Each that it cannot is a fault of its own, in `read`'s words.
    pub fn texts_or_null<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<Option<Vec<T>>> {
        let items = match self.object.remove(name)? {
            Value::Null => return Some(None),
            Value::Array(items) => items,
            _ => {
                self.fault(name, "must be a list of strings, or null");
                return None;
            }
        };
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item.as_str().ok_or("must be a string".to_owned()).and_then(&read) {
                Ok(thing) => list.push(thing),
                Err(fault) => self.fault(&format!("{name}[{index}]"), fault),
            }
        }
        Some(Some(list))
    }

    /// A list of things that `read` reads.
    pub fn list<T>(&mut self, name: &str, wanted: &str, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
        self.take(name, wanted, |value| value.as_array()?.iter().map(read).collect())
    }

    /// A list of objects, at least one and at most `max`, each read by `read`.
    pub fn objects<T>(&mut self, name: &str, max: usize, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let Value::Array(items) = self.object.remove(name)? else {
            self.fault(name, "must be a list");
            return None;
        };
        if items.is_empty() || items.len() > max {
            self.fault(name, format!("must have 1 to {max} items"));
            return None;
        }
        let mut things = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let label = format!("{name}[{index}]");
            let Value::Object(object) = item else {
                self.fault(&label, "must be an object");
                continue;
            };
            let prefix = if self.prefix.is_empty() { label } else { format!("{}.{label}", self.prefix) };
            let mut inner = Self::of(object, prefix);
            things.extend(read(&mut inner));
            self.absorb(inner);
        }
        Some(things)
    }

    /// `"full"` or `{"grants": [...]}`.
    pub fn access(&mut self, name: &str) -> Option<AccessRequest> {
        let field = if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) };
        match self.object.remove(name)? {
            Value::String(word) if word == "full" => Some(AccessRequest::Full),
            Value::Object(object) => {
                let mut inner = Self::of(object, field);
                let grants = inner.required("grants", Self::grants);
                self.absorb(inner);
                grants.map(AccessRequest::Granted)
            }
            _ => {
                self.fault(name, "must be \"full\" or an object with grants");
                None
            }
        }
    }

    fn grants(&mut self, name: &str) -> Option<Vec<GrantRequest>> {
        let Some(Value::Array(items)) = self.object.remove(name) else {
            self.fault(name, "must be a list");
            return None;
        };
        let mut grants = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let label = format!("{name}[{index}]");
            let Value::Object(object) = item else {
                self.fault(&label, "must be an object");
                continue;
            };
            let mut inner = Self::of(object, format!("{}.{label}", self.prefix));
            let grant = inner.grant();
            self.absorb(inner);
            grants.extend(grant);
        }
        Some(grants)
    }

    fn grant(&mut self) -> Option<GrantRequest> {
        let group = self.required("group", Self::string);
        let level = self.required("level", |fields, name| {
            fields.word(name, "read_only or full_access", |word| match word {
                "read_only" => Some(Level::ReadOnly),
                "full_access" => Some(Level::FullAccess),
                _ => None,
            })
        });
        let coverage = self.required("resources", |fields, name| {
            fields.take(name, "\"all\" or a list of names", |value| match value {
                Value::String(word) if word == "all" => Some(CoverageRequest::All),
                Value::Array(names) => {
                    let names = names.iter().map(|item| item.as_str().map(PersonalText::new));
                    names.collect::<Option<_>>().map(CoverageRequest::Named)
                }
                _ => None,
            })
        });
        Some(GrantRequest { group: group?, level: level?, coverage: coverage? })
    }

    /// Takes over another object's faults and unknown fields.
    fn absorb(&mut self, inner: Self) {
        if let Err(faults) = inner.into_faults() {
            self.faults.extend(faults);
        }
    }

    /// Ends reading with what was at fault, fields nobody asked for too.
    pub fn into_faults(mut self) -> Result<(), Vec<FieldFault>> {
        let unknown: Vec<String> = self.object.keys().cloned().collect();
        for name in unknown {
            self.fault(&name, "is not a field of this request");
        }
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults) }
    }

    /// Ends reading: fields nobody asked for are faults too.
    pub fn finish(self) -> Result<(), Box<Problem>> {
        self.into_faults().map_err(|faults| Box::new(Problem::invalid(&faults)))
    }
}

/// A whole number from 0 on. JSON has one kind of number: `3.0` is the same number as `3` (RFC 8259 section 6), up to where
/// such a form still says each number exactly (2^53).
pub(super) fn whole_number(value: &Value) -> Option<u64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let exact = |number: &f64| number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(number);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, from 0 to 2^53")]
    value.as_u64().or_else(|| value.as_f64().filter(exact).map(|number| number as u64))
}

#[cfg(test)]
mod tests {
    use super::whole_number;
    use serde_json::json;

    #[test]
    fn a_whole_number_is_one_in_every_form() {
        for (sent, read) in [(json!(3), 3), (json!(3.0), 3), (json!(1e3), 1_000), (json!(u64::MAX), u64::MAX)] {
            assert_eq!(whole_number(&sent), Some(read), "{sent}");
        }
        for sent in [json!(3.5), json!(-1), json!(-1.0), json!(1e300), json!("3"), json!(null)] {
            assert_eq!(whole_number(&sent), None, "{sent}");
        }
    }
}
