-- +goose Up

-- Who may ask for tokens. metadata is the client as JSON, the fields of contract section 2.
CREATE TABLE oauth_clients (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    metadata      TEXT NOT NULL,
    secret_hash   TEXT NOT NULL DEFAULT '',
    rotated_hash  TEXT NOT NULL DEFAULT '', -- the secret before the last rotation
    rotated_until BIGINT NOT NULL DEFAULT 0,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);

-- Web origins of the clients' redirect URIs, for cross-origin requests of browser applications.
CREATE TABLE oauth_origins (
    origin    TEXT NOT NULL,
    client_id TEXT NOT NULL,
    PRIMARY KEY (origin, client_id)
);
CREATE INDEX oauth_origins_client ON oauth_origins (client_id);

-- One row per authorization: the code, the chain of refresh tokens and what is known of the sign-in. Times are Unix
-- seconds of the program's clock. expires_at is the absolute end and is set once.
CREATE TABLE oauth_grants (
    id              TEXT PRIMARY KEY,
    client_id       TEXT NOT NULL,
    subject         TEXT NOT NULL,
    session_id      TEXT NOT NULL DEFAULT '',
    scope           TEXT NOT NULL,
    offline         BOOLEAN NOT NULL,
    acr             TEXT NOT NULL,
    amr             TEXT NOT NULL,
    auth_time       BIGINT NOT NULL,
    requested_at    BIGINT NOT NULL,
    claims          TEXT NOT NULL DEFAULT '',
    code_hash       BYTEA NOT NULL,
    code_expires_at BIGINT NOT NULL,
    code_used_at    BIGINT,
    code_form       TEXT NOT NULL DEFAULT '',
    rt_gen          BIGINT NOT NULL DEFAULT 0,
    rt_seed         BYTEA,
    rt_rotated_at   BIGINT NOT NULL DEFAULT 0,
    rt_expires_at   BIGINT NOT NULL DEFAULT 0,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    revoked_at      BIGINT
);
CREATE INDEX oauth_grants_subject ON oauth_grants (subject, client_id);
CREATE INDEX oauth_grants_session ON oauth_grants (session_id);
CREATE INDEX oauth_grants_client ON oauth_grants (client_id);
CREATE INDEX oauth_grants_expires ON oauth_grants (expires_at);
CREATE INDEX oauth_grants_unused ON oauth_grants (code_expires_at) WHERE code_used_at IS NULL;

-- Opaque access tokens, by the SHA-256 of the token. JWT access tokens have no row.
CREATE TABLE oauth_access (
    sig        BYTEA PRIMARY KEY,
    grant_id   TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    scope      TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_access_grant ON oauth_access (grant_id);
CREATE INDEX oauth_access_expires ON oauth_access (expires_at);

-- Authorization requests that wait for a person. asked_at is in milliseconds, expires_at in seconds.
CREATE TABLE oauth_requests (
    id          TEXT PRIMARY KEY,
    client_id   TEXT NOT NULL,
    subject     TEXT NOT NULL DEFAULT '',
    form        TEXT NOT NULL,
    cookie_hash BYTEA NOT NULL,
    asked_at    BIGINT NOT NULL,
    decided_at  BIGINT NOT NULL DEFAULT 0,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX oauth_requests_client ON oauth_requests (client_id);
CREATE INDEX oauth_requests_expires ON oauth_requests (expires_at);

-- Signing keys: PKCS #8, sealed. serial makes the n-th key of an algorithm a thing that only one replica can insert.
-- A key is published from its creation until retired_at and signs from active_at until a younger one does.
CREATE TABLE oauth_keys (
    kid        TEXT PRIMARY KEY,
    alg        TEXT NOT NULL,
    serial     BIGINT NOT NULL,
    private    BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    active_at  BIGINT NOT NULL,
    retired_at BIGINT NOT NULL DEFAULT 0,
    UNIQUE (alg, serial)
);

-- Client assertions that were used, per client (RFC 7523).
CREATE TABLE oauth_jti (
    client_id  TEXT NOT NULL,
    jti_hash   BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX oauth_jti_expires ON oauth_jti (expires_at);
