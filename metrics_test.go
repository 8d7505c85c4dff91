package idp_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
)

func scrape(t *testing.T, p *idptest.Server) string {
	t.Helper()
	w := httptest.NewRecorder()
	p.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %s", w.Code, w.Header())
	}
	return w.Body.String()
}

func TestMetricsCount(t *testing.T) {
	p := idptest.Start(t, func(c *idp.Config) { c.Version = "v1.2.3" })
	a := p.AddUser("alice")
	enrol(t, p, a.Subject)
	b := p.Browser()
	b.Get("/login").Submit("login-submit", "username", "alice", "password", "wrong")
	b.Get("/login").Submit("login-submit", "username", "alice", "password", idptest.Password)
	b.Get("/nowhere/alice")
	got := scrape(t, p)
	for _, want := range []string{
		`idp_build_info{goversion="go1.`, `version="v1.2.3"} 1`,
		`idp_sign_ins_total{result="accepted",with="password"} 1`,
		`idp_sign_ins_total{result="refused",with="password"} 1`,
		`idp_mfa_events_total{kind="enrolled"} 1`,
		`idp_http_requests_total{route="GET /login",status="2xx"} 2`,
		`idp_http_requests_total{route="POST /login",status="4xx"} 1`,
		`idp_http_requests_total{route="POST /login",status="3xx"} 1`,
		`idp_http_requests_total{route="/",status="4xx"} 1`,
		`idp_http_request_duration_seconds_bucket{route="GET /login",status="2xx",le="+Inf"} 2`,
		`idp_http_request_duration_seconds_count{route="GET /login",status="2xx"} 2`,
		"\ngo_goroutines ", "\ngo_memstats_heap_alloc_bytes ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func TestSec_AU03_MetricsKnowNobody(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("alice")
	for range 3 {
		p.Browser().Get("/alice?code=secret")
		p.Browser().Get("/account/alice@example.com")
		p.Browser().Get("/login").Submit("login-submit", "username", "alice", "password", idptest.Password)
	}
	r, _ := http.NewRequest("ALICE", p.Issuer+"/login", nil)
	if response, err := http.DefaultClient.Do(r); err == nil {
		response.Body.Close()
	}
	if got := scrape(t, p); strings.Contains(strings.ToLower(got), "alice") || strings.Contains(got, "secret") || strings.Contains(got, "127.0.0.1") {
		t.Error(got)
	}
}

func TestSec_HT09_MetricsAreNotPublic(t *testing.T) {
	p := idptest.Start(t)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars"} {
		if page := p.Browser().Get(path); page.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, page.Status)
		}
	}
	for method, want := range map[string]int{"GET": 404, "POST": 404} {
		w := httptest.NewRecorder()
		p.Metrics().ServeHTTP(w, httptest.NewRequest(method, "/login", nil))
		if w.Code != want {
			t.Errorf("%s /login: %d", method, w.Code)
		}
	}
}
