package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
)

// atCode gives the password in a new browser and returns the page that asks for the code.
func (p *secPerson) atCode() *idptest.Page {
	p.s.t.Helper()
	return secAt(p.s.t, secPassword(p.s.begin(p.s.Browser(), p.s.app), p.Username), "/mfa")
}

func TestSec_MF03_TheServersClockDecides(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	s.Clock.Add(10 * time.Minute)
	for _, row := range []struct {
		steps int
		good  bool
	}{{-2, false}, {2, false}, {-1, true}, {1, true}} {
		s.Clock.Add(5 * time.Minute) // and a wait, if there is one, is over
		page := p.atCode()
		s.stepBegins()
		page.Browser().Header.Set("Date", s.Clock.Now().Add(time.Duration(row.steps)*30*time.Second).UTC().Format(http.TimeFormat))
		form := page.Fields("mfa-submit")
		form.Set("code", p.phone.Code(row.steps))
		form.Set("time", fmt.Sprint(s.Clock.Now().Unix()+int64(row.steps)*30))
		form.Set("step", fmt.Sprint(row.steps))
		got := page.Browser().Post(page.URL.String(), form)
		if good := got.URL.Query().Has("code"); good != row.good {
			t.Errorf("%+d steps: accepted %v", row.steps, good)
		}
	}
}

func TestSec_MF04_AStepWorksOnceAnywhere(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.stepBegins()
	p := s.enrolled("alice")
	refused := func(what, code string) {
		t.Helper()
		page := p.atCode().Submit("mfa-submit", "code", code)
		secNotOurFault(t, what, page)
		if page.Status != http.StatusUnprocessableEntity || page.URL.Query().Has("code") || page.Text("[role=alert]") == "" {
			t.Errorf("%s: %d at %s", what, page.Status, page.URL)
		}
	}
	refused("the current code of the enrolment", p.phone.Code(0))
	refused("the code before it", p.phone.Code(-1))
	code := p.code()
	secGranted(t, p.atCode().Submit("mfa-submit", "code", code))
	refused("the same code in another browser", code)
	refused("with a space", code[:3]+" "+code[3:])
	// Another one on the same database, as after a restart.
	s.Clock.Add(30 * time.Second)
	older, newer := p.phone.Code(-1), p.phone.Code(0)
	secGranted(t, p.atCode().Submit("mfa-submit", "code", newer))
	refused("an older step than the last", older)
}

func TestSec_MF05_OneCodeFortySessions(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	secForty(t, p, func() string { return p.code() }, "code")
	status, err := s.MFA.Status(t.Context(), p.Subject)
	if err != nil || status.Sealed {
		t.Errorf("%+v, %v", status, err)
	}
}

func TestSec_RC05_OneRecoveryCodeFortySessions(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	secForty(t, p, func() string { return p.codes[4] }, "recovery_code")
	if status, _ := s.MFA.Status(t.Context(), p.Subject); status.CodesLeft != 9 {
		t.Errorf("%d codes left", status.CodesLeft)
	}
}

// secForty sends one code from forty sessions at once: one of them gets through.
func secForty(t *testing.T, p *secPerson, code func() string, field string) {
	t.Helper()
	tabs := make([]secTab, 40)
	for i := range tabs {
		tabs[i] = p.s.tab(p)
	}
	value := code()
	var won, refused atomic.Int64
	secAtOnce(len(tabs), func(i int) {
		status, location, err := tabs[i].insist(p.s.Issuer, "/mfa?to=%2Faccount", url.Values{field: {value}})
		switch {
		case err != nil || status >= 500 || location != "" && !secThrough(location):
			t.Errorf("%d to %s, %v", status, location, err)
		case secThrough(location):
			won.Add(1)
		case status == http.StatusUnprocessableEntity || status == http.StatusTooManyRequests:
			refused.Add(1)
		}
	})
	if won.Load() != 1 || refused.Load() != 39 {
		t.Errorf("%d have won, %d were refused", won.Load(), refused.Load())
	}
	if n := p.s.count(`SELECT COUNT(*) FROM sessions WHERE factor_at > 0`); n != 1 {
		t.Errorf("%d sessions with a factor", n)
	}
}

func TestSec_MF10_WrongCodesAreCountedPerPerson(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	waits, looked := 0, 0
	var last *idptest.Page
	for range 12 { // each in a session of its own
		last = p.atCode().Submit("mfa-submit", "code", "000000")
		secNotOurFault(t, "a wrong code", last)
		if last.Status == http.StatusTooManyRequests {
			waits++
		} else {
			looked++
		}
	}
	if looked > 10 || waits == 0 || last.Header.Get("Retry-After") == "" || last.Text("[role=alert]") == "" {
		t.Errorf("%d looked at, %d not; Retry-After %q", looked, waits, last.Header.Get("Retry-After"))
	}
	// The right one isn't looked at, and not used up either.
	code := p.code()
	if page := p.atCode().Submit("mfa-submit", "code", code); page.Status != http.StatusTooManyRequests {
		t.Errorf("the right code during the wait: %d at %s", page.Status, page.URL)
	}
	// A recovery code has its own count.
	page := p.atCode().Follow("#use-recovery-code")
	secGranted(t, secGoOn(t, page.Submit("recovery-submit", "recovery_code", p.codes[0])))
	// Signing in anew does not end the wait; its end does.
	s.Clock.Add(16 * time.Minute)
	secGranted(t, p.atCode().Submit("mfa-submit", "code", p.code()))
}

