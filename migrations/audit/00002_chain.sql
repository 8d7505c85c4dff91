-- +goose Up
ALTER TABLE audit ADD COLUMN mac TEXT NOT NULL DEFAULT '';  -- over all columns above; '': written by an older release
ALTER TABLE audit ADD COLUMN seq BIGINT;                    -- place in the chain, without gaps; none: not linked yet
ALTER TABLE audit ADD COLUMN link TEXT NOT NULL DEFAULT ''; -- over the link before, seq, id and mac
CREATE UNIQUE INDEX audit_seq ON audit (seq) WHERE seq IS NOT NULL;
CREATE INDEX audit_waiting ON audit (id) WHERE seq IS NULL;
CREATE INDEX audit_client ON audit (client, id) WHERE client <> '';
CREATE INDEX audit_actor ON audit (actor, id) WHERE actor <> subject; -- what people did to themselves is in audit_subject

CREATE TABLE audit_head ( -- where the chain ends
    id         BIGINT PRIMARY KEY, -- 1
    seq        BIGINT NOT NULL,
    link       TEXT   NOT NULL,
    began_at   BIGINT NOT NULL,    -- Unix milliseconds
    seal_until BIGINT NOT NULL,    -- rows without a MAC are sealed until then; 0: never
    mac        TEXT   NOT NULL
);
CREATE TABLE audit_checkpoint ( -- where the chain begins: what was before is removed
    id      BIGINT PRIMARY KEY, -- 1
    seq     BIGINT NOT NULL,
    link    TEXT   NOT NULL,
    at      BIGINT NOT NULL,    -- of the removal, Unix milliseconds
    removed BIGINT NOT NULL,    -- rows in all
    floor   TEXT   NOT NULL,    -- no row has a smaller id
    mac     TEXT   NOT NULL
);
CREATE TABLE audit_delivery ( -- how far the webhook is
    id       BIGINT PRIMARY KEY, -- 1
    seq      BIGINT NOT NULL,    -- the last one that was taken
    until    BIGINT NOT NULL,    -- the last one of the batch that is under way; 0: none
    attempts BIGINT NOT NULL,    -- of that batch
    due_at   BIGINT NOT NULL     -- of the next attempt, Unix milliseconds
);
