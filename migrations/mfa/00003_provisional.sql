-- +goose Up
-- Two codes came late: the phone is as slow as step_offset says, or they were typed slowly. The first code that is
-- accepted tells, and settles it.
ALTER TABLE mfa_authenticators ADD COLUMN provisional BOOLEAN NOT NULL DEFAULT FALSE;
