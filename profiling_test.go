package idp_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
)

func metric(p *idptest.Server, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

var profiles = []string{"heap", "allocs", "goroutine", "threadcreate", "block", "mutex", "profile?seconds=0.01", "trace?seconds=0.01"}

func TestSec_HT09_ProfilesAreOffAndNeverPublic(t *testing.T) {
	off, on := idptest.Start(t), idptest.Start(t, watched, func(c *idp.Config) { c.Profiling = true })
	for _, profile := range append(profiles, "", "cmdline", "symbol") {
		if w := metric(off, "/debug/pprof/"+profile); w.Code != http.StatusNotFound {
			t.Errorf("%s, off: %d", profile, w.Code)
		}
		if page := on.Browser().Get("/debug/pprof/" + profile); page.Status != http.StatusNotFound {
			t.Errorf("%s in public: %d", profile, page.Status)
		}
		w := httptest.NewRecorder()
		http.DefaultServeMux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/"+profile, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s on the process's own mux: %d", profile, w.Code)
		}
	}
	if _, err := idp.LoadConfig("", environment("IDP_PROFILING", "true"), nil); err == nil || !strings.Contains(err.Error(), "metrics_listen") {
		t.Error(err)
	}
}

func TestProfiles(t *testing.T) {
	p := idptest.Start(t, watched, func(c *idp.Config) { c.Profiling = true })
	for _, profile := range profiles {
		w := metric(p, "/debug/pprof/"+profile)
		magic := "\x1f\x8b" // gzip
		if strings.HasPrefix(profile, "trace") {
			magic = "go 1."
		}
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), magic) {
			t.Errorf("%s: %d %.20q", profile, w.Code, w.Body)
		}
	}
	for _, none := range []string{"", "cmdline", "symbol", "nothing"} {
		if w := metric(p, "/debug/pprof/"+none); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", none, w.Code)
		}
	}
}

// A request is counted without an allocation.
func BenchmarkCountARequest(b *testing.B) {
	count := idp.CountRequests()
	b.ReportAllocs()
	for b.Loop() {
		count("POST /oauth2/token", 200)
	}
}
