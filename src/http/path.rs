//! Values in paths: decoded once, and refused where a gateway or upstream might read them as another path.

use crate::domain::command::AskedTarget;
use crate::domain::names::normalize_domain_name;
use crate::domain::text::PersonalText;
use percent_encoding::percent_decode_str;

/// Decodes one path segment.
pub fn decode(raw: &str) -> Result<String, &'static str> {
    if !has_whole_escapes(raw) {
        return Err("has a broken percent escape");
    }
    let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| "is not UTF-8")?;
    if decoded.contains(['/', '\0', '\\']) {
        return Err("contains a character that a path segment cannot have");
    }
    if matches!(&*decoded, "." | "..") {
        return Err("is a dot segment");
    }
    if decoded.contains('%') {
        return Err("is encoded twice");
    }
    Ok(decoded.into_owned())
}

/// Whether every percent sign is followed by two hexadecimal digits.
pub fn has_whole_escapes(raw: &str) -> bool {
    let mut parts = raw.split('%');
    parts.next();
    parts.all(|part| part.len() >= 2 && part.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit))
}

/// A number in a path.
pub fn number(raw: &str) -> Result<u64, &'static str> {
    whole_number(raw).filter(|number| *number > 0).ok_or("is not a number")
}

/// A number in digits, of a path or query. One that is too long to be kept is taken as the largest: nothing has that
/// number, and every limit is below it.
pub fn whole_number(raw: &str) -> Option<u64> {
    let is_number = !raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| raw.parse().unwrap_or(u64::MAX))
}

/// A domain or zone in a path: by number or by name.
pub fn target(raw: &str) -> Result<AskedTarget, &'static str> {
    let text = decode(raw)?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(&text).map(AskedTarget::Number).or(Ok(AskedTarget::Number(0)));
    }
    normalize_domain_name(&text).map(|name| AskedTarget::Name(PersonalText::new(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_decoded_once_and_hostile_ones_are_refused() {
        assert_eq!(decode("example%2Ecom").as_deref(), Ok("example.com"));
        assert_eq!(decode("b%C3%BCcher.example").as_deref(), Ok("bücher.example"));
        for hostile in
            ["a%2Fb", "a%2fb", "%00", "%2e%2e", "..", ".", "%252e", "a%25b", "%", "%4", "%zz", "%ff", "a%5Cb"]
        {
            assert!(decode(hostile).is_err(), "{hostile}");
        }
    }

    #[test]
    fn a_number_that_is_too_long_is_a_number_that_nothing_has() {
        assert_eq!(number("42"), Ok(42));
        assert_eq!(number("99999999999999999999"), Ok(u64::MAX));
        assert_eq!(whole_number("0"), Some(0));
        for raw in ["0", "", "-1", "+1", "1.0", "1e3"] {
            assert!(number(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_target_is_a_number_or_a_normalised_name() {
        assert_eq!(target("42"), Ok(AskedTarget::Number(42)));
        assert_eq!(target("0"), Ok(AskedTarget::Number(0)));
        assert_eq!(target("Example.COM."), Ok(AskedTarget::Name(PersonalText::new("example.com"))));
        assert_eq!(target("99999999999999999999"), Ok(AskedTarget::Number(u64::MAX)));
        assert!(target("a b").is_err());
    }
}
