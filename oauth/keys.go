package oauth

import (
	"cmp"
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
	"slices"
	"sync"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/go-jose/go-jose/v4"
)

// Lives of signing keys. Verifiers keep a JWKS for jwksLife, so a new key waits longer than that before it signs.
const (
	jwksLife    = 5 * time.Minute
	keyLead     = 15 * time.Minute
	keyTail     = 48 * time.Hour // how long a replaced key is still published: longer than any token it signed
	keyInterval = 30 * time.Second
)

// keyring holds the signing keys of all algorithms, parsed once each. Replicas share the rows.
type keyring struct {
	db    *dbx.DB
	seal  Cipher
	now   func() time.Time
	audit func(context.Context, Event) error

	mu     sync.RWMutex
	keys   map[string]*signingKey // by kid
	loaded time.Time
}

// signingKey is one key with what is needed to sign and to verify.
type signingKey struct {
	KeyRow
	public  jose.JSONWebKey
	signers map[string]jose.Signer // by typ
}

// KeyRow is what there is to tell of a signing key.
type KeyRow struct {
	KID       string `db:"kid" json:"kid"`
	Alg       string `db:"alg" json:"alg"`
	Serial    int64  `db:"serial" json:"serial"`
	CreatedAt int64  `db:"created_at" json:"created_at"` // Unix seconds, like the next two
	ActiveAt  int64  `db:"active_at" json:"active_at"`
	RetiredAt int64  `db:"retired_at" json:"retired_at"` // 0: not replaced yet
}

// The types of the tokens that are signed here. None is taken for another.
const (
	typID       = "JWT"
	typAccess   = "at+jwt"       // RFC 9068
	typLogout   = "logout+jwt"   // OpenID Connect Back-Channel Logout 1.0
	typUserinfo = "userinfo+jwt" // no standard's: so that nobody takes it for an ID token
)

// open loads the keys and makes those that no replica has made yet.
func (k *keyring) open(ctx context.Context) error {
	if err := k.load(ctx); err != nil {
		return err
	}
	for _, alg := range signingAlgs {
		if _, err := k.current(alg); err == nil {
			continue
		}
		if err := k.create(ctx, alg, 1, k.now(), k.now()); err != nil {
			return err
		}
	}
	return k.load(ctx)
}

