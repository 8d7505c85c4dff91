package idp_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
)

// judged returns the finding of a check, the worst where there are several.
func judged(found []idp.Finding, check string) (worst idp.Finding) {
	rank := map[idp.Verdict]int{"": 0, idp.Fine: 1, idp.Notice: 2, idp.Wrong: 3}
	for _, f := range found {
		if f.Check == check && rank[f.Verdict] > rank[worst.Verdict] {
			worst = f
		}
	}
	return worst
}

// want fails unless a check came to this, in these words.
func want(t *testing.T, found []idp.Finding, check string, verdict idp.Verdict, words string) {
	t.Helper()
	if f := judged(found, check); f.Verdict != verdict || !strings.Contains(f.Text, words) || verdict == idp.Wrong && f.Do == "" {
		t.Errorf("%s: %+v, want %s with %q", check, f, verdict, words)
	}
}

// TestDoctorSeesTheWay: a proxy stands before the provider and does something to requests.
func TestDoctorSeesTheWay(t *testing.T) {
	for name, row := range map[string]struct {
		change  func(*http.Request) // by the proxy
		answer  http.HandlerFunc    // by the proxy itself
		trusted bool
		check   string
		verdict idp.Verdict
		words   string
	}{
		"plain":                    {check: "discovery", verdict: idp.Fine, words: "answers as the issuer"},
		"believed":                 {trusted: true, change: forward("203.0.113.7", "https"), check: "proxy", verdict: idp.Fine, words: "scheme https, from 127.0.0.1, counted as 203.0.113.7"},
		"not believed":             {change: forward("203.0.113.7", "https"), check: "proxy", verdict: idp.Wrong, words: "scheme http, from 127.0.0.1, counted as 127.0.0.1"},
		"another host":             {change: func(r *http.Request) { r.Host = "inside.example" }, check: "discovery", verdict: idp.Wrong, words: `is asked as "inside.example"`},
		"headers dropped":          {change: func(r *http.Request) { r.Header = http.Header{} }, check: "proxy", verdict: idp.Notice, words: "not known"},
		"a redirect":               {answer: http.RedirectHandler("https://elsewhere.example/", http.StatusFound).ServeHTTP, check: "discovery", verdict: idp.Wrong, words: "redirects to https://elsewhere.example/"},
		"a page of something else": {answer: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }, check: "discovery", verdict: idp.Wrong, words: "status 200, and not as a provider does"},
		"another provider":         {answer: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"issuer":"https://other.example"}`) }, check: "discovery", verdict: idp.Wrong, words: "is https://other.example"},
		"a broken proxy":           {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, check: "discovery", verdict: idp.Wrong, words: "status 502"},
	} {
		t.Run(name, func(t *testing.T) {
			var target *url.URL
			proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Host = r.In.Host
				if row.change != nil {
					row.change(r.Out)
				}
			}}
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if row.answer != nil {
					row.answer(w, r)
					return
				}
				proxy.ServeHTTP(w, r)
			}))
			t.Cleanup(front.Close)
			p := idptest.Start(t, func(c *idp.Config) {
				target = &url.URL{Scheme: "http", Host: c.Listen}
				c.PublicURL = strings.Replace(front.URL, "127.0.0.1", "localhost", 1)
				if row.trusted {
					c.TrustedProxies = []string{"127.0.0.0/8"}
				}
			})
			found := idp.Examine(t.Context(), idp.Examination{Config: p.Config()})
			want(t, found, row.check, row.verdict, row.words)
			want(t, found, "listener", idp.Fine, "the provider runs at "+p.Config().Listen)
		})
	}
}

func forward(address, proto string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", address)
		r.Header.Set("X-Forwarded-Proto", proto)
	}
}

// TestOnlyTheDoctorIsToldOfProxies: whoever has no keyset learns nothing by asking.
func TestOnlyTheDoctorIsToldOfProxies(t *testing.T) {
	p := idptest.Start(t)
	for _, word := range []string{"", "x", "1.2.3", fmt.Sprint(time.Now().Unix()) + ".AAAA.AAAA"} {
		r, err := http.NewRequest(http.MethodGet, p.Issuer+"/.well-known/openid-configuration", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Idp-Doctor", word)
		response, err := p.HTTP.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if seen := response.Header.Get("Idp-Doctor-Seen"); seen != "" || response.StatusCode != http.StatusOK {
			t.Errorf("%q is told %q", word, seen)
		}
	}
}

// TestDoctorTellsAServerThatIsAwayFromAWayThatIsBroken: the first is worth knowing, the second must be mended.
func TestDoctorTellsAServerThatIsAwayFromAWayThatIsBroken(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	public := "http://" + nobody.Addr().String()
	p := idptest.Start(t, func(c *idp.Config) { c.PublicURL = public })
	found := idp.Examine(t.Context(), idp.Examination{Config: p.Config()})
	want(t, found, "discovery", idp.Wrong, "the provider runs, and "+public+" does not lead to it")
	c := p.Config()
	c.Listen = nobody.Addr().String()
	found = idp.Examine(t.Context(), idp.Examination{Config: c})
	want(t, found, "discovery", idp.Notice, "does not run here")
	for _, f := range found {
		if f.Verdict == idp.Wrong {
			t.Errorf("%+v", f)
		}
	}
}

// TestDoctorReadsTLS: the certificate that is served, and the files.
func TestDoctorReadsTLS(t *testing.T) {
	p := idptest.StartTLS(t)
	want(t, idp.Examine(t.Context(), idp.Examination{Config: p.Config()}), "tls", idp.Notice, "is for a trial")
	c := p.Config()
	c.TLSCertFile, c.TLSKeyFile = filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "none")
	want(t, idp.Examine(t.Context(), idp.Examination{Config: c}), "tls files", idp.Wrong, "no such file")
}

// TestDoctorLooksInside a database of either engine, as time passes and things go wrong.
func TestDoctorLooksInside(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			p := idptest.Start(t, func(c *idp.Config) {
				if engine == "postgres" {
					c.DatabaseURL = dbxtest.PostgresURL(t)
				}
				c.AuditWebhookURL, c.AuditWebhookSecret = "http://127.0.0.1:1/", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
			})
			c := p.Config()
			c.Mail = nil
			look := func() []idp.Finding { return idp.Examine(t.Context(), idp.Examination{Config: c}) }
			p.Tend(t.Context())
			if err := p.DeliverAudit(t.Context()); err != nil { // begins at the chain's end
				t.Fatal(err)
			}
			found := look()
			for _, check := range []string{"keyset", "database", "schema", "writing", "signing keys", "audit", "outbox", "audit webhook", "listener", "discovery", "proxy"} {
				want(t, found, check, idp.Fine, "")
			}
			if engine == "postgres" {
				want(t, found, "clock", idp.Fine, "")
				c.DatabaseURL += "&options=-c%20synchronous_commit%3Doff"
				if said := fmt.Sprint(look()); !strings.Contains(said, "synchronous_commit is off") {
					t.Error(said)
				}
				c.DatabaseURL = p.Config().DatabaseURL
			}
			want(t, found, "administrators", idp.Notice, "none")
			a := p.Person("alice", func(n *account.NewAccount) { n.Admin = true })
			want(t, look(), "administrators", idp.Fine, "1, all with MFA")
			p.AddUser("hans", func(n *account.NewAccount) { n.Role = account.HelpDesk })
			want(t, look(), "administrators", idp.Notice, "hans")
			if _, err := p.Actions().ResetLink(t.Context(), a.Subject); err != nil {
				t.Fatal(err)
			}
			if _, err := idp.Backup(t.Context(), c, filepath.Join(t.TempDir(), "b"), idp.BackupOptions{}); err != nil {
				t.Fatal(err)
			}
			p.Tend(t.Context())
			if err := p.DeliverAudit(t.Context()); err == nil {
				t.Error("the webhook is taken by nobody")
			}
			want(t, look(), "backup", idp.Fine, "just now")
			p.Clock.Add(100 * 24 * time.Hour)
			found = look()
			want(t, found, "backup", idp.Notice, "100 days ago")
			want(t, found, "signing keys", idp.Notice, "should have been replaced")
			want(t, found, "outbox", idp.Wrong, "letters wait")
			want(t, found, "audit webhook", idp.Wrong, "rows wait")
			if _, err := beside(t, p).Exec(t.Context(), `UPDATE audit_head SET seq = seq - 1`); err != nil {
				t.Fatal(err)
			}
			want(t, look(), "audit", idp.Wrong, "")
			if err := os.Remove(c.KeysetFile); err != nil {
				t.Fatal(err)
			}
			want(t, look(), "keyset", idp.Wrong, "only it opens")
		})
	}
}
