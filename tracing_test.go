package idp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// tracesTo returns a collector's URL, and what it was sent.
func tracesTo(t *testing.T) (string, func() string) {
	var mu sync.Mutex
	var bodies []string
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, string(body))
	}))
	t.Cleanup(collector.Close)
	return collector.URL, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(bodies, "\n")
	}
}

// Spans say what was done and how long it took: nothing of who did it, for which app, and with what.
func TestSec_AU03_TracesKnowNobody(t *testing.T) {
	endpoint, sent := tracesTo(t)
	p := idptest.Start(t, func(c *idp.Config) { c.TracingEndpoint, c.TrustedProxies = endpoint, []string{"127.0.0.0/8"} })
	alice := p.AddUser("alice-canary")
	app := p.AddClient(oauth.Client{ID: "app-canary", RedirectURIs: []string{"https://app-canary.example/callback"}})
	b := p.Browser()
	b.Get("/login").Submit("login-submit", "username", "alice-canary", "password", "wrong-canary")
	b.Get("/login").Submit("login-submit", "username", "alice-canary", "password", idptest.Password)
	b.Get("/nowhere/path-canary?query-canary=1")
	// What a library of ours would note of its own errors.
	form := strings.NewReader("grant_type=authorization_code&code=code-canary&client_id=" + app.ClientID + "&client_secret=" + app.ClientSecret)
	r, _ := http.NewRequest(http.MethodPost, p.Issuer+"/oauth2/token", form)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "agent-canary")
	r.Header.Set("X-Forwarded-For", "203.0.113.77")
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if err := p.Close(); err != nil { // which sends the last ones
		t.Fatal(err)
	}
	got := sent()
	for _, canary := range []string{"canary", alice.Subject, app.ClientSecret, idptest.Password, "203.0.113.77", "127.0.0.1", "fosite"} {
		if strings.Contains(strings.ToLower(got), strings.ToLower(canary)) {
			t.Errorf("%q in the traces", canary)
		}
	}
	var names []string
	for _, found := range regexp.MustCompile(`"name":"([^"]+)"`).FindAllStringSubmatch(got, -1) {
		names = append(names, found[1])
	}
	for _, want := range []string{"POST /login", "POST /oauth2/token", "/", "argon2id", "INSERT sessions", "COMMIT"} {
		if !slices.Contains(names, want) {
			t.Errorf("no span %q among %q", want, names)
		}
	}
	if !strings.Contains(got, `"traceId":"0af7651916cd43dd8448eb211c80319c"`) {
		t.Error("the trusted proxy's trace ends here")
	}
}

func TestTracesOfStrangersAreNotGoneOnWith(t *testing.T) {
	endpoint, sent := tracesTo(t)
	p := idptest.Start(t, func(c *idp.Config) { c.TracingEndpoint = endpoint })
	r, _ := http.NewRequest(http.MethodGet, p.Issuer+"/livez", nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got := sent(); !strings.Contains(got, `"GET /livez"`) || strings.Contains(got, "0af7651916cd43dd8448eb211c80319c") {
		t.Error(got)
	}
}

func TestTracingEndpointIsAURL(t *testing.T) {
	for _, wrong := range []string{"127.0.0.1:4318", "ftp://collector", "http://", "http://u:p@collector", "http://collector?x=1"} {
		if _, err := idp.LoadConfig("", environment("IDP_TRACING_ENDPOINT", wrong), nil); err == nil || !strings.Contains(err.Error(), "tracing_endpoint") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
