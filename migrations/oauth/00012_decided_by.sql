-- +goose Up

-- Who decided on the page of a suspended request: the browser may change hands before the request is answered. '' for one
-- that was decided before this was kept: its person is asked again.
ALTER TABLE oauth_requests ADD COLUMN decided_by TEXT NOT NULL DEFAULT '';
