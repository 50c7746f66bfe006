-- Sessions of browsers, and links that open one once. Written and read by the API with the program's own
-- role. Neither holds what it is opened with, only the SHA-256 of it.

-- A session is good for as long as its token is: it has no rights of its own.
CREATE TABLE access.sessions (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    token_id   uuid NOT NULL REFERENCES access.tokens ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_by_expiry ON access.sessions (expires_at);

-- Whoever opens the link deletes its row: it works once.
CREATE TABLE access.sign_in_links (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    token_id   uuid NOT NULL REFERENCES access.tokens ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sign_in_links_by_expiry ON access.sign_in_links (expires_at);

-- The failed items of a run by their reason, for the page of a run: counted in the index alone, and listed
-- in the order of events. The tenant is in it for the sake of row-level security.
CREATE INDEX run_items_failed ON projection.run_items (run_id, reason_code, revision) INCLUDE (tenant)
    WHERE outcome = 'failed';
