-- +goose Up
CREATE INDEX account_links_expires_at ON account_links (expires_at);
