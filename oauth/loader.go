package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v3"
)

// Limits of what is fetched from a client.
const (
	fetchTimeout = 5 * time.Second
	maxKeySet    = 64 << 10
	keySetLife   = 10 * time.Minute
	keySetEnd    = time.Hour        // without an answer for so long: keys that were withdrawn must not live on by an outage
	keySetRetry  = 30 * time.Second // between two looks that found nothing new, whatever kid an attacker invents
	maxKeySets   = 1000
)

// loader fetches the key sets of clients that publish them, and keeps them for a while.
type loader struct {
	http *http.Client
	now  func() time.Time
	log  *slog.Logger // told of each failed look, once, and not by whoever waits for it

	mu   sync.Mutex
	sets map[string]*keySet // by address; the loader's lock guards what is in them
}

// keySet is one client's published keys, or the failure to load them.
type keySet struct {
	set    *jose.JSONWebKeySet // the last one that came, nil for none
	loaded time.Time           // when it came
	err    error               // of the last look
	failed time.Time           // the last look that brought nothing new: a failure, or a set without the key wanted
	busy   chan struct{}       // closed at the end of the look that runs; nil: none does
}

// load returns the key set at uri, loaded anew when it is old or lacks kid. One request at a time is made, and others
// wait for it only when what is there does not serve them.
func (l *loader) load(ctx context.Context, uri, kid string) (*jose.JSONWebKeySet, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := l.entry(uri)
	for waited := false; ; waited = true {
		now := l.now()
		usable := entry.set != nil && now.Sub(entry.loaded) <= keySetEnd
		found := usable && (kid == "" || len(entry.set.Key(kid)) > 0)
		resting := !entry.failed.IsZero() && now.Sub(entry.failed) <= keySetRetry
		switch {
		case found && (now.Sub(entry.loaded) <= keySetLife || entry.busy != nil):
			return entry.set, nil
		case entry.busy == nil && !waited && !resting:
			l.look(ctx, uri, kid, entry)
		case entry.busy != nil:
			if err := l.wait(ctx, entry.busy); err != nil {
				return nil, err
			}
		case usable:
			return entry.set, nil
		default:
			return nil, entry.err
		}
	}
}

// look fetches the key set for all who want it at this moment, without the lock.
func (l *loader) look(ctx context.Context, uri, kid string, entry *keySet) {
	busy := make(chan struct{})
	entry.busy = busy
	l.mu.Unlock()
	var set *jose.JSONWebKeySet
	err := errors.New("oauth: the look had no end") // for the others, should it panic
	defer func() {
		l.mu.Lock()
		entry.busy = nil
		close(busy)
		now := l.now()
		if entry.err = err; err == nil {
			entry.set, entry.loaded = set, now
		}
		if err != nil || kid != "" && len(set.Key(kid)) == 0 {
			entry.failed = now
		}
	}()
	set, err = l.fetch(context.WithoutCancel(ctx), uri) // whoever gives up must not fail the others
	if err != nil {
		l.log.WarnContext(ctx, "oauth: a client's keys cannot be loaded", "at", originOf(uri), "error", err)
	}
}

// wait gives the lock away until busy is closed.
func (l *loader) wait(ctx context.Context, busy chan struct{}) error {
	l.mu.Unlock()
	defer l.mu.Lock()
	select {
	case <-busy:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// entry returns the entry of uri. Of very many the one that came longest ago is forgotten.
func (l *loader) entry(uri string) *keySet {
	entry := l.sets[uri]
	if entry != nil {
		return entry
	}
	if len(l.sets) >= maxKeySets {
		oldest := ""
		for other, e := range l.sets {
			if e.busy == nil && (oldest == "" || e.loaded.Before(l.sets[oldest].loaded)) {
				oldest = other
			}
		}
		delete(l.sets, oldest)
	}
	entry = new(keySet)
	l.sets[uri] = entry
	return entry
}

func (l *loader) fetch(ctx context.Context, uri string) (*jose.JSONWebKeySet, error) {
	text, err := fetch(ctx, l.http, uri, "application/jwk-set+json, application/json", maxKeySet)
	if err != nil {
		return nil, err
	}
	set, err := parseKeySet(text)
	if err != nil {
		return nil, err
	}
	set.Keys = slices.DeleteFunc(set.Keys, func(key jose.JSONWebKey) bool { return !key.IsPublic() })
	return set, nil
}

// parseKeySet reads a key set and leaves out what it doesn't know, as RFC 7517 section 5 asks: one key of a new kind must
// not make the others useless.
func parseKeySet(text []byte) (*jose.JSONWebKeySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("oauth: no key set: %w", err)
	}
	if raw.Keys == nil {
		return nil, errors.New("oauth: no key set: there are no keys in it")
	}
	set := new(jose.JSONWebKeySet)
	for _, text := range raw.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) == nil {
			set.Keys = append(set.Keys, key)
		}
	}
	return set, nil
}
