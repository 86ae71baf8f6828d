//! A Merkle map: entries sorted by key, under one root. An entry's presence, an entry's absence, and that a row of
//! entries is whole, can be proved. `schema/seals.md` has the bytes.
//!
//! The entries are the leaves of a tree as [`super::merkle`] makes it (RFC 9162 section 2.1), in the order of their
//! keys; the map's root holds their count too, so that nobody can say that another entry is the last.

use super::merkle::{self, Hash, HashReader, ProofError, Tree};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::convert::Infallible;

/// What a root's bytes begin with: neither a leaf's (0) nor a node's (1).
const ROOT_PREFIX: [u8; 1] = [2];
/// Longest key, in bytes: its length is written in two.
pub const KEY_BYTES_MAX: usize = 65_535;

/// Hash of an entry: of the key's length as 2 bytes (big-endian), the key and the value, as the leaf of a tree.
pub fn entry_hash(key: &[u8], value: &[u8]) -> Hash {
    let length = u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes();
    merkle::leaf_hash(&[&length, key, value].concat())
}

/// Root of a map with so many entries.
pub fn map_root(count: u64, tree_root: &Hash) -> Hash {
    Sha256::new().chain_update(ROOT_PREFIX).chain_update(count.to_be_bytes()).chain_update(tree_root).finalize().into()
}

/// A map while it is computed: its memory grows with the logarithm of the entries.
#[derive(Clone, Debug, Default)]
pub struct MapRoot {
    tree: Tree,
}

impl MapRoot {
    /// Takes in the next entry. Keys come sorted, each once.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.tree.append(entry_hash(key, value));
        if self.tree.size().is_multiple_of(merkle::TILE_WIDTH as u64) {
            // Nobody asks for the tiles of a map.
            drop(self.tree.take_changed());
        }
    }

    /// How many entries there are so far.
    pub fn count(&self) -> u64 {
        self.tree.size()
    }

    /// The root over all entries taken in.
    pub fn root(&self) -> Hash {
        map_root(self.count(), &self.tree.root())
    }
}

/// A map that proofs are made of: 32 bytes an entry and a little more.
#[derive(Debug, Default)]
pub struct MapProofs {
    tree: Tree,
    tiles: HashMap<merkle::TileId, Vec<u8>>,
}

impl MapProofs {
    /// Takes in the next entry. Keys come sorted, each once.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.tree.append(entry_hash(key, value));
        if self.tree.size().is_multiple_of(merkle::TILE_WIDTH as u64) {
            self.tiles.extend(self.tree.take_changed());
        }
    }

    /// No more entries come: what is gathered can be asked.
    pub fn finish(&mut self) {
        self.tiles.extend(self.tree.take_changed());
    }

    /// How many entries there are.
    pub fn count(&self) -> u64 {
        self.tree.size()
    }

    /// The root over all entries taken in.
    pub fn root(&self) -> Hash {
        map_root(self.count(), &self.tree.root())
    }

    /// Inclusion proof of the entry at an index.
    pub fn proof(&self, index: u64) -> Result<Vec<Hash>, ProofError<Infallible>> {
        let stored = |id: merkle::TileId| Ok(self.tiles.get(&id).cloned());
        match HashReader::new(&stored, self.count(), self.tree.partial_leaves()) {
            Ok(reader) => merkle::inclusion_proof(&reader, index, self.count()),
            // A tree's own last leaves always fit its size.
            Err(_) => Err(ProofError::Index { index, size: self.count() }),
        }
    }
}

/// An entry with its proof, from wherever it came: nothing of it is to be believed before [`MapEntry::is_in`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapEntry {
    /// Its place among all entries, from 0.
    pub index: u64,
    /// Key.
    pub key: Vec<u8>,
    /// Value.
    pub value: Vec<u8>,
    /// Inclusion proof in the tree of the map's entries.
    pub proof: Vec<Hash>,
}

impl MapEntry {
    /// Whether it is an entry of the map with this count and root.
    pub fn is_in(&self, count: u64, root: &Hash) -> bool {
        let leaf = entry_hash(&self.key, &self.value);
        if self.index >= count || self.key.len() > KEY_BYTES_MAX {
            return false;
        }
        let tree_root = merkle::climbed_root(leaf, self.index, count - 1, &self.proof);
        tree_root.is_some_and(|tree_root| map_root(count, &tree_root) == *root)
    }
}

