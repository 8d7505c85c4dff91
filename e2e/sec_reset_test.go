package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
)

// secAsk asks for a link in a new browser and returns the page after it.
func (s *secSite) secAsk(name string) *idptest.Page {
	s.t.Helper()
	return s.Browser().Get("/reset").Submit("reset-submit", "username", name)
}

var secLink = regexp.MustCompile(`\S+/(?:reset/password|invite)\?token=\S+`)

// secMailed returns the link in the only mail since the first n.
func (s *secSite) secMailed(n int) string {
	s.t.Helper()
	s.Deliver(s.t.Context())
	sent := s.Mail.Sent()[n:]
	if len(sent) != 1 || !secLink.MatchString(sent[0].Text) {
		s.t.Fatalf("%d mails: %+v", len(sent), sent)
	}
	return secLink.FindString(sent[0].Text)
}

func TestSec_PW15_AResetLinkEndsEverythingButTheSecondFactor(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	elsewhere, device, b := s.Browser(), s.Browser(), s.Browser()
	secRemember(t, p, device)
	tokens := s.exchange(s.app, p.signIn(elsewhere, s.app))
	s.Deliver(t.Context())
	mails := len(s.Mail.Sent())

	// Whatever a proxy or a stranger says of the host, the link leads here.
	b.Header.Set("X-Forwarded-Host", "evil.example")
	b.Header.Set("Forwarded", "host=evil.example;proto=https")
	b.Header.Set("X-Forwarded-Proto", "gopher")
	b.Header.Set("Accept-Language", "de-CH, en;q=0.5")
	page := secAt(t, s.begin(b, s.app), "/login").Follow("#forgot")
	page = secAt(t, page, "/reset").Submit("reset-submit", "username", " Alice@Example.com ")
	if secAt(t, page, "/reset/sent"); strings.Contains(page.Body, "evil.example") {
		t.Error("the page leads elsewhere")
	}
	link := s.secMailed(mails)
	if !strings.Contains(s.Mail.Sent()[mails].Text, "Guten Tag alice") {
		t.Errorf("not in the reader's language: %s", s.Mail.Sent()[mails].Text)
	}
	if !strings.HasPrefix(link, s.Issuer+"/reset/password?token=") || strings.Contains(s.Mail.Sent()[mails].HTML, "evil.example") {
		t.Errorf("the link is %s", link)
	}

	// Looking at it, and a password that is none, spend nothing.
	for range 2 {
		secAt(t, s.Browser().Get(link), "/reset/password")
	}
	page = secAt(t, b.Get(link), "/reset/password")
	if page = page.Submit("password-submit", "password", "short"); page.Status != http.StatusUnprocessableEntity || !page.Has("#password-error") {
		t.Errorf("a short one: %d", page.Status)
	}
	secAt(t, elsewhere.Get("/account"), "/account")
	page = secAt(t, page.Submit("password-submit", "password", secOtherPassword), "/login")
	if secCookie(b, s.Issuer, "session") != "" || page.Text("[role=status]") == "" {
		t.Error("signed in by a link, or nothing said")
	}
	secAt(t, b.Get("/account"), "/login")
	page = page.Submit("login-submit", "username", "alice", "password", secOtherPassword)
	secAt(t, page, "/mfa")
	secAt(t, b.Get("/account"), "/mfa")

	secAt(t, elsewhere.Get("/account"), "/login")
	_, err := s.refresh(s.app, tokens)
	secInvalidGrant(t, err)
	if s.userInfo(tokens) != nil {
		t.Error("an access token outlives the password")
	}
	secAt(t, s.begin(device, s.app).Submit("login-submit", "username", "alice", "password", secOtherPassword), "/mfa")
	s.Deliver(t.Context())
	if sent := s.letters(mails + 1); len(sent) != 1 || !strings.Contains(sent[0].Subject, "Passwort wurde geändert") {
		t.Errorf("mails: %+v", sent)
	}
	if page := s.Browser().Get(link); page.Status != http.StatusNotFound || page.Has("#password") {
		t.Errorf("the link again: %d", page.Status)
	}
}

