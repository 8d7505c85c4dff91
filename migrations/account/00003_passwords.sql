-- +goose Up
-- Somebody else may know the password: it must be changed before anything else.
ALTER TABLE accounts ADD COLUMN compromised BOOLEAN NOT NULL DEFAULT FALSE;

-- Who forgot their password and waits for a mail. Written alike for every name, so that the answer tells nobody which
-- of them exist.
CREATE TABLE account_asks (
    id       TEXT   PRIMARY KEY,
    subject  TEXT   NOT NULL, -- '' where nobody has that name
    language TEXT   NOT NULL, -- what their browser prefers, for the letter
    asked_at BIGINT NOT NULL  -- Unix seconds
);
CREATE INDEX account_asks_asked_at ON account_asks (asked_at);
