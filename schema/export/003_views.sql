-- Views for the common questions, with the texts in place of their numbers.

-- Which access a token had on an account, from when until when, with what begins or ends it by the clock. `until_at` null: it
-- lasts. A place in history is a time and a position: of an instant the first record at it or after it.
CREATE VIEW access_held AS
WITH judged AS (
    SELECT holdings.*, export.position + 1 AS beyond,
        works_from IS NOT NULL AND works_from > since_at AS begins_by_clock,
        works_until IS NOT NULL AND works_until <= judged_at AND (ended_at IS NULL OR works_until <= ended_at)
            AS ends_by_clock
    FROM holdings CROSS JOIN export
    WHERE works_from IS NULL OR works_from <= judged_at
), placed AS (
    SELECT token_id, account_id, user_id, access_position, member_access_position, allowed_addresses,
        CASE WHEN begins_by_clock THEN works_from ELSE since_at END AS from_at,
        CASE WHEN begins_by_clock THEN
            COALESCE((SELECT position FROM events WHERE recorded_at >= works_from ORDER BY recorded_at, position LIMIT 1), beyond)
            ELSE since_position END AS from_position,
        CASE WHEN begins_by_clock THEN 'not_before'
            ELSE (SELECT type FROM events WHERE position = since_position) END AS began_by,
        CASE WHEN ends_by_clock THEN works_until ELSE ended_at END AS until_at,
        CASE WHEN ends_by_clock THEN
            COALESCE((SELECT position FROM events WHERE recorded_at >= works_until ORDER BY recorded_at, position LIMIT 1), beyond)
            ELSE ended_position END AS until_position,
        CASE WHEN ends_by_clock THEN works_end
            ELSE (SELECT type FROM events WHERE position = ended_position) END AS ended_by
    FROM judged
)
SELECT * FROM placed WHERE until_at IS NULL OR (until_at, until_position) > (from_at, from_position);

-- Resources by the scopes that name them.
CREATE VIEW resource_scopes AS
SELECT resources.*, scope_group FROM resources JOIN (
    SELECT 'domain' AS of_kind, 'domains' AS scope_group UNION ALL
    SELECT 'domain', 'registrar' UNION ALL
    SELECT 'domain', 'certificates' UNION ALL
    SELECT 'zone', 'zones'
) ON of_kind = kind;

-- What can be asked about, in parts of time: a name while the account had it among its resources (`resource_there` 1) and while
-- it did not (0), a name that it never had (null), and all of a group (`name_text` 0), if it needs Domain Research while that
-- was active.
CREATE VIEW scope_parts AS
WITH presence AS (
    SELECT account_id, scope_group, name_text, added_at, added_position, removed_at, removed_position,
        lag(removed_at) OVER was AS before_at, lag(removed_position) OVER was AS before_position,
        lead(added_position) OVER was AS next_position
    FROM resource_scopes WINDOW was AS (PARTITION BY account_id, scope_group, name_text ORDER BY added_position)
)
SELECT account_id, scope_group, name_text, added_at AS from_at, added_position AS from_position,
    'ResourceAdded' AS began_by, removed_at AS until_at, removed_position AS until_position,
    'ResourceRemoved' AS ended_by, 1 AS resource_there
FROM presence
UNION ALL
SELECT account_id, scope_group, name_text, COALESCE(before_at, ''), COALESCE(before_position, 0), 'ResourceRemoved',
    added_at, added_position, 'ResourceAdded', 0
FROM presence
UNION ALL
SELECT account_id, scope_group, name_text, removed_at, removed_position, 'ResourceRemoved', NULL, NULL, NULL, 0
FROM presence WHERE next_position IS NULL AND removed_at IS NOT NULL
UNION ALL
SELECT account_id, scope_group, name_text, '', 0, NULL, NULL, NULL, NULL, NULL
FROM scope_names AS named WHERE NOT EXISTS (
    SELECT 1 FROM resource_scopes AS had
    WHERE had.account_id = named.account_id AND had.scope_group = named.scope_group AND had.name_text = named.name_text
)
UNION ALL
SELECT account_id, scope_group, 0, '', 0, NULL, NULL, NULL, NULL, NULL
FROM accounts CROSS JOIN scope_groups WHERE NOT needs_research
UNION ALL
SELECT account_id, scope_group, 0, since_at, since_position, 'ResearchActivated', until_at, until_position,
    'ResearchDeactivated', NULL
FROM research_periods CROSS JOIN scope_groups WHERE needs_research;

