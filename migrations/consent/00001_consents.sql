-- +goose Up
CREATE TABLE consents (
    subject    TEXT    NOT NULL,
    client     TEXT    NOT NULL,
    scope      TEXT    NOT NULL, -- '': a request without scopes
    granted    BOOLEAN NOT NULL,
    decided_at BIGINT  NOT NULL, -- Unix milliseconds
    PRIMARY KEY (subject, client, scope)
);
CREATE INDEX consents_client ON consents (client);
