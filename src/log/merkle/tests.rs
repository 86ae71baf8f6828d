//! The tree against its definition in RFC 9162, section 2.1, an independent implementation, published roots and damage.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

use super::*;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::OnceLock;

const LOG_SIZE: u64 = 70_000;

/// Sizes where a tile or a level begins or ends.
const EDGE_SIZES: [u64; 15] = [1, 2, 3, 255, 256, 257, 511, 512, 513, 65_279, 65_280, 65_535, 65_536, 65_537, 70_000];

type Tiles = HashMap<TileId, Vec<u8>>;

impl TileSource for Tiles {
    type Error = Infallible;

    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.get(&id).cloned())
    }
}

/// Remembers what was asked for.
struct Counted<'a>(&'a Tiles, RefCell<Vec<TileId>>);

impl TileSource for Counted<'_> {
    type Error = Infallible;

    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, Infallible> {
        self.1.borrow_mut().push(id);
        self.0.tile(id)
    }
}

struct Log {
    leaves: Vec<Hash>,
    tree: Tree,
    tiles: Tiles,
}

impl Log {
    fn of(size: u64) -> Log {
        let leaves: Vec<Hash> = (0..size).map(|index| leaf_hash(&record(index))).collect();
        let mut tree = Tree::new();
        leaves.iter().for_each(|leaf| tree.append(*leaf));
        let tiles = tree.take_changed().into_iter().collect();
        Log { leaves, tree, tiles }
    }

    fn reader(&self) -> HashReader<'_, Tiles> {
        HashReader::new(&self.tiles, self.tree.size(), self.tree.partial_leaves()).unwrap()
    }

    fn tail_at(&self, size: u64) -> &[Hash] {
        &self.leaves[(size - size % 256) as usize..size as usize]
    }
}

fn record(index: u64) -> Vec<u8> {
    format!("record {index}").into_bytes()
}

fn large_log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| Log::of(LOG_SIZE))
}

fn tile(level: u8, index: u64) -> TileId {
    TileId { level, index }
}

// The definitions of RFC 9162 2.1.1, 2.1.3.1 and 2.1.4.1, word for word.

fn naive_split(leaves: &[Hash]) -> usize {
    let mut width = 1;
    while width * 2 < leaves.len() {
        width *= 2;
    }
    width
}

fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves.len() {
        0 => Sha256::digest(b"").into(),
        1 => leaves[0],
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves));
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return vec![];
    }
    let width = naive_split(leaves);
    let (left, right) = leaves.split_at(width);
    let (mut path, sibling) = if index < width {
        (naive_path(index, left), naive_root(right))
    } else {
        (naive_path(index - width, right), naive_root(left))
    };
    path.push(sibling);
    path
}

fn naive_subproof(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if known { vec![] } else { vec![naive_root(leaves)] };
    }
    let width = naive_split(leaves);
    let (left, right) = leaves.split_at(width);
    let (mut proof, sibling) = if old <= width {
        (naive_subproof(old, left, known), naive_root(right))
    } else {
        (naive_subproof(old - width, right, false), naive_root(left))
    };
    proof.push(sibling);
    proof
}

#[test]
fn roots_are_the_published_ones() {
    let records: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Tree::new();
    for (size, expected) in roots.iter().enumerate() {
        let hex: String = tree.root().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, *expected, "size {size}");
        if let Some(record) = records.get(size) {
            tree.append(leaf_hash(record));
        }
    }
}

#[test]
fn everything_small_equals_the_definition() {
    let log = Log::of(80);
    let reader = log.reader();
    for size in 0..=80usize {
        let leaves = &log.leaves[..size];
        let root = naive_root(leaves);
        assert_eq!(root_at(&reader, size as u64), Ok(root));
        for index in 0..size {
            let proof = inclusion_proof(&reader, index as u64, size as u64).unwrap();
            assert_eq!(proof, naive_path(index, leaves), "leaf {index} of {size}");
            assert!(verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root));
        }
        for old in 1..=size {
            let proof = consistency_proof(&reader, old as u64, size as u64).unwrap();
            assert_eq!(proof, naive_subproof(old, leaves, true), "{old} to {size}");
            assert!(verify_consistency(old as u64, size as u64, &proof, &naive_root(&leaves[..old]), &root));
        }
    }
}

