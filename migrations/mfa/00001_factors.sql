-- +goose Up
-- Times are Unix seconds, 0 for never. Subjects are opaque text of the host's. Steps are counted in an
-- authenticator's own clock: the server's step plus its offset.

CREATE TABLE mfa_people (
    subject TEXT PRIMARY KEY,
    changes BIGINT NOT NULL -- its row is what changes of one person's factors wait for
);

CREATE TABLE mfa_attempts (
    key   TEXT PRIMARY KEY, -- factor/subject
    n     BIGINT NOT NULL,
    until BIGINT NOT NULL
);

CREATE TABLE mfa_enrollments (
    id         TEXT PRIMARY KEY,
    subject    TEXT NOT NULL,
    session    TEXT NOT NULL,
    account    TEXT NOT NULL,
    secret     BYTEA NOT NULL, -- sealed
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    pairs      BIGINT NOT NULL, -- pairs of codes that were tried
    proven     BOOLEAN NOT NULL,
    step_offset BIGINT NOT NULL,
    last_step  BIGINT NOT NULL
);
CREATE INDEX mfa_enrollments_subject ON mfa_enrollments (subject);
CREATE INDEX mfa_enrollments_expires ON mfa_enrollments (expires_at);

CREATE TABLE mfa_authenticators (
    id           TEXT PRIMARY KEY,
    subject      TEXT NOT NULL,
    name         TEXT NOT NULL,
    secret       BYTEA NOT NULL, -- sealed
    step_offset  BIGINT NOT NULL,
    run          BIGINT NOT NULL, -- accepted codes in a row at the edge of the window
    last_step    BIGINT NOT NULL,
    added_at     BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);
CREATE INDEX mfa_authenticators_subject ON mfa_authenticators (subject);

CREATE TABLE mfa_recovery_sets (
    id         TEXT PRIMARY KEY,
    subject    TEXT NOT NULL,
    session    TEXT NOT NULL,
    enrollment TEXT NOT NULL,
    salt       BYTEA NOT NULL, -- sealed
    created_at BIGINT NOT NULL,
    active     BOOLEAN NOT NULL
);
-- One that works and one that waits for its "Confirm".
CREATE UNIQUE INDEX mfa_recovery_sets_subject ON mfa_recovery_sets (subject, active);

CREATE TABLE mfa_recovery_codes (
    set_id  TEXT NOT NULL,
    subject TEXT NOT NULL,
    n       BIGINT NOT NULL,
    hash    BYTEA, -- none once it is used
    used_at BIGINT NOT NULL,
    PRIMARY KEY (set_id, n)
);
CREATE INDEX mfa_recovery_codes_subject ON mfa_recovery_codes (subject);

CREATE TABLE mfa_devices (
    id           TEXT PRIMARY KEY,
    subject      TEXT NOT NULL,
    browser      TEXT NOT NULL,
    system       TEXT NOT NULL,
    secret       BYTEA NOT NULL, -- SHA-256
    former       BYTEA NOT NULL, -- 40 bytes each: SHA-256, end
    added_at     BIGINT NOT NULL,
    rotated_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX mfa_devices_subject ON mfa_devices (subject);
CREATE INDEX mfa_devices_expires ON mfa_devices (expires_at);
