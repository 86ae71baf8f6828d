-- The signed head, step 1: a file of its own, apart from the log it speaks of, so that an older copy of the log put in
-- its place is noticed. It moves only forward. Back it up apart from the ledger file, and never roll it back.

-- What was signed last: one row.
CREATE TABLE signed_head (
    -- Always 0.
    id INTEGER PRIMARY KEY CHECK (id = 0),
    -- Size of the tree: the position of its last record.
    size INTEGER NOT NULL CHECK (size >= 0),
    -- RFC 6962 root at that size.
    root BLOB NOT NULL CHECK (length(root) = 32)
) STRICT;

CREATE TRIGGER signed_head_never_goes BEFORE DELETE ON signed_head
BEGIN SELECT raise(ABORT, 'the signed head is never deleted'); END;

CREATE TRIGGER signed_head_moves_forward BEFORE UPDATE ON signed_head WHEN NEW.size <= OLD.size
BEGIN SELECT raise(ABORT, 'the signed head moves only forward'); END;

-- Signed checkpoints, served as they are stored. A checkpoint whose signed_head row was written but that is not here
-- was never handed out: a crash came in between, and the next one follows.
CREATE TABLE checkpoints (
    -- Size of the tree.
    size INTEGER PRIMARY KEY,
    -- The C2SP signed note, under the name and key that the log had at that size.
    note TEXT NOT NULL
) STRICT;

CREATE TRIGGER checkpoints_never_change BEFORE UPDATE ON checkpoints
BEGIN SELECT raise(ABORT, 'checkpoints are never changed'); END;
