package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v3"
)

// Limits of what is fetched from a client.
const (
	fetchTimeout = 5 * time.Second
	maxKeySet    = 64 << 10
	keySetLife   = 10 * time.Minute
	keySetRetry  = 30 * time.Second // at most one look per client in this time, whatever kid an attacker invents
)

// loader fetches the key sets of clients that publish them, and keeps them for a while.
type loader struct {
	http *http.Client
	now  func() time.Time

	mu   sync.Mutex
	sets map[string]*keySet
}

// keySet is one client's published keys, or the failure to load them.
type keySet struct {
	mu     sync.Mutex
	set    *jose.JSONWebKeySet
	err    error
	tried  time.Time
	loaded time.Time
}

// load returns the key set at uri, loaded anew when it is old or lacks kid.
func (l *loader) load(ctx context.Context, uri, kid string) (*jose.JSONWebKeySet, error) {
	l.mu.Lock()
	entry := l.sets[uri]
	if entry == nil {
		entry = new(keySet)
		l.sets[uri] = entry
	}
	l.mu.Unlock()
	entry.mu.Lock()
	defer entry.mu.Unlock()
	now := l.now()
	old := entry.set == nil || now.Sub(entry.loaded) > keySetLife || kid != "" && len(entry.set.Key(kid)) == 0
	if old && (entry.tried.IsZero() || now.Sub(entry.tried) > keySetRetry) {
		entry.tried = now
		set, err := l.fetch(ctx, uri)
		entry.err = err
		if err == nil {
			entry.set, entry.loaded = set, now
		}
	}
	if entry.set == nil {
		return nil, entry.err
	}
	return entry.set, nil
}

func (l *loader) fetch(ctx context.Context, uri string) (*jose.JSONWebKeySet, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := l.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("oauth: status %d", response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeySet {
		return nil, errors.New("oauth: the key set is too long")
	}
	set := new(jose.JSONWebKeySet)
	return set, json.Unmarshal(text, set)
}
