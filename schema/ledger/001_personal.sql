-- The sacred file, step 1, second part. Apart from the first because erasing makes these two anew: SQLite's
-- secure_delete overwrites what it deletes, but a page whose rows were moved to make room keeps old copies of rows in
-- its unused middle. So the rows that stay go into a new table, and the old one is dropped: every page of it is
-- overwritten with zeros.

-- The only place of texts that a client or person chose. Records say the number; TextSeen commits to
-- SHA-256(salt || text). Erasing takes rows from here and nothing else.
CREATE TABLE personal (
    -- The text's number.
    number INTEGER PRIMARY KEY CHECK (number > 0),
    -- Whose text: 0 the service, 1 an account, 2 a user.
    subject_kind INTEGER NOT NULL CHECK (subject_kind BETWEEN 0 AND 2),
    -- Number of that account or user; 0 for the service.
    subject INTEGER NOT NULL,
    -- What kind of text, in the order of domain::text::TextKind.
    kind INTEGER NOT NULL,
    -- Token that the text came with, by the header of its TextSeen: of an address or agent the credential (without
    -- one the token), of a token's name the token; 0 for all others. Erasing a token's texts goes by it.
    token INTEGER NOT NULL,
    -- 32 random bytes.
    salt BLOB NOT NULL CHECK (length(salt) = 32),
    -- The text.
    text TEXT NOT NULL
) STRICT;

-- "Has this text a number already?" A text is interned once per subject and kind.
CREATE UNIQUE INDEX personal_by_text ON personal (subject_kind, subject, kind, text);
