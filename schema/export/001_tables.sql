-- A ledger as a relational file, for SQL tools: `token-ledger export --format sqlite`. It is a copy, and proves nothing by
-- itself: each row says the position of the record that it comes from, whose leaf hash and proof the service tells.
--
-- Times are RFC 3339 with microseconds (`2026-03-01T12:00:00.123456Z`), in UTC, so that they sort as text. Truths are 1 and 0.
-- Texts that people chose (names, addresses, agents) are in `texts` alone, and elsewhere by their number, as in the log: what
-- is erased in the ledger goes from this file with its next `--incremental` run. The views at the end show them.

-- What this file holds. One row.
CREATE TABLE export (
    -- There is one row.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Release of the program that wrote it last.
    made_by TEXT NOT NULL,
    -- Name of the log (its C2SP origin).
    origin TEXT NOT NULL,
    -- Verifier key of the log.
    log_vkey TEXT NOT NULL,
    -- The last position that is in it. A further `--incremental` run goes on behind it.
    position INTEGER NOT NULL CHECK (position > 0),
    -- Root of the tree over all records up to there (base64): a further run refuses a log that has another one there.
    root_hash TEXT NOT NULL,
    -- The time at which what ends by the clock (expiry, secrets) is judged in the views.
    judged_at TEXT NOT NULL,
    -- Only this account, with the people who were ever its members and their tokens; null: all.
    account_id INTEGER,
    -- Only this token; null: all.
    token_id INTEGER,
    -- Uses and refusals only at or after this time; null: from the beginning. What accounts and tokens are is always told from
    -- their beginning.
    from_time TEXT,
    -- For further runs: how often recording had begun.
    runs INTEGER NOT NULL
) STRICT;

-- Every record: its header, its leaf hash, and what it says where no table of its own has it.
CREATE TABLE events (
    -- Place in the log, from 1, without gaps.
    position INTEGER PRIMARY KEY,
    -- When it was recorded; never before the record before it.
    recorded_at TEXT NOT NULL,
    -- Its type, as in `TokenUsed` (schema/events.md).
    type TEXT NOT NULL,
    -- The account it is about.
    account_id INTEGER,
    -- Its place among all records of that account.
    account_number INTEGER,
    -- The token it is about.
    token_id INTEGER,
    -- Its place among all records of that token within that account.
    token_number INTEGER,
    -- Who acted: service, account, user, staff, local.
    principal TEXT NOT NULL,
    -- Number of who acted: the account, the user, the staff member's token, or the Unix user.
    principal_id INTEGER,
    -- The token that was shown.
    credential_id INTEGER,
    -- The request it came from (UUID).
    request_id TEXT NOT NULL,
    -- SHA-256(0x00 ‖ record), base64: the leaf in the log's tree.
    leaf_hash TEXT NOT NULL,
    -- What it says, as canonical JSON, with texts as their numbers (`"#17"`). Null of uses and refusals: they have tables.
    data TEXT
) STRICT;

