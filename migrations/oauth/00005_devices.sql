-- +goose Up

-- Devices that wait for a person (RFC 8628). Whoever allows one turns its row into the grant of the same id and device
-- code, so that a row is a device without an answer, or with a refusal. form holds the client, the scope and resources.
CREATE TABLE oauth_devices (
    id         TEXT PRIMARY KEY,
    client_id  TEXT NOT NULL,
    form       TEXT NOT NULL,
    code_hash  BYTEA NOT NULL,
    user_hash  BYTEA NOT NULL UNIQUE, -- keyed: user codes are short
    denied     BOOLEAN NOT NULL DEFAULT FALSE,
    pause      BIGINT NOT NULL,             -- seconds between two polls; grows when they come faster
    polled_at  BIGINT NOT NULL DEFAULT 0,   -- milliseconds
    hasty      BOOLEAN NOT NULL DEFAULT FALSE, -- whether the last poll came too early
    expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_devices_client ON oauth_devices (client_id, expires_at);
CREATE INDEX oauth_devices_expires ON oauth_devices (expires_at);

-- Tries at user codes, per network and person.
CREATE TABLE oauth_device_attempts (
    key   TEXT PRIMARY KEY,
    n     BIGINT NOT NULL,
    until BIGINT NOT NULL
);
