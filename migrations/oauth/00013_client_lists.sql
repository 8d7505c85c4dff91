-- +goose Up

-- Counts the writes of a client: whoever saw an older state is told, and undoes nothing that came between.
ALTER TABLE oauth_clients ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- Since when the secret is good, and since when the one before it was: Unix seconds, 0 where nobody knows.
ALTER TABLE oauth_clients ADD COLUMN secret_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE oauth_clients ADD COLUMN rotated_at BIGINT NOT NULL DEFAULT 0;
UPDATE oauth_clients SET secret_at = created_at WHERE rotated_hash = '';

-- By what a client is found. searched is the name that its words were made of: where it is another one than the client's,
-- which a former release wrote, they are made anew.
ALTER TABLE oauth_clients ADD COLUMN searched TEXT NOT NULL DEFAULT '';
CREATE INDEX oauth_clients_unsearched ON oauth_clients (id) WHERE searched <> name;
CREATE TABLE oauth_client_words (
    word      BYTEA NOT NULL, -- bytes: in their order on either engine, so that a beginning is a range
    client_id TEXT  NOT NULL,
    PRIMARY KEY (word, client_id)
);
CREATE INDEX oauth_client_words_client ON oauth_client_words (client_id, word);
