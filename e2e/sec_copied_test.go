package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
)

// secCopied is a remembered browser whose cookies somebody has copied, who knows the password as well.
type secCopied struct {
	*secSite
	p            *secPerson
	owner, thief *idptest.Browser // of the device, and no session
	signedIn     *idptest.Browser // the owner, by code, somewhere else
}

func secCopyDevice(t *testing.T) *secCopied {
	t.Helper()
	s := secOpen(t)
	p, b, elsewhere := s.enrolled("alice"), s.Browser(), s.Browser()
	secRemember(t, p, b)
	secGranted(t, p.signIn(elsewhere, s.app))
	return &secCopied{s, p, secCopy(s, b, "device_"), secCopy(s, b, "device_"), elsewhere}
}

// use signs in by the password and the device, and leaves only the device in b: its cookie changes.
func (c *secCopied) use(b *idptest.Browser, client *idptest.Client) *idptest.Page {
	c.t.Helper()
	page := secPassword(secAt(c.t, c.begin(b, client), "/login"), c.p.Username)
	secGranted(c.t, page)
	return page
}

// recognised fails unless b, which came with a secret that was replaced long ago, is at the beginning of its sign-in, and ends
// it by the password and a code.
func (c *secCopied) recognised(b *idptest.Browser, page *idptest.Page) {
	c.t.Helper()
	secAt(c.t, page, "/login")
	if page.Status != http.StatusOK || len(secCookies(secCopy(c.secSite, b, "device_"), c.Issuer)) != 0 {
		c.t.Errorf("status %d, and the cookie is still there", page.Status)
	}
	page = secAt(c.t, secPassword(page, c.p.Username), "/mfa")
	secGranted(c.t, page.Submit("mfa-submit", "code", c.p.code()))
}

// ended fails unless everything of the person is over, on record once, told by one letter, and nobody else's.
func (c *secCopied) ended(before int, gone ...*idptest.Browser) {
	c.t.Helper()
	for n, b := range gone {
		if page := b.Get("/account"); page.URL.Path != "/login" {
			c.t.Errorf("browser %d is still at %s", n, page.URL)
		}
	}
	if n := c.count(`SELECT COUNT(*) FROM audit WHERE action = 'mfa.device_forgotten' AND detail LIKE '%reused%' AND subject = $1`, c.p.Subject); n != 1 {
		c.t.Errorf("%d times on record", n)
	}
	c.Deliver(c.t.Context())
	sent := c.secSite.letters(before)
	if len(sent) != 1 || !strings.Contains(sent[0].Subject, "remembered device was forgotten") || !strings.Contains(sent[0].Text, "signed out everywhere") {
		c.t.Errorf("letters: %+v", sent)
	}
}

func (c *secCopied) letters() int {
	c.Deliver(c.t.Context())
	return len(c.Mail.Sent())
}

// Somebody who has copied the cookie, and has the password, signs in on it before its owner does. When the owner comes, what
// they have is old: the thief's session, tokens and refresh tokens end, and the app hears of it.
func TestSec_RD07_TheThiefWasFirst(t *testing.T) {
	t.Parallel()
	c := secCopyDevice(t)
	party := c.party("hears")
	bob := c.enrolled("bob")
	bobs := party.in(bob, c.Browser())
	c.Clock.Add(2 * time.Minute)
	page := secPassword(secAt(t, c.begin(c.thief, party.Client, secParam("scope", "openid offline_access")), "/login"), c.p.Username)
	stolen := c.exchange(party.Client, page)
	before := c.letters()
	c.Clock.Add(2 * time.Minute)
	again := secPassword(secAt(t, c.begin(secCopy(c.secSite, c.thief, "device_"), c.app), "/login"), c.p.Username)
	secGranted(t, again)
	if info := c.userInfo(stolen); info == nil {
		t.Fatal("the thief was not in: the test does not test")
	}
	c.Clock.Add(2 * time.Minute)

	c.recognised(c.owner, secPassword(secAt(t, c.begin(c.owner, c.app), "/login"), c.p.Username))
	c.ended(before, c.thief, again.Browser(), c.signedIn)
	if info := c.userInfo(stolen); info != nil {
		t.Error("the thief's access token still works")
	}
	_, err := c.refresh(party.Client, stolen)
	secInvalidGrant(t, err)
	c.later(3 * time.Second)
	if party.heard(stolen) != 1 || party.heard(bobs) != 0 || c.userInfo(bobs) == nil {
		t.Errorf("the app heard %d times of the thief's session, %d of somebody else's", party.heard(stolen), party.heard(bobs))
	}
	// The thief is asked like anybody, and the owner's new session lives.
	secAt(t, secPassword(secAt(t, c.begin(c.thief, c.app), "/login"), c.p.Username), "/mfa")
	secAt(t, c.owner.Get("/account"), "/account")
}

