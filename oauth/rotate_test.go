package oauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/seal"
	"github.com/focushq/idp/oauth"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// party is a relying party that keeps the key set for five minutes and doesn't look again for a key that it misses.
type party struct {
	set  jose.JSONWebKeySet
	from time.Time
}

// verifies reports whether the party takes the token now.
func (p *party) verifies(w *world, token string) bool {
	w.Helper()
	if now := w.clock.Now(); p.from.IsZero() || now.Sub(p.from) >= 5*time.Minute {
		p.set, p.from = jose.JSONWebKeySet{}, now
		if err := json.Unmarshal([]byte(w.get("/oauth2/jwks").body), &p.set); err != nil {
			w.Fatal(err)
		}
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	if err != nil {
		w.Fatal(err)
	}
	keys := p.set.Key(parsed.Headers[0].KeyID)
	return len(keys) == 1 && parsed.Claims(keys[0].Key, new(map[string]any)) == nil
}

// TestSec_TK12_RotationsFailNothing: three rotations while two replicas issue tokens; parties with key sets of every
// age verify each of them from its first to its last minute.
func TestSec_TK12_RotationsFailNothing(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "es", IDTokenAlg: "ES256", IDTokenLife: oauth.Seconds(24 * 3600)})
	cfg := w.config()
	cfg.KeyLife = 24 * time.Hour
	replica, second := w.start(cfg)
	muxes := []*http.ServeMux{w.mux, second}
	type issued struct {
		token string
		until time.Time
	}
	var valid []issued
	var parties [3]party
	kids, failures, verified := map[string]bool{}, 0, 0
	for minute := 0; minute < 3*24*60+60; {
		w.mux, w.browser = muxes[minute%2], w.newBrowser()
		w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
		if err := replica.Keys().Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		client, life := "web", time.Hour
		if minute%3 == 0 {
			client, life = "es", 24*time.Hour
		}
		token := w.tokens(client)["id_token"].(string)
		kids[part(w, token, 0)["kid"].(string)] = true
		valid = append(valid, issued{token, w.clock.Now().Add(life)})
		valid = slices.DeleteFunc(valid, func(v issued) bool { return !w.clock.Now().Before(v.until) })
		for _, v := range valid {
			for i := range parties {
				if verified++; !parties[i].verifies(w, v.token) {
					failures++
				}
			}
		}
		step := 120
		if around := minute % (24*60 + 15); around < 25 { // the new keys are made, published, and begin to sign
			step = 1 + minute%3
		}
		minute += step
		w.clock.Add(time.Duration(step) * time.Minute)
		parties[minute%3] = party{} // restarted: another age
	}
	if failures > 0 || len(kids) < 7 {
		t.Errorf("%d of %d failed, %d keys", failures, verified, len(kids))
	}
}

// TestScheduledRotationMakesOneKey: any number of replicas, one new key per algorithm.
func TestScheduledRotationMakesOneKey(t *testing.T) {
	both(t, func(w *world) {
		cfg := w.config()
		cfg.KeyLife = 24 * time.Hour
		var replicas [3]*oauth.Server
		for i := range replicas {
			replicas[i], _ = w.start(cfg)
		}
		renew := func() {
			var wg sync.WaitGroup
			for _, replica := range replicas {
				wg.Go(func() {
					if err := replica.Keys().Renew(w.Context()); err != nil {
						w.Error(err)
					}
				})
			}
			wg.Wait()
		}
		w.clock.Add(time.Minute) // the keys are months old: due
		renew()
		renew()
		if kids := w.publishedKeys(); len(kids) != 6 || w.host.count(oauth.EventKeyCreated) != 3 {
			w.Errorf("%v, %d events", kids, w.host.count(oauth.EventKeyCreated))
		}
		w.clock.Add(24 * time.Hour)
		renew()
		if n := w.host.count(oauth.EventKeyCreated); n != 3 {
			w.Errorf("%d events a day after the key was made, not after it began to sign", n)
		}
		w.clock.Add(15 * time.Minute)
		renew()
		if n := w.host.count(oauth.EventKeyCreated); n != 6 {
			w.Errorf("%d events", n)
		}
		if err := w.server.Keys().Renew(w.Context()); err != nil || w.host.count(oauth.EventKeyCreated) != 6 {
			t.Error("rotated without a schedule")
		}
	})
}

