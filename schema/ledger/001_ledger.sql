-- The sacred file, step 1. Steps are numbered, final, and never edited once released.
-- Opened with journal_mode=WAL, synchronous=FULL, secure_delete=ON, recursive_triggers=ON (see src/log/writer.rs).

-- The log: one row an event, and nothing else. No secondary index (an index would cost the hot path its speed).
CREATE TABLE events (
    -- Place in the whole log: 1, 2, 3 … without gaps. Leaf index of the tree = position - 1.
    position INTEGER PRIMARY KEY CHECK (position > 0),
    -- The exact bytes of the record (schema/codec.md). They are the truth; the tree's leaf is their hash.
    record BLOB NOT NULL CHECK (length(record) BETWEEN 5 AND 65535)
) STRICT;

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN SELECT raise(ABORT, 'events are never changed'); END;

-- REPLACE fires this only with recursive_triggers=ON, which every write connection sets.
CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN SELECT raise(ABORT, 'events are never deleted'); END;

-- The RFC 6962 tree over the records, as C2SP tlog-tiles tiles.
CREATE TABLE tiles (
    -- level * 2^56 + index of the tile within its level.
    tile INTEGER PRIMARY KEY,
    -- Up to 256 hashes of 32 bytes. Level 0 is stored when full; upper levels each time they grow.
    hashes BLOB NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0)
) STRICT;

CREATE TRIGGER tiles_never_go BEFORE DELETE ON tiles
BEGIN SELECT raise(ABORT, 'tiles are never deleted'); END;

-- A tile only grows: what it held stays its beginning.
CREATE TRIGGER tiles_only_grow BEFORE UPDATE ON tiles
WHEN NEW.tile <> OLD.tile OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes
BEGIN SELECT raise(ABORT, 'tiles only grow'); END;
