-- +goose Up

-- Clients that were deleted, while grants of theirs are still being removed: there may be very many.
CREATE TABLE oauth_gone (
    client_id TEXT PRIMARY KEY
);
CREATE INDEX oauth_access_client ON oauth_access (client_id);

-- Why there is no copy of a logo yet, for administrators.
ALTER TABLE oauth_logos ADD COLUMN problem TEXT NOT NULL DEFAULT '';
