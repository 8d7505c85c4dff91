package console

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/templates"
)

const (
	attemptPrefix = "console_try_"
	attemptLife   = time.Hour // as long as the provider keeps a sign-in open
)

// attempt is a sign-in under way, kept in a cookie of its own: parallel tabs don't disturb one another.
type attempt struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // PKCE (RFC 7636)
	To       string `json:"t"`
}

// inside returns to when it is a page of the console, else its front page.
func inside(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || strings.ContainsAny(to, "\\\t\r\n") || u.Path != "/admin" && !strings.HasPrefix(u.Path, "/admin/") ||
		strings.Contains(u.Path, "//") || strings.Contains(u.Path, "..") || u.Path == loginPath || u.Path == callbackPath {
		return "/admin"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

// login asks the provider who is there, with both factors no older than what is dangerous wants (OpenID Connect Core
// section 3.1.2.1, RFC 9470). Whoever has no role learns so before anything is asked of them.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	_, who, ok := c.SignedIn(w, r)
	if !ok {
		return
	}
	if who.Role() == "" {
		c.noRole(w, r)
		return
	}
	p, err := c.discover(r.Context())
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	try := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), To: inside(r.URL.Query().Get("to"))}
	value, err := json.Marshal(try)
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	c.Sessions.Cookies.Set(w, attemptPrefix+try.State[:8], base64.RawURLEncoding.EncodeToString(value), attemptLife)
	http.Redirect(w, r, p.oauth.AuthCodeURL(try.State, oauth2.S256ChallengeOption(try.Verifier), oidc.Nonce(try.Nonce),
		oauth2.SetAuthURLParam("acr_values", "aal2"),
		oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(dangerous/time.Second)))), http.StatusSeeOther)
}

func (c *Console) noRole(w http.ResponseWriter, r *http.Request) {
	c.Templates.Render(w, r, http.StatusForbidden, "message", templates.Message{
		Title: "admin.no_role.title", Text: "admin.no_role.text", Link: "/account", Label: "admin.no_role.link", Alert: true,
	})
}

// errAttempt says that an answer belongs to no sign-in of this browser.
var errAttempt = errors.New("console: the answer belongs to no sign-in of this browser")

// take returns the attempt that an answer belongs to and ends it.
func (c *Console) take(w http.ResponseWriter, r *http.Request) (attempt, error) {
	var try attempt
	state := r.URL.Query().Get("state")
	if len(state) < 8 {
		return try, errAttempt
	}
	name := attemptPrefix + state[:8]
	value, err := base64.RawURLEncoding.DecodeString(c.Sessions.Cookies.Get(r, name))
	if err != nil || json.Unmarshal(value, &try) != nil || subtle.ConstantTimeCompare([]byte(try.State), []byte(state)) != 1 {
		return try, errAttempt
	}
	c.Sessions.Cookies.Clear(w, name)
	return try, nil
}

// callback receives the provider's answer and begins a session.
func (c *Console) callback(w http.ResponseWriter, r *http.Request) {
	try, err := c.take(w, r)
	answer := r.URL.Query()
	// RFC 9207 section 2.4: before anything else in the answer is believed.
	if err != nil || answer.Get("iss") != c.PublicURL || answer.Get("error") != "" {
		c.again(w, r)
		return
	}
	v, err := c.redeem(r.Context(), try, answer.Get("code"))
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	at, err := c.Sessions.Of(r) // which this one ends with
	if err == nil && (at == nil || at.Subject != v.Subject) {
		c.again(w, r)
		return
	}
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	v.SID = at.ID
	who, err := c.Accounts.Active(r.Context(), v.Subject)
	switch {
	case errors.Is(err, account.ErrNotFound), errors.Is(err, account.ErrDisabled), err == nil && who.Role() == "":
		c.noRole(w, r)
		return
	case err == nil:
		err = c.start(w, r, v)
	}
	if err != nil {
		c.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, inside(try.To), http.StatusSeeOther)
}

// again offers to sign in once more: the person left, took too long, or the answer was not meant for this browser.
func (c *Console) again(w http.ResponseWriter, r *http.Request) {
	c.Templates.Render(w, r, http.StatusForbidden, "message", templates.Message{
		Title: "admin.again.title", Text: "admin.again.text", Link: "/admin", Label: "admin.again.link", Alert: true,
	})
}

// redeem exchanges the code of an answer and checks the ID token (OpenID Connect Core section 3.1.3.7): that both factors were
// given, and when.
func (c *Console) redeem(ctx context.Context, try attempt, code string) (visitor, error) {
	p, err := c.discover(ctx)
	if err != nil {
		return visitor{}, err
	}
	ctx = c.outgoing(ctx)
	token, err := p.oauth.Exchange(ctx, code, oauth2.VerifierOption(try.Verifier))
	if err != nil {
		return visitor{}, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.verifier.Verify(ctx, raw)
	if err != nil {
		return visitor{}, err
	}
	var claims struct {
		ACR      string `json:"acr"`
		AuthTime int64  `json:"auth_time"`
	}
	if err := id.Claims(&claims); err != nil {
		return visitor{}, err
	}
	v := visitor{Subject: id.Subject, AuthTime: claims.AuthTime}
	const leeway = time.Minute // between the moment that is asked about and this one
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(try.Nonce)) != 1:
		return v, errors.New("console: the ID token is of another sign-in")
	case claims.ACR != "aal2" || !v.proved(dangerous+leeway, c.Now()):
		return v, errors.New("console: the ID token does not say that both factors were given just now")
	}
	return v, nil
}

// leave ends the session in the console; the one at the provider goes on.
func (c *Console) leave(w http.ResponseWriter, r *http.Request) {
	if err := c.forget(r.Context(), r); err != nil {
		c.Fail(w, r, err)
		return
	}
	c.Sessions.Cookies.Clear(w, sessionCookie)
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}