func TestSec_MF10_Sealed(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	secSeal(t, p)
	page := p.atCode()
	if page.Text("[role=alert]") == "" {
		t.Error("the page doesn't say that no code is looked at")
	}
	page = page.Submit("mfa-submit", "code", p.code())
	if page.Status != http.StatusForbidden || page.URL.Query().Has("code") {
		t.Errorf("the right code: %d at %s", page.Status, page.URL)
	}
	s.Deliver(t.Context())
	var letters []string
	for _, m := range s.Mail.Sent() {
		letters = append(letters, m.Subject)
	}
	if len(letters) != 3 { // turned on; five wrong codes; no more are looked at
		t.Errorf("mails: %q", letters)
	}
	secGranted(t, secGoOn(t, secAt(t, page.Follow("#use-recovery-code"), "/mfa").Submit("recovery-submit", "recovery_code", p.codes[0])))
	secGranted(t, p.atCode().Submit("mfa-submit", "code", p.code())) // which has unsealed it
}

func TestSec_MF12_ACodeNeedsThePasswordFirst(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	alice, bob := s.enrolled("alice"), s.enrolled("bob")
	b := s.Browser()
	login := secAt(t, s.begin(b, s.app), "/login")
	form := login.Fields("login-submit")
	form.Set("username", "alice")
	form.Set("code", alice.code())
	got := b.Post("/mfa?"+login.URL.RawQuery, form)
	secAt(t, got, "/login")
	form.Set("recovery_code", alice.codes[0])
	secAt(t, b.Post("/mfa?"+login.URL.RawQuery, form), "/login")
	if n := s.count(`SELECT COUNT(*) FROM mfa_attempts WHERE n > 0`); n != 0 {
		t.Errorf("%d counts: a code without a password was looked at", n)
	}
	// Her password with bob's code: refused, and counted for her.
	page := alice.atCode().Submit("mfa-submit", "code", bob.code())
	if page.Status != http.StatusUnprocessableEntity {
		t.Errorf("bob's code: %d at %s", page.Status, page.URL)
	}
	if n := s.count(`SELECT COUNT(*) FROM mfa_attempts WHERE n > 0 AND key LIKE '%' || $1`, alice.Subject); n != 1 {
		t.Errorf("not counted for alice: %d", n)
	}
	secGranted(t, bob.atCode().Submit("mfa-submit", "code", bob.phone.Code(0))) // not used up
	secGranted(t, alice.atCode().Submit("mfa-submit", "code", alice.phone.Code(0)))
}

func TestSec_MF12_TheEnrolledAreAskedUnderEveryPolicy(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	rpGroups(t, s, 365*24*time.Hour, "staff", "other") // the grace is for those who have no factor
	for i, groups := range [][]string{nil, {"staff"}, {"other", "staff"}} {
		p := s.enrolled("person"+strconv.Itoa(i), rpIn(groups...))
		for _, demand := range []string{"optional", "required", "always"} {
			c := s.client(demand+strconv.Itoa(i), secMFA(demand))
			page := secAt(t, secPassword(s.begin(s.Browser(), c), p.Username), "/mfa")
			if got := s.exchange(c, page.Submit("mfa-submit", "code", p.code())).id["acr"]; got != "aal2" {
				t.Errorf("%v, %s: acr = %v", groups, demand, got)
			}
		}
	}
}

// unproved is a browser that has not just proved all that its person has: where it is sent, and a token for its forms.
type unproved struct {
	b           *idptest.Browser
	want, token string
}

// secUnproved returns such browsers of p, by what they lack.
func secUnproved(t *testing.T, s *secSite, p *secPerson) map[string]unproved {
	stale := s.Browser()
	secRemember(t, p, stale)
	device := secCopy(s, stale, "device_")
	s.Clock.Add(11 * time.Minute)
	secGranted(t, secPassword(s.begin(device, s.app), p.Username)) // on the remembered device
	half := p.atCode().Browser()                                   // the password alone
	all := map[string]unproved{"password only": {b: half, want: "/mfa"}, "remembered device": {b: device, want: "/mfa"}, "ten minutes old": {b: stale, want: "/login"}}
	for name, row := range all {
		if row.token = row.b.Get("/account/apps").Attr("input[name=form_token]", "value"); row.token == "" {
			row.token = row.b.Get("/login").Attr("input[name=form_token]", "value")
		}
		all[name] = row
	}
	return all
}

