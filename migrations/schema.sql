-- What all migrations make together, to read. Written by scripts/prepare-queries; rights: src/rights.sql.

CREATE SCHEMA access;

CREATE SCHEMA administration;

CREATE SCHEMA inlet;

CREATE SCHEMA ledger;

CREATE SCHEMA log;

CREATE SCHEMA policy;

CREATE SCHEMA projection;

CREATE SCHEMA seal;

CREATE TYPE log.new_event AS (
	stream text,
	revision bigint,
	event_id uuid,
	event_type text,
	data bytea,
	metadata bytea
);

CREATE TYPE projection.duration_change AS (
	tenant text,
	kind text,
	day date,
	bucket smallint,
	runs bigint
);

CREATE TYPE projection.hour_change AS (
	tenant text,
	hour timestamp with time zone,
	kind text,
	queued bigint,
	succeeded bigint,
	partially_succeeded bigint,
	failed bigint,
	events bigint,
	items_failed bigint,
	"position" bigint
);

CREATE TYPE projection.item_change AS (
	tenant text,
	run_id uuid,
	item text,
	label text,
	outcome text,
	reason_code text,
	message text,
	occurred_at timestamp with time zone,
	revision bigint,
	"position" bigint
);

CREATE TYPE projection.item_outcome AS (
	tenant text,
	run_id uuid,
	item text,
	label text,
	outcome text,
	reason_code text,
	message text,
	occurred_at timestamp with time zone,
	revision bigint,
	"position" bigint,
	namespace text
);

CREATE TYPE projection.run_beginning AS (
	tenant text,
	kind text,
	title text,
	initiator_id text,
	initiator_name text,
	labels text,
	context text,
	idempotency_key text,
	queued_at timestamp with time zone
);

CREATE TYPE projection.run_change AS (
	run_id uuid,
	status text,
	ended_as text,
	presumed boolean,
	superseded boolean,
	items_total bigint,
	items_succeeded bigint,
	items_failed bigint,
	items_skipped bigint,
	worker text,
	progress_message text,
	reason_code text,
	message text,
	started_at timestamp with time zone,
	ended_at timestamp with time zone,
	last_event_at timestamp with time zone,
	heartbeat_seconds integer,
	heartbeat_due_at timestamp with time zone,
	revision bigint,
	"position" bigint
);

CREATE TYPE projection.run_opening AS (
	tenant text,
	kind text,
	title text,
	title_key text,
	initiator_id text,
	initiator_name text,
	labels text,
	context text,
	idempotency_key text,
	queued_at timestamp with time zone,
	ref_source text,
	ref_id text,
	parent_id uuid,
	retry_of uuid,
	resumes uuid
);

CREATE TYPE projection.run_origin AS (
	tenant text,
	kind text,
	title text,
	title_key text,
	initiator_id text,
	initiator_name text,
	labels text,
	context text,
	idempotency_key text,
	queued_at timestamp with time zone
);

CREATE TYPE projection.run_progress AS (
	run_id uuid,
	status text,
	ended_as text,
	presumed boolean,
	superseded boolean,
	items_total bigint,
	items_succeeded bigint,
	items_failed bigint,
	items_skipped bigint,
	items_tallied boolean,
	worker text,
	progress_message text,
	reason_code text,
	message text,
	started_at timestamp with time zone,
	ended_at timestamp with time zone,
	started_recorded_at timestamp with time zone,
	ended_recorded_at timestamp with time zone,
	started_by text,
	ended_by text,
	last_event_at timestamp with time zone,
	heartbeat_seconds integer,
	heartbeat_due_at timestamp with time zone,
	revision bigint,
	"position" bigint
);

CREATE TYPE projection.run_standing AS (
	run_id uuid,
	status text,
	ended_as text,
	presumed boolean,
	superseded boolean,
	items_total bigint,
	items_succeeded bigint,
	items_failed bigint,
	items_skipped bigint,
	worker text,
	progress_message text,
	reason_code text,
	message text,
	started_at timestamp with time zone,
	ended_at timestamp with time zone,
	started_recorded_at timestamp with time zone,
	ended_recorded_at timestamp with time zone,
	started_by text,
	ended_by text,
	last_event_at timestamp with time zone,
	heartbeat_seconds integer,
	heartbeat_due_at timestamp with time zone,
	revision bigint,
	"position" bigint
);

CREATE TYPE projection.run_state AS (
	run_id uuid,
	status text,
	ended_as text,
	presumed boolean,
	superseded boolean,
	items_total bigint,
	items_succeeded bigint,
	items_failed bigint,
	items_skipped bigint,
	worker text,
	progress_message text,
	reason_code text,
	message text,
	started_at timestamp with time zone,
	ended_at timestamp with time zone,
	started_recorded_at timestamp with time zone,
	ended_recorded_at timestamp with time zone,
	last_event_at timestamp with time zone,
	heartbeat_seconds integer,
	heartbeat_due_at timestamp with time zone,
	revision bigint,
	"position" bigint
);

CREATE TYPE projection.timeline_entry AS (
	tenant text,
	run_id uuid,
	revision bigint,
	"position" bigint,
	event_id uuid,
	event_type text,
	schema_version smallint,
	occurred_at timestamp with time zone,
	recorded_at timestamp with time zone,
	actor text,
	correlation_id text,
	causation_id text,
	data text,
	token_id uuid,
	request_id text,
	origin text
);

CREATE TYPE projection.timeline_event AS (
	tenant text,
	run_id uuid,
	revision bigint,
	"position" bigint,
	event_id uuid,
	event_type text,
	schema_version smallint,
	occurred_at timestamp with time zone,
	recorded_at timestamp with time zone,
	actor text,
	correlation_id text,
	causation_id text,
	data text,
	token_id uuid,
	request_id text,
	origin text,
	reason_code text
);

