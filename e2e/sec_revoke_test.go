package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/focushq/idp/idptest"
)

// asks sends a token to introspection or revocation at this address, as the app.
func (s *secSite) asks(address, token string) *idptest.Page {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, address, strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(s.app.ClientID), url.QueryEscape(s.app.ClientSecret))
	return s.Browser().Do(r)
}

func TestSec_OA22_RevokedHereIsDeadThere(t *testing.T) {
	t.Parallel()
	s := secReplicate(t)
	p, b := s.person("alice"), s.Browser()
	for i := range 4 {
		here, there := s.each[i%2], s.each[(i+1)%2]
		tokens := s.exchange(s.app, p.signIn(b, s.app))
		token := tokens.AccessToken
		if i > 1 {
			token = tokens.RefreshToken
		}
		for _, replica := range s.each {
			if page := s.asks(replica+"/oauth2/introspect", tokens.AccessToken); !strings.Contains(page.Body, `"active":true`) {
				t.Fatalf("before: %d %s", page.Status, page.Body)
			}
		}
		if page := s.asks(here+"/oauth2/revoke", token); page.Status != http.StatusOK {
			t.Fatalf("revocation: %d %s", page.Status, page.Body)
		}
		for _, dead := range []string{tokens.AccessToken, tokens.RefreshToken} {
			if page := s.asks(there+"/oauth2/introspect", dead); page.Body != `{"active":false}` {
				t.Errorf("on the other replica: %d %s", page.Status, page.Body)
			}
		}
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, there+"/oauth2/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
		if page := s.Browser().Do(r); page.Status != http.StatusUnauthorized {
			t.Errorf("userinfo on the other replica: %d", page.Status)
		}
		if _, err := s.refresh(s.app, tokens); err == nil {
			t.Error("the refresh token lives")
		}
	}
}
