//! The RFC 6962 / RFC 9162 Merkle tree over record bytes, kept as C2SP tlog-tiles tiles of 256 hashes.
//!
//! Owns: leaf and node hashing, the append side (compact range and right-edge tiles), tile names, proofs read through
//! tiles, and the verifiers an auditor runs. Refuses to know: SQL, files, the clock, what a record means, and who
//! signs a root. Tiles come in through [`TileSource`] and leave through [`Tree::take_changed`].
//!
//! Two shapes carry everything. A *peak* is the root of a full subtree; a tree of `size` leaves has one peak for each
//! set bit of `size`, widest first. An *edge* is the unfinished tile of one level; its hashes are the roots of the
//! full subtrees of `256^level` leaves that no finished tile holds yet.

use sha2::{Digest, Sha256};
use std::mem;
use thiserror::Error;

/// A SHA-256 value: a leaf hash, an inner node or a root.
pub type Hash = [u8; HASH_BYTES];

/// Bytes of one hash.
pub const HASH_BYTES: usize = 32;

/// Hashes of a full tile (tlog-tiles, "Merkle Tree").
pub const TILE_WIDTH: usize = 256;

/// Highest tile level that has a name (tlog-tiles: 0 to 63). A tree of `u64` size never goes above 7.
pub const TILE_LEVEL_MAX: u8 = 63;

/// Tree levels that one tile level spans: 256 is 2 to the 8th.
const TILE_HEIGHT: u32 = 8;

/// First tile index without a name. A `u64` tree has at most this many level-0 tiles, and
/// [`TileId::key`] gives the index 56 bits.
const TILE_INDEX_END: u64 = 1 << TILE_INDEX_BITS;

const TILE_INDEX_BITS: u32 = 56;

/// The hash of one record: SHA-256 of the byte 0x00 and the record (RFC 9162 2.1.1).
pub fn leaf_hash(record: &[u8]) -> Hash {
    Sha256::new().chain_update([0x00]).chain_update(record).finalize().into()
}

/// The hash of an inner node: SHA-256 of the byte 0x01 and both children (RFC 9162 2.1.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut message = [0x01; 1 + 2 * HASH_BYTES];
    message[1..=HASH_BYTES].copy_from_slice(left);
    message[1 + HASH_BYTES..].copy_from_slice(right);
    Sha256::digest(message).into()
}

/// The root of the tree without leaves: SHA-256 of nothing (RFC 9162 2.1.1).
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The RFC 9162 tree hash over nodes of one height; a ragged right side is allowed.
pub fn fold(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [only] => *only,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            node_hash(&fold(left), &fold(right))
        }
    }
}

/// Joins peaks, widest first, into the root above them.
fn join_peaks(peaks: &[Hash]) -> Hash {
    let mut from_right = peaks.iter().rev();
    let narrowest = from_right.next().copied().unwrap_or_else(empty_root);
    from_right.fold(narrowest, |right, left| node_hash(left, &right))
}

/// How many full subtrees of `256^level` leaves a tree of `size` leaves holds.
fn full_subtrees(size: u64, level: u32) -> u64 {
    size.checked_shr(TILE_HEIGHT * level).unwrap_or(0)
}

// ---- Tile names ----

/// The name of one tile: `level` 0 holds leaf hashes, each level above holds the roots of full tiles below it
/// (tlog-tiles, "Merkle Tree"). `level` is at most 63 and `index` below 2 to the 56th.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct TileId {
    /// Tile level, 0 for leaf hashes.
    pub level: u8,
    /// Position among the tiles of the level.
    pub index: u64,
}

impl TileId {
    /// The tile as one number for an integer primary key: `level << 56 | index`. Sorts by level, then index.
    pub fn key(self) -> i64 {
        debug_assert!(self.has_name(), "{self:?} is no tile of any tree");
        i64::from(self.level) << TILE_INDEX_BITS | self.index.cast_signed()
    }

    /// The tile behind a [`TileId::key`], or nothing for a number that is no key.
    pub fn from_key(key: i64) -> Option<TileId> {
        let bits = u64::try_from(key).ok()?;
        let level = u8::try_from(bits >> TILE_INDEX_BITS).ok()?;
        let id = TileId { level, index: bits % TILE_INDEX_END };
        id.has_name().then_some(id)
    }