CREATE FUNCTION administration.actor() RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN COALESCE((NULLIF(current_setting('runledger.actor'::text, true), ''::text))::jsonb, jsonb_build_object('kind', 'database', 'name', ((SESSION_USER)::text || COALESCE(('@'::text || host(inet_client_addr())), ''::text))));

CREATE TABLE inlet.inlets (
    inlet_id uuid NOT NULL,
    tenant text NOT NULL COLLATE pg_catalog."C",
    inlet_type text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    principal text NOT NULL COLLATE pg_catalog."C",
    heartbeat_seconds integer,
    hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT inlets_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT inlets_heartbeat_seconds_check CHECK (((heartbeat_seconds >= 1) AND (heartbeat_seconds <= 86400))),
    CONSTRAINT inlets_inlet_type_check CHECK ((inlet_type = ANY (ARRAY['pings'::text, 'openlineage'::text, 'cloudevents'::text]))),
    CONSTRAINT inlets_kind_check CHECK ((kind <> ''::text)),
    CONSTRAINT inlets_principal_check CHECK ((principal <> ''::text))
);

CREATE FUNCTION administration.make_inlet(inlet_id uuid, tenant text, inlet_type text, kind text, principal text, heartbeat_seconds integer, hash bytea) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO inlet.inlets (inlet_id, tenant, inlet_type, kind, principal, heartbeat_seconds, hash)
   VALUES (make_inlet.inlet_id, make_inlet.tenant, make_inlet.inlet_type, make_inlet.kind, make_inlet.principal, make_inlet.heartbeat_seconds, make_inlet.hash);
END;

CREATE TABLE access.tokens (
    token_id uuid NOT NULL,
    tenant text NOT NULL COLLATE pg_catalog."C",
    role text NOT NULL COLLATE pg_catalog."C",
    principal text NOT NULL COLLATE pg_catalog."C",
    hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    expires_at timestamp with time zone,
    expiry_told timestamp with time zone,
    CONSTRAINT tokens_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT tokens_principal_check CHECK ((principal <> ''::text)),
    CONSTRAINT tokens_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'manager'::text, 'operator'::text, 'readonly'::text, 'producer'::text, 'auditor'::text])))
);

CREATE FUNCTION administration.make_token(token_id uuid, tenant text, role text, principal text, hash bytea, expires_at timestamp with time zone) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO access.tokens (token_id, tenant, role, principal, hash, expires_at)
   VALUES (make_token.token_id, make_token.tenant, make_token.role, make_token.principal, make_token.hash, make_token.expires_at);
END;

CREATE TABLE administration.changes (
    seq bigint NOT NULL,
    change_id uuid DEFAULT gen_random_uuid() NOT NULL,
    tenant text NOT NULL COLLATE pg_catalog."C",
    event_type text NOT NULL COLLATE pg_catalog."C",
    data jsonb NOT NULL,
    actor_kind text NOT NULL COLLATE pg_catalog."C",
    actor text NOT NULL,
    token_id uuid,
    request_id text,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT changes_data_check CHECK ((jsonb_typeof(data) = 'object'::text)),
    CONSTRAINT changes_event_type_check CHECK ((event_type <> ''::text))
);

CREATE FUNCTION administration.record_change(of_tenant text, what text, told jsonb, by jsonb DEFAULT administration.actor()) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
 INSERT INTO administration.changes (tenant, event_type, data, actor_kind, actor, token_id, request_id)
   VALUES (record_change.of_tenant, record_change.what, jsonb_strip_nulls(record_change.told), COALESCE((record_change.by ->> 'kind'::text), 'unknown'::text), COALESCE((record_change.by ->> 'name'::text), ''::text), ((record_change.by ->> 'token_id'::text))::uuid, (record_change.by ->> 'request_id'::text));
END;

CREATE FUNCTION administration.refuse_truncate() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE on %.% would leave no trace: use DELETE', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE FUNCTION administration.revoke_inlet(of_tenant text, id uuid) RETURNS SETOF inlet.inlets
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 UPDATE inlet.inlets i SET revoked_at = COALESCE(i.revoked_at, now())
   WHERE ((i.inlet_id = revoke_inlet.id) AND (i.tenant = revoke_inlet.of_tenant))
   RETURNING i.inlet_id,
     i.tenant,
     i.inlet_type,
     i.kind,
     i.principal,
     i.heartbeat_seconds,
     i.hash,
     i.created_at,
     i.revoked_at;
END;

CREATE FUNCTION administration.revoke_token(of_tenant text, id uuid) RETURNS TABLE(token_id uuid, tenant text, role text, principal text, created_at timestamp with time zone, revoked_at timestamp with time zone, expires_at timestamp with time zone)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 UPDATE access.tokens t SET revoked_at = COALESCE(t.revoked_at, now())
   WHERE ((t.token_id = revoke_token.id) AND (t.tenant = revoke_token.of_tenant))
   RETURNING t.token_id,
     t.tenant,
     t.role,
     t.principal,
     t.created_at,
     t.revoked_at,
     t.expires_at;
END;

CREATE FUNCTION administration.tell_of_expired_tokens() RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 UPDATE access.tokens SET expiry_told = tokens.expires_at
   WHERE ((tokens.revoked_at IS NULL) AND (tokens.expiry_told IS DISTINCT FROM tokens.expires_at) AND (tokens.expires_at <= now()));
END;

CREATE FUNCTION administration.tell_of_inlet() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION administration.tell_of_ledger() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION administration.tell_of_policy() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION administration.tell_of_tenant() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION administration.tell_of_token() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION administration.told_inlet(i inlet.inlets) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN jsonb_build_object('inlet_id', (i).inlet_id, 'inlet_type', (i).inlet_type, 'kind', (i).kind, 'principal', (i).principal);

