package e2e

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// secLog keeps what was logged.
type secLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *secLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *secLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// secCanary watches a browser and collects the secrets that it meets.
type secCanary struct {
	secrets map[string]string   // value → what it is
	seen    map[string][]string // text → where: URLs, headers
}

func (c *secCanary) add(what string, values ...string) {
	for _, value := range values {
		if len(value) >= 8 {
			c.secrets[value] = what
		}
	}
}

// watch notes every cookie that is set and every address that is visited.
func (c *secCanary) watch(b *idptest.Browser) *idptest.Browser {
	b.Trace = func(r *http.Request, response *http.Response) {
		for _, cookie := range response.Cookies() {
			if cookie.Name != "idp_mfa_notice" && cookie.Name != "idp_notice" && cookie.Name != "idp_mfa_shown" { // these are no secrets
				c.add("the cookie "+cookie.Name, cookie.Value)
			}
		}
		c.seen["address"] = append(c.seen["address"], r.URL.String(), response.Header.Get("Location"), r.Header.Get("Referer"))
	}
	return b
}

func TestSec_AU03_DR01_SS08_NoSecretIsKeptOrTold(t *testing.T) {
	t.Parallel()
	var log secLog
	var file string
	s := secOpen(t, func(c *idp.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		file = strings.TrimPrefix(c.DatabaseURL, "sqlite:")
	})
	c := &secCanary{secrets: map[string]string{}, seen: map[string][]string{}}
	codes := secJourney(t, s, c)
	if len(c.secrets) < 40 {
		t.Fatalf("only %d secrets met", len(c.secrets))
	}
	logged := log.String()
	if !strings.Contains(logged, "level=DEBUG") || !strings.Contains(logged, "/oauth2/token") {
		t.Fatal("the log was not captured")
	}
	var stored []byte
	for _, name := range []string{file, file + "-wal"} {
		part, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, part...)
	}
	if !bytes.Contains(stored, []byte("alice@example.com")) {
		t.Fatal("that is not the database")
	}
	addresses := strings.Join(c.seen["address"], "\n")
	for secret, what := range c.secrets {
		for _, form := range secForms(secret) {
			if strings.Contains(logged, form) {
				t.Errorf("the log has %s (%q)", what, form)
			}
			if bytes.Contains(stored, []byte(form)) {
				t.Errorf("the database has %s (%q)", what, form)
			}
		}
		plain := url.QueryEscape(secret)
		if inURL := strings.Contains(addresses, secret) || strings.Contains(addresses, plain); inURL && what != "an authorization code" {
			t.Errorf("%s stands in an address", what)
		}
	}
	for _, code := range codes { // six digits stand in many a number: only as a word
		if word := regexp.MustCompile(`(^|[^0-9.])` + code + `($|[^0-9])`); word.MatchString(logged) {
			t.Errorf("the log has the app's code %s: %s", code, word.FindString(logged))
		}
	}
	if n := s.count(`SELECT COUNT(*) FROM audit`); n < 15 {
		t.Errorf("only %d audit rows", n)
	}
}

// secForms are the spellings in which a secret could be kept.
func secForms(secret string) []string {
	forms := []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)), url.QueryEscape(secret)}
	if bare := strings.NewReplacer("-", "", " ", "").Replace(secret); bare != secret && len(bare) >= 8 {
		forms = append(forms, bare, strings.ToLower(bare))
	}
	if raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret); err == nil && len(raw) == 20 {
		forms = append(forms, string(raw), hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw))
	}
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err == nil && len(raw) >= 16 {
		forms = append(forms, string(raw), hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw))
	}
	return forms
}

