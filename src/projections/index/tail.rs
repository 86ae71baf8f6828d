//! What is not in the file yet: keys of the records folded last, in memory, and what it takes to make segments whole.
//!
//! Chunks are of a run of positions that is not broken by a multiple of `CHUNK_EVENTS`. Those of what is folded are
//! made on the way; where others are missing, before a start or because memory ran out, they are made from the log
//! again. Memory is bounded: past it the oldest that are not of the next segment are dropped.

use super::CHUNK_EVENTS;
use super::blocks::Blocks;
use super::packed::{KEY_BITS, packed};
use crate::domain::event::{Event, Header};
use crate::domain::ids::Position;
use crate::projections::keys::keys_of;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Segments whose chunks are kept in memory at most.
const SEGMENTS_KEPT: u64 = 2;
/// Bits of a place in a chunk.
const PLACE_BITS: u32 = u64::BITS - KEY_BITS;

/// Keys of a run of records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    after: Position,
    through: Position,
    /// Places are counted from the position after this one.
    base: u64,
    /// Key above place; in order once it is finished.
    entries: Vec<u64>,
}

impl Chunk {
    /// Of what comes after a position, without records yet. `events` is how many positions a whole chunk has.
    pub(super) fn after(after: Position, events: u64) -> Self {
        Self { after, through: after, base: after.0 - after.0 % events, entries: Vec::new() }
    }

    /// Of records of the log; `events` as the tail has it.
    pub fn begin(tail: &Tail, after: Position) -> Self {
        Self::after(after, tail.chunk_events())
    }

    /// Adds the next record.
    pub fn add(&mut self, position: Position, header: &Header, event: &Event) {
        let place = position.0 - self.base - 1;
        keys_of(header, event, &mut |key| self.entries.push(packed(key) << PLACE_BITS | place));
        self.through = position;
    }

    /// Puts its entries in order, each once.
    pub fn finish(&mut self) {
        self.entries.sort_unstable();
        self.entries.dedup();
        self.entries.shrink_to_fit();
    }

    /// The position before its first.
    pub fn first_after(&self) -> Position {
        self.after
    }

    /// Its last position.
    pub fn through(&self) -> Position {
        self.through
    }

    /// Adds the positions of a key (as a number) to others. It must be finished.
    pub(super) fn positions(&self, key: u64, out: &mut Vec<Position>) {
        let from = self.entries.partition_point(|entry| entry >> PLACE_BITS < key);
        let of_key = self.entries[from..].iter().take_while(|entry| **entry >> PLACE_BITS == key);
        out.extend(of_key.map(|entry| Position(self.base + 1 + (entry & ((1 << PLACE_BITS) - 1)))));
    }

    /// Its entries in order: keys, and positions.
    pub(super) fn entry(&self, index: usize) -> Option<(u64, Position)> {
        let entry = self.entries.get(index)?;
        Some((entry >> PLACE_BITS, Position(self.base + 1 + (entry & ((1 << PLACE_BITS) - 1)))))
    }
}

/// Segments that somebody found damaged, to be made anew.
#[derive(Clone, Debug, Default)]
pub struct Damaged(Arc<Mutex<BTreeSet<u64>>>);

impl Damaged {
    /// Tells of one.
    pub fn note(&self, segment: u64) {
        self.0.lock().insert(segment);
    }

    /// Those told of since this was called last.
    pub fn take(&self) -> BTreeSet<u64> {
        std::mem::take(&mut self.0.lock())
    }
}

/// What is not in the file yet.
#[derive(Clone, Debug)]
pub struct Tail {
    segment_events: u64,
    /// Everything up to here is in the file: whole segments.
    indexed: Position,
    /// By the position before their first.
    chunks: BTreeMap<Position, Arc<Chunk>>,
    growing: Chunk,
    damaged: Damaged,
}

impl PartialEq for Tail {
    fn eq(&self, other: &Self) -> bool {
        (self.segment_events, self.indexed, &self.chunks, &self.growing)
            == (other.segment_events, other.indexed, &other.chunks, &other.growing)
    }
}

impl Eq for Tail {}

/// A segment whose chunks are all there.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Its number.
    pub segment: u64,
    /// Positions of a segment.
    pub events: u64,
    /// Its chunks in order.
    chunks: Vec<Arc<Chunk>>,
}

impl Whole {
    /// From chunks that make up a segment, in order.
    pub fn new(segment: u64, events: u64, chunks: Vec<Arc<Chunk>>) -> Self {
        Self { segment, events, chunks }
    }

    /// Its last position.
    pub fn through(&self) -> Position {
        Position((self.segment + 1) * self.events)
    }

    pub(super) fn blocks(&self) -> Blocks<'_> {
        Blocks::of(&self.chunks, Position(self.segment * self.events))
    }
}

impl Tail {
    /// Gathers what is folded after a position. `segment_events` is a multiple of `CHUNK_EVENTS`, or less than it.
    pub fn after(folded: Position, segment_events: u64) -> Self {
        Self {
            segment_events,
            indexed: Position::NONE,
            chunks: BTreeMap::new(),
            growing: Chunk::after(folded, segment_events.min(CHUNK_EVENTS)),
            damaged: Damaged::default(),
        }
    }