CREATE TABLE policy.stale_policies (
    tenant text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    queued_limit_seconds integer,
    fail_stale boolean DEFAULT false NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT stale_policies_kind_check CHECK ((kind <> ''::text)),
    CONSTRAINT stale_policies_queued_limit_seconds_check CHECK ((queued_limit_seconds > 0))
);

CREATE FUNCTION administration.told_policy(policy policy.stale_policies) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN jsonb_build_object('kind', (policy).kind, 'queued_limit_seconds', (policy).queued_limit_seconds, 'fail_stale', (policy).fail_stale);

CREATE FUNCTION administration.told_time(at timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN ((at >= '0001-01-01 00:00:00+00'::timestamp with time zone) AND (at < '9999-12-31 00:00:00+00'::timestamp with time zone)) THEN to_char((at AT TIME ZONE 'UTC'::text), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'::text) ELSE NULL::text END;

CREATE FUNCTION administration.told_token(token access.tokens) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN jsonb_build_object('token_id', (token).token_id, 'role', (token).role, 'principal', (token).principal, 'expires_at', administration.told_time((token).expires_at));

CREATE FUNCTION log.refuse_backwards_head() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NEW.position <= OLD.position THEN
        RAISE EXCEPTION 'the head of the event log only moves forwards: % after %', NEW.position, OLD.position
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION log.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE FUNCTION projection.file_labels() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format(
        'INSERT INTO %I.run_labels (tenant, label, queued_at, run_id)
         SELECT run.tenant, label.key || '':'' || label.value, run.queued_at, run.run_id
         FROM added AS run, jsonb_each_text(run.labels) AS label', TG_TABLE_SCHEMA);
    RETURN NULL;
END
$$;

CREATE TABLE access.sessions (
    hash bytea NOT NULL,
    token_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sessions_hash_check CHECK ((octet_length(hash) = 32))
);

CREATE TABLE access.sign_in_links (
    hash bytea NOT NULL,
    token_id uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sign_in_links_hash_check CHECK ((octet_length(hash) = 32))
);

CREATE TABLE access.tenants (
    tenant text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tenants_tenant_check CHECK ((tenant ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);

CREATE TABLE administration.admin_streams (
    tenant text NOT NULL COLLATE pg_catalog."C",
    next_revision bigint DEFAULT 0 NOT NULL,
    CONSTRAINT admin_streams_next_revision_check CHECK ((next_revision >= 0))
);

ALTER TABLE administration.changes ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME administration.changes_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE inlet.received (
    inlet_id uuid NOT NULL,
    event_id uuid NOT NULL,
    lane text NOT NULL COLLATE pg_catalog."C",
    report json NOT NULL,
    request_id text NOT NULL COLLATE pg_catalog."C",
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    place integer NOT NULL,
    due_at timestamp with time zone NOT NULL
);

CREATE TABLE inlet.runs (
    inlet_id uuid NOT NULL,
    ref text NOT NULL COLLATE pg_catalog."C",
    lane text NOT NULL COLLATE pg_catalog."C",
    run_id uuid NOT NULL,
    begun_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended boolean DEFAULT false NOT NULL
);

CREATE TABLE inlet.set_aside (
    inlet_id uuid NOT NULL,
    event_id uuid NOT NULL,
    why text NOT NULL,
    content json NOT NULL,
    request_id text NOT NULL COLLATE pg_catalog."C",
    received_at timestamp with time zone NOT NULL,
    set_aside_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE ledger.idempotency (
    one boolean DEFAULT true NOT NULL,
    secret bytea NOT NULL,
    unkeyed_before boolean NOT NULL,
    CONSTRAINT idempotency_one_check CHECK (one),
    CONSTRAINT idempotency_secret_check CHECK ((octet_length(secret) = 32))
);

CREATE TABLE ledger.identity (
    only_row boolean DEFAULT true NOT NULL,
    ledger_id uuid DEFAULT gen_random_uuid() NOT NULL,
    epoch bigint DEFAULT ((EXTRACT(epoch FROM clock_timestamp()) * (1000)::numeric))::bigint NOT NULL,
    CONSTRAINT identity_epoch_check CHECK ((epoch > 0)),
    CONSTRAINT identity_only_row_check CHECK (only_row)
);

CREATE TABLE ledger.sampler (
    only_row boolean DEFAULT true NOT NULL,
    taken uuid,
    until uuid,
    CONSTRAINT sampler_only_row_check CHECK (only_row)
);

CREATE TABLE log.copies (
    source text NOT NULL,
    target text NOT NULL,
    "position" bigint NOT NULL
);

CREATE TABLE log.events (
    "position" bigint NOT NULL,
    stream text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    event_id uuid NOT NULL,
    event_type text NOT NULL COLLATE pg_catalog."C",
    data bytea NOT NULL,
    metadata bytea NOT NULL,
    CONSTRAINT events_event_type_check CHECK ((event_type <> ''::text)),
    CONSTRAINT events_position_check CHECK (("position" > 0)),
    CONSTRAINT events_revision_check CHECK ((revision >= 0)),
    CONSTRAINT events_stream_check CHECK ((stream <> ''::text))
);

CREATE TABLE log.head (
    only_row boolean DEFAULT true NOT NULL,
    "position" bigint NOT NULL,
    CONSTRAINT head_only_row_check CHECK (only_row),
    CONSTRAINT head_position_check CHECK (("position" >= 0))
);

CREATE TABLE log.source (
    one boolean DEFAULT true NOT NULL,
    name text NOT NULL,
    CONSTRAINT source_one_check CHECK (one)
);

CREATE TABLE projection.admin_events (
    tenant text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    "position" bigint NOT NULL,
    event_id uuid NOT NULL,
    event_type text NOT NULL COLLATE pg_catalog."C",
    schema_version smallint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    actor_kind text NOT NULL COLLATE pg_catalog."C",
    actor text NOT NULL COLLATE pg_catalog."C",
    token_id uuid,
    request_id text COLLATE pg_catalog."C",
    data json NOT NULL
);

CREATE TABLE projection.checkpoints (
    name text NOT NULL,
    "position" bigint NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    fence bigint DEFAULT 0 NOT NULL,
    lease_until timestamp with time zone,
    CONSTRAINT checkpoints_position_check CHECK (("position" >= 0))
);

CREATE TABLE projection.dead_letters (
    "position" bigint NOT NULL,
    stream text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    event_type text NOT NULL COLLATE pg_catalog."C",
    error text NOT NULL,
    held_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE projection.directory (
    tenant text NOT NULL COLLATE pg_catalog."C",
    namespace text NOT NULL COLLATE pg_catalog."C",
    entry_id text NOT NULL COLLATE pg_catalog."C",
    name text,
    name_key text COLLATE pg_catalog."C",
    as_of timestamp with time zone NOT NULL,
    "position" bigint NOT NULL
);

CREATE TABLE projection.notifications (
    notification_id uuid NOT NULL,
    tenant text NOT NULL COLLATE pg_catalog."C",
    recipient text NOT NULL COLLATE pg_catalog."C",
    run_id uuid NOT NULL,
    transition text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    title text,
    status text NOT NULL COLLATE pg_catalog."C",
    ended_as text COLLATE pg_catalog."C",
    reason_code text COLLATE pg_catalog."C",
    message text,
    created_at timestamp with time zone NOT NULL,
    read_at timestamp with time zone,
    "position" bigint NOT NULL,
    presumed boolean DEFAULT false NOT NULL,
    superseded boolean DEFAULT false NOT NULL,
    CONSTRAINT notifications_transition_check CHECK ((transition = ANY (ARRAY['queued'::text, 'ended'::text])))
);

CREATE TABLE projection.run_children (
    tenant text NOT NULL COLLATE pg_catalog."C",
    parent_id uuid NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    runs bigint NOT NULL,
    "position" bigint NOT NULL,
    CONSTRAINT run_children_runs_check CHECK ((runs >= 0))
);

CREATE TABLE projection.run_counts (
    tenant text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    runs bigint NOT NULL,
    "position" bigint NOT NULL,
    CONSTRAINT run_counts_runs_check CHECK ((runs >= 0))
);

CREATE TABLE projection.run_durations (
    tenant text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    day date NOT NULL,
    bucket smallint NOT NULL,
    runs bigint NOT NULL,
    CONSTRAINT run_durations_bucket_check CHECK (((bucket >= 0) AND (bucket <= 44))),
    CONSTRAINT run_durations_runs_check CHECK ((runs > 0))
);

CREATE TABLE projection.run_events (
    tenant text NOT NULL COLLATE pg_catalog."C",
    run_id uuid NOT NULL,
    revision bigint NOT NULL,
    "position" bigint NOT NULL,
    event_id uuid NOT NULL,
    event_type text NOT NULL COLLATE pg_catalog."C",
    schema_version smallint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    actor text NOT NULL COLLATE pg_catalog."C",
    correlation_id text,
    causation_id text,
    data json NOT NULL,
    token_id uuid,
    request_id text COLLATE pg_catalog."C",
    origin text COLLATE pg_catalog."C",
    reason_code text COLLATE pg_catalog."C"
);

CREATE TABLE projection.run_hours (
    tenant text NOT NULL COLLATE pg_catalog."C",
    hour timestamp with time zone NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    queued bigint DEFAULT 0 NOT NULL,
    succeeded bigint DEFAULT 0 NOT NULL,
    partially_succeeded bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    events bigint DEFAULT 0 NOT NULL,
    items_failed bigint DEFAULT 0 NOT NULL,
    "position" bigint NOT NULL
);

CREATE TABLE projection.run_items (
    tenant text NOT NULL COLLATE pg_catalog."C",
    run_id uuid NOT NULL,
    item text NOT NULL COLLATE pg_catalog."C",
    label text,
    outcome text NOT NULL COLLATE pg_catalog."C",
    reason_code text COLLATE pg_catalog."C",
    message text,
    occurred_at timestamp with time zone NOT NULL,
    revision bigint NOT NULL,
    "position" bigint NOT NULL,
    namespace text COLLATE pg_catalog."C",
    CONSTRAINT run_items_outcome_check CHECK ((outcome = ANY (ARRAY['failed'::text, 'skipped'::text, 'succeeded'::text])))
);

CREATE TABLE projection.run_labels (
    tenant text NOT NULL COLLATE pg_catalog."C",
    label text NOT NULL COLLATE pg_catalog."C",
    queued_at timestamp with time zone NOT NULL,
    run_id uuid NOT NULL
);

CREATE TABLE projection.run_refs (
    tenant text NOT NULL COLLATE pg_catalog."C",
    ref_id text NOT NULL COLLATE pg_catalog."C",
    ref_source text NOT NULL COLLATE pg_catalog."C",
    named_run uuid NOT NULL,
    "position" bigint NOT NULL
);

CREATE TABLE projection.runs (
    tenant text NOT NULL COLLATE pg_catalog."C",
    run_id uuid NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    title text,
    status text NOT NULL COLLATE pg_catalog."C",
    ended_as text COLLATE pg_catalog."C",
    items_total bigint,
    items_succeeded bigint NOT NULL,
    items_failed bigint NOT NULL,
    items_skipped bigint NOT NULL,
    initiator_id text COLLATE pg_catalog."C",
    initiator_name text,
    labels jsonb NOT NULL,
    context json NOT NULL,
    worker text,
    progress_message text,
    reason_code text COLLATE pg_catalog."C",
    message text,
    queued_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    last_event_at timestamp with time zone NOT NULL,
    heartbeat_seconds integer,
    heartbeat_due_at timestamp with time zone,
    revision bigint NOT NULL,
    "position" bigint NOT NULL,
    title_key text COLLATE pg_catalog."C",
    presumed boolean DEFAULT false NOT NULL,
    superseded boolean DEFAULT false NOT NULL,
    held_revision bigint,
    held_position bigint,
    held_error text,
    idempotency_key text COLLATE pg_catalog."C",
    started_recorded_at timestamp with time zone,
    ended_recorded_at timestamp with time zone,
    started_by text COLLATE pg_catalog."C",
    ended_by text COLLATE pg_catalog."C",
    ref_source text COLLATE pg_catalog."C",
    ref_id text COLLATE pg_catalog."C",
    parent_id uuid,
    retry_of uuid,
    resumes uuid,
    items_tallied boolean DEFAULT false NOT NULL,
    CONSTRAINT runs_ended_as_check CHECK ((ended_as = ANY (ARRAY['completed'::text, 'failed'::text, 'aborted'::text]))),
    CONSTRAINT runs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'succeeded'::text, 'partially_succeeded'::text, 'failed'::text])))
)
WITH (fillfactor='45');
ALTER TABLE ONLY projection.runs ALTER COLUMN title_key SET STATISTICS 1000;

CREATE TABLE seal.checkpoints (
    log_id integer NOT NULL,
    size bigint NOT NULL,
    root bytea NOT NULL,
    runs bigint NOT NULL,
    heads_root bytea NOT NULL,
    admin_count bigint NOT NULL,
    admin_first bytea,
    admin_last bytea,
    "position" bigint NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    note text,
    leaf bigint,
    generation integer DEFAULT 1 NOT NULL
);

CREATE TABLE seal.continues (
    log_id integer NOT NULL,
    index bigint NOT NULL,
    generation integer NOT NULL,
    text text NOT NULL
);

CREATE TABLE seal.findings (
    log_id integer NOT NULL,
    number bigint NOT NULL,
    run_id uuid,
    revision bigint,
    "position" bigint,
    what text NOT NULL,
    found_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE seal.logs (
    log_id integer NOT NULL,
    tenant text COLLATE pg_catalog."C",
    suffix text NOT NULL,
    size bigint DEFAULT 0 NOT NULL,
    runs bigint DEFAULT 0 NOT NULL,
    admin_salt bytea NOT NULL,
    admin_count bigint DEFAULT 0 NOT NULL,
    admin_first bytea,
    admin_last bytea,
    generation integer DEFAULT 1 NOT NULL,
    CONSTRAINT logs_admin_salt_check CHECK ((octet_length(admin_salt) = 32))
);

ALTER TABLE seal.logs ALTER COLUMN log_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME seal.logs_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE seal.progress (
    only_row boolean DEFAULT true NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    fence bigint DEFAULT 0 NOT NULL,
    lease_until timestamp with time zone,
    key_id text,
    CONSTRAINT progress_only_row_check CHECK (only_row),
    CONSTRAINT progress_position_check CHECK (("position" >= 0))
);

CREATE TABLE seal.runs (
    log_id integer NOT NULL,
    number bigint NOT NULL,
    run_id uuid NOT NULL,
    began_at timestamp with time zone,
    salt bytea NOT NULL,
    count bigint NOT NULL,
    first bytea NOT NULL,
    last bytea NOT NULL,
    sealed_count bigint DEFAULT 0 NOT NULL,
    sealed_last bytea,
    CONSTRAINT runs_salt_check CHECK ((octet_length(salt) = 32))
)
WITH (fillfactor='70');

CREATE TABLE seal.sampler (
    only_row boolean DEFAULT true NOT NULL,
    log_id integer DEFAULT 0 NOT NULL,
    number bigint DEFAULT '-1'::integer NOT NULL,
    CONSTRAINT sampler_only_row_check CHECK (only_row)
);

CREATE TABLE seal.tiles (
    log_id integer NOT NULL,
    tree smallint NOT NULL,
    level smallint NOT NULL,
    index bigint NOT NULL,
    hashes bytea NOT NULL,
    CONSTRAINT tiles_tree_check CHECK ((tree = ANY (ARRAY[0, 1])))
);
ALTER TABLE ONLY seal.tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

CREATE TABLE seal.time_stamping (
    only_row boolean DEFAULT true NOT NULL,
    next_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    failures bigint DEFAULT 0 NOT NULL,
    failure text,
    CONSTRAINT time_stamping_only_row_check CHECK (only_row)
);

CREATE TABLE seal.time_stamps (
    log_id integer NOT NULL,
    size bigint NOT NULL,
    note text NOT NULL,
    response bytea NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    authority text NOT NULL
);

ALTER TABLE ONLY access.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY access.sign_in_links
    ADD CONSTRAINT sign_in_links_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY access.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (tenant);

ALTER TABLE ONLY access.tokens
    ADD CONSTRAINT tokens_hash_key UNIQUE (hash);

ALTER TABLE ONLY access.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (token_id);

ALTER TABLE ONLY administration.admin_streams
    ADD CONSTRAINT admin_streams_pkey PRIMARY KEY (tenant);

ALTER TABLE ONLY administration.changes
    ADD CONSTRAINT changes_change_id_key UNIQUE (change_id);

ALTER TABLE ONLY administration.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY inlet.inlets
    ADD CONSTRAINT inlets_hash_key UNIQUE (hash);

ALTER TABLE ONLY inlet.inlets
    ADD CONSTRAINT inlets_pkey PRIMARY KEY (inlet_id);

ALTER TABLE ONLY inlet.received
    ADD CONSTRAINT received_pkey PRIMARY KEY (inlet_id, event_id);

ALTER TABLE ONLY inlet.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (inlet_id, ref);

ALTER TABLE ONLY inlet.set_aside
    ADD CONSTRAINT set_aside_pkey PRIMARY KEY (inlet_id, event_id);

ALTER TABLE ONLY ledger.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (one);

ALTER TABLE ONLY ledger.identity
    ADD CONSTRAINT identity_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY ledger.sampler
    ADD CONSTRAINT sampler_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY log.copies
    ADD CONSTRAINT copies_pkey PRIMARY KEY (source, target);

ALTER TABLE ONLY log.events
    ADD CONSTRAINT events_position_key PRIMARY KEY ("position");

ALTER TABLE ONLY log.events
    ADD CONSTRAINT events_stream_revision_key UNIQUE (stream, revision);

ALTER TABLE ONLY log.head
    ADD CONSTRAINT head_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY log.source
    ADD CONSTRAINT source_pkey PRIMARY KEY (one);

ALTER TABLE ONLY policy.stale_policies
    ADD CONSTRAINT stale_policies_pkey PRIMARY KEY (tenant, kind);

ALTER TABLE ONLY projection.admin_events
    ADD CONSTRAINT admin_events_pkey PRIMARY KEY (tenant, revision);

ALTER TABLE ONLY projection.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (name);

ALTER TABLE ONLY projection.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY projection.directory
    ADD CONSTRAINT directory_pkey PRIMARY KEY (tenant, namespace, entry_id);

ALTER TABLE ONLY projection.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (notification_id);

ALTER TABLE ONLY projection.notifications
    ADD CONSTRAINT notifications_run_id_transition_recipient_key UNIQUE (run_id, transition, recipient);

ALTER TABLE ONLY projection.run_children
    ADD CONSTRAINT run_children_pkey PRIMARY KEY (tenant, parent_id, status);

ALTER TABLE ONLY projection.run_counts
    ADD CONSTRAINT run_counts_pkey PRIMARY KEY (tenant, kind, status);

ALTER TABLE ONLY projection.run_durations
    ADD CONSTRAINT run_durations_pkey PRIMARY KEY (tenant, kind, day, bucket);

ALTER TABLE ONLY projection.run_events
    ADD CONSTRAINT run_events_pkey PRIMARY KEY (run_id, revision);

ALTER TABLE ONLY projection.run_hours
    ADD CONSTRAINT run_hours_pkey PRIMARY KEY (tenant, hour, kind);

ALTER TABLE ONLY projection.run_items
    ADD CONSTRAINT run_items_pkey PRIMARY KEY (run_id, item);

ALTER TABLE ONLY projection.run_labels
    ADD CONSTRAINT run_labels_pkey PRIMARY KEY (tenant, label, queued_at, run_id);

ALTER TABLE ONLY projection.run_refs
    ADD CONSTRAINT run_refs_pkey PRIMARY KEY (tenant, ref_id, ref_source);

ALTER TABLE ONLY projection.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (run_id);

ALTER TABLE ONLY seal.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (log_id, size);

ALTER TABLE ONLY seal.continues
    ADD CONSTRAINT continues_log_id_generation_key UNIQUE (log_id, generation);

ALTER TABLE ONLY seal.continues
    ADD CONSTRAINT continues_pkey PRIMARY KEY (log_id, index);

ALTER TABLE ONLY seal.findings
    ADD CONSTRAINT findings_pkey PRIMARY KEY (log_id, number);

ALTER TABLE ONLY seal.logs
    ADD CONSTRAINT logs_pkey PRIMARY KEY (log_id);

ALTER TABLE ONLY seal.logs
    ADD CONSTRAINT logs_suffix_key UNIQUE (suffix);

ALTER TABLE ONLY seal.logs
    ADD CONSTRAINT logs_tenant_key UNIQUE (tenant);

ALTER TABLE ONLY seal.progress
    ADD CONSTRAINT progress_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY seal.runs
    ADD CONSTRAINT runs_log_id_run_id_key UNIQUE (log_id, run_id);

ALTER TABLE ONLY seal.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (log_id, number);

ALTER TABLE ONLY seal.sampler
    ADD CONSTRAINT sampler_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY seal.tiles
    ADD CONSTRAINT tiles_pkey PRIMARY KEY (log_id, tree, level, index);

ALTER TABLE ONLY seal.time_stamping
    ADD CONSTRAINT time_stamping_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY seal.time_stamps
    ADD CONSTRAINT time_stamps_pkey PRIMARY KEY (log_id, size);

CREATE INDEX sessions_by_expiry ON access.sessions USING btree (expires_at);

CREATE INDEX sign_in_links_by_expiry ON access.sign_in_links USING btree (expires_at);

CREATE INDEX tokens_by_tenant ON access.tokens USING btree (tenant, created_at);

CREATE INDEX tokens_to_expire ON access.tokens USING btree (expires_at) WHERE ((revoked_at IS NULL) AND (expiry_told IS DISTINCT FROM expires_at));

CREATE INDEX changes_by_tenant ON administration.changes USING btree (tenant, seq);

CREATE INDEX inlets_by_tenant ON inlet.inlets USING btree (tenant, created_at);

CREATE INDEX open_runs ON inlet.runs USING btree (inlet_id, lane, begun_at) WHERE (NOT ended);

CREATE INDEX received_by_due ON inlet.received USING btree (due_at);

CREATE INDEX received_by_lane ON inlet.received USING btree (inlet_id, lane, received_at, place);

CREATE INDEX set_aside_by_time ON inlet.set_aside USING btree (inlet_id, set_aside_at, event_id);

CREATE INDEX admin_events_by_actor ON projection.admin_events USING btree (tenant, actor, revision);

CREATE INDEX admin_events_by_type ON projection.admin_events USING btree (tenant, event_type, revision);

CREATE INDEX dead_letters_by_stream ON projection.dead_letters USING btree (stream, revision);

CREATE INDEX directory_by_name ON projection.directory USING btree (tenant, name_key);

CREATE INDEX notifications_newest ON projection.notifications USING btree (tenant, recipient, "position" DESC);

CREATE INDEX notifications_unread ON projection.notifications USING btree (tenant, recipient, "position" DESC) WHERE (read_at IS NULL);

CREATE INDEX run_events_by_actor ON projection.run_events USING btree (tenant, actor, recorded_at);

CREATE INDEX run_events_by_position ON projection.run_events USING btree (tenant, "position");

CREATE INDEX run_events_by_reason ON projection.run_events USING btree (tenant, reason_code, recorded_at) WHERE (reason_code IS NOT NULL);

CREATE INDEX run_events_by_time ON projection.run_events USING btree (tenant, recorded_at);

CREATE INDEX run_events_by_token ON projection.run_events USING btree (tenant, token_id) WHERE (token_id IS NOT NULL);

CREATE INDEX run_events_by_type ON projection.run_events USING btree (tenant, event_type, recorded_at) WHERE (event_type <> 'ItemSucceeded'::text);

CREATE INDEX run_items_by_outcome ON projection.run_items USING btree (run_id, outcome, revision);

CREATE INDEX run_items_failed ON projection.run_items USING btree (run_id, reason_code, revision) INCLUDE (tenant) WHERE (outcome = 'failed'::text);

CREATE INDEX runs_by_end ON projection.runs USING btree (tenant, ended_at DESC, run_id DESC) WHERE (ended_at IS NOT NULL);

CREATE INDEX runs_by_idempotency_key ON projection.runs USING btree (tenant, idempotency_key, queued_at DESC, run_id DESC) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX runs_by_initiator ON projection.runs USING btree (tenant, initiator_id, queued_at DESC, run_id DESC);

CREATE INDEX runs_by_kind ON projection.runs USING btree (tenant, kind, queued_at DESC, run_id DESC);

CREATE INDEX runs_by_parent ON projection.runs USING btree (tenant, parent_id, queued_at DESC, run_id DESC) WHERE (parent_id IS NOT NULL);

CREATE INDEX runs_by_resumes ON projection.runs USING btree (tenant, resumes, queued_at DESC, run_id DESC) WHERE (resumes IS NOT NULL);

CREATE INDEX runs_by_retry_of ON projection.runs USING btree (tenant, retry_of, queued_at DESC, run_id DESC) WHERE (retry_of IS NOT NULL);

CREATE INDEX runs_by_status ON projection.runs USING btree (tenant, status, queued_at DESC, run_id DESC);

CREATE INDEX runs_by_title_newest ON projection.runs USING btree (tenant, title_key, queued_at, run_id);

CREATE INDEX runs_held ON projection.runs USING btree (tenant, queued_at DESC, run_id DESC) WHERE (held_revision IS NOT NULL);

CREATE INDEX runs_newest ON projection.runs USING btree (tenant, queued_at DESC, run_id DESC);

CREATE INDEX runs_without_key ON projection.runs USING btree (run_id) WHERE ((title_key IS NULL) AND (title IS NOT NULL));

CREATE UNIQUE INDEX checkpoints_by_leaf ON seal.checkpoints USING btree (leaf) WHERE (leaf IS NOT NULL);

CREATE INDEX checkpoints_by_position ON seal.checkpoints USING btree (log_id, "position", size);

CREATE INDEX checkpoints_unsigned ON seal.checkpoints USING btree (log_id, size) WHERE (note IS NULL);

CREATE UNIQUE INDEX logs_of_the_ledger ON seal.logs USING btree ((true)) WHERE (tenant IS NULL);

CREATE INDEX runs_by_beginning ON seal.runs USING btree (log_id, began_at, number);

CREATE INDEX runs_with_news ON seal.runs USING btree (log_id, number) WHERE (count > sealed_count);

CREATE TRIGGER changes_are_told AFTER INSERT OR DELETE OR UPDATE ON access.tenants FOR EACH ROW EXECUTE FUNCTION administration.tell_of_tenant();

CREATE TRIGGER changes_are_told AFTER INSERT OR DELETE OR UPDATE ON access.tokens FOR EACH ROW EXECUTE FUNCTION administration.tell_of_token();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON access.tenants FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON access.tokens FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate();

CREATE TRIGGER changes_are_told AFTER INSERT OR DELETE OR UPDATE ON inlet.inlets FOR EACH ROW EXECUTE FUNCTION administration.tell_of_inlet();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON inlet.inlets FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate();

CREATE TRIGGER changes_are_told AFTER UPDATE OF secret ON ledger.idempotency FOR EACH ROW EXECUTE FUNCTION administration.tell_of_ledger();

CREATE TRIGGER changes_are_told AFTER UPDATE OF epoch ON ledger.identity FOR EACH ROW EXECUTE FUNCTION administration.tell_of_ledger();

CREATE TRIGGER events_are_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON log.events FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_are_append_only;

CREATE TRIGGER head_moves_forwards BEFORE UPDATE ON log.head FOR EACH ROW EXECUTE FUNCTION log.refuse_backwards_head();

ALTER TABLE log.head ENABLE ALWAYS TRIGGER head_moves_forwards;

CREATE TRIGGER head_stays BEFORE DELETE OR TRUNCATE ON log.head FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

ALTER TABLE log.head ENABLE ALWAYS TRIGGER head_stays;

CREATE TRIGGER changes_are_told AFTER INSERT OR DELETE OR UPDATE ON policy.stale_policies FOR EACH ROW EXECUTE FUNCTION administration.tell_of_policy();

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON policy.stale_policies FOR EACH STATEMENT EXECUTE FUNCTION administration.refuse_truncate();

CREATE TRIGGER labels_are_filed AFTER INSERT ON projection.runs REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION projection.file_labels();

ALTER TABLE ONLY access.sessions
    ADD CONSTRAINT sessions_token_id_fkey FOREIGN KEY (token_id) REFERENCES access.tokens(token_id) ON DELETE CASCADE;

ALTER TABLE ONLY access.sign_in_links
    ADD CONSTRAINT sign_in_links_token_id_fkey FOREIGN KEY (token_id) REFERENCES access.tokens(token_id) ON DELETE CASCADE;

ALTER TABLE ONLY access.tokens
    ADD CONSTRAINT tokens_tenant_fkey FOREIGN KEY (tenant) REFERENCES access.tenants(tenant);

ALTER TABLE ONLY inlet.inlets
    ADD CONSTRAINT inlets_tenant_fkey FOREIGN KEY (tenant) REFERENCES access.tenants(tenant);

ALTER TABLE ONLY inlet.received
    ADD CONSTRAINT received_inlet_id_fkey FOREIGN KEY (inlet_id) REFERENCES inlet.inlets(inlet_id);

ALTER TABLE ONLY inlet.runs
    ADD CONSTRAINT runs_inlet_id_fkey FOREIGN KEY (inlet_id) REFERENCES inlet.inlets(inlet_id);

ALTER TABLE ONLY inlet.set_aside
    ADD CONSTRAINT set_aside_inlet_id_fkey FOREIGN KEY (inlet_id) REFERENCES inlet.inlets(inlet_id);

ALTER TABLE ONLY policy.stale_policies
    ADD CONSTRAINT stale_policies_tenant_fkey FOREIGN KEY (tenant) REFERENCES access.tenants(tenant);

ALTER TABLE ONLY projection.run_labels
    ADD CONSTRAINT run_labels_run_id_fkey FOREIGN KEY (run_id) REFERENCES projection.runs(run_id) ON DELETE CASCADE;

ALTER TABLE ONLY seal.checkpoints
    ADD CONSTRAINT checkpoints_log_id_fkey FOREIGN KEY (log_id) REFERENCES seal.logs(log_id);

ALTER TABLE ONLY seal.continues
    ADD CONSTRAINT continues_log_id_fkey FOREIGN KEY (log_id) REFERENCES seal.logs(log_id);

ALTER TABLE ONLY seal.findings
    ADD CONSTRAINT findings_log_id_fkey FOREIGN KEY (log_id) REFERENCES seal.logs(log_id);

ALTER TABLE ONLY seal.runs
    ADD CONSTRAINT runs_log_id_fkey FOREIGN KEY (log_id) REFERENCES seal.logs(log_id);

ALTER TABLE ONLY seal.tiles
    ADD CONSTRAINT tiles_log_id_fkey FOREIGN KEY (log_id) REFERENCES seal.logs(log_id);

ALTER TABLE ONLY seal.time_stamps
    ADD CONSTRAINT time_stamps_log_id_size_fkey FOREIGN KEY (log_id, size) REFERENCES seal.checkpoints(log_id, size);

CREATE POLICY of_the_tenant ON policy.stale_policies FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

ALTER TABLE policy.stale_policies ENABLE ROW LEVEL SECURITY;

ALTER TABLE projection.admin_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE projection.directory ENABLE ROW LEVEL SECURITY;

ALTER TABLE projection.notifications ENABLE ROW LEVEL SECURITY;

CREATE POLICY of_all_tenants_for_live ON projection.notifications FOR SELECT TO runledger_live USING (true);

CREATE POLICY of_all_tenants_for_live ON projection.run_children FOR SELECT TO runledger_live USING (true);

CREATE POLICY of_all_tenants_for_live ON projection.run_events FOR SELECT TO runledger_live USING (true);

CREATE POLICY of_all_tenants_for_live ON projection.runs FOR SELECT TO runledger_live USING (true);

CREATE POLICY of_the_tenant ON projection.admin_events FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

CREATE POLICY of_the_tenant ON projection.directory FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

CREATE POLICY of_the_tenant ON projection.notifications FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

CREATE POLICY of_the_tenant ON projection.run_children FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

CREATE POLICY of_the_tenant ON projection.run_counts FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

CREATE POLICY of_the_tenant ON projection.run_durations FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

CREATE POLICY of_the_tenant ON projection.run_events FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

CREATE POLICY of_the_tenant ON projection.run_hours FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

CREATE POLICY of_the_tenant ON projection.run_items FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

CREATE POLICY of_the_tenant ON projection.run_labels FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

CREATE POLICY of_the_tenant ON projection.run_refs FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

CREATE POLICY of_the_tenant ON projection.runs FOR SELECT TO runledger_api USING ((tenant = current_setting('runledger.tenant'::text, true)));

ALTER TABLE projection.run_children ENABLE ROW LEVEL SECURITY;

ALTER TABLE projection.run_counts ENABLE ROW LEVEL SECURITY;

ALTER TABLE projection.run_durations ENABLE ROW LEVEL SECURITY;

ALTER TABLE projection.run_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE projection.run_hours ENABLE ROW LEVEL SECURITY;

ALTER TABLE projection.run_items ENABLE ROW LEVEL SECURITY;

ALTER TABLE projection.run_labels ENABLE ROW LEVEL SECURITY;

ALTER TABLE projection.run_refs ENABLE ROW LEVEL SECURITY;

ALTER TABLE projection.runs ENABLE ROW LEVEL SECURITY;

