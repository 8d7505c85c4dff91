-- +goose NO TRANSACTION
-- +goose Up

-- Grants that were ended before their time are removed a little later, and need not be looked for.
CREATE INDEX CONCURRENTLY IF NOT EXISTS oauth_grants_revoked ON oauth_grants (revoked_at) WHERE revoked_at IS NOT NULL;
