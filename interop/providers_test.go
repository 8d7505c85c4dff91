package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

// registration is what a provider is told about a relying party, with the names of OpenID Connect Dynamic Client
// Registration 1.0 section 2.
type registration struct {
	ID                     string   `json:"client_id"`
	Secret                 string   `json:"client_secret,omitempty"`
	AuthMethod             string   `json:"token_endpoint_auth_method"`
	AuthAlg                string   `json:"token_endpoint_auth_signing_alg,omitempty"`
	JWKSURI                string   `json:"jwks_uri,omitempty"`
	RedirectURIs           []string `json:"redirect_uris"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris"`
	BackchannelLogoutURI   string   `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession     bool     `json:"backchannel_logout_session_required,omitempty"`
	GrantTypes             []string `json:"grant_types"`
}

// person is somebody at a provider. Their password is [idptest.Password].
type person struct {
	name string
	code func() string // nil: without a second factor
}

// provider is a side that relying parties sign people in at.
type provider interface {
	name() string
	title() string // in the document
	issuer() string
	scope() string // what a relying party asks for that wants a refresh token, too
	register(t testing.TB, r registration)
	person(t testing.TB) person
	enrol(t testing.TB, p *person)
	disable(t testing.TB, p person)
	age(t testing.TB, p person, by time.Duration) // makes the person's sign-ins look older
	signOutURL() string
	registrationToken(t testing.TB) string // with which a client may register itself
	deliver(t testing.TB)                  // sends the logout notices that wait
}

// known is npm's oidc-provider, which is certified.
type known struct {
	address string
	version string
	people  atomic.Int64
}

// What it takes for a code of an app, and for permission to register.
const (
	knownCode  = "123456"
	knownToken = "a-token-of-the-tests"
)

func startKnown(t *testing.T) *known {
	t.Helper()
	k := &known{version: npm("oidc-provider")(t)}
	start(t, "reference.js", func(port int) []string {
		k.address = fmt.Sprintf("http://127.0.0.1:%d", port)
		return []string{"ISSUER=" + k.address, "PASSWORD=" + idptest.Password, "REGISTRATION_TOKEN=" + knownToken}
	}, need(t, "node"), "reference.js")
	return k
}

func (k *known) name() string       { return "oidc-provider" }
func (k *known) title() string      { return "oidc-provider " + k.version + ", the known-good one" }
func (k *known) issuer() string     { return k.address }
func (k *known) scope() string      { return "openid profile email" } // offline_access takes a consent page there
func (k *known) signOutURL() string { return k.address + "/session/end" }

func (k *known) set(t testing.TB, scene string, about any) {
	t.Helper()
	body, err := json.Marshal(about)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(k.address+"/test/"+scene, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", scene, response.Status)
	}
}

func (k *known) register(t testing.TB, r registration) { t.Helper(); k.set(t, "client", r) }

func (k *known) person(t testing.TB) person {
	t.Helper()
	p := person{name: fmt.Sprintf("person-%d", k.people.Add(1))}
	k.set(t, "person", map[string]string{"name": p.name})
	return p
}

func (k *known) enrol(t testing.TB, p *person) {
	t.Helper()
	k.set(t, "enrol", map[string]string{"name": p.name, "code": knownCode})
	p.code = func() string { return knownCode }
}

func (k *known) disable(t testing.TB, p person) {
	t.Helper()
	k.set(t, "disable", map[string]any{"name": p.name})
}

func (k *known) age(t testing.TB, p person, by time.Duration) {
	t.Helper()
	k.set(t, "age", map[string]any{"name": p.name, "seconds": by.Seconds()})
}

func (k *known) registrationToken(testing.TB) string { return knownToken }
func (k *known) deliver(testing.TB)                  {} // it does so by itself, before it answers

// ours is the provider under test.
type ours struct {
	*idptest.Server
	people atomic.Int64
	hashed account.Hashed // everybody's password, hashed once: a hundred people would take a while
}

func startOurs(t *testing.T) *ours {
	t.Helper()
	o := &ours{Server: idptest.Start(t, func(c *idp.Config) { c.DynamicRegistration = true })}
	var err error
	if o.hashed, err = o.Accounts.HashPassword(t.Context(), &account.Account{}, idptest.Password); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *ours) name() string       { return "this provider" }
func (o *ours) title() string      { return "this provider" }
func (o *ours) issuer() string     { return o.Issuer }
func (o *ours) scope() string      { return "openid profile email offline_access" }
func (o *ours) signOutURL() string { return o.Issuer + "/oauth2/logout" }

func (o *ours) register(t testing.TB, r registration) {
	t.Helper()
	consent := "skip"
	if r.AuthMethod == "none" {
		consent = "ask"
	}
	_, err := o.OAuth.Clients().Create(t.Context(), &oauth.Client{
		ID: r.ID, Name: r.ID, AuthMethod: r.AuthMethod, AuthAlg: r.AuthAlg, JWKSURI: r.JWKSURI, RedirectURIs: r.RedirectURIs, GrantTypes: r.GrantTypes,
		PostLogoutRedirectURIs: r.PostLogoutRedirectURIs, BackchannelLogoutURI: r.BackchannelLogoutURI,
		BackchannelSession: r.BackchannelSession, Consent: consent, Scopes: strings.Fields(o.scope()),
	}, r.Secret)
	if err != nil {
		t.Fatal(err)
	}
}

func (o *ours) person(t testing.TB) person {
	t.Helper()
	p := person{name: fmt.Sprintf("person-%d", o.people.Add(1))}
	o.AddUser(p.name, func(n *account.NewAccount) { n.Password, n.Hashed = "", o.hashed })
	return p
}

func (o *ours) enrol(t testing.TB, p *person) {
	t.Helper()
	ctx := t.Context()
	found, err := o.Accounts.ByUsername(ctx, p.name)
	if err != nil {
		t.Fatal(err)
	}
	owner := mfa.Owner{Subject: found.Subject, Session: "elsewhere"}
	e, err := o.MFA.Enroll(ctx, owner, found.Email)
	if err != nil {
		t.Fatal(err)
	}
	phone := &mfatest.Phone{Key: e.Key, Clock: o.Clock.Now}
	if _, err = o.MFA.VerifyEnrollment(ctx, owner, e.ID, phone.Code(-1), phone.Code(0)); err != nil {
		t.Fatal(err)
	}
	_, set, err := o.MFA.NewRecoveryCodes(ctx, owner, e.ID)
	if err == nil {
		_, err = o.MFA.Confirm(ctx, owner, e.ID, set)
	}
	if err != nil {
		t.Fatal(err)
	}
	// The two before are used up, and the clock stays: relying parties have the real one.
	p.code = func() string { return phone.Code(1) }
}

func (o *ours) disable(t testing.TB, p person) {
	t.Helper()
	found, err := o.Accounts.ByUsername(t.Context(), p.name)
	if err == nil {
		err = o.Accounts.Disable(t.Context(), found.Subject)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (o *ours) age(t testing.TB, p person, by time.Duration) {
	t.Helper()
	db, err := dbx.Open(t.Context(), o.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := o.Accounts.ByUsername(t.Context(), p.name)
	if err == nil {
		_, err = db.Exec(t.Context(), `UPDATE sessions SET auth_time = auth_time - $1 WHERE subject = $2`,
			by.Milliseconds(), found.Subject)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (o *ours) registrationToken(t testing.TB) string {
	t.Helper()
	token, err := o.OAuth.Clients().NewRegistrationToken(t.Context(), time.Hour, 1)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (o *ours) deliver(t testing.TB) {
	t.Helper()
	if err := o.OAuth.Notify(context.Background()); err != nil {
		t.Fatal(err)
	}
}
