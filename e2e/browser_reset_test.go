package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// Somebody forgot their password, on a phone without scripts and at a desk with them.
func TestAForgottenPasswordInChromium(t *testing.T) {
	s := secOpen(t)
	rp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><p id="back">Back</p>`))
	}))
	t.Cleanup(rp.Close)
	app := s.client("forgetful", func(c *oauth.Client) { c.RedirectURIs = []string{rp.URL + "/callback"} })
	c := chromeStart(t)
	for i, width := range []int64{390, 1280} {
		name := "alice" + strconv.Itoa(i)
		p := s.enrolled(name)
		s.Deliver(t.Context())
		mails := len(s.Mail.Sent())
		b := c.window()
		if i == 0 {
			b.withoutScripts()
		}
		b.look(width, 844, "light")
		visit := func(page string) {
			file := page + "-" + strconv.Itoa(int(width)) + ".png"
			picture := b.picture()
			screensCheck(t, file, picture, int(width))
			if *screens != "" {
				if err := os.WriteFile(filepath.Join(*screens, file), picture, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		b.open(secURL(app))
		visit("reset-1-login")
		b.follow("#forgot")
		visit("reset-2-ask")
		b.fill("#username", name)
		b.follow("#reset-submit")
		visit("reset-3-sent")
		b.open(s.secMailed(mails))
		b.fill("#password", "short")
		b.follow("#password-submit")
		visit("reset-4-short")
		b.fill("#password", secOtherPassword)
		b.follow("#password-submit")
		b.at(s.Issuer + "/login?other=1")
		b.says("[role=status]", "Sign in with it now")
		visit("reset-5-login")
		b.fill("#username", name, "#password", secOtherPassword)
		b.follow("#login-submit")
		b.mustHave("#mfa-submit") // also for the account's own page
		if err := s.Actions().Compromised(t.Context(), p.Subject, "found in a leak"); err != nil {
			t.Fatal(err)
		}
		b.open(secURL(app))
		b.fill("#username", name, "#password", secOtherPassword)
		b.follow("#login-submit")
		b.fill("#code", p.code())
		b.follow("#mfa-submit")
		b.at(s.Issuer + "/account/password?request=" + requestOf(t, b))
		visit("reset-6-forced")
		b.fill("#current", secOtherPassword, "#password", idptest.Password)
		b.follow("#password-submit")
		b.mustHave("#back")
		b.open(s.Issuer + "/account/sessions")
		if at := strings.TrimSuffix(b.text("time"), " UTC"); !writtenMoment.MatchString(at) { // the script says it in the reader's time
			t.Errorf("signed in since %q", at)
		}
		b.onlyTalksTo(s.Issuer, rp.URL)
	}
	p := s.AddUser("newcomer", func(n *account.NewAccount) { n.Password = "" })
	link, err := s.Actions().InviteLink(t.Context(), p.Subject)
	if err != nil {
		t.Fatal(err)
	}
	b := c.window()
	b.open(link)
	b.fill("#password", idptest.Password)
	b.follow("#password-submit")
	b.mustHave("#login-submit")
}

// writtenMoment is how the server writes a moment, but for the time zone.
var writtenMoment = regexp.MustCompile(`^[0-9]{1,2} [A-Z][a-z]+ [0-9]{4}, [0-9]{2}:[0-9]{2}$`)

// requestOf returns the id of the sign-in that the page belongs to.
func requestOf(t *testing.T, b *chromeTab) (id string) {
	t.Helper()
	var address string
	b.ask(`location.search`, &address)
	_, id, _ = strings.Cut(address, "request=")
	if id == "" {
		t.Fatalf("no sign-in waits: %s", address)
	}
	return id
}
