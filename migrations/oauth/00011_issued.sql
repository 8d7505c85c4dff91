-- +goose Up

-- When an opaque token was issued, for introspection (RFC 7662 section 2.2); 0: before this was kept.
ALTER TABLE oauth_access ADD COLUMN issued_at BIGINT NOT NULL DEFAULT 0;
