-- +goose NO TRANSACTION
-- +goose Up
-- What is removed when it is old: codes that nobody confirmed, and counts of networks.
CREATE INDEX CONCURRENTLY IF NOT EXISTS mfa_recovery_sets_pending ON mfa_recovery_sets (created_at) WHERE NOT active;
CREATE INDEX CONCURRENTLY IF NOT EXISTS mfa_attempts_networks ON mfa_attempts (until) WHERE key LIKE 'network/%';
