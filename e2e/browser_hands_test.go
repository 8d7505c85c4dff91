package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// back goes to the page before this one, as the browser's button does. Chromium may show that as it was left, without
// loading anything.
func (b *chromeTab) back() {
	b.t.Helper()
	b.leave(chromedp.ActionFunc(func(ctx context.Context) error {
		at, entries, err := page.GetNavigationHistory().Do(ctx)
		if err != nil {
			return err
		}
		if at == 0 {
			return errors.New("there is no page before this one")
		}
		return page.NavigateToHistoryEntry(entries[at-1].ID).Do(ctx)
	}))
}

// twice clicks on a button two times, too quickly for the answer to be there in between: Chromium sends two requests
// and shows the second one's answer.
func (b *chromeTab) twice(selector string) {
	b.t.Helper()
	x, y := b.point(selector)
	b.leave(chromedp.MouseClickXY(x, y), chromedp.MouseClickXY(x, y))
}

// leave runs actions that lead to another page in whatever way, and waits until it is there and all is quiet.
func (b *chromeTab) leave(actions ...chromedp.Action) {
	b.t.Helper()
	b.status = 0
	b.ask(`window.toBeLeft = true`, nil)
	b.run(actions...)
	quiet, seen := 0, 0
	for deadline := time.Now().Add(chromeWait); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var there bool
		const arrived = `document.readyState === "complete" && !window.toBeLeft`
		if err := b.try(chromedp.Evaluate(arrived, &there)); err != nil || !there || b.asked() != seen {
			quiet, seen = 0, b.asked()
			continue
		}
		if quiet++; quiet == 10 {
			return
		}
	}
	b.fatal(errors.New("this leads nowhere"))
}

// asked returns how many requests were sent up to now.
func (b *chromeTab) asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.requests)
}

// TestBackButton goes back after every step of an enrolment and forward again: no step is lost, none happens twice.
func TestBackButton(t *testing.T) {
	d, c := demoStart(t), chromeStart(t)
	b := c.window()
	b.signIn(d)
	b.back() // to the password, whose sign-in is over
	b.says("[role=alert]", "finished already")

	b.open(d.App + "/profile")
	b.follow("#mfa-link")
	b.follow("#enrol-start")
	key := b.text("#totp-key")
	b.back()
	b.says("h1", "Multi-Factor Authentication Settings")
	b.follow("#enrol-start")
	if b.text("#totp-key") == key {
		t.Error("a second enrolment has the key of the first")
	}
	phone := &demoPhone{key: strings.ReplaceAll(b.text("#totp-key"), " ", "")}
	b.follow("#scan-next")
	b.back()
	b.says("h1", "Scan QR Code")
	b.follow("#scan-next")
	current, next := phone.pair(t)
	b.fill("#code1", current, "#code2", next)
	b.follow("#codes-next")
	b.says("h1", "Recovery codes")
	b.back() // the codes are proven: there is nothing to type again
	b.says("h1", "Recovery codes")
	b.says("[role=status]", "void")
	b.click("#saved")
	b.follow("#enrol-confirm")
	b.says("h1", "MFA is set up")
	b.back()
	b.says("h1", "M") // "MFA is set up" or, when that is left behind, "MFA code"
	if b.has("#recovery-codes") {
		t.Error("going back shows recovery codes after Confirm")
	}

	b.signOut(d)
	b.signIn(d)
	b.fill("#code", phone.next(t))
	b.follow("#mfa-submit")
	b.at(d.App + "/")
	b.back()
	b.says("main", "")
	if b.status >= http.StatusInternalServerError {
		t.Errorf("going back to the code: status %d", b.status)
	}
	b.proved(d, `["pwd","otp","mfa"]`, "aal2")
}

