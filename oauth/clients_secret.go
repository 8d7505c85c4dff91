package oauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"time"
)

// maxOverlap is how long a secret may outlive its rotation: one that somebody else may have must come to an end.
const maxOverlap = 30 * 24 * time.Hour

// Rotation says how a client gets another secret.
type Rotation struct {
	Version int64         // the state that was seen; in another one it is [ErrStale]. 0: whatever the state
	Secret  string        // "": one of 256 bits is made
	Overlap time.Duration // how long the secret before stays good, at most 30 days

	// KeepFormer refuses by [ErrTwoSecrets] what would end a former secret early: with two that are good, the older one may
	// be the one in use. Without an overlap nothing is to be kept, and it has no effect.
	KeepFormer bool
}

// RotateSecret is [Clients.Rotate] whatever the state of the client.
func (c *Clients) RotateSecret(ctx context.Context, id, secret string, overlap time.Duration) (string, error) {
	return c.Rotate(ctx, id, Rotation{Secret: secret, Overlap: overlap})
}

// Rotate gives the client id a new secret and returns it, the only time that it is shown. The one before stays good for a
// while, and one before that ends. Errors are [ErrNotFound], [ErrStale], [ErrTwoSecrets], [ErrReserved] and an
// [*InvalidError] (overlap, secret, auth_method).
func (c *Clients) Rotate(ctx context.Context, id string, r Rotation) (string, error) {
	if r.Overlap < 0 || r.Overlap > maxOverlap {
		return "", &InvalidError{Field: "overlap", Reason: fmt.Sprintf("0 to %.0f hours", maxOverlap.Hours())}
	}
	if err := c.writable(id); err != nil {
		return "", err
	}
	client, err := c.Get(ctx, id)
	if err != nil {
		return "", err
	}
	return c.rotate(ctx, client, r)
}

func (c *Clients) rotate(ctx context.Context, client *Client, r Rotation) (string, error) {
	id := client.ID
	if !client.hasSecret() {
		return "", &InvalidError{Field: "auth_method", Reason: "a client of " + client.AuthMethod + " has no secret"}
	}
	secret, err := c.secretFor(client, r.Secret)
	if err != nil {
		return "", err
	}
	return secret, c.db.InTx(ctx, func(ctx context.Context) error {
		now := c.now()
		rows, err := c.db.Exec(ctx, `UPDATE oauth_clients SET rotated_hash = secret_hash, rotated_until = $3, rotated_at = secret_at,
			secret_hash = $2, secret_at = $4, updated_at = $4, version = version + 1
			WHERE id = $1 AND (CAST($5 AS BIGINT) = 0 OR version = $5) AND (NOT $6 OR rotated_hash = '' OR rotated_until <= $4)`,
			id, c.hash(id, secret), now.Add(r.Overlap).Unix(), now.Unix(), r.Version, r.KeepFormer && r.Overlap > 0)
		if err != nil {
			return err
		}
		if rows == 0 {
			return c.unrotated(ctx, id, r.Version)
		}
		if err := c.changed(ctx, id); err != nil {
			return err
		}
		return c.audit(ctx, Event{Kind: EventClientSecret, Client: id, Detail: map[string]string{"overlap": r.Overlap.String()}})
	})
}

// unrotated says why a secret of the client id was not changed, whose state was to be version.
func (c *Clients) unrotated(ctx context.Context, id string, version int64) error {
	row, err := c.row(ctx, id)
	switch {
	case err != nil:
		return err
	case version != 0 && version != row.Version:
		return ErrStale
	}
	return ErrTwoSecrets
}

// EndFormerSecret ends the secret before the last rotation at once, where the client id is still in the state of version (0:
// whatever its state). Errors are [ErrNotFound], [ErrStale], [ErrReserved] and [ErrNoFormerSecret].
func (c *Clients) EndFormerSecret(ctx context.Context, id string, version int64) error {
	if err := c.writable(id); err != nil {
		return err
	}
	return c.db.InTx(ctx, func(ctx context.Context) error {
		// Its hash stays: whoever still comes with it is told apart from whoever guesses.
		now := c.now().Unix()
		rows, err := c.db.Exec(ctx, `UPDATE oauth_clients SET rotated_until = $2, updated_at = $2, version = version + 1
			WHERE id = $1 AND (CAST($3 AS BIGINT) = 0 OR version = $3) AND rotated_hash <> '' AND rotated_until > $2`, id, now, version)
		if err != nil {
			return err
		}
		if rows == 0 {
			row, err := c.row(ctx, id)
			switch {
			case err != nil:
				return err
			case version != 0 && version != row.Version:
				return ErrStale
			}
			return ErrNoFormerSecret
		}
		if err := c.changed(ctx, id); err != nil {
			return err
		}
		return c.audit(ctx, Event{Kind: EventClientSecretEnded, Client: id})
	})
}

// LiveSecret is a secret that is good, as pages tell of it. What it is nobody knows but its client.
type LiveSecret struct {
	Former bool      `json:"former"`         // the one before the last rotation
	Since  time.Time `json:"since,omitzero"` // zero: not known
	Until  time.Time `json:"until,omitzero"` // zero: until it is rotated
}

// Secrets returns the secrets that are good for client now, the newest one first: none, one or two.
func (c *Clients) Secrets(client *Client) []LiveSecret {
	var out []LiveSecret
	if client.secretHash != "" && client.hasSecret() {
		out = append(out, LiveSecret{Since: unixTime(client.secretAt)})
	}
	if client.rotatedHash != "" && client.hasSecret() && c.now().Unix() < client.rotatedUntil {
		out = append(out, LiveSecret{Former: true, Since: unixTime(client.rotatedAt), Until: unixTime(client.rotatedUntil)})
	}
	return out
}

func unixTime(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// SecretIs reports whether secret is good for client now. It takes the same time whatever differs.
func (c *Clients) SecretIs(client *Client, secret string) bool {
	got := []byte(c.hash(client.ID, secret))
	ok := 0
	hashes := []string{client.secretHash}
	if c.now().Unix() < client.rotatedUntil {
		hashes = append(hashes, client.rotatedHash)
	}
	for _, want := range hashes {
		if want != "" {
			ok |= subtle.ConstantTimeCompare(got, []byte(want))
		}
	}
	return ok == 1 && secret != ""
}

// hash returns how a client's secret is kept: keyed, so that a stolen database alone verifies nothing, and bound to the
// client, so that equal secrets don't show. It is quick because secrets are random; a slow one would let anybody who
// sends wrong secrets keep every core busy.
func (c *Clients) hash(id, secret string) string {
	if secret == "" {
		return ""
	}
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte(id + "\x00" + secret))
	return "$hmac$" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// secretFor returns the secret that client gets.
func (c *Clients) secretFor(client *Client, secret string) (string, error) {
	switch {
	case !client.hasSecret() && secret != "":
		return "", &InvalidError{Field: "secret", Reason: "a client of " + client.AuthMethod + " has none"}
	case !client.hasSecret():
		return "", nil
	case secret == "":
		return randomText(32), nil
	case len(secret) < minSecret:
		return "", &InvalidError{Field: "secret", Reason: fmt.Sprintf("at least %d characters, chosen at random", minSecret)}
	}
	return secret, nil
}