    /// The path below `tile/` in tlog-tiles form: `0/x001/x234/067`, and `.p/<W>` behind it when `width` says that
    /// the tile is partial (1 to 255). A width of 256 is the full tile and adds nothing.
    pub fn path(self, width: Option<u16>) -> String {
        let mut path = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            path = format!("x{:03}/{path}", rest % 1000);
            rest /= 1000;
        }
        match width.filter(|width| usize::from(*width) != TILE_WIDTH) {
            Some(width) => format!("{}/{path}.p/{width}", self.level),
            None => format!("{}/{path}", self.level),
        }
    }

    /// How many hashes this tile has in a tree of `size` leaves: 0 when the tree does not reach it, 256 when it is
    /// full (tlog-tiles, "Partial Tiles").
    pub fn width_at(self, size: u64) -> u16 {
        let hashes = full_subtrees(size, u32::from(self.level));
        let before = self.index.saturating_mul(TILE_WIDTH as u64);
        hashes.saturating_sub(before).min(TILE_WIDTH as u64) as u16
    }

    fn has_name(self) -> bool {
        self.level <= TILE_LEVEL_MAX && self.index < TILE_INDEX_END
    }
}

/// Reads the path of a tile as [`TileId::path`] writes it: the tile, and the width if it is partial. Refuses every
/// other spelling (leading zeroes, a missing `x`, `.p/256`), so that one tile has one address.
pub fn parse_path(path: &str) -> Option<(TileId, Option<u16>)> {
    let (name, width) = match path.split_once(".p/") {
        Some((name, width)) => (name, Some(width.parse().ok()?)),
        None => (path, None),
    };
    let (level, groups) = name.split_once('/')?;
    let id = TileId { level: level.parse().ok()?, index: parse_index(groups)? };
    let in_range = id.has_name() && width.is_none_or(|width| (1..TILE_WIDTH as u16).contains(&width));
    // Number parsing is lenient; writing the tile again is the whole test for the one right spelling.
    (in_range && id.path(width) == path).then_some((id, width))
}

fn parse_index(groups: &str) -> Option<u64> {
    groups.split('/').try_fold(0u64, |index, group| {
        let digits: u16 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
        index.checked_mul(1000)?.checked_add(u64::from(digits))
    })
}

// ---- Reading tiles ----

/// Where stored tiles are read from. A closure `Fn(TileId) -> Result<Option<Vec<u8>>, Error>` is one too.
pub trait TileSource {
    /// Why a tile could not be read.
    type Error;

    /// The stored bytes of a tile, `n * 32` with `n` at most 256, or nothing if there is no such tile.
    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl<F, E> TileSource for F
where
    F: Fn(TileId) -> Result<Option<Vec<u8>>, E>,
{
    type Error = E;

    fn tile(&self, id: TileId) -> Result<Option<Vec<u8>>, E> {
        self(id)
    }
}

/// Why the hashes of a tile are not to be had. Each but the first means that the stored tree is damaged.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum TileError<E> {
    /// The source itself failed.
    #[error("the tile source failed")]
    Source(#[source] E),
    /// The tree needs a tile that is not stored.
    #[error("{tile:?} is missing")]
    Missing {
        /// The tile looked for.
        tile: TileId,
    },
    /// The stored tile has fewer hashes than the tree size implies.
    #[error("{tile:?} has {found} hashes, the tree needs {wanted}")]
    Short {
        /// The tile looked for.
        tile: TileId,
        /// Hashes that the tree size implies.
        wanted: usize,
        /// Hashes stored.
        found: usize,
    },
    /// The stored bytes are not up to 256 whole hashes.
    #[error("{tile:?} has {bytes} bytes, which is not up to 256 whole hashes")]
    Malformed {
        /// The tile looked for.
        tile: TileId,
        /// Bytes stored.
        bytes: usize,
    },
}

/// The leaf hashes handed over for the unstored level-0 tile are not `size mod 256` many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the tree has {wanted} leaves after its last full tile, {found} were given")]
pub struct TailMismatch {
    /// Leaves that the size implies.
    pub wanted: usize,
    /// Leaf hashes given.
    pub found: usize,
}

fn check_tail(size: u64, tail: &[Hash]) -> Result<(), TailMismatch> {
    let wanted = (size % TILE_WIDTH as u64) as usize;
    if tail.len() == wanted { Ok(()) } else { Err(TailMismatch { wanted, found: tail.len() }) }
}

/// The hashes of a stored tile in a tree of `size` leaves. The row may be longer, because a partial tile is a prefix
/// of its later self; what lies behind `size` is cut off here and so can reach no proof.
fn read_stored<S: TileSource>(source: &S, tile: TileId, size: u64) -> Result<Vec<Hash>, TileError<S::Error>> {
    let stored = source.tile(tile).map_err(TileError::Source)?;
    let bytes = stored.ok_or(TileError::Missing { tile })?;
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() || hashes.len() > TILE_WIDTH {
        return Err(TileError::Malformed { tile, bytes: bytes.len() });
    }
    let wanted = usize::from(tile.width_at(size));
    let short = TileError::Short { tile, wanted, found: hashes.len() };
    Ok(hashes.get(..wanted).ok_or(short)?.to_vec())
}

// ---- The append side ----

/// The unfinished tile at the right edge of one level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Edge {
    hashes: Vec<Hash>,
    /// Grown since the last [`Tree::take_changed`].
    grown: bool,
}