/// Whether entries that are in a map of `count` entries are all of those whose key begins so, and not only some: no
/// index is left out between them, and their neighbours' keys, or the map's ends, bound them. Without entries this is
/// shown of an empty map alone.
///
/// What is shown to be absent is absent from a map whose keys are sorted. That they are is for whoever replays the log
/// to see; one who makes a root can sort as he likes.
pub fn are_whole(entries: &[MapEntry], count: u64, prefix: &[u8]) -> bool {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return count == 0 };
    let follow = |pair: &[MapEntry]| pair[1].index == pair[0].index + 1 && pair[0].key < pair[1].key;
    let begins = first.index == 0 || first.key.as_slice() < prefix;
    let is_past = last.key.as_slice() > prefix && !last.key.starts_with(prefix);
    entries.windows(2).all(follow) && begins && (is_past || last.index.checked_add(1) == Some(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map_of(keys: &[u8]) -> MapProofs {
        let mut map = MapProofs::default();
        keys.iter().for_each(|key| map.add(&[*key], &[*key, *key]));
        map.finish();
        map
    }

    fn entry(map: &MapProofs, keys: &[u8], index: usize) -> MapEntry {
        let (key, value) = (vec![keys[index]], vec![keys[index]; 2]);
        MapEntry { index: index as u64, key, value, proof: map.proof(index as u64).expect("it is there") }
    }

    #[test]
    fn both_ways_to_a_root_give_the_same() {
        for count in [0usize, 1, 2, 3, 255, 256, 257, 600] {
            let (mut root, mut proofs) = (MapRoot::default(), MapProofs::default());
            for number in 0..count {
                root.add(&(number as u32).to_be_bytes(), b"value");
                proofs.add(&(number as u32).to_be_bytes(), b"value");
            }
            proofs.finish();
            assert_eq!((root.count(), root.root()), (count as u64, proofs.root()), "{count}");
            for index in 0..count {
                let key = (index as u32).to_be_bytes().to_vec();
                let proof = proofs.proof(index as u64).expect("it is there");
                let entry = MapEntry { index: index as u64, key, value: b"value".to_vec(), proof };
                assert!(entry.is_in(count as u64, &root.root()), "{index} of {count}");
                assert!(!MapEntry { value: b"other".to_vec(), ..entry.clone() }.is_in(count as u64, &root.root()));
                assert!(!entry.is_in(count as u64 + 1, &root.root()), "another count is another map");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_shown_by_its_neighbours() {
        let keys = [10, 20, 30];
        let map = map_of(&keys);
        let [first, second, third] = [0, 1, 2].map(|index| entry(&map, &keys, index));
        let whole = |entries: &[&MapEntry], key: u8| {
            let entries: Vec<MapEntry> = entries.iter().map(|entry| (*entry).clone()).collect();
            are_whole(&entries, 3, &[key])
        };
        assert!(whole(&[&first], 5) && whole(&[&first, &second], 15) && whole(&[&third], 40), "absent");
        assert!(whole(&[&first, &second, &third], 20), "present, and alone");
        assert!(!whole(&[&first, &second], 20), "another 20 could follow");
        assert!(!whole(&[&first, &third], 15) && !whole(&[&first, &third], 25), "one between them is left out");
        assert!(!whole(&[&first], 15) && !whole(&[&second], 5) && !whole(&[], 5), "one side is open");
        assert!(are_whole(&[], 0, &[5]), "an empty map holds nothing");
    }

    #[test]
    fn roots_are_bound_to_their_count_and_to_nothing_else_that_is_hashed() {
        let empty = MapRoot::default();
        assert_eq!(empty.root(), map_root(0, &merkle::empty_root()));
        assert_ne!(map_root(1, &[7; 32]), map_root(2, &[7; 32]));
        assert_ne!(entry_hash(b"ab", b"c"), entry_hash(b"a", b"bc"), "the key's end is part of it");
    }
}
