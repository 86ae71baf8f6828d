//! What a name may look like.

/// Longest name of an account, user or token, in Unicode scalar values.
pub const NAME_CHARS_MAX: usize = 255;
/// Longest e-mail address (RFC 5321 section 4.5.3.1.3: a path of 256 octets with its brackets).
pub const EMAIL_BYTES_MAX: usize = 254;
/// Longest domain name in its text form (RFC 1035 section 2.3.4).
pub const DOMAIN_NAME_BYTES_MAX: usize = 253;

/// What scopes say in place of one name: they could not be told from a resource of that name.
const RESERVED_NAMES: [&str; 2] = ["*", "listed"];

/// Why a name was refused, as a sentence part that follows the field's name.
pub type NameFault = &'static str;

/// A name of an account, person or token: 1 to 255 characters of any script, no control characters, not only spaces.
pub fn check_name(text: &str) -> Result<(), NameFault> {
    if text.trim().is_empty() {
        return Err("can't be blank");
    }
    if text.chars().count() > NAME_CHARS_MAX {
        return Err("is too long (maximum is 255 characters)");
    }
    if text.chars().any(is_control) {
        return Err("can't contain control characters");
    }
    Ok(())
}

/// Control characters (category Cc) and the line and paragraph separators, which break lines just the same.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// An e-mail address, judged by shape only: one `@` with something on each side, no spaces or control characters.
pub fn check_email(text: &str) -> Result<(), NameFault> {
    if text.len() > EMAIL_BYTES_MAX {
        return Err("is too long (maximum is 254 bytes)");
    }
    let shaped = text.split_once('@').is_some_and(|(local, host)| {
        !local.is_empty() && !host.is_empty() && !host.contains('@') && !host.starts_with('.') && !host.ends_with('.')
    });
    if !shaped || text.chars().any(|c| is_control(c) || c.is_whitespace()) {
        return Err("is not an e-mail address");
    }
    Ok(())
}

/// A domain or zone name in the one form that grants, resources and paths are compared in: lower case, IDNA
/// A-labels (UTS 46), one final dot dropped.
pub fn normalize_domain_name(text: &str) -> Result<String, NameFault> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() {
        return Err("can't be blank");
    }
    let ascii = idna::domain_to_ascii(text).map_err(|_| "is not a domain name")?;
    if ascii.is_empty() || ascii.len() > DOMAIN_NAME_BYTES_MAX {
        return Err("is not a domain name");
    }
    if RESERVED_NAMES.contains(&ascii.as_str()) {
        return Err("is a word that scopes have for more than one resource");
    }
    if ascii.split('.').all(is_label) { Ok(ascii) } else { Err("is not a domain name") }
}

/// The name of a resource as [`normalize_domain_name`] has it, where paths find resources by number, too: one of digits alone
/// would be taken for a number, and by a gateway whose API counts so for a name that somebody else's resource has.
pub fn normalize_resource_name(text: &str) -> Result<String, NameFault> {
    let name = normalize_domain_name(text)?;
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is a number to whoever reads it in a path");
    }
    Ok(name)
}

/// RFC 1035 labels plus the underscore of service names (RFC 8552) and the `*` of wildcards.
fn is_label(label: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    label == "*" || ((1..=63).contains(&label.len()) && label.bytes().all(legal))
}

/// The A-label form shown as Unicode, for `unicode_name`. A name that does not decode is shown as it is.
pub fn unicode_domain_name(ascii: &str) -> String {
    let (text, result) = idna::domain_to_unicode(ascii);
    if result.is_ok() { text } else { ascii.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_pass_and_control_characters_do_not() {
        let longest = "名".repeat(NAME_CHARS_MAX);
        for good in ["a", "CI deploy", "Приклад", "🦀 crab", "<script>", "=cmd|'/C calc'!A0", longest.as_str()]
        {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        let too_long = "a".repeat(NAME_CHARS_MAX + 1);
        for bad in ["", "  ", "\t", "a\nb", "a\u{0}b", "a\u{7f}", "a\u{85}b", "a\u{2028}b", too_long.as_str()] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_domain_name_has_one_form() {
        for (sent, kept) in [
            ("example.com", "example.com"),
            ("Example.COM.", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("_acme-challenge.example.com", "_acme-challenge.example.com"),
            ("2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa"),
        ] {
            assert_eq!(normalize_domain_name(sent).as_deref(), Ok(kept), "{sent}");
        }
        for bad in
            ["*", "LISTED.", "", ".", "a..b", "a b.com", "a/b", "..", "a\u{0}.com", &"a".repeat(64), "example.com.."]
        {
            assert!(normalize_domain_name(bad).is_err(), "{bad:?}");
        }
        assert_eq!(unicode_domain_name("xn--bcher-kva.example"), "bücher.example");
        for number in ["1", "0007", "9999.", "１２"] {
            assert!(normalize_domain_name(number).is_ok() && normalize_resource_name(number).is_err(), "{number}");
        }
        assert_eq!(normalize_resource_name("1.example").as_deref(), Ok("1.example"));
    }

    #[test]
    fn e_mail_addresses_are_judged_by_shape() {
        for good in ["ops@example.com", "Jörg@exämple.de"] {
            assert_eq!(check_email(good), Ok(()), "{good}");
        }
        for bad in ["", "ops", "@example.com", "ops@", "a@b@c", "a b@c.d", "ops@.com", "ops@example.com\r\n"] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
    }
}
