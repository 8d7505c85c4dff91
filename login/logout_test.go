package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// An app's own POST comes without the session's cookie when the app lives on another site. It must end the session all
// the same, by way of a GET.
func TestLogoutByAnAppsPost(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("alice")
	c := p.AddClient(oauth.Client{
		ID: "app", RedirectURIs: []string{"http://127.0.0.1:9/callback"}, PostLogoutRedirectURIs: []string{"http://127.0.0.1:9/bye"},
	})
	b := p.Browser()
	page := b.Get(c.AuthCodeURL("s")).Submit("login-submit", "username", "alice", "password", idptest.Password)
	token, err := c.Exchange(t.Context(), page.URL.Query().Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"id_token_hint": {token.Extra("id_token").(string)}, "post_logout_redirect_uri": {"http://127.0.0.1:9/bye"}, "state": {"x"},
	}
	without := p.Browser().Post("/oauth2/logout", form) // as a cross-site POST arrives
	if got := without.URL.String(); without.Status != http.StatusSeeOther || got != "http://127.0.0.1:9/bye?state=x" {
		t.Fatalf("%d %s", without.Status, got)
	}
	if page := b.Get("/account"); page.URL.Path != "/account" {
		t.Fatalf("somebody else's POST signed alice out: %s", page.URL)
	}
	if page := b.Post("/oauth2/logout", form); page.URL.String() != "http://127.0.0.1:9/bye?state=x" {
		t.Fatalf("at %s", page.URL)
	}
	if page := b.Get("/account"); page.URL.Path != "/login" {
		t.Errorf("still signed in, at %s", page.URL)
	}
}

// Without a hint the person is asked, and the question's form works whether the app came by GET or by POST.
func TestLogoutAsksAndTakesTheAnswer(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("alice")
	p.AddClient(oauth.Client{ID: "app", Name: "App", RedirectURIs: []string{"http://127.0.0.1:9/callback"}})
	b := p.Browser()
	b.Get("/login").Submit("login-submit", "username", "alice", "password", idptest.Password)
	page := b.Post("/oauth2/logout", url.Values{"client_id": {"app"}})
	if !page.Has("#logout-confirm") {
		t.Fatalf("not asked: %d %s", page.Status, page.Body)
	}
	if refused := b.Post("/oauth2/logout?client_id=app", url.Values{"confirm": {"everywhere"}}); refused.Status != http.StatusForbidden {
		t.Errorf("confirmed without the form's token: %d", refused.Status)
	}
	if page := b.Get("/signed-out"); page.URL.Path != "/account" {
		t.Errorf("a page says \"signed out\" to somebody who is signed in: %s", page.URL)
	}
	if page = page.Submit("logout-confirm"); page.URL.Path != "/signed-out" {
		t.Fatalf("at %s", page.URL)
	}
	if page := b.Get("/account"); page.URL.Path != "/login" {
		t.Errorf("still signed in, at %s", page.URL)
	}
}

