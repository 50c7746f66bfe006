-- Runs that are held back: the first event that could not be folded, on the row of its run. Nothing here
-- depends on when it was held, so that a rebuild of the tables gives the same rows.
ALTER TABLE projection.runs
    ADD COLUMN held_revision bigint,
    ADD COLUMN held_position bigint,
    ADD COLUMN held_error    text;
CREATE INDEX runs_held ON projection.runs (tenant, queued_at DESC, run_id DESC) WHERE held_revision IS NOT NULL;

-- Labels are filed beside the runs that they belong to, in whichever schema those are: tables that are
-- built beside the live ones fill themselves in the same way.
CREATE OR REPLACE FUNCTION projection.file_labels() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'INSERT INTO %I.run_labels (tenant, label, queued_at, run_id)
         SELECT run.tenant, label.key || '':'' || label.value, run.queued_at, run.run_id
         FROM added AS run, jsonb_each_text(run.labels) AS label', TG_TABLE_SCHEMA);
    RETURN NULL;
END
$$;
