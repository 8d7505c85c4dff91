package oauth

import (
	"context"
	"time"
)

// Bounds of an initial access token.
const (
	maxRegistrationLife = 366 * 24 * time.Hour
	maxRegistrationUses = 100_000
)

// registrationScope and initialScope keep the hashes of the tokens of registration apart from those of client secrets:
// no client is called so.
const (
	registrationScope = "registration\x00"
	initialScope      = "initial\x00"
)

// byKey finds by what a client was changed in a context, for the audit.
type byKey struct{}

func by(ctx context.Context) map[string]string {
	if how, ok := ctx.Value(byKey{}).(string); ok {
		return map[string]string{"by": how}
	}
	return nil
}

// NewRegistrationToken makes an initial access token (RFC 7591 section 3), good for registering uses clients within
// life, and returns it, the only time that it is shown. Values that are not positive, or are more than a year or
// 100000 uses, are an [*InvalidError].
func (c *Clients) NewRegistrationToken(ctx context.Context, life time.Duration, uses int) (string, error) {
	if life <= 0 || life > maxRegistrationLife {
		return "", &InvalidError{"life", "more than nothing, at most a year"}
	}
	if uses <= 0 || uses > maxRegistrationUses {
		return "", &InvalidError{"uses", "1 to 100000"}
	}
	token, now := randomText(32), c.now()
	return token, c.db.InTx(ctx, func(ctx context.Context) error {
		_, err := c.db.Exec(ctx, `INSERT INTO oauth_registration_tokens (token_hash, uses_left, created_at, expires_at)
			VALUES ($1, $2, $3, $4)`, c.hash(initialScope, token), uses, now.Unix(), now.Add(life).Unix())
		if err != nil {
			return err
		}
		return c.audit(ctx, Event{Kind: EventRegistrationToken})
	})
}

// mayRegister returns errInvalidToken unless token is a good initial access token. Only takeRegistration decides.
func (c *Clients) mayRegister(ctx context.Context, token string) error {
	var n int
	err := c.db.Get(ctx, &n, `SELECT COUNT(*) FROM oauth_registration_tokens WHERE token_hash = $1 AND uses_left > 0
		AND expires_at > $2`, c.hash(initialScope, token), c.now().Unix())
	if err != nil {
		return unavailable(err)
	}
	if n == 0 || token == "" {
		return errInvalidToken
	}
	return nil
}

// takeRegistration takes one use of an initial access token.
func (c *Clients) takeRegistration(ctx context.Context, token string) error {
	rows, err := c.db.Exec(ctx, `UPDATE oauth_registration_tokens SET uses_left = uses_left - 1
		WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2`, c.hash(initialScope, token), c.now().Unix())
	if err != nil {
		return err
	}
	if rows == 0 {
		return errInvalidToken
	}
	return nil
}
