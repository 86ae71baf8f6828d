//! The file `log.key`: the secret halves of the keys that the log signs with.
//!
//! A log begins with 32 bytes: one seed (RFC 8032 5.1.5). Once its key was changed the file has 32 bytes that request
//! digests are made with, then seeds, oldest first. One file, so that one rename changes it: a crash leaves the one
//! before or the one after. Which of its keys sign is said by the log alone; a seed that the log does not name signs
//! nothing.

use super::data_dir::{DataDir, LogError};
use super::note::{LogKey, NoteError};
use super::request_digest::key_of_seed;
use std::fmt;
use std::path::{Path, PathBuf};

/// Bytes of a seed.
const SEED_BYTES: usize = 32;

/// Seeds kept at most: those that sign, and some that rotations which came to nothing left until the next start.
const SEEDS_MAX: usize = 16;

type Seed = [u8; SEED_BYTES];

/// What is in the file. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    path: PathBuf,
    request_key: [u8; 32],
    /// Oldest first, never empty.
    seeds: Vec<Seed>,
    /// Whether it has the form that a log begins with.
    is_first_form: bool,
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile({}, {} seeds, redacted)", self.path.display(), self.seeds.len())
    }
}

impl KeyFile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, LogError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(bad(path, "the log's signing key is missing; put it back from its backup"));
            }
            Err(source) => return Err(LogError::Io { path: path.to_owned(), source }),
        };
        let (parts, rest) = bytes.as_chunks::<SEED_BYTES>();
        let (path, is_first_form) = (path.to_owned(), parts.len() == 1);
        match parts {
            [seed] if rest.is_empty() => {
                Ok(Self { path, request_key: key_of_seed(seed), seeds: vec![*seed], is_first_form })
            }
            [request_key, seeds @ ..] if rest.is_empty() && seeds.len() <= SEEDS_MAX => {
                Ok(Self { path, request_key: *request_key, seeds: seeds.to_vec(), is_first_form })
            }
            _ => Err(bad(&path, "the log's signing key must be 32 bytes, or after a rotation a few times as many")),
        }
    }

    /// What digests of requests are made with. It stays when the signing key is changed: a request that is sent again
    /// must be known.
    pub(super) fn request_key(&self) -> [u8; 32] {
        self.request_key
    }

    /// All keys under the name of a log, newest first.
    pub fn keys(&self, origin: &str) -> Result<Vec<LogKey>, LogError> {
        let key = |seed| LogKey::from_seed(origin, seed).map_err(|error: NoteError| bad(&self.path, error.to_string()));
        self.seeds.iter().rev().map(key).collect()
    }

    /// Refuses a file without the key that the log names: nobody who holds that verifier key could check what is signed.
    /// A log that names no key takes any.
    pub fn check(&self, origin: &str, log_vkey: &str) -> Result<(), LogError> {
        if log_vkey.is_empty() || self.keys(origin)?.iter().any(|key| key.vkey().to_string() == log_vkey) {
            return Ok(());
        }
        Err(bad(&self.path, "it is another log's signing key; put this log's back from its backup"))
    }

    /// The same with one more key, the newest.
    pub fn with(mut self, seed: Seed) -> Result<Self, LogError> {
        if self.seeds.len() >= SEEDS_MAX {
            let what = "it has 16 keys, some of rotations that came to nothing; a new start of the service drops those";
            return Err(bad(&self.path, what));
        }
        self.seeds.push(seed);
        self.is_first_form = false;
        Ok(self)
    }

    /// The same with only those keys whose verifier key is wanted; none if that is all of them, or none at all.
    pub fn keeping(&self, origin: &str, is_wanted: impl Fn(&str) -> bool) -> Result<Option<Self>, LogError> {
        let mut kept = Vec::with_capacity(self.seeds.len());
        for seed in &self.seeds {
            let key = LogKey::from_seed(origin, seed).map_err(|error| bad(&self.path, error.to_string()))?;
            if is_wanted(&key.vkey().to_string()) {
                kept.push(*seed);
            }
        }
        let is_less = !kept.is_empty() && kept.len() < self.seeds.len();
        Ok(is_less.then(|| Self { seeds: kept, is_first_form: false, ..self.clone() }))
    }

    /// Puts it in place of the directory's file, durably: a crash leaves that or this one.
    pub fn write(&self, dir: &DataDir) -> Result<(), LogError> {
        debug_assert!(!self.is_first_form, "only init and a continuation begin with one seed");
        let bytes = [&[self.request_key], self.seeds.as_slice()].concat();
        dir.write_secret_file(&dir.key(), bytes.as_flattened())
    }
}

fn bad(path: &Path, what: impl Into<String>) -> LogError {
    LogError::BadFile { path: path.to_owned(), what: what.into() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]
mod tests {
    use super::*;

    const ORIGIN: &str = "ledger.example/log";

    fn vkeys(file: &KeyFile) -> Vec<String> {
        file.keys(ORIGIN).unwrap().iter().map(|key| key.vkey().to_string()).collect()
    }

    fn vkey(seed: u8) -> String {
        LogKey::from_seed(ORIGIN, &[seed; 32]).unwrap().vkey().to_string()
    }

    #[test]
    fn a_key_is_added_and_dropped_and_requests_stay_known() {
        let base = tempfile::tempdir().unwrap();
        let dir = DataDir::new(base.path());
        dir.write_secret_file(&dir.key(), &[1; 32]).unwrap();
        let first = KeyFile::read(&dir.key()).unwrap();
        assert_eq!(vkeys(&first), [vkey(1)]);
        first.clone().with([2; 32]).unwrap().write(&dir).unwrap();
        let both = KeyFile::read(&dir.key()).unwrap();
        assert_eq!((vkeys(&both), both.request_key()), (vec![vkey(2), vkey(1)], first.request_key()));
        assert_eq!(both.keeping(ORIGIN, |_| true).unwrap(), None);
        assert_eq!(both.keeping(ORIGIN, |_| false).unwrap(), None, "a log without a key is never made");
        both.keeping(ORIGIN, |vkey| vkey == self::vkey(2)).unwrap().unwrap().write(&dir).unwrap();
        let last = KeyFile::read(&dir.key()).unwrap();
        assert_eq!((vkeys(&last), last.request_key()), (vec![vkey(2)], first.request_key()));
        assert!(last.check(ORIGIN, &vkey(2)).is_ok() && last.check(ORIGIN, &vkey(1)).is_err());
    }

    #[test]
    fn other_lengths_and_too_many_keys_are_refused() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("log.key");
        for length in [0, 31, 33, 63, 65, 32 * (SEEDS_MAX + 2)] {
            std::fs::write(&path, vec![7; length]).unwrap();
            assert!(KeyFile::read(&path).unwrap_err().to_string().contains("32 bytes"), "{length}");
        }
        std::fs::write(&path, vec![7; 32 * (SEEDS_MAX + 1)]).unwrap();
        assert!(KeyFile::read(&path).unwrap().with([8; 32]).is_err());
    }
}
