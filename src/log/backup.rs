//! Copies of a ledger: its files at one position, and what a backup says of itself.
//!
//! `ledger.db` is copied by SQLite's online backup interface out of one read transaction. A writer is never blocked by
//! it: readers and the writer of a write-ahead log do not wait for each other. What it costs is that the write-ahead
//! log cannot begin anew while the copy runs: it grows by what is recorded meanwhile, and shrinks back into use after.

use super::data_dir::{DataDir, LogError, open_ledger};
use super::erasures;
use super::merkle::Hash;
use super::signed_head;
use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Name of the file in which a backup describes itself.
const MANIFEST: &str = "backup.json";
/// What `format` says.
const FORMAT: &str = "token-ledger backup 1";
/// The files that a backup may hold beside it; nothing else is ever copied out of one.
const FILES: [&str; 4] = ["ledger.db", "head.db", "erasures.db", "log.key"];
/// Pages copied between two notes of progress: 4 MiB.
const STEP_PAGES: i32 = 1_024;
const CHUNK_BYTES: usize = 1 << 20;

/// What a backup says of itself, in `backup.json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    /// Name of the log.
    pub origin: String,
    /// Its verifier key.
    pub log_vkey: String,
    /// The last position in it.
    pub position: Position,
    /// Root of the tree over all records up to there, in base64.
    pub root_hash: String,
    /// Size of the signed head in it; none if nothing was signed.
    pub signed_size: Option<Position>,
    /// When it was finished, RFC 3339.
    pub taken_at: String,
    /// SHA-256 in hex of each file beside this one.
    pub files: BTreeMap<String, String>,
}

/// What `verify` found in the copy: the part that a backup says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Name of the log.
    pub origin: &'a str,
    /// Its verifier key.
    pub log_vkey: &'a str,
    /// The last position.
    pub position: Position,
    /// Root there.
    pub root: Hash,
    /// Size of the signed head.
    pub signed: Option<Position>,
}

impl Manifest {
    /// Describes the files in a copy and writes the description beside them: the last file of a backup.
    pub fn write(copy: &DataDir, contents: Contents<'_>, taken_at: Timestamp) -> Result<Self, LogError> {
        let mut files = BTreeMap::new();
        for name in FILES {
            let path = copy.path().join(name);
            if path.exists() {
                files.insert(name.to_owned(), sha256_of(&path)?);
            }
        }
        let manifest = Self {
            format: FORMAT.to_owned(),
            origin: contents.origin.to_owned(),
            log_vkey: contents.log_vkey.to_owned(),
            position: contents.position,
            root_hash: STANDARD.encode(contents.root),
            signed_size: contents.signed,
            taken_at: taken_at.to_micros_text(),
            files,
        };
        let path = copy.path().join(MANIFEST);
        let text = serde_json::to_vec_pretty(&manifest).map_err(|error| io(&path, error.into()))?;
        let mut file = create(&path)?;
        file.write_all(&text).and_then(|()| file.write_all(b"\n")).map_err(|source| io(&path, source))?;
        Ok(manifest)
    }

    /// Reads the description of a backup; its files are looked at when they are copied.
    pub fn read(backup: &Path) -> Result<Self, LogError> {
        let bad = |what: String| LogError::BadBackup { path: backup.to_owned(), what };
        let path = backup.join(MANIFEST);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(bad(format!("it has no {MANIFEST}")));
            }
            Err(source) => return Err(io(&path, source)),
        };
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|error| bad(format!("{MANIFEST} cannot be read: {error}")))?;
        if manifest.format != FORMAT {
            return Err(bad(format!("{MANIFEST} says {:?}, this program knows {FORMAT:?}", manifest.format)));
        }
        for needed in ["ledger.db", "head.db"] {
            if !manifest.files.contains_key(needed) {
                return Err(bad(format!("{MANIFEST} names no {needed}")));
            }
        }
        match manifest.files.keys().find(|name| !FILES.contains(&name.as_str())) {
            Some(name) => Err(bad(format!("{MANIFEST} names {name:?}, which belongs into no backup"))),
            None => Ok(manifest),
        }
    }

    /// Copies the files of a backup into an empty directory; one that is not what the description says is refused.
    pub fn copy_files(&self, backup: &Path, into: &DataDir) -> Result<(), LogError> {
        for (name, expected) in &self.files {
            let found = copy_file(backup, name, into)?;
            if found != *expected {
                let what = format!("{name} is not the file that {MANIFEST} describes (SHA-256 {found})");
                return Err(LogError::BadBackup { path: backup.to_owned(), what });
            }
        }
        Ok(())
    }
}

