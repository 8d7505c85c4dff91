package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Of sixteen tabs at two processes with one request_uri exactly one gets a code, whichever process took the request.
func TestSec_OA10_TwoProcesses(t *testing.T) {
	t.Parallel()
	r := secReplicate(t)
	tab := r.tab(r.person("pushed"))
	for trial := range 10 {
		query := url.Values{"client_id": {"app"}, "request_uri": {r.push(r.each[trial%2])}}.Encode()
		r.race("a request_uri", func(_ int, replica string) (bool, int, error) {
			request, err := http.NewRequest(http.MethodGet, replica+"/oauth2/authorize?"+query, nil)
			if err != nil {
				return false, 0, err
			}
			for _, c := range tab.cookies {
				request.AddCookie(c)
			}
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				return false, 0, err
			}
			defer response.Body.Close()
			location := response.Header.Get("Location")
			if location == "" && response.StatusCode != http.StatusBadRequest {
				t.Errorf("a tab that lost: %d", response.StatusCode)
			}
			return strings.HasPrefix(location, secCallback+"?code="), response.StatusCode, nil
		})
	}
	if n := r.count(`SELECT COUNT(*) FROM oauth_grants`); n != 10 {
		t.Errorf("%d grants", n)
	}
}

// push hands a request of the app over to one of the processes and returns its request_uri.
func (r *secReplicas) push(replica string) string {
	r.t.Helper()
	form := url.Values{"response_type": {"code"}, "redirect_uri": {secCallback}, "scope": {"openid"}, "state": {"s"}}
	request, err := http.NewRequest(http.MethodPost, replica+"/oauth2/par", strings.NewReader(form.Encode()))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("app", url.QueryEscape(r.app.ClientSecret))
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		URI string `json:"request_uri"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusCreated {
		r.t.Fatalf("not pushed: %d, %v", response.StatusCode, err)
	}
	return answer.URI
}
