-- What was erased, step 1: a file of its own, so that an older copy of ledger.db put in its place loses those texts again
-- before it is used. Opened with journal_mode=DELETE, synchronous=EXTRA. Never roll it back, and keep it with every
-- backup. It holds no text, and nothing that a text could be guessed by: the salts are erased too.

CREATE TABLE erased (
    -- TextSeen.commitment of the text: 32 random bytes of salt are in it, so it names one text of one log for ever,
    -- whatever number a text has in a log that continues an older copy.
    commitment BLOB PRIMARY KEY CHECK (length(commitment) = 32),
    -- The text's number.
    number INTEGER NOT NULL CHECK (number > 0),
    -- Position of the PersonalDataErased that names it, in the log that erased it last.
    position INTEGER NOT NULL CHECK (position > 0),
    -- 0: announced, right before its event is written; counts only if the log has that event. 1: the log had it.
    finished INTEGER NOT NULL CHECK (finished IN (0, 1))
) STRICT, WITHOUT ROWID;
