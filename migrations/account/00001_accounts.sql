-- +goose Up
CREATE TABLE accounts (
    subject        TEXT    PRIMARY KEY,     -- random, never reused
    username       TEXT    NOT NULL,        -- as written
    username_key   TEXT    NOT NULL UNIQUE, -- canonical
    email          TEXT    NOT NULL,        -- as written, '' for none
    email_key      TEXT    UNIQUE,          -- canonical, NULL for none
    email_verified BOOLEAN NOT NULL,
    name           TEXT    NOT NULL,
    admin          BOOLEAN NOT NULL,
    disabled       BOOLEAN NOT NULL,
    profile        TEXT    NOT NULL,        -- a JSON object of standard claims
    password       TEXT    NOT NULL,        -- argon2id in PHC form, '' for none
    version        BIGINT  NOT NULL,        -- counts the updates
    created_at     BIGINT  NOT NULL,        -- this and all below: Unix seconds, 0 for never
    updated_at     BIGINT  NOT NULL,
    password_at    BIGINT  NOT NULL,
    mfa_due_at     BIGINT  NOT NULL
);

CREATE TABLE account_groups (
    name        TEXT PRIMARY KEY,
    description TEXT NOT NULL
);

CREATE TABLE account_members (
    subject    TEXT NOT NULL REFERENCES accounts (subject) ON DELETE CASCADE,
    group_name TEXT NOT NULL REFERENCES account_groups (name) ON DELETE CASCADE,
    PRIMARY KEY (subject, group_name)
);
CREATE INDEX account_members_group_name ON account_members (group_name);

-- A new link replaces the one before: of two made at the same moment one is left.
CREATE TABLE account_links (
    subject    TEXT   NOT NULL, -- '' where the link makes the account
    purpose    TEXT   NOT NULL,
    hash       BYTEA  NOT NULL UNIQUE, -- SHA-256 of the token
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (subject, purpose)
);

CREATE TABLE account_attempts (
    key   TEXT   PRIMARY KEY,
    n     BIGINT NOT NULL,
    until BIGINT NOT NULL
);

-- One row. Whoever takes an administrator away writes to it first, so that two of them wait for each other.
CREATE TABLE account_policy (
    id                  BIGINT PRIMARY KEY CHECK (id = 1),
    mfa_required_groups TEXT   NOT NULL, -- a JSON array
    mfa_grace           BIGINT NOT NULL, -- seconds
    turns               BIGINT NOT NULL
);
INSERT INTO account_policy (id, mfa_required_groups, mfa_grace, turns) VALUES (1, '[]', 0, 0);
