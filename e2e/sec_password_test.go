package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
)

const secOtherPassword = "quite another walk, up the hill"

func TestSec_PW06_ANewPasswordEndsWhatTheOldOneOpened(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	mine, elsewhere, device := s.Browser(), s.Browser(), s.Browser()
	secRemember(t, p, device)
	tokens := s.exchange(s.app, p.signIn(elsewhere, s.app))
	link, err := s.Accounts.NewLink(t.Context(), account.PurposeReset, p.Subject, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	secGranted(t, p.signIn(mine, s.app))

	// Not by an old code, nor with a wrong present password, which is asked for once: on the form.
	s.Clock.Add(11 * time.Minute)
	page := secAt(t, mine.Get("/account/password"), "/mfa").Submit("mfa-submit", "code", p.code())
	if page = secAt(t, page, "/account/password"); !page.Has("#current[autocomplete=current-password]") {
		t.Errorf("the present password is not asked for: %s", page.Text("main"))
	}
	form := page.Fields(secButton(page))
	form.Set("current", "wrong")
	form.Set("password", secOtherPassword)
	if got := mine.Post("/account/password", form); got.Status != http.StatusUnprocessableEntity {
		t.Errorf("with a wrong present password: %d", got.Status)
	}
	if _, err := s.Accounts.Authenticate(t.Context(), "alice", idptest.Password, ""); err != nil {
		t.Fatalf("the password has changed: %v", err)
	}
	s.Deliver(t.Context())
	mails := len(s.Mail.Sent())
	form.Del("current")
	if got := mine.Post("/account/password", form); got.Status != http.StatusUnprocessableEntity {
		t.Errorf("without the present password: %d", got.Status)
	}
	form.Set("current", idptest.Password)
	s.Clock.Add(11 * time.Minute)
	secAt(t, mine.Post("/account/password", form), "/mfa") // the form stood open for too long
	secAt(t, mine.Get("/mfa?to=%2Faccount%2Fpassword").Submit("mfa-submit", "code", p.code()), "/account/password")
	secAt(t, mine.Post("/account/password", formOf(t, mine, form)), "/account")

	secAt(t, mine.Get("/account"), "/account") // the session that did it goes on
	secAt(t, elsewhere.Get("/account"), "/login")
	_, err = s.refresh(s.app, tokens)
	secInvalidGrant(t, err)
	if _, err := s.Accounts.Link(t.Context(), account.PurposeReset, link); err == nil {
		t.Error("the reset link still works")
	}
	page = s.begin(device, s.app)
	if secAt(t, page, "/login"); page.Has("#username") {
		page = page.Submit("login-submit", "username", "alice", "password", secOtherPassword)
	}
	secAt(t, page, "/mfa") // the device is forgotten
	s.Deliver(t.Context())
	sent := s.letters(mails)
	if len(sent) != 1 || sent[0].To != "alice@example.com" || !strings.Contains(strings.ToLower(sent[0].Subject), "password") {
		t.Errorf("mails: %+v", sent)
	}
}

// formOf is the form of the password page in b, filled in like filled.
func formOf(t *testing.T, b *idptest.Browser, filled url.Values) url.Values {
	t.Helper()
	page := secAt(t, b.Get("/account/password"), "/account/password")
	form := page.Fields(secButton(page))
	form.Set("current", filled.Get("current"))
	form.Set("password", filled.Get("password"))
	return form
}

// Whoever has no second factor proves by the present password alone that it is theirs, under the limits of the sign-in,
// whatever the age of the session.
func TestSec_PW06_PW12_GuessesAtThePresentPasswordAreLimited(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.person("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	s.Clock.Add(time.Hour)
	page := secAt(t, b.Get("/account/password"), "/account/password")
	looked := 0
	for range 12 {
		page = page.Submit("password-submit", "current", "wrong", "password", secOtherPassword)
		if page.Status == http.StatusUnprocessableEntity && page.Has("#current-error") {
			looked++
		}
	}
	if looked != 10 || page.Status != http.StatusTooManyRequests || page.Header.Get("Retry-After") == "" {
		t.Errorf("%d wrong ones were looked at, then %d", looked, page.Status)
	}
	if n := s.count(`SELECT COUNT(*) FROM audit WHERE action = 'account.password_set' AND result = 'refused' AND subject = $1`, p.Subject); n != 10 {
		t.Errorf("%d refusals on record", n)
	}
	s.Clock.Add(time.Minute + time.Second)
	secAt(t, page.Submit("password-submit", "current", idptest.Password, "password", secOtherPassword), "/account")
}

// A new password ends what the old one opened, or is none: nobody reads that it is changed while a stranger stays.
func TestSec_PW06_AllOfItOrNothing(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	mine, stranger, device := s.Browser(), s.Browser(), s.Browser()
	secRemember(t, p, device)
	tokens := s.exchange(s.app, p.signIn(stranger, s.app))
	secGranted(t, p.signIn(mine, s.app))
	db := s.database()
	byPage := func() (done bool) {
		page := secAt(t, mine.Get("/account/password"), "/account/password")
		page = page.Submit("password-submit", "current", idptest.Password, "password", secOtherPassword)
		return page.URL.Path == "/account"
	}
	byAdministrator := func() (done bool) {
		return s.Actions().SetPassword(t.Context(), p.Subject, secOtherPassword) == nil
	}
	for _, broken := range []string{"DELETE ON sessions", "UPDATE ON oauth_grants", "DELETE ON mfa_devices"} {
		if _, err := db.Exec(t.Context(), `CREATE TRIGGER broken BEFORE `+broken+` BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END`); err != nil {
			t.Fatal(err)
		}
		rows := secSnapshotOf(t, db)
		for name, set := range map[string]func() bool{"page": byPage, "administrator": byAdministrator} {
			if set() {
				t.Fatalf("%s, %s: changed", broken, name)
			}
			if got := secSnapshotOf(t, db); got != rows {
				t.Errorf("%s, %s: half of it has happened:\n%s\n%s", broken, name, got, rows)
			}
		}
		if _, err := db.Exec(t.Context(), `DROP TRIGGER broken`); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Accounts.Authenticate(t.Context(), "alice", idptest.Password, ""); err != nil {
		t.Errorf("the old password: %v", err)
	}
	secAt(t, stranger.Get("/account"), "/account")
	tokens = s.mustRefresh(s.app, tokens)
	if !byPage() {
		t.Fatal("not changed")
	}
	secAt(t, stranger.Get("/account"), "/login")
	_, err := s.refresh(s.app, tokens)
	secInvalidGrant(t, err)
}

// secSnapshotOf tells what a change of a password touches.
func secSnapshotOf(t *testing.T, db *dbx.DB) (facts string) {
	t.Helper()
	err := db.Get(t.Context(), &facts, `SELECT (SELECT group_concat(password || compromised) FROM accounts)
		|| ' sessions ' || (SELECT COUNT(*) FROM sessions) || ' grants ' || (SELECT COUNT(*) FROM oauth_grants WHERE revoked_at IS NULL)
		|| ' devices ' || (SELECT COUNT(*) FROM mfa_devices) || ' letters ' || (SELECT COUNT(*) FROM outbox)
		|| ' audit ' || (SELECT COUNT(*) FROM audit WHERE action = 'account.password_set')`)
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

// secButton returns the id of the page's main button.
func secButton(page *idptest.Page) string { return page.Attr("main button.primary[id]", "id") }

// secRandom are the parts of a page that differ at every load.
var secRandom = regexp.MustCompile(`(name="form_token" value=")[^"]*|(request=)[A-Za-z0-9_-]+|[a-z2-7]{16}|[0-9]+ seconds?`)

func TestSec_PW09_FailuresLookAlike(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	s.person("wrong0")
	off := s.person("disab0")
	if err := s.Accounts.Disable(t.Context(), off.Subject); err != nil {
		t.Fatal(err)
	}
	s.person("empty0", func(a *account.NewAccount) { a.Password = "" })
	s.person("unver0", func(a *account.NewAccount) { a.EmailVerified = false })
	s.enrolled("enrol0")
	look := func(page *idptest.Page, name string) string {
		header := page.Header.Clone()
		for _, each := range []string{"Date", "X-Request-Id", "Content-Length", "Retry-After"} {
			header.Del(each)
		}
		body := secRandom.ReplaceAllString(strings.ReplaceAll(page.Body, name, "NAME"), "$1$2")
		return fmt.Sprintln(page.Status, header, body)
	}
	for _, password := range []string{"not the right password", ""} {
		var first string
		for _, name := range []string{"nobody", "wrong0", "disab0", "empty0", "unver0", "enrol0"} {
			b := s.Browser()
			page := s.begin(b, s.app).Submit("login-submit", "username", name, "password", password)
			if page.Status != http.StatusUnprocessableEntity || secCookie(b, s.Issuer, "session") != "" {
				t.Errorf("%s: %d", name, page.Status)
			}
			if got := look(page, name); first == "" {
				first = got
			} else if got != first {
				t.Errorf("%s looks different:\n%s\n%s", name, got, first)
			}
		}
	}
	// The right password of somebody who may not sign in is no different either.
	page := s.begin(s.Browser(), s.app).Submit("login-submit", "username", "disab0", "password", idptest.Password)
	if got := look(page, "disab0"); got != look(s.begin(s.Browser(), s.app).Submit("login-submit", "username", "nobody", "password", idptest.Password), "nobody") {
		t.Error("a disabled account shows when its password is right")
	}
	// And the wait comes for a name that there is not, as for one that there is.
	var waits []string
	for _, name := range []string{"nobody2", "unver0"} {
		for range 12 {
			page = s.begin(s.Browser(), s.app).Submit("login-submit", "username", name, "password", "wrong")
		}
		waits = append(waits, look(page, name))
		if page.Status != http.StatusTooManyRequests {
			t.Errorf("%s: %d after twelve tries", name, page.Status)
		}
	}
	if waits[0] != waits[1] {
		t.Errorf("the waits look different:\n%s\n%s", waits[0], waits[1])
	}
}

func TestSec_PW12_TheWaitIsSaidAndEnds(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.person("alice")
	page := s.begin(s.Browser(), s.app)
	tries := 0
	for page.Status != http.StatusTooManyRequests && tries < 20 {
		page = page.Submit("login-submit", "username", "alice", "password", "wrong "+strconv.Itoa(tries))
		tries++
	}
	if tries != 11 {
		t.Errorf("%d wrong passwords were looked at, want 10", tries-1)
	}
	seconds, err := strconv.Atoi(page.Header.Get("Retry-After"))
	if err != nil || seconds < 1 || seconds > 60 || page.Text("[role=alert]") == "" {
		t.Errorf("Retry-After %q, %q", page.Header.Get("Retry-After"), page.Text("[role=alert]"))
	}
	// The right one is not looked at either, in whatever browser and however the name is spelled.
	for _, name := range []string{"alice", " ALICE ", "alice@example.com"} {
		b := s.Browser()
		page = s.begin(b, s.app).Submit("login-submit", "username", name, "password", idptest.Password)
		if page.Status != http.StatusTooManyRequests || secCookie(b, s.Issuer, "session") != "" {
			t.Errorf("%q during the wait: %d", name, page.Status)
		}
	}
	s.Clock.Add(time.Duration(seconds) * time.Second)
	secGranted(t, p.signIn(s.Browser(), s.app))
	// A success forgets the series.
	for range 5 {
		page = s.begin(s.Browser(), s.app).Submit("login-submit", "username", "alice", "password", "wrong")
	}
	if page.Status != http.StatusUnprocessableEntity {
		t.Errorf("after a success: %d", page.Status)
	}
}

func TestTwentySignInsAMinute(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.person("alice")
	for i := range 10 {
		page := p.signIn(s.Browser(), s.app)
		if page.URL.Query().Get("code") == "" {
			t.Fatalf("sign-in %d: %d at %s", i+1, page.Status, page.URL)
		}
	}
	pages := make([]*idptest.Page, 12) // more than wrong ones are free
	for i := range pages {
		pages[i] = s.begin(s.Browser(), s.app)
	}
	secAtOnce(len(pages), func(i int) { pages[i] = secPassword(pages[i], "alice") })
	for _, page := range pages {
		if page.URL.Query().Get("code") == "" {
			t.Errorf("a dozen at once: %d at %s: %s", page.Status, page.URL, page.Text("[role=alert]"))
		}
	}
}

func TestSec_PW14_OnlyLegalStepsInOneBrowser(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	db := s.database()
	rpGroups(t, s, 0, "staff")
	asks := rpAsking(s, "asks")
	steps := map[string]func(b *idptest.Browser) *idptest.Page{ // by the path of the step that is due
		"/login": func(b *idptest.Browser) *idptest.Page { return s.begin(b, asks) },
		"/mfa": func(b *idptest.Browser) *idptest.Page {
			s.enrolled("m")
			return secPassword(s.begin(b, asks), "m")
		},
		"/account/mfa/enrol/start": func(b *idptest.Browser) *idptest.Page {
			s.person("e", rpIn("staff"))
			return secPassword(s.begin(b, asks), "e")
		},
		"/consent": func(b *idptest.Browser) *idptest.Page {
			s.person("c")
			return secPassword(s.begin(b, asks), "c")
		},
	}
	for due, begin := range steps {
		b, thief := s.Browser(), s.Browser()
		page := secAt(t, begin(b), due)
		query := "?request=" + page.URL.Query().Get("request")
		form := url.Values{"form_token": {page.Attr(`input[name=form_token]`, "value")}, "code": {"123456"}, "decision": {"allow"},
			"recovery_code": {"AAAA-AAAA-AAAA-AAAA"}, "scope": {"email"}, "code1": {"123456"}, "code2": {"234567"}, "saved": {"1"}, "set": {"x"}}
		again := secSnapshot(t, db, "sessions", "oauth_requests")
		watch := secWatching(t, db)
		for _, path := range []string{"/mfa", "/consent", "/account/mfa/enrol/codes", "/account/mfa/enrol/recovery", "/account/mfa/codes",
			"/account/mfa/codes/later", "/account/mfa/enrol/postpone", "/account/mfa/remove", "/account/mfa/off"} {
			if path == due || due == "/account/mfa/enrol/start" && strings.HasPrefix(path, "/account/mfa/enrol/") {
				continue
			}
			got := secCopy(s, b).Post(path+query, form)
			if got.URL.Query().Has("code") || got.URL.Host == "app.example" {
				t.Errorf("due %s: POST %s leads to %s", due, path, got.URL)
			}
			for _, table := range watch.changed() {
				switch table {
				case "oauth_grants", "oauth_requests", "consents", "mfa_authenticators", "mfa_devices":
					t.Errorf("due %s: POST %s has changed %s", due, path, table)
				}
			}
			if n := s.count(`SELECT COUNT(*) FROM sessions WHERE factor_at > 0`); n != 0 {
				t.Errorf("due %s: POST %s has added a factor", due, path)
			}
			again()
			watch.changed()
		}
		// The dispatcher still wants the same step, here; and elsewhere there is nothing to go on with.
		secAt(t, secCopy(s, b).Get("/oauth2/authorize?resume="+query[len("?request="):]), due)
		secGranted(t, s.person("thief-"+strconv.Itoa(len(due))).signIn(thief, s.app))
		for _, path := range []string{due + query, "/oauth2/authorize?resume=" + query[len("?request="):]} {
			got := thief.Get(path)
			if got.URL.Host == "app.example" || got.Status != http.StatusBadRequest && !strings.HasPrefix(due, "/account") {
				t.Errorf("due %s in another browser: %s is %d at %s", due, path, got.Status, got.URL)
			}
		}
		secGranted(t, s.begin(thief, s.app, secParam("prompt", "none"))) // the thief's own session is as it was
		secAt(t, secCopy(s, b).Get("/oauth2/authorize?resume="+query[len("?request="):]), due)
		if _, err := db.SQLX().Exec(`DROP TABLE kept_sessions; DROP TABLE kept_oauth_requests`); err != nil {
			t.Fatal(err)
		}
	}
}
