//! A new secret: shown once, or written to a file of its own.

use super::failure::RemoteFailure;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file for a secret, made before the secret is: where it cannot be made, nothing is asked of the service. Dropped
/// without a secret it takes the file away again.
#[derive(Debug)]
pub(super) struct SecretFile {
    path: PathBuf,
    file: File,
    is_filled: bool,
}

impl SecretFile {
    /// A new file that only its owner can open; never one that is there.
    pub fn make(path: &Path) -> Result<Self, RemoteFailure> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = made.map_err(|error| {
            let words = format!("nothing was asked: {} cannot be made: {error}", path.display());
            RemoteFailure::File(words)
        })?;
        Ok(Self { path: path.to_owned(), file, is_filled: false })
    }

    /// Writes the secret and a line's end. On an error the secret is lost: no other answer shows it.
    pub fn fill(mut self, secret: &str) -> Result<PathBuf, RemoteFailure> {
        let written = self.file.write_all(format!("{secret}\n").as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|error| {
            let path = self.path.display();
            RemoteFailure::File(format!(
                "{path} took no secret: {error}. The token is there; rotate it for another one"
            ))
        })?;
        self.is_filled = true;
        Ok(self.path.clone())
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if !self.is_filled {
            // Ours, and without a secret; one that stays does no harm.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
