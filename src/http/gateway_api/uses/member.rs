//! Members of one line, read without a tree of values and without copies of texts.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A member's value, as far as a line can have one.
#[derive(Debug, Default)]
pub(super) enum Member<'a> {
    /// Not sent, or null.
    #[default]
    Absent,
    /// A whole number from 0 on.
    Number(u64),
    /// A text.
    Text(Cow<'a, str>),
    /// Anything else.
    Other,
}

/// The members that a line can have.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    pub key: Member<'a>,
    pub token_id: Member<'a>,
    pub hashed_token: Member<'a>,
    pub account_id: Member<'a>,
    pub occurred_at: Member<'a>,
    pub known_position: Member<'a>,
    pub required_scope: Member<'a>,
    pub method: Member<'a>,
    pub path: Member<'a>,
    pub status: Member<'a>,
    pub address: Member<'a>,
    /// There was one that no line has.
    pub has_unknown: bool,
}

impl<'a> Members<'a> {
    /// Reads a line; none if it is not one JSON object with each member once.
    pub fn read(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    fn slot(&mut self, name: &str) -> Option<(u16, &mut Member<'a>)> {
        Some(match name {
            "key" => (0, &mut self.key),
            "token_id" => (1, &mut self.token_id),
            "hashed_token" => (2, &mut self.hashed_token),
            "account_id" => (3, &mut self.account_id),
            "occurred_at" => (4, &mut self.occurred_at),
            "known_position" => (5, &mut self.known_position),
            "required_scope" => (6, &mut self.required_scope),
            "method" => (7, &mut self.method),
            "path" => (8, &mut self.path),
            "status" => (9, &mut self.status),
            "address" => (10, &mut self.address),
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Line)
    }
}

struct Line;

impl<'de> Visitor<'de> for Line {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let (mut members, mut seen) = (Members::default(), 0u16);
        while let Some(name) = map.next_key::<Name<'de>>()? {
            let Some((bit, slot)) = members.slot(&name.0) else {
                map.next_value::<IgnoredAny>()?;
                members.has_unknown = true;
                continue;
            };
            // Which of two counts differs between parsers.
            if seen & 1 << bit != 0 {
                return Err(A::Error::custom("a member is there twice"));
            }
            seen |= 1 << bit;
            *slot = map.next_value()?;
        }
        Ok(members)
    }
}

/// A member's name.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(Value)? {
            Member::Text(name) => Ok(Self(name)),
            _ => Err(D::Error::custom("a name is a text")),
        }
    }
}

impl<'de> Deserialize<'de> for Member<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Value)
    }
}

struct Value;

impl<'de> Visitor<'de> for Value {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Member<'de>, E> {
        Ok(Member::Absent)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Member<'de>, E> {
        Ok(Member::Other)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Member<'de>, E> {
        Ok(Member::Number(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Member<'de>, E> {
        Ok(Member::Other)
    }

    /// JSON has one kind of number: `3.0` is `3`, as in every other body.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Member<'de>, E> {
        let whole = serde_json::Number::from_f64(number).map(serde_json::Value::Number);
        let whole = whole.as_ref().and_then(crate::http::fields::whole_number);
        Ok(whole.map_or(Member::Other, Member::Number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Member<'de>, E> {
        Ok(Member::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Member<'de>, E> {
        Ok(Member::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Member<'de>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Member<'de>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }
}
