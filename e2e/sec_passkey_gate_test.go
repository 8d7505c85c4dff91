package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
)

func TestSec_MF13_PasskeysNeedTheFactorThatIsThere(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p := s.enrolled("alice")
	p.passkey()
	kept, err := s.Passkeys.Passkeys(t.Context(), p.Subject)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range secUnproved(t, s, p) {
		form := url.Values{"form_token": {row.token}, "id": {kept[0].ID}, "name": {"Mine"}, "ceremony": {"x"}, "response": {"{}"}}
		if got := row.b.Get("/account/mfa/passkeys/add"); got.URL.Path != row.want {
			t.Errorf("%s: adding begins at %s (%d)", name, got.URL, got.Status)
		}
		for _, path := range []string{"options", "remove"} {
			if got := row.b.Post("/account/mfa/passkeys/"+path, form); got.URL.Path != row.want {
				t.Errorf("%s: %s is at %s (%d), want %s", name, path, got.URL, got.Status, row.want)
			}
		}
		// Its ceremony is the proof, which nobody without one can have begun.
		got := row.b.Post("/account/mfa/passkeys/add", form)
		if refused := got.Status == http.StatusUnprocessableEntity && got.Text("[role=alert]") != ""; !refused && got.URL.Path != row.want {
			t.Errorf("%s: add is at %s (%d)", name, got.URL, got.Status)
		}
	}
	if after, _ := s.Passkeys.Passkeys(t.Context(), p.Subject); len(after) != 1 || after[0].Name != kept[0].Name {
		t.Errorf("something has changed: %+v", after)
	}
	if n := s.count(`SELECT COUNT(*) FROM mfa_passkey_ceremonies`); n != 0 {
		t.Errorf("%d ceremonies were begun", n)
	}
}

func TestSec_PW14_ACeremonyBelongsToOneBrowser(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	mine, theirs := s.person("alice").passkey(), s.person("mallory").passkey()
	// Mallory's answer, sent by the browser of somebody else, does not sign them in as mallory.
	mallory := secAsk(t, secAt(t, s.begin(s.Browser(), s.app), "/login"))
	victim := secAsk(t, secAt(t, s.begin(s.Browser(), s.app), "/login"))
	victim.form.Set("ceremony", mallory.form.Get("ceremony"))
	secSaid(t, "a ceremony of another browser", victim.send(theirs.Get(mallory.options)), http.StatusUnprocessableEntity)
	mark := strings.Index(mallory.form.Get("ceremony"), ".")
	for what, forged := range map[string]string{
		"without its mark": mallory.form.Get("ceremony")[:mark], "with an empty mark": mallory.form.Get("ceremony")[:mark+1], "empty": "", "a dot": ".",
		"with the mark of another": mallory.form.Get("ceremony")[:mark] + secAsk(t, victim.page).form.Get("ceremony")[mark:],
	} {
		victim.form.Set("ceremony", forged)
		secSaid(t, what, victim.send(theirs.Get(mallory.options)), http.StatusUnprocessableEntity)
	}
	// The page says so and goes on, in several tabs, each answer once.
	b := s.Browser()
	first, second := secAsk(t, s.begin(b, s.app)), secAsk(t, s.begin(b, s.app))
	answer := mine.Get(first.options)
	secGranted(t, first.send(answer))
	for what, late := range map[string]secCeremony{"the same again": first, "begun before the sign-in": second} {
		if page := late.send(answer); page.Status != http.StatusForbidden {
			t.Errorf("%s: %d at %s", what, page.Status, page.URL)
		}
	}
}

