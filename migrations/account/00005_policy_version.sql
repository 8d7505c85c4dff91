-- +goose Up
ALTER TABLE account_policy ADD COLUMN version BIGINT NOT NULL DEFAULT 1; -- counts the changes
ALTER TABLE account_policy ADD COLUMN session_idle BIGINT NOT NULL DEFAULT 0; -- seconds, as the next one; 0: what sessions have anyway
ALTER TABLE account_policy ADD COLUMN session_overall BIGINT NOT NULL DEFAULT 0;