#[test]
fn roots_and_proofs_equal_an_independent_implementation() {
    let reader = large_log().reader();
    let mut oracle = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in EDGE_SIZES {
        (oracle.len()..size).for_each(|index| oracle.push(record(index)));
        let root: Hash = (*oracle.root().as_bytes()).into();
        assert_eq!(root_at(&reader, size), Ok(root), "size {size}");
        let picks = EDGE_SIZES.iter().flat_map(|near| [near - 1, *near]).filter(|pick| *pick < size);
        for pick in picks {
            let proof = inclusion_proof(&reader, pick, size).unwrap();
            assert_eq!(proof.as_flattened(), oracle.prove_inclusion(pick as usize).as_bytes());
            assert!(verify_inclusion(&leaf_hash(&record(pick)), pick, size, &proof, &root));
            if pick > 0 {
                let proof = consistency_proof(&reader, pick, size).unwrap();
                let expected = oracle.prove_consistency((size - pick) as usize);
                assert_eq!(proof.as_flattened(), expected.as_bytes(), "{pick} to {size}");
                let old_root = root_at(&reader, pick).unwrap();
                assert!(verify_consistency(pick, size, &proof, &old_root, &root));
            }
        }
    }
}

#[test]
fn the_live_root_equals_the_definition_at_every_size_to_1000() {
    let mut tree = Tree::new();
    let mut leaves = Vec::new();
    for index in 0..1000 {
        assert_eq!(tree.root(), naive_root(&leaves), "size {index}");
        let leaf = leaf_hash(&record(index));
        leaves.push(leaf);
        tree.append(leaf);
    }
}

#[test]
fn a_restored_tree_equals_the_live_one_at_every_size_to_1000() {
    let log = Log::of(1000);
    let mut live = Tree::new();
    let mut tiles = Tiles::new();
    for size in 0..=1000 {
        tiles.extend(live.take_changed());
        let tail = log.tail_at(size);
        assert_eq!(live.partial_leaves(), tail);
        assert_eq!(Tree::restore(size, &tiles, tail).as_ref(), Ok(&live), "size {size}");
        // Later tiles are longer, and must not leak into an earlier state.
        assert_eq!(Tree::restore(size, &log.tiles, tail).as_ref(), Ok(&live), "size {size}");
        if size < 1000 {
            live.append(log.leaves[size as usize]);
        }
    }
}

#[test]
fn a_restored_tree_grows_like_the_live_one() {
    let log = large_log();
    for size in [0, 1, 255, 256, 65_279, 65_535, 65_536, 69_999] {
        let mut tree = Tree::restore(size, &log.tiles, log.tail_at(size)).unwrap();
        log.leaves[size as usize..].iter().for_each(|leaf| tree.append(*leaf));
        for (id, bytes) in tree.take_changed() {
            assert_eq!(log.tiles.get(&id), Some(&bytes), "{id:?} after {size}");
        }
        assert_eq!(tree, log.tree);
    }
}

#[test]
fn stored_tiles_hold_the_hashes_the_standard_names() {
    let log = large_log();
    assert_eq!(log.tiles.len(), 273 + 2 + 1);
    for (id, bytes) in &log.tiles {
        let width = 256usize.pow(u32::from(id.level));
        let first = id.index as usize * 256;
        assert_eq!(bytes.len(), 32 * usize::from(id.width_at(LOG_SIZE)), "{id:?}");
        for (offset, hash) in bytes.as_chunks::<32>().0.iter().enumerate() {
            let start = (first + offset) * width;
            assert_eq!(*hash, naive_root(&log.leaves[start..start + width]), "{id:?} at {offset}");
        }
    }
}

#[test]
fn the_widths_are_those_of_the_standards_example() {
    let rows = [
        (tile(0, 272), 256),
        (tile(0, 273), 112),
        (tile(0, 274), 0),
        (tile(1, 0), 256),
        (tile(1, 1), 17),
        (tile(2, 0), 1),
        (tile(3, 0), 0),
        (tile(63, u64::MAX), 0),
    ];
    for (id, width) in rows {
        assert_eq!(id.width_at(70_000), width, "{id:?}");
    }
    assert_eq!(large_log().tree.partial_leaves().len(), 112);
    assert_eq!((tile(0, 0).width_at(256), tile(0, 1).width_at(256), tile(1, 0).width_at(256)), (256, 0, 1));
    assert_eq!(tile(7, 0).width_at(u64::MAX), 255);
}

