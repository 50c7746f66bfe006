-- What titles are found by is the projector's to say: lower() knows the letters of the database's locale only, and
-- in "C" those are ASCII's. The key of an ASCII title is known here; the others are keyed by the projector when it
-- begins to work.
ALTER TABLE projection.runs ALTER COLUMN title_key DROP EXPRESSION;
UPDATE projection.runs AS r SET title_key = k.key
FROM (
    SELECT run_id, CASE WHEN octet_length(title) = char_length(title) THEN lower(title COLLATE "C") END AS key
    FROM projection.runs WHERE title IS NOT NULL
) AS k
WHERE k.run_id = r.run_id AND r.title_key IS DISTINCT FROM k.key;
CREATE INDEX runs_without_key ON projection.runs (run_id) WHERE title_key IS NULL AND title IS NOT NULL;

-- As projection.run_beginning, which a program that is not replaced yet goes on using.
CREATE TYPE projection.run_origin AS (
    tenant          text,
    kind            text,
    title           text,
    title_key       text,
    initiator_id    text,
    initiator_name  text,
    labels          text,
    context         text,
    idempotency_key text,
    queued_at       timestamptz
);