func TestSec_MF13_ChangesNeedTheFactor(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	status, _ := s.MFA.Status(t.Context(), p.Subject)
	id := status.Authenticators[0].ID
	posts := map[string]string{"remove": id, "off": "", "devices/forget": ""}

	for name, row := range secUnproved(t, s, p) {
		form := map[string][]string{"form_token": {row.token}}
		for path, value := range posts {
			form["id"] = []string{value}
			if got := row.b.Post("/account/mfa/"+path, form); got.URL.Path != row.want {
				t.Errorf("%s: %s is at %s (%d), want %s", name, path, got.URL, got.Status, row.want)
			}
		}
		if got := row.b.Get("/account/mfa/codes"); got.URL.Path != row.want {
			t.Errorf("%s: new codes are at %s, want %s", name, got.URL, row.want)
		}
		if got := row.b.Get("/account/password"); got.URL.Path != "/mfa" { // where the password is asked for anyway
			t.Errorf("%s: another password is at %s, want /mfa", name, got.URL)
		}
		if got := row.b.Post("/account/mfa/enrol/start", form); got.URL.Path != row.want {
			t.Errorf("%s: a second authenticator begins at %s", name, got.URL)
		}
	}
	if status, _ := s.MFA.Status(t.Context(), p.Subject); !status.Enrolled || len(status.Authenticators) != 1 || status.CodesLeft != 10 {
		t.Errorf("something has changed: %+v", status)
	}
}

func TestSec_MF09_TheKeyIsNeverShownAgain(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p, b := s.person("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	scan := secAt(t, b.Get("/account/mfa"), "/account/mfa").Submit("enrol-start")
	p.phone = secPhone(s, scan)
	page := scan.Submit("scan-next").Submit("codes-next", "code1", p.phone.Code(-1), "code2", p.phone.Code(0))
	codes := page.All("#recovery-codes li")
	secAt(t, page.Submit("enrol-confirm", "saved", "1"), "/account/mfa/enrol/done")
	tokens := s.exchange(s.app, s.begin(b, s.app))
	secrets := append([]string{p.phone.Key, scan.Text("#totp-key"), "otpauth:"}, codes...)
	holds := func(what, text string) {
		t.Helper()
		for _, secret := range secrets {
			if strings.Contains(text, secret) || strings.Contains(text, strings.ReplaceAll(secret, "-", "")) {
				t.Errorf("%s shows %q", what, secret)
			}
		}
	}
	for _, route := range secMustRoutes(t) {
		if route.method != http.MethodGet {
			continue
		}
		for _, query := range []string{"", "?" + scan.URL.RawQuery, "?make=1"} {
			path := strings.TrimSuffix(strings.TrimSuffix(route.path, "{$}"), "/") + query
			holds(path, secCopy(s, b).Get(path).Body)
		}
	}
	holds("userinfo", fmt.Sprint(s.userInfo(tokens)))
	holds("the ID token", fmt.Sprint(tokens.id, tokens.access))
	s.Deliver(t.Context())
	for _, m := range s.Mail.Sent() {
		holds("the mail "+m.Subject, m.Text+m.HTML)
	}
}

func TestSec_OA19_WaysBackAreOnesOwn(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.person("alice")
	for _, to := range []string{
		"//evil.example", `/\evil.example`, "/%2f/evil.example", "https:evil.example", "https://evil.example/", "/@evil.example", "/account/\r\nX: y",
		"/account/../oauth2/logout", "/account//evil.example", "javascript:alert(1)", "/accounting", "/oauth2/logout", "", "\t//evil.example",
	} {
		page := secPassword(s.Browser().Get("/login?"+url.Values{"to": {to}}.Encode()), p.Username)
		if page.URL.Path != "/account" || !strings.HasPrefix(page.URL.String(), s.Issuer) {
			t.Errorf("%q leads to %s", to, page.URL)
		}
	}
	b := s.Browser()
	secGranted(t, p.signIn(b, s.app))
	for to, good := range map[string]bool{
		"https://app.example/profile?x=1#y": true, "https://app.example": true, "https://evil.example/": false, "http://app.example/": false,
		"https://app.example@evil.example/": false, "https://app.example.evil.example/": false, "javascript:alert(1)": false, "//app.example/": false,
		"https://app.example:444/": false, `https://app.example\@evil.example/`: false, "": false,
	} {
		page := b.Get("/account/mfa?" + url.Values{"client_id": {"app"}, "return_to": {to}}.Encode())
		if got := page.Attr("#back", "href"); (got != "") != good {
			t.Errorf("return_to %q: the link is %q", to, got)
		}
	}
	if n := s.count(`SELECT COUNT(*) FROM audit WHERE action = 'return_refused'`); n != 8 {
		t.Errorf("%d foreign ways back are audited", n)
	}
}
