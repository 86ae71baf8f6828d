//! `restore`: a data directory out of a backup.

use super::backup::verify_copy;
use super::verify::read_text;
use super::{DataArgument, Failure};
use crate::audit::verify::Report;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::ledger::continuation::{Continued, LastKnown, continue_log};
use crate::ledger::{DataDir, LogError, LogReader};
use crate::log::backup::{Manifest, copy_erasures, make_servable};
use crate::log::erasures::texts_to_erase_again;
use crate::log::key_file::KeyFile;
use crate::log::note::Vkey;
use crate::log::signed_head::read_checkpoints;
use crate::log::unfinished::Unfinished;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The backup.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    #[command(flatten)]
    data: DataArgument,
    /// The log's signing key, where the backup does not hold it. Without one the copy can be read and verified.
    #[arg(long, value_name = "FILE", conflicts_with = "new_log")]
    key: Option<PathBuf>,
    /// Go on under a name and key of its own: needed if anything was recorded after the backup.
    #[arg(long)]
    new_log: bool,
    /// Name of the new log for ever (a URL without scheme); made up if absent.
    #[arg(long, value_name = "NAME", requires = "new_log")]
    origin: Option<String>,
    /// The last checkpoint that anybody has of the log, as `/checkpoint` gave it: it shows what is lost.
    #[arg(long, value_name = "FILE")]
    last_checkpoint: Option<PathBuf>,
    /// What was erased since the backup: the file erasures.db of the ledger that it was taken of. Those texts are erased
    /// again, before the directory gets its name.
    #[arg(long, value_name = "FILE")]
    erasures: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A directory that was restored.
struct Restored {
    manifest: Manifest,
    has_key: bool,
    continued: Option<Continued>,
    /// Personal texts that were erased after the backup was taken.
    texts_again: usize,
}

pub(super) fn run(arguments: &RestoreArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    let manifest = Manifest::read(&arguments.from)?;
    DataDir::new(&arguments.from).check_outside(dir.path())?;
    let unfinished = Unfinished::begin(dir.path())?;
    let restored = fill(arguments, manifest, &unfinished.dir())?;
    unfinished.finish()?;
    report(arguments, &dir, &restored);
    Ok(())
}

/// Everything happens in a directory that has not its name yet: whatever fails or crashes leaves nothing to be served.
fn fill(arguments: &RestoreArguments, manifest: Manifest, copy: &DataDir) -> Result<Restored, Failure> {
    manifest.copy_files(&arguments.from, copy)?;
    if arguments.new_log {
        remove_key(copy)?;
    } else if let Some(key) = &arguments.key {
        take_key(key, &manifest, copy)?;
    }
    let verified = verify_copy(copy)?;
    compare(&arguments.from, &manifest, &verified)?;
    let has_key = copy.key().exists();
    if has_key {
        KeyFile::read(&copy.key())?.check(&verified.origin, &verified.log_vkey)?;
    }
    let last_known = last_known(arguments.last_checkpoint.as_deref(), &verified, copy)?;
    if let (Some(known), false) = (&last_known, arguments.new_log)
        && known.position() > verified.head
    {
        let (ends, signed) = (verified.head, known.position());
        return Err(Failure::Finding(format!(
            "the backup ends at position {ends}, but {signed} was signed: under its old name it would contradict that. Restore it with --new-log"
        )));
    }
    let texts_again = take_erasures(arguments, copy)?;
    make_servable(copy)?;
    let continued = match arguments.new_log {
        true => Some(go_on(arguments, last_known.as_ref(), copy)?),
        false => None,
    };
    Ok(Restored { has_key: has_key || continued.is_some(), manifest, continued, texts_again })
}

fn go_on(arguments: &RestoreArguments, known: Option<&LastKnown>, copy: &DataDir) -> Result<Continued, Failure> {
    let uid = rustix::process::getuid().as_raw();
    let sources = (Clock::system(), Entropy::system());
    Ok(continue_log(copy, arguments.origin.as_deref(), known, uid, sources)?)
}

/// What was erased after the backup is still in it. A record says that it was erased, so the log went on without this
/// copy: under its old name the copy would contradict that. As a new log it erases them again, as its second record.
fn take_erasures(arguments: &RestoreArguments, copy: &DataDir) -> Result<usize, Failure> {
    if let Some(file) = &arguments.erasures {
        copy_erasures(file, copy)?;
    }
    match texts_to_erase_again(copy)? {
        0 => Ok(0),
        texts if arguments.new_log => Ok(texts),
        texts => Err(Failure::Finding(format!(
            "{texts} personal texts were erased after the backup was taken, and it still holds them. Restore it with --new-log: they are erased again"
        ))),
    }
}

/// The old log's key has no place beside the new log.
fn remove_key(copy: &DataDir) -> Result<(), LogError> {
    match std::fs::remove_file(copy.key()) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(LogError::Io { path: copy.key(), source }),
        _ => Ok(()),
    }
}