-- Scope groups.
CREATE TABLE scope_groups (
    -- Its name, as in `zones`.
    scope_group TEXT PRIMARY KEY,
    -- Its number in records.
    number INTEGER NOT NULL,
    -- Whether grants can name resources.
    restrictable INTEGER NOT NULL,
    -- Whether it has a full-access level.
    has_write INTEGER NOT NULL,
    -- Whether it is there only with Domain Research.
    needs_research INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Texts that people chose, or that came with their requests.
CREATE TABLE texts (
    -- Its number in the log.
    text_number INTEGER PRIMARY KEY,
    -- What it is: account_name, user_name, email, token_name, resource_name, address, agent, application_name,
    -- signing_request, note. Null where its record is not in this file.
    kind TEXT,
    -- Whose it is: service, account, user.
    subject TEXT,
    -- Number of that account or user.
    subject_id INTEGER,
    -- SHA-256(salt ‖ text), base64: what the log says of it.
    commitment TEXT,
    -- Position of the record that says so.
    seen_position INTEGER,
    -- The text; null if it was erased.
    text TEXT
) STRICT;

-- Accounts, as they are.
CREATE TABLE accounts (
    account_id INTEGER PRIMARY KEY,
    -- Name (texts).
    name_text INTEGER,
    -- Contact address (texts).
    email_text INTEGER,
    -- solo, teams, enterprise.
    plan TEXT NOT NULL,
    -- Requests an hour.
    hourly_limit INTEGER NOT NULL,
    -- Whether Domain Research is active.
    has_research INTEGER NOT NULL,
    -- Its most checks a month, if capped.
    research_cap INTEGER,
    -- When and where it was opened.
    created_at TEXT NOT NULL,
    created_position INTEGER NOT NULL,
    -- Counts its changes.
    version INTEGER NOT NULL
) STRICT;

-- People.
CREATE TABLE users (
    user_id INTEGER PRIMARY KEY,
    -- Name (texts).
    name_text INTEGER,
    -- E-mail address (texts).
    email_text INTEGER,
    -- Requests an hour of its own window, for calls on no account.
    hourly_limit INTEGER NOT NULL,
    -- When and where it became known.
    created_at TEXT NOT NULL,
    created_position INTEGER NOT NULL
) STRICT;

-- Domains, zones and certificates, removed ones too.
CREATE TABLE resources (
    resource_id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL,
    -- domain, zone, certificate.
    kind TEXT NOT NULL,
    -- The name that grants and paths say (texts); of a certificate its domain's.
    name_text INTEGER NOT NULL,
    -- When and where it was added.
    added_at TEXT NOT NULL,
    added_position INTEGER NOT NULL,
    -- When and where it was removed; null: it is there.
    removed_at TEXT,
    removed_position INTEGER
) STRICT;

-- When Domain Research was active.
CREATE TABLE research_periods (
    account_id INTEGER NOT NULL,
    -- When and where it became active.
    since_at TEXT NOT NULL,
    since_position INTEGER NOT NULL,
    -- When and where it ended; null: it is active.
    until_at TEXT,
    until_position INTEGER,
    PRIMARY KEY (account_id, since_position)
) STRICT, WITHOUT ROWID;

-- People in accounts, past ones too: one row for each time of being a member.
CREATE TABLE memberships (
    account_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    -- When and where it began.
    since_at TEXT NOT NULL,
    since_position INTEGER NOT NULL,
    -- When and where it ended; null: it lasts.
    until_at TEXT,
    until_position INTEGER,
    -- The last access it had (accesses).
    access_position INTEGER NOT NULL,
    PRIMARY KEY (account_id, user_id, since_position)
) STRICT, WITHOUT ROWID;

-- Tokens, as they are; deleted ones too.
CREATE TABLE tokens (
    token_id INTEGER PRIMARY KEY,
    -- account, user, oauth, gateway, operator, auditor, session.
    kind TEXT NOT NULL,
    -- Whose it is: an account's, a user's, or with both null the service's own.
    account_id INTEGER,
    user_id INTEGER,
    -- Name (texts).
    name_text INTEGER,
    -- Last four characters of its newest secret.
    hint TEXT NOT NULL,
    -- The last access of its own (accesses); null of a user's, which has that of its memberships, and of the service's.
    access_position INTEGER,
    -- Rights and accounts of a gateway token, as JSON.
    gateway TEXT,
    -- When it was made: of one taken over by the other system, as far as was told.
    created_at TEXT NOT NULL,
    -- Where it was made or taken over.
    created_position INTEGER NOT NULL,
    -- Who made it, as in `events`.
    created_by TEXT NOT NULL,
    created_by_id INTEGER,
    -- When it was taken over from another system.
    imported_at TEXT,
    -- From when on it works.
    not_before TEXT,
    -- When it stops working.
    expires_at TEXT,
    -- The only addresses it works from, as a JSON list; null: from anywhere.
    allowed_addresses TEXT,
    -- When and where it was deleted.
    deleted_at TEXT,
    deleted_position INTEGER,
    -- Counts its changes.
    version INTEGER NOT NULL,
    -- Its last use (a request that was allowed, a change made with it, a question asked with it) and how many there were.
    last_used_at TEXT,
    last_used_position INTEGER,
    uses INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Secrets of tokens: their digests, never their texts.
CREATE TABLE secrets (
    token_id INTEGER NOT NULL,
    -- 1 for the first, then counting up with each rotation.
    number INTEGER NOT NULL,
    -- SHA-256 of the whole text, base64.
    hashed_token TEXT NOT NULL,
    -- Its last four characters.
    hint TEXT NOT NULL,
    -- When it stops working, if a rotation ended it.
    not_after TEXT,
    PRIMARY KEY (token_id, number)
) STRICT, WITHOUT ROWID;

-- Every access that a token or a membership was ever given, by the position of the event that gave it.
CREATE TABLE accesses (
    access_position INTEGER PRIMARY KEY,
    -- The account.
    account_id INTEGER NOT NULL,
    -- The token whose own it is; null of a membership's.
    token_id INTEGER,
    -- The member whose it is; null of a token's.
    user_id INTEGER,
    -- Whether it is full access; otherwise it is what `grants` says, and without grants nothing.
    is_full INTEGER NOT NULL
) STRICT;

-- Grants of accesses.
CREATE TABLE grants (
    access_position INTEGER NOT NULL,
    scope_group TEXT NOT NULL,
    -- read_only, full_access.
    level TEXT NOT NULL,
    -- all: every resource, ones added later too; named: those in `grant_resources`.
    coverage TEXT NOT NULL,
    PRIMARY KEY (access_position, scope_group)
) STRICT, WITHOUT ROWID;

-- Names in grants.
CREATE TABLE grant_resources (
    access_position INTEGER NOT NULL,
    scope_group TEXT NOT NULL,
    -- The name (texts).
    name_text INTEGER NOT NULL,
    PRIMARY KEY (access_position, scope_group, name_text)
) STRICT, WITHOUT ROWID;

-- Which access a token had on an account, from when until when by what was recorded. What ends it by the clock is in
-- `works_until`; the view `access_held` has both. An OAuth token can do what both accesses of its row allow.
CREATE TABLE holdings (
    holding_id INTEGER PRIMARY KEY,
    token_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    -- The member whose membership gave it, or who authorised an OAuth token; null: its own.
    user_id INTEGER,
    -- The access (accesses): the membership's, or the token's own.
    access_position INTEGER NOT NULL,
    -- Of an OAuth token the access that the member who authorised it had then (accesses); null of others.
    member_access_position INTEGER,
    -- When and by which record it began.
    since_at TEXT NOT NULL,
    since_position INTEGER NOT NULL,
    -- When and by which record it ended; null: by none yet.
    ended_at TEXT,
    ended_position INTEGER,
    -- From when on the token worked, if not before.
    works_from TEXT,
    -- When it stopped, or stops, working by the clock, and by what: expires_at, secrets_ended.
    works_until TEXT,
    works_end TEXT,
    -- The only addresses it worked from, as a JSON list; null: from anywhere.
    allowed_addresses TEXT
) STRICT;
-- The one that is not ended, for further runs.
CREATE UNIQUE INDEX holdings_open ON holdings (token_id, account_id) WHERE ended_position IS NULL;

-- Names that resources or grants had, or that were asked for, by account and group.
CREATE TABLE scope_names (
    account_id INTEGER NOT NULL,
    scope_group TEXT NOT NULL,
    -- The name (texts).
    name_text INTEGER NOT NULL,
    PRIMARY KEY (account_id, scope_group, name_text)
) STRICT, WITHOUT ROWID;

-- Requests that were allowed, and uses that gateways decided by themselves and reported.
CREATE TABLE uses (
    position INTEGER PRIMARY KEY,
    recorded_at TEXT NOT NULL,
    -- The account; null of calls on none.
    account_id INTEGER,
    token_id INTEGER NOT NULL,
    -- Which of the token's secrets was shown; null where a reporter named the token by its number.
    secret INTEGER,
    -- Where the access came from: token, membership, identity (the route only says who the token is), authorization (of an OAuth token, within its member's); null of reported ones.
    source TEXT,
    -- The version of it that was judged.
    source_version INTEGER,
    -- The scope that was needed: group, verb (read, write), and what of it: name, list, number (unknown in the account), all.
    -- All null where the route needs none.
    scope_group TEXT,
    verb TEXT,
    target TEXT,
    -- The name (texts), 0 for one never seen before; or the number, as digits: a client can ask for one that is too large for SQLite.
    name_text INTEGER,
    target_number TEXT,
    -- The route: a template, or `mapped` or `asked` of a gateway's question; null of reported ones that name none.
    route TEXT,
    -- Of a gateway's question the scope map and the line in it.
    map INTEGER,
    map_line INTEGER,
    -- The gateway token that asked or reported.
    gateway_token_id INTEGER,
    -- The resource that was found.
    resource_id INTEGER,
    -- Where it came from (texts).
    address_text INTEGER,
    agent_text INTEGER,
    -- Drawn from the hourly window, and from the research month.
    general INTEGER NOT NULL,
    research INTEGER NOT NULL,
    -- ok, not_found, invalid, unknown_upstream; null of reported ones.
    outcome TEXT,
    -- Whether a gateway decided it by itself; then when, with what HTTP status (null: not told), and what it knew of the log.
    is_reported INTEGER NOT NULL,
    occurred_at TEXT,
    status INTEGER,
    known_position INTEGER
) STRICT;

-- Requests and management attempts of known tokens that were refused and recorded one by one.
CREATE TABLE refusals (
    position INTEGER PRIMARY KEY,
    recorded_at TEXT NOT NULL,
    account_id INTEGER,
    token_id INTEGER NOT NULL,
    -- Which of the token's secrets was shown.
    secret INTEGER NOT NULL,
    -- Why, as in `missing_scope`.
    cause TEXT NOT NULL,
    -- What was tried, of management attempts; null of requests, which have the columns below, as in `uses`.
    operation TEXT,
    source TEXT,
    source_version INTEGER,
    scope_group TEXT,
    verb TEXT,
    target TEXT,
    name_text INTEGER,
    target_number TEXT,
    route TEXT,
    map INTEGER,
    map_line INTEGER,
    gateway_token_id INTEGER,
    -- The account that the path named, there or not.
    asked_account_id INTEGER,
    address_text INTEGER,
    agent_text INTEGER
) STRICT;

-- Refusals past what is recorded one by one, counted.
CREATE TABLE refusal_sums (
    position INTEGER NOT NULL,
    cause TEXT NOT NULL,
    account_id INTEGER,
    token_id INTEGER NOT NULL,
    -- How many, the first and the last.
    count INTEGER NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    PRIMARY KEY (position, cause)
) STRICT, WITHOUT ROWID;

-- Hourly windows.
CREATE TABLE windows (
    -- Account whose window it was; 0 for a user's own.
    account_id INTEGER NOT NULL,
    -- User whose own window it was; 0 for an account's.
    user_id INTEGER NOT NULL,
    -- Unix seconds of its first use; 0: refusals before any window.
    opened_second INTEGER NOT NULL,
    -- The same as a time, and its end an hour later.
    opened_at TEXT,
    resets_at TEXT,
    -- The limit when it was last drawn from or, while it was open, last changed.
    hourly_limit INTEGER NOT NULL,
    -- For further runs: the run of recording that recorded its first refusal by itself, and whose it was.
    first_refused_run INTEGER,
    first_refused_token INTEGER,
    PRIMARY KEY (account_id, user_id, opened_second)
) STRICT, WITHOUT ROWID;

-- What each token had of them.
CREATE TABLE window_shares (
    account_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    opened_second INTEGER NOT NULL,
    token_id INTEGER NOT NULL,
    -- Drawn, and refused for the limit: recorded one by one and in totals.
    used INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    PRIMARY KEY (account_id, user_id, opened_second, token_id)
) STRICT, WITHOUT ROWID;

-- Domain Research by calendar month (UTC).
CREATE TABLE research_months (
    account_id INTEGER NOT NULL,
    -- As in `2026-03`.
    month TEXT NOT NULL,
    token_id INTEGER NOT NULL,
    used INTEGER NOT NULL,
    -- Refused for the cap.
    refused INTEGER NOT NULL,
    PRIMARY KEY (account_id, month, token_id)
) STRICT, WITHOUT ROWID;
