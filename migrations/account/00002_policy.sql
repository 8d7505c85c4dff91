-- +goose Up
ALTER TABLE account_policy ADD COLUMN mfa_required TEXT NOT NULL DEFAULT 'groups'; -- who must have a factor: groups, everybody
ALTER TABLE accounts ADD COLUMN codes_asked_at BIGINT NOT NULL DEFAULT 0; -- "do you still have your recovery codes?"
