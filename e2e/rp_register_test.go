package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// rpRegistrar is a provider where apps register themselves, and the token with which they do.
func rpRegistrar(t *testing.T) (s *secSite, token string) {
	t.Helper()
	s = secOpen(t, func(c *idp.Config) { c.DynamicRegistration = true })
	token, err := s.OAuth.Clients().NewRegistrationToken(t.Context(), time.Hour, 10)
	if err != nil {
		t.Fatal(err)
	}
	return s, token
}

// rpManage sends a registration request and returns the answer's status and JSON.
func rpManage(s *secSite, method, address, token string, body map[string]any) (status int, answer map[string]any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, address, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := s.HTTP.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err = io.ReadAll(response.Body); err != nil {
		s.t.Fatal(err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			s.t.Fatalf("%d %s", response.StatusCode, text)
		}
	}
	return response.StatusCode, answer
}

// rpRegister registers an app and returns it with the answer.
func rpRegister(s *secSite, token string, body map[string]any) (*idptest.Client, map[string]any) {
	s.t.Helper()
	status, got := rpManage(s, http.MethodPost, s.Issuer+"/oauth2/register", token, body)
	if status != http.StatusCreated {
		s.t.Fatalf("%d %v", status, got)
	}
	client, err := s.OAuth.Clients().Get(s.t.Context(), got["client_id"].(string))
	if err != nil {
		s.t.Fatal(err)
	}
	secret, _ := got["client_secret"].(string)
	return &idptest.Client{Client: client, Config: oauth2.Config{
		ClientID: client.ID, ClientSecret: secret, RedirectURL: client.RedirectURIs[0], Scopes: client.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: s.Issuer + "/oauth2/authorize", TokenURL: s.Issuer + "/oauth2/token"},
	}}, got
}

func TestAnAppRegistersAndSignsPeopleIn(t *testing.T) {
	t.Parallel()
	s, token := rpRegistrar(t)
	s.person("alice")
	c, got := rpRegister(s, token, map[string]any{
		"client_name": "Notes", "redirect_uris": []string{secCallback}, "grant_types": []string{"authorization_code", "refresh_token"},
	})
	b := s.Browser()
	page := secPassword(secAt(t, s.begin(b, c), "/login"), "alice")
	page = secAt(t, page, "/consent")
	if text := page.Text("main"); !strings.Contains(text, "registered itself") || !strings.Contains(text, "app.example") {
		t.Errorf("the page doesn't say who asks: %s", text)
	}
	tokens := s.exchange(c, page.Submit("consent-allow"))
	if s.userInfo(tokens)["email"] != "alice@example.com" {
		t.Error("no userinfo")
	}
	tokens = s.mustRefresh(c, tokens)
	if page := s.begin(b, c); secGranted(t, page) == "" { // what was decided is remembered, as for any confidential client
		t.Errorf("asked again at %s", page.URL)
	}

	address, access := got["registration_client_uri"].(string), got["registration_access_token"].(string)
	if status, answer := rpManage(s, http.MethodDelete, address, access, nil); status != http.StatusNoContent {
		t.Errorf("deleted: %d %v", status, answer)
	}
	if s.userInfo(tokens) != nil {
		t.Error("userinfo after the registration has ended")
	}
	if n := s.count(`SELECT COUNT(*) FROM consents WHERE client = $1`, c.Client.ID); n != 0 {
		t.Errorf("%d decisions are left", n)
	}
	if page := s.begin(b, c); page.Status < 400 || !strings.Contains(page.Body, "invalid_client") {
		t.Errorf("asked by an app that is gone: %d %s", page.Status, page.URL)
	}
	if n := s.count(`SELECT COUNT(*) FROM audit WHERE client = $1 AND action IN ('oauth.client_created', 'oauth.client_deleted')`, c.Client.ID); n != 2 {
		t.Errorf("%d records", n)
	}
}

// TestSec_CO04_AnAppThatMovesAsksAgain: what people allowed an app that registered itself was for the name and the place
// that they read.
func TestSec_CO04_AnAppThatMovesAsksAgain(t *testing.T) {
	t.Parallel()
	s, token := rpRegistrar(t)
	s.person("alice")
	const trusted, evil = "https://trusted.example/cb", "https://evil.example/cb"
	body := func(id, name string, redirects ...string) map[string]any {
		return map[string]any{"client_id": id, "client_name": name, "redirect_uris": redirects}
	}
	c, got := rpRegister(s, token, body("", "Notes", trusted))
	change := func(name string, redirects ...string) {
		t.Helper()
		address, access := got["registration_client_uri"].(string), got["registration_access_token"].(string)
		if status, answer := rpManage(s, http.MethodPut, address, access, body(c.Client.ID, name, redirects...)); status != http.StatusOK {
			t.Fatalf("%d %v", status, answer)
		}
	}
	b := s.Browser()
	asks := func(what, redirect string) {
		t.Helper()
		c.RedirectURL = redirect
		page := s.begin(b, c)
		if page.URL.Path != "/consent" {
			t.Fatalf("%s: nobody is asked, at %s", what, page.URL)
		}
		page = page.Submit("consent-allow")
		if target := page.URL.String(); !strings.HasPrefix(target, redirect) || page.URL.Query().Get("code") == "" {
			t.Fatalf("%s: allowed, and at %s", what, target)
		}
	}
	secPassword(secAt(t, s.begin(b, c), "/login"), "alice")
	asks("the first time", trusted)
	if page := s.begin(b, c); page.URL.Query().Get("code") == "" {
		t.Errorf("asked again, though nothing changed, at %s", page.URL)
	}
	change("Notes", evil)
	asks("another place", evil)
	change("Your bank", evil)
	asks("another name", evil)
	change("Your bank", trusted, evil)
	asks("one place more", trusted)
	asks("the other of two places", evil)
	asks("and the first again", trusted)
}

