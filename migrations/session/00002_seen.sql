-- +goose Up
-- Sessions that nobody used for long are found and removed.
CREATE INDEX sessions_seen_at ON sessions (seen_at);
