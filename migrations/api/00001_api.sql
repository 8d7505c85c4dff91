-- +goose Up
-- What a program repeats under an Idempotency-Key is done once, and gets the first answer again.
CREATE TABLE api_answers (
    key        BYTEA   PRIMARY KEY, -- SHA-256 of the actor and the key
    actor      BYTEA   NOT NULL,    -- SHA-256 of the actor: how many keys somebody holds is bounded
    asked      BYTEA   NOT NULL,    -- SHA-256 of the request
    status     BIGINT  NOT NULL,    -- of the answer; 0: it is not there yet
    answer     BYTEA,               -- headers and body, encrypted and bound to the key; NULL: too large to be kept
    begun_at   BIGINT  NOT NULL,    -- this and below: Unix seconds
    expires_at BIGINT  NOT NULL
);
CREATE INDEX api_answers_actor ON api_answers (actor);
CREATE INDEX api_answers_expires_at ON api_answers (expires_at);

-- How often somebody called in a span of time.
CREATE TABLE api_calls (
    key   TEXT   PRIMARY KEY, -- the actor, hashed, and the span
    n     BIGINT NOT NULL,
    until BIGINT NOT NULL     -- end of the span, Unix seconds
);
CREATE INDEX api_calls_until ON api_calls (until);