func TestSec_PW15_WhatEndsALink(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	link := func(p *account.Account) string {
		t.Helper()
		link, err := s.Actions().ResetLink(t.Context(), p.Subject)
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	for name, end := range map[string]func(*account.Account){
		"newer": func(p *account.Account) { link(p) },
		"changed": func(p *account.Account) {
			if err := s.Actions().SetPassword(t.Context(), p.Subject, secOtherPassword); err != nil {
				t.Fatal(err)
			}
		},
		"disabled": func(p *account.Account) {
			if err := s.Actions().Disable(t.Context(), p.Subject); err != nil {
				t.Fatal(err)
			}
		},
		"late": func(*account.Account) { s.Clock.Add(61 * time.Minute) },
	} {
		p := s.AddUser(name)
		open := secAt(t, s.Browser().Get(link(p)), "/reset/password")
		form := open.Fields("password-submit")
		end(p)
		form.Set("password", "a third walk, along the other canal")
		page := open.Browser().Post("/reset/password", form)
		if page.Status != http.StatusNotFound || page.Has("#password") || page.Text("[role=alert]") == "" {
			t.Errorf("%s: %d %s", name, page.Status, page.Text("main"))
		}
		if _, err := s.Accounts.Authenticate(t.Context(), name, form.Get("password"), ""); err == nil {
			t.Errorf("%s: the password was set", name)
		}
	}
	// An invitation is no reset, nor is a link of another purpose an invitation.
	p := s.AddUser("new", func(n *account.NewAccount) { n.Password = "" })
	invitation, err := s.Actions().InviteLink(t.Context(), p.Subject)
	if err != nil {
		t.Fatal(err)
	}
	if page := s.Browser().Get(strings.Replace(invitation, "/invite", "/reset/password", 1)); page.Status != http.StatusNotFound {
		t.Errorf("an invitation at the other page: %d", page.Status)
	}
	page := secAt(t, s.Browser().Get(invitation), "/invite").Submit("password-submit", "password", secOtherPassword)
	page = secAt(t, page, "/login").Submit("login-submit", "username", "new", "password", secOtherPassword)
	secAt(t, page, "/account")
}

func TestSec_PW08_PW09_PW15_AskingTellsNobodyWhoThereIs(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	db := s.database()
	s.person("known0")
	off := s.person("disab0")
	if err := s.Accounts.Disable(t.Context(), off.Subject); err != nil {
		t.Fatal(err)
	}
	s.person("empty0", func(a *account.NewAccount) { a.Password = "" })
	s.person("nomail", func(a *account.NewAccount) { a.Email, a.EmailVerified = "", false })
	s.enrolled("enrol0")
	s.Deliver(t.Context())
	mails := len(s.Mail.Sent())
	watch := secWatching(t, db)
	look := func(name string) string {
		b := s.Browser()
		var hops []string
		form := b.Get("/reset")
		b.Trace = func(_ *http.Request, response *http.Response) {
			header := response.Header.Clone()
			for _, each := range []string{"Date", "X-Request-Id", "Content-Length"} {
				header.Del(each)
			}
			hops = append(hops, fmt.Sprint(response.StatusCode, header))
		}
		watch.changed()
		page := form.Submit("reset-submit", "username", name)
		tables := watch.changed() // what takes time is the same
		slices.Sort(tables)
		return secRandom.ReplaceAllString(fmt.Sprintln(hops, page.Status, page.URL, page.Body, tables), "$1$2")
	}
	var first string
	for _, name := range []string{"nobody", "known0", "known0@example.com", "disab0", "empty0", "nomail", "enrol0", "nobody@example.com"} {
		if got := look(name); first == "" {
			first = got
		} else if got != first {
			t.Errorf("%s looks different:\n%s\n%s", name, got, first)
		}
	}
	s.Deliver(t.Context())
	to := map[string]int{}
	for _, m := range s.Mail.Sent()[mails:] {
		to[m.To]++
	}
	if fmt.Sprint(to) != "map[empty0@example.com:1 enrol0@example.com:1 known0@example.com:2]" {
		t.Errorf("mails to %v", to)
	}
	// The fourth of an hour is told to wait, whoever it is for.
	var waits []string
	for _, name := range []string{"nobody2", "unver0"} {
		var page *idptest.Page
		for range 4 {
			page = s.secAsk(name)
		}
		if seconds, err := strconv.Atoi(page.Header.Get("Retry-After")); page.Status != http.StatusTooManyRequests || err != nil || seconds > 3600 {
			t.Errorf("%s: %d, Retry-After %q", name, page.Status, page.Header.Get("Retry-After"))
		}
		waits = append(waits, secRandom.ReplaceAllString(strings.ReplaceAll(page.Body, name, "NAME"), "$1$2"))
	}
	if waits[0] != waits[1] {
		t.Errorf("the waits look different:\n%s\n%s", waits[0], waits[1])
	}
	if page := s.Browser().Get("/reset").Submit("reset-submit"); page.Status != http.StatusUnprocessableEntity {
		t.Errorf("no name: %d", page.Status)
	}
}

func TestWithoutMailAnAdministratorMakesTheLink(t *testing.T) {
	t.Parallel()
	s := secOpen(t, func(c *idp.Config) { c.Mail = nil })
	p := s.person("alice")
	if page := s.begin(s.Browser(), s.app); page.Has("#forgot") || !strings.Contains(page.Text("main"), "Ask your administrator") {
		t.Error(page.Text("main"))
	}
	if page := s.Browser().Get("/reset"); page.Has("#reset-submit") || !strings.Contains(page.Text("main"), "Ask your administrator") {
		t.Error(page.Text("main"))
	}
	b := s.Browser()
	form := url.Values{"form_token": {s.begin(b, s.app).Attr(`input[name=form_token]`, "value")}, "username": {"alice"}}
	if page := b.Post("/reset", form); page.URL.Path != "/reset" || s.count(`SELECT COUNT(*) FROM account_asks`) != 0 {
		t.Error("a link is waited for that nobody sends")
	}
	link, err := s.Actions().ResetLink(t.Context(), p.Subject)
	if err != nil {
		t.Fatal(err)
	}
	secAt(t, s.Browser().Get(link).Submit("password-submit", "password", secOtherPassword), "/login")
}

func TestSec_PW05_PasswordsDoNotExpire(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.person("alice")
	s.Clock.Add(5 * 365 * 24 * time.Hour)
	secGranted(t, p.signIn(s.Browser(), s.app))
}

func TestSec_PW05_ACompromisedPasswordIsChangedBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	b, device := s.Browser(), s.Browser()
	secRemember(t, p, device)
	tokens := s.exchange(s.app, p.signIn(b, s.app))
	waiting := secGranted(t, s.begin(b, s.app)) // a code that was not redeemed yet
	s.Deliver(t.Context())
	mails := len(s.Mail.Sent())

	if err := s.Actions().Compromised(t.Context(), p.Subject, "found in a leak"); err != nil {
		t.Fatal(err)
	}
	secAt(t, b.Get("/account"), "/login")
	_, err := s.refresh(s.app, tokens)
	secInvalidGrant(t, err)
	if _, err := s.app.Exchange(t.Context(), waiting, secVerifierOption()); err == nil {
		t.Error("a code is redeemed")
	}
	s.Deliver(t.Context())
	if sent := s.Mail.Sent()[mails:]; len(sent) != 1 || !strings.Contains(sent[0].Text, "found in a leak") {
		t.Errorf("mails: %+v", sent)
	}

	page := secAt(t, secPassword(s.begin(device, s.app), "alice"), "/mfa") // the device is forgotten
	page = secAt(t, page.Submit("mfa-submit", "code", p.code()), "/account/password")
	for _, path := range []string{"/account", "/account/mfa", "/account/sessions", "/account/mfa/codes"} {
		secAt(t, device.Get(path), "/account/password")
	}
	secAt(t, s.begin(device, s.app), "/account/password")
	secRefused(t, s.begin(device, s.app, secParam("prompt", "none")), "interaction_required")
	if page := page.Submit("password-submit", "password", secOtherPassword); !page.Has("#current-error") {
		t.Errorf("without the present one: at %s (%d)", page.URL, page.Status)
	}
	if page := page.Submit("password-submit", "current", idptest.Password, "password", idptest.Password); !page.Has("#password-error") {
		t.Errorf("the same once more: at %s (%d)", page.URL, page.Status)
	}
	// A code that has become old meanwhile is asked for alone, and leads back to the form of the same sign-in.
	s.Clock.Add(11 * time.Minute)
	stale := page.Submit("password-submit", "current", idptest.Password, "password", secOtherPassword)
	page = secAt(t, secAt(t, stale, "/mfa").Submit("mfa-submit", "code", p.code()), "/account/password")
	secGranted(t, page.Submit("password-submit", "current", idptest.Password, "password", secOtherPassword))
	secGranted(t, s.begin(device, s.app))
	if page := secPassword(s.begin(s.Browser(), s.app), "alice"); page.Status != http.StatusUnprocessableEntity {
		t.Errorf("the old one: %d", page.Status)
	}

	// Whoever does not want to is sent back to the app.
	if err := s.Actions().Compromised(t.Context(), p.Subject, "found once more"); err != nil {
		t.Fatal(err)
	}
	page = s.begin(s.Browser(), s.app).Submit("login-submit", "username", "alice", "password", secOtherPassword)
	page = secAt(t, page.Submit("mfa-submit", "code", p.code()), "/account/password")
	form := url.Values{"form_token": {page.Attr(`input[name=form_token]`, "value")}, "cancel": {"1"}}
	secRefused(t, page.Browser().Post("/login?"+page.URL.RawQuery, form), "access_denied")
}

