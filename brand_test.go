package idp_test

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/brand"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/internal/htmlcheck"
)

// get returns what a browser without cookies gets.
func get(t *testing.T, s *idptest.Server, path string) (*http.Response, string) {
	t.Helper()
	response, err := s.HTTP.Get(s.Issuer + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// What is chosen stands on pages and in mails of this process at once and of another one within seconds, and the configuration
// is what holds where nothing is.
func TestTheBrandIsShownEverywhere(t *testing.T) {
	t.Parallel()
	address := dbxtest.PostgresURL(t)
	keyset := t.TempDir() + "/keyset.json"
	replica := func() *idptest.Server {
		return idptest.Start(t, func(c *idp.Config) {
			c.DatabaseURL, c.KeysetFile, c.Product, c.Help = address, keyset, "Configured", "the operators"
		})
	}
	here, there := replica(), replica()
	for _, s := range []*idptest.Server{here, there} {
		if _, body := get(t, s, "/login"); !strings.HasSuffix(htmlcheck.Must(t, body).Title(), " – Configured") || strings.Contains(body, brand.Path) {
			t.Fatalf("before: %s", body)
		}
	}
	var logo bytes.Buffer
	if err := png.Encode(&logo, image.NewGray(image.Rect(0, 0, 30, 20))); err != nil {
		t.Fatal(err)
	}
	b, err := here.Brand.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Name, b.Color, b.Greeting = "Acme <b>", "#336699", "Welcome & <i>hello</i>"
	if err := here.IdP.Brand.Set(t.Context(), b, logo.Bytes()); err != nil {
		t.Fatal(err)
	}
	if b, err = here.Brand.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, body := get(t, here, "/login")
	page := htmlcheck.Must(t, body)
	if !strings.HasSuffix(page.Title(), " – Acme <b>") || !strings.Contains(body, "Welcome &amp; &lt;i&gt;hello&lt;/i&gt;") ||
		page.Attr(".brand img", "src") != b.LogoURL() || page.Attr("link[rel=stylesheet] + link", "href") != b.StyleURL() || !strings.Contains(page.Text(".foot"), "the operators") {
		t.Errorf("here: %s", body)
	}
	for _, path := range []string{b.LogoURL(), b.StyleURL()} { // the other one does not know yet
		for _, s := range []*idptest.Server{there, here} {
			response, _ := get(t, s, path)
			if response.StatusCode != 200 || !strings.Contains(response.Header.Get("Cache-Control"), "immutable") ||
				response.Header.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
				t.Errorf("%s: %d %v", path, response.StatusCode, response.Header)
			}
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, body := get(t, there, "/login")
		if strings.HasSuffix(htmlcheck.Must(t, body).Title(), " – Acme <b>") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("there: %s", body)
		}
	}
	who := here.AddUser("alice")
	if _, err := here.Actions().ResetLink(t.Context(), who.Subject); err != nil {
		t.Fatal(err)
	}
	here.Deliver(t.Context())
	if sent := here.Mail.Sent(); len(sent) != 1 || !strings.HasPrefix(sent[0].Subject, "Acme <b>: ") || !strings.Contains(sent[0].HTML, "Acme &lt;b&gt;") {
		t.Errorf("sent: %+v", sent)
	}
}

// The policy's lives of sessions hold at once where they are set, for the sessions that there are.
func TestSec_SS04_ThePolicySaysHowLongSessionsLast(t *testing.T) {
	t.Parallel()
	p := idptest.Start(t)
	a := p.Person("alice")
	p.Clock.Add(2 * time.Hour)
	if !a.SignedIn() {
		t.Fatal("not signed in after two hours")
	}
	set := func(idle, overall time.Duration) {
		t.Helper()
		if err := p.Accounts.SetPolicy(t.Context(), account.Policy{SessionIdle: idle, SessionOverall: overall}); err != nil {
			t.Fatal(err)
		}
	}
	set(10*time.Minute, 0)
	if !a.SignedIn() {
		t.Error("signed out within ten minutes")
	}
	p.Clock.Add(10 * time.Minute)
	if a.SignedIn() {
		t.Error("signed in without a request for ten minutes")
	}
	set(0, 0)
	if !a.SignedIn() {
		t.Error("a longer time does not count for a session that was not removed yet")
	}
	set(0, time.Hour)
	if a.SignedIn() {
		t.Error("signed in two hours after the password")
	}
}
