-- Administration is history. What is changed in tenants, tokens, policies and the ledger itself is written down in the
-- transaction that changes it, by triggers: whatever program or person changes a row, and by whatever way, leaves a
-- trace. From `administration.changes` the traces are taken to the event log, streams `admin-{tenant}`, each once, and from
-- there they are folded into `projection.admin_events`. See docs/decisions/0025.

-- A schema of its own: a process of before, which looks at the rights in those that it knows, is not disturbed.
CREATE SCHEMA administration;

-- Traces on their way to the log, each there until the log has it.
CREATE TABLE administration.changes (
    -- The order within a tenant. Of two transactions at once the lower number may come later; that is as good.
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The event's id.
    change_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    tenant text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL CHECK (event_type <> ''),
    -- Never a secret, nor the hash of one.
    data jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object'),
    actor_kind text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    token_id uuid,
    request_id text,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX changes_by_tenant ON administration.changes (tenant, seq);

-- How far each tenant's stream was written, so that only what is after that is looked through for repeats.
CREATE TABLE administration.admin_streams (
    tenant text COLLATE "C" PRIMARY KEY,
    next_revision bigint NOT NULL DEFAULT 0 CHECK (next_revision >= 0)
);

-- The end of the token's time that was told: whoever moves the end has the next one told too.
ALTER TABLE access.tokens ADD COLUMN expiry_told timestamptz;

CREATE INDEX tokens_to_expire ON access.tokens (expires_at)
    WHERE revoked_at IS NULL AND expiry_told IS DISTINCT FROM expires_at;

-- A time as JSON has it, whatever the session's settings are; none where no calendar has it.
CREATE FUNCTION administration.told_time(at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN at >= '0001-01-01 00:00:00+00' AND at < '9999-12-31 00:00:00+00'
    THEN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END;

-- Who acts: what the transaction says by the setting runledger.actor, or else the database's own user and where it
-- comes from.
CREATE FUNCTION administration.actor() RETURNS jsonb LANGUAGE sql STABLE
RETURN coalesce(
    nullif(current_setting('runledger.actor', true), '')::jsonb,
    jsonb_build_object('kind', 'database', 'name',
        session_user || coalesce('@' || host(inet_client_addr()), '')));

CREATE FUNCTION administration.record_change(of_tenant text, what text, told jsonb, by jsonb DEFAULT administration.actor())
RETURNS void LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO administration.changes (tenant, event_type, data, actor_kind, actor, token_id, request_id)
    VALUES (of_tenant, what, jsonb_strip_nulls(told), coalesce(by ->> 'kind', 'unknown'), coalesce(by ->> 'name', ''),
        (by ->> 'token_id')::uuid, by ->> 'request_id');
END;

-- The triggers write with their owner's rights, so that who may change a row, and no more, leaves a trace too.
CREATE FUNCTION administration.tell_of_tenant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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
    END IF;
    RETURN NULL;
END
$$;

-- What is told of a token: whatever it is but its hash.
CREATE FUNCTION administration.told_token(token access.tokens) RETURNS jsonb LANGUAGE sql STABLE
RETURN jsonb_build_object('token_id', (token).token_id, 'role', (token).role, 'principal', (token).principal,
    'expires_at', administration.told_time((token).expires_at));

CREATE FUNCTION administration.tell_of_token() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed text[] := '{}';
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.tenant, NEW.token_id) = (OLD.tenant, OLD.token_id) THEN
        IF NEW.expiry_told IS NOT NULL AND NEW.expiry_told IS DISTINCT FROM OLD.expiry_told THEN
            PERFORM administration.record_change(NEW.tenant, 'TokenExpired', administration.told_token(NEW),
                '{"kind": "system", "name": "system"}');
        END IF;
        IF OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL THEN
            PERFORM administration.record_change(NEW.tenant, 'TokenRevoked', administration.told_token(NEW));
        END IF;
        changed := array_remove(ARRAY[
            CASE WHEN NEW.role <> OLD.role THEN 'role' END,
            CASE WHEN NEW.principal <> OLD.principal THEN 'principal' END,
            CASE WHEN NEW.expires_at IS DISTINCT FROM OLD.expires_at THEN 'expires_at' END,
            CASE WHEN NEW.hash <> OLD.hash THEN 'secret' END,
            CASE WHEN NEW.created_at <> OLD.created_at THEN 'created_at' END,
            -- It works again, or is said to have been revoked at another time.
            CASE WHEN NEW.revoked_at IS DISTINCT FROM OLD.revoked_at AND OLD.revoked_at IS NOT NULL THEN 'revoked_at' END
        ], NULL);
        IF changed <> '{}' THEN
            PERFORM administration.record_change(NEW.tenant, 'TokenChanged', administration.told_token(NEW) || jsonb_build_object(
                'changed', changed,
                'old_role', CASE WHEN NEW.role <> OLD.role THEN OLD.role END,
                'old_principal', CASE WHEN NEW.principal <> OLD.principal THEN OLD.principal END,
                'old_expires_at', CASE WHEN NEW.expires_at IS DISTINCT FROM OLD.expires_at
                    THEN administration.told_time(OLD.expires_at) END));
        END IF;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM administration.record_change(OLD.tenant, 'TokenRemoved', administration.told_token(OLD));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM administration.record_change(NEW.tenant, 'TokenCreated', administration.told_token(NEW));
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION administration.told_policy(policy policy.stale_policies) RETURNS jsonb LANGUAGE sql STABLE
RETURN jsonb_build_object('kind', (policy).kind, 'queued_limit_seconds', (policy).queued_limit_seconds,
    'fail_stale', (policy).fail_stale);

CREATE FUNCTION administration.tell_of_policy() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.tenant, NEW.kind) = (OLD.tenant, OLD.kind) THEN
        IF administration.told_policy(NEW) <> administration.told_policy(OLD) THEN
            PERFORM administration.record_change(NEW.tenant, 'PolicySet', administration.told_policy(NEW));
        END IF;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM administration.record_change(OLD.tenant, 'PolicyRemoved', administration.told_policy(OLD));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM administration.record_change(NEW.tenant, 'PolicySet', administration.told_policy(NEW));
    END IF;
    RETURN NULL;
