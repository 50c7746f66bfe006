-- Time stamps (RFC 3161) of the ledger's own log: one covers the checkpoints of all tenants.
CREATE TABLE seal.time_stamps (
    log_id integer NOT NULL,
    size bigint NOT NULL,
    -- The bytes that are stamped: the note as it was then. Cosignatures may have come since.
    note text NOT NULL,
    -- The authority's answer as it came (DER).
    response bytea NOT NULL,
    -- The time that it claims, and who gave it.
    claimed_at timestamptz NOT NULL,
    authority text NOT NULL,
    PRIMARY KEY (log_id, size),
    FOREIGN KEY (log_id, size) REFERENCES seal.checkpoints
);

-- When the next one is asked for, by one process of all, and what became of it last.
CREATE TABLE seal.time_stamping (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    next_at timestamptz NOT NULL DEFAULT '-infinity',
    -- In a row, and why the last one.
    failures bigint NOT NULL DEFAULT 0,
    failure text
);
INSERT INTO seal.time_stamping DEFAULT VALUES;

-- By which checkpoint an event was sealed, for its receipt.
CREATE INDEX checkpoints_by_position ON seal.checkpoints (log_id, position, size);
