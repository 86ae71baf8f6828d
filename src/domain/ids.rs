//! Numbers that must never be mixed up. All are 1-based; zero means "none".

use serde::{Deserialize, Serialize};
use std::fmt;

// Written as the number inside, in records and in JSON. Not `transparent`, so that whoever passes through a value can
// tell by the name what is numbered (`mentioned_texts`).
macro_rules! number {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl $name {
            /// No such thing: the zero that fills an empty place of a record.
            pub const NONE: Self = Self(0);

            /// Whether this is [`Self::NONE`].
            pub fn is_none(self) -> bool {
                self.0 == 0
            }

            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

number! {
    /// Place of a record in the whole log, without gaps.
    Position,
    /// An account: the tenant that owns resources, members and a usage window.
    AccountId,
    /// A person, member of accounts.
    UserId,
    /// A token's one identity, through every edit and rotation.
    TokenId,
    /// A domain, zone or certificate of an account.
    ResourceId,
    /// An OAuth application that an account has registered.
    ApplicationId,
    /// A member's word that an application may act on an account.
    AuthorizationId,
    /// An interned personal text (see [`super::text`]); 0 is "no text" or, for an agent, "other".
    TextNumber,
    /// Counts the changes of an entity: its ETag. Uses never change it.
    Version,
}

/// The 16 bytes that name one request: the client's `X-Request-Id` when that is a UUID, else our own random bytes.
///
/// Every record carries one, so every leaf of the tree has 16 bytes that nobody can guess.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub [u8; 16]);

impl RequestId {
    /// No request: what the service does by itself, until the writer draws random bytes for it.
    pub const NONE: Self = Self([0; 16]);

    /// Whether this is [`Self::NONE`].
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Reads the hyphenated 8-4-4-4-12 form of RFC 9562 section 4; any other text is not a request id, and the nil
    /// UUID of section 5.9 names no request.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 36 || [8, 13, 18, 23].iter().any(|&at| bytes[at] != b'-') {
            return None;
        }
        let mut out = [0u8; 16];
        let mut digits = bytes.iter().filter(|&&b| b != b'-');
        for byte in &mut out {
            *byte = hex_digit(*digits.next()?)? << 4 | hex_digit(*digits.next()?)?;
        }
        (digits.next().is_none() && out != Self::NONE.0).then_some(Self(out))
    }
}

impl RequestId {
    /// The hyphenated form, without an allocation.
    pub fn to_text(self) -> [u8; 36] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 15)];
            at += 2;
        }
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_text()).unwrap_or_default())
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_read_and_written_in_the_same_form() {
        let text = "7d1c0a4e-0000-4f00-8000-0123456789ab";
        assert_eq!(RequestId::parse(text).map(|id| id.to_string()).as_deref(), Some(text));
    }

    #[test]
    fn anything_but_a_hyphenated_uuid_is_not_a_request_id() {
        let near_misses = [
            "",
            "7d1c0a4e00004f0080000123456789ab",
            "7d1c0a4e-0000-4f00-8000-0123456789a",
            "7d1c0a4e-0000-4f00-8000-0123456789ag",
            "7d1c0a4e-0000-4f00-80000-123456789ab",
            "7d1c0a4e-0000-4f00-8000--123456789ab",
            "00000000-0000-0000-0000-000000000000",
        ];
        for text in near_misses {
            assert_eq!(RequestId::parse(text), None, "{text}");
        }
    }
}
