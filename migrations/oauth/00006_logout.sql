-- +goose Up

-- Which clients that want to hear of its end a browser session has signed in to; grants are gone long before it ends. due_at
-- is 0 while the session lives, then the time of the next try to tell the client by the back channel. expires_at, in Unix
-- seconds too, is when the row is of no use any more.
CREATE TABLE oauth_logins (
    id         TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    subject    TEXT NOT NULL,
    attempts   BIGINT NOT NULL DEFAULT 0,
    due_at     BIGINT NOT NULL DEFAULT 0,
    expires_at BIGINT NOT NULL,
    UNIQUE (session_id, client_id)
);
CREATE INDEX oauth_logins_client ON oauth_logins (client_id);
CREATE INDEX oauth_logins_due ON oauth_logins (due_at) WHERE due_at > 0;
CREATE INDEX oauth_logins_expires ON oauth_logins (expires_at);