/// The append side of the tree: its peaks and the unfinished tile of each level, 8 kB a level at most, and the
/// finished tiles not yet taken.
///
/// A writer appends, takes the changed tiles and stores them with the records in one transaction. If that transaction
/// fails, this value is ahead of the store: drop it, and [`Tree::restore`] or use a clone made before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// One for each set bit of `size`, widest first.
    peaks: Vec<Hash>,
    /// By level, from 0.
    edges: Vec<Edge>,
    /// Finished tiles not yet taken.
    finished: Vec<(TileId, Vec<u8>)>,
}

/// Why a tree could not be rebuilt from its tiles.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum RestoreError<E> {
    /// The leaf hashes given do not fit the size.
    #[error("the last leaves do not fit the size")]
    Tail(#[from] TailMismatch),
    /// A tile at the right edge is missing or damaged.
    #[error("a tile at the right edge is missing or damaged")]
    Tile(#[from] TileError<E>),
}

impl Tree {
    /// The tree without leaves.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Rebuilds the tree of `size` leaves from the stored tiles of level 1 and above, one read a level, and the leaf
    /// hashes of the last `size mod 256` records. Compare [`Tree::root`] with the last checkpoint before use: this
    /// reads only the right edge and cannot see damage further left.
    pub fn restore<S: TileSource>(size: u64, source: &S, tail_leaves: &[Hash]) -> Result<Tree, RestoreError<S::Error>> {
        check_tail(size, tail_leaves)?;
        let mut tree = Tree { size, ..Tree::default() };
        for level in (0..).take_while(|level| full_subtrees(size, *level) > 0) {
            let hashes = match level {
                0 => tail_leaves.to_vec(),
                _ => tree.read_edge(level, source)?,
            };
            tree.edges.push(Edge { hashes, grown: false });
        }
        tree.peaks = tree.edges.iter().rev().flat_map(|edge| edge_peaks(&edge.hashes)).collect();
        Ok(tree)
    }

    fn read_edge<S: TileSource>(&self, level: u32, source: &S) -> Result<Vec<Hash>, TileError<S::Error>> {
        let tile = self.edge_id(level);
        // An edge that just became a full tile is empty, and an empty tile is never stored.
        if tile.width_at(self.size) == 0 { Ok(Vec::new()) } else { read_stored(source, tile, self.size) }
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf hash. Over many leaves this costs one node hash each.
    pub fn append(&mut self, leaf: Hash) {
        self.grow_edge(0, leaf);
        let mut node = leaf;
        // As in adding one to a binary number: each trailing set bit is a peak that now has its right sibling.
        for height in 1..=self.size.trailing_ones() {
            let left = self.peaks.pop().expect("one peak for each set bit of the size");
            node = node_hash(&left, &node);
            if height.is_multiple_of(TILE_HEIGHT) {
                self.grow_edge(height / TILE_HEIGHT, node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    fn grow_edge(&mut self, level: u32, hash: Hash) {
        let id = self.edge_id(level);
        let level = level as usize;
        if self.edges.len() == level {
            self.edges.push(Edge::default());
        }
        let edge = &mut self.edges[level];
        edge.hashes.push(hash);
        // The partial level-0 tile is never stored: the last records give it back, and rewriting it on each commit
        // would cost more than the records.
        edge.grown = level > 0;
        if edge.hashes.len() == TILE_WIDTH {
            self.finished.push((id, edge.hashes.as_flattened().to_vec()));
            *edge = Edge::default();
        }
    }

    /// The tile that the edge of this level grows into.
    fn edge_id(&self, level: u32) -> TileId {
        TileId { level: level as u8, index: full_subtrees(self.size, level + 1) }
    }

    /// The root over all leaves, at most 63 node hashes (RFC 9162 2.1.1).
    pub fn root(&self) -> Hash {
        join_peaks(&self.peaks)
    }

    /// The tiles to store since the last call, by level and index: each level-0 tile once, when it is full; each
    /// higher tile whenever it grew, partial or full, replacing its shorter self.
    pub fn take_changed(&mut self) -> Vec<(TileId, Vec<u8>)> {
        let mut changed = mem::take(&mut self.finished);
        for level in 0..self.edges.len() {
            let id = self.edge_id(level as u32);
            let edge = &mut self.edges[level];
            if mem::take(&mut edge.grown) {
                changed.push((id, edge.hashes.as_flattened().to_vec()));
            }
        }
        changed.sort_unstable_by_key(|(id, _)| *id);
        changed
    }

    /// The leaf hashes after the last full level-0 tile, `size mod 256` of them: what no tile holds.
    pub fn partial_leaves(&self) -> &[Hash] {
        self.edges.first().map_or(&[], |edge| &edge.hashes)
    }
}

/// The peaks inside one edge, widest first: one for each set bit of its width.
fn edge_peaks(mut hashes: &[Hash]) -> Vec<Hash> {
    let mut peaks = Vec::new();
    while let Some(height) = hashes.len().checked_ilog2() {
        let (full, rest) = hashes.split_at(1 << height);
        peaks.push(fold(full));
        hashes = rest;
    }
    peaks
}

// ---- Proofs ----

/// Reads the nodes of a tree of `size` leaves: stored tiles, and the leaf hashes that no tile holds yet. It fixes one
/// state, so a writer that grows the tiles meanwhile changes no answer.
#[derive(Debug)]
pub struct HashReader<'a, S> {
    source: &'a S,
    size: u64,
    tail_leaves: &'a [Hash],
}

/// Why a proof could not be made.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ProofError<E> {
    /// A size beyond the tree, or an old size beyond the new one.
    #[error("size {size} lies beyond {limit}")]
    Size {
        /// The size asked for.
        size: u64,
        /// The largest size allowed here.
        limit: u64,
    },
    /// A leaf that a tree of this size does not have.
    #[error("there is no leaf {index} in a tree of {size}")]
    Index {
        /// The leaf asked for.
        index: u64,
        /// The size asked for.
        size: u64,
    },
    /// A tile is missing or damaged.
    #[error("a tile is missing or damaged")]
    Tile(#[from] TileError<E>),
}

impl<'a, S: TileSource> HashReader<'a, S> {
    /// A reader over the tree of `size` leaves; `tail_leaves` are the last `size mod 256` leaf hashes.
    pub fn new(source: &'a S, size: u64, tail_leaves: &'a [Hash]) -> Result<Self, TailMismatch> {
        check_tail(size, tail_leaves)?;
        Ok(HashReader { source, size, tail_leaves })
    }

    /// The number of leaves this reader sees.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of a tile cut to `width` hashes, also of the level-0 tile that is not stored: what a tile request is
    /// answered with. Nothing if this tree does not have so many hashes there.
    pub fn tile_bytes(&self, id: TileId, width: u16) -> Result<Option<Vec<u8>>, TileError<S::Error>> {
        if width == 0 || width > id.width_at(self.size) {
            return Ok(None);
        }
        let hashes = self.hashes(id)?;
        Ok(hashes.get(..usize::from(width)).map(|cut| cut.as_flattened().to_vec()))
    }

    fn hashes(&self, id: TileId) -> Result<Vec<Hash>, TileError<S::Error>> {
        if id.level == 0 && id.index == full_subtrees(self.size, 1) {
            return Ok(self.tail_leaves.to_vec());
        }
        read_stored(self.source, id, self.size)
    }

    fn check_size(&self, size: u64) -> Result<(), ProofError<S::Error>> {
        if size <= self.size { Ok(()) } else { Err(ProofError::Size { size, limit: self.size }) }
    }
}

/// The tiles one proof has read, so that it reads none twice. A proof touches the tiles above its leaf and those on
/// the right edge: at most two a level.
struct ProofTiles<'r, 'a, S> {
    reader: &'r HashReader<'a, S>,
    read: Vec<(TileId, Vec<Hash>)>,
}

impl<'r, 'a, S: TileSource> ProofTiles<'r, 'a, S> {
    fn new(reader: &'r HashReader<'a, S>) -> Self {
        ProofTiles { reader, read: Vec::new() }
    }

    fn hashes(&mut self, id: TileId) -> Result<&[Hash], TileError<S::Error>> {
        let slot = match self.read.iter().position(|(known, _)| *known == id) {
            Some(slot) => slot,
            None => {
                self.read.push((id, self.reader.hashes(id)?));
                self.read.len() - 1
            }
        };
        Ok(&self.read[slot].1)
    }

    /// The root of the `index`-th full subtree of `2^height` leaves. It lies inside one tile.
    fn node(&mut self, height: u32, index: u64) -> Result<Hash, TileError<S::Error>> {
        let height_in_tile = height % TILE_HEIGHT;
        let first = index << height_in_tile;
        let tile = TileId { level: (height / TILE_HEIGHT) as u8, index: first / TILE_WIDTH as u64 };
        let start = (first % TILE_WIDTH as u64) as usize;
        let end = start + (1 << height_in_tile);
        let hashes = self.hashes(tile)?;
        let short = TileError::Short { tile, wanted: end, found: hashes.len() };
        Ok(fold(hashes.get(start..end).ok_or(short)?))
    }

    /// The tree hash over the leaves `start..end`, where `start` is where a subtree of that width may begin.
    fn range(&mut self, start: u64, end: u64) -> Result<Hash, TileError<S::Error>> {
        let mut peaks = Vec::new();
        let mut at = start;
        while let Some(height) = (end - at).checked_ilog2() {
            peaks.push(self.node(height, at >> height)?);
            at += 1 << height;
        }
        Ok(join_peaks(&peaks))
    }
}

/// The width of the left side of a tree of `width` leaves, two or more: the largest power of two below it.
fn split_width(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// The root of the first `size` leaves (RFC 9162 2.1.1).
pub fn root_at<S: TileSource>(reader: &HashReader<'_, S>, size: u64) -> Result<Hash, ProofError<S::Error>> {
    reader.check_size(size)?;
    Ok(ProofTiles::new(reader).range(0, size)?)
}

/// The tree hash over the leaves `start..end`, where `start` is where a subtree of that width may begin.
pub fn range_hash<S: TileSource>(
    reader: &HashReader<'_, S>,
    start: u64,
    end: u64,
) -> Result<Hash, ProofError<S::Error>> {
    reader.check_size(end)?;
    Ok(ProofTiles::new(reader).range(start, end)?)
}

/// The inclusion proof of leaf `index` in the tree of the first `size` leaves, from the leaf's sibling up (RFC 9162
/// 2.1.3.1).
pub fn inclusion_proof<S: TileSource>(
    reader: &HashReader<'_, S>,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    reader.check_size(size)?;
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let mut tiles = ProofTiles::new(reader);
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split_width(end - start);
        if index < middle {
            proof.push(tiles.range(middle, end)?);
            end = middle;
        } else {
            proof.push(tiles.range(start, middle)?);
            start = middle;
        }
    }
    // The walk goes down from the root, a proof is read from the leaf up.
    proof.reverse();
    Ok(proof)
}

/// The consistency proof from the first `old` leaves to the first `new` (RFC 9162 2.1.4.1). It is empty when `old` is
/// 0, which the RFC leaves open and tlog-witness settles so, and when both are the same.
pub fn consistency_proof<S: TileSource>(
    reader: &HashReader<'_, S>,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, ProofError<S::Error>> {
    reader.check_size(new)?;
    if old > new {
        return Err(ProofError::Size { size: old, limit: new });
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let mut tiles = ProofTiles::new(reader);
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, new);
    while old < end {
        let middle = start + split_width(end - start);
        if old <= middle {
            proof.push(tiles.range(middle, end)?);
            end = middle;
        } else {
            proof.push(tiles.range(start, middle)?);
            start = middle;
        }
    }
    // A subtree that begins at the first leaf is the whole old tree, whose root the verifier already has.
    if start > 0 {
        proof.push(tiles.range(start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

// ---- Verifiers ----

/// A walk from a node to the root, on the level of the node: its index and the last index there. The names `fn` and
/// `sn` of RFC 9162.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// Goes up past one proof hash and says whether that hash stands on the left; nothing above the root.
    fn step(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.node % 2 == 1 || self.node == self.last { Side::Left } else { Side::Right };
        if matches!(side, Side::Left) {
            // The last node of a level without a sibling goes up as it is, until it is a right child.
            self.rise(self.node.trailing_zeros());
        }
        self.rise(1);
        Some(side)
    }

    fn rise(&mut self, levels: u32) {
        self.node = self.node.checked_shr(levels).unwrap_or(0);
        self.last = self.last.checked_shr(levels).unwrap_or(0);
    }

    fn at_root(&self) -> bool {
        self.last == 0
    }
}

/// On which side of the walk a proof hash stands.
enum Side {
    Left,
    Right,
}

/// Whether `proof` shows that the leaf with hash `leaf` stands at `index` in the tree of `size` leaves with this
/// `root` (RFC 9162 2.1.3.2). The size is as trustworthy as where it came from: take it from a signed checkpoint.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    index < size && climbed_root(*leaf, index, size - 1, proof).as_ref() == Some(root)
}

/// The root that a proof leads to, if its length fits. `last` is the last index of the tree.
pub(super) fn climbed_root(leaf: Hash, index: u64, last: u64, proof: &[Hash]) -> Option<Hash> {
    let mut climb = Climb { node: index, last };
    let mut hash = leaf;
    for sibling in proof {
        hash = match climb.step()? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    climb.at_root().then_some(hash)
}

/// Whether `proof` shows that the tree of `old` leaves with `old_root` is the beginning of the tree of `new` leaves
/// with `new_root` (RFC 9162 2.1.4.2). The empty tree is the beginning of every tree, with an empty proof.
pub fn verify_consistency(old: u64, new: u64, proof: &[Hash], old_root: &Hash, new_root: &Hash) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    old < new && climbed_roots(old, new, proof, old_root) == Some((*old_root, *new_root))
}

/// Both roots that the proof leads to. `old` is at least 1 and below `new`.
fn climbed_roots(old: u64, new: u64, proof: &[Hash], old_root: &Hash) -> Option<(Hash, Hash)> {
    // An old tree of a power of two is itself a node of the new one, so the proof leaves it out.
    let (shared, siblings) = if old.is_power_of_two() { (old_root, proof) } else { proof.split_first()? };
    let mut climb = Climb { node: old - 1, last: new - 1 };
    climb.rise(climb.node.trailing_ones());
    let (mut old_hash, mut new_hash) = (*shared, *shared);
    for sibling in siblings {
        match climb.step()? {
            Side::Left => {
                old_hash = node_hash(sibling, &old_hash);
                new_hash = node_hash(sibling, &new_hash);
            }
            Side::Right => new_hash = node_hash(&new_hash, sibling),
        }
    }
    climb.at_root().then_some((old_hash, new_hash))
}

#[cfg(test)]
mod tests;
