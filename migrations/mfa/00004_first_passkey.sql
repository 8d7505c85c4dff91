-- +goose Up
-- It was added when the person had nothing at all, so that the password alone had guarded the account until then. Of
-- those that stood before nobody knows: they are none.
ALTER TABLE mfa_passkeys ADD COLUMN first BOOLEAN NOT NULL DEFAULT FALSE;