// TestSec_TK12_ReplicasAgreeWithinASecond: what one replica did to the keys, the other knows a second later.
func TestSec_TK12_ReplicasAgreeWithinASecond(t *testing.T) {
	both(t, func(w *world) {
		other, mux := w.start(w.config())
		token := w.tokens("web")["access_token"].(string)
		kid := part(w, token, 0)["kid"].(string)
		made, err := other.Keys().Retire(w.Context(), kid, "")
		if err != nil || made == nil || made.Alg != "RS256" {
			w.Fatal(made, err)
		}
		w.clock.Add(2 * time.Second)
		if a := w.userinfo(token); a.status != 401 {
			w.Errorf("a revoked key's token: %d", a.status)
		}
		fresh := w.tokens("web")["access_token"].(string)
		if got := part(w, fresh, 0)["kid"]; got != made.KID {
			w.Errorf("signed by %v, want %s", got, made.KID)
		}
		w.mux = mux
		w.browser = w.newBrowser()
		if a := w.userinfo(fresh); a.status != 200 {
			w.Error(a.body)
		}
	})
}

// TestClockJumps: whatever the clock does, replicas agree.
func TestClockJumps(t *testing.T) {
	w := newWorld(t)
	other, _ := w.start(w.config())
	for i, jump := range []time.Duration{-time.Hour, time.Hour, 24 * time.Hour, -30 * time.Second} {
		w.publishedKeys()
		w.clock.Add(jump)
		byKID, _ := w.states()
		for kid, state := range byKID {
			if state == "signing" {
				if _, err := other.Keys().Retire(t.Context(), kid, ""); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		w.clock.Add(2 * time.Second)
		if kids := w.publishedKeys(); len(kids) != 3 {
			t.Errorf("%v: %v", jump, kids)
		}
		if _, count := w.states(); count["revoked"] != i+1 || count["signing"] != 3 {
			t.Errorf("%v: %v", jump, count)
		}
	}
}

// TestTheKeySetOutlivesTheDatabase for an hour, so that apps verify tokens meanwhile.
func TestTheKeySetOutlivesTheDatabase(t *testing.T) {
	w := newWorld(t)
	w.publishedKeys()
	if _, err := w.db.Exec(t.Context(), `ALTER TABLE oauth_keys RENAME TO away`); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(time.Hour)
	if kids := w.publishedKeys(); len(kids) != 3 {
		t.Error(kids)
	}
	w.clock.Add(time.Second)
	if a := w.get("/oauth2/jwks"); a.status != 503 {
		t.Errorf("%d", a.status)
	}
}

// states returns each key's state, and how many keys are in each state.
func (w *world) states() (byKID map[string]string, count map[string]int) {
	w.Helper()
	rows, err := w.server.Keys().List(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	byKID, count = map[string]string{}, map[string]int{}
	for _, row := range rows {
		byKID[row.KID] = row.State
		count[row.State]++
	}
	return byKID, count
}

func TestRetire(t *testing.T) {
	both(t, func(w *world) {
		keys := w.server.Keys()
		tokens := w.tokens("web")
		first := part(w, tokens["id_token"], 0)["kid"].(string)
		w.rotate()
		if byKID, count := w.states(); byKID[first] != "signing" || count["waiting"] != 3 {
			w.Error(count)
		}
		// One that signs while another waits: that one signs at once.
		if made, err := keys.Retire(w.Context(), first, ""); made != nil || err != nil {
			w.Error(made, err)
		}
		byKID, count := w.states()
		if byKID[first] != "revoked" || count["signing"] != 3 || count["waiting"] != 2 {
			w.Error(count)
		}
		w.clock.Add(2 * time.Second)
		if kids := w.publishedKeys(); len(kids) != 5 {
			w.Error(kids)
		}
		w.get("/oauth2/logout?id_token_hint=" + tokens["id_token"].(string))
		if w.host.logout.Valid {
			w.Error("a revoked key's hint is believed")
		}
		w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
		second := part(w, w.tokens("web")["id_token"], 0)["kid"].(string)
		// One that waits: the one before goes on, another waits.
		w.clock.Add(time.Hour)
		w.rotate()
		byKID, _ = w.states()
		for kid, state := range byKID {
			if state != "waiting" {
				continue
			}
			made, err := keys.Retire(w.Context(), kid, "")
			if err != nil || made == nil || made.ActiveAt != w.clock.Now().Add(15*time.Minute).Unix() {
				w.Error(made, err)
			}
		}
		byKID, count = w.states()
		if byKID[second] != "signing" || count["waiting"] != 3 || count["signing"] != 3 || count["revoked"] != 4 {
			w.Error(count)
		}
		for _, kid := range []string{first, "none", ""} {
			if _, err := keys.Retire(w.Context(), kid, ""); !errors.Is(err, oauth.ErrNoKey) {
				w.Errorf("%q: %v", kid, err)
			}
		}
		if n := w.host.count(oauth.EventKeyRevoked); n != 4 {
			w.Errorf("%d events", n)
		}
		var left [][]byte
		if err := w.db.Select(w.Context(), &left, `SELECT private FROM oauth_keys WHERE kid = $1`, first); err != nil || len(left) != 1 || len(left[0]) != 0 {
			w.Errorf("a revoked key is kept: %d, %v", len(left), err)
		}
		w.start(w.config()) // starts beside what is revoked
	})
}

// TestRetireAtOnce: of many who retire a key one does it, and there is one new key.
func TestRetireAtOnce(t *testing.T) {
	both(t, func(w *world) {
		kid := part(w, w.tokens("web")["id_token"], 0)["kid"].(string)
		var wg sync.WaitGroup
		var mu sync.Mutex
		var outcomes []error
		for range 4 {
			wg.Go(func() {
				_, err := w.server.Keys().Retire(w.Context(), kid, "")
				mu.Lock()
				defer mu.Unlock()
				outcomes = append(outcomes, err)
			})
		}
		wg.Wait()
		won := 0
		for _, err := range outcomes {
			if err == nil {
				won++
			} else if !errors.Is(err, oauth.ErrNoKey) && !errors.Is(err, oauth.ErrKeyRace) {
				w.Error(err)
			}
		}
		if _, count := w.states(); won != 1 || count["revoked"] != 1 || count["signing"] != 3 {
			w.Errorf("%d did it: %v", won, count)
		}
	})
}

// TestRetireIsUndoneByItsAudit: what cannot be recorded doesn't happen.
func TestRetireIsUndoneByItsAudit(t *testing.T) {
	w := newWorld(t)
	kid := part(w, w.tokens("web")["id_token"], 0)["kid"].(string)
	w.host.auditErr = errors.New("full")
	if _, err := w.server.Keys().Retire(t.Context(), kid, ""); err == nil {
		t.Error("retired without a record")
	}
	if _, err := w.server.Keys().Rotate(t.Context()); err == nil {
		t.Error("rotated without a record")
	}
	w.host.auditErr = nil
	if _, count := w.states(); fmt.Sprint(count) != "map[signing:3]" {
		t.Error(count)
	}
}

// TestSec_DR03_SigningKeysAreSealedAnew: after it the newest encryption key opens all of them, and it may run again.
func TestSec_DR03_SigningKeysAreSealedAnew(t *testing.T) {
	both(t, func(w *world) {
		path := filepath.Join(t.TempDir(), "keyset.json")
		first, err := seal.Create(path)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := w.db.Exec(w.Context(), `DELETE FROM oauth_keys`); err != nil {
			w.Fatal(err)
		}
		cfg := w.config()
		cfg.Seal = first
		w.server, w.mux = w.start(cfg)
		w.browser = w.newBrowser()
		sealed := func() (all [][]byte) {
			if err := w.db.Select(w.Context(), &all, `SELECT private FROM oauth_keys ORDER BY kid`); err != nil {
				w.Fatal(err)
			}
			return all
		}
		before := sealed()
		if _, err := seal.Rotate(path); err != nil {
			w.Fatal(err)
		}
		for range 2 {
			if n, err := w.server.Keys().Reseal(w.Context()); n != 3 || err != nil {
				w.Errorf("%d, %v", n, err)
			}
		}
		for i, now := range sealed() {
			if bytes.Equal(now[:5], before[i][:5]) {
				w.Error("still sealed by the old key")
			}
		}
		w.start(cfg)
		// What doesn't open is told, and left alone.
		if _, err := w.db.Exec(w.Context(), `UPDATE oauth_keys SET private = $1 WHERE alg = 'ES256'`, before[0][:20]); err != nil {
			w.Fatal(err)
		}
		if n, err := w.server.Keys().Reseal(w.Context()); n != 2 || err == nil {
			w.Errorf("%d, %v", n, err)
		}
	})
}