#[test]
fn only_grown_tiles_are_handed_out_and_level_0_only_full() {
    let mut tree = Tree::new();
    let mut grow = |count: u64| {
        (0..count).for_each(|_| tree.append([7; 32]));
        tree.take_changed().into_iter().map(|(id, bytes)| (id.level, id.index, bytes.len() / 32)).collect::<Vec<_>>()
    };
    assert_eq!(grow(0), []);
    assert_eq!(grow(255), []);
    assert_eq!(grow(1), [(0, 0, 256), (1, 0, 1)]);
    assert_eq!(grow(255), []);
    assert_eq!(grow(257), [(0, 1, 256), (0, 2, 256), (1, 0, 3)]);
    let mut to_last_of_level_1: Vec<_> = (3..255).map(|index| (0, index, 256)).collect();
    to_last_of_level_1.push((1, 0, 255));
    assert_eq!(grow(255 * 256 - 768), to_last_of_level_1);
    assert_eq!(grow(255), []);
    assert_eq!(grow(1), [(0, 255, 256), (1, 0, 256), (2, 0, 1)]);
    assert_eq!(grow(256), [(0, 256, 256), (1, 1, 1)]);
}

/// At most the tile of the leaf and that of the right edge on each of three levels.
#[track_caller]
fn assert_read_once(mut read: Vec<TileId>) {
    let count = read.len();
    read.sort_unstable();
    read.dedup();
    assert!(read.len() == count && count <= 2 * 3, "{count} reads, {read:?}");
}

#[test]
fn a_proof_reads_few_tiles_and_none_twice() {
    let log = large_log();
    let source = Counted(&log.tiles, RefCell::default());
    let reader = HashReader::new(&source, LOG_SIZE, log.tree.partial_leaves()).unwrap();
    for pick in [0, 1, 255, 256, 65_535, 65_536, 69_999] {
        for size in [pick + 1, 65_537.max(pick + 1), LOG_SIZE] {
            inclusion_proof(&reader, pick, size).unwrap();
            assert_read_once(source.1.take());
            consistency_proof(&reader, pick, size).unwrap();
            assert_read_once(source.1.take());
            root_at(&reader, size).unwrap();
            assert_read_once(source.1.take());
        }
    }
}

#[test]
fn damaged_tiles_are_named() {
    let log = Log::of(1000);
    let damaged = |id: TileId, bytes: Option<usize>| {
        let mut tiles = log.tiles.clone();
        let stored = tiles.remove(&id).unwrap();
        if let Some(bytes) = bytes {
            tiles.insert(id, stored.into_iter().cycle().take(bytes).collect());
        }
        tiles
    };
    let proof = |tiles: &Tiles| {
        let reader = HashReader::new(tiles, 1000, log.tree.partial_leaves()).unwrap();
        inclusion_proof(&reader, 300, 1000).unwrap_err()
    };
    let restore = |tiles: &Tiles| Tree::restore(1000, tiles, log.tree.partial_leaves()).unwrap_err();

    assert_eq!(proof(&damaged(tile(0, 1), None)), TileError::Missing { tile: tile(0, 1) }.into());
    let short = || TileError::Short { tile: tile(0, 1), wanted: 256, found: 255 };
    assert_eq!(proof(&damaged(tile(0, 1), Some(255 * 32))), short().into());
    let torn = || TileError::Malformed { tile: tile(0, 1), bytes: 8191 };
    assert_eq!(proof(&damaged(tile(0, 1), Some(8191))), torn().into());
    let long = || TileError::Malformed { tile: tile(0, 1), bytes: 257 * 32 };
    assert_eq!(proof(&damaged(tile(0, 1), Some(257 * 32))), long().into());

    assert_eq!(restore(&damaged(tile(1, 0), None)), TileError::Missing { tile: tile(1, 0) }.into());
    let short = || TileError::Short { tile: tile(1, 0), wanted: 3, found: 2 };
    assert_eq!(restore(&damaged(tile(1, 0), Some(64))), short().into());
    assert_eq!(restore(&damaged(tile(1, 0), Some(95))), TileError::Malformed { tile: tile(1, 0), bytes: 95 }.into());
}

