//! Files of lines: whole under their name or not there; a further run writes a whole new one with what is new behind what was
//! there.
//!
//! What a file has reached stands beside it, in `FILE.position.json`, with the length and SHA-256 of what it speaks of. The
//! file gets its name first: after a crash in between it is longer than is said, and the next run writes the rest again.

use super::lines::{self, Form};
use super::reached::Reached;
use super::{ExportError, Exported, Selection};
use crate::audit::archive::Archive;
use crate::domain::ids::Position;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Whether it goes on with a file that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// A new file, of records after this position.
    New(Position),
    /// A file that may be there already: what is new goes behind what is in it.
    Incremental,
}

/// What is asked of a file of lines.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The file.
    pub path: &'a Path,
    /// What is in it.
    pub selection: &'a Selection,
    /// In which form.
    pub form: Form,
    /// The last position.
    pub through: Position,
    /// New, or going on.
    pub mode: Mode,
}

/// What stands beside a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Beside {
    format: String,
    origin: String,
    log_vkey: String,
    position: u64,
    root_hash: String,
    selection: Selection,
    bytes: u64,
    sha256: String,
}

/// Writes a file of lines.
pub fn write(archive: &Archive, wish: &Wish<'_>, progress: &mut dyn FnMut(Position)) -> Result<Exported, ExportError> {
    let path = wish.path;
    let beside_path = beside(path);
    let (before, after) = match wish.mode {
        Mode::New(after) => (None, after),
        Mode::Incremental => match read_beside(&beside_path, path)? {
            Some(before) => {
                check(archive, wish, &before)?;
                let after = Position(before.position);
                (Some(before), after)
            }
            None => (None, Position::NONE),
        },
    };
    if before.is_none() && path.exists() {
        let what = match wish.mode {
            Mode::New(_) => "it is there already; name a new file".to_owned(),
            Mode::Incremental => {
                format!("it is there already, and {} is not: what it holds is not known", beside_path.display())
            }
        };
        return Err(ExportError::target(path, what));
    }
    // What is there may reach further than this run was asked to.
    let range = (after, wish.through.max(after));
    let temporary = temporary_beside(path)?;
    let mut out = Hashing::new(BufWriter::new(temporary));
    match &before {
        Some(before) => copy(path, before, &mut out)?,
        None => out.write_all(&wish.form.head()).map_err(|error| ExportError::io(path, error))?,
    }
    let exported = lines::write(archive, (wish.selection, wish.form), range, &mut out, progress)?;
    let (bytes, sha256, buffered) = out.finish();
    let file = buffered.into_inner().map_err(|error| ExportError::io(path, error.into_error()))?;
    put(file, path, before.is_some())?;
    if wish.mode == Mode::Incremental {
        let reached = Reached::at(archive, range.1, *wish.selection)?;
        write_beside(&beside_path, path, &of(wish.form, reached, bytes, sha256))?;
    }
    Ok(exported)
}

fn of(form: Form, reached: Reached, bytes: u64, sha256: String) -> Beside {
    let Reached { origin, log_vkey, position, root_hash, selection } = reached;
    let format = form.name().to_owned();
    Beside { format, origin, log_vkey, position: position.0, root_hash, selection, bytes, sha256 }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".position.json");
    name.into()
}

fn read_beside(beside: &Path, path: &Path) -> Result<Option<Beside>, ExportError> {
    match std::fs::read(beside) {
        Ok(bytes) => {
            let unread = |error| ExportError::target(path, format!("{} cannot be read: {error}", beside.display()));
            serde_json::from_slice(&bytes).map(Some).map_err(unread)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ExportError::io(beside, error)),
    }
}

fn check(archive: &Archive, wish: &Wish<'_>, before: &Beside) -> Result<(), ExportError> {
    if before.format != wish.form.name() {
        return Err(ExportError::target(wish.path, format!("it is {}, not {}", before.format, wish.form.name())));
    }
    let Beside { origin, log_vkey, position, root_hash, selection, .. } = before.clone();
    let reached = Reached { origin, log_vkey, position: Position(position), root_hash, selection };
    reached.check(archive, wish.selection, wish.path)
}

/// What is in the file, as far as is said beside it: nothing is written behind what somebody changed.
fn copy(path: &Path, before: &Beside, out: &mut Hashing) -> Result<(), ExportError> {
    let io = |error| ExportError::io(path, error);
    let mut file = File::open(path).map_err(io)?.take(before.bytes);
    let copied = io::copy(&mut file, out).map_err(io)?;
    if copied != before.bytes || out.hash_so_far() != before.sha256 {
        return Err(ExportError::target(path, "it was changed since it was written"));
    }
    Ok(())
}

fn write_beside(beside_path: &Path, path: &Path, beside: &Beside) -> Result<(), ExportError> {
    let mut file = temporary_beside(path)?;
    let text = serde_json::to_vec(beside).map_err(|error| ExportError::io(beside_path, error.into()))?;
    file.write_all(&text).map_err(|error| ExportError::io(beside_path, error))?;
    put(file, beside_path, true)
}

/// Writes a new file, whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    if path.exists() {
        return Err(ExportError::target(path, "it is there already; name a new file"));
    }
    let mut file = temporary_beside(path)?;
    file.write_all(bytes).map_err(|error| ExportError::io(path, error))?;
    put(file, path, false)
}

/// The directory that a file is in.
fn above(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file for its owner alone, on the file system that it will have its name on.
pub(super) fn temporary_beside(path: &Path) -> Result<NamedTempFile, ExportError> {
    let made = tempfile::Builder::new().prefix(".export-").tempfile_in(above(path));
    made.map_err(|error| ExportError::io(path, error))
}

/// On the disk first, then under its name: a crash before leaves at most a temporary file beside it.
pub(super) fn put(file: NamedTempFile, path: &Path, may_replace: bool) -> Result<(), ExportError> {
    let io = |error| ExportError::io(path, error);
    file.as_file().sync_all().map_err(io)?;
    let put = if may_replace { file.persist(path) } else { file.persist_noclobber(path) };
    put.map_err(|error| io(error.error))?;
    File::open(above(path)).and_then(|above| above.sync_all()).map_err(io)
}

/// A file with the length and hash of what was written.
struct Hashing {
    inner: BufWriter<NamedTempFile>,
    hash: Sha256,
    bytes: u64,
}

impl Hashing {
    fn new(inner: BufWriter<NamedTempFile>) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    fn hash_so_far(&self) -> String {
        STANDARD.encode(self.hash.clone().finalize())
    }

    fn finish(self) -> (u64, String, BufWriter<NamedTempFile>) {
        (self.bytes, STANDARD.encode(self.hash.finalize()), self.inner)
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
