package idptest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/focushq/idp/oauth"
)

// Machine is a program with a client of its own, which acts for itself.
type Machine struct {
	ID, Secret string
	s          *Server
}

// Machine registers a program that may have these scopes, those of the administration's API (admin.Permission) for example.
func (s *Server) Machine(id string, scopes ...string) *Machine {
	s.t.Helper()
	c := &oauth.Client{ID: id, GrantTypes: []string{"client_credentials"}, Scopes: scopes}
	secret, err := s.OAuth.Clients().Create(context.Background(), c, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return &Machine{id, secret, s}
}

// Token returns an access token of the machine for some of its scopes, or all of them, by the client credentials grant (RFC 6749
// section 4.4). Params are further parameters of the request, in pairs.
func (m *Machine) Token(scope string, params ...string) string {
	m.s.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	if scope != "" {
		form.Set("scope", scope)
	}
	for i := 0; i+1 < len(params); i += 2 {
		form.Add(params[i], params[i+1])
	}
	r, err := http.NewRequest(http.MethodPost, m.s.Issuer+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		m.s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(m.ID), url.QueryEscape(m.Secret))
	response, err := m.s.HTTP.Do(r)
	if err != nil {
		m.s.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Token == "" {
		m.s.t.Fatalf("no token: %d %s %v", response.StatusCode, answer.Error, err)
	}
	return answer.Token
}
