//! Segments of the index in `views.db`: written block by block, and read.

use super::tail::Whole;
use super::{INDEX_VERSION, blocks};
use crate::domain::ids::Position;
use crate::log::LogError;
use crate::log::merkle::{Hash, leaf_hash};
use crate::log::reader::LogReader;
use crate::projections::views::Views;
use rusqlite::{OptionalExtension, params};
use std::ops::ControlFlow;

/// Blocks written in one transaction: a quarter of a MiB, so that no commit takes long.
const BLOCKS_A_STEP: usize = 64;
/// Blocks of a segment at most; its number is above these bits in the number of a block.
const BLOCK_BITS: u32 = 24;
/// Bytes of the directory for a block.
const ENTRY_BYTES: usize = 16;

fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Numbers of a segment's blocks: from the first, before the second.
fn block_range(segment: u64) -> (i64, i64) {
    let first = |segment: u64| segment.checked_shl(BLOCK_BITS).map_or(i64::MAX, column);
    (first(segment), first(segment.saturating_add(1)))
}

/// Where a segment's blocks begin, and what their bytes must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directory {
    segment: u64,
    events: u64,
    leaf: Hash,
    bytes: Vec<u8>,
}

impl Directory {
    /// Leaf hash of the record at the segment's last position.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for number in [self.segment, self.events, INDEX_VERSION.unsigned_abs()] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&self.leaf);
        hasher.update(&self.bytes);
        hasher.finalize()
    }

    fn len(&self) -> usize {
        self.bytes.len() / ENTRY_BYTES
    }

    /// First key and checksum of a block.
    fn entry(&self, block: usize) -> Option<(u64, u32)> {
        let entry = self.bytes.get(block * ENTRY_BYTES..)?.first_chunk::<ENTRY_BYTES>()?;
        let (key, rest) = entry.split_first_chunk::<8>()?;
        let (_, checksum) = rest.split_first_chunk::<4>()?;
        Some((u64::from_le_bytes(*key), u32::from_le_bytes(*checksum.first_chunk::<4>()?)))
    }

    fn key(&self, block: usize) -> u64 {
        self.entry(block).map_or(u64::MAX, |(key, _)| key)
    }

    /// The blocks that a key can be in.
    fn blocks_of(&self, key: u64) -> std::ops::Range<usize> {
        let first_where = |is_past: &dyn Fn(u64) -> bool| {
            let (mut low, mut high) = (0, self.len());
            while low < high {
                let middle = low.midpoint(high);
                if is_past(self.key(middle)) { high = middle } else { low = middle + 1 }
            }
            low
        };
        // A key's places may begin at the end of the block before the first that begins with it.
        first_where(&|first| first >= key).saturating_sub(1)..first_where(&|first| first > key)
    }

    fn add(&mut self, block: &blocks::Block) {
        self.bytes.extend_from_slice(&block.key.to_le_bytes());
        self.bytes.extend_from_slice(&block.start.to_le_bytes());
        self.bytes.extend_from_slice(&crc32fast::hash(&block.bytes).to_le_bytes());
    }
}

impl Views {
    /// Stores a segment whose last record has this leaf hash; `between` is called after some blocks each, and may break it
    /// off. False if it was.
    ///
    /// A crash on the way leaves blocks without a row, which nobody reads and the next store of the segment deletes.
    pub fn store_segment(
        &mut self,
        whole: &Whole,
        leaf: Hash,
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<bool, LogError> {
        let (first, end) = block_range(whole.segment);
        self.drop_segment(whole.segment)?;
        self.connection
            .prepare_cached("DELETE FROM index_blocks WHERE block >= ?1 AND block < ?2")?
            .execute([first, end])?;
        let mut directory = Directory { segment: whole.segment, events: whole.events, leaf, bytes: Vec::new() };
        let mut blocks = whole.blocks();
        loop {
            let step: Vec<_> = blocks.by_ref().take(BLOCKS_A_STEP).collect();
            if step.is_empty() {
                break;
            }
            let transaction = self.connection.transaction()?;
            for block in &step {
                transaction
                    .prepare_cached("INSERT INTO index_blocks (block, bytes) VALUES (?1, ?2)")?
                    .execute(params![first.saturating_add(column(directory.len() as u64)), block.bytes])?;
                directory.add(block);
            }
            transaction.commit()?;
            if between().is_break() {
                return Ok(false);
            }
        }
        self.connection.execute(
            "INSERT INTO index_segments (segment, events, index_version, leaf_hash, directory, checksum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                column(whole.segment),
                column(whole.events),
                INDEX_VERSION,
                &leaf[..],
                directory.bytes,
                directory.checksum()
            ],
        )?;
        Ok(true)
    }

    /// Takes a segment away. Its blocks stay until it is stored again.
    pub fn drop_segment(&self, segment: u64) -> Result<(), LogError> {
        self.connection.prepare_cached("DELETE FROM index_segments WHERE segment = ?1")?.execute([column(segment)])?;
        Ok(())
    }

