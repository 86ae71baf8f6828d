-- The disposable file, step 3: the index, by which records are found without looking through the log. It is made of
-- segments, each of a fixed run of positions, and says for every key (src/projections/keys.rs) at which of them its
-- records are. It holds numbers only, never a text.

-- One row a segment, written after its blocks: a segment without a row is not there, whatever blocks there are.
CREATE TABLE index_segments (
    -- 0, 1, 2 …: segment n is of positions n * events + 1 to (n + 1) * events.
    segment INTEGER PRIMARY KEY CHECK (segment >= 0),
    -- How many positions a segment has. Segments of another size than the program makes are made anew.
    events INTEGER NOT NULL CHECK (events > 0),
    -- projections::index::INDEX_VERSION of the program that wrote it; those of another are made anew.
    index_version INTEGER NOT NULL,
    -- Leaf hash of the record at its last position: says of which log it is, and of which history.
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    -- For each of its blocks in order 16 bytes, little-endian: first key (8), first place in the segment of that key's
    -- positions in the block (4), CRC-32 of the block's bytes (4).
    directory BLOB NOT NULL CHECK (length(directory) % 16 = 0),
    -- CRC-32 over all of the above: numbers as 8 bytes little-endian each, then the leaf hash, then the directory.
    checksum INTEGER NOT NULL
) STRICT;

-- Blocks of about half a page. Written before the row above, some at a time, so that a crash on the way leaves blocks
-- that nothing names; who writes the segment next deletes them first.
CREATE TABLE index_blocks (
    -- Segment * 2^24, plus 0, 1, 2 …
    block INTEGER PRIMARY KEY,
    -- Keys in order. Of each, as LEB128 numbers: what its number is more than the key's before (of the first one: than
    -- the directory says, so 0); how many places follow; each place, less the one before. A place is the record's
    -- position less the segment's first position. Long lists go on in the next block, under the same key.
    bytes BLOB NOT NULL
) STRICT;
