package login_test

import (
	"testing"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// A native app is asked for each time, and the answer to one request does not speak for another that waits beside it.
func TestConsentIsForOneRequest(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("alice")
	c := p.AddClient(oauth.Client{ID: "native", AuthMethod: "none", RedirectURIs: []string{"http://127.0.0.1/callback"}})
	challenge := "&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	b := p.Browser()
	waiting := b.Get(c.AuthCodeURL("evil")+challenge).Submit("login-submit", "username", "alice", "password", idptest.Password)
	if !waiting.Has("#consent-allow") {
		t.Fatal(waiting.Body)
	}
	good := b.Get(c.AuthCodeURL("good") + challenge).Submit("consent-allow")
	if good.URL.Query().Get("code") == "" {
		t.Fatalf("at %s", good.URL)
	}
	again := b.Get(oauth.ResumeURL(waiting.URL.Query().Get("request")))
	if !again.Has("#consent-allow") {
		t.Errorf("the request that waited was answered by the other one's consent: %s", again.URL)
	}
	if third := b.Get(c.AuthCodeURL("third") + challenge); !third.Has("#consent-allow") {
		t.Errorf("not asked again: %s", third.URL)
	}
}
