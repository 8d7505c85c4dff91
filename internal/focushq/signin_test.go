package focushq_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	front := w.get("/")
	if front.Text("#sign-in") != "Sign in" || front.Has("#sign-out") {
		t.Fatalf("front page:\n%s", front.body)
	}
	home := w.get(front.Attr("#sign-in", "href"))
	if home.url.String() != w.url+"/" || home.Text("h1") != "Hello, Alice Example" || home.Has("#sign-in") {
		t.Fatalf("%s: %s\n%s", home.url, home.Text("h1"), w.log.String())
	}
	want := []string{"User Profile", "Tokens", "Sensitive page", "Demo mailbox", "Sign out"}
	if diff := cmp.Diff(want, home.Texts("nav li")); diff != "" {
		t.Error(diff)
	}
	asked := w.idp.asked[0]
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "focus-hq", "redirect_uri": w.url + "/callback", "code_challenge_method": "S256",
		"scope": "openid profile email mfa offline_access", "acr_values": "", "prompt": "",
	} {
		if got := asked.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	w.get("/login")
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if asked.Get(name) == "" || asked.Get(name) == w.idp.asked[1].Get(name) {
			t.Errorf("%s = %q, then %q", name, asked.Get(name), w.idp.asked[1].Get(name))
		}
	}
}

func TestSignInReturnsToOwnPagesOnly(t *testing.T) {
	w := newWorld(t)
	for to, want := range map[string]string{"/profile": "/profile", "/tokens": "/tokens", "//evil.example": "/", "https://evil.example/": "/",
		"/logout": "/"} {
		if p := w.get("/login?to=" + url.QueryEscape(to)); p.url.String() != w.url+want {
			t.Errorf("to %s: %s", to, p.url)
		}
	}
	w.newBrowser()
	if p := w.get("/profile"); p.url.Path != "/profile" || p.Text("h1") != "User Profile" {
		t.Errorf("a page that wants a sign-in: %s", p.url)
	}
}

func TestProviderErrorsInWords(t *testing.T) {
	tests := []struct {
		code, id string
		status   int
	}{
		{"access_denied", "access_denied", 403},
		{"login_required", "login_required", 403},
		{"interaction_required", "interaction_required", 403},
		{"consent_required", "interaction_required", 403},
		{"temporarily_unavailable", "temporarily_unavailable", 503},
		{"server_error", "temporarily_unavailable", 503},
		{"invalid_scope", "setup", 502},
		{"unmet_authentication_requirements", "insufficient", 403},
		{"<b>new</b>", "unknown", 502},
	}
	w := newWorld(t)
	for _, test := range tests {
		t.Run(test.code, func(t *testing.T) {
			w.idp.answer = func(_, answer url.Values) {
				answer.Del("code")
				answer.Set("error", test.code)
				answer.Set("error_description", "<script>alert(1)</script> "+strings.Repeat("long ", 100))
			}
			p := w.get("/login?to=/profile")
			w.problem(p, test.id, test.status)
			if !strings.Contains(p.Text("main"), test.code) || p.Has("main script") || len(p.Text("main")) > 1000 {
				t.Errorf("page: %s", p.Text("main"))
			}
			w.idp.answer = nil
			if p := w.get(p.Attr("#try-again", "href")); p.url.Path != "/profile" {
				t.Errorf("trying again led to %s", p.url)
			}
		})
	}
}

