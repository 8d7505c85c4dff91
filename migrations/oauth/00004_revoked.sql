-- +goose Up

-- JWT access tokens of clients for themselves (RFC 6749 section 4.4) that were revoked, by the SHA-256 of their jti.
-- Others end with their grant. A row is not needed when its token has expired.
CREATE TABLE oauth_revoked (
    jti_hash   BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_revoked_expires ON oauth_revoked (expires_at);
