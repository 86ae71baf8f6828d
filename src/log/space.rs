//! Room on the file system of the data directory: how much is free, when that is too little, and the ballast, a file of
//! real blocks that is given up, slice by slice, so that deletions can be recorded on a disk that others have filled.
//!
//! Only on demand is a slice given up: one that nobody needs yet would only be taken by whoever fills the disk.

use super::data_dir::{DataDir, LogError};
use super::writer::{CHECKPOINT_FRAMES, PAGE_BYTES};
use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Free bytes below which uses are refused, unless set otherwise.
pub const LOW_WATER_BYTES: u64 = 64 << 20;
/// Size of the ballast, unless set otherwise: 10,000 deletions, each a commit by itself, need about a third of it.
pub const BALLAST_BYTES: u64 = 32 << 20;
/// What is given up at a time: a full batch of deletions fits. Little, since others may take the rest of it.
const SLICE_BYTES: u64 = 1 << 20;
/// By how much the ballast grows at a time.
const GROWTH_BYTES: u64 = 4 << 20;
/// The write-ahead log once, and once more moved into the file.
const MARK_BYTES_MIN: u64 = 2 * CHECKPOINT_FRAMES as u64 * PAGE_BYTES as u64;

/// The room that a ledger has.
#[derive(Debug)]
pub struct Space {
    dir: DataDir,
    low_water: u64,
    ballast: u64,
    free: AtomicU64,
    low: AtomicBool,
    /// Held while the ballast changes its size.
    changing: Mutex<()>,
}

impl Space {
    /// Of a directory. `low_water`: free bytes below which it counts as full (0: never; else at least twice what the
    /// write-ahead log takes). `ballast`: bytes of the ballast (0: none).
    pub fn new(dir: &DataDir, low_water: u64, ballast: u64) -> Self {
        let low_water = if low_water == 0 { 0 } else { low_water.max(MARK_BYTES_MIN) };
        Self {
            dir: dir.clone(),
            low_water,
            ballast,
            free: AtomicU64::new(u64::MAX),
            low: AtomicBool::new(false),
            changing: Mutex::new(()),
        }
    }

    /// Whether there was too little room at the last look.
    pub fn is_low(&self) -> bool {
        self.low.load(Relaxed)
    }

    /// Free bytes at the last look.
    pub fn free(&self) -> u64 {
        self.free.load(Relaxed)
    }

    /// Free bytes below which there is too little.
    pub fn low_water(&self) -> u64 {
        self.low_water
    }

    /// Free bytes from which there is enough again: an eighth more, so that what is recorded then does not at once make
    /// it too little.
    pub fn enough(&self) -> u64 {
        self.low_water + self.low_water / 8
    }

    /// Bytes of the ballast.
    pub fn ballast_kept(&self) -> u64 {
        std::fs::metadata(self.dir.ballast()).map_or(0, |metadata| metadata.len())
    }

    /// Bytes that the whole file system has.
    pub fn total(&self) -> Result<u64, LogError> {
        let of = statvfs(self.dir.path()).map_err(|error| self.dir.io(self.dir.path(), error.into()))?;
        Ok(of.f_blocks.saturating_mul(of.f_frsize))
    }

    /// Looks how much is free. Gives whether that is too little. One system call.
    pub fn look(&self) -> Result<bool, LogError> {
        let free = free_of(&self.dir)?;
        self.free.store(free, Relaxed);
        let low = free < if self.is_low() { self.enough() } else { self.low_water };
        self.low.store(low, Relaxed);
        Ok(low)
    }

    /// Whether `bytes` can be written without there being too little room afterwards.
    pub fn has_room_for(&self, bytes: u64) -> bool {
        !self.is_low() && self.free().saturating_sub(bytes) >= self.enough()
    }

    /// Sees to it that what is recorded next has room, as far as the ballast goes.
    pub fn make_room(&self) {
        while free_of(&self.dir).is_ok_and(|free| free < SLICE_BYTES) && self.give_slice() {}
    }

    /// Gives up a slice of the ballast; false if there is none left. A crash in here leaves a smaller ballast.
    pub fn give_slice(&self) -> bool {
        let _changing = self.changing.lock();
        match give_slice(&self.dir) {
            Ok(left) => left.is_some(),
            Err(error) => {
                tracing::warn!(%error, "the ballast cannot be given up");
                false
            }
        }
    }

    /// Brings the ballast a slice nearer to its size, if that leaves enough free.
    pub fn keep_ballast(&self) -> Result<(), LogError> {
        let _changing = self.changing.lock();
        let kept = self.ballast_kept();
        if kept > self.ballast {
            return cut_ballast(&self.dir, self.ballast);
        }
        let grown = (kept + GROWTH_BYTES).min(self.ballast);
        if grown == kept || !self.has_room_for(grown - kept + GROWTH_BYTES) {
            return Ok(());
        }
        grow_ballast(&self.dir, kept, grown)
    }
}