func TestAnswersThatAreNotBelieved(t *testing.T) {
	tests := []struct {
		name   string
		answer func(asked, answer url.Values)
		token  func(id map[string]any)
		id     string
		status int
	}{
		{"foreign state", func(_, a url.Values) { a.Set("state", "XXXXXXXXXXXXXXXX") }, nil, "state", 400},
		{"state with the same beginning", func(_, a url.Values) { a.Set("state", a.Get("state")[:8]+"X") }, nil, "state", 400},
		{"no state", func(_, a url.Values) { a.Del("state") }, nil, "state", 400},
		{"foreign iss", func(_, a url.Values) { a.Set("iss", "https://evil.example") }, nil, "issuer", 400},
		{"no iss", func(_, a url.Values) { a.Del("iss") }, nil, "issuer", 400},
		{"error with a foreign iss", func(_, a url.Values) { a.Set("iss", "https://evil.example"); a.Set("error", "access_denied") }, nil, "issuer", 400},
		{"foreign code", func(_, a url.Values) { a.Set("code", "guessed") }, nil, "code", 400},
		{"foreign nonce", nil, func(id map[string]any) { id["nonce"] = "other" }, "token", 502},
		{"no nonce", nil, func(id map[string]any) { delete(id, "nonce") }, "token", 502},
		{"foreign issuer in the ID token", nil, func(id map[string]any) { id["iss"] = "https://evil.example" }, "token", 502},
		{"foreign audience", nil, func(id map[string]any) { id["aud"] = "other" }, "token", 502},
		{"another party", nil, func(id map[string]any) { id["aud"] = []string{"focus-hq", "other"}; id["azp"] = "other" }, "token", 502},
		{"expired ID token", nil, func(id map[string]any) { id["exp"] = id["iat"].(int64) - 1 }, "token", 502},
		{"foreign access token", nil, func(id map[string]any) { id["at_hash"] = "AAAA" }, "token", 502},
		{"userinfo about somebody else", nil, func(id map[string]any) { id["sub"] = "bob-2" }, "token", 502},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.idp.answer, w.idp.token = test.answer, test.token
			w.problem(w.get("/login"), test.id, test.status)
			if w.get("/").Has("#sign-out") {
				t.Error("somebody is signed in")
			}
		})
	}
}

func TestAttemptIsAnsweredOnceAndInTime(t *testing.T) {
	w := newWorld(t)
	late := func(_, answer url.Values) { w.at = w.at.Add(61 * time.Minute) }
	w.idp.answer = late
	w.problem(w.get("/login"), "expired", 400)

	var callback string
	w.idp.answer = func(asked, answer url.Values) { callback = "/callback?" + answer.Encode() }
	w.get("/login")
	w.problem(w.get(callback), "state", 400)
	w.newBrowser()
	w.problem(w.get(callback), "state", 400)
}

func TestParallelSignInsDoNotDisturbOneAnother(t *testing.T) {
	w := newWorld(t)
	var answers []string
	w.idp.answer = func(_, answer url.Values) { answers = append(answers, "/callback?"+answer.Encode()) }
	w.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/callback" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	for _, path := range []string{"/login?to=/profile", "/login?to=/tokens"} {
		r, _ := http.NewRequest("GET", w.url+path, nil)
		w.do(r)
	}
	w.browser.CheckRedirect = nil
	for i, want := range []string{"/profile", "/tokens"} {
		if p := w.get(answers[i]); p.url.Path != want {
			t.Errorf("attempt %d led to %s", i+1, p.url)
		}
	}
}

func TestProviderTroubles(t *testing.T) {
	w := newWorld(t)
	good := w.idp.Config.Handler
	w.idp.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) })
	w.problem(w.get("/login"), "unreachable", 502)
	if p := w.get("/"); p.status != 200 {
		t.Errorf("front page without a provider: %d", p.status)
	}
	w.idp.Config.Handler = good
	if p := w.get("/login"); !p.Has("#sign-out") {
		t.Fatalf("the provider is there now, yet: %s", p.url)
	}
	for code, id := range map[string]string{"invalid_client": "setup", "invalid_grant": "code"} {
		w.idp.refuse = code
		w.problem(w.get("/login"), id, map[string]int{"setup": 502, "code": 400}[id])
	}
	w.idp.refuse = ""
	w.idp.exchanged = func(*http.Request) int { return 500 }
	w.problem(w.get("/login"), "temporarily_unavailable", 503)
	w.idp.exchanged = nil
	w.idp.Server.Close()
	p := w.get("/profile")
	w.problem(p, "unreachable", 502)
	if p.Attr("#try-again", "href") != "/profile" {
		t.Errorf("try again = %s", p.Attr("#try-again", "href"))
	}
	if strings.Contains(w.log.String(), "s3cret") {
		t.Error("the log has the client's secret")
	}
}
