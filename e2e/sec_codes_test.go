package e2e

import (
	"errors"
	"fmt"
	"go/build/constraint"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa"
)

// no returns a code that p's app shows at no step near now.
func (p *secPerson) no() string {
	shown := map[string]bool{}
	for step := -60; step <= 60; step++ {
		shown[p.phone.Code(step)] = true
	}
	n := 0
	for shown[fmt.Sprintf("%06d", n)] {
		n++
	}
	return fmt.Sprintf("%06d", n)
}

// Whoever guesses is never told that a code will be good in two minutes: it gets the very page of any wrong one, and works
// when its time comes.
func TestSec_MF10_ACodeToComeLooksLikeAnyWrongOne(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	random, coming := s.enrolled("person1"), s.enrolled("person2")
	look := func(p *secPerson, code string) string {
		page := p.atCode().Submit("mfa-submit", "code", code)
		header := page.Header.Clone()
		for _, each := range []string{"Date", "X-Request-Id", "Content-Length"} {
			header.Del(each)
		}
		body := strings.ReplaceAll(strings.ReplaceAll(page.Body, p.Username, "NAME"), code, "CODE")
		return fmt.Sprintln(page.Status, header, secRandom.ReplaceAllString(body, "$1$2"))
	}
	ahead := coming.phone.Code(5)
	if one, other := look(random, random.no()), look(coming, ahead); one != other {
		t.Errorf("a wrong code:\n%s\na code of five steps ahead:\n%s", one, other)
	}
	s.Clock.Add(5 * mfa.Period)
	secGranted(t, coming.atCode().Submit("mfa-submit", "code", ahead))
}

// Wherever the guesses come from, it is one count.
func TestSec_MF10_OneCountForAllAddresses(t *testing.T) {
	t.Parallel()
	s := secOpen(t, func(c *idp.Config) { c.TrustedProxies = []string{"127.0.0.0/8"} })
	p := s.enrolled("alice")
	guess := func(n int, code string) *idptest.Page {
		b := s.Browser()
		b.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.%d.7", n))
		return secAt(t, secPassword(s.begin(b, s.app), p.Username), "/mfa").Submit("mfa-submit", "code", code)
	}
	for n := range 5 {
		if page := guess(n, p.no()); page.Status != http.StatusUnprocessableEntity {
			t.Fatalf("guess %d: %d", n, page.Status)
		}
	}
	if page := guess(5, p.code()); page.Status != http.StatusTooManyRequests {
		t.Errorf("from a sixth address: %d", page.Status)
	}
	if n := s.count(`SELECT COUNT(DISTINCT address) FROM audit WHERE action = 'mfa.code_refused'`); n != 5 {
		t.Errorf("%d addresses: the test does not test", n)
	}
}

// The limit of app codes is the same whatever the other limits are set to: no limiter relies on another.
func TestSec_MF10_NoLimitLeansOnAnother(t *testing.T) {
	t.Parallel()
	limit := func(from int, pause time.Duration) (l idp.Limit) {
		l.Waits = append(l.Waits, struct {
			From int          `yaml:"from"`
			For  idp.Duration `yaml:"for"`
		}{from, idp.Duration(pause)})
		return l
	}
	strict := limit(1, time.Hour)
	for name, edit := range map[string]func(*idp.LimitsConfig){
		"as it comes":     func(*idp.LimitsConfig) {},
		"address, strict": func(l *idp.LimitsConfig) { l.Address = strict },
		"address, loose":  func(l *idp.LimitsConfig) { l.Address = limit(10000, time.Second) },
		"password, both": func(l *idp.LimitsConfig) {
			l.Password, l.Address = limit(100, time.Second), limit(10000, time.Second)
		},
		"password, strict": func(l *idp.LimitsConfig) { l.Password = strict },
		"networks, loose":  func(l *idp.LimitsConfig) { l.CodeAddress = limit(10000, time.Second) },
		"recovery, strict": func(l *idp.LimitsConfig) { l.Recovery = limit(1, time.Hour); l.Recovery.Seal = 2 },
		"recovery, loose":  func(l *idp.LimitsConfig) { l.Recovery = limit(10, time.Minute); l.Recovery.Seal = 100 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := secOpen(t, func(c *idp.Config) { edit(&c.Limits) })
			p := s.enrolled("alice")
			page, looked := p.atCode(), 0
			for range 12 {
				if page = page.Submit("mfa-submit", "code", p.no()); page.Status == http.StatusUnprocessableEntity {
					looked++
				}
			}
			if wait := page.Header.Get("Retry-After"); looked != 5 || page.Status != http.StatusTooManyRequests || len(wait) > 2 {
				t.Errorf("%d looked at, then %d, Retry-After %s", looked, page.Status, wait)
			}
			s.Clock.Add(61 * time.Second)
			secGranted(t, page.Submit("mfa-submit", "code", p.phone.Code(0)))
			_, err := s.MFA.VerifyRecoveryCode(t.Context(), p.Subject, p.codes[0])
			if err != nil {
				t.Errorf("app codes have cost the recovery code: %v", err)
			}
		})
	}
	for name, edit := range map[string]func(*idp.LimitsConfig){
		"no seal":  func(l *idp.LimitsConfig) { l.Code = limit(5, time.Minute) },
		"no wait":  func(l *idp.LimitsConfig) { l.Recovery.Seal = 60 },
		"too late": func(l *idp.LimitsConfig) { l.Code = limit(11, time.Minute); l.Code.Seal = 60 },
	} {
		cfg := idp.Defaults()
		cfg.DatabaseURL, cfg.KeysetFile = "sqlite:"+filepath.Join(t.TempDir(), "idp.db"), filepath.Join(t.TempDir(), "keyset.json")
		edit(&cfg.Limits)
		if p, err := idp.New(t.Context(), cfg); err == nil {
			p.Close()
			t.Errorf("%s: starts", name)
		}
	}
}

