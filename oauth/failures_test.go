package oauth_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
)

// with posts a grant of a client for itself, by a secret.
func (w *world) with(client, secret string) answer {
	w.Helper()
	return w.post("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic(client, secret))
}

// machines registers clients that authenticate by a secret and have something to ask for.
func (w *world) machines(ids ...string) {
	w.Helper()
	for _, id := range ids {
		w.client(&oauth.Client{ID: id, GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"}})
	}
}

func (w *world) wantTokens(what string, a answer) {
	w.Helper()
	if a.status != 200 {
		w.Errorf("%s: %d %s", what, a.status, a.body)
	}
}

// Whoever guesses at a client's secret is stopped, on every replica, and locks nobody out but their own network.
func TestSec_DS08_WrongSecretsAreLimited(t *testing.T) {
	both(t, func(w *world) {
		c := w.crowd()
		w.machines("one", "two")
		for range 50 { // what is right is no guess
			w.wantTokens("right", w.with("one", w.secrets["one"]))
		}
		for range 20 {
			w.wantError(w.with("one", "wrong-and-wrong-again"), 401, "invalid_client")
		}
		w.wantWait(w.with("one", "wrong-and-wrong-again"))
		w.wantWait(w.with("one", w.secrets["one"])) // else a guesser would go on until this answer
		w.wantTokens("another client", w.with("two", w.secrets["two"]))

		cfg := w.config()
		cfg.Address = func(*http.Request) string { return c.from }
		first, firstMux := w.server, w.mux
		w.server, w.mux = w.start(cfg)
		w.browser = w.newBrowser()
		w.wantWait(w.with("one", "wrong-and-wrong-again"))
		w.wantWait(w.with("one", w.secrets["one"]))
		w.server, w.mux = first, firstMux
		w.browser = w.newBrowser()

		c.from = "198.51.100.7"
		w.wantTokens("from elsewhere", w.with("one", w.secrets["one"]))
		c.from = "192.0.2.1"
		w.clock.Add(10 * time.Minute)
		w.wantTokens("later", w.with("one", w.secrets["one"]))
	})
}

// Many clients are tried from one network too; what that leaves behind is bounded, whatever is sent for an id.
func TestSec_DS08_WrongSecretsOfANetwork(t *testing.T) {
	both(t, func(w *world) {
		c := w.crowd()
		w.machines("one")
		for i := range 200 {
			w.wantError(w.with(fmt.Sprint("nobody-", i), "wrong-and-wrong-again"), 401, "invalid_client")
		}
		for i := range 30 {
			w.wantWait(w.with(strings.Repeat("x", 300)+fmt.Sprint(i), "wrong-and-wrong-again"))
		}
		w.wantWait(w.with("one", w.secrets["one"]))
		if n := w.count("oauth_device_attempts"); n > 202 {
			w.Errorf("%d rows", n)
		}
		c.from = "198.51.100.7"
		w.wantTokens("from elsewhere", w.with("one", w.secrets["one"]))
	})
}

// A developer finds the mistake in the log, which holds no secret and does not grow without end.
func TestRefusalsAreExplainedInTheLog(t *testing.T) {
	w := newWorld(t)
	w.crowd()
	w.machines("one")
	w.client(&oauth.Client{ID: "posts", AuthMethod: "client_secret_post"})
	code := w.code("web")
	w.token(w.exchange("web", code))
	for _, tt := range []struct {
		ask          func() answer
		client, want string
	}{
		{func() answer { return w.with("one", "wrong-and-wrong-again") }, "one", "the secret is wrong"},
		{func() answer { return w.with("posts", w.secrets["posts"]) }, "posts", "registered for client_secret_post"},
		{func() answer { return w.with("nobody", "x") }, "nobody", "no such client"},
		{func() answer { return w.token(w.exchange("web", "x")) }, "web", "the code is none of ours"},
		{func() answer { return w.token(w.exchange("web", code)) }, "web", "already been used"},
		{func() answer {
			return w.token(w.exchange("web", w.code("web"), "code_verifier", strings.Repeat("x", 43)))
		}, "web", "verifier"},
		{func() answer { return w.token(w.refreshing("web", "x")) }, "web", "the refresh token is none of ours"},
	} {
		w.log.Reset()
		a := tt.ask()
		text := w.log.String()
		if a.status < 400 || strings.Count(text, "\n") != 1 || !strings.Contains(text, "client="+tt.client) || !strings.Contains(text, tt.want) {
			t.Errorf("%d: log: %q, want %s: %s", a.status, text, tt.client, tt.want)
		}
		if strings.Contains(text, "wrong-and-wrong-again") || strings.Contains(text, code) || strings.Contains(text, w.secrets["posts"]) {
			t.Errorf("a secret: %s", text)
		}
	}
	w.clock.Add(time.Minute)
	w.log.Reset()
	for range 100 {
		w.token(w.refreshing("web", "x"))
	}
	if n := strings.Count(w.log.String(), "\n"); n != 60 {
		t.Errorf("%d lines in a minute", n)
	}
	w.clock.Add(time.Minute)
	w.token(w.refreshing("web", "x"))
	if !strings.Contains(w.log.String(), "number=40") {
		t.Errorf("log: %s", w.log)
	}
}
