-- +goose Up
CREATE TABLE audit (
    id         TEXT   PRIMARY KEY, -- ascends with time: nanoseconds, then random, in hexadecimal
    at         BIGINT NOT NULL,    -- Unix milliseconds
    action     TEXT   NOT NULL,
    actor      TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    client     TEXT   NOT NULL,
    result     TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    agent      TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    detail     TEXT   NOT NULL     -- a JSON object of strings
);
CREATE INDEX audit_subject ON audit (subject, id);
CREATE INDEX audit_action ON audit (action, id);
