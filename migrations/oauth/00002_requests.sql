-- +goose Up

-- Authorization requests that a client pushed (RFC 9126), by the SHA-256 of their request_uri. form holds no credential.
-- A row is taken when the code is issued, not when the browser brings the request_uri.
CREATE TABLE oauth_pushed (
    uri_hash   BYTEA PRIMARY KEY,
    client_id  TEXT NOT NULL,
    form       TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_pushed_client ON oauth_pushed (client_id);
CREATE INDEX oauth_pushed_expires ON oauth_pushed (expires_at);

-- A suspended request knows the pushed request or the waiting device that it answers.
ALTER TABLE oauth_requests ADD COLUMN pushed_hash BYTEA;
ALTER TABLE oauth_requests ADD COLUMN device_id TEXT NOT NULL DEFAULT '';

-- What an access token is good for (RFC 8707, '': this server's own resources) and whose key it is bound to (RFC 9449,
-- '': none). The grant's key is that of a public client's refresh tokens.
ALTER TABLE oauth_grants ADD COLUMN audience TEXT NOT NULL DEFAULT '';
ALTER TABLE oauth_grants ADD COLUMN dpop_jkt TEXT NOT NULL DEFAULT '';
ALTER TABLE oauth_access ADD COLUMN audience TEXT NOT NULL DEFAULT '';
ALTER TABLE oauth_access ADD COLUMN dpop_jkt TEXT NOT NULL DEFAULT '';