#[test]
fn a_failing_source_keeps_its_error() {
    let source = |_: TileId| Err::<Option<Vec<u8>>, _>("disk");
    let failed = Tree::restore(256, &source, &[]).unwrap_err();
    assert_eq!(failed, RestoreError::Tile(TileError::Source("disk")));
}

#[test]
fn a_tail_that_does_not_fit_is_refused() {
    let mismatch = TailMismatch { wanted: 232, found: 1 };
    let tiles = Tiles::new();
    assert_eq!(HashReader::new(&tiles, 1000, &[[0; 32]]).unwrap_err(), mismatch);
    assert_eq!(Tree::restore(1000, &tiles, &[[0; 32]]), Err(RestoreError::Tail(mismatch)));
}

#[test]
fn proofs_beyond_the_tree_are_refused() {
    let log = Log::of(10);
    let reader = log.reader();
    let beyond = |size, limit| ProofError::Size { size, limit };
    assert_eq!(root_at(&reader, 11), Err(beyond(11, 10)));
    assert_eq!(inclusion_proof(&reader, 0, 11), Err(beyond(11, 10)));
    assert_eq!(inclusion_proof(&reader, 5, 5), Err(ProofError::Index { index: 5, size: 5 }));
    assert_eq!(inclusion_proof(&reader, 0, 0), Err(ProofError::Index { index: 0, size: 0 }));
    assert_eq!(consistency_proof(&reader, 5, 11), Err(beyond(11, 10)));
    assert_eq!(consistency_proof(&reader, 6, 5), Err(beyond(6, 5)));
    assert_eq!(consistency_proof(&reader, 0, 10), Ok(vec![]));
}

#[test]
fn tile_bytes_are_cut_to_the_width_and_never_go_beyond_the_tree() {
    let log = Log::of(1000);
    let early = HashReader::new(&log.tiles, 600, log.tail_at(600)).unwrap();
    let bytes = |from: usize, to: usize| Ok(Some(log.leaves[from..to].as_flattened().to_vec()));
    assert_eq!(early.tile_bytes(tile(0, 0), 256), bytes(0, 256));
    assert_eq!(early.tile_bytes(tile(0, 0), 7), bytes(0, 7));
    assert_eq!(early.tile_bytes(tile(0, 2), 88), bytes(512, 600));
    assert_eq!(early.tile_bytes(tile(0, 2), 89), Ok(None));
    assert_eq!(early.tile_bytes(tile(0, 2), 0), Ok(None));
    assert_eq!(early.tile_bytes(tile(1, 0), 2), Ok(Some(log.tiles[&tile(1, 0)][..64].to_vec())));
    assert_eq!(early.tile_bytes(tile(1, 0), 3), Ok(None));
}

#[test]
fn the_empty_tree_is_the_beginning_of_every_tree() {
    let (empty, other) = (empty_root(), [1; 32]);
    assert!(verify_consistency(0, 5, &[], &empty, &other));
    assert!(verify_consistency(0, 0, &[], &empty, &empty));
    assert!(!verify_consistency(0, 5, &[other], &empty, &other));
    assert!(!verify_consistency(0, 5, &[], &other, &other));
    assert!(!verify_consistency(5, 5, &[other], &other, &other));
    assert!(!verify_consistency(5, 5, &[], &other, &empty));
    assert!(!verify_consistency(6, 5, &[], &other, &other));
    assert!(!verify_inclusion(&empty, 0, 0, &[], &empty));
}

#[test]
fn tile_paths_are_those_of_the_standard() {
    let rows = [
        (tile(0, 0), None, "0/000"),
        (tile(0, 999), None, "0/999"),
        (tile(0, 1000), None, "0/x001/000"),
        (tile(0, 1_234_067), None, "0/x001/x234/067"),
        (tile(1, 1), Some(17), "1/001.p/17"),
        (tile(0, 273), Some(112), "0/273.p/112"),
        (tile(63, 1_000_000), Some(1), "63/x001/x000/000.p/1"),
        (tile(5, 7), Some(255), "5/007.p/255"),
    ];
    for (id, width, path) in rows {
        assert_eq!(id.path(width), path);
        assert_eq!(parse_path(path), Some((id, width)));
    }
    assert_eq!(tile(0, 5).path(Some(256)), "0/005");
}

