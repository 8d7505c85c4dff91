package idp_test

import (
	"strings"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
)

// What lists say of somebody's factors is true after each thing that happens to them.
func TestListsKnowOfFactors(t *testing.T) {
	for engine, url := range map[string]string{"sqlite": "", "postgres": dbxtest.PostgresURL(t)} {
		t.Run(engine, func(t *testing.T) {
			var local string // browsers make no passkeys for an address
			p := idptest.Start(t, func(c *idp.Config) {
				local = strings.Replace(c.PublicURL, "127.0.0.1", "localhost", 1)
				c.PublicURL = local
				if url != "" {
					c.DatabaseURL = url
				}
			})
			who := p.AddUser("alice")
			ctx, owner := t.Context(), mfa.Owner{Subject: who.Subject, Session: "s1"}
			_, codes := enrol(t, p, who.Subject)
			var device *passkeytest.Device
			newCodes := func() error {
				_, set, err := p.MFA.NewRecoveryCodes(ctx, owner, "")
				if err != nil {
					return err
				}
				return p.MFA.ConfirmRecoveryCodes(ctx, owner, set)
			}
			for _, step := range []struct {
				name string
				do   func() error
				want account.Factors
			}{
				{"enrolled", func() error { return nil }, account.Factors{Enrolled: true, CodesLeft: 10}},
				{"a code used", func() error { _, err := p.MFA.VerifyRecoveryCode(ctx, who.Subject, codes[3]); return err }, account.Factors{Enrolled: true, CodesLeft: 9}},
				{"new codes", newCodes, account.Factors{Enrolled: true, CodesLeft: 10}},
				{"turned off", func() error { return p.MFA.Disable(ctx, who.Subject) }, account.Factors{}},
				{"enrolled again", func() error { enrol(t, p, who.Subject); return nil }, account.Factors{Enrolled: true, CodesLeft: 10}},
				{"reset", func() error { return p.Actions().ResetMFA(ctx, who.Subject, "lost") }, account.Factors{}},
				{"a passkey", func() error {
					device = passkeytest.New(t, local)
					options, ceremony, err := p.Passkeys.BeginAdd(ctx, owner, who.Email)
					if err != nil {
						return err
					}
					_, err = p.Passkeys.FinishAdd(ctx, owner, ceremony, "Laptop", device.Create(options))
					return err
				}, account.Factors{Enrolled: true}},
				{"never used, given up", func() error { return p.Passkeys.Abandon(ctx, who.Subject) }, account.Factors{}},
			} {
				if err := step.do(); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
				a, err := p.Accounts.BySubject(ctx, who.Subject)
				if err != nil {
					t.Fatal(err)
				}
				if got := (account.Factors{Enrolled: a.MFAEnrolled, CodesLeft: a.CodesLeft}); got != step.want {
					t.Errorf("%s: %+v, want %+v", step.name, got, step.want)
				}
			}
		})
	}
}

// A sign-in is noted with its session, by whichever way somebody comes in.
func TestListsKnowOfSignIns(t *testing.T) {
	p := idptest.Start(t)
	who := p.AddUser("alice")
	page := p.Browser().Get(p.Issuer + "/account")
	for _, password := range []string{"wrong", idptest.Password} {
		page = page.Submit("login-submit", "username", "alice", "password", password)
		a, err := p.Accounts.BySubject(t.Context(), who.Subject)
		if err != nil || a.SignedInAt.IsZero() == (password == idptest.Password) {
			t.Errorf("%s: %v, %v", password, a.SignedInAt, err)
		}
	}
}
