package e2e

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

// secCallback is where the relying party of a site receives its answers. Browsers stop there.
const secCallback = "https://app.example/callback"

// secVerifier is the PKCE verifier of every request in these tests.
const secVerifier = "a-code-verifier-of-these-tests-that-is-long-enough"

// secSite is a provider with one first-party app.
type secSite struct {
	*idptest.Server
	app  *idptest.Client
	oidc *oidc.Provider
	t    testing.TB
}

func secOpen(t testing.TB, edit ...func(*idp.Config)) *secSite {
	t.Helper()
	public := ""
	s := &secSite{t: t, Server: idptest.Start(t, append(edit, func(c *idp.Config) { public = c.PublicURL })...)}
	s.Issuer = public
	s.app = s.client("app")
	var err error
	if s.oidc, err = oidc.NewProvider(t.Context(), s.Issuer); err != nil {
		t.Fatal(err)
	}
	return s
}

// client registers a confidential client of that id, without a consent page; edit may change more.
func (s *secSite) client(id string, edit ...func(*oauth.Client)) *idptest.Client {
	s.t.Helper()
	c := oauth.Client{ID: id, Name: "App " + id, RedirectURIs: []string{secCallback}}
	for _, change := range edit {
		change(&c)
	}
	return s.AddClient(c)
}

// database opens the site's database beside the provider.
func (s *secSite) database() *dbx.DB {
	s.t.Helper()
	db, err := dbx.Open(s.t.Context(), s.DatabaseURL)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { db.Close() })
	return db
}

// count returns the one number that the query selects.
func (s *secSite) count(query string, args ...any) (n int) {
	s.t.Helper()
	if err := s.database().Get(s.t.Context(), &n, query, args...); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// secPerson is somebody with an authenticator app and recovery codes.
type secPerson struct {
	*account.Account
	phone *mfatest.Phone
	codes []string
	s     *secSite
}

// person makes somebody without a second factor.
func (s *secSite) person(name string, edit ...func(*account.NewAccount)) *secPerson {
	s.t.Helper()
	return &secPerson{Account: s.AddUser(name, edit...), s: s}
}

// enrolled makes somebody with a second factor.
func (s *secSite) enrolled(name string, edit ...func(*account.NewAccount)) *secPerson {
	s.t.Helper()
	p := s.person(name, edit...)
	p.enrol()
	return p
}

// enrol gives p a factor, without pages.
func (p *secPerson) enrol() {
	p.s.t.Helper()
	ctx, owner := p.s.t.Context(), mfa.Owner{Subject: p.Subject, Session: "elsewhere"}
	e, err := p.s.MFA.Enroll(ctx, owner, p.Email)
	if err != nil {
		p.s.t.Fatal(err)
	}
	p.phone = &mfatest.Phone{Key: e.Key, Clock: p.s.Clock.Now}
	if _, err = p.s.MFA.VerifyEnrollment(ctx, owner, e.ID, p.phone.Code(-1), p.phone.Code(0)); err != nil {
		p.s.t.Fatal(err)
	}
	var set string
	if p.codes, set, err = p.s.MFA.NewRecoveryCodes(ctx, owner, e.ID); err != nil {
		p.s.t.Fatal(err)
	}
	if _, err := p.s.MFA.Confirm(ctx, owner, e.ID, set); err != nil {
		p.s.t.Fatal(err)
	}
}

// code returns a code that was not used yet: it lets half a minute pass.
func (p *secPerson) code() string {
	p.s.Clock.Add(30 * time.Second)
	return p.phone.Code(0)
}

// stepBegins moves the clock to where a time step begins: what a test does with its codes then is done within it.
func (s *secSite) stepBegins() {
	now := s.Clock.Now()
	s.Clock.Add(now.Truncate(mfa.Period).Add(mfa.Period).Sub(now))
}

// begin sends b to sign in at c.
func (s *secSite) begin(b *idptest.Browser, c *idptest.Client, options ...oauth2.AuthCodeOption) *idptest.Page {
	s.t.Helper()
	return b.Get(secURL(c, options...))
}

func secURL(c *idptest.Client, options ...oauth2.AuthCodeOption) string {
	return c.AuthCodeURL("state-of-"+c.Client.ID, append([]oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(secVerifier), oidc.Nonce("nonce"),
	}, options...)...)
}

