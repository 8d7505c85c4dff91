-- +goose Up
CREATE TABLE sessions (
    id           TEXT   PRIMARY KEY,     -- the public sid
    secret       BYTEA  NOT NULL UNIQUE, -- SHA-256 of the cookie's value
    subject      TEXT   NOT NULL,
    amr          TEXT   NOT NULL,        -- separated by blanks
    auth_time    BIGINT NOT NULL,        -- this and all below: Unix milliseconds, 0 for never
    factor_at    BIGINT NOT NULL,
    postponed_at BIGINT NOT NULL,
    reminded_at  BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    seen_at      BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    agent        TEXT   NOT NULL,
    address      TEXT   NOT NULL
);
CREATE INDEX sessions_subject ON sessions (subject);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
