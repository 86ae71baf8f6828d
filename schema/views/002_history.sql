-- The disposable file, step 2: history tables, which hold what no fold keeps in memory.

-- Up to where the tables below hold everything. Written in one transaction with their rows, so that after a crash it
-- goes on from here and counts nothing twice.
CREATE TABLE history (
    -- There is one row, or none before the first.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- The last position counted in.
    position INTEGER NOT NULL CHECK (position > 0),
    -- projections::snapshot::FOLD_VERSION of the program that began the tables; those of another are made anew.
    fold_version INTEGER NOT NULL,
    -- Leaf hash of the record at that position: says of which log they are, and of which history.
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32)
) STRICT;

-- Usage windows that a later one took the place of. The last window of each account or user is in the read models,
-- ended or not.
CREATE TABLE closed_windows (
    -- Account whose window it was; 0 for a user's own.
    account INTEGER NOT NULL,
    -- User whose own window it was; 0 for an account's.
    user INTEGER NOT NULL,
    -- Unix seconds of its first use.
    opened_at INTEGER NOT NULL,
    -- Unix seconds of its end: an hour after its first use.
    closed_at INTEGER NOT NULL,
    -- The hourly limit in force when it was last drawn from or, while it was open, last changed.
    hourly_limit INTEGER NOT NULL,
    -- Uses drawn.
    used INTEGER NOT NULL,
    -- Refusals for quota in it: all that the log knows of.
    refused INTEGER NOT NULL,
    PRIMARY KEY (account, user, opened_at)
) STRICT, WITHOUT ROWID;

-- Uses by token and clock hour. The hour comes first in the key, so that rows are added near the table's end however
-- many tokens there are; a token's rows are found hour by hour.
CREATE TABLE token_hours (
    -- Clock hours since 1970-01-01T00:00:00Z.
    hour INTEGER NOT NULL,
    -- The token.
    token INTEGER NOT NULL,
    -- Account that was entered; 0 for calls on no account.
    account INTEGER NOT NULL,
    -- Allowed requests; 0 where all were refused.
    uses INTEGER NOT NULL,
    -- Number of the scope group of the last of them that needed one; null if none did.
    last_group INTEGER,
    PRIMARY KEY (hour, token, account)
) STRICT, WITHOUT ROWID;

-- Refusals by token, clock hour and cause; each hour here has its row above. A sum of refusals counts in the hour of
-- its first; a total for quota in the hour it was made, or in which its window ended if that was before.
CREATE TABLE token_hour_refusals (
    -- As above.
    hour INTEGER NOT NULL,
    -- As above.
    token INTEGER NOT NULL,
    -- As above.
    account INTEGER NOT NULL,
    -- The cause, spelled as in events.
    cause TEXT NOT NULL,
    -- Refused requests.
    refused INTEGER NOT NULL,
    PRIMARY KEY (hour, token, account, cause)
) STRICT, WITHOUT ROWID;
