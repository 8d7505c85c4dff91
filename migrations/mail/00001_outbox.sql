-- +goose Up
CREATE TABLE outbox (
    id         TEXT    PRIMARY KEY, -- ascends with time; also the Message-ID, so that a mail sent twice is known as one
    recipient  TEXT    NOT NULL,
    body       BYTEA   NOT NULL,    -- JSON; empty once given up: links in it must not outlive their use
    sealed     BOOLEAN NOT NULL,    -- body is encrypted under "outbox/body/ID"
    attempts   BIGINT  NOT NULL,
    created_at BIGINT  NOT NULL,    -- Unix milliseconds, as are the others
    due_at     BIGINT  NOT NULL,    -- next try; a deliverer claims a mail by moving it
    failed_at  BIGINT,              -- given up
    last_error TEXT    NOT NULL
);
CREATE INDEX outbox_due ON outbox (due_at, id) WHERE failed_at IS NULL;
CREATE INDEX outbox_failed ON outbox (failed_at) WHERE failed_at IS NOT NULL;
