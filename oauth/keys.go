package oauth

import (
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
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
	jwksLife  = 5 * time.Minute
	keyLead   = 3 * jwksLife
	keyTail   = 48 * time.Hour       // how long a replaced key is still published: longer than any token it signed
	keyHints  = 365 * 24 * time.Hour // how long a retired key still tells whose an old id_token_hint is
	keyOutage = time.Hour            // how long the key set is served from memory while the database is away
)

// changesOfKeys is what processes tell each other of, see [dbx.DB.Tell].
const changesOfKeys = "keys"

// keyring holds the signing keys of all algorithms, parsed once each. Replicas share the rows, and each knows what another one
// has done within a second (see [dbx.DB.Current]).
type keyring struct {
	db    *dbx.DB
	seal  Cipher
	life  time.Duration // after which a key is replaced; 0: by hand only
	now   func() time.Time
	audit func(context.Context, Event) error

	verified verified

	mu     sync.RWMutex
	keys   map[string]*signingKey // by kid
	newest map[string]KeyRow      // by alg, revoked ones too
	loaded time.Time
	looks  int64 // begun so far
	look   int64 // of which the last one that ended well is this
	needed int64 // and this is the first one that has seen all that this process knows of
	going  *look // the look that requests wait for; nil: none
}

// look is a look at the rows for all requests that need one at the moment.
type look struct {
	done chan struct{} // closed at its end
	err  error
}

// signingKey is one key with what is needed to sign and to verify.
type signingKey struct {
	KeyRow
	public  jose.JSONWebKey
	private crypto.Signer
	heads   map[string]string // by typ
}

// ErrOtherKeyset says that a signing key was not sealed by the keyset at hand, or was moved or changed since.
var ErrOtherKeyset = errors.New("is this the keyset that it was made with")

// KeyRow is what there is to tell of a signing key.
type KeyRow struct {
	KID       string `db:"kid" json:"kid"`
	Alg       string `db:"alg" json:"alg"`
	Serial    int64  `db:"serial" json:"serial"`
	State     string `db:"-" json:"state"`               // waiting, signing, published, retired, revoked
	CreatedAt int64  `db:"created_at" json:"created_at"` // Unix seconds, like the next two
	ActiveAt  int64  `db:"active_at" json:"active_at"`   // signs from then on
	RetiredAt int64  `db:"retired_at" json:"retired_at"` // published until then; 0: not replaced yet
	Revoked   bool   `db:"revoked" json:"-"`
}

// retired reports whether the key is published no more.
func (r KeyRow) retired(now time.Time) bool { return r.RetiredAt != 0 && r.RetiredAt <= now.Unix() }

// The types of the tokens that are signed here. None is taken for another.
const (
	typID       = "JWT"
	typAccess   = "at+jwt"       // RFC 9068
	typLogout   = "logout+jwt"   // OpenID Connect Back-Channel Logout 1.0
	typUserinfo = "userinfo+jwt" // no standard's: so that nobody takes it for an ID token
)

// open loads the keys and makes those that no replica has made yet. They sign at once: nobody knows another.
func (k *keyring) open(ctx context.Context) error {
	if err := k.load(ctx); err != nil {
		return err
	}
	for _, alg := range signingAlgs {
		if _, err := k.current(alg); err == nil {
			continue
		}
		key, err := k.generate(alg)
		if err != nil {
			return err
		}
		if _, err := k.insert(ctx, key, k.now(), k.now()); err != nil {
			return err
		}
	}
	return k.load(ctx)
}

// rows reads all keys that are still of use, oldest first.
func (k *keyring) rows(ctx context.Context) (rows []KeyRow, err error) {
	err = k.db.Select(ctx, &rows, `SELECT kid, alg, serial, created_at, active_at, retired_at, LENGTH(private) = 0 AS revoked
		FROM oauth_keys WHERE retired_at = 0 OR retired_at > $1 ORDER BY alg, serial`, k.now().Add(-keyHints).Unix())
	return rows, unavailable(err)
}