/// Gives restored files the write-ahead logs that a server keeps them with, before anybody knows them.
pub fn make_servable(copy: &DataDir) -> Result<(), LogError> {
    for path in [copy.ledger(), copy.head()] {
        let connection = Connection::open(path)?;
        connection.execute_batch("PRAGMA journal_mode=WAL;")?;
        connection.close().map_err(|(_, error)| LogError::Sqlite(error))?;
    }
    Ok(())
}

/// Copies ledger, signed head and erasures beside whoever writes them. The signed head first: what is signed is in the
/// log, so the copy of the log, which is later, is never behind it. The erasures last: what goes meanwhile is still in the
/// copy of the log, and a restore is to know that. Tells bytes copied and to be copied.
pub fn copy_ledger(from: &DataDir, into: &DataDir, progress: &mut dyn FnMut(u64, u64)) -> Result<(), LogError> {
    let head = signed_head::open_to_read(from)?;
    copy_database(&head, &into.head(), &mut |_, _| {})?;
    let ledger = open_ledger(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    copy_database(&ledger, &into.ledger(), progress)?;
    if from.erasures().exists() { copy_erasures(&from.erasures(), into) } else { Ok(()) }
}

/// Copies a file of erasures into a directory, in place of the one that is there.
pub fn copy_erasures(from: &Path, into: &DataDir) -> Result<(), LogError> {
    let file = erasures::open_to_read(from)?;
    erasures::check_holds_all_of(&file, from, into)?;
    match std::fs::remove_file(into.erasures()) {
        Err(source) if source.kind() != ErrorKind::NotFound => return Err(io(&into.erasures(), source)),
        _ => {}
    }
    copy_database(&file, &into.erasures(), &mut |_, _| {})
}

/// Copies the signing key.
pub fn copy_key(from: &DataDir, into: &DataDir) -> Result<(), LogError> {
    let path = from.key();
    let seed = std::fs::read(&path).map_err(|source| io(&path, source))?;
    into.write_secret_file(&into.key(), &seed)
}

/// One database file whole, as of one moment, without a write-ahead log beside it. What is written here is synced by
/// whoever finishes the directory; until then nobody reads it.
fn copy_database(from: &Connection, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), LogError> {
    drop(create(to)?);
    let mut copy = Connection::open(to)?;
    copy.execute_batch("PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;")?;
    // The transaction holds the moment: without it every commit meanwhile would make the copy begin anew.
    from.execute_batch("BEGIN")?;
    let page_bytes: u64 = from.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    from.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    let copied = copy_pages(from, &mut copy, page_bytes, progress);
    from.execute_batch("ROLLBACK")?;
    copied?;
    copy.close().map_err(|(_, error)| LogError::Sqlite(error))?;
    // Its pages say that it has a write-ahead log, as the original has. Without one it is a single file, which can be
    // read where nothing can be written.
    let copy = Connection::open(to)?;
    copy.execute_batch("PRAGMA synchronous=OFF; PRAGMA journal_mode=DELETE;")?;
    copy.close().map_err(|(_, error)| LogError::Sqlite(error))
}

fn copy_pages(
    from: &Connection,
    to: &mut Connection,
    page_bytes: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), LogError> {
    let backup = Backup::new(from, to)?;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let told = backup.progress();
        let bytes = |pages: i32| u64::from(pages.unsigned_abs()) * page_bytes;
        progress(bytes(told.pagecount - told.remaining), bytes(told.pagecount));
        match step {
            StepResult::Done => return Ok(()),
            // Busy and locked cannot be: the moment is held, and nobody else knows the copy.
            _ => continue,
        }
    }
}

/// Copies one file; gives its SHA-256 in hex.
fn copy_file(backup: &Path, name: &str, into: &DataDir) -> Result<String, LogError> {
    let (from, to) = (backup.join(name), into.path().join(name));
    let mut reading = match File::open(&from) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(LogError::BadBackup { path: backup.to_owned(), what: format!("{name} is missing") });
        }
        Err(source) => return Err(io(&from, source)),
    };
    let mut writing = create(&to)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = reading.read(&mut chunk).map_err(|source| io(&from, source))?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&chunk[..read]);
        writing.write_all(&chunk[..read]).map_err(|source| io(&to, source))?;
    }
}

fn sha256_of(path: &Path) -> Result<String, LogError> {
    let mut file = File::open(path).map_err(|source| io(path, source))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk).map_err(|source| io(path, source))? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&chunk[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn create(path: &Path) -> Result<File, LogError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|source| io(path, source))
}

fn io(path: &Path, source: std::io::Error) -> LogError {
    LogError::Io { path: path.to_owned(), source }
}
