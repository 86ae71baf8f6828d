//! The bearer text of a token, and what is kept of it.
//!
//! `<prefix>_<43 base62 characters: 32 random bytes><6 base62 characters: CRC-32 (IEEE) of the 43>`. The check
//! characters refuse typing errors before any look-up and let scanners tell a real token; they are no security.
//! Kept: SHA-256 of the whole text and its last four characters.

use super::token::TokenKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::hash::{Hash, Hasher};
use subtle::ConstantTimeEq;

/// Base62 characters of the 32 random bytes: the smallest width that holds 256 bits.
pub const BODY_CHARS: usize = 43;
/// Base62 characters of the check number: the smallest width that holds 32 bits.
pub const CHECK_CHARS: usize = 6;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX_CHARS: usize = 5;
/// Length of every token text.
pub const TEXT_CHARS: usize = PREFIX_CHARS + BODY_CHARS + CHECK_CHARS;

/// SHA-256 of a token's whole text: all that is stored of it. `hashed_token` elsewhere is this in base64.
#[derive(Clone, Copy, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    /// Digest of any bearer text, well-formed or imported.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    fn words(&self) -> [u64; 4] {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(self.0.as_chunks::<8>().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        words
    }

    /// In 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl PartialEq for TokenDigest {
    /// In constant time, so that an answer's duration says nothing about stored digests.
    fn eq(&self, other: &Self) -> bool {
        // By words: byte by byte it is eight times the work, for each look-up of the hot path.
        self.words()[..].ct_eq(&other.words()[..]).into()
    }
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// The bearer text. Lives for one request: made, shown once, dropped.
pub struct TokenSecret(String);

impl TokenSecret {
    /// Makes the text from 32 random bytes.
    pub fn from_random(kind: TokenKind, random: &[u8; 32]) -> Self {
        Self::with_prefix(prefix_of(kind), random)
    }

    /// Makes the secret of an OAuth application. It is no token: it opens no door.
    pub fn of_client(random: &[u8; 32]) -> Self {
        Self::with_prefix("tlkc_", random)
    }

    /// Makes a code that an OAuth application exchanges for a token.
    pub fn of_code(random: &[u8; 32]) -> Self {
        Self::with_prefix("tlkx_", random)
    }

    fn with_prefix(prefix: &str, random: &[u8; 32]) -> Self {
        let body = base62_of_bytes(random);
        let check = base62_of_check(crc32fast::hash(body.as_bytes()));
        Self(format!("{prefix}{body}{check}"))
    }

    /// Makes the secret of a sign-in link from 32 random bytes. It is no token: it opens nothing but one session.
    pub fn of_link(random: &[u8; 32]) -> Self {
        let body = base62_of_bytes(random);
        let check = base62_of_check(crc32fast::hash(body.as_bytes()));
        Self(format!("{LINK_PREFIX}{body}{check}"))
    }

    /// What is stored.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }

    /// The last four characters, shown in lists so that people can tell their tokens apart.
    pub fn hint(&self) -> [u8; 4] {
        hint_of(&self.0)
    }

    /// The only way out. Caller: the answer that shows it once, nothing else.
    pub fn reveal_once(self) -> String {
        self.0
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(redacted)")
    }
}

/// The last four characters of a text, dots where there are none or where one is not a visible ASCII character.
pub fn hint_of(text: &str) -> [u8; 4] {
    let mut hint = [b'.'; 4];
    for (slot, byte) in hint.iter_mut().rev().zip(text.bytes().rev()) {
        *slot = if byte.is_ascii_graphic() { byte } else { b'.' };
    }
    hint
}

/// Prefix of a kind, underscore included. Never changes: scanners know it.
pub fn prefix_of(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Account => "tlka_",
        TokenKind::User => "tlku_",
        TokenKind::OAuth => "tlko_",
        TokenKind::Gateway => "tlkg_",
        TokenKind::Operator => "tlkp_",
        TokenKind::Auditor => "tlkr_",
        TokenKind::Session => "tlks_",
    }
}

/// How the secret of a sign-in link begins.
pub const LINK_PREFIX: &str = "tlkl_";