// The owner comes first, and more than once: the copy is old, and whoever comes with it is out again at once.
func TestSec_RD07_TheOwnerWasFirst(t *testing.T) {
	t.Parallel()
	c := secCopyDevice(t)
	for range 2 {
		c.Clock.Add(time.Minute)
		other := secCopy(c.secSite, c.owner, "device_")
		c.use(other, c.app)
		c.owner = other
	}
	before := c.letters()
	c.Clock.Add(2 * time.Minute)
	secAt(t, secPassword(secAt(t, c.begin(c.thief, c.app), "/login"), c.p.Username), "/login")
	c.ended(before, c.thief, c.owner, c.signedIn)
	// Once more, with what the thief has kept of the cookie or without it: asked for the code.
	secAt(t, secPassword(secAt(t, c.begin(c.thief, c.app), "/login"), c.p.Username), "/mfa")
	// The owner's cookie went with the device, and a code opens as ever.
	page := secAt(t, secPassword(secAt(t, c.begin(c.owner, c.app), "/login"), c.p.Username), "/mfa")
	secGranted(t, page.Submit("mfa-submit", "code", c.p.code(), "remember", "1"))
	secGranted(t, c.use(secCopy(c.secSite, c.owner, "device_"), c.app))
}

// Wherever the copy is noticed: on a page of the account's, behind its forms, and by an app that wants no page.
func TestSec_RD07_WhereverTheCopyComes(t *testing.T) {
	t.Parallel()
	for name, come := range map[string]func(c *secCopied, b *idptest.Browser) *idptest.Page{
		"account page": func(c *secCopied, b *idptest.Browser) *idptest.Page {
			return secPassword(b.Get("/account"), c.p.Username)
		},
		"MFA settings": func(c *secCopied, b *idptest.Browser) *idptest.Page {
			return secPassword(b.Get("/account/mfa"), c.p.Username)
		},
		"prompt=none": func(c *secCopied, b *idptest.Browser) *idptest.Page {
			secAt(c.t, secPassword(b.Get("/login?to=/account/password"), c.p.Username), "/mfa") // no device is looked at
			page := c.begin(b, c.app, secParam("prompt", "none"))
			if e := secBack(c.t, page).Get("error"); e != "interaction_required" {
				c.t.Errorf("the app is told %q", e)
			}
			secRefused(c.t, c.begin(b, c.app, secParam("prompt", "none")), "login_required")
			return c.begin(b, c.app)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := secCopyDevice(t)
			for range 2 {
				c.Clock.Add(time.Minute)
				c.use(c.owner, c.app)
				c.owner = secCopy(c.secSite, c.owner, "device_")
			}
			before := c.letters()
			c.Clock.Add(2 * time.Minute)
			page := come(c, c.thief)
			c.ended(before, c.signedIn)
			secAt(t, page, "/login")
			page = secAt(t, secPassword(page, c.p.Username), "/mfa")
			if page = page.Submit("mfa-submit", "code", c.p.code()); page.Status >= http.StatusBadRequest || page.URL.Path == "/login" || page.URL.Path == "/mfa" {
				t.Errorf("after the code: %d at %s", page.Status, page.URL)
			}
		})
	}
}

// Both at one moment, and many times over: one of them is on record, nobody sees a fault, and whoever is left has a way on.
func TestSec_RD07_TheCopyInManyTabs(t *testing.T) {
	t.Parallel()
	c := secCopyDevice(t)
	for range 2 {
		c.Clock.Add(time.Minute)
		c.use(c.owner, c.app)
		c.owner = secCopy(c.secSite, c.owner, "device_")
	}
	before := c.letters()
	c.Clock.Add(2 * time.Minute)
	secAt(t, secPassword(c.thief.Get("/login?to=/account/password"), c.p.Username), "/mfa") // the device was not looked at
	device, tab := secCookies(secCopy(c.secSite, c.thief, "device_"), c.Issuer)[0], secTab{cookies: secCookies(secCopy(c.secSite, c.thief, "session"), c.Issuer)}
	both := &secReplicas{secSite: c.secSite, each: [2]string{c.Issuer, c.Issuer}}
	var mu sync.Mutex
	secAtOnce(16, func(int) {
		passed, _, err := both.authorize(tab, device, c.Issuer)
		mu.Lock()
		defer mu.Unlock()
		if passed || err != nil {
			t.Errorf("passed %v, %v", passed, err)
		}
	})
	c.ended(before, c.thief, c.signedIn)
}
