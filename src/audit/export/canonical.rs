//! JSON in its one canonical form (RFC 8785): no space, members sorted by the UTF-16 units of their names, the shortest
//! escapes. The same event has the same bytes wherever it is exported.
//!
//! The RFC writes numbers as doubles. Ours are whole, and written whole: the same bytes up to 2^53, and no digit lost past it.

use serde_json::{Map, Value};
use std::io::{self, Write};

/// Writes a value.
pub fn write(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    match value {
        Value::Object(members) => write_object(out, members),
        Value::Array(items) => {
            out.write_all(b"[")?;
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.write_all(b",")?;
                }
                write(out, item)?;
            }
            out.write_all(b"]")
        }
        // serde_json escapes what the RFC escapes, as it does: quotes, backslashes and controls, the latter in lower case.
        other => serde_json::to_writer(out, other).map_err(io::Error::from),
    }
}

fn write_object(out: &mut dyn Write, members: &Map<String, Value>) -> io::Result<()> {
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    out.write_all(b"{")?;
    for (at, (name, value)) in sorted.into_iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, name).map_err(io::Error::from)?;
        out.write_all(b":")?;
        write(out, value)?;
    }
    out.write_all(b"}")
}

/// A value as a text.
pub fn text(value: &Value) -> String {
    let mut bytes = Vec::new();
    // Writing into memory cannot fail.
    let _ = write(&mut bytes, value);
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::text;

    /// From RFC 8785: its section 3.2.2 but for the numbers that are no whole ones, and the sorting of section 3.2.3.
    #[test]
    fn it_is_as_the_rfc_shows() {
        let input = r#"{ "numbers": [333333333, 4, 2, 0],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false] }"#;
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333,4,2,0],\
            \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(serde_json::from_str(input).map(|value| text(&value)).ok().as_deref(), Some(expected));
        let input = r#"{ "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis" }"#;
        let sorted = serde_json::from_str(input).map(|value| text(&value)).unwrap_or_default();
        let order: Vec<usize> = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
            .iter()
            .filter_map(|word| sorted.find(word))
            .collect();
        assert_eq!(order.len(), 7, "{sorted}");
        assert!(order.is_sorted(), "{sorted}");
    }
}