// secJourney does everything that people and apps do, good and bad, and returns the app's codes that were typed.
func secJourney(t *testing.T, s *secSite, c *secCanary) (codes []string) {
	t.Helper()
	p, b := s.person("alice"), c.watch(s.Browser())
	opaque := s.client("opaque", func(c *oauth.Client) { c.AccessToken, c.Consent = "opaque", "ask" })
	c.add("a client secret", s.app.ClientSecret, opaque.ClientSecret)
	c.add("a password", idptest.Password, secOtherPassword, "a wrong password of mine", "typed in the name field")
	typed := func() string { codes = append(codes, p.code()); return codes[len(codes)-1] }
	keep := func(app *idptest.Client, page *idptest.Page) {
		code := secGranted(t, page)
		c.add("an authorization code", code)
		tokens, err := app.Exchange(t.Context(), code, secVerifierOption())
		if err != nil {
			t.Fatal(err)
		}
		next, err := app.TokenSource(t.Context(), &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token()
		if err != nil {
			t.Fatal(err)
		}
		for _, each := range []*oauth2.Token{tokens, next} {
			id, _ := each.Extra("id_token").(string)
			c.add("a token", each.AccessToken, each.RefreshToken, id)
			s.userInfo(&rpTokens{Token: each})
		}
		if _, err := app.Exchange(t.Context(), code, secVerifierOption()); err == nil {
			t.Error("a code twice")
		}
	}

	page := s.begin(b, s.app)
	page = page.Submit("login-submit", "username", "alice", "password", "a wrong password of mine")
	page = page.Submit("login-submit", "username", "typed in the name field", "password", "x")
	keep(s.app, secPassword(page, "alice"))
	scan := secAt(t, b.Get("/account/mfa"), "/account/mfa").Submit("enrol-start")
	p.phone = secPhone(s, scan)
	c.add("the key", p.phone.Key, scan.Text("#totp-key"))
	form := scan.Submit("scan-next")
	form = form.Submit("codes-next", "code1", "111111", "code2", "222222")
	codes = append(codes, p.phone.Code(-1), p.phone.Code(0))
	recovery := form.Submit("codes-next", "code1", codes[0], "code2", codes[1])
	p.codes = recovery.All("#recovery-codes li")
	c.add("a recovery code", p.codes...)
	secAt(t, recovery.Submit("enrol-confirm", "saved", "1"), "/account/mfa/enrol/done")

	again := secAt(t, s.begin(b, opaque, secParam("prompt", "login")), "/login")
	mfa := secAt(t, again.Submit("login-submit", "password", idptest.Password), "/mfa")
	mfa = mfa.Submit("mfa-submit", "code", "000000")
	mfa = mfa.Submit("mfa-submit", "code", codes[1]) // used
	keep(opaque, secAt(t, mfa.Submit("mfa-submit", "code", typed(), "remember", "1"), "/consent").Submit("consent-allow"))
	for _, path := range []string{"/account", "/account/mfa", "/account/sessions", "/account/activity", "/account/apps", "/account/password"} {
		b.Get(path)
	}
	fresh := secAt(t, b.Get("/account/mfa/codes"), "/account/mfa/codes")
	c.add("a recovery code", fresh.All("#recovery-codes li")...)
	secAt(t, fresh.Submit("enrol-confirm", "saved", "1"), "/account/mfa")
	other := c.watch(s.Browser())
	page = secAt(t, secPassword(s.begin(other, s.app), "alice"), "/mfa").Follow("#use-recovery-code")
	page = page.Submit("recovery-submit", "recovery_code", p.codes[3]) // of the old set
	keep(s.app, secGoOn(t, page.Submit("recovery-submit", "recovery_code", fresh.All("#recovery-codes li")[0])))
	keep(s.app, secAt(t, s.begin(other, s.app, secParam("prompt", "login")).Submit("login-submit", "password", idptest.Password), "/mfa").
		Submit("mfa-submit", "code", typed()))

	page = secAt(t, other.Get("/account/password"), "/account/password")
	change := page.Fields(secButton(page))
	change.Set("current", idptest.Password)
	change.Set("password", secOtherPassword)
	secAt(t, other.Post("/account/password", change), "/account")
	for _, purpose := range []string{account.PurposeReset, account.PurposeInvite} {
		token, err := s.Accounts.NewLink(t.Context(), purpose, p.Subject, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		c.add("a link's token", token)
	}
	other.Get("/setup?token=x")
	s.begin(other, s.app, secParam("redirect_uri", "https://evil.example"))
	r, _ := http.NewRequest(http.MethodGet, s.Issuer+"/oauth2/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+s.app.ClientSecret)
	other.Do(r)
	secAt(t, other.Get("/oauth2/logout").Submit("logout-confirm"), "/signed-out")
	s.Deliver(t.Context())
	return codes
}