// secParam is an additional parameter of an authorization request.
func secParam(name, value string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam(name, value) }

// secPassword gives the right password on a login page.
func secPassword(page *idptest.Page, name string) *idptest.Page {
	return page.Submit("login-submit", "username", name, "password", idptest.Password)
}

// signIn signs p in at c in b, with a code where one is asked for, and returns where the browser ends.
func (p *secPerson) signIn(b *idptest.Browser, c *idptest.Client, options ...oauth2.AuthCodeOption) *idptest.Page {
	p.s.t.Helper()
	page := p.s.begin(b, c, options...)
	if page.URL.Path == "/login" {
		page = secPassword(page, p.Username)
	}
	if page.URL.Path == "/mfa" {
		page = page.Submit("mfa-submit", "code", p.code())
	}
	return page
}

// secGoOn passes by the offer of a new phone, which follows a recovery code.
func secGoOn(t testing.TB, page *idptest.Page) *idptest.Page {
	t.Helper()
	if secAt(t, page, "/account/mfa/codes"); !page.Has("#remind-add") {
		t.Fatalf("no new phone is offered: %s", page.Text("main"))
	}
	return page.Submit("remind-later")
}

// secAt fails unless the page is one of ours at that path.
func secAt(t testing.TB, page *idptest.Page, path string) *idptest.Page {
	t.Helper()
	if page.URL.Path != path || page.URL.Host == "app.example" {
		t.Fatalf("at %s (%d), want %s\n%s", page.URL, page.Status, path, page.Text("main"))
	}
	return page
}

// secBack returns the answer that the browser brought to the app.
func secBack(t testing.TB, page *idptest.Page) url.Values {
	t.Helper()
	if page.URL.Host != "app.example" {
		t.Fatalf("at %s (%d), not back at the app\n%s", page.URL, page.Status, page.Text("main"))
	}
	return page.URL.Query()
}

// secGranted returns the code that the app received.
func secGranted(t testing.TB, page *idptest.Page) string {
	t.Helper()
	answer := secBack(t, page)
	if answer.Get("code") == "" {
		t.Fatalf("no code: %v", answer)
	}
	return answer.Get("code")
}

// secRefused fails unless the app was told this error, with its state and the issuer, and nothing else.
func secRefused(t testing.TB, page *idptest.Page, want string) {
	t.Helper()
	answer := secBack(t, page)
	if answer.Get("error") != want || answer.Get("state") == "" || answer.Get("iss") == "" || answer.Has("code") {
		t.Fatalf("got %v, want the error %s with state and iss", answer, want)
	}
}

// secCookie returns the value of one of the provider's cookies in b; "" for none.
func secCookie(b *idptest.Browser, issuer, name string) string {
	for _, c := range secCookies(b, issuer) {
		if c.Name == "idp_"+name {
			return c.Value
		}
	}
	return ""
}

func secCookies(b *idptest.Browser, issuer string) []*http.Cookie {
	home, _ := url.Parse(issuer) // a running server's
	return b.Jar.Cookies(home)
}

// secCopy returns a browser that has the named cookies of b, all of them when none is named.
func secCopy(s *secSite, b *idptest.Browser, prefixes ...string) *idptest.Browser {
	other := s.Browser()
	home, _ := url.Parse(s.Issuer)
	var kept []*http.Cookie
	for _, c := range secCookies(b, s.Issuer) {
		if len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(c.Name, "idp_"+p) }) {
			kept = append(kept, &http.Cookie{Name: c.Name, Value: c.Value, Path: "/"})
		}
	}
	other.Jar.SetCookies(home, kept)
	return other
}

