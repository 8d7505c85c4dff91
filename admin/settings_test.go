package admin_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/brand"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/mail"
	"github.com/focushq/idp/oauth"
)

// settingsDeeds are what can be done to the settings; those that change something are true.
func settingsDeeds() map[string]struct {
	writes bool
	do     func(context.Context, *admin.Desk) error
} {
	type deed = struct {
		writes bool
		do     func(context.Context, *admin.Desk) error
	}
	return map[string]deed{
		"policy": {false, func(ctx context.Context, d *admin.Desk) error { _, err := d.Policy(ctx); return err }},
		"preview": {false, func(ctx context.Context, d *admin.Desk) error {
			_, err := d.PolicyPreview(ctx, account.Policy{MFARequired: account.MFAEverybody})
			return err
		}},
		"set policy": {true, func(ctx context.Context, d *admin.Desk) error {
			p, err := d.Accounts.Policy(ctx)
			if err != nil {
				return err
			}
			p.MFAGrace += time.Hour
			return d.SetPolicy(ctx, p)
		}},
		"brand": {false, func(ctx context.Context, d *admin.Desk) error { _, err := d.Brand(ctx); return err }},
		"set brand": {true, func(ctx context.Context, d *admin.Desk) error {
			b, err := d.Brands.Get(ctx)
			if err != nil {
				return err
			}
			b.Name += "x"
			return d.SetBrand(ctx, b, nil)
		}},
		"mail":   {true, func(ctx context.Context, d *admin.Desk) error { _, err := d.MailTest(ctx); return err }},
		"keys":   {false, func(ctx context.Context, d *admin.Desk) error { _, err := d.Keys(ctx); return err }},
		"rotate": {true, func(ctx context.Context, d *admin.Desk) error { _, err := d.RotateKeys(ctx); return err }},
		"retire": {true, func(ctx context.Context, d *admin.Desk) error {
			keys, err := d.OAuth.Keys().List(ctx)
			if err != nil {
				return err
			}
			_, err = d.RetireKey(ctx, keys[0].KID, "it was in a backup that got lost")
			return err
		}},
	}
}

// Administrators write the settings, auditors read them, nobody else does either; and what is refused is on record.
func TestSec_AD04_WhoMayDoWhatToTheSettings(t *testing.T) {
	for _, role := range []account.Role{"", account.Auditor, account.HelpDesk, account.Administrator} {
		t.Run("by "+string(role), func(t *testing.T) {
			t.Parallel()
			p := idptest.Start(t)
			ctx := t.Context()
			desk, _ := staff(p, "actor", role)
			staff(p, "spare", account.Administrator)
			refusals := 0
			for name, deed := range settingsDeeds() {
				may := role == account.Administrator || role == account.Auditor && !deed.writes
				err := deed.do(ctx, desk)
				if may && err != nil || !may && !errors.Is(err, admin.ErrForbidden) {
					t.Errorf("%s, allowed %v: %v", name, may, err)
				}
				if !may {
					refusals++
				}
			}
			refused, err := p.Audit.List(ctx, audit.Filter{Action: admin.EventRefused, Limit: 500})
			if err != nil || len(refused) != refusals {
				t.Errorf("%d of %d refusals on record (%v)", len(refused), refusals, err)
			}
			if sent := p.Mail.Sent(); (len(sent) == 1) != (role == account.Administrator) {
				t.Errorf("%d letters", len(sent))
			}
		})
	}
}