// load reads the rows and opens the keys that are new here.
func (k *keyring) load(ctx context.Context) error {
	k.mu.Lock()
	k.looks++
	look, known, now := k.looks, k.keys, k.now()
	k.mu.Unlock()
	rows, err := k.rows(ctx)
	if err != nil {
		return err
	}
	keys, newest := make(map[string]*signingKey, len(rows)), make(map[string]KeyRow)
	for _, row := range rows {
		newest[row.Alg] = row
		if row.Revoked {
			continue
		}
		if old := known[row.KID]; old != nil {
			keys[row.KID] = &signingKey{KeyRow: row, public: old.public, private: old.private, heads: old.heads}
			continue
		}
		if keys[row.KID], err = k.openRow(ctx, row); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if look > k.look { // a slow look must not bring back what a later one has seen go
		k.keys, k.newest, k.loaded, k.look = keys, newest, now, look
	}
	return nil
}

// fresh returns when the keys are known as they are, but for what another process did during the last second. Nobody waits
// while they are: they are loaded anew in the background, one time for all.
func (k *keyring) fresh(ctx context.Context) error {
	for again := true; ; again = false {
		k.mu.RLock()
		usable, renew := k.known()
		k.mu.RUnlock()
		if usable && !renew {
			return nil
		}
		going := k.begin()
		if usable {
			return nil
		}
		select {
		case <-going.done:
		case <-ctx.Done():
			return unavailable(ctx.Err())
		}
		if going.err != nil || !again {
			return going.err
		}
	}
}

// known says whether the keys are known, and whether they should be loaded anew. The lock must be held.
func (k *keyring) known() (usable, renew bool) {
	if k.look < k.needed {
		return false, true
	}
	return k.db.Current(k.now().Sub(k.loaded))
}

// begin begins a look at the rows, or returns the one that is going on.
func (k *keyring) begin() *look {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.going != nil {
		return k.going
	}
	going := &look{make(chan struct{}), errors.New("oauth: the look at the keys had no end")}
	k.going = going
	k.db.Background(func(ctx context.Context) {
		defer func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			close(going.done)
			k.going = nil
		}()
		going.err = k.load(ctx)
	})
	return going
}

// changed makes a change of the keys count when its transaction is committed, in this process and in others.
func (k *keyring) changed(ctx context.Context) error {
	k.db.AfterCommit(ctx, func() { k.drop("") })
	return unavailable(k.db.Tell(ctx, changesOfKeys, ""))
}

// drop makes the next request wait for a new look: somebody has changed the keys.
func (k *keyring) drop(string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.needed = k.looks + 1
}

func (k *keyring) openRow(ctx context.Context, row KeyRow) (*signingKey, error) {
	var sealed []byte
	if err := k.db.Get(ctx, &sealed, `SELECT private FROM oauth_keys WHERE kid = $1`, row.KID); err != nil {
		return nil, unavailable(err)
	}
	der, err := k.seal.Decrypt(sealed, keyPlace(row.KID))
	if err != nil {
		return nil, fmt.Errorf("oauth: signing key %s cannot be opened: %w? %w", row.KID, ErrOtherKeyset, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("oauth: signing key %s: %w", row.KID, err)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("oauth: signing key %s: a %T does not sign", row.KID, parsed)
	}
	return &signingKey{
		KeyRow: row,
		public: jose.JSONWebKey{Key: private.Public(), KeyID: row.KID, Algorithm: row.Alg, Use: "sig"}, private: private,
		heads: heads(row.Alg, row.KID),
	}, nil
}

// current returns the youngest key of alg that signs already. If there is none, because a clock went back or is behind
// that of the replica which made the key, it is the one that is next: all of them know no better.
func (k *keyring) current(alg string) (*signingKey, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	now := k.now()
	var best *signingKey
	for _, key := range k.keys {
		if key.Alg == alg && !key.retired(now) && (best == nil || key.precedes(best.KeyRow, now)) {
			best = key
		}
	}
	if best == nil {
		return nil, fmt.Errorf("oauth: there is no signing key for %s", alg)
	}
	return best, nil
}

// precedes reports whether the key is the one to sign rather than the other: of two that sign the younger, else the one
// whose time comes first.
func (r KeyRow) precedes(other KeyRow, now time.Time) bool {
	if r.ActiveAt <= now.Unix() && other.ActiveAt <= now.Unix() {
		return r.Serial > other.Serial
	}
	return r.ActiveAt < other.ActiveAt
}

// published returns the public keys, oldest first. Those who verify tokens don't suffer from a database that is away.
func (k *keyring) published(ctx context.Context) (*jose.JSONWebKeySet, error) {
	err := k.fresh(ctx)
	k.mu.RLock()
	defer k.mu.RUnlock()
	if err != nil && k.now().Sub(k.loaded) > keyOutage {
		return nil, err
	}
	keys := make([]*signingKey, 0, len(k.keys))
	for _, key := range k.keys {
		if !key.retired(k.now()) {
			keys = append(keys, key)
		}
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

// HasKeys reports whether the database holds signing keys, which only the keyset that sealed them opens.
func HasKeys(ctx context.Context, db *dbx.DB) (bool, error) {
	var n int
	err := db.Get(ctx, &n, `SELECT COUNT(*) FROM oauth_keys`)
	return n > 0, err
}
