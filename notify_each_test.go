package idp_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// life is what somebody does with their factors, from one browser.
type life struct {
	*idptest.Server
	ctx    context.Context
	who    *account.Account
	owner  mfa.Owner
	phone  mfatest.Phone
	codes  []string
	second string // the identifier of the further authenticator
	seen   int
}

// add enrols an authenticator.
func (l *life) add(first bool) error {
	l.Clock.Add(time.Minute)
	e, err := l.MFA.Enroll(l.ctx, l.owner, "account")
	if err != nil {
		return err
	}
	phone, set := mfatest.Phone{Key: e.Key, Clock: l.Clock.Now}, ""
	if _, err = l.MFA.VerifyEnrollment(l.ctx, l.owner, e.ID, phone.Code(-1), phone.Code(0)); err == nil && first {
		l.phone = phone
		l.codes, set, err = l.MFA.NewRecoveryCodes(l.ctx, l.owner, e.ID)
	}
	if err == nil {
		_, err = l.MFA.Confirm(l.ctx, l.owner, e.ID, set)
	}
	if status, failed := l.MFA.Status(l.ctx, l.who.Subject); failed == nil && len(status.Authenticators) > 1 {
		l.second = status.Authenticators[1].ID
	}
	return err
}

// pair signs in with two codes of a phone whose clock is so many steps ahead.
func (l *life) pair(ahead int) error {
	l.Clock.Add(10 * time.Minute)
	_, err := l.MFA.VerifyPair(l.ctx, l.who.Subject, l.phone.Code(ahead-1), l.phone.Code(ahead))
	return err
}

// letters returns the mail since the last call.
func (l *life) letters(t *testing.T) []mail.Message {
	t.Helper()
	l.Deliver(t.Context())
	sent := l.Mail.Sent()[l.seen:]
	l.seen += len(sent)
	return sent
}

// Each change of what protects an account is told by one letter: what it was, when, from which browser and address, and
// what to do, as text and as HTML, in the person's language. What is no change is told by none.
func TestSec_AU07_OneLetterForEachChange(t *testing.T) {
	t.Parallel()
	for language, words := range map[string]struct{ hello, browser, moment string }{
		"en": {"Hello alice,", "Firefox on Linux", "2 January 2006, 15:04 UTC"},
		"de": {"Guten Tag alice,", "Firefox unter Linux", "2.1.2006, 15:04 UTC"},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			l := &life{Server: idptest.Start(t)}
			l.who = l.AddUser("alice", func(n *account.NewAccount) { n.Profile = map[string]any{"locale": language} })
			l.owner = mfa.Owner{Subject: l.who.Subject, Session: "s1"}
			l.ctx = audit.WithRequest(t.Context(), audit.Request{ID: "r1", Address: "192.0.2.7",
				Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"})
			subject, told := l.who.Subject, map[string]string{}
			for _, step := range []struct {
				name string
				do   func() error
				want int
			}{
				{"turned on", func() error { return l.add(true) }, 1},
				{"a right code", func() error {
					l.Clock.Add(mfa.Period)
					return l.MFA.VerifyTOTP(l.ctx, subject, l.phone.Code(0))
				}, 0},
				{"two codes, a step early", func() error { return l.pair(1) }, 0},
				{"two codes, which move the clock", func() error { return l.pair(5) }, 1},
				{"two codes by that clock", func() error { return l.pair(5) }, 0},
				{"two codes, which move it back", func() error { return l.pair(0) }, 1},
				{"an authenticator added", func() error { return l.add(false) }, 1},
				{"renamed", func() error { return l.MFA.Rename(l.ctx, subject, l.second, "Tablet") }, 0},
				{"an authenticator removed", func() error { return l.MFA.Remove(l.ctx, subject, l.second) }, 1},
				{"a device remembered", func() error { _, _, err := l.MFA.RememberDevice(l.ctx, subject, mfa.Label{}); return err }, 1},
				{"devices forgotten", func() error { return l.MFA.ForgetDevices(l.ctx, subject, "removed") }, 0},
				{"a recovery code used", func() error { _, err := l.MFA.VerifyRecoveryCode(l.ctx, subject, l.codes[0]); return err }, 1},
				{"new recovery codes", func() error {
					_, set, err := l.MFA.NewRecoveryCodes(l.ctx, l.owner, "")
					if err != nil {
						return err
					}
					return l.MFA.ConfirmRecoveryCodes(l.ctx, l.owner, set)
				}, 1},
				{"five wrong codes", func() error { return wrong(l.ctx, l.Server, subject, 5) }, 1},
				{"unsealed", func() error { return l.Actions().Unseal(l.ctx, subject, "asked on the phone") }, 1},
				{"turned off", func() error { return l.MFA.Disable(l.ctx, subject) }, 1},
				{"password changed", func() error { return l.Actions().SetPassword(l.ctx, subject, "tulip gravel monday 88") }, 1},
				{"password known to others", func() error { return l.Actions().Compromised(l.ctx, subject, "a leak") }, 1},
				{"on again", func() error { return l.add(true) }, 1},
				{"reset", func() error { return l.Actions().ResetMFA(l.ctx, subject, "lost the phone") }, 1},
			} {
				if err := step.do(); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
				now := l.Clock.Now().UTC()
				sent := l.letters(t)
				if len(sent) != step.want {
					t.Errorf("%s: %d letters, want %d", step.name, len(sent), step.want)
				}
				for _, m := range sent {
					if before, again := told[m.Subject]; again && step.name != "on again" && step.name != "two codes, which move it back" {
						t.Errorf("%s and %s have one subject: %s", step.name, before, m.Subject)
					}
					told[m.Subject] = step.name
					moments := []string{now.Format(words.moment), now.Add(-time.Minute).Format(words.moment)}
					for kind, body := range map[string]string{"text": m.Text, "HTML": m.HTML} {
						if !slices.ContainsFunc(moments, func(moment string) bool { return strings.Contains(body, moment) }) {
							t.Errorf("%s, %s: not when\n%s", step.name, kind, body)
						}
						for _, want := range []string{words.hello, words.browser, "192.0.2.7", l.Issuer + "/account"} {
							if !strings.Contains(body, want) {
								t.Errorf("%s, %s: no %q\n%s", step.name, kind, want, body)
							}
						}
						for _, code := range append(l.codes, l.phone.Key, l.phone.Code(0)) {
							if strings.Contains(body, code) {
								t.Errorf("%s, %s: a secret", step.name, kind)
							}
						}
					}
					if m.To != l.who.Email || !strings.HasPrefix(strings.TrimSpace(m.HTML), "<!") {
						t.Errorf("%s: to %s\n%s", step.name, m.To, m.HTML)
					}
				}
			}
		})
	}
}
