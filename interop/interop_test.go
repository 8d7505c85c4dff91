// Package interop proves that relying parties which others wrote work with the provider unchanged. Each of them does
// the same things, first with a provider that is known to be right, then with ours; docs/interop.md is the result.
package interop

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// party is a relying party of others, with the little program around it that has the routes of every one here: /login,
// which takes parameters for the authorization request, /refresh, /logout and so on. They show an answer.
type party struct {
	name, language string
	version        func(testing.TB) string
	system         bool              // comes from the system, in whatever version
	lacks          map[string]string // scenarios that it cannot express, with the reason
	also           []string          // extras that it can
	mute           bool              // shows no error codes
	method         string            // of client authentication; "": client_secret_basic
	callback       string            // its path; "": /callback
	backchannel    string            // path of back-channel sign-out
	start          func(testing.TB, environment) (home string)
	browser        func(testing.TB) func(testing.TB) browser // nil: one without scripts
}

// environment is what a relying party is told.
type environment struct{ issuer, id, secret, scope string }

func (e environment) list() []string {
	return []string{"ISSUER=" + e.issuer, "CLIENT_ID=" + e.id, "CLIENT_SECRET=" + e.secret, "SCOPE=" + e.scope}
}

func TestRelyingParties(t *testing.T) {
	installed(t)
	watch(t)
	parties, providers := parties(), []provider{startKnown(t), startOurs(t)}
	table := newTable(parties, providers)
	t.Run("with", func(t *testing.T) {
		for _, p := range parties {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				p.visit(t, table, providers)
			})
		}
	})
	table.check(t)
}

// scenarios are what p can do.
func (p party) scenarios() []scenario {
	var can []scenario
	for _, s := range scenarios() {
		if p.lacks[s.name] == "" {
			can = append(can, s)
		}
	}
	for _, s := range extras() {
		if slices.Contains(p.also, s.name) {
			can = append(can, s)
		}
	}
	return can
}

// id is what the provider knows p by.
func (p party) id() string { return strings.NewReplacer(" ", "-", "/", "-").Replace(p.name) }

// authenticates names the way in which p proves to the provider who it is.
func (p party) authenticates() string {
	if p.method == "" {
		return "client_secret_basic"
	}
	return p.method
}

// visit runs every scenario that p can express, with each provider.
func (p party) visit(t *testing.T, table *table, providers []provider) {
	table.version(p.name, p.version(t))
	for _, op := range providers {
		t.Run(op.name(), func(t *testing.T) {
			home, fresh := p.run(t, op)
			for _, s := range p.scenarios() {
				ok := t.Run(s.name, func(t *testing.T) {
					s.run(&visit{t: t, op: op, party: p, home: home, fresh: fresh})
				})
				table.note(result{p.name, op.name(), s.name}, ok)
			}
		})
	}
}

// run starts p for one provider and makes it known there.
func (p party) run(t *testing.T, op provider) (home string, fresh func(testing.TB) browser) {
	t.Helper()
	told := environment{op.issuer(), p.id(), rand.Text() + rand.Text(), op.scope()}
	if p.authenticates() == "none" {
		told.secret = ""
	}
	home = p.start(t, told)
	r := registration{
		ID: told.id, Secret: told.secret, AuthMethod: p.authenticates(), RedirectURIs: []string{home + "/callback"},
		PostLogoutRedirectURIs: []string{home + "/bye"}, GrantTypes: []string{"authorization_code", "refresh_token"},
	}
	if p.method == "private_key_jwt" {
		r.Secret, r.JWKSURI, r.AuthAlg = "", home+"/jwks", "ES256"
	}
	if p.callback != "" {
		r.RedirectURIs = []string{home + p.callback}
	}
	if p.backchannel != "" {
		r.BackchannelLogoutURI, r.BackchannelSession = home+p.backchannel, true
	}
	if slices.Contains(p.also, "machine") {
		r.GrantTypes = append(r.GrantTypes, "client_credentials")
	}
	if slices.Contains(p.also, "device") {
		r.GrantTypes = append(r.GrantTypes, "urn:ietf:params:oauth:grant-type:device_code")
	}
	op.register(t, r)
	if p.browser != nil {
		return home, p.browser(t)
	}
	return home, func(t testing.TB) browser { return newPlain(t, op.issuer()) }
}

// node starts the program of a relying party in JavaScript.
func node(folder string) func(testing.TB, environment) string {
	return func(t testing.TB, told environment) string {
		t.Helper()
		port := start(t, folder, func(int) []string { return told.list() }, need(t, "node"), folder+"/rp.js")
		return fmt.Sprintf("http://localhost:%d", port)
	}
}
