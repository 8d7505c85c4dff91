-- +goose Up
-- What people read about themselves: without what happens by itself many times a day. audit/list.go has the same condition.
CREATE INDEX audit_notable ON audit (subject, id) WHERE subject <> '' AND action NOT IN (
    'oauth.token_issued', 'oauth.token_revoked', 'oauth.logout_noticed', 'oauth.logout_notice_failed', 'mfa.device_used', 'sign_in.asked');
CREATE INDEX audit_result ON audit (result, id) WHERE result <> '';

-- How many rows of a kind there were on a day, counted when they are linked. One of these rows holds no fact about anybody.
CREATE TABLE audit_days (
    action TEXT   NOT NULL,
    day    BIGINT NOT NULL, -- days since 1970-01-01, in UTC
    result TEXT   NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (action, day, result)
);
CREATE INDEX audit_days_day ON audit_days (day);
INSERT INTO audit_days (action, day, result, n)
    SELECT action, at / 86400000, result, COUNT(*) FROM audit WHERE seq IS NOT NULL GROUP BY action, at / 86400000, result;
