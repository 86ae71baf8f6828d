-- Made when the rows are there: one sorted pass each.
CREATE INDEX events_by_time ON events (recorded_at, position);
CREATE INDEX events_by_type ON events (type, position) WHERE type NOT IN ('TokenUsed', 'TextSeen');
CREATE INDEX events_by_account ON events (account_id, position) WHERE account_id IS NOT NULL;
CREATE INDEX events_by_token ON events (token_id, position) WHERE token_id IS NOT NULL;
CREATE INDEX texts_by_text ON texts (text, kind);
CREATE INDEX tokens_by_account ON tokens (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX tokens_by_user ON tokens (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX resources_by_name ON resources (account_id, kind, name_text);
CREATE INDEX holdings_by_account ON holdings (account_id, token_id);
CREATE INDEX scope_names_by_name ON scope_names (name_text);
CREATE INDEX uses_by_token ON uses (token_id, scope_group, position);
CREATE INDEX uses_by_name ON uses (name_text, position) WHERE name_text IS NOT NULL;
CREATE INDEX uses_of_wholes ON uses (account_id, scope_group, position) WHERE target IN ('list', 'all');
CREATE INDEX uses_by_address ON uses (address_text) WHERE address_text IS NOT NULL;
CREATE INDEX refusals_by_token ON refusals (token_id, position);
CREATE INDEX refusals_by_name ON refusals (name_text, position) WHERE name_text IS NOT NULL;