#[test]
fn other_spellings_of_a_tile_path_are_refused() {
    let rows = [
        "",
        "/",
        "0",
        "0/",
        "0/0",
        "0/00",
        "0/0000",
        "00/000",
        "+0/000",
        "64/000",
        "256/000",
        "-1/000",
        "0/x000",
        "0/x000/000",
        "0/000/000",
        "0/x001/x002",
        "0/001/002",
        "0/X001/002",
        "0/x01/002",
        "0/x1000/002",
        "0/+01",
        "0/xx01/002",
        "0/000/",
        "/0/000",
        "0/000.p",
        "0/000.p/",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/000.p/+1",
        "0/000.p/1.p/1",
        "0/000.p/-1",
        "0/000 ",
        " 0/000",
        "0/٠٠٠",
        "0/000.p/65536",
        "0/x072/x057/x594/x037/x927/936",
        "0/x999/x999/x999/x999/x999/x999/999",
        "entries/000",
        "0//000",
    ];
    for path in rows {
        assert_eq!(parse_path(path), None, "{path:?}");
    }
    assert!(parse_path("0/x072/x057/x594/x037/x927/935").is_some(), "the last index with 56 bits");
}

#[test]
fn tile_keys_sort_like_tiles_and_come_back() {
    let ids = [tile(0, 0), tile(0, 1), tile(0, TILE_INDEX_END - 1), tile(1, 0), tile(7, 255), tile(63, 9)];
    assert!(ids.is_sorted() && ids.map(TileId::key).is_sorted());
    for id in ids {
        assert_eq!(TileId::from_key(id.key()), Some(id));
    }
    assert_eq!((tile(2, 5).key(), TileId::from_key(-1), TileId::from_key(i64::MAX)), (2 << 56 | 5, None, None));
}

fn flipped(hash: &Hash, bit: usize) -> Hash {
    let mut other = *hash;
    other[bit / 8] ^= 1 << (bit % 8);
    other
}

