-- +goose Up
-- An administrator's own session in the console, beside the one at the provider that it ends with.
CREATE TABLE console_sessions (
    secret     BYTEA  PRIMARY KEY, -- SHA-256 of the cookie's value
    subject    TEXT   NOT NULL,
    sid        TEXT   NOT NULL,    -- the provider's session
    auth_time  BIGINT NOT NULL,    -- of the ID token; this and those below: Unix seconds
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX console_sessions_expires_at ON console_sessions (expires_at);
