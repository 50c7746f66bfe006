-- Which ledger this is, and which of its epochs. A position means something only together with both: a ledger
-- that was restored to an earlier moment gives positions anew that it gave before, to other events.
--
-- An epoch is the millisecond (since 1970) at which it began, so that none ever comes twice: not when the same
-- backup is restored again, and not when the database is made anew.
CREATE SCHEMA IF NOT EXISTS ledger;

CREATE TABLE ledger.identity (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    ledger_id uuid NOT NULL DEFAULT gen_random_uuid(),
    epoch     bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint CHECK (epoch > 0)
);
INSERT INTO ledger.identity DEFAULT VALUES;