// rpLogo is the picture of an app, as its own server would send it.
func rpLogo(t *testing.T) []byte {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 96, 96))
	draw.Draw(picture, picture.Bounds(), image.NewUniform(color.RGBA{0x0f, 0x76, 0x6e, 0xff}), image.Point{}, draw.Src)
	draw.Draw(picture, image.Rect(28, 20, 68, 76), image.White, image.Point{}, draw.Src)
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestSec_CO02_WhatAnAppSaysOfItself: name, logo and links are shown in a browser as what they are, from our own origin
// alone, on calm pages (oidcc-registration-logo-uri, -policy-uri, -tos-uri).
func TestSec_CO02_WhatAnAppSaysOfItself(t *testing.T) {
	s, token := rpRegistrar(t)
	s.person("alice")
	logo := rpLogo(t)
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(logo) }))
	defer remote.Close()
	papers := map[string]any{
		"client_name": "Notes", "redirect_uris": []string{secCallback}, "logo_uri": remote.URL + "/logo.png",
		"policy_uri": "https://app.example/privacy", "tos_uri": "https://app.example/terms",
	}
	c, _ := rpRegister(s, token, papers)
	chrome := chromeStart(t)
	b := chrome.window()
	b.open(secURL(c))
	rpShown(t, b, "24-signin-told")
	for selector, want := range map[string]string{
		"h1": "Sign in", "a[href='https://app.example/privacy']": "Privacy policy", "a[href='https://app.example/terms']": "Terms of service",
	} {
		b.says(selector, want)
	}
	b.fill("#username", "alice", "#password", idptest.Password)
	b.follow("#login-submit")
	rpShown(t, b, "25-consent-told")
	b.onlyTalksTo(s.Issuer)

	papers["client_name"] = `<img src=x onerror="window.ran=1">`
	delete(papers, "logo_uri")
	papers["policy_uri"] = "https://app.example/?q=%22%3E%3Cscript%3Ewindow.ran=1%3C/script%3E"
	c, _ = rpRegister(s, token, papers)
	b.open(secURL(c))
	var ran bool
	b.ask(`Boolean(window.ran)`, &ran)
	if ran || !strings.Contains(b.text("h1"), "<img src=x") {
		t.Errorf("ran: %v, the page says %q", ran, b.text("h1"))
	}
	b.onlyTalksTo(s.Issuer)
}

// rpShown fails unless the logo is on the page, and looks at the page in every window.
func rpShown(t *testing.T, b *chromeTab, name string) {
	t.Helper()
	var width int
	b.ask(`document.querySelector("img.logo").naturalWidth`, &width)
	if width != 96 {
		t.Errorf("%s: the logo is %d pixels wide", name, width)
	}
	for _, window := range []struct {
		name          string
		width, height int64
	}{{"wide", 1280, 900}, {"narrow", 390, 844}} {
		for _, scheme := range []string{"light", "dark"} {
			b.look(window.width, window.height, scheme)
			file, picture := fmt.Sprintf("%s-%s-%s.png", name, window.name, scheme), b.picture()
			screensCheck(t, file, picture, int(window.width))
			if *screens != "" {
				if err := os.WriteFile(filepath.Join(*screens, file), screensSmall(t, picture), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	b.look(1280, 900, "light")
}

// TestRegistrationOfAPublicApp: what desktop programs and command lines register, without a logo or a secret.
func TestRegistrationOfAPublicApp(t *testing.T) {
	t.Parallel()
	s, token := rpRegistrar(t)
	s.person("alice")
	c, got := rpRegister(s, token, map[string]any{
		"client_name": "Terminal", "redirect_uris": []string{"http://127.0.0.1/callback"}, "token_endpoint_auth_method": "none",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	})
	if got["client_secret"] != nil || got["application_type"] != "native" || c.Client.Consent != "ask" || !slices.Contains(c.Client.GetGrantTypes(), "refresh_token") {
		t.Errorf("%v", got)
	}
	c.RedirectURL = "http://127.0.0.1:49152/callback"
	b := s.Browser()
	for range 2 { // nobody can vouch for a program on the person's machine: it asks each time (CO-01)
		page := s.begin(b, c)
		if page.URL.Path == "/login" {
			page = secPassword(page, "alice")
		}
		page = secAt(t, page, "/consent").Submit("consent-allow")
		if page.URL.Host != "127.0.0.1:49152" || page.URL.Query().Get("code") == "" {
			t.Fatalf("at %s", page.URL)
		}
	}
	if all, err := s.OAuth.Clients().List(t.Context()); err != nil || !slices.ContainsFunc(all, func(c *oauth.Client) bool { return c.Dynamic }) {
		t.Errorf("nobody sees that it registered itself: %v", err)
	}
}
