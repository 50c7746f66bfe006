-- What the sealer keeps: one log a tenant, a Merkle tree of its events (docs/sealed-history.md), beside the event log and
-- made from it. Only salts can't be made anew; everything else can be recomputed from the event log.
CREATE SCHEMA seal;

-- How far the sealer has come in the event log, and who may seal: one at a time, by a lease with a fencing token.
CREATE TABLE seal.progress (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    fence bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    -- By which the key is known that signs, as the administration of all tenants was told; none while nothing is sealed.
    key_id text
);
INSERT INTO seal.progress DEFAULT VALUES;

-- The run that the sampler has compared last, by log and number.
CREATE TABLE seal.sampler (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    log_id integer NOT NULL DEFAULT 0,
    number bigint NOT NULL DEFAULT -1
);
INSERT INTO seal.sampler DEFAULT VALUES;

-- The logs. The first one, without a tenant, is the ledger's own: it holds the checkpoints of all tenants.
CREATE TABLE seal.logs (
    log_id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    tenant text COLLATE "C" UNIQUE,
    -- The part of the origin after the ledger's name: random, so that nobody learns a tenant's name from it.
    suffix text NOT NULL UNIQUE,
    -- Leaves of the tree so far; more than the newest checkpoint says while there is news.
    size bigint NOT NULL DEFAULT 0,
    runs bigint NOT NULL DEFAULT 0,
    -- The stream of the administration. (Salt: 32 random bytes. Hashes: SHA-256.)
    admin_salt bytea NOT NULL CHECK (octet_length(admin_salt) = 32),
    admin_count bigint NOT NULL DEFAULT 0,
    admin_first bytea,
    admin_last bytea
);
CREATE UNIQUE INDEX logs_of_the_ledger ON seal.logs ((true)) WHERE tenant IS NULL;

-- One row a run, numbered in the order in which the tenant's runs began. `sealed_*` is what the heads tree of the newest
-- checkpoint says, the rest what came since.
CREATE TABLE seal.runs (
    log_id integer NOT NULL REFERENCES seal.logs,
    number bigint NOT NULL,
    run_id uuid NOT NULL,
    -- When its first event was recorded, as that says; none where it does not say.
    began_at timestamptz,
    salt bytea NOT NULL CHECK (octet_length(salt) = 32),
    count bigint NOT NULL,
    first bytea NOT NULL,
    last bytea NOT NULL,
    sealed_count bigint NOT NULL DEFAULT 0,
    sealed_last bytea,
    PRIMARY KEY (log_id, number),
    UNIQUE (log_id, run_id)
) WITH (fillfactor = 70);
CREATE INDEX runs_by_beginning ON seal.runs (log_id, began_at, number);
CREATE INDEX runs_with_news ON seal.runs (log_id, number) WHERE count > sealed_count;

-- Tiles of up to 256 hashes, one after another, of the tree of entries (0) and the tree of heads (1).
CREATE TABLE seal.tiles (
    log_id integer NOT NULL REFERENCES seal.logs,
    tree smallint NOT NULL CHECK (tree IN (0, 1)),
    level smallint NOT NULL,
    index bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (log_id, tree, level, index)
);
-- Hashes can't be compressed; trying costs time.
ALTER TABLE seal.tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- Every size that was signed, or is about to be: what is committed here without a note is signed next, and nothing else of
-- its size ever is.
CREATE TABLE seal.checkpoints (
    log_id integer NOT NULL REFERENCES seal.logs,
    size bigint NOT NULL,
    root bytea NOT NULL,
    runs bigint NOT NULL,
    heads_root bytea NOT NULL,
    admin_count bigint NOT NULL,
    admin_first bytea,
    admin_last bytea,
    -- The event log up to here is in it.
    position bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- With its signatures, a C2SP signed note.
    note text,
    -- Of a tenant's: which leaf it is in the ledger's own log.
    leaf bigint,
    PRIMARY KEY (log_id, size)
);
CREATE UNIQUE INDEX checkpoints_by_leaf ON seal.checkpoints (leaf) WHERE leaf IS NOT NULL;
CREATE INDEX checkpoints_unsigned ON seal.checkpoints (log_id, size) WHERE note IS NULL;

-- Where the event log, or these tables, are not as they were sealed. A row goes when what it is about is found in order.
CREATE TABLE seal.findings (
    log_id integer NOT NULL REFERENCES seal.logs,
    -- The run's number; -1 where it is about no single run.
    number bigint NOT NULL,
    run_id uuid,
    -- The first event that differs, where that is known.
    revision bigint,
    position bigint,
    what text NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (log_id, number)
);
