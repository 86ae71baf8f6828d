//! The directory and what is around the ledger: modes, lock, socket, room.

use super::log::verify_todo;
use super::{Check, Socket};
use crate::domain::ids::TextNumber;
use crate::log::DataDir;
use crate::log::erasures::{texts_kept_erased, texts_not_kept_erased};
use crate::log::reader::LogReader;
use crate::log::space::LOW_WATER_BYTES;
use std::os::unix::fs::MetadataExt;

/// Under this somebody should make room.
const SCARCE_BYTES: u64 = 1 << 30;

pub(super) fn directory(dir: &DataDir) -> Check {
    let name = "directory";
    if dir.path().exists() && !dir.path().is_dir() {
        return Check::problem(name, "it is not a directory", "name the data directory, not a file in it");
    }
    match dir.check_mode() {
        Ok(()) if dir.manifest().exists() => Check::ok(
            name,
            format!("{} is a backup: `token-ledger restore` makes a ledger of it", dir.path().display()),
        ),
        Ok(()) => Check::ok(name, format!("{} can be entered by its owner alone", dir.path().display())),
        Err(error) if !dir.path().exists() => Check::failed(name, &error, "name the data directory"),
        Err(error) => Check::failed(name, &error, format!("chmod 700 {}", dir.path().display())),
    }
}

/// Without it an older copy of the log would bring erased texts back. The log itself knows them, too: up to the last text
/// that it gave a number to, if it can be read.
pub(super) fn erasures(dir: &DataDir, log: Option<(&LogReader, TextNumber)>) -> Check {
    let name = "erasures";
    let kept = match texts_kept_erased(dir) {
        Ok(kept) => kept,
        Err(error) => {
            let todo =
                "put erasures.db back from where it is kept. If it is lost, remove it: a start makes it from the log";
            return Check::failed(name, &error, todo);
        }
    };
    let unknown = log.map_or(Ok(0), |(log, last_text)| texts_not_kept_erased(dir, log, last_text));
    match (kept, unknown) {
        (None, Ok(0)) => Check::ok(name, "there is no erasures.db; the first erasure makes it"),
        (Some(texts), Ok(0)) => Check::ok(name, format!("{texts} texts are kept erased")),
        (_, Ok(texts)) => Check::problem(
            name,
            format!("of {texts} texts that are gone erasures.db does not say where this log erased them"),
            format!("start the service again: it takes that from the log. If this stays, {}", verify_todo(dir)),
        ),
        (_, Err(error)) => Check::failed(name, &error, verify_todo(dir)),
    }
}

/// No file may be read by others, and all are of one owner, or the server cannot use those that another user made.
pub(super) fn modes(dir: &DataDir) -> Check {
    let name = "file modes";
    let Ok(entries) = std::fs::read_dir(dir.path()) else {
        return Check::problem(name, "the directory cannot be listed", "run this as the owner of the directory");
    };
    let owner = dir.path().metadata().map(|metadata| metadata.uid()).unwrap_or_default();
    let (mut files, mut exposed, mut others, mut unfinished) = (0, Vec::new(), Vec::new(), Vec::new());
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let file = entry.file_name().to_string_lossy().into_owned();
        files += 1;
        if metadata.mode() & 0o077 != 0 {
            exposed.push(format!("{file} ({:04o})", metadata.mode() & 0o777));
        }
        if metadata.uid() != owner {
            others.push(file.clone());
        }
        if file.ends_with(".new") {
            unfinished.push(file);
        }
    }
    if !exposed.is_empty() {
        let what = format!("others on the machine may open {}", exposed.join(", "));
        return Check::problem(name, what, format!("chmod 600 the files in {}", dir.path().display()));
    }
    if !others.is_empty() {
        let what = format!("{} belong to another user than the directory", others.join(", "));
        return Check::warning(name, what, "chown them to the user that the server runs as");
    }
    if !unfinished.is_empty() {
        let what = format!("{} was left by an interrupted write", unfinished.join(", "));
        return Check::warning(name, what, "nothing: the next try at it removes it");
    }
    Check::ok(name, format!("{files} files, none open to others"))
}

/// Lock and socket belong together: a server has both, a command the lock alone.
pub(super) fn holder(dir: &DataDir, socket: Socket) -> Check {
    let name = "lock and socket";
    let holder = match dir.lock_holder() {
        Ok(holder) => holder,
        Err(error) => return Check::failed(name, &error, "run this as the owner of the directory"),
    };
    match (holder, socket) {
        (Some(holder), Socket::Answered) => Check::ok(name, format!("a server runs: {holder}")),
        (Some(holder), _) => Check::warning(
            name,
            format!("{holder} holds the lock and no server listens on the local socket"),
            "it is a local command at work, or a server that starts, ends or hangs: look at that process",
        ),
        (None, Socket::Answered) => Check::problem(
            name,
            "a server listens on the local socket without the lock of this directory",
            "stop it: the lock file was removed under it, and a second writer could start",
        ),
        (None, Socket::Stale) => Check::warning(
            name,
            "no server runs; one that was killed left its socket file",
            "nothing: the next start replaces it",
        ),
        (None, Socket::None) => Check::ok(name, "no server runs"),
    }
}

pub(super) fn room(dir: &DataDir) -> Check {
    let name = "free space";
    let free = match rustix::fs::statvfs(dir.path()) {
        Ok(about) => about.f_bavail.saturating_mul(about.f_frsize),
        Err(error) => return Check::problem(name, format!("it cannot be asked for: {error}"), "look at the disk"),
    };
    let what = format!("{} free", in_bytes(free));
    // Where a server refuses uses unless it was told another mark.
    let mark = in_bytes(LOW_WATER_BYTES);
    match free {
        ..LOW_WATER_BYTES => Check::problem(name, what, format!("make room: under {mark} uses are refused")),
        LOW_WATER_BYTES..SCARCE_BYTES => {
            Check::warning(name, what, format!("make room before it is under {mark}: then uses are refused"))
        }
        _ => Check::ok(name, what),
    }
}

/// `12 KiB`, rounded down.
pub(super) fn in_bytes(bytes: u64) -> String {
    match bytes {
        ..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}
