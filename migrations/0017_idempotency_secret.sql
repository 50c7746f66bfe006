-- What a ledger keeps to itself. No reader's role has a right to this schema.
CREATE SCHEMA IF NOT EXISTS ledger;
REVOKE ALL ON SCHEMA ledger FROM PUBLIC;

-- What idempotency keys are made with: 32 random bytes, made once and with the ledger. Every process that takes
-- commands reads them at its start.
CREATE TABLE ledger.idempotency (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    secret         bytea NOT NULL CHECK (octet_length(secret) = 32),
    -- Whether runs were started before there was a secret: their keys are bare hashes of their contexts, and what is
    -- still active under such a key must not be started once more.
    unkeyed_before boolean NOT NULL
);
REVOKE ALL ON ledger.idempotency FROM PUBLIC;

-- Random UUIDs are the server's strong random numbers, and each has 122 bits of them.
INSERT INTO ledger.idempotency (secret, unkeyed_before)
SELECT sha256(convert_to(string_agg(gen_random_uuid()::text, ''), 'UTF8')),
       EXISTS (SELECT FROM log.events) OR EXISTS (SELECT FROM log.source)
FROM generate_series(1, 4);

-- A bare hash gives away what was redacted from a context to whoever tries words. So the keys that are there are
-- forgotten, for all rows at once; the log keeps them, and no reader sees the log.
ALTER TABLE projection.runs DROP COLUMN idempotency_key;
ALTER TABLE projection.runs ADD COLUMN idempotency_key text COLLATE "C";
