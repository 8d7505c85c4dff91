package idp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// enrol turns MFA on for the person, outside of any browser, and returns the phone and the recovery codes.
func enrol(t *testing.T, p *idptest.Server, subject string) (mfatest.Phone, []string) {
	t.Helper()
	ctx := audit.WithRequest(t.Context(), audit.Request{ID: "r1", Address: "192.0.2.7", Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"})
	owner := mfa.Owner{Subject: subject, Session: "s1"}
	enrolment, err := p.MFA.Enroll(ctx, owner, "account")
	if err != nil {
		t.Fatal(err)
	}
	phone := mfatest.Phone{Key: enrolment.Key, Clock: p.Clock.Now}
	if _, err := p.MFA.VerifyEnrollment(ctx, owner, enrolment.ID, phone.Code(-1), phone.Code(0)); err != nil {
		t.Fatal(err)
	}
	codes, set, err := p.MFA.NewRecoveryCodes(ctx, owner, enrolment.ID)
	if err == nil {
		_, err = p.MFA.Confirm(ctx, owner, enrolment.ID, set)
	}
	if err != nil {
		t.Fatal(err)
	}
	return phone, codes
}

// subjects returns the subjects of the mail sent since the last call of what it returns.
func subjects(t *testing.T, p *idptest.Server) func() []string {
	seen := 0
	return func() []string {
		t.Helper()
		p.Deliver(t.Context())
		var out []string
		for _, m := range p.Mail.Sent()[seen:] {
			out = append(out, m.Subject)
		}
		seen += len(out)
		return out
	}
}

func TestSec_AU07_PeopleAreToldOfChanges(t *testing.T) {
	p := idptest.Start(t)
	a := p.AddUser("alice")
	news := subjects(t, p)
	ctx := t.Context()
	phone, codes := enrol(t, p, a.Subject)
	steps := []struct {
		name string
		do   func() error
		want []string
	}{
		{"enrolled", func() error { return nil }, []string{"MFA was turned on"}},
		{"right code", func() error {
			p.Clock.Add(30 * time.Second)
			return p.MFA.VerifyTOTP(ctx, a.Subject, phone.Code(0))
		}, nil},
		{"four wrong codes", func() error { return wrong(ctx, p, a.Subject, 4) }, nil},
		{"the fifth", func() error { return wrong(ctx, p, a.Subject, 1) }, []string{"wrong codes were entered"}},
		{"recovery code", func() error { _, err := p.MFA.VerifyRecoveryCode(ctx, a.Subject, codes[0]); return err }, []string{"a recovery code was used"}},
		{"device", func() error {
			_, _, err := p.MFA.RememberDevice(ctx, a.Subject, mfa.Label{Browser: "Firefox", System: "Linux"})
			return err
		}, []string{"a device is remembered"}},
		{"new codes", func() error {
			owner := mfa.Owner{Subject: a.Subject, Session: "s1"}
			_, set, err := p.MFA.NewRecoveryCodes(ctx, owner, "")
			if err != nil {
				return err
			}
			return p.MFA.ConfirmRecoveryCodes(ctx, owner, set)
		}, []string{"new recovery codes were made"}},
		{"reset", func() error { return p.Actions().ResetMFA(ctx, a.Subject, "lost the phone") }, []string{"your MFA was reset"}},
		{"reset once more", func() error { return p.Actions().ResetMFA(ctx, a.Subject, "to be sure") }, nil},
		{"password", func() error { return p.Actions().SetPassword(ctx, a.Subject, "tulip gravel monday 88") }, []string{"your password was changed"}},
		{"disabled and enabled", func() error {
			return errors.Join(p.Actions().Disable(ctx, a.Subject), p.Accounts.Enable(ctx, a.Subject))
		}, nil},
		{"deleted", func() error { return p.Actions().Delete(ctx, a.Subject) }, nil},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got := news()
		ok := len(got) == len(step.want)
		for i := range got {
			ok = ok && strings.Contains(got[i], step.want[i])
		}
		if !ok {
			t.Errorf("%s: mail %q, want %q", step.name, got, step.want)
		}
	}
	for _, m := range p.Mail.Sent() {
		if m.To != "alice@example.com" || strings.Contains(m.Text+m.HTML, codes[0]) || !strings.Contains(m.Text, p.Issuer+"/account") {
			t.Errorf("to %s: %s", m.To, m.Text)
		}
	}
	if first := p.Mail.Sent()[0].Text; !strings.Contains(first, "192.0.2.7") || !strings.Contains(first, "Firefox") {
		t.Error(first)
	}
}

// What a letter says about what is left is true: of the last code, and of the password where a policy asks for more.
func TestLettersSayWhatIsLeft(t *testing.T) {
	p := idptest.Start(t)
	a := p.AddUser("alice")
	news := subjects(t, p)
	_, codes := enrol(t, p, a.Subject)
	for _, code := range codes {
		if _, err := p.MFA.VerifyRecoveryCode(t.Context(), a.Subject, code); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Accounts.SetPolicy(t.Context(), account.Policy{MFARequired: account.MFAEverybody, MFAGrace: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := p.MFA.Disable(t.Context(), a.Subject); err != nil {
		t.Fatal(err)
	}
	all := news()
	if n := len(all); n != 12 || !strings.Contains(all[n-2], "your last recovery code was used") || !strings.Contains(all[n-1], "turned off, but is required") {
		t.Errorf("mail %q", all)
	}
	sent := p.Mail.Sent()
	if text := sent[len(sent)-2].Text; !strings.Contains(text, "None is left: make new ones") {
		t.Error(text)
	}
	if text := sent[len(sent)-1].Text; strings.Contains(text, "alone is now enough") {
		t.Error(text)
	}
}

func wrong(ctx context.Context, p *idptest.Server, subject string, times int) error {
	for range times {
		if err := p.MFA.VerifyTOTP(ctx, subject, "000000"); !errors.Is(err, mfa.ErrInvalidCode) {
			return err
		}
	}
	return nil
}

// Who guesses, what is closed by it and opened again, and a copied cookie: each has a letter of its own, for the app and for
// recovery codes.
func TestPeopleAreToldOfGuessing(t *testing.T) {
	p := idptest.Start(t)
	a := p.AddUser("alice", func(n *account.NewAccount) { n.Profile = map[string]any{"locale": "de-CH"} })
	ctx, news := t.Context(), subjects(t, p)
	enrol(t, p, a.Subject)
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"enrolled", func() {}, []string{"MFA wurde eingeschaltet"}},
		{"sixty wrong codes", func() {
			for range 60 {
				_ = p.MFA.VerifyTOTP(ctx, a.Subject, "000000")
				p.Clock.Add(time.Hour)
			}
		}, []string{"falsche Codes für Ihr Konto", "MFA-Codes werden nicht mehr angenommen"}},
		{"thirty wrong recovery codes", func() {
			for range 30 {
				_, _ = p.MFA.VerifyRecoveryCode(ctx, a.Subject, "0000-0000-0000-0000")
				p.Clock.Add(time.Hour)
			}
		}, []string{"falsche Wiederherstellungscodes", "Wiederherstellungscodes werden nicht mehr angenommen"}},
		{"unsealed", func() {
			if err := p.Actions().Unseal(ctx, a.Subject, "asked on the phone"); err != nil {
				t.Error(err)
			}
		}, []string{"wieder angenommen", "wieder angenommen"}},
		{"a copied device", func() {
			first, _, err := p.MFA.RememberDevice(ctx, a.Subject, mfa.Label{Browser: "Firefox", System: "Linux"})
			token := first
			for range 2 {
				if err == nil {
					token, _, err = p.MFA.DeviceRemembered(ctx, a.Subject, token)
				}
				p.Clock.Add(time.Hour)
			}
			if _, ok, again := p.MFA.DeviceRemembered(ctx, a.Subject, first); ok || again != nil || err != nil {
				t.Error(ok, again, err)
			}
		}, []string{"ein Gerät wurde gemerkt", "ein gemerktes Gerät wurde vergessen"}},
		{"a device that its owner removes", func() {
			if _, _, err := p.MFA.RememberDevice(ctx, a.Subject, mfa.Label{}); err != nil {
				t.Error(err)
			}
			if err := p.MFA.ForgetDevices(ctx, a.Subject, "removed"); err != nil {
				t.Error(err)
			}
		}, []string{"ein Gerät wurde gemerkt"}},
	} {
		step.do()
		got := news()
		ok := len(got) == len(step.want)
		for i := range got {
			ok = ok && strings.Contains(got[i], step.want[i])
		}
		if !ok {
			t.Errorf("%s: mail %q, want %q", step.name, got, step.want)
		}
	}
}

// Whoever takes an account over changes its address first: the old one is told as well, but not of another spelling.
func TestTheOldAddressIsToldOfTheNewOne(t *testing.T) {
	p := idptest.Start(t)
	a := p.AddUser("alice")
	change := func(to string) (told []string) {
		t.Helper()
		before := len(p.Mail.Sent())
		a.Email = to
		if err := p.Accounts.Update(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		p.Deliver(t.Context())
		for _, m := range p.Mail.Sent()[before:] {
			if !strings.Contains(m.Subject, "address of your account") || strings.Contains(m.Text, "@") {
				t.Errorf("%s: %s", m.Subject, m.Text)
			}
			told = append(told, m.To)
		}
		slices.Sort(told)
		return told
	}
	for _, tt := range []struct{ to, told string }{
		{"Alice@Example.com", ""},
		{"a@example.org", "Alice@Example.com a@example.org"},
		{"", "a@example.org"},
		{"b@example.org", ""}, // there was nobody to tell
	} {
		if got := strings.Join(change(tt.to), " "); got != tt.told {
			t.Errorf("%q: told %q, want %q", tt.to, got, tt.told)
		}
	}
	if entries, err := p.Audit.List(t.Context(), audit.Filter{Limit: 100}); err != nil || strings.Contains(fmt.Sprint(entries), "example.org") {
		t.Errorf("an address in the audit log: %v, %v", entries, err)
	}
}

// A person is written to in the language of their profile, else of the browser in which they did it; an administrator's
// browser says nothing about them.
func TestNoticesSpeakThePersonsLanguage(t *testing.T) {
	p := idptest.Start(t)
	for i, tt := range []struct {
		name, locale, accept, actor, says string
	}{
		{"profile", "de", "en", "", "Guten Tag"},
		{"profile before the browser", "en-GB", "de", "", "Hello"},
		{"browser", "", "de-AT, en;q=0.5", "", "Guten Tag"},
		{"neither", "", "", "", "Hello"},
		{"nothing that we speak", "", "fi", "", "Hello"},
		{"an administrator's browser", "", "de", "root", "Hello"},
		{"an administrator's browser, and a profile", "de", "en", "root", "Guten Tag"},
	} {
		a := p.AddUser(fmt.Sprint("person", i), func(n *account.NewAccount) {
			if tt.locale != "" {
				n.Profile = map[string]any{"locale": tt.locale}
			}
		})
		ctx := audit.WithRequest(t.Context(), audit.Request{Language: tt.accept, Actor: tt.actor})
		if err := p.Accounts.SetPassword(ctx, a.Subject, "tulip gravel monday 88"); err != nil {
			t.Fatal(err)
		}
		p.Deliver(t.Context())
		sent := p.Mail.Sent()
		if last := sent[len(sent)-1]; !strings.HasPrefix(last.Text, tt.says) || !strings.Contains(last.HTML, tt.says) {
			t.Errorf("%s: %s", tt.name, last.Text)
		}
	}
}

func TestAuditNamesAreNotDoubled(t *testing.T) {
	p := idptest.Start(t)
	a := p.AddUser("alice")
	enrol(t, p, a.Subject)
	entries, err := p.Audit.List(t.Context(), audit.Filter{Subject: a.Subject})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Action)
	}
	if got := strings.Join(actions, " "); got != "mfa.enrolled account.created" {
		t.Error(got)
	}
}

func TestNoMailNoObstacle(t *testing.T) {
	tests := []struct {
		name string
		edit func(*account.NewAccount)
	}{
		{"no address", func(n *account.NewAccount) { n.Email = "" }},
		{"letters of the world", func(n *account.NewAccount) { n.Email = "zoë@exämple.com" }},
		{"no domain", func(n *account.NewAccount) { n.Email = "zoe@localhost" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := idptest.Start(t)
			a := p.AddUser("zoe", tt.edit)
			enrol(t, p, a.Subject)
			p.Deliver(t.Context())
			if n := len(p.Mail.Sent()); a.Email == "" && n != 0 {
				t.Errorf("%d letters to nobody", n)
			}
		})
	}
}

// dead is a mail server that takes connections and never answers.
type dead struct{ asked chan struct{} }

func (d dead) Send(ctx context.Context, _ mail.Message) error {
	select {
	case d.asked <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestDeadMailServerBlocksNobody(t *testing.T) {
	asked := make(chan struct{}, 1)
	p := idptest.Start(t, func(c *idp.Config) { c.Mail = dead{asked} })
	a := p.AddUser("alice")
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { p.Run(ctx); close(stopped) }()
	enrol(t, p, a.Subject)
	<-asked // a letter hangs now
	began := time.Now()
	if err := p.Actions().SetPassword(ctx, a.Subject, "tulip gravel monday 88"); err != nil {
		t.Fatal(err)
	}
	if page := p.Browser().Get("/login").Submit("login-submit", "username", "alice", "password", "tulip gravel monday 88"); page.URL.Path == "/login" {
		t.Error(page.Body)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	cancel()
	select {
	case <-stopped:
	case <-time.After(5 * time.Second):
		t.Error("the background work does not stop")
	}
}

func TestMailCannotBeSentWithoutCommit(t *testing.T) {
	p := idptest.Start(t)
	if _, err := applyTo(p, "users: [{username: zoe, email: zoe@example.com}]", false, false); err != nil {
		t.Fatal(err)
	}
	text := "users: [{username: zoe, email: zoe@example.com, password: '${env:PW}'}]"
	if _, err := applyTo(p, text, false, true); err != nil {
		t.Fatal(err)
	}
	p.Deliver(t.Context())
	if sent := p.Mail.Sent(); len(sent) != 0 {
		t.Errorf("a dry run told %s", sent[0].To)
	}
}
