-- +goose Up
-- One row: how pages and mails look. What is '' there is as the configuration says.
CREATE TABLE brand (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    version     BIGINT NOT NULL, -- counts the changes
    name        TEXT   NOT NULL,
    color       TEXT   NOT NULL, -- #rrggbb
    help        TEXT   NOT NULL, -- whom to ask, as it stands in a sentence
    help_url    TEXT   NOT NULL,
    greeting    TEXT   NOT NULL,
    links       TEXT   NOT NULL, -- a JSON array of labels and addresses
    logo        BYTEA  NOT NULL, -- the picture, empty for none
    logo_id     TEXT   NOT NULL, -- of its content: the beginning of the SHA-256 in hexadecimal digits
    logo_kind   TEXT   NOT NULL, -- media type
    logo_width  BIGINT NOT NULL, -- pixels, like the next one
    logo_height BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL  -- Unix seconds, 0 for never
);
INSERT INTO brand (id, version, name, color, help, help_url, greeting, links, logo, logo_id, logo_kind, logo_width, logo_height, changed_at)
VALUES (1, 1, '', '', '', '', '', '[]', '', '', '', 0, 0, 0);
