package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// passkeys is what a part of TestPasskeys works with.
type passkeys struct {
	t *testing.T
	d *demo
	c *chrome
}

// TestPasskeys goes the ways of people with passkeys in Chromium, with simulated devices. One demo and one Chromium serve
// all parts.
func TestPasskeys(t *testing.T) {
	d, c := demoStart(t), chromeStart(t)
	passkeyPeople(t, d, "ana", "ben", "dora", "cleo")
	for _, part := range []struct {
		name string
		test func(*passkeys)
	}{
		{"instead of an app", passkeyInstead},
		{"beside an app", passkeyBeside},
		{"left in between", passkeyLeft},
		{"demanded", passkeyDemanded},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(&passkeys{t, d, &chrome{t, c.ctx}}) })
	}
}

// passkeyPeople adds people by command; the policy asks the last one for MFA at once.
func passkeyPeople(t *testing.T, d *demo, names ...string) {
	t.Helper()
	var file strings.Builder
	file.WriteString("policy: {mfa_required_groups: [must], mfa_grace: 0s}\ngroups: [{name: must}]\nusers:\n")
	for i, name := range names {
		groups := "[]"
		if i == len(names)-1 {
			groups = "[must]"
		}
		fmt.Fprintf(&file, "  - {username: %s, email: %[1]s@example.com, password: \"${env:PEOPLE_PASSWORD}\", groups: %s}\n", name, groups)
		d.passwords[name] = d.passwords["alice"]
	}
	t.Setenv("PEOPLE_PASSWORD", d.passwords["alice"])
	path := filepath.Join(t.TempDir(), "people.yaml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	d.command(t, "apply", "-f", path)
}

// look looks at a page on a narrow screen, where nothing may scroll sideways. With -screens it keeps pictures of all
// kinds.
func (p *passkeys) look(b *chromeTab, name string) {
	p.t.Helper()
	b.look(320, 900, "light")
	var width int
	if b.ask("document.documentElement.scrollWidth", &width); width > 320 {
		p.t.Errorf("%s is %d pixels wide on a screen of 320", name, width)
	}
	for _, width := range []int64{320, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			if *screens == "" {
				continue
			}
			b.look(width, 900, scheme)
			file := fmt.Sprintf("passkey-%s-%d-%s.png", name, width, scheme)
			if err := os.WriteFile(filepath.Join(*screens, file), b.picture(), 0o644); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	b.look(1280, 900, "light")
}

// settings opens the MFA settings from the app's profile.
func (p *passkeys) settings(b *chromeTab) {
	p.t.Helper()
	b.open(p.d.App + "/profile")
	b.follow("#mfa-link")
	b.at(p.d.Provider + "/account/mfa")
}

// passkeyButton is the button that has the browser make a passkey, or ask for one. There is one on a page.
const passkeyButton = "form[data-passkey] button"

// refused presses that button, and nothing comes of it: the page stays, and says so.
func (p *passkeys) refused(b *chromeTab, want string) {
	p.t.Helper()
	b.click(passkeyButton)
	b.run(chromedp.Poll(`document.querySelector("[data-passkey-said]").textContent !== ""`, nil))
	b.says("[data-passkey-said]", want)
}

// passkeyInstead is a passkey as all that somebody has, on one device.
func passkeyInstead(p *passkeys) {
	b := p.c.window()
	device := b.device(false)
	b.signInAs(p.d, "ana")
	codes := passkeyFirst(p, b, device)
	passkeySignIn(p, b, device)
	passkeyCopied(p, b, device, codes[0])
	passkeyRemoved(p, b)
	b.onlyTalksTo(p.d.Provider, p.d.App)
}

// passkeyFirst turns MFA on with a passkey and returns the recovery codes. Whoever cancels can try again.
func passkeyFirst(p *passkeys, b *chromeTab, device *passkeyDevice) []string {
	p.settings(b)
	b.link("Use a passkey instead")
	b.says("h1", "Add a passkey")
	b.fill("#name", "Blue laptop")
	device.refuses(true)
	p.refused(b, "you can try again")
	p.look(b, "1-add")
	device.refuses(false)
	b.follow(passkeyButton)

	b.at(p.d.Provider + "/mfa")
	b.says("h1", "Use your passkey")
	b.says("[role=status]", "Use it now")
	device.refuses(true)
	p.refused(b, "you can try again")
	p.look(b, "2-try")
	device.refuses(false)
	b.follow(passkeyButton)

	b.says("h1", "Recovery codes")
	p.look(b, "3-codes")
	codes := lostCodes(b)
	b.at(p.d.Provider + "/account/mfa")
	b.says("[role=status]", "MFA is on")
	b.says("[aria-labelledby=passkeys] li", "Blue laptop")
	b.says("[aria-labelledby=passkeys] li", "On one device only")
	b.says("[aria-labelledby=recovery]", "10 recovery codes are left")
	p.look(b, "4-settings")
	b.link("Back to Focus HQ")
	b.says("#mfa-link", "Multi-factor authentication settings (MFA)")
	return codes
}

// passkeySignIn signs in with the passkey in each of the ways that there are.
func passkeySignIn(p *passkeys, b *chromeTab, device *passkeyDevice) {
	d := p.d
	b.signOut(d)
	b.signInAs(d, "ana")
	b.at(d.Provider + "/mfa")
	b.says("h1", "Use your passkey")
	p.look(b, "5-second")
	b.click("#remember")
	b.follow(passkeyButton)
	b.at(d.App + "/")
	b.proved(d, `["pwd","hwk","mfa"]`, "aal2")

	b.signOut(d)
	b.signInAs(d, "ana")
	b.at(d.App + "/") // remembered
	b.proved(d, `["pwd"]`, "aal1")

	b.signOut(d)
	b.link("Sign in")
	device.refuses(true)
	p.refused(b, "sign in with your password")
	p.look(b, "6-login")
	device.refuses(false)
	b.follow(passkeyButton)
	b.at(d.App + "/")
	b.proved(d, `["hwk","user","mfa"]`, "aal2")

	device.offers(true)
	device.untouched(true)
	b.signOut(d)
	x, y := b.point("#sign-in")
	b.leave(chromedp.MouseClickXY(x, y))
	b.at(d.Provider + "/login") // where the browser's offer waits
	device.untouched(false)
	b.follow(passkeyButton)
	b.at(d.App + "/")
	b.signOut(d)
	x, y = b.point("#sign-in")
	b.leave(chromedp.MouseClickXY(x, y))
	b.at(d.App + "/") // the offer was taken: nothing was typed, and no button pressed
	b.proved(d, `["hwk","user","mfa"]`, "aal2")
	device.offers(false)
}

// passkeyCopied is a passkey whose copy was used meanwhile: its counter stands lower than what was seen.
func passkeyCopied(p *passkeys, b *chromeTab, device *passkeyDevice, code string) {
	d := p.d
	device.rewind()
	b.open(d.App + "/login?to=/tokens&prompt=login&acr_values=aal2")
	b.fill("#password", d.passwords["ana"])
	b.follow("#login-submit")
	b.at(d.Provider + "/mfa")
	b.follow(passkeyButton)
	b.says("[role=alert]", "There may be a copy of that passkey")
	p.look(b, "7-copied")
	b.link("I can't use my passkey")
	b.fill("#recovery_code", code)
	b.follow("#recovery-submit")
	b.follow("#remind-later")
	b.at(d.App + "/tokens")
	b.proved(d, `["pwd","mfa"]`, "aal2")
	lostMail(p.t, d, b, "MFA was turned on, with a passkey", "Blue laptop", "If this was not you")
	lostMail(p.t, d, b, "a passkey may have been copied", "Blue laptop", "Remove this passkey")
}

// passkeyRemoved renames the passkey and removes it. The device goes on offering it, in vain.
func passkeyRemoved(p *passkeys, b *chromeTab) {
	d := p.d
	p.settings(b)
	const row, rename, remove = "[aria-labelledby=passkeys] li ", "details:not(:has(.danger)) ", "details:has(.danger) "
	b.click(row + rename + "summary")
	b.fill(row+rename+"input[name=name]", "Red laptop")
	b.follow(row + rename + "button")
	b.says(row, "Red laptop")
	b.click(row + remove + "summary")
	b.says(row+".danger", "Remove Red laptop")
	b.follow(row + ".danger")
	b.says("[role=status]", "MFA is off")
	b.says("#enrol-start", "Enrol in MFA") // that was all: MFA is off

	b.signOut(d)
	b.link("Sign in")
	b.follow(passkeyButton)
	b.says("[role=alert]", "belongs to no account here")
	p.look(b, "8-removed")
	b.signInAs(d, "ana")
	b.at(d.App + "/")
	b.proved(d, `["pwd"]`, "aal1")
}

// passkeyBeside is a synced passkey beside an app, and what people do who have it not at hand.
func passkeyBeside(p *passkeys) {
	d, b := p.d, p.c.window()
	b.device(true)
	b.signInAs(d, "ben")
	p.settings(b)
	phone, codes := lostEnrol(p.t, b)
	b.follow("#done-back")
	p.settings(b)
	b.link("Add a passkey")
	b.follow(passkeyButton)
	b.at(d.Provider + "/account/mfa") // there are recovery codes already
	b.says("[role=status]", "The passkey is added")
	b.says("[aria-labelledby=passkeys] li", "Synced")
	p.look(b, "9-both")
	b.link("Add another passkey")
	p.refused(b, "has a passkey for your account already")

	b.signOut(d)
	b.signInAs(d, "ben")
	b.says("h1", "MFA code") // the app comes first
	p.look(b, "10-code")
	b.link("I can't use my app")
	b.link("Use a passkey instead")
	b.follow(passkeyButton)
	b.at(d.App + "/")
	b.proved(d, `["pwd","swk","mfa"]`, "aal2")
	b.signOut(d)
	b.link("Sign in")
	b.follow(passkeyButton)
	b.at(d.App + "/")
	b.proved(d, `["swk","user","mfa"]`, "aal2")
	b.onlyTalksTo(d.Provider, d.App)

	other := p.c.window()
	other.device(true) // another one, without the passkey
	other.signInAs(d, "ben")
	other.link("Use a passkey instead")
	p.refused(other, "you can try again")
	other.link("Use a code from my app instead")
	other.fill("#code", phone.next(p.t))
	other.follow("#mfa-submit")
	other.at(d.App + "/")
	passkeyScriptless(p, codes[0])
}

// passkeyScriptless signs ben in without scripts: nothing is shown that needs them, and the other ways work.
func passkeyScriptless(p *passkeys, code string) {
	d, b := p.d, p.c.window()
	b.withoutScripts()
	nothing := func() {
		p.t.Helper()
		var shown []string
		b.ask(`[...document.querySelectorAll("[data-passkey], [data-passkey] button, [data-if-passkeys], a[href*=passkey]")]
			.filter(e => e.checkVisibility()).map(e => e.outerHTML)`, &shown)
		if len(shown) != 0 {
			p.t.Errorf("this does nothing: %q", shown)
		}
	}
	b.open(d.App + "/login")
	nothing()
	b.signInAs(d, "ben")
	nothing()
	var request string
	b.run(chromedp.Location(&request))
	b.open(request + "&way=passkey") // a bookmark, or a tab from before
	nothing()
	b.says("main", "Passkeys need JavaScript")
	b.link("I can't use my passkey")
	nothing()
	b.fill("#recovery_code", code)
	b.follow("#recovery-submit")
	b.follow("#remind-later")
	b.at(d.App + "/")
	b.proved(d, `["pwd","mfa"]`, "aal2")
	p.settings(b)
	nothing()
	b.says("[aria-labelledby=passkeys]", "JavaScript")
	b.onlyTalksTo(d.Provider, d.App)
}

// passkeyLeft is somebody whose passkey does not work at once, and who walks away before the recovery codes: it counts
// already, and the codes are offered at the next sign-in.
func passkeyLeft(p *passkeys) {
	d, b := p.d, p.c.window()
	b.device(true)
	b.signInAs(d, "dora")
	p.settings(b)
	b.link("Use a passkey instead")
	b.follow(passkeyButton)
	p.look(b, "13-new")
	p.answers(b)
	b.follow("#key-abandon")
	b.says("[role=status]", "The passkey is removed")
	b.link("Use a passkey instead")
	b.follow(passkeyButton)
	b.at(d.Provider + "/mfa")
	b.open(d.Provider + "/account/mfa")
	b.at(d.Provider + "/mfa") // nobody gets past it
	b.signOut(d)
	b.signInAs(d, "dora")
	b.at(d.Provider + "/mfa")
	b.follow(passkeyButton)
	b.says("main", "no unused recovery codes") // of those that were never made none is said to be used
	p.look(b, "14-left")
	b.follow("#remind-make")
	lostCodes(b)
	b.at(d.App + "/")
	b.proved(d, `["pwd","swk","mfa"]`, "aal2")
	b.onlyTalksTo(d.Provider, d.App)
}

// answers has the server answer with something else than options: what waiting or trying again mends leaves the page as it
// is, and says so.
func (p *passkeys) answers(b *chromeTab) {
	p.t.Helper()
	answer := func(response string) {
		b.ask("window.before = true; window.fetch = async () => { "+response+" }; true", nil)
	}
	same := func() (same bool) {
		b.ask("window.before === true", &same)
		return same
	}
	for _, row := range []struct{ response, want string }{
		{`return new Response("", {status: 500})`, "did not work"},
		{`return new Response("<p>Bad gateway</p>", {status: 502})`, "did not work"},
		{`throw new TypeError("offline")`, "did not work"},
		{`return Response.json({wait: 3600, words: "1 hour"}, {status: 429})`, "Wait 1 hour,"},
	} {
		answer(row.response)
		p.refused(b, row.want)
		if !same() {
			p.t.Errorf("%s opens the page anew", row.response)
		}
	}
	for _, status := range []string{"403", "422"} {
		answer(`return Response.json({}, {status: ` + status + `})`)
		b.follow(passkeyButton)
		if same() {
			p.t.Errorf("%s leaves the page as it was", status)
		}
	}
}

// passkeyDemanded does with a passkey, on the way to the app, what the policy asks for, and without a mouse.
func passkeyDemanded(p *passkeys) {
	d, b := p.d, p.c.window()
	b.device(false)
	b.signInAs(d, "cleo")
	b.says("h1", "Set up multi-factor authentication")
	p.look(b, "11-start")
	b.press(`a[href*="/passkeys/add"]`, kb.Enter)
	b.says("h1", "Add a passkey")
	p.look(b, "12-forced")
	b.tab("#name")
	b.run(chromedp.KeyEvent("Key ring"))
	b.press(passkeyButton, kb.Enter)
	b.says("h1", "Use your passkey")
	b.press(passkeyButton, " ")
	b.says("h1", "Recovery codes")
	b.tab("#saved")
	b.run(chromedp.KeyEvent(" "))
	b.press("#enrol-confirm", kb.Enter)
	b.at(d.App + "/")
	b.proved(d, `["pwd","hwk","mfa"]`, "aal2")
	b.onlyTalksTo(d.Provider, d.App)
}

// tab presses the tab key until the focus is on what matches.
func (b *chromeTab) tab(selector string) {
	b.t.Helper()
	for range 60 {
		var there bool
		if b.ask(fmt.Sprintf("document.activeElement.matches(%q)", selector), &there); there {
			return
		}
		b.run(chromedp.KeyEvent(kb.Tab))
	}
	b.fatal(fmt.Errorf("the tab key does not reach %s", selector))
}

// press goes to what leads to another page with the tab key, and presses a key there.
func (b *chromeTab) press(selector, key string) {
	b.t.Helper()
	b.tab(selector)
	b.load(chromedp.KeyEvent(key))
}
