//! The directory and what is around the ledger: modes, lock, socket, room.

use super::{Check, Socket};
use crate::log::DataDir;
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
