package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
)

// install installs what the lock file of the peer names, unless it is there.
func install(ctx context.Context, folder string) (version string, err error) {
	locked, err := os.ReadFile(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		return "", err
	}
	mark := filepath.Join(folder, "node_modules", ".installed")
	if there, _ := os.ReadFile(mark); !bytes.Equal(there, locked) {
		if _, err := run(ctx, folder, "npm", "ci", "--loglevel=error"); err != nil {
			return "", err
		}
		if err := os.WriteFile(mark, locked, 0o644); err != nil {
			return "", err
		}
	}
	var lock struct {
		Packages map[string]struct{ Version string }
	}
	err = json.Unmarshal(locked, &lock)
	return lock.Packages["node_modules/oidc-provider"].Version, err
}

// startPeer starts npm's oidc-provider with so many people.
func startPeer(ctx context.Context, folder string, people int, transport *http.Transport) (*provider, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &provider{name: peerName, issuer: "http://" + address, hint: true, transport: transport, apps: map[string]app{}}
	for _, a := range []app{
		{"machine", secret, "read"}, {"es256", secret, "openid offline_access"}, {"rs256", secret, "openid offline_access"},
	} {
		p.apps[a.id] = a
	}
	p.apps["opaque"] = p.apps["es256"] // all its access tokens are, but those for an API
	for n := range people {
		p.people = append(p.people, &person{name: fmt.Sprintf("person-%d", n), browser: newBrowser(transport, "")})
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	p.process, err = launch([]string{
		"NODE_ENV=production", "ISSUER=" + p.issuer, "PORT=" + port, "SECRET=" + secret, "CALLBACK=" + callback,
	}, "node", filepath.Join(folder, "provider.js"))
	if err != nil {
		return nil, err
	}
	if err := p.process.ready(ctx, p.issuer+"/.well-known/openid-configuration"); err != nil {
		return nil, err
	}
	return p, p.discover(ctx)
}
