package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
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

// outbound returns the client of requests whose URL somebody else chose: no redirects, no proxy, and no address of this
// machine or its network. The address is checked when it is dialled, so that no name can change it afterwards.
func outbound() *http.Client {
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		peer, err := netip.ParseAddrPort(address)
		if err != nil || !public(peer.Addr().Unmap()) {
			return errors.New("oauth: the address is not a public one")
		}
		return nil
	}}
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: fetchTimeout, ResponseHeaderTimeout: fetchTimeout,
			DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("oauth: redirects are not followed") },
	}
}

// special are addresses that lead to this or a neighbouring network without being private by name.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/23"),
}

func public(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, prefix := range special {
		if prefix.Contains(ip) {
			return false
		}
	}
	return true
}