func TestSec_PW12_TheOwnerSignsInWhileOthersGuess(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, other := s.enrolled("alice"), s.person("bob")
	mine, fresh := s.Browser(), s.Browser()
	secRemember(t, p, mine)
	secGranted(t, other.signIn(fresh, s.app))
	secAt(t, mine.Get("/oauth2/logout").Submit("logout-confirm"), "/signed-out")
	guess := s.begin(s.Browser(), s.app)
	for range 100 {
		guess = guess.Submit("login-submit", "username", "alice", "password", "wrong")
	}
	if guess.Status != http.StatusTooManyRequests {
		t.Fatalf("nobody waits: %d", guess.Status)
	}
	secGranted(t, secPassword(s.begin(mine, s.app), "alice")) // the device is remembered: no code
	// Neither a browser that knows somebody else, nor the one that guesses, is let through for that.
	page := secAt(t, s.begin(fresh, s.app, secParam("prompt", "select_account")), "/login")
	for _, page := range []*idptest.Page{page, guess} {
		if got := secPassword(page, "alice"); got.Status != http.StatusTooManyRequests {
			t.Errorf("the right one from elsewhere: %d at %s", got.Status, got.URL)
		}
	}
	// With the password the browser's knowledge ends; the one that set it is known.
	link, err := s.Actions().ResetLink(t.Context(), p.Subject)
	if err != nil {
		t.Fatal(err)
	}
	b := s.Browser()
	page = secAt(t, b.Get(link).Submit("password-submit", "password", secOtherPassword), "/login")
	for range 11 {
		guess = guess.Submit("login-submit", "username", "alice", "password", "wrong")
	}
	if guess.Status != http.StatusTooManyRequests {
		t.Fatalf("nobody waits: %d", guess.Status)
	}
	secAt(t, page.Submit("login-submit", "username", "alice", "password", secOtherPassword), "/mfa")
	page = s.begin(mine, s.app).Submit("login-submit", "username", "alice", "password", secOtherPassword)
	if page.Status != http.StatusTooManyRequests {
		t.Errorf("a browser that knew the old password: %d at %s", page.Status, page.URL)
	}
}

func TestSec_PW15_OneOfManyUsesWins(t *testing.T) {
	t.Parallel()
	r := secReplicate(t)
	for trial := range 8 {
		p := r.person("reset" + strconv.Itoa(trial))
		link, err := r.Actions().ResetLink(t.Context(), p.Subject)
		if err != nil {
			t.Fatal(err)
		}
		address, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		tabs := r.tabs(p)
		r.race("a reset link", func(i int, replica string) (bool, int, error) {
			form := url.Values{"token": {address.Query().Get("token")}, "password": {secOtherPassword + strconv.Itoa(i)}}
			status, location, err := tabs[i].post(replica, "/reset/password", form)
			return strings.HasPrefix(location, "/login"), status, err
		})
		if n := r.count(`SELECT COUNT(*) FROM sessions WHERE subject = $1`, p.Subject); n != 0 {
			t.Errorf("%d sessions go on", n)
		}
	}
}
