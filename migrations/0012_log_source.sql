-- Which event log the read tables are folded from: positions of one mean nothing in another. Without a row
-- nothing has been folded yet.
CREATE TABLE log.source (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    name text NOT NULL
);
INSERT INTO log.source (name)
SELECT 'postgres' FROM projection.checkpoints WHERE name = 'monitoring' AND position > 0;

-- How far events were copied from one log to another.
CREATE TABLE log.copies (
    source   text NOT NULL,
    target   text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (source, target)
);
