package oauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Keys administers the signing keys.
type Keys keyring

var (
	// ErrKeyWaits says that nothing was rotated: the new key of every algorithm waits already until it may sign.
	ErrKeyWaits = errors.New("oauth: a new key waits already until it may sign")

	// ErrNoKey says that there is no such key, or that it has been revoked.
	ErrNoKey = errors.New("oauth: no such signing key")

	// ErrKeyRace says that somebody else changed the keys at the same moment; nothing was done.
	ErrKeyRace = errors.New("oauth: the keys were changed at the same moment: try again")
)

// List returns the keys with their state: waiting until it may sign, signing, published for the tokens that it has
// signed, retired (for a year it tells whose an id_token_hint is), revoked.
func (k *Keys) List(ctx context.Context) ([]KeyRow, error) {
	ring := (*keyring)(k)
	if err := ring.load(ctx); err != nil {
		return nil, err
	}
	rows, err := ring.rows(ctx)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		row, now := &rows[i], k.now()
		current, err := ring.current(row.Alg)
		switch {
		case row.Revoked:
			row.State = "revoked"
		case row.retired(now):
			row.State = "retired"
		case err == nil && row.KID == current.KID:
			row.State = "signing"
		case row.ActiveAt > now.Unix():
			row.State = "waiting"
		default:
			row.State = "published"
		}
	}
	return rows, nil
}

// Rotate makes a new key for each algorithm and returns them. A new key is published at once and signs after 15
// minutes, when every verifier has loaded the key set anew; the key before stays published for two days from then, longer
// than any token lives. An algorithm whose new key waits gets no other one; [ErrKeyWaits] when that is so of all.
func (k *Keys) Rotate(ctx context.Context) ([]KeyRow, error) {
	made, err := (*keyring)(k).replace(ctx, func(KeyRow) bool { return true })
	if err == nil && len(made) == 0 {
		err = ErrKeyWaits
	}
	return made, err
}

// Renew rotates the keys that have signed for as long as [Config.KeyLife] says. Every replica calls it now and then; one
// of them makes each key.
func (k *Keys) Renew(ctx context.Context) error {
	if k.life <= 0 {
		return nil
	}
	_, err := (*keyring)(k).replace(ctx, func(newest KeyRow) bool {
		return !k.now().Before(time.Unix(newest.ActiveAt, 0).Add(k.life))
	})
	return err
}

// Retire revokes a key at once, because somebody else may have it: it signs nothing more, is published no more, and no
// token of it is taken, not even as a hint. Where it was the one that signs, its successor signs at once, made if there is
// none; verifiers that don't look again for a key that they don't know refuse that one for up to 5 minutes. made is the
// new key, nil when none was needed. The reason is for the record; it may be "".
func (k *Keys) Retire(ctx context.Context, kid, reason string) (made *KeyRow, err error) {
	ring := (*keyring)(k)
	if err := ring.load(ctx); err != nil {
		return nil, err
	}
	ring.mu.RLock()
	key := ring.keys[kid]
	ring.mu.RUnlock()
	if key == nil {
		return nil, ErrNoKey
	}
	now := k.now()
	var successor *newKey
	active := now
	current, err := ring.current(key.Alg)
	signs := err == nil && current.KID == kid
	if !signs {
		active = now.Add(keyLead)
	}
	if key.Serial == ring.newestOf(key.Alg).Serial {
		if successor, err = ring.generate(key.Alg); err != nil {
			return nil, err
		}
	}
	err = k.db.InTx(ctx, func(ctx context.Context) error {
		// The private part is forgotten with it: a copy of the database from now on doesn't hold it.
		rows, err := k.db.Exec(ctx, `UPDATE oauth_keys SET private = $3, retired_at = $2 WHERE kid = $1 AND LENGTH(private) > 0`,
			kid, now.Unix(), []byte{})
		if err != nil {
			return unavailable(err)
		}
		if rows == 0 {
			return ErrNoKey
		}
		if err := ring.changed(ctx); err != nil {
			return err
		}
		detail := map[string]string{"kid": kid, "alg": key.Alg}
		if reason != "" {
			detail["reason"] = reason
		}
		if err := k.audit(ctx, Event{Kind: EventKeyRevoked, Detail: detail}); err != nil {
			return err
		}
		switch {
		case successor != nil:
			made, err = ring.insert(ctx, successor, now, active)
			if err == nil && made == nil {
				err = ErrKeyRace
			}
			return err
		case signs: // the one that waits
			_, err = k.db.Exec(ctx, `UPDATE oauth_keys SET active_at = $2 WHERE alg = $1 AND active_at > $2`, key.Alg, now.Unix())
		}
		return unavailable(err)
	})
	if err != nil {
		return nil, err
	}
	return made, ring.load(ctx)
}

