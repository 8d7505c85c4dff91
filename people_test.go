package idp

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/oauth"
)

func installed(t *testing.T) *IdP {
	t.Helper()
	cfg := Defaults()
	cfg.PublicURL, cfg.DatabaseURL = "http://localhost:1", "sqlite:"+filepath.Join(t.TempDir(), "idp.db")
	p, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// What a former release left is brought up to date when the provider starts.
func TestPeopleOfAFormerRelease(t *testing.T) {
	p, ctx := installed(t), t.Context()
	a, err := p.Accounts.Create(ctx, account.NewAccount{Username: "ada", Name: "Ada Lovelace"})
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		`DELETE FROM account_words`, `UPDATE accounts SET searched = '', name_key = ''`,
		`INSERT INTO mfa_authenticators (id, subject, name, secret, step_offset, run, last_step, added_at, last_used_at)
			SELECT 'a', subject, 'Phone', 'sealed', 0, 0, 0, 0, 0 FROM accounts`,
		`INSERT INTO mfa_recovery_sets (id, subject, session, enrollment, salt, created_at, active) SELECT 'c', subject, '', '', 'sealed', 0, TRUE FROM accounts`,
		`INSERT INTO mfa_recovery_codes (set_id, subject, n, used_at) SELECT 'c', subject, 1, 0 FROM accounts`,
		`INSERT INTO mfa_recovery_codes (set_id, subject, n, used_at) SELECT 'c', subject, 2, 7 FROM accounts`,
	} {
		if _, err := p.db.Exec(ctx, query); err != nil {
			t.Fatal(err)
		}
	}
	if settled, err := p.Accounts.Settled(ctx); settled || err != nil {
		t.Errorf("settled before: %v, %v", settled, err)
	}
	p.tendPeople(ctx)
	if settled, err := p.Accounts.Settled(ctx); !settled || err != nil {
		t.Errorf("settled: %v, %v", settled, err)
	}
	page, err := p.Accounts.People(ctx, account.Query{Text: "love", FewCodes: true})
	if err != nil || len(page.People) != 1 || page.People[0].Subject != a.Subject || page.People[0].CodesLeft != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	today := p.now()
	kept, err := p.Accounts.Figures(ctx, today.AddDate(0, 0, -1), today)
	if err != nil || len(kept) != 1 || kept[0].FewCodes != 1 {
		t.Errorf("%+v, %v", kept, err)
	}
}

// A file made of an installation changes nothing there, and makes the same of an empty one.
func TestWhatIsDesiredIsWhatThereIs(t *testing.T) {
	p, other, ctx := installed(t), installed(t), t.Context()
	if err := p.Accounts.SetGroups(ctx, []account.Group{{Name: "staff", Description: "All: of us"}, {Name: "board"}}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []account.NewAccount{
		{Username: "root", Role: account.Administrator, Email: "root@example.com", EmailVerified: true},
		{Username: "help", Role: account.HelpDesk, Groups: []string{"staff"}},
		{Username: "audit", Role: account.Auditor, Name: "null"}, {Username: "false"},
		{Username: "no", Name: "No, # \"really\"", Groups: []string{"board", "staff"}, Profile: map[string]any{"birthdate": "1815-12-10", "phone_number": "+49 30 1234567", "phone_number_verified": false, "address": map[string]any{"postal_code": "01234"}}},
	} {
		if _, err := p.Accounts.Create(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Accounts.SetPolicy(ctx, account.Policy{MFARequiredGroups: []string{"staff"}, MFAGrace: 336 * 3600e9}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*oauth.Client{
		{ID: "app", Name: "App", AuthMethod: "none", RedirectURIs: []string{"https://app.example/callback"}, Groups: []string{"staff"}, AccessTokenLife: 300},
		{ID: "other", AuthMethod: "none", RedirectURIs: []string{"https://other.example/callback"}, Scopes: []string{"openid"}, IDTokenAlg: "ES256", DPoPBound: true},
	} {
		if _, err := p.OAuth.Clients().Create(ctx, c, ""); err != nil {
			t.Fatal(err)
		}
	}
	file := func(p *IdP) string {
		t.Helper()
		d, err := p.Desired(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := d.WriteYAML(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	text := file(p)
	for i, at := range []*IdP{p, other} {
		d, err := ReadDesired(bytes.NewReader([]byte(text)))
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		changes, err := at.Apply(context.WithoutCancel(ctx), d, func(string) string { return "" }, true, false)
		if err != nil || (len(changes) > 0) != (i == 1) {
			t.Errorf("installation %d: %+v, %v", i, changes, err)
		}
		if again := file(at); again != text {
			t.Errorf("installation %d:\n%s\nwant\n%s", i, again, text)
		}
	}
}