// Whose app was switched off or deleted can sign out: they are asked.
func TestLogoutFromAnAppThatIsGone(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("alice")
	c := p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{"http://127.0.0.1:9/callback"}})
	b := p.Browser()
	page := b.Get(c.AuthCodeURL("s")).Submit("login-submit", "username", "alice", "password", idptest.Password)
	token, err := c.Exchange(t.Context(), page.URL.Query().Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.OAuth.Clients().Delete(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	page = b.Get("/oauth2/logout?id_token_hint=" + token.Extra("id_token").(string))
	if page.Submit("logout-confirm").URL.Path != "/signed-out" {
		t.Errorf("%d %s", page.Status, page.Body)
	}
}

// A request that cannot be answered says so, and is no dead end: who wanted to sign out still can.
func TestSignOutAfterABadRequest(t *testing.T) {
	l := leaving(t, oauth.Client{ID: "app"})
	for query, parameter := range map[string]string{
		"post_logout_redirect_uri=https%3A%2F%2Fapp.example%2F":                "id_token_hint",
		"client_id=app&post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F": "post_logout_redirect_uri",
		"id_token_hint=garbage": "id_token_hint",
		"client_id=nobody":      "client_id",
		"id_token_hint=" + l.hint["app"] + "&post_logout_redirect_uri=https%3A%2F%2Fevil.example": "post_logout_redirect_uri",
	} {
		page := l.b.Get("/oauth2/logout?" + query)
		if page.Status != http.StatusBadRequest || !strings.Contains(page.Text("main"), parameter) || page.Attr("#logout-plain", "href") != "/oauth2/logout" {
			t.Errorf("%s: %d %s", query, page.Status, page.Body)
		}
	}
	if page := l.b.Get("/oauth2/authorize?client_id=nobody"); page.Status != http.StatusBadRequest || page.Has("#logout-plain") {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	if page := l.b.Get("/oauth2/logout").Submit("logout-confirm"); page.URL.Path != "/signed-out" {
		t.Errorf("at %s", page.URL)
	}
	l.wantOut()
}

// leaver is alice, signed in to apps.
type leaver struct {
	*idptest.Server
	t    *testing.T
	b    *idptest.Browser
	hint map[string]string // the ID token of each app
}

// leaving signs alice in to apps, which all have the same URIs but for the front channel.
func leaving(t *testing.T, apps ...oauth.Client) *leaver {
	t.Helper()
	l := &leaver{Server: idptest.Start(t), t: t, hint: map[string]string{}}
	l.AddUser("alice")
	l.b = l.Browser()
	l.b.Get("/login").Submit("login-submit", "username", "alice", "password", idptest.Password)
	for _, app := range apps {
		app.RedirectURIs = []string{"http://127.0.0.1:9/callback", "http://localhost:9/callback"}
		app.PostLogoutRedirectURIs = []string{"http://127.0.0.1:9/bye?x=1"}
		c := l.AddClient(app)
		token, err := c.Exchange(t.Context(), l.b.Get(c.AuthCodeURL("s")).URL.Query().Get("code"))
		if err != nil {
			t.Fatal(err)
		}
		l.hint[app.ID] = token.Extra("id_token").(string)
	}
	return l
}

// wantOut checks that nobody is signed in any more.
func (l *leaver) wantOut() {
	l.t.Helper()
	if page := l.b.Get("/account"); page.URL.Path != "/login" {
		l.t.Errorf("still signed in, at %s", page.URL)
	}
}

const strange = `a "<>&%#{}'=;,+/?:~` + "`|"

// The apps that hear of a logout by the browser are loaded in frames, then the browser goes on.
func TestFrontChannelLogout(t *testing.T) {
	l := leaving(t,
		oauth.Client{ID: "one", FrontchannelLogoutURI: "http://127.0.0.1:9/front?a=b"},
		oauth.Client{ID: "two", FrontchannelLogoutURI: "http://localhost:9/front"}, oauth.Client{ID: "quiet"})
	query := url.Values{"id_token_hint": {l.hint["quiet"]}, "post_logout_redirect_uri": {"http://127.0.0.1:9/bye?x=1"}, "state": {strange}}
	page := l.b.Post("/oauth2/logout", query)
	target := "http://127.0.0.1:9/bye?x=1&" + url.Values{"state": {strange}}.Encode()
	if page.Status != http.StatusOK || !strings.Contains(page.Text("main"), "signed out") || page.Attr("#logout-back", "href") != target ||
		page.Attr("meta[http-equiv=refresh]", "content") != "3; url="+target {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	frames := page.All("iframe")
	if len(frames) != 2 {
		t.Fatalf("%d frames", len(frames))
	}
	if policy := page.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "frame-src http://127.0.0.1:9 http://localhost:9") {
		t.Errorf("policy %q", policy)
	}
	src, err := url.Parse(page.Attr("iframe", "src"))
	if q := src.Query(); err != nil || src.Path != "/front" || q.Get("a") != "b" || q.Get("iss") != l.Issuer || q.Get("sid") == "" || len(q) != 3 {
		t.Errorf("%s %v", src, err)
	}
	l.wantOut()
	// Nothing is left to be told the second time.
	if page := l.b.Get("/oauth2/logout?" + query.Encode()); page.URL.String() != target {
		t.Errorf("at %s: %s", page.URL, page.Body)
	}
}

func TestFrontChannelLogoutThatIsConfirmed(t *testing.T) {
	l := leaving(t, oauth.Client{ID: "one", FrontchannelLogoutURI: "http://127.0.0.1:9/front", ClientURI: "http://127.0.0.1:9/"})
	asked := l.b.Get("/oauth2/logout")
	if stay := asked.Attr("#logout-stay", "href"); stay != "/account" {
		t.Errorf("staying leads to %q", stay)
	}
	if asked.Has("#logout-here") || asked.Has("iframe") {
		t.Errorf("\"this app only\", of none: %s", asked.Body)
	}
	asked = l.b.Get("/oauth2/logout?client_id=one&state=x")
	if stay := asked.Attr("#logout-stay", "href"); stay != "http://127.0.0.1:9/" {
		t.Errorf("staying leads to %q", stay)
	}
	page := asked.Submit("logout-confirm")
	if page.Status != http.StatusOK || len(page.All("iframe")) != 1 || page.Has("meta[http-equiv=refresh]") ||
		page.Attr("#logout-back", "href") != "http://127.0.0.1:9/" || !strings.Contains(page.Text("main"), "signed out") {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	l.wantOut()
}

// "This app only" ends what was granted to it in this session, and nothing else; nobody is told.
func TestLogoutFromOneApp(t *testing.T) {
	l := leaving(t, oauth.Client{ID: "one", FrontchannelLogoutURI: "http://127.0.0.1:9/front"}, oauth.Client{ID: "two"})
	page := l.b.Get("/oauth2/logout?client_id=two&state=x&post_logout_redirect_uri=" + url.QueryEscape("http://127.0.0.1:9/bye?x=1"))
	if page = page.Submit("logout-here"); page.URL.String() != "http://127.0.0.1:9/bye?x=1&state=x" {
		t.Fatalf("at %s: %s", page.URL, page.Body)
	}
	if page := l.b.Get("/account"); page.URL.Path != "/account" {
		t.Errorf("signed out everywhere, at %s", page.URL)
	}
	if page = l.b.Get("/oauth2/logout?client_id=two").Submit("logout-here"); page.URL.Path != "/account" {
		t.Errorf("at %s: %s", page.URL, page.Body)
	}
	// An answer that our page does not offer changes nothing.
	page = l.b.Get("/oauth2/logout")
	form := page.Fields("logout-confirm")
	form.Set("confirm", "here")
	if page = l.b.Post("/oauth2/logout", form); !page.Has("#logout-confirm") {
		t.Errorf("at %s: %s", page.URL, page.Body)
	}
}

// Nobody vouches for the name and the place of an app that registered itself, here as little as before the sign-in.
func TestLogoutFromAnAppThatRegisteredItself(t *testing.T) {
	l := leaving(t, oauth.Client{ID: "ours", ClientURI: "http://127.0.0.1:9/home"},
		oauth.Client{ID: "own", Consent: "skip", Dynamic: true, ClientURI: "http://127.0.0.1:9/home", FrontchannelLogoutURI: "http://127.0.0.1:9/front"})
	for id, dynamic := range map[string]bool{"ours": false, "own": true} {
		page := l.b.Get("/oauth2/logout?client_id=" + id)
		if page.Has("#unvouched") != dynamic || (page.Attr("#logout-stay", "href") == "/account") != dynamic {
			t.Errorf("%s, asked: %s", id, page.Body)
		}
		if page := l.Browser().Get("/signed-out?client_id=" + id); page.Has("#unvouched") != dynamic || dynamic && !strings.Contains(page.Text("#unvouched"), "127.0.0.1:9") {
			t.Errorf("%s, signed out: %s", id, page.Body)
		}
	}
	page := l.b.Get("/oauth2/logout?id_token_hint=" + l.hint["own"])
	if len(page.All("iframe")) != 1 || !strings.Contains(page.Text("#unvouched"), "127.0.0.1:9") {
		t.Errorf("signed out by way of frames: %s", page.Body)
	}
}

// An app that the server knows gets a link; nothing else that stands in the address does.
func TestSignedOutPage(t *testing.T) {
	l := leaving(t, oauth.Client{ID: "app", ClientURI: "http://127.0.0.1:9/home"}, oauth.Client{ID: "off", ClientURI: "http://127.0.0.1:9/off"})
	off, err := l.OAuth.Clients().Get(t.Context(), "off")
	if err != nil {
		t.Fatal(err)
	}
	disabled := *off
	disabled.Disabled = true
	if err := l.OAuth.Clients().Update(t.Context(), &disabled); err != nil {
		t.Fatal(err)
	}
	page := l.b.Get("/oauth2/logout?id_token_hint=" + l.hint["app"])
	if page.URL.Path != "/signed-out" || page.Attr("#logout-back", "href") != "http://127.0.0.1:9/home" || !strings.Contains(page.Text("main"), "signed out") {
		t.Errorf("at %s: %s", page.URL, page.Body)
	}
	if page.Attr("html", "lang") != "en" {
		t.Errorf("in %q", page.Attr("html", "lang"))
	}
	for _, id := range []string{"off", "nobody", "", "%00%ff", "https://evil.example"} {
		page := l.b.Get("/signed-out?client_id=" + id)
		if page.Status != http.StatusOK || page.Has("#logout-back") {
			t.Errorf("%s: %d %s", id, page.Status, page.Body)
		}
	}
}
