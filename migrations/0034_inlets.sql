-- Inlets: addresses by which emitters that know nothing of this ledger report. What comes in is kept here until it was
-- translated into events of a run, in the order that the run needs. See docs/decisions/0032.

-- A schema of its own: a process of before, which looks at the rights in those that it knows, is not disturbed.
CREATE SCHEMA inlet;

-- An inlet has one key, and through it come the runs of one tenant and one kind, in one form.
CREATE TABLE inlet.inlets (
    inlet_id   uuid PRIMARY KEY,
    tenant     text COLLATE "C" NOT NULL REFERENCES access.tenants,
    inlet_type text COLLATE "C" NOT NULL CHECK (inlet_type IN ('pings', 'openlineage', 'cloudevents')),
    kind       text COLLATE "C" NOT NULL CHECK (kind <> ''),
    principal  text COLLATE "C" NOT NULL CHECK (principal <> ''),
    -- What its runs promise for workers that promise nothing themselves; NULL: nothing.
    heartbeat_seconds integer CHECK (heartbeat_seconds BETWEEN 1 AND 86400),
    -- SHA-256 of the key, as of a token.
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE INDEX inlets_by_tenant ON inlet.inlets (tenant, created_at);

-- Which run an inlet's own name for it stands for: the same for ever.
CREATE TABLE inlet.runs (
    inlet_id uuid NOT NULL REFERENCES inlet.inlets,
    ref      text COLLATE "C" NOT NULL,
    -- What is put into order together: the name of a job whose pings don't say of which run they are, or the run.
    lane     text COLLATE "C" NOT NULL,
    run_id   uuid NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (inlet_id, ref)
);

-- For a ping that does not say of which run it is: the newest that is open.
CREATE INDEX open_runs ON inlet.runs (inlet_id, lane, begun_at) WHERE NOT ended;

-- What has come in and is not in the log yet.
CREATE TABLE inlet.received (
    inlet_id    uuid NOT NULL REFERENCES inlet.inlets,
    -- The id of the event to be: what comes twice has the same.
    event_id    uuid NOT NULL,
    lane        text COLLATE "C" NOT NULL,
    -- What it says, in our words: no secrets.
    report      json NOT NULL,
    request_id  text COLLATE "C" NOT NULL,
    -- What came by one request came at one moment, in the order of its places.
    received_at timestamptz NOT NULL DEFAULT now(),
    place       integer NOT NULL,
    -- Before that it is waited for what belongs before it.
    due_at      timestamptz NOT NULL,
    PRIMARY KEY (inlet_id, event_id)
);

CREATE INDEX received_by_due ON inlet.received (due_at);
CREATE INDEX received_by_lane ON inlet.received (inlet_id, lane, received_at, place);

-- What could not become events, and why: kept for its owner to see.
CREATE TABLE inlet.set_aside (
    inlet_id     uuid NOT NULL REFERENCES inlet.inlets,
    event_id     uuid NOT NULL,
    why          text NOT NULL,
    -- As it came, without secrets, or what was made of it.
    content      json NOT NULL,
    request_id   text COLLATE "C" NOT NULL,
    received_at  timestamptz NOT NULL,
    set_aside_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (inlet_id, event_id)
);

CREATE INDEX set_aside_by_time ON inlet.set_aside (inlet_id, set_aside_at, event_id);

-- What is told of an inlet: whatever it is but its key's hash.
CREATE FUNCTION administration.told_inlet(i inlet.inlets) RETURNS jsonb LANGUAGE sql STABLE
RETURN jsonb_build_object('inlet_id', (i).inlet_id, 'inlet_type', (i).inlet_type, 'kind', (i).kind,
    'principal', (i).principal);

CREATE FUNCTION administration.tell_of_inlet() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed text[] := '{}';
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.tenant, NEW.inlet_id) = (OLD.tenant, OLD.inlet_id) THEN
        IF OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL THEN
            PERFORM administration.record_change(NEW.tenant, 'InletRevoked', administration.told_inlet(NEW));
        END IF;
        changed := array_remove(ARRAY[
            CASE WHEN NEW.inlet_type <> OLD.inlet_type THEN 'inlet_type' END,
            CASE WHEN NEW.kind <> OLD.kind THEN 'kind' END,
            CASE WHEN NEW.principal <> OLD.principal THEN 'principal' END,
            CASE WHEN NEW.heartbeat_seconds IS DISTINCT FROM OLD.heartbeat_seconds THEN 'heartbeat_seconds' END,
            CASE WHEN NEW.hash <> OLD.hash THEN 'secret' END,
            CASE WHEN NEW.created_at <> OLD.created_at THEN 'created_at' END,
            CASE WHEN NEW.revoked_at IS DISTINCT FROM OLD.revoked_at AND OLD.revoked_at IS NOT NULL THEN 'revoked_at' END
        ], NULL);
        IF changed <> '{}' THEN
            PERFORM administration.record_change(NEW.tenant, 'InletChanged',
                administration.told_inlet(NEW) || jsonb_build_object('changed', changed));
        END IF;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM administration.record_change(OLD.tenant, 'InletRemoved', administration.told_inlet(OLD));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM administration.record_change(NEW.tenant, 'InletCreated', administration.told_inlet(NEW));
    END IF;
    RETURN NULL;
END
$$;

-- Not ENABLE ALWAYS, as in 0027.
CREATE TRIGGER changes_are_told AFTER INSERT OR UPDATE OR DELETE ON inlet.inlets
    FOR EACH ROW EXECUTE FUNCTION administration.tell_of_inlet();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON inlet.inlets
    FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate();

-- What who serves does for owners, with the owner's rights, as for tokens.
CREATE FUNCTION administration.make_inlet(
    inlet_id uuid, tenant text, inlet_type text, kind text, principal text, heartbeat_seconds integer, hash bytea
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO inlet.inlets (inlet_id, tenant, inlet_type, kind, principal, heartbeat_seconds, hash)
    VALUES (make_inlet.inlet_id, make_inlet.tenant, make_inlet.inlet_type, make_inlet.kind, make_inlet.principal,
        make_inlet.heartbeat_seconds, make_inlet.hash);
END;

-- The inlet as it is then; none where the tenant has no such inlet.
CREATE FUNCTION administration.revoke_inlet(of_tenant text, id uuid) RETURNS SETOF inlet.inlets
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE inlet.inlets AS i SET revoked_at = coalesce(i.revoked_at, now())
    WHERE i.inlet_id = id AND i.tenant = of_tenant
    RETURNING i.*;
END;

REVOKE ALL ON FUNCTION administration.make_inlet, administration.revoke_inlet FROM PUBLIC;
