-- The disposable file: delete it and nothing is lost, the next start replays the log. Step 1: snapshots.

-- A fold's state at a position: a cache, checked before it is used.
CREATE TABLE snapshots (
    -- The last position folded into it.
    position INTEGER PRIMARY KEY CHECK (position > 0),
    -- projections::snapshot::FOLD_VERSION of the program that wrote it; another version is not read.
    fold_version INTEGER NOT NULL,
    -- Leaf hash of the record at that position: says of which log it is, and of which history.
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    -- How many chunks hold it.
    chunks INTEGER NOT NULL CHECK (chunks > 0),
    -- SHA-256 over all chunks in order.
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32)
) STRICT;

-- Written before the row above, one by one and in between other work, so that a crash on the way leaves chunks that
-- nothing names; the next snapshot deletes them.
CREATE TABLE snapshot_chunks (
    -- Position of the snapshot.
    position INTEGER NOT NULL,
    -- 0, 1, 2 …
    chunk INTEGER NOT NULL,
    -- Number of a part of the read models (projections::chunks), then rows of it; about 256 KiB.
    bytes BLOB NOT NULL,
    PRIMARY KEY (position, chunk)
) STRICT, WITHOUT ROWID;