// rpTokens is what a relying party got for a code, verified.
type rpTokens struct {
	*oauth2.Token
	id, access map[string]any
}

// exchange redeems the code on page.
func (s *secSite) exchange(c *idptest.Client, page *idptest.Page) *rpTokens {
	s.t.Helper()
	token, err := c.Exchange(s.t.Context(), secGranted(s.t, page), oauth2.VerifierOption(secVerifier))
	if err != nil {
		s.t.Fatal(err)
	}
	return s.verify(c, token)
}

// refresh uses the refresh token of t.
func (s *secSite) refresh(c *idptest.Client, t *rpTokens) (*rpTokens, error) {
	s.t.Helper()
	token, err := c.TokenSource(s.t.Context(), &oauth2.Token{RefreshToken: t.RefreshToken}).Token()
	if err != nil {
		return nil, err
	}
	return s.verify(c, token), nil
}

func (s *secSite) mustRefresh(c *idptest.Client, t *rpTokens) *rpTokens {
	s.t.Helper()
	next, err := s.refresh(c, t)
	if err != nil {
		s.t.Fatal(err)
	}
	return next
}

// verify checks the ID token, and the access token where it is a JWT, as a relying party and a resource server do.
func (s *secSite) verify(c *idptest.Client, token *oauth2.Token) *rpTokens {
	s.t.Helper()
	out := &rpTokens{Token: token}
	raw, _ := token.Extra("id_token").(string)
	id, err := s.oidc.Verifier(&oidc.Config{ClientID: c.Client.ID, Now: s.Clock.Now}).Verify(s.t.Context(), raw)
	if err == nil {
		err = id.Claims(&out.id)
	}
	if err == nil {
		err = id.VerifyAccessToken(token.AccessToken)
	}
	if err == nil && strings.Contains(token.AccessToken, ".") {
		access, bad := s.oidc.Verifier(&oidc.Config{ClientID: s.Issuer, Now: s.Clock.Now}).Verify(s.t.Context(), token.AccessToken)
		if err = bad; err == nil {
			err = access.Claims(&out.access)
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// userInfo returns what the userinfo endpoint says; nil when it refuses the token.
func (s *secSite) userInfo(t *rpTokens) map[string]any {
	s.t.Helper()
	info, err := s.oidc.UserInfo(s.t.Context(), oauth2.StaticTokenSource(t.Token))
	if err != nil {
		return nil
	}
	var claims map[string]any
	if err := info.Claims(&claims); err != nil {
		s.t.Fatal(err)
	}
	return claims
}

// secInvalidGrant fails unless err is the token endpoint's invalid_grant.
func secInvalidGrant(t testing.TB, err error) {
	t.Helper()
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		t.Errorf("got %v, want invalid_grant", err)
	}
}

// secPhone scans the key on the page of the second enrolment step.
func secPhone(s *secSite, page *idptest.Page) *mfatest.Phone {
	s.t.Helper()
	phone, err := mfatest.Scan(page.Attr(`a[href^="otpauth:"]`, "href"))
	if err != nil {
		s.t.Fatal(err)
	}
	phone.Clock = s.Clock.Now
	return phone
}

// secRemember signs p in with a code and the box ticked.
func secRemember(t testing.TB, p *secPerson, b *idptest.Browser) {
	t.Helper()
	page := secAt(t, secPassword(p.s.begin(b, p.s.app), p.Username), "/mfa")
	secGranted(t, page.Submit("mfa-submit", "code", p.code(), "remember", "1"))
}

// secMFA sets a client's demand for a second factor.
func secMFA(demand string) func(*oauth.Client) {
	return func(c *oauth.Client) { c.MFA = demand }
}

// secVerifierOption is what goes with a code.
func secVerifierOption() oauth2.AuthCodeOption {
	return oauth2.VerifierOption(secVerifier)
}
