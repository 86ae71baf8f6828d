//! The log as a directory in the C2SP tlog-tiles layout, for verifiers that know nothing of this program: `checkpoint`,
//! `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]`, and beside them `vkeys`, the keys that the log was ever signed with.
//!
//! Written up to the last published checkpoint. Each file is whole under its name or not there. Tiles and bundles are on
//! disk before the checkpoint that speaks of them gets its name, so whoever reads the directory meanwhile, or after a
//! crash, has an older export and some files beyond it. A further run writes what is new.

use super::receipts::{Published, ReceiptError};
use crate::domain::ids::Position;
use crate::domain::log_keys::LogKeys;
use crate::log::merkle::{TILE_WIDTH, TileId, leaf_hash};
use crate::log::note::{Checkpoint, Vkey};
use crate::log::reader::LogReader;
use crate::log::tree_at::TreeAt;
use crate::log::{DataDir, LogError};
use crate::projections::rebuild;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

const WIDTH: u64 = TILE_WIDTH as u64;
const CHECKPOINT: &str = "checkpoint";
const VKEYS: &str = "vkeys";
/// A file on its way to its name. On the same file system as that, because a rename does not leave it.
const UNFINISHED: &str = ".unfinished";

/// Why nothing, or not all, was exported.
#[derive(Debug, Error)]
pub enum TilesError {
    /// The ledger's files.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nothing is signed yet.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The directory is no place for this log.
    #[error("{path}: {what}; nothing was written")]
    Target {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The directory cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportedTiles {
    /// Name of the log.
    pub origin: String,
    /// Size that was there before; 0 if nothing was.
    pub before: Position,
    /// Size that is there now.
    pub size: Position,
    /// Files written.
    pub files: u64,
}

/// Writes a data directory's log, or a backup's, into a directory. `progress` is told the positions that are written.
pub fn export_tiles(
    dir: &DataDir,
    into: &Path,
    progress: &mut dyn FnMut(Position),
) -> Result<ExportedTiles, TilesError> {
    let published = Published::read(dir)?;
    let log = LogReader::open(dir)?;
    let keys = rebuild::load(dir)?.projections.state.log_keys;
    let target = Target::open(into)?;
    let before = target.judge(&log, &keys, &published)?;
    let mut export = Export { log: &log, tree: TreeAt::new(&log, published.size)?, target, files: 0 };
    if target_is_whole(into, &published) {
        return Ok(export.done(&published, before));
    }
    export.put(Path::new(VKEYS), vkeys_text(&keys).as_bytes())?;
    export.leaves(before, published.size, progress)?;
    export.upper_levels(before, published.size)?;
    export.publish(&published)?;
    export.drop_old_partials(before, published.size)?;
    Ok(export.done(&published, before))
}

fn target_is_whole(into: &Path, published: &Published) -> bool {
    fs::read_to_string(into.join(CHECKPOINT)).is_ok_and(|note| note == published.note)
}

fn vkeys_text(keys: &LogKeys) -> String {
    keys.iter().rev().map(|span| format!("{}\n", span.log_vkey)).collect()
}

/// The directory that is written into, locked against a second run.
struct Target {
    path: PathBuf,
    handle: File,
}

impl Target {
    fn open(path: &Path) -> Result<Self, TilesError> {
        let io = |source| TilesError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        let handle = File::open(path).map_err(io)?;
        let target = Self { path: path.to_owned(), handle };
        match target.handle.try_lock() {
            Ok(()) => Ok(target),
            Err(fs::TryLockError::WouldBlock) => Err(target.refuse("another export writes into it")),
            Err(fs::TryLockError::Error(source)) => Err(io(source)),
        }
    }

    fn refuse(&self, what: impl Into<String>) -> TilesError {
        TilesError::Target { path: self.path.clone(), what: what.into() }
    }

    fn read(&self, name: &str) -> Result<Option<String>, TilesError> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(TilesError::Io { path, source }),
        }
    }

