//! JSON of strangers: parsed with bounds on depth and lists, and without members that are there twice.
//!
//! Which of two members of one name counts differs between parsers, so a proxy in front could read another request
//! than we do.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Deepest nesting of a body: its object is the first level.
pub const JSON_DEPTH_MAX: usize = 32;
/// Longest array of a body.
pub const JSON_ARRAY_MAX: usize = 1_000;

/// Parses a whole body.
pub fn parse(body: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads one value inside so many objects and arrays.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > JSON_DEPTH_MAX {
            return Err(E::custom(format_args!("nested more than {JSON_DEPTH_MAX} deep")));
        }
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            if array.len() >= JSON_ARRAY_MAX {
                return Err(A::Error::custom(format_args!("a list has more than {JSON_ARRAY_MAX} items")));
            }
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ordinary_json_is_read_as_it_is() {
        let value = json!({ "a": [1, -1, 1.5, "text", true, null, {}], "b": { "c": 18_446_744_073_709_551_615_u64 } });
        assert_eq!(parse(value.to_string().as_bytes()).ok(), Some(value));
    }

    #[test]
    fn depth_lists_and_repeated_members_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let long = |items: usize| json!(vec![0; items]).to_string();
        assert!(parse(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert!(parse(nested(JSON_DEPTH_MAX + 1).as_bytes()).is_err());
        assert!(parse(long(JSON_ARRAY_MAX).as_bytes()).is_ok());
        assert!(parse(long(JSON_ARRAY_MAX + 1).as_bytes()).is_err());
        for bad in ["", "{", "1 2", "{\"a\":1,\"a\":1}", "{\"b\":{\"a\":1,\"\\u0061\":1}}", "nul", "[1,]"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
