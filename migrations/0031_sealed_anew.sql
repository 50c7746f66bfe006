-- A database that was restored to an earlier moment is sealed again under other names: `<ledger>/2` and
-- `<ledger>/t/<suffix>/2`. The trees stay, and the first entry under the new name says what it goes on from.

-- Under the how manyth name a log is signed, from 1.
ALTER TABLE seal.logs ADD COLUMN generation integer NOT NULL DEFAULT 1;
-- Under which name a size was signed, or is to be.
ALTER TABLE seal.checkpoints ADD COLUMN generation integer NOT NULL DEFAULT 1;

-- The entries with which logs were begun anew: leaves that no event has.
CREATE TABLE seal.continues (
    log_id integer NOT NULL REFERENCES seal.logs,
    -- Which leaf of the tree it is.
    index bigint NOT NULL,
    -- The name from here on.
    generation integer NOT NULL,
    -- `docs/sealed-history.md` has its form.
    text text NOT NULL,
    PRIMARY KEY (log_id, index),
    UNIQUE (log_id, generation)
);