-- The view below, by numbers. Of an OAuth token both what was authorised and its member's access must allow it; what lets it
-- is the later of the two, and it is full, or of all, only where both are.
CREATE VIEW could_parts AS
WITH both AS (
    SELECT part.account_id, part.scope_group, part.name_text, part.resource_there,
        held.token_id, held.user_id, held.allowed_addresses,
        max(held.access_position, COALESCE(held.member_access_position, 0)) AS access_position,
        CASE WHEN own.is_full AND COALESCE(members.is_full, 1) THEN 'full'
            WHEN COALESCE(named.name_text, members_named.name_text) IS NOT NULL THEN 'named' ELSE 'all' END AS coverage,
        (own.is_full OR granted.level IS 'full_access')
            AND (COALESCE(members.is_full, 1) OR members_granted.level IS 'full_access') AS can_write,
        (part.from_at, part.from_position) > (held.from_at, held.from_position) AS begins_with_part,
        part.until_at IS NOT NULL AND (held.until_at IS NULL
            OR (part.until_at, part.until_position) < (held.until_at, held.until_position)) AS ends_with_part,
        part.from_at AS part_from_at, part.from_position AS part_from_position, part.began_by AS part_began_by,
        part.until_at AS part_until_at, part.until_position AS part_until_position, part.ended_by AS part_ended_by,
        held.from_at, held.from_position, held.began_by, held.until_at, held.until_position, held.ended_by
    FROM scope_parts AS part
    JOIN access_held AS held ON held.account_id = part.account_id
    JOIN accesses AS own ON own.access_position = held.access_position
    LEFT JOIN grants AS granted ON granted.access_position = held.access_position AND granted.scope_group = part.scope_group
    LEFT JOIN grant_resources AS named ON named.access_position = held.access_position
        AND named.scope_group = part.scope_group AND named.name_text = part.name_text
    LEFT JOIN accesses AS members ON members.access_position = held.member_access_position
    LEFT JOIN grants AS members_granted ON members_granted.access_position = held.member_access_position
        AND members_granted.scope_group = part.scope_group
    LEFT JOIN grant_resources AS members_named ON members_named.access_position = held.member_access_position
        AND members_named.scope_group = part.scope_group AND members_named.name_text = part.name_text
    WHERE (own.is_full OR granted.coverage IS 'all' OR named.name_text IS NOT NULL)
        AND (COALESCE(members.is_full, 1) OR members_granted.coverage IS 'all' OR members_named.name_text IS NOT NULL)
        AND (part.resource_there IS NOT 0 OR COALESCE(named.name_text, members_named.name_text) IS NOT NULL)
), cut AS (
    SELECT account_id, scope_group, name_text, resource_there, token_id, user_id, access_position, allowed_addresses, coverage,
        can_write,
        CASE WHEN begins_with_part THEN part_from_at ELSE from_at END AS from_at,
        CASE WHEN begins_with_part THEN part_from_position ELSE from_position END AS from_position,
        CASE WHEN begins_with_part THEN part_began_by ELSE began_by END AS began_by,
        CASE WHEN ends_with_part THEN part_until_at ELSE until_at END AS until_at,
        CASE WHEN ends_with_part THEN part_until_position ELSE until_position END AS until_position,
        CASE WHEN ends_with_part THEN part_ended_by ELSE ended_by END AS ended_by
    FROM both
)
SELECT * FROM cut WHERE until_at IS NULL OR (until_at, until_position) > (from_at, from_position);

-- Question 2: which tokens could touch a resource, when, and by which grant. Ask for one:
--   SELECT * FROM who_could WHERE account_id = 1 AND scope_group = 'zones' AND resource = 'example.com';
-- Who could write: `AND can_write`. Between two times: `AND from_at < T2 AND (until_at IS NULL OR until_at > T1)`.
-- `resource` is `*` for all of the group. `resource_there`: 1 while the account had it, 0 while it did not and a grant named
-- it, null of what the ledger never knew as a resource. From which addresses a token worked is told and not judged.
CREATE VIEW who_could AS
SELECT could.account_id, could.scope_group,
    CASE could.name_text WHEN 0 THEN '*' ELSE named.text END AS resource, could.name_text,
    could.token_id, token_name.text AS token_name, tokens.kind, could.user_id,
    could.from_at, CASE WHEN could.from_position <= export.position THEN could.from_position END AS from_position, could.began_by,
    could.until_at, CASE WHEN could.until_position <= export.position THEN could.until_position END AS until_position,
    could.ended_by, could.can_write, could.coverage, could.resource_there, could.allowed_addresses,
    could.access_position AS granted_position, granting.recorded_at AS granted_at, granting.type AS granted_by_event,
    granting.principal AS granted_by, granting.principal_id AS granted_by_id