#[test]
fn every_flipped_bit_of_a_small_proof_is_refused() {
    let log = Log::of(11);
    let (reader, root) = (log.reader(), log.tree.root());
    let old_root = root_at(&reader, 7).unwrap();
    let path = inclusion_proof(&reader, 8, 11).unwrap();
    let growth = consistency_proof(&reader, 7, 11).unwrap();
    for bit in 0..256 {
        for at in 0..path.len() {
            let mut bad = path.clone();
            bad[at] = flipped(&bad[at], bit);
            assert!(!verify_inclusion(&log.leaves[8], 8, 11, &bad, &root));
        }
        for at in 0..growth.len() {
            let mut bad = growth.clone();
            bad[at] = flipped(&bad[at], bit);
            assert!(!verify_consistency(7, 11, &bad, &old_root, &root));
        }
        assert!(!verify_inclusion(&flipped(&log.leaves[8], bit), 8, 11, &path, &root));
        assert!(!verify_inclusion(&log.leaves[8], 8, 11, &path, &flipped(&root, bit)));
        assert!(!verify_consistency(7, 11, &growth, &flipped(&old_root, bit), &root));
        assert!(!verify_consistency(7, 11, &growth, &old_root, &flipped(&root, bit)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_tree_has_the_root_of_its_size(size in 0..=LOG_SIZE) {
        let log = large_log();
        let tree = Tree::restore(size, &log.tiles, log.tail_at(size)).unwrap();
        prop_assert_eq!(tree.root(), naive_root(&log.leaves[..size as usize]));
    }

    #[test]
    fn the_size_of_batches_changes_nothing(sizes in prop::collection::vec(0..2000u64, 0..20)) {
        let (mut tree, mut tiles) = (Tree::new(), Tiles::new());
        for size in sizes {
            (0..size).for_each(|_| tree.append(leaf_hash(&record(tree.size()))));
            tiles.extend(tree.take_changed());
        }
        let whole = Log::of(tree.size());
        prop_assert_eq!(tiles, whole.tiles);
        prop_assert_eq!(tree, whole.tree);
    }

    #[test]
    fn a_changed_inclusion_proof_is_refused(
        size in 2..=LOG_SIZE, pick: prop::sample::Index, at: prop::sample::Index, bit in 0..256usize,
    ) {
        let log = large_log();
        let reader = log.reader();
        let index = pick.index(size as usize) as u64;
        let (leaf, root) = (log.leaves[index as usize], root_at(&reader, size).unwrap());
        let proof = inclusion_proof(&reader, index, size).unwrap();
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &root));

        let at = at.index(proof.len());
        let mut bad = proof.clone();
        bad[at] = flipped(&bad[at], bit);
        prop_assert!(!verify_inclusion(&leaf, index, size, &bad, &root));
        prop_assert!(!verify_inclusion(&flipped(&leaf, bit), index, size, &proof, &root));
        prop_assert!(!verify_inclusion(&leaf, index, size, &proof, &flipped(&root, bit)));
        for bit in 0..64 {
            prop_assert!(!verify_inclusion(&leaf, index ^ (1 << bit), size, &proof, &root));
        }
        prop_assert!(!verify_inclusion(&leaf, index, size, &proof[1..], &root));
        prop_assert!(!verify_inclusion(&leaf, index, size, &proof[..proof.len() - 1], &root));
        prop_assert!(!verify_inclusion(&leaf, index, size, &[&proof[..], &[root]].concat(), &root));
    }

    #[test]
    fn a_changed_consistency_proof_is_refused(
        new in 2..=LOG_SIZE, pick: prop::sample::Index, at: prop::sample::Index, bit in 0..256usize,
    ) {
        let reader = large_log().reader();
        let old = 1 + pick.index(new as usize - 1) as u64;
        let (old_root, new_root) = (root_at(&reader, old).unwrap(), root_at(&reader, new).unwrap());
        let proof = consistency_proof(&reader, old, new).unwrap();
        prop_assert!(verify_consistency(old, new, &proof, &old_root, &new_root));

        let at = at.index(proof.len());
        let mut bad = proof.clone();
        bad[at] = flipped(&bad[at], bit);
        prop_assert!(!verify_consistency(old, new, &bad, &old_root, &new_root));
        prop_assert!(!verify_consistency(old, new, &proof, &flipped(&old_root, bit), &new_root));
        prop_assert!(!verify_consistency(old, new, &proof, &old_root, &flipped(&new_root, bit)));
        prop_assert!(!verify_consistency(old, new, &proof[1..], &old_root, &new_root));
        prop_assert!(!verify_consistency(old, new, &proof[..proof.len() - 1], &old_root, &new_root));
        prop_assert!(!verify_consistency(old, new, &[&proof[..], &[new_root]].concat(), &old_root, &new_root));
    }

    #[test]
    fn no_input_stops_a_verifier(
        small: u64, large: u64, proof in prop::collection::vec(any::<Hash>(), 0..70), root: Hash,
    ) {
        prop_assert!(!verify_inclusion(&root, small, large, &proof, &[9; 32]));
        prop_assert!(!verify_consistency(small, large, &proof, &root, &[9; 32]));
        prop_assert!(!verify_inclusion(&root, u64::MAX - 1, u64::MAX, &proof, &[9; 32]));
        prop_assert!(!verify_consistency(u64::MAX - 1, u64::MAX, &proof, &root, &[9; 32]));
    }

    #[test]
    fn every_tile_path_comes_back(level in 0..=TILE_LEVEL_MAX, index in 0..TILE_INDEX_END, width in 1..=255u16) {
        let id = tile(level, index);
        prop_assert_eq!(parse_path(&id.path(Some(width))), Some((id, Some(width))));
        prop_assert_eq!(parse_path(&id.path(None)), Some((id, None)));
        prop_assert_eq!(TileId::from_key(id.key()), Some(id));
    }

    #[test]
    fn a_path_that_parses_is_written_the_same(path in "[0-9x/.p]{0,24}") {
        if let Some((id, width)) = parse_path(&path) {
            prop_assert_eq!(id.path(width), path);
        }
    }
}
