//! Positions and the tree: every record is hashed, and every stored tile compared with what comes out.
//!
//! A second tree, written from RFC 6962 and C2SP tlog-tiles and from nothing else; the append's own (`log::merkle`)
//! is not used. It keeps the unfinished tile of each level and joins them only at the end.

use super::checkpoints::Stored;
use super::{Findings, Kind, Scope, readable};
use crate::domain::ids::Position;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use sha2::{Digest, Sha256};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

type Hash = [u8; 32];

/// Hashes in a full tile.
const TILE_HASHES: u64 = 256;
/// Bits of a leaf's index that one level of tiles takes.
const TILE_BITS: u32 = 8;
/// Bits of a tile's key that say its index.
const INDEX_BITS: u32 = 56;
/// Longest gap that is filled with empty leaves, so that the tiles after it can still be compared.
const GAP_FILLED_MAX: u64 = 65_536;
/// How many records lie between two notes of how far it is.
const NOTED_EVERY: u64 = 1_024;

/// What this thread brings back.
#[derive(Default)]
pub(super) struct Checked {
    pub root: Option<Hash>,
    pub tiles: u64,
}

pub(super) fn check(dir: &DataDir, scope: &Scope, reached: &AtomicU64) -> Result<(Checked, Findings), LogError> {
    let log = LogReader::open(dir)?;
    let mut check = TreeCheck::new(&log);
    let scanned = log.scan(Position(0), scope.head, |position, record| {
        if position.0.is_multiple_of(NOTED_EVERY) {
            reached.store(position.0, Ordering::Relaxed);
        }
        match check.take(position, record) {
            Ok(()) => {
                check.compare_signed(position, scope);
                ControlFlow::Continue(())
            }
            Err(error) => {
                check.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(error) = check.failure.take() {
        return Err(error);
    }
    if let Some(signed) = scope.signed.filter(|signed| signed.size > scope.head) {
        let what =
            format!("the log ends at {}, but {} was signed: an older copy took its place", scope.head, signed.size);
        check.findings.add(scope.head.next(), Kind::Tree, what);
    }
    check.finish(scope.head, readable(scanned)?)?;
    reached.store(scope.head.0, Ordering::Relaxed);
    let root = check.whole.then(|| root(&check.levels));
    Ok((Checked { root, tiles: check.tiles }, check.findings))
}

/// The unfinished tile of one level, and how many finished ones lie before it.
#[derive(Default)]
struct Level {
    hashes: Vec<Hash>,
    tiles: u64,
}

struct TreeCheck<'a> {
    log: &'a LogReader,
    levels: Vec<Level>,
    /// The position that must come next.
    expected: Position,
    /// No record is missing so far.
    whole: bool,
    /// A gap was too long to be filled: what comes after it has no place in the tree.
    lost: bool,
    tiles: u64,
    /// Stored checkpoints up to the last position.
    signed_passed: usize,
    message: Vec<u8>,
    findings: Findings,
    failure: Option<LogError>,
}

impl<'a> TreeCheck<'a> {
    fn new(log: &'a LogReader) -> Self {
        Self {
            log,
            levels: Vec::new(),
            expected: Position(1),
            whole: true,
            lost: false,
            tiles: 0,
            signed_passed: 0,
            message: Vec::new(),
            findings: Findings::default(),
            failure: None,
        }
    }

    fn take(&mut self, position: Position, record: &[u8]) -> Result<(), LogError> {
        if position != self.expected {
            self.note_gap(position)?;
        }
        self.expected = Position(position.0.saturating_add(1));
        let leaf = self.leaf(record);
        self.grow(0, leaf)
    }

    /// Whether the records up to a position at which something was signed are the ones that were signed.
    fn compare_signed(&mut self, position: Position, scope: &Scope) {
        let head = scope.signed.filter(|signed| signed.size == position);
        let from = self.signed_passed;
        let stored = scope.checkpoints[from..].iter().take_while(|stored| stored.head.size <= position);
        self.signed_passed += stored.clone().count();
        let at_it: Vec<&Stored> = stored.filter(|stored| stored.head.size == position).collect();
        if (head.is_none() && at_it.is_empty()) || !self.whole {
            return;
        }
        let root = root(&self.levels);
        let what = "the records up to here are not the ones that were signed";
        let of_its_own = at_it.iter().filter(|stored| stored.given.is_none()).map(|stored| stored.head);
        if head.into_iter().chain(of_its_own).any(|signed| signed.root != root) {
            self.findings.add(position, Kind::Tree, what);
        }
        for kept in at_it.iter().filter(|stored| stored.given.is_some() && stored.head.root != root) {
            self.findings.add(position, Kind::Tree, kept.in_words(format!("{what}: a fork")));
        }
    }

    fn leaf(&mut self, record: &[u8]) -> Hash {
        self.message.clear();
        self.message.push(0x00);
        self.message.extend_from_slice(record);
        Sha256::digest(&self.message).into()
    }

    fn note_gap(&mut self, found: Position) -> Result<(), LogError> {
        self.whole = false;
        let Some(missing) = found.0.checked_sub(self.expected.0) else {
            self.lost = true;
            self.findings.add(found, Kind::Record, "the record stands out of order");
            return Ok(());
        };
        let what = match missing {
            1 => "the record is missing".to_owned(),
            _ => format!("the records up to position {} are missing", found.0 - 1),
        };
        self.findings.add(self.expected, Kind::Record, what);
        if missing > GAP_FILLED_MAX {
            self.lost = true;
            self.findings.add(found, Kind::Tree, "the tree cannot be compared after so long a gap");
        }
        for _ in 0..missing.min(GAP_FILLED_MAX) {
            self.grow(0, [0; 32])?;
        }
        Ok(())
    }

    fn grow(&mut self, level: usize, hash: Hash) -> Result<(), LogError> {
        if self.levels.len() == level {
            self.levels.push(Level::default());
        }
        let edge = &mut self.levels[level];
        edge.hashes.push(hash);
        if (edge.hashes.len() as u64) < TILE_HASHES {
            return Ok(());
        }
        let hashes = std::mem::take(&mut edge.hashes);
        let index = edge.tiles;
        edge.tiles += 1;
        self.compare(level, index, &hashes)?;
        let node = subtree(&hashes);
        // The room is used again: one tile in 256 rises, so this is nearly all of them.
        self.levels[level].hashes = hashes;
        self.levels[level].hashes.clear();
        self.grow(level + 1, node)
    }

    /// Compares a stored tile with its hashes as they must be. The row may be longer: a tile grows, and what lies
    /// beyond the head is looked at apart.
    fn compare(&mut self, level: usize, index: u64, hashes: &[Hash]) -> Result<(), LogError> {
        if self.lost {
            return Ok(());
        }
        self.tiles += 1;
        let first = first_position(level, index);
        let found = match readable(self.log.tile_row(key(level, index)))? {
            Ok(Some(row)) => difference(level, index, hashes, &row),
            Ok(None) => Some((first, "is missing".to_owned())),
            Err(reason) => Some((first, format!("cannot be read: {reason}"))),
        };
        if let Some((position, what)) = found {
            self.findings.add(position, Kind::Tree, format!("tile {level}/{index} {what}"));
        }
        Ok(())
    }

    fn finish(&mut self, head: Position, scanned: Result<(), String>) -> Result<(), LogError> {
        match scanned {
            Err(reason) => {
                self.whole = false;
                let what = format!("the file cannot be read from here on: {reason}");
                self.findings.add(self.expected, Kind::Record, what);
                return Ok(());
            }
            Ok(()) if head.is_none() => self.findings.add(Position(1), Kind::Record, "the log is empty"),
            Ok(()) if self.expected <= head => self.note_gap(head.next())?,
            Ok(()) => {}
        }
        for level in 1..self.levels.len() {
            let (index, hashes) = (self.levels[level].tiles, std::mem::take(&mut self.levels[level].hashes));
            if !hashes.is_empty() {
                self.compare(level, index, &hashes)?;
            }
            self.levels[level].hashes = hashes;
        }
        self.look_beyond()
    }

    /// Tiles that no record stands behind. A writer may be appending, so the head is read again after the tiles:
    /// both grow in one transaction.
    fn look_beyond(&mut self) -> Result<(), LogError> {
        let mut last = i64::MIN;
        loop {
            let rows = match readable(self.log.tile_lengths(last))? {
                Ok(rows) => rows,
                Err(reason) => {
                    self.findings.add(None, Kind::Tree, format!("the tiles cannot be listed: {reason}"));
                    return Ok(());
                }
            };
            let Some(&(end, _)) = rows.last() else { return Ok(()) };
            last = end;
            let head = self.log.head()?;
            for (key, bytes) in rows {
                self.look_at_length(key, bytes, head);
            }
        }
    }

    fn look_at_length(&mut self, key: i64, bytes: u64, head: Position) {
        let Ok(bits) = u64::try_from(key) else {
            self.findings.add(None, Kind::Tree, format!("there is a tile with the impossible key {key}"));
            return;
        };
        let (level, index) = (bits >> INDEX_BITS, bits & ((1 << INDEX_BITS) - 1));
        let implied = hashes_at(level, index, head.0);
        let what = match bytes / 32 {
            _ if implied == 0 => format!("tile {level}/{index} is stored, but no record of the log is in it"),
            held if held > implied || !bytes.is_multiple_of(32) => {
                format!("tile {level}/{index} has {bytes} bytes, but the log has only {implied} hashes for it")
            }
            _ => return,
        };
        self.findings.add(None, Kind::Tree, what);
    }
}

fn key(level: usize, index: u64) -> i64 {
    let key = (level as u64) << INDEX_BITS | index;
    i64::try_from(key).unwrap_or(i64::MAX)
}

/// The first record below a tile.
fn first_position(level: usize, index: u64) -> Position {
    record_below(level, index.saturating_mul(TILE_HASHES))
}

/// The first record below the `number`-th hash of a level.
fn record_below(level: usize, number: u64) -> Position {
    Position(number.saturating_mul(1 << (TILE_BITS * level as u32)).saturating_add(1))
}

/// How many hashes a tile has stored in a log of `size` records. On level 0 only full tiles are stored.
fn hashes_at(level: u64, index: u64, size: u64) -> u64 {
    let shift = u32::try_from(level).unwrap_or(u32::MAX).saturating_mul(TILE_BITS);
    let below = size.checked_shr(shift).unwrap_or(0);
    match below.saturating_sub(index.saturating_mul(TILE_HASHES)).min(TILE_HASHES) {
        held if level == 0 && held < TILE_HASHES => 0,
        held => held,
    }
}

/// What is wrong with a stored tile, and from which record on.
fn difference(level: usize, index: u64, hashes: &[Hash], row: &[u8]) -> Option<(Position, String)> {
    let wanted = hashes.as_flattened();
    if row.get(..wanted.len()) == Some(wanted) {
        return None;
    }
    if row.len() < wanted.len() {
        let what = format!("has {} bytes, it must have {}", row.len(), wanted.len());
        return Some((first_position(level, index), what));
    }
    let (stored, _) = row.as_chunks::<32>();
    let differing: Vec<usize> = (0..hashes.len()).filter(|&at| stored.get(at) != hashes.get(at)).collect();
    let first = index.saturating_mul(TILE_HASHES).saturating_add(differing.first().copied().unwrap_or(0) as u64);
    let what = format!("differs from the records in {} of {} hashes", differing.len(), hashes.len());
    Some((record_below(level, first), what))
}

/// RFC 6962 2.1: the hash over nodes of one height, whatever their number.
fn subtree(nodes: &[Hash]) -> Hash {
    match nodes {
        [] => Sha256::digest([]).into(),
        [node] => *node,
        _ => {
            // The left side is the largest power of two that leaves something for the right.
            let (left, right) = nodes.split_at(1 << (nodes.len() - 1).ilog2());
            node(&subtree(left), &subtree(right))
        }
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut message = [0x01; 65];
    message[1..33].copy_from_slice(left);
    message[33..].copy_from_slice(right);
    Sha256::digest(message).into()
}

/// The root: what is unfinished on a level is the last, smaller node of the level above.
fn root(levels: &[Level]) -> Hash {
    let mut nodes: Vec<Hash> = Vec::new();
    for level in levels {
        let below = (!nodes.is_empty()).then(|| subtree(&nodes));
        nodes.clone_from(&level.hashes);
        nodes.extend(below);
    }
    subtree(&nodes)
}