// What the browser says about a key that is being enrolled is nothing: it is ours, SHA-1, six digits, thirty seconds.
func TestSec_MF02_KeysComeFromTheServer(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.person("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	const mine = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	said := map[string]string{"secret": mine, "key": mine, "algorithm": "SHA512", "digits": "8", "period": "60", "offset": "7", "account": "root"}
	settings := b.Get("/account/mfa")
	form := settings.Fields("enrol-start")
	for name, value := range said {
		form.Set(name, value)
	}
	scan := secAt(t, b.Post("/account/mfa/enrol/start", form), "/account/mfa/enrol/scan")
	p.phone = secPhone(s, scan)
	uri := scan.Attr(`a[href^="otpauth:"]`, "href")
	for _, want := range []string{"algorithm=SHA1", "digits=6", "period=30", "alice"} {
		if !strings.Contains(uri, want) {
			t.Errorf("%s has no %s", uri, want)
		}
	}
	if strings.Contains(uri, mine) || p.phone.Key == mine {
		t.Fatal("the browser's secret is taken")
	}
	page := scan.Submit("scan-next")
	form = page.Fields("codes-next")
	for name, value := range said {
		form.Set(name, value)
	}
	theirs := *p.phone
	theirs.Key = mine
	form.Set("code1", theirs.Code(-1))
	form.Set("code2", theirs.Code(0))
	if got := b.Post(page.URL.String(), form); got.Status != http.StatusUnprocessableEntity {
		t.Errorf("codes of the browser's secret: %d at %s", got.Status, got.URL)
	}
	form.Set("code1", p.phone.Code(-1))
	form.Set("code2", p.phone.Code(0))
	page = secAt(t, b.Post(page.URL.String(), form), "/account/mfa/enrol/recovery")
	secAt(t, page.Submit("enrol-confirm", "saved", "1"), "/account/mfa/enrol/done")
	secGranted(t, p.atCode().Submit("mfa-submit", "code", p.code()))
}

// Whoever leaves before "Confirm" is as they were: at the next sign-in, in every claim, and for the app on their phone.
func TestSec_MF08_LeftBeforeConfirm(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.person("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	scan := secAt(t, b.Get("/account/mfa"), "/account/mfa").Submit("enrol-start")
	p.phone = secPhone(s, scan)
	page := scan.Submit("scan-next").Submit("codes-next", "code1", p.phone.Code(-1), "code2", p.phone.Code(0))
	codes := secAt(t, page, "/account/mfa/enrol/recovery").All("#recovery-codes li")
	tokens := s.exchange(s.app, secPassword(secAt(t, s.begin(s.Browser(), s.app), "/login"), p.Username))
	rpEnrolled(t, s, tokens, false)
	if tokens.id["acr"] != "aal1" {
		t.Errorf("%v", tokens.id)
	}
	s.Clock.Add(mfa.Period)
	if err := s.MFA.VerifyTOTP(t.Context(), p.Subject, p.phone.Code(0)); !errors.Is(err, mfa.ErrNotEnrolled) {
		t.Errorf("its code: %v", err)
	}
	if _, err := s.MFA.VerifyRecoveryCode(t.Context(), p.Subject, codes[0]); !errors.Is(err, mfa.ErrNotEnrolled) {
		t.Errorf("its recovery code: %v", err)
	}
	s.Deliver(t.Context())
	if sent := s.letters(0); len(sent) != 0 {
		t.Errorf("a letter about nothing: %s", sent[0].Subject)
	}
}

// Proofs that are too old are given again, and then the person is where they were going.
func TestSec_MF13_ProvedAndBack(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p, b := s.person("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	settings := b.Get("/account/mfa")
	s.Clock.Add(11 * time.Minute)
	page := secAt(t, settings.Submit("enrol-start"), "/login")
	if page.Has("#username") {
		t.Error("the name is asked for again")
	}
	secAt(t, page.Submit("login-submit", "password", idptest.Password).Submit("enrol-start"), "/account/mfa/enrol/scan")

	p.enrol()
	device := s.Browser()
	secRemember(t, p, device)
	for _, path := range []string{"/account/mfa/codes", "/account/password", "/account/mfa/enrol/start"} {
		other := secCopy(s, device, "device_")
		secGranted(t, secPassword(s.begin(other, s.app), p.Username))
		page := other.Get(path)
		if page.URL.Path == "/account/mfa/enrol/start" { // looking is free, beginning is not
			page = page.Submit("enrol-start")
		}
		page = secAt(t, page, "/mfa").Submit("mfa-submit", "code", p.code())
		secAt(t, page, path)
		device = other // the cookie has changed by its use
	}
}

// In another field a recovery code is nothing, and is not spent.
func TestSec_RC06_ARecoveryCodeIsNoPassword(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	page := s.begin(s.Browser(), s.app).Submit("login-submit", "username", p.Username, "password", p.codes[0])
	if page.Status != http.StatusUnprocessableEntity {
		t.Errorf("as a password: %d at %s", page.Status, page.URL)
	}
	form := page.Fields("login-submit")
	form.Set("username", p.Username)
	form.Set("password", "not it")
	form.Set("recovery_code", p.codes[0])
	if page := page.Browser().Post(page.URL.String(), form); page.Status != http.StatusUnprocessableEntity {
		t.Errorf("beside a wrong password: %d at %s", page.Status, page.URL)
	}
	if status, err := s.MFA.Status(t.Context(), p.Subject); err != nil || status.CodesLeft != 10 {
		t.Errorf("%+v, %v", status, err)
	}
	p.recover(s.Browser(), p.codes[0])
	if status, err := s.MFA.Status(t.Context(), p.Subject); err != nil || status.CodesLeft != 9 {
		t.Errorf("where it belongs: %+v, %v", status, err)
	}
}

// There is no code, recovery code or password that works for everybody, whatever the program was built for.
func TestSec_MF12_NoMasterCode(t *testing.T) {
	t.Parallel()
	s := secOpen(t)
	p := s.enrolled("alice")
	for _, code := range strings.Fields("000000 111111 123456 654321 999999 012345 123123 112233 121212 424242 888888 696969") {
		real := false
		for step := -2; step <= 2; step++ {
			real = real || p.phone.Code(step) == code
		}
		if err := s.MFA.VerifyTOTP(t.Context(), p.Subject, code); !real && !errors.Is(err, mfa.ErrInvalidCode) {
			t.Errorf("%s: %v", code, err)
		}
		s.Clock.Add(16 * time.Minute)
	}
	for _, code := range []string{
		"0000-0000-0000-0000", "1234-5678-9012-3456", "AAAA-AAAA-AAAA-AAAA", "TEST-TEST-TEST-TEST", "ABCD-EFGH-JKMN-PQRS", "ZZZZ-ZZZZ-ZZZZ-ZZZZ",
	} {
		if _, err := s.MFA.VerifyRecoveryCode(t.Context(), p.Subject, code); !errors.Is(err, mfa.ErrInvalidCode) {
			t.Errorf("%s: %v", code, err)
		}
		s.Clock.Add(16 * time.Minute)
	}
	// What is tested is what is built: no file is left out or put in by a tag of ours.
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "third_party" || name == "node_modules" || name == ".git") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if constraint.IsGoBuild(line) || constraint.IsPlusBuild(line) {
				t.Errorf("%s: %s", path, line)
			}
			if strings.HasPrefix(line, "package ") {
				break
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
