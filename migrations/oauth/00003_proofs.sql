-- +goose Up

-- DPoP proofs that were used (RFC 9449 section 11.1), by the SHA-256 of their key and jti. A row outlives the
-- time in which its proof could be sent again.
CREATE TABLE oauth_proofs (
    hash       BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_proofs_expires ON oauth_proofs (expires_at);
