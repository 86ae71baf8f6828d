//! Digests of requests that were sent under an idempotency key.
//!
//! A request's body has names and addresses in it, and whoever holds the log alone must not be able to try guesses at
//! them. So the digest has a key: HMAC-SHA-256 (RFC 2104), keyed with HMAC-SHA-256 of the log's signing seed and a label
//! of its own. It needs no file beside the seed, and stays with the log when its signing key is changed; a restored copy
//! that goes on as another log does not know the requests of before, and takes each for another one.

use super::data_dir::{DataDir, LogError};
use super::key_file::KeyFile;
use crate::domain::idempotency::RequestDigest;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// What the key is for; another use of the seed has another label.
const LABEL: &[u8] = b"token-ledger idempotent request v1";

/// Makes the digests.
#[derive(Clone)]
pub struct RequestDigests(Hmac<Sha256>);

impl RequestDigests {
    /// Of the ledger in a directory.
    pub fn open(dir: &DataDir) -> Result<Self, LogError> {
        Ok(Self(mac(&KeyFile::read(&dir.key())?.request_key())))
    }

    #[cfg(test)]
    fn from_seed(seed: &[u8; 32]) -> Self {
        Self(mac(&key_of_seed(seed)))
    }

    /// The first 16 bytes of the digest over the parts, each preceded by its length in 8 bytes (little-endian).
    pub fn of(&self, parts: &[&[u8]]) -> RequestDigest {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        let mut first = [0; 16];
        first.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        RequestDigest(first)
    }
}

/// The digests' key of a log that was begun with this seed.
pub(super) fn key_of_seed(seed: &[u8; 32]) -> [u8; 32] {
    mac(seed).chain_update(LABEL).finalize().into_bytes().into()
}

fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    // A key of a whole block is taken as it is, and one of 32 bytes padded with zeros is the same key (RFC 2104 section 2).
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}

impl fmt::Debug for RequestDigests {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("RequestDigests(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out with Python's `hmac` from the words above, so that another program comes to the same digest.
    #[test]
    fn a_digest_is_what_its_words_say() {
        let digests = RequestDigests::from_seed(&[7; 32]);
        let digest = digests.of(&[b"POST", b"/v1/users", b"{}"]);
        assert_eq!(digest.0, EXPECTED);
        assert_ne!(digest, digests.of(&[b"POST", b"/v1/users{", b"}"]), "parts do not run together");
        assert_ne!(digest, RequestDigests::from_seed(&[8; 32]).of(&[b"POST", b"/v1/users", b"{}"]));
        assert!(!format!("{digests:?}").contains('7'));
    }

    const EXPECTED: [u8; 16] =
        [0x3a, 0x8c, 0x71, 0x37, 0x97, 0x04, 0x86, 0xc2, 0xd7, 0xcf, 0x2a, 0x5b, 0xbc, 0xf3, 0x8f, 0xe1];
}
