-- +goose Up

-- What went wrong lately in the name of a client: one row for each kind and place, whatever comes, so that strangers fill
-- nothing. client_id is '' for what came under an id that is not known.
CREATE TABLE oauth_problems (
    id        TEXT   PRIMARY KEY, -- kind, place and client
    client_id TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    network   TEXT   NOT NULL, -- where it came from
    detail    TEXT   NOT NULL, -- JSON
    times     BIGINT NOT NULL, -- in a row from there, alike
    first_at  BIGINT NOT NULL, -- of those; Unix seconds
    last_at   BIGINT NOT NULL
);
CREATE INDEX oauth_problems_client ON oauth_problems (client_id, last_at);
CREATE INDEX oauth_problems_last ON oauth_problems (last_at);