// Reseal seals the private keys anew and returns how many there were: after it none needs the encryption keys that the
// Cipher had before its newest one. It may run beside everything else, and again. A key that doesn't open is left as it
// is, and is part of the error.
func (k *Keys) Reseal(ctx context.Context) (done int, err error) {
	var rows []struct {
		KID     string `db:"kid"`
		Private []byte `db:"private"`
	}
	if err := k.db.Select(ctx, &rows, `SELECT kid, private FROM oauth_keys WHERE LENGTH(private) > 0 ORDER BY kid`); err != nil {
		return 0, unavailable(err)
	}
	var broken error
	for _, row := range rows {
		der, err := k.seal.Decrypt(row.Private, keyPlace(row.KID))
		if err != nil {
			broken = errors.Join(broken, fmt.Errorf("oauth: signing key %s: %w", row.KID, err))
			continue
		}
		sealed, err := k.seal.Encrypt(der, keyPlace(row.KID))
		if err != nil {
			return done, fmt.Errorf("oauth: signing key %s: %w", row.KID, err)
		}
		swapped, err := k.db.Exec(ctx, `UPDATE oauth_keys SET private = $3 WHERE kid = $1 AND private = $2`,
			row.KID, row.Private, sealed)
		if err != nil {
			return done, unavailable(err)
		}
		done += int(swapped)
	}
	return done, broken
}

// replace makes the next key of each algorithm whose newest one is due and signs already.
func (k *keyring) replace(ctx context.Context, due func(newest KeyRow) bool) (made []KeyRow, err error) {
	if err := k.load(ctx); err != nil {
		return nil, err
	}
	for _, alg := range signingAlgs {
		newest := k.newestOf(alg)
		if newest.ActiveAt > k.now().Unix() || !due(newest) {
			continue
		}
		key, err := k.generate(alg)
		if err != nil {
			return made, err
		}
		row, err := k.insert(ctx, key, k.now(), k.now().Add(keyLead))
		if err != nil {
			return made, err
		}
		if row != nil {
			made = append(made, *row)
		}
	}
	return made, k.load(ctx)
}

func (k *keyring) newestOf(alg string) KeyRow {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.newest[alg]
}

// newKey is a key that waits for its row.
type newKey struct {
	kid, alg string
	serial   int64
	sealed   []byte
}

// generate makes the key of alg that follows the newest one that is known here.
func (k *keyring) generate(alg string) (*newKey, error) {
	private, err := generateKey(alg)
	if err != nil {
		return nil, fmt.Errorf("oauth: signing key %s: %w", alg, err)
	}
	kid, err := thumbprint(private)
	if err != nil {
		return nil, fmt.Errorf("oauth: signing key %s: %w", alg, err)
	}
	if kid[0] == '-' { // a command line would take it for a flag
		return k.generate(alg)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("oauth: signing key %s: %w", alg, err)
	}
	sealed, err := k.seal.Encrypt(der, keyPlace(kid))
	if err != nil {
		return nil, fmt.Errorf("oauth: signing key %s: %w", alg, err)
	}
	return &newKey{kid: kid, alg: alg, serial: k.newestOf(alg).Serial + 1, sealed: sealed}, nil
}

// insert stores a key and gives the one before its end. It returns nil when another replica has stored one of the same
// serial first: that one counts.
func (k *keyring) insert(ctx context.Context, key *newKey, now, active time.Time) (made *KeyRow, err error) {
	err = k.db.InTx(ctx, func(ctx context.Context) error {
		made = nil
		rows, err := k.db.Exec(ctx, `INSERT INTO oauth_keys (kid, alg, serial, private, created_at, active_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (alg, serial) DO NOTHING`,
			key.kid, key.alg, key.serial, key.sealed, now.Unix(), active.Unix())
		if err != nil || rows == 0 {
			return unavailable(err)
		}
		_, err = k.db.Exec(ctx, `UPDATE oauth_keys SET retired_at = $3 WHERE alg = $1 AND serial < $2 AND retired_at = 0`,
			key.alg, key.serial, active.Add(keyTail).Unix())
		if err != nil {
			return unavailable(err)
		}
		made = &KeyRow{KID: key.kid, Alg: key.alg, Serial: key.serial, CreatedAt: now.Unix(), ActiveAt: active.Unix()}
		if err := k.changed(ctx); err != nil {
			return err
		}
		return k.audit(ctx, Event{Kind: EventKeyCreated, Detail: map[string]string{"kid": key.kid, "alg": key.alg}})
	})
	return made, err
}

// keyPlace binds a sealed key to its row.
func keyPlace(kid string) []byte { return []byte("oauth_keys/private/" + kid) }

func generateKey(alg string) (crypto.Signer, error) {
	switch alg {
	case "RS256":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, errors.New("no such algorithm")
}

// thumbprint names a key by its public part (RFC 7638): no two keys share a name.
func thumbprint(private crypto.Signer) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum[:sha256.Size]), err
}
