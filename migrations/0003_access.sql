-- Who may come in. Written by `runledger tenant` and `runledger token`, read by the API.

CREATE SCHEMA access;

CREATE TABLE access.tenants (
    tenant     text COLLATE "C" PRIMARY KEY CHECK (tenant ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE access.tokens (
    token_id   uuid PRIMARY KEY,
    tenant     text COLLATE "C" NOT NULL REFERENCES access.tenants,
    role       text COLLATE "C" NOT NULL
        CHECK (role IN ('owner', 'manager', 'operator', 'readonly', 'producer', 'auditor')),
    principal  text COLLATE "C" NOT NULL CHECK (principal <> ''),
    -- SHA-256 of the token. The token itself has 256 random bits, so a slow hash would add nothing.
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX tokens_by_tenant ON access.tokens (tenant, created_at);