    /// Whether this log goes on what is there; gives the size that is there.
    fn judge(&self, log: &LogReader, keys: &LogKeys, published: &Published) -> Result<Position, TilesError> {
        let (known, note) = (self.read(VKEYS)?, self.read(CHECKPOINT)?);
        let Some(known) = known else {
            let io = |source| TilesError::Io { path: self.path.clone(), source };
            // What a run leaves that was interrupted at its very first file is as good as nothing.
            let mut others = fs::read_dir(&self.path).map_err(io)?.filter_map(Result::ok);
            return match others.any(|entry| entry.file_name() != UNFINISHED) {
                true => Err(self.refuse("it is not empty and holds no exported tiles")),
                false => Ok(Position::NONE),
            };
        };
        // The keys that were there are the first of ours, or this is another log, or one that was continued elsewhere.
        if !vkeys_text(keys).ends_with(&known) {
            return Err(self.refuse("it holds the tiles of another log (vkeys)"));
        }
        let Some(note) = note else { return Ok(Position::NONE) };
        let vkeys: Vec<Vkey> = known.lines().filter_map(|line| line.parse().ok()).collect();
        let there = Checkpoint::verify_by_any(&note, &vkeys)
            .map_err(|error| self.refuse(format!("its checkpoint does not verify: {error}")))?;
        let (size, ours) = (Position(there.size), published.size);
        if size > ours {
            return Err(self.refuse(format!("it is at size {size}, this log at {ours}: an older copy of the log")));
        }
        if TreeAt::new(log, size)?.root()? != there.root {
            return Err(self.refuse(format!("its checkpoint of size {size} is not this log's: a fork")));
        }
        Ok(size)
    }
}

/// One run.
struct Export<'a> {
    log: &'a LogReader,
    tree: TreeAt<'a>,
    target: Target,
    files: u64,
}