// Whoever changes what somebody else has changed since is told, and what is done is on record with who did it.
func TestSettingsAreChangedFromWhatWasSeen(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	desk, who := staff(p, "ada", account.Administrator)
	policy, err := desk.Policy(ctx)
	if err != nil {
		t.Fatal(err)
	}
	next := policy
	next.MFARequired = account.MFAEverybody
	if err := desk.SetPolicy(ctx, next); err != nil {
		t.Fatal(err)
	}
	for _, version := range []int64{policy.Version, 0} {
		next.Version = version
		if err := desk.SetPolicy(ctx, next); !errors.Is(err, account.ErrStale) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	look, err := desk.Brand(ctx)
	if err != nil {
		t.Fatal(err)
	}
	look.Name = "Acme"
	if err := desk.SetBrand(ctx, look, nil); err != nil {
		t.Fatal(err)
	}
	if err := desk.SetBrand(ctx, look, nil); !errors.Is(err, brand.ErrStale) {
		t.Error(err)
	}
	if err := desk.SetBrand(ctx, look, []byte("<svg/>")); err == nil || p.Explain(err).Error() != "logo: an SVG can hold scripts and is not taken: make a PNG of it" {
		t.Error(p.Explain(err))
	}
	made, err := desk.RotateKeys(ctx)
	if err != nil || len(made) == 0 {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := desk.RotateKeys(ctx); !errors.Is(err, oauth.ErrKeyWaits) {
		t.Error(err)
	}
	if _, err := desk.RetireKey(ctx, made[0].KID, " "); !errors.Is(err, admin.ErrReason) {
		t.Error(err)
	}
	if _, err := desk.RetireKey(ctx, "no such key", "why"); !errors.Is(err, oauth.ErrNoKey) {
		t.Error(err)
	}
	if _, err := desk.RetireKey(ctx, made[0].KID, "seen in a log"); err != nil {
		t.Error(err)
	}
	keys, err := desk.Keys(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if key.KID == made[0].KID && key.State != "revoked" {
			t.Errorf("%+v", key)
		}
	}
	for action, detail := range map[string]string{
		account.EventPolicySet: "mfa_required", brand.EventSet: "name", oauth.EventKeyRevoked: "reason",
	} {
		rows, err := p.Audit.List(ctx, audit.Filter{Action: action, Limit: 10})
		if err != nil || len(rows) != 1 || rows[0].Actor != who.Subject || rows[0].Detail[detail] == "" {
			t.Errorf("%s: %+v, %v", action, rows, err)
		}
	}
}

// A trial of the mail goes to whoever makes it, and nobody else; nothing of the letter or the server's password is on record.
func TestMailTest(t *testing.T) {
	p := idptest.Start(t)
	ctx := t.Context()
	desk, who := staff(p, "ada", account.Administrator)
	trial, err := desk.MailTest(ctx)
	if err != nil || !trial.OK() || trial.Reached != mail.StageSent {
		t.Fatalf("%+v, %v", trial, err)
	}
	sent := p.Mail.Sent()
	if len(sent) != 1 || sent[0].To != "ada@example.com" || !strings.Contains(sent[0].Text, "Mail works") {
		t.Errorf("%+v", sent)
	}
	rows, err := p.Audit.List(ctx, audit.Filter{Action: admin.EventMailTried, Limit: 10})
	if err != nil || len(rows) != 1 || rows[0].Actor != who.Subject || rows[0].Detail["reached"] != "sent" {
		t.Errorf("%+v, %v", rows, err)
	}
	program := p.Actions().Desk(admin.Actor{Client: "robot", Scopes: admin.Permissions()})
	if _, err := program.MailTest(ctx); !errors.Is(err, admin.ErrNoAddress) {
		t.Error(err)
	}
	nobody := p.AddUser("without", func(n *account.NewAccount) { n.Role, n.Email, n.Password = account.Administrator, "", "" })
	if _, err := p.Actions().Desk(admin.Actor{Subject: nobody.Subject, Role: account.Administrator}).MailTest(ctx); !errors.Is(err, admin.ErrNoAddress) {
		t.Error(err)
	}
	silent := idptest.Start(t, func(c *idp.Config) { c.Mail = nil })
	desk, _ = staff(silent, "ada", account.Administrator)
	if _, err := desk.MailTest(ctx); !errors.Is(err, admin.ErrNoMail) {
		t.Error(err)
	}
	if _, sends := silent.ProbeMail(ctx); sends {
		t.Error("a probe where no mail is sent")
	}
	if trial, sends := p.ProbeMail(ctx); !sends || !trial.OK() {
		t.Errorf("%+v", trial)
	}
}
