-- What needs a table for itself waits here, holding none: all reads and the projector's writes begin with a lock on the
-- checkpoints.
LOCK TABLE projection.checkpoints IN ACCESS EXCLUSIVE MODE;

-- A tenant that is made while history is sealed is told so, as those were that were there when sealing began. Whoever tells
-- all tenants of another key takes this lock for itself first (sealer/src/told.rs): of the two, one sees the other.
CREATE OR REPLACE FUNCTION administration.tell_of_tenant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sealed_by text;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.tenant = OLD.tenant THEN
        IF NEW IS DISTINCT FROM OLD THEN
            PERFORM administration.record_change(NEW.tenant, 'TenantChanged',
                jsonb_build_object('name', NEW.name, 'old_name', OLD.name));
        END IF;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM administration.record_change(OLD.tenant, 'TenantRemoved', jsonb_build_object('name', OLD.name));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM administration.record_change(NEW.tenant, 'TenantCreated', jsonb_build_object('name', NEW.name));
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('runledger tells of sealing', 0));
        SELECT key_id INTO sealed_by FROM seal.progress;
        IF sealed_by IS NOT NULL THEN
            PERFORM administration.record_change(NEW.tenant, 'SealingStarted',
                jsonb_build_object('key_id', sealed_by), '{"kind": "system", "name": "system"}');
        END IF;
    END IF;
    RETURN NULL;
END
$$;

-- Those that were made before this, since sealing began: it was sealed from when they were made.
INSERT INTO administration.changes (tenant, event_type, data, actor_kind, actor, recorded_at)
SELECT t.tenant, 'SealingStarted', jsonb_build_object('key_id', p.key_id), 'system', 'system', t.created_at
FROM access.tenants AS t CROSS JOIN seal.progress AS p
WHERE p.key_id IS NOT NULL AND isfinite(t.created_at)
  AND NOT EXISTS (SELECT FROM projection.admin_events AS e WHERE e.tenant = t.tenant AND e.event_type = 'SealingStarted')
  AND NOT EXISTS (SELECT FROM administration.changes AS c WHERE c.tenant = t.tenant AND c.event_type = 'SealingStarted')
ORDER BY t.created_at, t.tenant;

-- A name that was taken back leaves its row, with when that was: what is older and comes later must not bring it back.
ALTER TABLE projection.directory ALTER COLUMN name DROP NOT NULL, ALTER COLUMN name_key DROP NOT NULL;