FROM could_parts AS could CROSS JOIN export
JOIN tokens USING (token_id)
LEFT JOIN texts AS named ON named.text_number = could.name_text
LEFT JOIN texts AS token_name ON token_name.text_number = tokens.name_text
LEFT JOIN events AS granting ON granting.position = could.access_position;

-- Question 2: which tokens did, by naming it, by a list that showed it (`list`), or by asking for all (`all`).
CREATE VIEW who_did AS
WITH told AS (
    SELECT account_id, scope_group, name_text, token_id, 'name' AS way, verb, outcome, is_reported, status, position,
        recorded_at
    FROM uses WHERE target = 'name' AND name_text > 0
    UNION ALL
    SELECT uses.account_id, uses.scope_group, could.name_text, uses.token_id, target, verb, outcome, is_reported, status,
        position, recorded_at
    FROM uses JOIN could_parts AS could
        ON could.account_id = uses.account_id AND could.scope_group = uses.scope_group AND could.token_id = uses.token_id
        AND could.resource_there IS NOT 0
        AND could.from_position <= COALESCE(uses.known_position, uses.position)
        AND (could.until_position IS NULL OR COALESCE(uses.known_position, uses.position) < could.until_position)
    WHERE target IN ('list', 'all') AND (is_reported OR outcome IN ('ok', 'unknown_upstream'))
)
SELECT told.account_id, told.scope_group, CASE told.name_text WHEN 0 THEN '*' ELSE named.text END AS resource, told.name_text,
    told.token_id, token_name.text AS token_name, tokens.kind, way AS by, verb,
    CASE WHEN is_reported THEN COALESCE('status ' || status, 'status not told') ELSE outcome END AS outcome, is_reported,
    CASE WHEN is_reported THEN COALESCE(status, 0) < 400 ELSE outcome IN ('ok', 'unknown_upstream') END AS has_reached,
    count(*) AS count, min(recorded_at) AS first_at, min(position) AS first_position,
    max(recorded_at) AS last_at, max(position) AS last_position
FROM told JOIN tokens USING (token_id)
LEFT JOIN texts AS named ON named.text_number = told.name_text
LEFT JOIN texts AS token_name ON token_name.text_number = tokens.name_text
GROUP BY told.account_id, told.scope_group, told.name_text, told.token_id, way, verb, is_reported,
    CASE WHEN is_reported THEN COALESCE(status, 0) ELSE outcome END;

-- Question 4: what each token asked for, by scope.
CREATE VIEW scopes_used AS
WITH used AS (
    SELECT token_id, account_id, scope_group, verb, target, name_text, target_number, count(*) AS uses,
        sum(is_reported) AS reported, min(position) AS first_position, max(position) AS last_position
    FROM uses WHERE scope_group IS NOT NULL AND source IS NOT 'identity'
    GROUP BY token_id, account_id, scope_group, verb, target, name_text, target_number
)
SELECT used.token_id, used.account_id, used.scope_group || ':' || CASE used.target
        WHEN 'name' THEN COALESCE(text, '#' || used.name_text) WHEN 'number' THEN used.target_number ELSE '*' END
        || ':' || used.verb AS scope,
    used.scope_group, used.verb, used.target, used.name_text, used.target_number, used.uses, used.reported,
    COALESCE(first.occurred_at, first.recorded_at) AS first_at, used.first_position,
    COALESCE(last.occurred_at, last.recorded_at) AS last_at, used.last_position
FROM used
JOIN uses AS first ON first.position = used.first_position
JOIN uses AS last ON last.position = used.last_position
LEFT JOIN texts ON text_number = used.name_text;

