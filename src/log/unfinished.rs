//! Directories that come into being whole: made under another name, synced, then moved to their own.
//!
//! A crash on the way leaves a directory named `.NAME.unfinished` beside the place where it was to be. Nothing reads
//! it, and the next try for that place empties it first.

use super::data_dir::{DataDir, LogError};
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A directory (0700) under its other name. Dropping it removes it with all that is in it.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    target: PathBuf,
    finished: bool,
    /// The directory itself, locked: the kernel lets go when the process ends, so a lock left behind stops nobody.
    _lock: File,
}

impl Unfinished {
    /// Begins a directory that is to be `target`, which must not be there, or be an empty directory.
    pub fn begin(target: &Path) -> Result<Self, LogError> {
        refuse_taken(target)?;
        let bad = |what: &str| LogError::BadFile { path: target.to_owned(), what: what.to_owned() };
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().ok_or_else(|| bad("it does not name a directory to be made"))?);
        name.push(".unfinished");
        let path = parent(target).join(name);
        let lock = claim(&path)?;
        empty(&path).map_err(|source| io(&path, source))?;
        Ok(Self { path, target: target.to_owned(), finished: false, _lock: lock })
    }

    /// It, as a data directory.
    pub fn dir(&self) -> DataDir {
        DataDir::new(&self.path)
    }

    /// Syncs every file in it, moves it to its place, and syncs that. A crash before the move leaves nothing in the
    /// place, one after it everything.
    pub fn finish(mut self) -> Result<(), LogError> {
        for entry in fs::read_dir(&self.path).map_err(|source| io(&self.path, source))? {
            let path = entry.map_err(|source| io(&self.path, source))?.path();
            sync(&path)?;
        }
        sync(&self.path)?;
        // Looked at again: it may have been made meanwhile. An empty directory is replaced, anything else is not.
        refuse_taken(&self.target)?;
        fs::rename(&self.path, &self.target).map_err(|source| io(&self.target, source))?;
        self.finished = true;
        sync(parent(&self.target))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What stays all the same is emptied by the next try.
        if !self.finished {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn refuse_taken(target: &Path) -> Result<(), LogError> {
    match fs::read_dir(target).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() != ErrorKind::NotADirectory => Err(io(target, error)),
        _ => Err(LogError::TargetExists(target.to_owned())),
    }
}

fn parent(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the directory, or takes over what an interrupted try left, unless another process is at it.
fn claim(path: &Path) -> Result<File, LogError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(source) if source.kind() != ErrorKind::AlreadyExists => return Err(io(path, source)),
        _ => {}
    }
    let busy = || LogError::InUse { path: path.to_owned(), holder: "another backup or restore".to_owned() };
    let lock = File::open(path).map_err(|source| io(path, source))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Err(busy()),
        Err(fs::TryLockError::Error(source)) => return Err(io(path, source)),
    }
    // Whoever held it may have moved it to its place in between: then the lock is on a directory that is finished.
    let held = lock.metadata().map_err(|source| io(path, source))?;
    let named = fs::symlink_metadata(path).map_err(|_| busy())?;
    if !named.is_dir() || (held.dev(), held.ino()) != (named.dev(), named.ino()) {
        return Err(busy());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(|source| io(path, source))?;
    Ok(lock)
}

fn empty(path: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn sync(path: &Path) -> Result<(), LogError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|source| io(path, source))
}

fn io(path: &Path, source: std::io::Error) -> LogError {
    LogError::Io { path: path.to_owned(), source }
}
