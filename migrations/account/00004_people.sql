-- +goose Up
-- A lesser role than administrator: '', auditor, helpdesk. It counts only where admin is false.
ALTER TABLE accounts ADD COLUMN role TEXT NOT NULL DEFAULT '';

-- What lists are sorted and searched by. Searched says of what name_key and the rows of account_words were made: where it
-- is not what stands in the row, they are made anew.
ALTER TABLE accounts ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN searched TEXT NOT NULL DEFAULT '';
CREATE TABLE account_words (
    word    BYTEA NOT NULL, -- bytes: in their order on either engine, so that a beginning is a range
    subject TEXT  NOT NULL REFERENCES accounts (subject) ON DELETE CASCADE,
    PRIMARY KEY (word, subject)
);
CREATE INDEX account_words_subject ON account_words (subject, word);

-- Facts of other domains, kept for lists and figures alone.
ALTER TABLE accounts ADD COLUMN mfa_enrolled BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE accounts ADD COLUMN codes_left BIGINT NOT NULL DEFAULT 0; -- recovery codes
ALTER TABLE accounts ADD COLUMN signed_in_at BIGINT NOT NULL DEFAULT 0; -- Unix seconds, to the hour; 0 for never

-- The orders of lists, with what they are narrowed by, so that whoever is passed over is not read; then what finds few.
CREATE INDEX accounts_username ON accounts (username_key, subject, disabled, mfa_enrolled, codes_left, signed_in_at, password_at);
CREATE INDEX accounts_name ON accounts (name_key, subject, disabled, mfa_enrolled, codes_left, signed_in_at, password_at);
CREATE INDEX accounts_created ON accounts (created_at, subject, disabled, mfa_enrolled, codes_left, signed_in_at, password_at);
CREATE INDEX accounts_signed_in ON accounts (signed_in_at, subject, disabled, mfa_enrolled, codes_left, password_at);
CREATE INDEX accounts_role ON accounts (subject) WHERE admin OR role <> '';
CREATE INDEX accounts_disabled ON accounts (subject) WHERE disabled;
CREATE INDEX accounts_no_mfa ON accounts (disabled, subject) WHERE NOT mfa_enrolled;
CREATE INDEX accounts_few_codes ON accounts (disabled, subject) WHERE mfa_enrolled AND codes_left <= 3;
CREATE INDEX accounts_no_password ON accounts (subject) WHERE password_at = 0;
CREATE INDEX accounts_unsearched ON accounts (subject) WHERE searched <> username || ' ' || email || ' ' || name;
CREATE INDEX account_members_group ON account_members (group_name, subject);
DROP INDEX account_members_group_name;

-- One row a day and figure.
CREATE TABLE account_figures (
    day   TEXT   NOT NULL, -- 2006-01-02, in UTC
    name  TEXT   NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (day, name)
);

-- Work that one replica at a time does.
CREATE TABLE account_work (
    name     TEXT   PRIMARY KEY,
    position TEXT   NOT NULL, -- how far it has come
    due_at   BIGINT NOT NULL, -- Unix seconds, as all below: not before; 0 as long as it was never finished
    until    BIGINT NOT NULL  -- whoever is at it has it until then
);
INSERT INTO account_work (name, position, due_at, until) VALUES ('words', '', 0, 0), ('factors', '', 0, 0), ('figures', '', 0, 0);