-- Every grant in force, of tokens and of members (`token_id` null), with what was asked for in its group: of an OAuth token those
-- that were authorised, whatever its member has. Full access is a grant
-- of all of every group. `is_needed`: a smaller access would have a grant here too; `needs_all`: one of all, since all was asked
-- for, or only lists were, or more names than a grant takes (1,000); `writes`: one with full access. A number that was no
-- resource's is covered by a grant of all only, and needs none by itself.
CREATE VIEW grants_used AS
WITH bearers AS (
    SELECT token_id, NULL AS user_id, account_id, access_position FROM tokens
    WHERE account_id IS NOT NULL AND access_position IS NOT NULL
    UNION ALL
    SELECT NULL, user_id, account_id, access_position FROM memberships WHERE until_position IS NULL
), granted AS (
    SELECT bearers.*, scope_group, level, coverage FROM bearers JOIN grants USING (access_position)
    UNION ALL
    SELECT bearers.*, scope_group, CASE WHEN has_write THEN 'full_access' ELSE 'read_only' END, 'all'
    FROM bearers JOIN accesses USING (access_position) CROSS JOIN scope_groups WHERE is_full
), by_bearer AS (
    SELECT used.token_id, NULL AS user_id, used.account_id, scope_group, verb, target, used.name_text, used.uses, first_position,
        last_position
    FROM scopes_used AS used JOIN tokens USING (token_id) WHERE tokens.account_id = used.account_id
    UNION ALL
    SELECT NULL, user_id, used.account_id, scope_group, verb, target, used.name_text, used.uses, first_position, last_position
    FROM scopes_used AS used
    JOIN (SELECT DISTINCT token_id, user_id FROM holdings WHERE user_id IS NOT NULL) AS whose USING (token_id)
), asked AS (
    SELECT token_id, user_id, account_id, scope_group, sum(uses) AS uses, max(verb = 'write') AS wrote,
        max(verb = 'write' AND target IN ('name', 'list')) AS wrote_named, max(target = 'all') AS asked_for_all,
        max(target = 'list') AS listed, count(DISTINCT CASE target WHEN 'name' THEN name_text END) AS names,
        min(first_position) AS first_position, max(last_position) AS last_position
    FROM by_bearer GROUP BY token_id, user_id, account_id, scope_group
), judged AS (
    SELECT granted.*, asked.uses, wrote, wrote_named, listed, names, first_position, last_position,
        asked.uses IS NOT NULL AND (NOT restrictable OR asked_for_all OR names > 1000
            OR (listed AND names = 0 AND coverage = 'all')) AS needs_all
    FROM granted JOIN scope_groups USING (scope_group)
    LEFT JOIN asked ON asked.token_id IS granted.token_id AND asked.user_id IS granted.user_id
        AND asked.account_id = granted.account_id AND asked.scope_group = granted.scope_group
)
SELECT token_id, user_id, account_id, access_position, scope_group, level, coverage, COALESCE(uses, 0) AS uses,
    COALESCE(names, 0) AS names, COALESCE(listed, 0) AS listed, first_position, last_position,
    needs_all OR COALESCE(names > 0 OR listed, 0) AS is_needed, needs_all,
    COALESCE(CASE WHEN needs_all THEN wrote ELSE wrote_named END, 0) AS writes
FROM judged;

-- Question 4: what an access in force covers and nobody used: whole grants, writing, names, and `all` where names would do.
CREATE VIEW grants_unused AS
SELECT token_id, user_id, account_id, scope_group, NULL AS resource, 'the whole grant, ' || level AS what
FROM grants_used WHERE NOT is_needed AND uses = 0
UNION ALL
SELECT token_id, user_id, account_id, scope_group, NULL, 'writing'
FROM grants_used WHERE is_needed AND level = 'full_access' AND NOT writes
UNION ALL
SELECT token_id, user_id, account_id, scope_group, '*', 'all but the names used'
FROM grants_used WHERE is_needed AND coverage = 'all' AND NOT needs_all
UNION ALL
SELECT given.token_id, given.user_id, given.account_id, given.scope_group, text, 'the name'
FROM grants_used AS given
JOIN grant_resources AS named ON named.access_position = given.access_position AND named.scope_group = given.scope_group
LEFT JOIN texts ON text_number = named.name_text
WHERE is_needed AND NOT EXISTS (
    SELECT 1 FROM scopes_used AS used
    WHERE used.scope_group = given.scope_group AND used.account_id = given.account_id AND used.name_text = named.name_text
        AND (used.token_id = given.token_id
            OR used.token_id IN (SELECT token_id FROM holdings WHERE holdings.user_id = given.user_id))
);

-- Question 5: since when each token that is not deleted was not used. `unknown`: it was taken over from another system, which
-- did not tell. Not used for 90 days: `WHERE unused_days >= 90`.
CREATE VIEW unused_tokens AS
SELECT tokens.token_id, text AS token_name, tokens.kind, tokens.account_id, user_id,
    CASE WHEN last_used_at IS NOT NULL THEN 'used' WHEN imported_at IS NOT NULL THEN 'unknown' ELSE 'never' END
        AS last_used_status,
    last_used_at, last_used_position, COALESCE(last_used_at, imported_at, created_at) AS unused_since,
    max(0, (strftime('%s', substr(judged_at, 1, 19))
        - strftime('%s', substr(COALESCE(last_used_at, imported_at, created_at), 1, 19))) / 86400) AS unused_days
