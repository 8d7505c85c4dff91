package oauth_test

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzAuthorize sends arbitrary queries: the browser never goes anywhere but to the client or to our own pages, nothing
// fails inside, and no input comes back as HTML.
func FuzzAuthorize(f *testing.F) {
	f.Add(request("web").Encode())
	f.Add(request("spa", "response_mode", "form_post", "claims", `{"id_token":{"acr":null}}`, "max_age", "0").Encode())
	f.Add(request("web", "prompt", "none", "id_token_hint", "a.b.c", "state", "<x>").Encode())
	f.Add("resume=AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("client_id=web&redirect_uri=https://app.example@evil.example/&%zz;=")
	w := newWorldOn(f, sqliteWorld(f))
	f.Fuzz(func(t *testing.T, query string) {
		r, err := http.NewRequest(http.MethodGet, issuer+"/oauth2/authorize", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = query
		response, err := (transport{w.mux}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		location := response.Header.Get("Location")
		if location != "" && !strings.HasPrefix(location, callback+"?") && !strings.HasPrefix(location, callback+"#") {
			t.Errorf("sent to %s", location)
		}
		if response.StatusCode >= 500 {
			t.Errorf("status %d", response.StatusCode)
		}
	})
}

// FuzzRedirectURI sends arbitrary redirect URIs: all but the registered one end on a page.
func FuzzRedirectURI(f *testing.F) {
	for _, seed := range []string{callback, callback + "/", "https://app.example:443/callback", "http://127.0.0.1:1/cb", "https://app.example\\@x/"} {
		f.Add(seed)
	}
	w := newWorldOn(f, sqliteWorld(f))
	f.Fuzz(func(t *testing.T, uri string) {
		r, err := http.NewRequest(http.MethodGet, issuer+"/oauth2/authorize", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = request("spa", "redirect_uri", uri).Encode()
		response, err := (transport{w.mux}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if location := response.Header.Get("Location"); location != "" && uri != callback {
			t.Errorf("%q: sent to %s", uri, location)
		}
	})
}

// FuzzPush sends arbitrary bodies of a public client: what is taken leads to the client or to our own pages, and
// nothing fails inside.
func FuzzPush(f *testing.F) {
	f.Add(request("spa").Encode())
	f.Add(request("spa", "resource", issuer, "response_mode", "form_post", "max_age", "0", "prompt", "login").Encode() + "&resource=x")
	f.Add(request("spa", "dpop_jkt", challenge(), "hint_subject", "x", "claims", `{"id_token":{"sub":{"value":"x"}}}`).Encode())
	f.Add("client_id=spa&request_uri=urn:ietf:params:oauth:request_uri:x&%zz;=")
	w := newWorldOn(f, sqliteWorld(f))
	f.Fuzz(func(t *testing.T, body string) {
		w.TB = t
		r, _ := http.NewRequest(http.MethodPost, issuer+"/oauth2/par", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		a := w.do(w.browser, r)
		uri, _ := a.json["request_uri"].(string)
		if a.status >= 500 || (a.status == http.StatusCreated) != (uri != "") || a.header.Get("Location") != "" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if uri == "" {
			return
		}
		a = w.authorize(bring("spa", uri))
		if location := a.header.Get("Location"); a.status >= 400 || location != "" && !strings.HasPrefix(location, callback) {
			t.Errorf("%d %s %s", a.status, location, a.body)
		}
	})
}