END
$$;

-- What is changed in the ledger as a whole is told to every tenant: each of them is concerned, and no tenant's owner
-- sees another's stream.
CREATE FUNCTION administration.tell_of_ledger() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'idempotency' THEN
        PERFORM administration.record_change(tenant, 'IdempotencySecretChanged', '{}') FROM access.tenants ORDER BY tenant;
    ELSE
        PERFORM administration.record_change(tenant, 'EpochBegun', jsonb_build_object('epoch', NEW.epoch))
        FROM access.tenants ORDER BY tenant;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION administration.refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE on %.% would leave no trace: use DELETE', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;

-- What who serves does for owners, and for the clock: they make tokens, revoke them and tell of their end, and nothing else
-- in the table. With their owner's rights, for callers that may call them: see src/rights.sql.
CREATE FUNCTION administration.make_token(
    token_id uuid, tenant text, role text, principal text, hash bytea, expires_at timestamptz
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO access.tokens (token_id, tenant, role, principal, hash, expires_at)
    VALUES (make_token.token_id, make_token.tenant, make_token.role, make_token.principal, make_token.hash,
        make_token.expires_at);
END;

-- The token as it is then; none where the tenant has no such token.
CREATE FUNCTION administration.revoke_token(of_tenant text, id uuid) RETURNS TABLE (
    token_id uuid, tenant text, role text, principal text, created_at timestamptz, revoked_at timestamptz,
    expires_at timestamptz
)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE access.tokens AS t SET revoked_at = coalesce(t.revoked_at, now())
    WHERE t.token_id = id AND t.tenant = of_tenant
    RETURNING t.token_id, t.tenant, t.role, t.principal, t.created_at, t.revoked_at, t.expires_at;
END;

-- Tells of tokens whose time is up, by the database's clock, as a token is looked up; once, since the end that was told
-- is kept.
CREATE FUNCTION administration.tell_of_expired_tokens() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE access.tokens SET expiry_told = expires_at
    WHERE revoked_at IS NULL AND expiry_told IS DISTINCT FROM expires_at AND expires_at <= now();
END;

REVOKE ALL ON FUNCTION administration.make_token, administration.revoke_token, administration.tell_of_expired_tokens
    FROM PUBLIC;

-- Not ENABLE ALWAYS, as the log's guards are: where rows are replayed that another server had, that one's traces are
-- replayed too.
CREATE TRIGGER changes_are_told AFTER INSERT OR UPDATE OR DELETE ON access.tenants
    FOR EACH ROW EXECUTE FUNCTION administration.tell_of_tenant();
CREATE TRIGGER changes_are_told AFTER INSERT OR UPDATE OR DELETE ON access.tokens
    FOR EACH ROW EXECUTE FUNCTION administration.tell_of_token();
CREATE TRIGGER changes_are_told AFTER INSERT OR UPDATE OR DELETE ON policy.stale_policies
    FOR EACH ROW EXECUTE FUNCTION administration.tell_of_policy();
CREATE TRIGGER changes_are_told AFTER UPDATE OF secret ON ledger.idempotency
    FOR EACH ROW EXECUTE FUNCTION administration.tell_of_ledger();
CREATE TRIGGER changes_are_told AFTER UPDATE OF epoch ON ledger.identity
    FOR EACH ROW EXECUTE FUNCTION administration.tell_of_ledger();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON access.tenants
    FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON access.tokens
    FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON policy.stale_policies
    FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate();

-- What was there before begins the history, at the times that the rows have. Nobody wrote down by whom.
INSERT INTO administration.changes (tenant, event_type, data, actor_kind, actor, recorded_at)
SELECT tenant, event_type, jsonb_strip_nulls(data), 'unknown', '', at
FROM (
    SELECT 1 AS step, tenant, 'TenantCreated' AS event_type, jsonb_build_object('name', name) AS data, created_at AS at
    FROM access.tenants
    UNION ALL
    SELECT 2, t.tenant, 'TokenCreated', administration.told_token(t), t.created_at FROM access.tokens AS t
    UNION ALL
    SELECT 3, t.tenant, 'TokenRevoked', administration.told_token(t), t.revoked_at FROM access.tokens AS t
    WHERE t.revoked_at IS NOT NULL
    UNION ALL
    SELECT 4, p.tenant, 'PolicySet', administration.told_policy(p), p.updated_at FROM policy.stale_policies AS p
) AS known
WHERE isfinite(at)
ORDER BY at, step, tenant;

-- The read table, folded from the streams `admin-{tenant}`.
CREATE TABLE projection.admin_events (
    tenant text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    position bigint NOT NULL,
    event_id uuid NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    schema_version smallint NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor_kind text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    token_id uuid,
    request_id text COLLATE "C",
    data json NOT NULL,
    PRIMARY KEY (tenant, revision)
);

CREATE INDEX admin_events_by_type ON projection.admin_events (tenant, event_type, revision);
CREATE INDEX admin_events_by_actor ON projection.admin_events (tenant, actor, revision);

-- What src/rights.sql gives after this as well: with it at once, no process that serves meanwhile finds it missing.
ALTER TABLE projection.admin_events ENABLE ROW LEVEL SECURITY;

DO $$
BEGIN
    IF to_regrole('runledger_api') IS NULL THEN
        RETURN;
    END IF;
    GRANT SELECT ON projection.admin_events TO runledger_api;
    CREATE POLICY of_the_tenant ON projection.admin_events FOR SELECT TO runledger_api
        USING (tenant = current_setting('runledger.tenant', true));
END
$$;
