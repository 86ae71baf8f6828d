//! Paths that every server reads alike. Two programs that read one path differently are how guards are walked around:
//! whatever could be read in two ways is refused, never mended.

use std::borrow::Cow;

/// Longest path with its query, in bytes.
pub const TARGET_BYTES_MAX: usize = 8_192;

/// Why a path is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathFault {
    /// Over [`TARGET_BYTES_MAX`].
    TooLong,
    /// Not from `/` on.
    NotAbsolute,
    /// Two slashes together, or one at the end.
    EmptySegment,
    /// `.` or `..`, plain or encoded.
    DotSegment,
    /// `;`: some servers cut a segment there.
    Semicolon,
    /// An encoded slash, backslash or percent sign: it is another path once decoded, or decoded twice.
    HiddenSeparator,
    /// A plain backslash: some servers take it for a slash.
    Backslash,
    /// `#`: a fragment has no place in a request.
    Fragment,
    /// A control character or space, plain or encoded.
    Control,
    /// A plain character that is not ASCII: it must be encoded.
    NotAscii,
    /// A percent sign without two hexadecimal digits.
    BrokenEscape,
    /// Escapes that are not UTF-8.
    NotUtf8,
}

impl std::fmt::Display for PathFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLong => "is longer than 8192 bytes",
            Self::NotAbsolute => "does not begin with a slash",
            Self::EmptySegment => "has an empty segment",
            Self::DotSegment => "has a dot segment",
            Self::Semicolon => "has a semicolon",
            Self::HiddenSeparator => "has an encoded slash, backslash or percent sign",
            Self::Backslash => "has a backslash",
            Self::Fragment => "has a fragment",
            Self::Control => "has a control character",
            Self::NotAscii => "has characters that must be percent-encoded",
            Self::BrokenEscape => "has a broken percent escape",
            Self::NotUtf8 => "is not UTF-8",
        })
    }
}

/// The segments of a request target (RFC 9112 section 3.2.1, origin form), each decoded once.
pub fn segments(target: &str) -> Result<Vec<Cow<'_, str>>, PathFault> {
    if target.len() > TARGET_BYTES_MAX {
        return Err(PathFault::TooLong);
    }
    if target.contains('#') {
        return Err(PathFault::Fragment);
    }
    let path = target.split('?').next().unwrap_or_default();
    let inner = path.strip_prefix('/').ok_or(PathFault::NotAbsolute)?;
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    inner.split('/').map(segment).collect()
}

fn segment(raw: &str) -> Result<Cow<'_, str>, PathFault> {
    if raw.is_empty() {
        return Err(PathFault::EmptySegment);
    }
    raw.bytes().try_for_each(check_plain)?;
    let decoded = if raw.contains('%') { Cow::Owned(decode(raw)?) } else { Cow::Borrowed(raw) };
    match &*decoded {
        "." | ".." => Err(PathFault::DotSegment),
        text if text.chars().any(char::is_control) => Err(PathFault::Control),
        _ => Ok(decoded),
    }
}

fn check_plain(byte: u8) -> Result<(), PathFault> {
    match byte {
        b';' => Err(PathFault::Semicolon),
        b'\\' => Err(PathFault::Backslash),
        0..=b' ' | 0x7f => Err(PathFault::Control),
        0x80.. => Err(PathFault::NotAscii),
        _ => Ok(()),
    }
}

fn decode(raw: &str) -> Result<String, PathFault> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut parts = raw.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(PathFault::BrokenEscape)?;
        match byte {
            b'/' | b'\\' | b'%' => return Err(PathFault::HiddenSeparator),
            b';' => return Err(PathFault::Semicolon),
            _ => bytes.push(byte),
        }
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| PathFault::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reading_or_none() {
        let rows: [(&str, Result<&[&str], PathFault>); 26] = [
            ("/", Ok(&[])),
            ("/a", Ok(&["a"])),
            ("/a/b.c?d=/e//..", Ok(&["a", "b.c"])),
            ("/%61/b%C3%BC", Ok(&["a", "bü"])),
            ("/a/...", Ok(&["a", "..."])),
            ("", Err(PathFault::NotAbsolute)),
            ("a", Err(PathFault::NotAbsolute)),
            ("http://h/a", Err(PathFault::NotAbsolute)),
            ("//a", Err(PathFault::EmptySegment)),
            ("/a//b", Err(PathFault::EmptySegment)),
            ("/a/", Err(PathFault::EmptySegment)),
            ("/a/../b", Err(PathFault::DotSegment)),
            ("/a/%2e%2E/b", Err(PathFault::DotSegment)),
            ("/a/%2e", Err(PathFault::DotSegment)),
            ("/a;x=1/b", Err(PathFault::Semicolon)),
            ("/a%3bx", Err(PathFault::Semicolon)),
            ("/a%2fb", Err(PathFault::HiddenSeparator)),
            ("/a%5Cb", Err(PathFault::HiddenSeparator)),
            ("/a%252e", Err(PathFault::HiddenSeparator)),
            ("/a\\b", Err(PathFault::Backslash)),
            ("/a#b", Err(PathFault::Fragment)),
            ("/a%00", Err(PathFault::Control)),
            ("/a b", Err(PathFault::Control)),
            ("/bü", Err(PathFault::NotAscii)),
            ("/a%4", Err(PathFault::BrokenEscape)),
            ("/%ff", Err(PathFault::NotUtf8)),
        ];
        for (target, expected) in rows {
            let read = segments(target);
            let read = read.as_ref().map(|segments| segments.iter().map(|s| &**s).collect::<Vec<_>>()).map_err(|e| *e);
            assert_eq!(read, expected.map(<[&str]>::to_vec), "{target:?}");
        }
        assert_eq!(segments(&"/a".repeat(5_000)), Err(PathFault::TooLong));
        assert_eq!(segments("/%éa"), Err(PathFault::NotAscii));
    }
}