FROM tokens CROSS JOIN export LEFT JOIN texts ON text_number = name_text WHERE deleted_at IS NULL;

-- Tokens that end, and those that have ended and that nobody deleted.
CREATE VIEW expiring_tokens AS
SELECT tokens.token_id, text AS token_name, tokens.kind, tokens.account_id, user_id, expires_at, expires_at <= judged_at AS has_expired
FROM tokens CROSS JOIN export LEFT JOIN texts ON text_number = name_text
WHERE deleted_at IS NULL AND expires_at IS NOT NULL;

-- Question 5: how much of each window of an account, or of a user's own, each token had, and how often it was refused for it.
CREATE VIEW quota_by_token AS
SELECT NULLIF(windows.account_id, 0) AS account_id, NULLIF(windows.user_id, 0) AS user_id, opened_at, resets_at, hourly_limit,
    token_id, text AS token_name, used, refused,
    CASE WHEN hourly_limit > 0 THEN round(used * 100.0 / hourly_limit, 1) END AS percent_of_limit
FROM windows JOIN window_shares USING (account_id, user_id, opened_second)
JOIN tokens USING (token_id) LEFT JOIN texts ON text_number = name_text;

-- The same, window by window.
CREATE VIEW quota_by_window AS
SELECT NULLIF(windows.account_id, 0) AS account_id, NULLIF(windows.user_id, 0) AS user_id, opened_at, resets_at, hourly_limit,
    sum(used) AS used, sum(refused) AS refused, count(*) AS tokens,
    CASE WHEN hourly_limit > 0 THEN round(sum(used) * 100.0 / hourly_limit, 1) END AS percent_of_limit
FROM windows JOIN window_shares USING (account_id, user_id, opened_second)
GROUP BY windows.account_id, windows.user_id, windows.opened_second;

-- Tokens as a person reads them.
CREATE VIEW tokens_in_words AS
SELECT tokens.token_id, token_name.text AS token_name, tokens.kind, tokens.account_id, account_name.text AS account_name,
    tokens.user_id, user_name.text AS user_name, hint,
    CASE WHEN deleted_at IS NOT NULL THEN 'deleted' WHEN tokens.expires_at <= judged_at THEN 'expired'
        WHEN not_before > judged_at THEN 'not yet valid' ELSE 'live' END AS state,
    CASE WHEN is_full THEN 'full' WHEN access_position IS NULL THEN NULL ELSE COALESCE((
        SELECT group_concat(scope_group || ' ' || level || ' on ' || CASE coverage WHEN 'all' THEN 'all' ELSE COALESCE((
            SELECT group_concat(COALESCE(text, '#' || name_text), ', ') FROM grant_resources AS named
            LEFT JOIN texts ON text_number = name_text
            WHERE named.access_position = grants.access_position AND named.scope_group = grants.scope_group
        ), 'none') END, '; ') FROM grants WHERE grants.access_position = tokens.access_position
    ), 'none') END AS access,
    tokens.created_at, tokens.expires_at, deleted_at, last_used_at, tokens.uses
FROM tokens CROSS JOIN export
LEFT JOIN accesses USING (access_position)
LEFT JOIN accounts ON accounts.account_id = tokens.account_id
LEFT JOIN users ON users.user_id = tokens.user_id
LEFT JOIN texts AS token_name ON token_name.text_number = tokens.name_text
LEFT JOIN texts AS account_name ON account_name.text_number = accounts.name_text
LEFT JOIN texts AS user_name ON user_name.text_number = users.name_text;

-- Refusals by token and cause, those past what is recorded one by one included; but of those for the hourly limit only the
-- first of each window: all of them are in `quota_by_token`.
CREATE VIEW refusals_by_cause AS
SELECT account_id, token_id, cause, sum(count) AS count, min(first_at) AS first_at, max(last_at) AS last_at FROM (
    SELECT account_id, token_id, cause, 1 AS count, recorded_at AS first_at, recorded_at AS last_at FROM refusals
    UNION ALL
    SELECT account_id, token_id, cause, count, first_at, last_at FROM refusal_sums
) GROUP BY account_id, token_id, cause;

-- Times in which requests were refused unrecorded, starts and stops of recording, and steps of the clock.
CREATE VIEW recording_gaps AS
SELECT position, recorded_at, type, data FROM events
WHERE type IN ('RecordingStarted', 'RecordingStopped', 'RecordingResumed', 'ClockStepped', 'LogContinued');