/// Whether a text has the form of a sign-in link's secret. Anything else is refused before any look-up.
pub fn is_link(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == TEXT_CHARS && bytes.starts_with(LINK_PREFIX.as_bytes()) && has_check(&bytes[PREFIX_CHARS..])
}

/// Whether the last characters are the check number of those before.
fn has_check(text: &[u8]) -> bool {
    let Some((body, check)) = text.split_at_checked(BODY_CHARS) else { return false };
    // Digits are below 64, what is none has the bits above: one look for each character, and no way out between.
    let is_base62 = text.iter().fold(0, |seen, &byte| seen | DIGITS[usize::from(byte)]) < 64;
    is_base62 && check_number(check) == Some(crc32fast::hash(body))
}

/// Whether a bearer text has the form of a token of ours. Anything else is refused before any look-up.
pub fn is_well_formed(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != TEXT_CHARS {
        return false;
    }
    let prefixes = [
        TokenKind::Account,
        TokenKind::User,
        TokenKind::OAuth,
        TokenKind::Gateway,
        TokenKind::Operator,
        TokenKind::Auditor,
        TokenKind::Session,
    ];
    prefixes.iter().any(|&kind| bytes.starts_with(prefix_of(kind).as_bytes())) && has_check(&bytes[PREFIX_CHARS..])
}

/// Of each base62 character its value, of every other byte 255.
const DIGITS: [u8; 256] = {
    let mut digits = [u8::MAX; 256];
    let mut value = 0u8;
    while value < 62 {
        digits[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// The number that base62 characters say.
fn check_number(check: &[u8]) -> Option<u32> {
    let number = check.iter().fold(0u64, |number, &byte| number * 62 + u64::from(DIGITS[usize::from(byte)]));
    u32::try_from(number).ok()
}

/// The bytes as one big-endian number in base 62, left-padded to [`BODY_CHARS`].
fn base62_of_bytes(bytes: &[u8; 32]) -> String {
    let mut number = *bytes;
    let mut text = [b'0'; BODY_CHARS];
    for slot in text.iter_mut().rev() {
        let mut remainder = 0u32;
        for byte in &mut number {
            let value = remainder << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        *slot = ALPHABET[remainder as usize];
    }
    text.iter().map(|&b| char::from(b)).collect()
}

fn base62_of_check(mut number: u32) -> String {
    let mut text = [b'0'; CHECK_CHARS];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    text.iter().map(|&b| char::from(b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_text_is_well_formed_and_fixed_for_ever() {
        let made = TokenSecret::from_random(TokenKind::Account, &[0; 32]).reveal_once();
        assert_eq!(made, format!("tlka_{}2CZclj", "0".repeat(BODY_CHARS)));
        assert!(is_well_formed(&made));
        let largest = TokenSecret::from_random(TokenKind::User, &[255; 32]).reveal_once();
        assert!(largest.starts_with("tlku_") && largest.len() == TEXT_CHARS);
        assert!(is_well_formed(&largest));
    }

    #[test]
    fn one_wrong_character_anywhere_is_refused() {
        let good = TokenSecret::from_random(TokenKind::Account, &[7; 32]).reveal_once();
        for at in 0..good.len() {
            for replacement in ["0", "z", "-", "_", " "] {
                let mut bad = good.clone();
                bad.replace_range(at..=at, replacement);
                assert_eq!(is_well_formed(&bad), bad == good, "{at} {replacement:?}");
            }
        }
        for bad in ["", "tlka_", &good[1..], &format!("{good}0"), &format!(" {good}"), "tlkz_é"] {
            assert!(!is_well_formed(bad));
        }
    }

    #[test]
    fn a_secret_never_shows_in_debug_output() {
        let secret = TokenSecret::from_random(TokenKind::Account, &[9; 32]);
        let hint = String::from_utf8_lossy(&secret.hint()).into_owned();
        assert!(!format!("{secret:?} {:?}", secret.digest()).contains(&hint));
        assert!(secret.reveal_once().ends_with(&hint));
    }
}
