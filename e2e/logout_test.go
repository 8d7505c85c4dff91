package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// party is a relying party that hears of logouts.
type party struct {
	*idptest.Client
	s *secSite

	mu     sync.Mutex
	status int // what it answers to a good notice
	ended  []string
}

// party registers the client id and serves its back-channel endpoint.
func (s *secSite) party(id string) *party {
	s.t.Helper()
	p := &party{s: s, status: http.StatusOK}
	server := httptest.NewServer(p)
	s.t.Cleanup(server.Close)
	p.Client = s.client(id, func(c *oauth.Client) {
		c.BackchannelLogoutURI, c.PostLogoutRedirectURIs = server.URL+"/ended", []string{"https://app.example/bye"}
	})
	return p
}

// ServeHTTP takes a notice as the library for relying parties does.
func (p *party) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	verifier := p.s.oidc.Verifier(&oidc.Config{ClientID: p.Client.Client.ID, Now: p.s.Clock.Now})
	token, err := verifier.VerifyLogout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		p.s.t.Errorf("%s: %v", p.Client.Client.ID, err)
		http.Error(w, "invalid_request", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status == http.StatusOK {
		p.ended = append(p.ended, token.SessionID)
	}
	w.WriteHeader(p.status)
}

func (p *party) answers(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

// heard returns how often the party took a notice of the session that tokens are of.
func (p *party) heard(of *rpTokens) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, sid := range p.ended {
		if sid == of.id["sid"] && sid != "" {
			n++
		}
	}
	return n
}

// in signs somebody in at the party in b.
func (p *party) in(who *secPerson, b *idptest.Browser) *rpTokens {
	p.s.t.Helper()
	return p.s.exchange(p.Client, who.signIn(b, p.Client))
}

// later lets the background work be done after that time.
func (s *secSite) later(after time.Duration) {
	s.Clock.Add(after)
	s.Notify(s.t.Context())
}

func TestSec_OA18_SS05_EveryAppOfTheSessionHearsOfItsEnd(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	one, two, three := s.party("one"), s.party("two"), s.party("three")
	alice, bob := s.enrolled("alice"), s.person("bob")
	b, elsewhere, bobs := s.Browser(), s.Browser(), s.Browser()
	first, second := one.in(alice, b), two.in(alice, b)
	other, foreign := one.in(alice, elsewhere), three.in(bob, bobs)
	if first.id["sid"] != second.id["sid"] || first.id["sid"] == other.id["sid"] {
		t.Fatalf("%v %v %v", first.id, second.id, other.id)
	}
	two.answers(http.StatusInternalServerError)
	hint, _ := first.Extra("id_token").(string)
	page := b.Get("/oauth2/logout?" + url.Values{
		"id_token_hint": {hint}, "post_logout_redirect_uri": {"https://app.example/bye"}, "state": {`&"<#`},
	}.Encode())
	if page.URL.String() != "https://app.example/bye?state=%26%22%3C%23" {
		t.Fatalf("at %s", page.URL)
	}
	if one.heard(first) != 1 || two.heard(second) != 0 { // before the browser went on
		t.Errorf("one heard %d times", one.heard(first))
	}
	secRefused(t, s.begin(b, two.Client, secParam("prompt", "none")), "login_required")
	two.answers(http.StatusOK)
	s.later(11 * time.Second)
	s.later(time.Hour)
	if one.heard(first) != 1 || two.heard(second) != 1 {
		t.Errorf("one heard %d times, two %d times", one.heard(first), two.heard(second))
	}
	rows, err := s.Audit.List(t.Context(), audit.Filter{Action: oauth.EventLogoutNoticed})
	if err != nil || len(rows) != 2 {
		t.Errorf("%d on record, %v", len(rows), err)
	}
	for _, row := range rows { // it was told, and did nothing
		if row.Actor != audit.Server || row.Subject != alice.Subject || row.Client == "" {
			t.Errorf("a notice by %q about %q to %q", row.Actor, row.Subject, row.Client)
		}
	}
	if one.heard(other)+three.heard(foreign) != 0 || len(one.ended)+len(two.ended)+len(three.ended) != 2 {
		t.Error("an app hears of a session that lives")
	}
	secAt(t, elsewhere.Get("/account"), "/account")
}

// However a session ends, its apps are told.
func TestSec_SS05_SS06_AppsHearOfEveryWayASessionEnds(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	app := s.party("party")
	for name, end := range map[string]func(who *secPerson, b *idptest.Browser, sid string) error{
		"disabled": func(who *secPerson, _ *idptest.Browser, _ string) error {
			return s.Actions().Disable(t.Context(), who.Subject)
		},
		"deleted": func(who *secPerson, _ *idptest.Browser, _ string) error {
			return s.Actions().Delete(t.Context(), who.Subject)
		},
		"password": func(who *secPerson, _ *idptest.Browser, _ string) error {
			return s.Actions().SetPassword(t.Context(), who.Subject, "another long walk along the canal")
		},
		"mfareset": func(who *secPerson, _ *idptest.Browser, _ string) error {
			return s.Actions().ResetMFA(t.Context(), who.Subject, "lost")
		},
		"one": func(who *secPerson, _ *idptest.Browser, sid string) error {
			return s.Sessions.EndOne(t.Context(), who.Subject, sid)
		},
		"another": func(_ *secPerson, b *idptest.Browser, _ string) error {
			s.person("somebody")
			page := s.begin(b, s.app, secParam("prompt", "select_account"))
			secGranted(t, page.Submit("login-submit", "username", "somebody", "password", idptest.Password))
			return nil
		},
		"asked": func(_ *secPerson, b *idptest.Browser, _ string) error {
			secAt(t, b.Get("/oauth2/logout").Submit("logout-confirm"), "/signed-out")
			return nil
		},
	} {
		who, b := s.person("p-"+name), s.Browser()
		tokens := app.in(who, b)
		sid, _ := tokens.id["sid"].(string)
		if err := end(who, b, sid); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s.later(3 * time.Second)
		if n := app.heard(tokens); n != 1 {
			t.Errorf("%s: the app heard of it %d times", name, n)
		}
	}
}

// A page of another site may lead a browser to the logout, by link or by form: without a hint of ours it is only asked.
func TestSec_OA17_NobodyIsSignedOutByAStranger(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	app := s.party("party")
	alice, mallory := s.person("alice"), s.person("mallory")
	b := s.Browser()
	app.in(alice, b)
	foreign := app.in(mallory, s.Browser()) // a hint of somebody else's
	theirs, _ := foreign.Extra("id_token").(string)
	for name, query := range map[string]url.Values{
		"nothing": {}, "state": {"state": {"x"}}, "client": {"client_id": {"party"}, "post_logout_redirect_uri": {"https://app.example/bye"}},
		"another's hint": {"id_token_hint": {theirs}, "post_logout_redirect_uri": {"https://app.example/bye"}},
	} {
		for _, page := range []*idptest.Page{b.Get("/oauth2/logout?" + query.Encode()), b.Post("/oauth2/logout", query)} {
			if page.URL.Path != "/oauth2/logout" || !page.Has("#logout-confirm") {
				t.Errorf("%s: at %s", name, page.URL)
			}
		}
		secAt(t, b.Get("/account"), "/account")
	}
	s.later(time.Hour)
	if len(app.ended) != 0 {
		t.Errorf("the app heard of %v", app.ended)
	}
}
