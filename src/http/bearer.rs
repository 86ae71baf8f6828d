//! Who asks: the `Authorization` header (RFC 6750), and a limit on failed attempts.

use crate::domain::time::Timestamp;
use crate::domain::token_text::{TokenDigest, is_well_formed};
use crate::domain::window::{WINDOW_SECONDS, WindowView};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use warp::http::{HeaderMap, header};

/// Longest bearer text that is hashed: imported tokens may be longer than ours, not endless.
const BEARER_BYTES_MAX: usize = 512;
/// Addresses counted at a time. When there are more, all counts begin anew: a valid token is never blocked anyway.
const ADDRESSES_MAX: usize = 100_000;

/// DNSimple's limit of what comes without authentication.
const FAILURES_USUAL: u64 = 30;

/// What the `Authorization` header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// There is none.
    Nothing,
    /// There is more than one, or it cannot be read.
    Unreadable,
    /// Another scheme, or a text that cannot be a token.
    Malformed,
    /// A bearer text.
    Bearer(TokenDigest),
}

/// Reads the header. The text is hashed at once and goes no further.
pub fn read(headers: &HeaderMap) -> Shown {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Shown::Nothing };
    if values.next().is_some() {
        return Shown::Unreadable;
    }
    let Ok(value) = value.to_str() else { return Shown::Malformed };
    let Some((scheme, text)) = value.split_once(' ') else { return Shown::Malformed };
    let text = text.trim_start_matches(' ');
    // RFC 9110 section 11.1: the scheme's case does not matter.
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Shown::Malformed;
    }
    digest_of(text).map_or(Shown::Malformed, Shown::Bearer)
}

/// Digest of a bearer text, wherever it stands; none of one that cannot be a token.
pub fn digest_of(text: &str) -> Option<TokenDigest> {
    let may_be_one = is_token68(text) && (!is_ours(text) || is_well_formed(text));
    may_be_one.then(|| TokenDigest::of(text))
}

/// RFC 6750 section 2.1.
fn is_token68(text: &str) -> bool {
    let is_legal = |byte: u8| TOKEN68[usize::from(byte)];
    !text.is_empty() && text.len() <= BEARER_BYTES_MAX && text.bytes().all(is_legal)
}

/// Which bytes may stand in it.
const TOKEN68: [bool; 256] = {
    let mut legal = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        legal[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
        byte += 1;
    }
    legal
};

/// Whether a text claims to be one of ours; imported tokens have other forms.
fn is_ours(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 5 && bytes.starts_with(b"tlk") && bytes[4] == b'_'
}

/// Counts failed authentications by address (IPv6 by /64) in windows of an hour, in memory.
#[derive(Debug)]
pub struct FailureLimiter {
    limit: u32,
    counts: Mutex<HashMap<IpAddr, (u64, u32)>>,
}

impl FailureLimiter {
    /// `limit` failures an hour and address; 0 is no limit.
    pub fn new(limit: u32) -> Self {
        Self { limit, counts: Mutex::new(HashMap::new()) }
    }

    /// Counts one failure. `Err`: one too many, try again after so many seconds.
    pub fn fail(&self, address: IpAddr, now: Timestamp) -> Result<(), u64> {
        if self.limit == 0 {
            return Ok(());
        }
        let mut counts = self.counts.lock();
        if counts.len() >= ADDRESSES_MAX {
            counts.clear();
        }
        let (opened_at, count) = counts.entry(network_of(address)).or_insert((now.seconds(), 0));
        if now.seconds() >= *opened_at + 3_600 {
            (*opened_at, *count) = (now.seconds(), 0);
        }
        *count = count.saturating_add(1);
        if *count > self.limit { Err((*opened_at + 3_600).saturating_sub(now.seconds()).max(1)) } else { Ok(()) }
    }
}

impl FailureLimiter {
    /// What is left of an address's failures, as clients are told limits. Without a limit there is always all of the usual.
    pub fn left(&self, address: IpAddr, now: Timestamp) -> WindowView {
        let limit = if self.limit == 0 { FAILURES_USUAL } else { u64::from(self.limit) };
        let counted = self.counts.lock().get(&network_of(address)).copied();
        let open = counted.filter(|(opened_at, _)| self.limit > 0 && now.seconds() < opened_at + WINDOW_SECONDS);
        let used = open.map_or(0, |(_, count)| u64::from(count));
        WindowView {
            limit,
            remaining: limit.saturating_sub(used),
            used,
            opened_at: open.map(|(opened_at, _)| opened_at),
            resets_at: open.map(|(opened_at, _)| opened_at + WINDOW_SECONDS),
        }
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    fn shown(values: &[&str]) -> Shown {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("")));
        }
        read(&headers)
    }

    #[test]
    fn the_header_is_read_strictly() {
        let good =
            crate::domain::token_text::TokenSecret::from_random(crate::domain::token::TokenKind::Account, &[3; 32])
                .reveal_once();
        let bearer = Shown::Bearer(TokenDigest::of(&good));
        assert_eq!(shown(&[]), Shown::Nothing);
        for form in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(shown(&[&format!("{form} {good}")]), bearer);
        }
        assert_eq!(
            shown(&["Bearer imported-0ld_style~token"]),
            Shown::Bearer(TokenDigest::of("imported-0ld_style~token"))
        );
        assert_eq!(shown(&[&format!("Bearer {good}"), &format!("Bearer {good}")]), Shown::Unreadable);
        let last_changed = format!("Bearer {}!", &good[..good.len() - 1]);
        let wrong_check = format!("Bearer {}", good.replace("tlka_", "tlku_") + "x");
        let too_long = format!("Bearer {}", "a".repeat(513));
        for malformed in [
            "",
            "Bearer",
            "Bearer ",
            "Basic dXNlcjpwYXNz",
            &good,
            &last_changed,
            &wrong_check,
            &too_long,
            "Bearer a b",
            "Bearer a,b",
        ] {
            assert_eq!(shown(&[malformed]), Shown::Malformed, "{malformed}");
        }
    }

    #[test]
    fn failures_are_limited_by_address_and_hour() {
        let limiter = FailureLimiter::new(2);
        let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let at = |seconds: u64| Timestamp::from_seconds(1_000_000 + seconds);
        assert_eq!(limiter.fail(one, at(0)), Ok(()));
        assert_eq!(limiter.fail(one, at(10)), Ok(()));
        assert_eq!(limiter.fail(one, at(20)), Err(3_580));
        assert_eq!(limiter.fail(other, at(20)), Ok(()));
        assert_eq!(limiter.fail(one, at(3_600)), Ok(()));
        let within: [IpAddr; 2] = ["2001:db8::1", "2001:db8::ffff:1"].map(|text| text.parse().unwrap_or(one));
        assert_eq!(limiter.fail(within[0], at(0)), Ok(()));
        assert_eq!(limiter.fail(within[1], at(0)), Ok(()));
        assert!(limiter.fail(within[0], at(0)).is_err(), "a /64 counts as one address");
        assert_eq!(FailureLimiter::new(0).fail(one, at(0)), Ok(()));
    }
}
