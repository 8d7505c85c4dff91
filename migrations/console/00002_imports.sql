-- +goose Up
-- A file of people between its preview and its import: one of each administrator, for an hour.
CREATE TABLE console_imports (
    subject    TEXT   PRIMARY KEY, -- whose preview it is
    secret     BYTEA  NOT NULL,    -- SHA-256 of the handle that stands in the preview's form
    file       BYTEA  NOT NULL,    -- encrypted under a key that is made of the handle alone
    preview    BYTEA  NOT NULL,    -- SHA-256 of what the preview said; empty when the import has begun
    expires_at BIGINT NOT NULL     -- Unix seconds
);
CREATE INDEX console_imports_expires_at ON console_imports (expires_at);