func TestSec_PW14_CeremoniesAreNotEachOthers(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p := s.person("alice")
	device := p.passkey()
	alone := secAsk(t, secAt(t, s.begin(s.Browser(), s.app), "/login"))
	second := secAsk(t, secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa"))
	answers := [2][]byte{device.Get(alone.options), device.Get(second.options)}
	name := func(c secCeremony) string { id, _, _ := strings.Cut(c.form.Get("ceremony"), "."); return id }
	one, other := name(alone), name(second)
	alone.form.Set("ceremony", other)
	second.form.Set("ceremony", one)
	secSaid(t, "of a second factor, alone", alone.send(answers[1]), http.StatusUnprocessableEntity)
	secSaid(t, "of a sign-in, as second factor", second.send(answers[0]), http.StatusUnprocessableEntity)
	// Too slow.
	late := secAsk(t, secAt(t, s.begin(s.Browser(), s.app), "/login"))
	s.Clock.Add(6 * time.Minute)
	page := late.send(device.Get(late.options))
	secSaid(t, "too slow", page, http.StatusUnprocessableEntity)
	secGranted(t, secTouch(t, page, device))
}

// An account that is disabled after its passkey was accepted, and before the session begins, gets none.
func TestSec_PW13_DisabledWhileAPasskeyIsLookedAt(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p := s.person("alice")
	device := p.passkey()
	asked := secAsk(t, secAt(t, s.begin(s.Browser(), s.app), "/login"))
	const meanwhile = `CREATE TRIGGER meanwhile AFTER UPDATE ON mfa_passkeys BEGIN UPDATE accounts SET disabled = TRUE; END`
	if _, err := s.database().Exec(t.Context(), meanwhile); err != nil {
		t.Fatal(err)
	}
	sessions := s.count(`SELECT COUNT(*) FROM sessions`)
	secSaid(t, "disabled meanwhile", asked.send(device.Get(asked.options)), http.StatusUnprocessableEntity)
	if n := s.count(`SELECT COUNT(*) FROM accounts WHERE disabled`); n == 0 {
		t.Error("nothing was disabled")
	}
	if n := s.count(`SELECT COUNT(*) FROM sessions`); n != sessions {
		t.Errorf("%d sessions, before %d", n, sessions)
	}
}

func TestSec_DS04_OptionsAreBounded(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	device := s.person("alice").passkey()
	asked := secAsk(t, secAt(t, s.begin(s.Browser(), s.app), "/login"))
	db := s.database()
	if n, err := db.Exec(t.Context(), `UPDATE oauth_device_attempts SET n = 600 WHERE key LIKE 'host/passkey/%'`); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	answer := asked.page.Browser().Post("/login/passkey/options", asked.form)
	if answer.Status != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" || answer.Header.Get("Content-Type") != "application/json" ||
		!strings.Contains(answer.Body, `"problem":"problem.throttled"`) || !strings.Contains(answer.Body, `"wait":`) {
		t.Errorf("%d %v %s", answer.Status, answer.Header, answer.Body)
	}
	if n := s.count(`SELECT COUNT(*) FROM mfa_passkey_ceremonies`); n != 1 {
		t.Errorf("%d ceremonies are kept", n)
	}
	secGranted(t, asked.send(device.Get(asked.options))) // who has begun goes on
	s.Clock.Add(10 * time.Minute)
	secGranted(t, secTouch(t, s.begin(s.Browser(), s.app), device))
}

func TestSec_SS10_PasskeyFormsNeedTheToken(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p := s.person("alice")
	device := p.passkey()
	alone := secAsk(t, secAt(t, s.begin(s.Browser(), s.app), "/login"))
	second := secAsk(t, secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa"))
	for _, asked := range []secCeremony{alone, second} {
		b, form := asked.page.Browser(), asked.form
		form.Set("response", string(device.Get(asked.options)))
		token := form.Get("form_token")
		for _, wrong := range []string{"", token + "x"} {
			form.Set("form_token", wrong)
			for _, path := range []string{"/login/passkey", "/login/passkey/options", "/mfa", "/mfa/passkey"} {
				if page := b.Post(path+"?"+asked.page.URL.RawQuery, form); page.Status != http.StatusForbidden {
					t.Errorf("%s without its token: %d", path, page.Status)
				}
			}
		}
		form.Set("form_token", token)
		secGranted(t, asked.page.Submit(asked.page.Attr("form[data-passkey] button", "id"), "ceremony", form.Get("ceremony"), "response", form.Get("response")))
	}
}

func TestSec_DS01_WhatIsNoPasskey(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p := s.person("alice")
	device := p.passkey()
	alone := secAsk(t, secAt(t, s.begin(s.Browser(), s.app), "/login"))
	second := secAsk(t, secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa"))
	for _, asked := range []secCeremony{alone, second} {
		for what, response := range map[string]string{
			"nothing": "", "no JSON": "<xml>", "null": "null", "empty": "{}", "a list": "[]", "a number": "7", "nested": strings.Repeat("[", 20_000),
			"bytes": "\xff\x00", "an ID alone": `{"id":"eA","rawId":"eA","type":"public-key"}`, "long": strings.Repeat("x", 40_000),
		} {
			secSaid(t, what, asked.send([]byte(response)), http.StatusUnprocessableEntity)
		}
		if page := asked.send([]byte(strings.Repeat("x", 100_000))); page.Status != http.StatusRequestEntityTooLarge {
			t.Errorf("100 kB: %d", page.Status)
		}
		secGranted(t, asked.send(device.Get(asked.options))) // the ceremony has gone on
	}
	if n := s.count(`SELECT COUNT(*) FROM mfa_attempts WHERE n > 0`); n != 0 {
		t.Errorf("%d counts", n)
	}
}

// Wrong answers after the password are counted for the person, and end in a wait that says how long, alone as well. Alone,
// where anybody may answer, only copies count: a right signature whose counter went back.
func TestSec_MF10_PasskeysAreLimited(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	device := s.person("alice").passkey()
	forged := *device
	forged.Key = passkeytest.New(t, s.Issuer).Key // her passkey's ID, somebody else's key
	var page *idptest.Page
	for range 5 {
		page = secTouch(t, secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa"), &forged)
		secSaid(t, "a forged answer", page, http.StatusUnprocessableEntity)
	}
	page = secTouch(t, s.begin(s.Browser(), s.app), device)
	secSaid(t, "during the wait", page, http.StatusTooManyRequests)
	if page.Header.Get("Retry-After") == "" {
		t.Error("not for how long")
	}
	s.Clock.Add(16 * time.Minute)
	secGranted(t, secTouch(t, s.begin(s.Browser(), s.app), device))
}

func TestPasskeyPagesCanBeLeft(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	s.person("alice").passkey()
	page := secAt(t, secPassword(s.begin(s.Browser(), s.app), "alice"), "/mfa")
	form := page.Fields(page.Attr("form[data-passkey] button", "id"))
	form.Set("cancel", "1")
	secRefused(t, page.Browser().Post(page.URL.String(), form), "access_denied")
}

// A policy that demands a factor is met by a passkey, in the sign-in that demands it, and leads on to the app.
func TestAPasskeyMeetsAPolicy(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	rpGroups(t, s, 0, "staff")
	required, always := s.client("required", secMFA("required")), s.client("always", secMFA("always"))
	for name, row := range map[string]struct {
		app  *idptest.Client
		edit func(*account.NewAccount)
	}{
		"policy":   {s.app, rpIn("staff")},
		"required": {required, func(*account.NewAccount) {}},
		"always":   {always, func(*account.NewAccount) {}},
	} {
		s.person(name, row.edit)
		device := passkeytest.New(t, s.Issuer)
		page := secAt(t, secPassword(s.begin(s.Browser(), row.app), name), "/account/mfa/enrol/start")
		page = secAt(t, page.Follow("#use-passkey"), "/account/mfa/passkeys/add")
		asked := secAsk(t, page)
		page = secAt(t, asked.send(device.Create(asked.options), "name", "Laptop"), "/mfa")
		if page.Text("[role=status]") == "" {
			t.Errorf("%s: the page doesn't say what to do with the new passkey", name)
		}
		// Whoever leaves here is asked for the passkey, by the app as by the settings: it is no way around.
		secAt(t, s.begin(page.Browser(), row.app), "/mfa")
		secAt(t, page.Browser().Get("/account/mfa"), "/mfa")
		page = secAt(t, secTouch(t, page, device), "/account/mfa/codes")
		if len(page.All("#recovery-codes li")) != 10 {
			t.Errorf("%s: no recovery codes at %s", name, page.URL)
		}
		tokens := s.exchange(row.app, page.Submit("enrol-confirm", "saved", "1"))
		if got := rpList(tokens.id["amr"]); got != "pwd hwk mfa" || tokens.id["acr"] != "aal2" {
			t.Errorf("%s: amr = %s, acr = %v", name, got, tokens.id["acr"])
		}
	}
}

// Turned off, passkeys let nobody in, and nobody's password becomes enough.
func TestSec_MF12_PasskeysThatAreOffStillCount(t *testing.T) {
	t.Parallel()
	var database, keyset string
	s := secOpen(t, secNamed, func(c *idp.Config) { database, keyset = c.DatabaseURL, c.KeysetFile })
	p := s.person("alice")
	device := p.passkey()
	asked := secAsk(t, secAt(t, s.begin(s.Browser(), s.app), "/login"))
	for _, passkeys := range []string{idp.PasskeysOff, idp.PasskeysAlone} { // alone: but at an address, which has none
		off := idptest.Start(t, func(c *idp.Config) {
			c.DatabaseURL, c.KeysetFile, c.MFA.Passkeys = database, keyset, passkeys
			if passkeys == idp.PasskeysOff {
				secNamed(c)
			}
		})
		if off.Passkeys != nil {
			t.Fatal("there are passkeys")
		}
		b := off.Browser()
		page := b.Get("/login?to=/account")
		if page.Has("form[data-passkey]") {
			t.Error("passkeys are offered")
		}
		asked.form.Set("response", string(device.Get(asked.options)))
		for _, path := range []string{"/login/passkey", "/login/passkey/options", "/mfa/passkey", "/account/mfa/passkeys/add"} {
			asked.form.Set("form_token", page.Attr("input[name=form_token]", "value"))
			if got := b.Post(path, asked.form); got.Status != http.StatusNotFound && got.URL.Path != "/login" {
				t.Errorf("%s: %d at %s", path, got.Status, got.URL)
			}
		}
		if got := b.Get("/.well-known/passkey-endpoints"); got.Status != http.StatusNotFound {
			t.Errorf("the endpoints are told: %d", got.Status)
		}
		page = secAt(t, secPassword(page, "alice"), "/mfa")
		secAt(t, b.Get("/account"), "/mfa")
		if page = secGoOn(t, page.Submit("recovery-submit", "recovery_code", p.codes[0])); secAt(t, page, "/account").Status != http.StatusOK {
			t.Errorf("a recovery code: %d", page.Status)
		}
		p.codes = p.codes[1:]
	}
}

// After the password only: no form, no route for a sign-in without one.
func TestPasskeysAsSecondFactorOnly(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed, func(c *idp.Config) { c.MFA.Passkeys = idp.PasskeysSecond })
	device := s.person("alice").passkey()
	page := secAt(t, s.begin(s.Browser(), s.app), "/login")
	if page.Has("form[data-passkey]") {
		t.Error("passkeys are offered alone")
	}
	for _, path := range []string{"/login/passkey", "/login/passkey/options"} {
		if got := page.Browser().Post(path, page.Fields("login-submit")); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Status)
		}
	}
	secGranted(t, secTouch(t, secAt(t, secPassword(page, "alice"), "/mfa"), device))
}

func TestPasskeyEndpointsAreTold(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	page := s.Browser().Get("/.well-known/passkey-endpoints")
	want := `{"enroll":"` + s.Issuer + `/account/mfa/passkeys/add","manage":"` + s.Issuer + `/account/mfa"}`
	if page.Body != want || page.Header.Get("Content-Type") != "application/json" || page.Header.Get("Set-Cookie") != "" {
		t.Errorf("%s %v", page.Body, page.Header)
	}
	script := s.Browser().Get(s.Browser().Get("/login").Attr("script[src*=passkey]", "src"))
	if script.Status != http.StatusOK || script.Header.Get("Set-Cookie") != "" || !strings.Contains(script.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("the script: %d %v", script.Status, script.Header)
	}
}
