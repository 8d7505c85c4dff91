package e2e

import (
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// handOver has alice allow what page is the sign-in for, and leaves the browser to bob before it is answered: "Not you?"
// stands on the offer of a new phone, which follows her recovery code. It returns where bob is after his password and code.
func handOver(t *testing.T, page *idptest.Page, alice, bob *secPerson) *idptest.Page {
	t.Helper()
	page = secAt(t, secPassword(page, alice.Username), "/mfa").Follow("#use-recovery-code")
	page = secAt(t, page.Submit("recovery-submit", "recovery_code", alice.codes[0]), "/consent")
	page = secAt(t, page.Submit("consent-allow"), "/account/mfa/codes")
	page = secAt(t, page.Follow("#not-you"), "/login")
	return secAt(t, secPassword(page, bob.Username), "/mfa").Submit("mfa-submit", "code", bob.code())
}

// allowed notes that p has allowed a client these scopes before.
func (p *secPerson) allowed(client string, scopes ...string) {
	p.s.t.Helper()
	if err := p.s.Consents.Decide(p.s.t.Context(), p.Subject, client, scopes, nil); err != nil {
		p.s.t.Fatal(err)
	}
}

func TestSec_SS09_CO01_AConsentIsOfWhoGaveIt(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		edit    func(*oauth.Client)
		options []oauth2.AuthCodeOption
	}{
		"native app": {edit: func(c *oauth.Client) {
			c.AuthMethod, c.RedirectURIs = "none", []string{"com.example.app:/callback"}
		}},
		"prompt=consent": {edit: func(*oauth.Client) {}, options: []oauth2.AuthCodeOption{secParam("prompt", "consent")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := secOpen(t)
			alice, bob := s.enrolled("alice"), s.enrolled("bob")
			c := rpAsking(s, "asks", row.edit)
			bob.allowed("asks", c.Client.Scopes...) // once, elsewhere
			s.Clock.Add(time.Hour)
			page := secAt(t, handOver(t, s.begin(s.Browser(), c, row.options...), alice, bob), "/consent")
			page = page.Submit("consent-allow")
			if got := page.URL.Query().Get("code"); got == "" {
				t.Fatalf("at %s, without a code", page.URL)
			}
			if n := s.count(`SELECT COUNT(*) FROM oauth_grants WHERE subject = $1`, bob.Subject); n != 1 {
				t.Errorf("bob has %d grants", n)
			}
		})
	}
}

// A television belongs to whoever typed its code: it gets nothing of the next person's who signs in there.
func TestSec_SS09_CO01_ADeviceIsConnectedByWhoAllowedIt(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	mallory, bob := s.enrolled("mallory"), s.enrolled("bob")
	d := s.device("tv")
	bob.allowed("tv", "openid", "profile", "offline_access") // for his own
	s.Clock.Add(time.Hour)
	d.ask()
	page := secAt(t, s.Browser().Get(d.link), "/device").Submit("device-submit")
	page = secAt(t, handOver(t, page, mallory, bob), "/consent")
	d.waits("bob was not asked yet")
	if !page.Has("#device-warn") {
		t.Errorf("bob is not told that it is another device: %s", page.Text("main"))
	}
	secAt(t, page.Submit("consent-deny"), "/device/refused")
	if got := d.poll(); got["error"] != "access_denied" {
		t.Errorf("mallory's television got %v", got)
	}
}
