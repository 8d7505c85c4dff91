-- +goose Up
-- One row, once the database was brought back from a backup: what was used up since the backup is not known here, so
-- nothing of before that moment is taken any more.
CREATE TABLE oauth_restored (
    id BIGINT PRIMARY KEY, -- 1
    at BIGINT NOT NULL     -- Unix seconds
);
