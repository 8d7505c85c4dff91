package login_test

import (
	"net/http"
	"net/url"
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