impl Export<'_> {
    /// Records and their hashes from the bundle on that the older size ended in. A record that does not hash to its tile
    /// ends the export: nobody is handed what would not verify.
    fn leaves(&mut self, before: Position, size: Position, tell: &mut dyn FnMut(Position)) -> Result<(), TilesError> {
        let mut index = before.0 / WIDTH;
        while index * WIDTH < size.0 {
            let id = TileId { level: 0, index };
            let width = id.width_at(size.0);
            self.bundle(id, width)?;
            index += 1;
            tell(Position((index * WIDTH).min(size.0)));
        }
        Ok(())
    }

    fn bundle(&mut self, id: TileId, width: u16) -> Result<(), TilesError> {
        let tile = self.tile_bytes(id, width)?;
        let (mut bundle, mut hashes) = (Vec::new(), Vec::with_capacity(tile.len()));
        let after = Position(id.index * WIDTH);
        self.log.scan(after, Position(after.0 + u64::from(width)), |_, record| {
            // Longer ones are refused before they are recorded.
            bundle.extend_from_slice(&u16::try_from(record.len()).unwrap_or(u16::MAX).to_be_bytes());
            bundle.extend_from_slice(record);
            hashes.extend_from_slice(&leaf_hash(record));
            ControlFlow::Continue(())
        })?;
        if hashes != tile {
            let same = hashes.chunks(32).zip(tile.chunks(32)).take_while(|(left, right)| left == right).count();
            let what = "the record does not hash to its tile".to_owned();
            return Err(LogError::Damaged { position: Position(after.0 + same as u64 + 1), what }.into());
        }
        let named = id.path(Some(width));
        let within_entries = named.strip_prefix("0/").unwrap_or(&named);
        self.put(&Path::new("tile/entries").join(within_entries), &bundle)?;
        self.put(&Path::new("tile").join(&named), &tile)
    }

    fn tile_bytes(&self, id: TileId, width: u16) -> Result<Vec<u8>, LogError> {
        let missing = || LogError::DamagedTree(format!("{id:?} is missing"));
        self.tree.tile(id, width)?.ok_or_else(missing)
    }

    fn upper_levels(&mut self, before: Position, size: Position) -> Result<(), TilesError> {
        for level in 1u8.. {
            let first = edge(level, before.0);
            if (TileId { level, index: 0 }).width_at(size.0) == 0 {
                return Ok(());
            }
            for index in first.. {
                let id = TileId { level, index };
                let width = id.width_at(size.0);
                if width == 0 {
                    break;
                }
                if width > id.width_at(before.0) {
                    let bytes = self.tile_bytes(id, width)?;
                    self.put(&Path::new("tile").join(id.path(Some(width))), &bytes)?;
                }
            }
        }
        Ok(())
    }

    /// The files of one export are on the disk before its checkpoint has its name: one sync for all of them.
    fn publish(&mut self, published: &Published) -> Result<(), TilesError> {
        let io = |source: io::Error| TilesError::Io { path: self.target.path.clone(), source };
        rustix::fs::syncfs(&self.target.handle).map_err(|error| io(error.into()))?;
        self.put(Path::new(CHECKPOINT), published.note.as_bytes())?;
        self.target.handle.sync_all().map_err(|source| TilesError::Io { path: self.target.path.clone(), source })
    }

    /// Writes a file (0600) under another name and moves it to its own.
    fn put(&mut self, name: &Path, bytes: &[u8]) -> Result<(), TilesError> {
        let (path, unfinished) = (self.target.path.join(name), self.target.path.join(UNFINISHED));
        let io = |source| TilesError::Io { path: path.clone(), source };
        if let Some(above) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(above).map_err(io)?;
        }
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).map_err(io)?;
        file.write_all(bytes).map_err(io)?;
        // The two that say what the others are, by themselves; the others are synced together.
        if name == Path::new(CHECKPOINT) || name == Path::new(VKEYS) {
            file.sync_all().map_err(io)?;
        }
        fs::rename(&unfinished, &path).map_err(io)?;
        self.files += 1;
        Ok(())
    }

    /// Partial tiles of before: those that a full one took the place of, and those older than the last two checkpoints.
    /// They would pile up. Whoever still has the checkpoint before this one finds its tiles.
    fn drop_old_partials(&self, before: Position, size: Position) -> Result<(), TilesError> {
        for level in (0u8..).take_while(|level| (TileId { level: *level, index: 0 }).width_at(before.0) > 0) {
            let id = TileId { level, index: edge(level, before.0) };
            let (old, new) = (id.width_at(before.0), id.width_at(size.0));
            let partials = format!("{}.p", id.path(None));
            self.keep_only(&Path::new("tile").join(&partials), [old, new])?;
            if let Some(within_entries) = partials.strip_prefix("0/") {
                self.keep_only(&Path::new("tile/entries").join(within_entries), [old, new])?;
            }
        }
        Ok(())
    }

    fn keep_only(&self, partials: &Path, widths: [u16; 2]) -> Result<(), TilesError> {
        let path = self.target.path.join(partials);
        let io = |source| TilesError::Io { path: path.clone(), source };
        if usize::from(widths[1]) == TILE_WIDTH {
            return match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(io(error)),
                _ => Ok(()),
            };
        }
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io(error)),
        };
        for entry in entries.filter_map(Result::ok) {
            let width = entry.file_name().to_str().and_then(|name| name.parse::<u16>().ok());
            if width.is_some_and(|width| !widths.contains(&width)) {
                fs::remove_file(entry.path()).map_err(io)?;
            }
        }
        Ok(())
    }

    fn done(self, published: &Published, before: Position) -> ExportedTiles {
        let origin = published.note.lines().next().unwrap_or_default().to_owned();
        ExportedTiles { origin, before, size: published.size, files: self.files }
    }
}

/// Index of the tile that a level of a tree of this size grows in.
fn edge(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0)
}
