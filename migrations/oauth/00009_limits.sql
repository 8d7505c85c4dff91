-- +goose Up

-- A pushed request is removed early, unless one that waits came of it; counts are removed when their time is over.
CREATE INDEX oauth_requests_pushed ON oauth_requests (pushed_hash) WHERE pushed_hash IS NOT NULL;
CREATE INDEX oauth_device_attempts_until ON oauth_device_attempts (until);