/// A key of another log is refused before it is copied.
fn take_key(path: &Path, manifest: &Manifest, copy: &DataDir) -> Result<(), LogError> {
    KeyFile::read(path)?.check(&manifest.origin, &manifest.log_vkey)?;
    let seed = std::fs::read(path).map_err(|source| LogError::Io { path: path.to_owned(), source })?;
    copy.write_secret_file(&copy.key(), &seed)
}

/// What was verified must be what the backup says of itself.
fn compare(from: &Path, manifest: &Manifest, verified: &Report) -> Result<(), LogError> {
    let root = verified.root.map(|root| STANDARD.encode(root));
    let is_it = verified.head == manifest.position
        && root.as_deref() == Some(manifest.root_hash.as_str())
        && (verified.origin.as_str(), verified.log_vkey.as_str()) == (&manifest.origin, &manifest.log_vkey);
    if is_it {
        return Ok(());
    }
    let what = format!(
        "it says position {} of {:?}, but holds {} of {:?}",
        manifest.position, manifest.origin, verified.head, verified.origin
    );
    Err(LogError::BadBackup { path: from.to_owned(), what })
}

/// The last checkpoint: the one that was given, else the last in the backup. One of the same log and length that says
/// other records is refused, whatever was asked for: then this is not the log that was signed.
fn last_known(given: Option<&Path>, verified: &Report, copy: &DataDir) -> Result<Option<LastKnown>, Failure> {
    let vkeys: Vec<Vkey> = verified.log_vkeys.iter().filter_map(|vkey| vkey.parse().ok()).collect();
    if vkeys.is_empty() {
        return match given {
            None => Ok(None),
            Some(_) => Err(Failure::Finding("the log names no key to check it with".to_owned())),
        };
    }
    let Some(path) = given else {
        // Of an earlier name of a log that was continued once already, and not signed since, there may be one, too.
        let stored = read_checkpoints(copy)?.pop();
        return Ok(stored.and_then(|(_, note)| LastKnown::read(&note, &vkeys).ok()));
    };
    let named = path.display();
    let known = LastKnown::read(&read_text(path)?, &vkeys)
        .map_err(|error| Failure::Finding(format!("{named} is no checkpoint of {}: {error}", verified.origin)))?;
    if known.is_of(&LogReader::open(copy)?)? == Some(false) {
        let size = known.position();
        return Err(Failure::Finding(format!("{named} contradicts the backup: at size {size} it signs other records")));
    }
    Ok(Some(known))
}

fn report(arguments: &RestoreArguments, dir: &DataDir, restored: &Restored) {
    let Restored { manifest, has_key, continued, texts_again } = restored;
    if arguments.json {
        let new_log = continued.as_ref().map(|continued| {
            json!({
                "origin": continued.origin, "log_vkey": continued.log_vkey, "position": continued.position.0,
                "root_hash": STANDARD.encode(continued.root),
                "lost": continued.lost.map(|(first, last)| json!({ "first": first.0, "last": last.0 })),
            })
        });
        let shown = json!({
            "data": dir.path().display().to_string(),
            "origin": manifest.origin,
            "position": manifest.position.0,
            "root_hash": manifest.root_hash,
            "verified": true,
            "has_key": has_key,
            "new_log": new_log,
            "texts_erased_again": texts_again,
        });
        say!("{shown}");
        return;
    }
    let path = dir.path().display();
    say!("{path} holds {} up to position {}, verified.", manifest.origin, manifest.position);
    if let Some(continued) = continued {
        say!("It goes on as {}; position {} says so, and is signed.", continued.origin, continued.position);
        match continued.lost {
            Some((first, last)) => say!("Lost: positions {first} to {last} of {}.", manifest.origin),
            None => say!(
                "What {} recorded after position {} is lost; nothing here says how much.",
                manifest.origin,
                manifest.position
            ),
        }
        say!("Verifier key of the new log, for auditors: {}", continued.log_vkey);
        say!("Personal texts erased again, because they were erased after the backup was taken: {texts_again}.");
        if arguments.erasures.is_none() {
            say!(
                "It was not told of later erasures: if there were any, restore it with --erasures FILE, their erasures.db."
            );
        }
    } else if *has_key {
        say!(
            "It has the log's name and key: serve it only if nothing was recorded after position {}.",
            manifest.position
        );
        say!("Otherwise restore it with --new-log.");
    } else {
        say!("It has no signing key: it can be read and verified. To serve it, restore with --key FILE or --new-log.");
    }
    if let (Some(file), 0) = (&arguments.erasures, texts_again) {
        // One of another log looks the same.
        let file = file.display();
        say!("{file} names no text that the backup still holds: see that it is this log's, and its newest.");
    }
}
