-- How far the sampler has come that compares run after run with the log: the last run that somebody took, and the
-- run at which the pass ends, which is the last one that was there when it began. All processes share it. It is
-- not a read table: a rebuild of these does not begin the walk anew.
CREATE SCHEMA IF NOT EXISTS ledger;

CREATE TABLE ledger.sampler (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    taken    uuid,
    until    uuid
);
INSERT INTO ledger.sampler DEFAULT VALUES;