// TestDoubleClick presses every button twice, with scripts that keep the second click back and without.
func TestDoubleClick(t *testing.T) {
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts %v", scripts), func(t *testing.T) {
			d, c := demoStart(t), chromeStart(t)
			b := c.window()
			if !scripts {
				b.withoutScripts()
			}
			password := func() {
				b.open(d.App + "/login?to=/profile")
				b.fill("#username", "alice", "#password", d.passwords["alice"])
				b.twice("#login-submit")
			}
			late := func() { // the second click came after the answer to the first: who is signed in is not asked again
				if b.text("h1") == "This sign-in is over" {
					b.open(d.App + "/login?to=/profile")
				}
			}
			password()
			late()
			b.at(d.App + "/profile")
			b.follow("#mfa-link")
			b.twice("#enrol-start")
			phone := &demoPhone{key: strings.ReplaceAll(b.text("#totp-key"), " ", "")}
			b.twice("#scan-next")
			current, next := phone.pair(t)
			b.fill("#code1", current, "#code2", next)
			b.twice("#codes-next")
			b.says("h1", "Recovery codes")
			b.click("#saved")
			b.twice("#enrol-confirm")
			b.says("h1", "MFA is set up")
			b.signOut(d)
			password()
			b.fill("#code", phone.next(t))
			b.twice("#mfa-submit")
			if late(); b.has("[role=alert]") { // the first of the two changed the session: the second says so and leads on
				b.says("[role=alert]", "was sent twice")
				b.link("Open the page again")
				late()
			}
			b.at(d.App + "/profile")
			b.proved(d, `["pwd","otp","mfa"]`, "aal2")
		})
	}
}

// TestCallbackLeadsOn has a relying party whose callback sends the browser on to a third origin. It follows on forms of
// ours, and Chromium holds their form-action against every redirect.
func TestCallbackLeadsOn(t *testing.T) {
	third := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<!doctype html><title>third</title><h1>arrived</h1>")
	}))
	defer third.Close()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, third.URL+"/home", http.StatusFound)
	}))
	defer app.Close()
	p := idptest.Start(t)
	p.AddUser("alice")
	asking := p.AddClient(oauth.Client{ID: "asking", Name: "Asking", RedirectURIs: []string{app.URL + "/callback"}, Consent: "ask"})
	plain := p.AddClient(oauth.Client{ID: "plain", Name: "Plain", RedirectURIs: []string{app.URL + "/callback"}})
	strict := p.AddClient(oauth.Client{ID: "strict", Name: "Strict", RedirectURIs: []string{app.URL + "/callback"}, MFA: "required"})

	c := chromeStart(t)
	b := c.window()
	password := func() {
		b.fill("#username", "alice", "#password", idptest.Password)
		b.follow("#login-submit")
	}
	arrived := func() {
		t.Helper()
		b.at(third.URL + "/home")
		b.says("h1", "arrived")
	}
	b.open(plain.AuthCodeURL("state"))
	password()
	arrived()
	b.open(asking.AuthCodeURL("state"))
	b.says("h1", "Allow Asking to use your account?")
	b.follow("#consent-deny")
	arrived()
	b.open(asking.AuthCodeURL("state"))
	b.follow("#consent-allow")
	arrived()

	b.open(strict.AuthCodeURL("state")) // enrolment in the middle of a sign-in
	b.link("Cancel and go back to Strict")
	arrived()
	b.open(strict.AuthCodeURL("state"))
	b.follow("#enrol-start")
	phone := &demoPhone{key: strings.ReplaceAll(b.text("#totp-key"), " ", "")}
	b.follow("#scan-next")
	current, next := phone.pair(t)
	b.fill("#code1", current, "#code2", next)
	b.follow("#codes-next")
	b.click("#saved")
	b.follow("#enrol-confirm")
	b.follow("#done-next")
	arrived()

	b = c.window()
	b.open(plain.AuthCodeURL("state"))
	password()
	b.link("Cancel and go back to Plain")
	arrived()
	b.open(plain.AuthCodeURL("state"))
	b.fill("#code", phone.next(t))
	b.follow("#mfa-submit")
	arrived()
	b.onlyTalksTo(p.Issuer, app.URL, third.URL)
}