    /// Takes all segments away that are of no use: of another size or version, or of another log.
    pub fn drop_foreign_segments(&self, log: &LogReader, events: u64) -> Result<(), LogError> {
        self.connection.execute(
            "DELETE FROM index_segments WHERE events <> ?1 OR index_version <> ?2",
            params![column(events), INDEX_VERSION],
        )?;
        if !self.is_of_log(log, events)? {
            self.connection.execute("DELETE FROM index_segments", [])?;
        }
        Ok(())
    }

    /// Segments of this size and of this program's version, in order.
    pub fn segments(&self, events: u64) -> Result<Vec<u64>, LogError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT segment FROM index_segments WHERE events = ?1 AND index_version = ?2 ORDER BY segment",
        )?;
        let segments = statement.query_map([column(events), INDEX_VERSION], |row| row.get::<_, i64>(0))?;
        let segments: Vec<i64> = segments.collect::<Result<_, _>>()?;
        Ok(segments.into_iter().filter_map(|segment| u64::try_from(segment).ok()).collect())
    }

    /// Positions of the first segment; none if there is none of this program's version. All are of one size.
    pub(super) fn segment_events(&self) -> Result<Option<u64>, LogError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT events FROM index_segments WHERE index_version = ?1 ORDER BY segment LIMIT 1")?;
        let events: Option<i64> = statement.query_row([INDEX_VERSION], |row| row.get(0)).optional()?;
        Ok(events.and_then(|events| u64::try_from(events).ok()).filter(|events| *events > 0))
    }

    /// Whether the newest segment is of this log, and with it all: the log only grows.
    pub fn is_of_log(&self, log: &LogReader, events: u64) -> Result<bool, LogError> {
        let Some(newest) = self.segments(events)?.pop() else { return Ok(true) };
        let Some(directory) = self.directory(newest, events)? else { return Ok(false) };
        let last = newest.checked_add(1).and_then(|next| next.checked_mul(events)).unwrap_or(u64::MAX);
        Ok(log.record(Position(last))?.is_some_and(|record| leaf_hash(&record) == directory.leaf))
    }

    /// Whether the file has tables for the index.
    pub fn has_index(&self) -> Result<bool, LogError> {
        self.is_ours()
    }

    /// The directory of a segment; none if it is not there, or its row is not what was stored.
    pub fn directory(&self, segment: u64, events: u64) -> Result<Option<Directory>, LogError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT leaf_hash, directory, checksum FROM index_segments
             WHERE segment = ?1 AND events = ?2 AND index_version = ?3",
        )?;
        let row = statement.query_row([column(segment), column(events), INDEX_VERSION], |row| {
            Ok((row.get::<_, Hash>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, u32>(2)?))
        });
        let Some((leaf, bytes, checksum)) = row.optional()? else { return Ok(None) };
        let directory = Directory { segment, events, leaf, bytes };
        Ok((directory.checksum() == checksum).then_some(directory))
    }

    /// The bytes of a block; none if it is not there, or not what was stored.
    fn block(&self, directory: &Directory, block: usize) -> Result<Option<Vec<u8>>, LogError> {
        let Some((_, checksum)) = directory.entry(block) else { return Ok(None) };
        let number = block_range(directory.segment).0.saturating_add(column(block as u64));
        let mut statement = self.connection.prepare_cached("SELECT bytes FROM index_blocks WHERE block = ?1")?;
        let bytes: Option<Vec<u8>> = statement.query_row([number], |row| row.get(0)).optional()?;
        Ok(bytes.filter(|bytes| crc32fast::hash(bytes) == checksum))
    }

    /// Adds the positions of keys (as numbers, in order) in a segment to others, each key's in order. False if something
    /// of it is damaged.
    pub(super) fn positions_in(
        &self,
        directory: &Directory,
        keys: &[u64],
        out: &mut Vec<Position>,
    ) -> Result<bool, LogError> {
        let base = Position(directory.segment * directory.events);
        let mut last: Option<(usize, Vec<u8>)> = None;
        for &key in keys {
            for number in directory.blocks_of(key) {
                // Keys that are asked for together are often neighbours.
                let bytes = match last.take().filter(|(last, _)| *last == number) {
                    Some((_, bytes)) => bytes,
                    None => match self.block(directory, number)? {
                        Some(bytes) => bytes,
                        None => return Ok(false),
                    },
                };
                if blocks::positions(&bytes, directory.key(number), (key, base), out).is_none() {
                    return Ok(false);
                }
                last = Some((number, bytes));
            }
        }
        Ok(true)
    }

    /// Whether a segment is what the log says: the directory that the chunks would give, and every block by its checksum.
    pub fn holds(&self, whole: &Whole, leaf: Hash) -> Result<bool, LogError> {
        let Some(stored) = self.directory(whole.segment, whole.events)? else { return Ok(false) };
        let mut directory = Directory { segment: whole.segment, events: whole.events, leaf, bytes: Vec::new() };
        whole.blocks().for_each(|block| directory.add(&block));
        for block in 0..stored.len() {
            if self.block(&stored, block)?.is_none() {
                return Ok(false);
            }
        }
        Ok(stored == directory)
    }
}
