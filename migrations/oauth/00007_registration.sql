-- +goose Up

-- Whoever holds one of these may register clients (RFC 7591 section 3), uses_left times.
CREATE TABLE oauth_registration_tokens (
    token_hash TEXT PRIMARY KEY,
    uses_left  BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_registration_tokens_expires ON oauth_registration_tokens (expires_at);

-- The token by which a client that registered itself manages its registration (RFC 7592); '': it was registered by us.
ALTER TABLE oauth_clients ADD COLUMN registration_hash TEXT NOT NULL DEFAULT '';

-- Our copies of clients' logos. body is NULL until the picture has been fetched from uri.
CREATE TABLE oauth_logos (
    client_id TEXT PRIMARY KEY,
    uri       TEXT NOT NULL,
    kind      TEXT NOT NULL DEFAULT '',
    etag      TEXT NOT NULL DEFAULT '',
    body      BYTEA,
    tries     BIGINT NOT NULL DEFAULT 0,
    next_at   BIGINT NOT NULL DEFAULT 0
);
