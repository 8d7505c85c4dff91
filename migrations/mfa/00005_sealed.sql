-- +goose Up
CREATE INDEX mfa_attempts_n ON mfa_attempts (n); -- whose factors are sealed