fn free_of(dir: &DataDir) -> Result<u64, LogError> {
    let of = statvfs(dir.path()).map_err(|error| dir.io(dir.path(), error.into()))?;
    Ok(of.f_bavail.saturating_mul(of.f_frsize))
}

/// Before any file of the ledger is opened, under its lock: on a disk without any room SQLite could not make the shared
/// memory of a write-ahead log, or worse, would map it with no block behind it.
pub fn make_room_to_open(dir: &DataDir) {
    while free_of(dir).is_ok_and(|free| free < SLICE_BYTES) {
        match give_slice(dir) {
            Ok(Some(left)) => tracing::warn!(left, "hardly anything is free: a slice of the ballast is given up"),
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "the ballast cannot be given up"),
        }
    }
}

/// Gives how many bytes are left, or none if there was nothing to give.
fn give_slice(dir: &DataDir) -> Result<Option<u64>, LogError> {
    let Ok(metadata) = std::fs::metadata(dir.ballast()) else { return Ok(None) };
    if metadata.len() == 0 {
        return Ok(None);
    }
    let left = metadata.len().saturating_sub(SLICE_BYTES);
    cut_ballast(dir, left)?;
    Ok(Some(left))
}

fn cut_ballast(dir: &DataDir, bytes: u64) -> Result<(), LogError> {
    let path = dir.ballast();
    let file = OpenOptions::new().write(true).open(&path).map_err(|source| dir.io(&path, source))?;
    // Synced, because a journalling file system hands out the blocks only once it has noted that they are free.
    file.set_len(bytes).and_then(|()| file.sync_all()).map_err(|source| dir.io(&path, source))
}

fn grow_ballast(dir: &DataDir, from: u64, to: u64) -> Result<(), LogError> {
    let path = dir.ballast();
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = opened.map_err(|source| dir.io(&path, source))?;
    allocate(&mut file, from, to).map_err(|source| {
        // Whatever part of it came about goes back.
        let _ = file.set_len(from);
        dir.io(&path, source)
    })
}

fn allocate(file: &mut File, from: u64, to: u64) -> std::io::Result<()> {
    match fallocate(&*file, FallocateFlags::empty(), 0, to) {
        Err(rustix::io::Errno::OPNOTSUPP) => {}
        other => return other.map_err(std::io::Error::from),
    }
    // A file system without the call gets the blocks by being written to.
    file.seek(SeekFrom::Start(from))?;
    let zeros = vec![0; 1 << 16];
    let mut at = from;
    while at < to {
        let part = usize::try_from((to - at).min(zeros.len() as u64)).unwrap_or(zeros.len());
        file.write_all(&zeros[..part])?;
        at += part as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_ballast_grows_by_slices_and_has_blocks_and_goes_by_slices() {
        let home = tempfile::tempdir().expect("a directory can be made");
        let dir = DataDir::new(home.path());
        let space = Space::new(&dir, 1, 7 << 20);
        assert!(!space.look().expect("there is a file system"));
        let sizes: Vec<u64> = (0..4)
            .map(|_| {
                space.keep_ballast().expect("there is room");
                space.ballast_kept() >> 20
            })
            .collect();
        assert_eq!(sizes, [4, 7, 7, 7]);
        let blocks = std::fs::metadata(dir.ballast()).expect("it is there").blocks();
        assert!(blocks * 512 >= 7 << 20, "{blocks} blocks");
        assert!([(); 7].into_iter().all(|()| space.give_slice()));
        assert!(!space.give_slice());
        assert_eq!(space.ballast_kept(), 0);
    }

    #[test]
    fn a_mark_that_is_set_is_at_least_what_the_log_needs_and_too_little_ends_an_eighth_later() {
        let home = tempfile::tempdir().expect("a directory can be made");
        let dir = DataDir::new(home.path());
        let space = Space::new(&dir, 1, 0);
        assert_eq!(space.low_water(), MARK_BYTES_MIN);
        assert_eq!(space.enough(), MARK_BYTES_MIN + MARK_BYTES_MIN / 8);
        assert_eq!(Space::new(&dir, 0, 0).low_water(), 0);
        let all = Space::new(&dir, u64::MAX / 2, 1 << 20);
        assert!(all.look().expect("there is a file system"));
        all.keep_ballast().expect("nothing is tried");
        assert_eq!(all.ballast_kept(), 0, "no ballast is made while there is too little room");
    }
}
