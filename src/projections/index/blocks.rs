//! Blocks: the form in which a segment is stored. `schema/views/003_index.sql` says their layout.

use super::tail::Chunk;
use crate::domain::ids::Position;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Bytes of a block at most: with SQLite's own two fill a page of 8,192.
const BLOCK_BYTES: usize = 4_064;
/// Bytes that a key and the count of its places take at most.
const HEAD_BYTES: usize = 8 + 3;

/// A block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Block {
    /// Its first key.
    pub key: u64,
    /// The first of that key's places in it.
    pub start: u32,
    /// Keys and places.
    pub bytes: Vec<u8>,
}

/// The blocks of a segment, merged from its chunks one by one.
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    chunks: &'a [Arc<Chunk>],
    /// The position before the segment's first.
    base: Position,
    /// Chunks that have entries left: by their next key, then in order of position; and the index of that entry.
    left: BinaryHeap<Reverse<(u64, usize, usize)>>,
    key: u64,
    /// Places of the key that are in no block yet, from `taken` on.
    places: Vec<u32>,
    taken: usize,
}

impl<'a> Blocks<'a> {
    pub fn of(chunks: &'a [Arc<Chunk>], base: Position) -> Self {
        let first = |(at, chunk): (usize, &Arc<Chunk>)| chunk.entry(0).map(|(key, _)| Reverse((key, at, 0)));
        let left = chunks.iter().enumerate().filter_map(first).collect();
        Self { chunks, base, left, key: 0, places: Vec::new(), taken: 0 }
    }

    /// Gathers the places of the next key; false after the last.
    fn take_key(&mut self) -> bool {
        (self.places, self.taken) = (std::mem::take(&mut self.places), 0);
        self.places.clear();
        let Some(&Reverse((key, ..))) = self.left.peek() else { return false };
        self.key = key;
        while let Some(&Reverse((next, at, mut index))) = self.left.peek()
            && next == key
        {
            self.left.pop();
            while let Some((next, position)) = self.chunks[at].entry(index) {
                if next != key {
                    self.left.push(Reverse((next, at, index)));
                    break;
                }
                self.places.push(u32::try_from(position.0 - self.base.0 - 1).unwrap_or(u32::MAX));
                index += 1;
            }
        }
        true
    }

    /// Adds as many places of the key as there is room for. False if there was none for all of them.
    fn fill(&mut self, block: &mut Block, last_key: &mut u64) -> bool {
        let (mut places, mut last, mut count) = (Vec::new(), 0, 0);
        for &place in &self.places[self.taken..] {
            let length = places.len();
            put_number(u64::from(place - last), &mut places);
            if block.bytes.len() + HEAD_BYTES + places.len() > BLOCK_BYTES {
                places.truncate(length);
                break;
            }
            (last, count) = (place, count + 1);
        }
        if count > 0 {
            if block.bytes.is_empty() {
                (block.key, block.start, *last_key) = (self.key, self.places[self.taken], self.key);
            }
            put_number(self.key - *last_key, &mut block.bytes);
            put_number(count, &mut block.bytes);
            block.bytes.append(&mut places);
            *last_key = self.key;
            self.taken += usize::try_from(count).unwrap_or(usize::MAX);
        }
        self.taken == self.places.len()
    }
}

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let mut block = Block { key: 0, start: 0, bytes: Vec::with_capacity(BLOCK_BYTES) };
        let mut last_key = 0;
        while self.taken < self.places.len() || self.take_key() {
            if !self.fill(&mut block, &mut last_key) {
                return Some(block);
            }
        }
        (!block.bytes.is_empty()).then_some(block)
    }
}

/// Adds the places of a key, as positions, to others. `first_key` is the block's, by the directory. None if the bytes
/// make no sense.
pub(super) fn positions(
    mut bytes: &[u8],
    first_key: u64,
    (key, base): (u64, Position),
    out: &mut Vec<Position>,
) -> Option<()> {
    let mut at = first_key;
    while !bytes.is_empty() {
        at = at.checked_add(take_number(&mut bytes)?)?;
        let count = take_number(&mut bytes)?;
        if at > key {
            return Some(());
        }
        let mut position = base.next();
        for _ in 0..count {
            position = Position(position.0.checked_add(take_number(&mut bytes)?)?);
            if at == key {
                out.push(position);
            }
        }
    }
    Some(())
}

/// LEB128: seven bits a byte, the lowest first, the highest bit set on all but the last.
fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
