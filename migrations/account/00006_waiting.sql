-- +goose Up
CREATE INDEX account_attempts_until ON account_attempts (until);
