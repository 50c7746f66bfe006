-- The event log. Written only by the eventlog room's Postgres adapter.
--
-- Positions are dense and equal to commit order: every append moves the single row of log.head in its
-- own transaction, so appends commit one after another and a reader can never see position n before
-- n - 1. A sequence could not promise that: a lower number may commit later than a higher one.

CREATE SCHEMA log;

CREATE TABLE log.head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL CHECK (position >= 0)
);
INSERT INTO log.head (position) VALUES (0);

CREATE TABLE log.events (
    position   bigint NOT NULL CHECK (position > 0),
    stream     text COLLATE "C" NOT NULL CHECK (stream <> ''),
    revision   bigint NOT NULL CHECK (revision >= 0),
    event_id   uuid NOT NULL,
    event_type text COLLATE "C" NOT NULL CHECK (event_type <> ''),
    -- Bytes, not jsonb: what was appended is given back to the letter.
    data       bytea NOT NULL,
    metadata   bytea NOT NULL,
    CONSTRAINT events_position_key PRIMARY KEY (position),
    CONSTRAINT events_stream_revision_key UNIQUE (stream, revision),
    CONSTRAINT events_event_id_key UNIQUE (event_id)
);

-- History is only ever added to. The guard is per statement, so that it also refuses a statement that
-- would have matched no row.
CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER events_are_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON log.events
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

-- The head may move forwards only, and its row may not go.
CREATE FUNCTION log.refuse_backwards_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.position <= OLD.position THEN
        RAISE EXCEPTION 'the head of the event log only moves forwards: % after %', NEW.position, OLD.position
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER head_moves_forwards
    BEFORE UPDATE ON log.head
    FOR EACH ROW EXECUTE FUNCTION log.refuse_backwards_head();

CREATE TRIGGER head_stays
    BEFORE DELETE OR TRUNCATE ON log.head
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