    /// Positions of a segment.
    pub fn segment_events(&self) -> u64 {
        self.segment_events
    }

    fn chunk_events(&self) -> u64 {
        self.segment_events.min(CHUNK_EVENTS)
    }

    /// Up to where everything is in the file.
    pub fn indexed(&self) -> Position {
        self.indexed
    }

    /// Segments found damaged.
    pub fn damaged(&self) -> &Damaged {
        &self.damaged
    }

    /// How many segments, from the first on, are in the file; fewer than before where some were lost.
    pub fn set_whole(&mut self, segments: u64) {
        self.indexed = Position(segments * self.segment_events);
        self.chunks = self.chunks.split_off(&self.indexed);
    }

    pub(in crate::projections) fn fold(&mut self, position: Position, header: &Header, event: &Event) {
        if position <= self.growing.through {
            return;
        }
        if position != self.growing.through.next() {
            self.growing = Chunk::after(Position(position.0 - 1), self.chunk_events());
        }
        self.growing.add(position, header, event);
        if position.0.is_multiple_of(self.chunk_events()) {
            let next = Chunk::after(position, self.chunk_events());
            let mut full = std::mem::replace(&mut self.growing, next);
            full.finish();
            self.put(full);
        }
    }

    /// Takes a chunk that was missing, finished.
    pub fn put(&mut self, chunk: Chunk) {
        self.chunks.insert(chunk.after, Arc::new(chunk));
        let next_segment = Position(self.indexed.0 + self.segment_events);
        while self.chunks.len() as u64 > SEGMENTS_KEPT * self.segment_events / self.chunk_events() {
            // Those of the next segment are about to be stored; the newest are the ones most asked for.
            let Some(&oldest) = self.chunks.range(next_segment..).next().map(|(after, _)| after) else { return };
            self.chunks.remove(&oldest);
        }
    }

    /// A run of positions that the next segment still lacks, to be made a chunk of from the log; none if there is none
    /// among those that were folded.
    pub fn missing(&self) -> Option<(Position, Position)> {
        let after = self.reach();
        let end = self.indexed.0 + self.segment_events;
        if after.0 >= end || after >= self.growing.after {
            return None;
        }
        let chunk_end = after.0 - after.0 % self.chunk_events() + self.chunk_events();
        let next = self.chunks.range(after..).next().map_or(self.growing.after, |(next, _)| *next);
        Some((after, Position(chunk_end.min(next.0))))
    }

    /// How far the chunks go without a gap from what is in the file, within the next segment.
    fn reach(&self) -> Position {
        let mut reach = self.indexed;
        while let Some(chunk) = self.chunks.get(&reach).filter(|_| reach.0 < self.indexed.0 + self.segment_events) {
            reach = chunk.through;
        }
        reach
    }

    /// The next segment, if it is whole.
    pub fn whole(&self) -> Option<Whole> {
        let end = Position(self.indexed.0 + self.segment_events);
        if self.reach() < end {
            return None;
        }
        let chunks = self.chunks.range(self.indexed..end).map(|(_, chunk)| Arc::clone(chunk)).collect();
        Some(Whole::new(self.indexed.0 / self.segment_events, self.segment_events, chunks))
    }

    /// A copy for who asks, to be [`Recent::sorted`] once nobody waits for it.
    pub fn recent(&self) -> Recent {
        Recent {
            segment_events: Some(self.segment_events),
            chunks: self.chunks.values().cloned().collect(),
            growing: Some(self.growing.clone()),
            damaged: self.damaged.clone(),
        }
    }
}

/// What was not in the file when it was asked for.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// As the tail has it; none where nobody folds: then the file says.
    segment_events: Option<u64>,
    chunks: Vec<Arc<Chunk>>,
    growing: Option<Chunk>,
    damaged: Damaged,
}

impl Recent {
    /// Makes what was still growing ready to be asked.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        if let Some(mut growing) = self.growing.take().filter(|growing| growing.after < growing.through) {
            growing.finish();
            self.chunks.push(Arc::new(growing));
        }
        self
    }

    /// Positions of a segment, where it is known.
    pub(super) fn segment_events(&self) -> Option<u64> {
        self.segment_events
    }

    /// To tell of damaged segments.
    pub fn damaged(&self) -> &Damaged {
        &self.damaged
    }

    /// The chunk that a position is in.
    pub(super) fn chunk_of(&self, position: Position) -> Option<&Chunk> {
        let next = self.chunks.partition_point(|chunk| chunk.through < position);
        self.chunks.get(next).map(|chunk| &**chunk).filter(|chunk| chunk.after < position)
    }

    /// The chunks' nearest ends around a position that is in none: where the one before ends, where the next begins.
    pub(super) fn around(&self, position: Position) -> (Option<Position>, Option<Position>) {
        let next = self.chunks.partition_point(|chunk| chunk.through < position);
        let before = next.checked_sub(1).and_then(|before| self.chunks.get(before)).map(|chunk| chunk.through);
        (before, self.chunks.get(next).map(|chunk| chunk.after))
    }
}
