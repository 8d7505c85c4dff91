package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// Chromium loads the apps' frames, with their own cookies, and then goes on by itself, scripts or not.
func TestFrontChannelLogoutInChromium(t *testing.T) {
	s := secOpen(t)
	s.person("alice")
	told := make(chan url.Values, 10)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /front", func(_ http.ResponseWriter, r *http.Request) { told <- r.URL.Query() })
	mux.HandleFunc("GET /bye", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><p id="bye">Bye</p>`))
	})
	mux.HandleFunc("GET /callback", func(http.ResponseWriter, *http.Request) {})
	rp := httptest.NewServer(mux)
	t.Cleanup(rp.Close)
	app := s.AddClient(oauth.Client{
		ID: "front", Name: "Front", RedirectURIs: []string{rp.URL + "/callback"}, PostLogoutRedirectURIs: []string{rp.URL + "/bye"},
		FrontchannelLogoutURI: rp.URL + "/front?a=b",
	})
	b := chromeStart(t).window()
	b.withoutScripts()
	b.open(secURL(app))
	b.fill("#username", "alice", "#password", idptest.Password)
	b.follow("#login-submit")
	b.open(s.Issuer + "/oauth2/logout?" + url.Values{
		"client_id": {"front"}, "post_logout_redirect_uri": {rp.URL + "/bye"}, "state": {`"'<>&; x`},
	}.Encode())
	b.follow("#logout-confirm")
	got := <-told
	if got.Get("a") != "b" || got.Get("iss") != s.Issuer || got.Get("sid") == "" {
		t.Errorf("the frame asked with %v", got)
	}
	b.run(chromedp.WaitReady("#bye", chromedp.ByQuery))
	b.at(rp.URL + "/bye?" + url.Values{"state": {`"'<>&; x`}}.Encode())
	b.onlyTalksTo(s.Issuer, rp.URL)
}

// Whoever signs out at the provider is signed out of the demo's app.
func TestFocusHQHearsOfALogout(t *testing.T) {
	d, c := demoStart(t), chromeStart(t)
	b := c.window()
	b.signIn(d)
	b.mustHave("#sign-out")
	b.open(d.Provider + "/oauth2/logout")
	b.follow("#logout-confirm")
	b.open(d.App)
	b.mustHave("#sign-in")
	b.onlyTalksTo(d.Provider, d.App)
}
