-- +goose Up
-- What a person is called towards their authenticators: random, so that it tells nobody anything.
CREATE TABLE mfa_passkey_handles (
    subject TEXT PRIMARY KEY,
    handle  BYTEA NOT NULL UNIQUE
);

CREATE TABLE mfa_passkeys (
    id              TEXT PRIMARY KEY,
    credential      BYTEA NOT NULL UNIQUE, -- the authenticator's own identifier
    subject         TEXT NOT NULL,
    name            TEXT NOT NULL,
    public_key      BYTEA NOT NULL, -- COSE
    sign_count      BIGINT NOT NULL,
    backup_eligible BOOLEAN NOT NULL, -- never changes
    backed_up       BOOLEAN NOT NULL,
    transports      TEXT NOT NULL, -- separated by spaces
    aaguid          BYTEA NOT NULL,
    added_at        BIGINT NOT NULL,
    last_used_at    BIGINT NOT NULL
);
CREATE INDEX mfa_passkeys_subject ON mfa_passkeys (subject);

CREATE TABLE mfa_passkey_ceremonies (
    hash       BYTEA PRIMARY KEY, -- SHA-256 of the identifier
    purpose    TEXT NOT NULL,
    subject    TEXT NOT NULL, -- '' for a sign-in: nobody yet
    session    TEXT NOT NULL,
    data       BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX mfa_passkey_ceremonies_subject ON mfa_passkey_ceremonies (subject);
CREATE INDEX mfa_passkey_ceremonies_expires ON mfa_passkey_ceremonies (expires_at);