// create inserts the serial-th key of alg, unless another replica has just done so: the row that is there wins.
func (k *keyring) create(ctx context.Context, alg string, serial int64, now, active time.Time) error {
	private, err := generateKey(alg)
	if err != nil {
		return fmt.Errorf("oauth: signing key %s: %w", alg, err)
	}
	kid, err := thumbprint(private)
	if err != nil {
		return fmt.Errorf("oauth: signing key %s: %w", alg, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return fmt.Errorf("oauth: signing key %s: %w", alg, err)
	}
	sealed, err := k.seal.Encrypt(der, keyPlace(kid))
	if err != nil {
		return fmt.Errorf("oauth: signing key %s: %w", alg, err)
	}
	return k.db.InTx(ctx, func(ctx context.Context) error {
		rows, err := k.db.Exec(ctx, `INSERT INTO oauth_keys (kid, alg, serial, private, created_at, active_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (alg, serial) DO NOTHING`,
			kid, alg, serial, sealed, now.Unix(), active.Unix())
		if err != nil || rows == 0 {
			return err
		}
		_, err = k.db.Exec(ctx, `UPDATE oauth_keys SET retired_at = $3 WHERE alg = $1 AND serial < $2 AND retired_at = 0`,
			alg, serial, active.Add(keyTail).Unix())
		if err != nil {
			return err
		}
		return k.audit(ctx, Event{Kind: EventKeyCreated, Detail: map[string]string{"kid": kid, "alg": alg}})
	})
}

// load reads the rows that are still published and opens the keys that are new here.
func (k *keyring) load(ctx context.Context) error {
	now := k.now()
	var rows []KeyRow
	err := k.db.Select(ctx, &rows, `SELECT kid, alg, serial, created_at, active_at, retired_at FROM oauth_keys
		WHERE retired_at = 0 OR retired_at > $1 ORDER BY alg, serial`, now.Unix())
	if err != nil {
		return unavailable(err)
	}
	k.mu.RLock()
	known := k.keys
	k.mu.RUnlock()
	keys := make(map[string]*signingKey, len(rows))
	for _, row := range rows {
		if old := known[row.KID]; old != nil {
			keys[row.KID] = &signingKey{KeyRow: row, public: old.public, signers: old.signers}
			continue
		}
		if keys[row.KID], err = k.openRow(ctx, row); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys, k.loaded = keys, now
	return nil
}

// fresh loads again when the last time is longer ago than age.
func (k *keyring) fresh(ctx context.Context, age time.Duration) error {
	k.mu.RLock()
	old := k.now().Sub(k.loaded)
	k.mu.RUnlock()
	if old >= 0 && old <= age {
		return nil
	}
	return k.load(ctx)
}

func (k *keyring) openRow(ctx context.Context, row KeyRow) (*signingKey, error) {
	var sealed []byte
	if err := k.db.Get(ctx, &sealed, `SELECT private FROM oauth_keys WHERE kid = $1`, row.KID); err != nil {
		return nil, unavailable(err)
	}
	der, err := k.seal.Decrypt(sealed, keyPlace(row.KID))
	if err != nil {
		return nil, fmt.Errorf("oauth: signing key %s cannot be opened: is this the keyset that it was made with? %w",
			row.KID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("oauth: signing key %s: %w", row.KID, err)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("oauth: signing key %s: a %T does not sign", row.KID, parsed)
	}
	key := &signingKey{
		KeyRow:  row,
		public:  jose.JSONWebKey{Key: private.Public(), KeyID: row.KID, Algorithm: row.Alg, Use: "sig"},
		signers: map[string]jose.Signer{},
	}
	for _, typ := range []string{typID, typAccess, typLogout, typUserinfo} {
		signer, err := jose.NewSigner(
			jose.SigningKey{
				Algorithm: jose.SignatureAlgorithm(row.Alg),
				Key:       jose.JSONWebKey{Key: private, KeyID: row.KID, Algorithm: row.Alg},
			},
			(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			return nil, fmt.Errorf("oauth: signing key %s: %w", row.KID, err)
		}
		key.signers[typ] = signer
	}
	return key, nil
}

// current returns the youngest key of alg that signs already.
func (k *keyring) current(alg string) (*signingKey, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var best *signingKey
	for _, key := range k.keys {
		if key.Alg == alg && key.ActiveAt <= k.now().Unix() && (best == nil || key.Serial > best.Serial) {
			best = key
		}
	}
	if best == nil {
		return nil, fmt.Errorf("oauth: there is no signing key for %s", alg)
	}
	return best, nil
}

// published returns the public keys, oldest first.
func (k *keyring) published(ctx context.Context) (*jose.JSONWebKeySet, error) {
	if err := k.fresh(ctx, time.Second); err != nil {
		return nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	keys := make([]*signingKey, 0, len(k.keys))
	for _, key := range k.keys {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b *signingKey) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.Alg, b.Alg), cmp.Compare(a.KID, b.KID))
	})
	set := &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range keys {
		set.Keys = append(set.Keys, key.public)
	}
	return set, nil
}

// Keys administers the signing keys.
type Keys keyring

// List returns the keys that are published or wait for their time.
func (k *Keys) List(ctx context.Context) ([]KeyRow, error) {
	var rows []KeyRow
	err := k.db.Select(ctx, &rows, `SELECT kid, alg, serial, created_at, active_at, retired_at FROM oauth_keys
		WHERE retired_at = 0 OR retired_at > $1 ORDER BY alg, serial`, k.now().Unix())
	return rows, err
}

// Rotate makes a new key for each algorithm. It is published at once, signs after 15 minutes, when every verifier has
// loaded the key set anew, and the key before stays published for two more days. While a key waits, Rotate makes none.
func (k *Keys) Rotate(ctx context.Context) error {
	ring := (*keyring)(k)
	if err := ring.load(ctx); err != nil {
		return err
	}
	for _, alg := range signingAlgs {
		newest := ring.newest(alg)
		if newest.ActiveAt > k.now().Unix() {
			return errors.New("oauth: a new key waits already until it may sign")
		}
		if err := ring.create(ctx, alg, newest.Serial+1, k.now(), k.now().Add(keyLead)); err != nil {
			return err
		}
	}
	return ring.load(ctx)
}

func (k *keyring) newest(alg string) (newest KeyRow) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, key := range k.keys {
		if key.Alg == alg && key.Serial > newest.Serial {
			newest = key.KeyRow
		}
	}
	return newest
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

// HasKeys reports whether the database holds signing keys, which only the keyset that sealed them opens.
func HasKeys(ctx context.Context, db *dbx.DB) (bool, error) {
	var n int
	err := db.Get(ctx, &n, `SELECT COUNT(*) FROM oauth_keys`)
	return n > 0, err
}
