package idp_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

// applyTo applies a file's text to p.
func applyTo(p *idptest.Server, text string, prune, dryRun bool) ([]idp.Change, error) {
	desired, err := idp.ReadDesired(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	return p.Apply(context.Background(), desired, environment("PW", idptest.Password, "SECRET", "tulip-gravel-monday-88"), prune, dryRun)
}

func rows(t *testing.T, p *idptest.Server) int {
	t.Helper()
	all, err := p.Audit.List(t.Context(), audit.Filter{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

const full = `
groups:
  - name: staff
    description: Everybody here
  - name: guests
users:
  - username: Alice
    email: Alice@Example.com
    email_verified: true
    name: " Alice  Example "
    password: ${env:PW}
    groups: [staff, staff, guests]
    admin: true
    profile: {given_name: Alice, locale: de, address: {country: DE}}
  - username: bob
clients:
  - id: app
    name: App
    secret: ${env:SECRET}
    redirect_uris: [https://app.example/callback]
    groups: [staff]
  - id: spa
    redirect_uris: [https://spa.example/callback]
    consent: skip
  - id: job
    auth_method: private_key_jwt
    jwks_uri: https://job.example/jwks
    redirect_uris: [https://job.example/callback]
    access_token: opaque
    id_token_alg: EdDSA
    require_pkce: true
policy:
  mfa_required_groups: [staff, staff]
  mfa_grace: 336h
`

func TestApplyIsIdempotentOnBothEngines(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			p := idptest.Start(t, func(c *idp.Config) {
				if engine == "postgres" {
					c.DatabaseURL = dbxtest.PostgresURL(t)
				}
			})
			plan, err := applyTo(p, full, false, true)
			if err != nil || len(plan) != 8 {
				t.Fatalf("%v %v", plan, err)
			}
			if _, err := p.Accounts.ByUsername(t.Context(), "alice"); !errors.Is(err, account.ErrNotFound) {
				t.Fatalf("a dry run made somebody: %v", err)
			}
			done, err := applyTo(p, full, true, false)
			if err != nil || !reflect.DeepEqual(done, plan) {
				t.Fatalf("%v %v, planned %v", done, err, plan)
			}
			before := rows(t, p)
			for _, dryRun := range []bool{true, false} {
				for _, prune := range []bool{true, false} {
					if again, err := applyTo(p, full, prune, dryRun); err != nil || len(again) != 0 {
						t.Errorf("again: %v %v", again, err)
					}
				}
			}
			if after := rows(t, p); after != before {
				t.Errorf("%d audit rows for no changes", after-before)
			}
		})
	}
}

func TestApplyNamesWhatDiffers(t *testing.T) {
	tests := []struct{ old, new, want string }{
		{"Everybody here", "Staff", "update group staff: description"},
		{"  - name: guests\n", "  - name: guests\n  - name: more\n", "create group more"},
		{"Alice@Example.com", "alice@example.com", "update user Alice: email"},
		{"Alice@Example.com", "a@example.org", "update user Alice: email"}, // verified in the same run
		{"email_verified: true", "email_verified: false", "update user Alice: email_verified"},
		{`" Alice  Example "`, "Alice", "update user Alice: name"},
		{`" Alice  Example "`, `"Alice  Example"`, ""}, // white space around is no difference
		{"[staff, staff, guests]", "[staff]", "update user Alice: groups"},
		{"locale: de", "locale: fr", "update user Alice: profile"},
		{"${env:PW}\n", "${env:SECRET}\n", ""}, // theirs since the first run
		{"  - username: bob\n", "  - username: bob\n    password: ${env:PW}\n", "update user bob: password"},
		{"name: App", "name: Other", "update client app: name"},
		{"name: App\n", "name: App\n    mfa: always\n    consent: skip\n", "update client app: consent, mfa"},
		{"name: App\n", "name: App\n    mfa: optional\n    auth_method: client_secret_basic\n", ""}, // the defaults
		{"${env:SECRET}", "${env:PW}", "update client app: secret"},
		{"    access_token: opaque\n", "", "update client job: access_token"},
		{"mfa_grace: 336h", "mfa_grace: 24h", "update policy: mfa_grace"},
		{"mfa_required_groups: [staff, staff]", "mfa_required_groups: []", "update policy: mfa_required_groups"},
	}
	p := idptest.Start(t)
	if _, err := applyTo(p, full, false, false); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		text := strings.Replace(full, tt.old, tt.new, 1)
		if text == full {
			t.Fatalf("no %q", tt.old)
		}
		for _, dryRun := range []bool{true, false} {
			changes, err := applyTo(p, text, false, dryRun)
			var got []string
			for _, c := range changes {
				got = append(got, strings.TrimSuffix(c.Action+" "+c.What+": "+strings.Join(c.Fields, ", "), ": "))
			}
			if err != nil || strings.Join(got, "; ") != tt.want {
				t.Errorf("%q → %q (dry run %v): %q %v, want %q", tt.old, tt.new, dryRun, got, err, tt.want)
			}
		}
		if again, err := applyTo(p, text, false, false); err != nil || len(again) != 0 {
			t.Errorf("%q → %q again: %v %v", tt.old, tt.new, again, err)
		}
		if _, err := applyTo(p, full, false, false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestApplyIsAllOrNothing(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"literal password", "users: [{username: zoe}, {username: x, password: in-the-clear}]", "reference"},
		{"literal secret", "users: [{username: zoe}]\nclients: [{id: x, secret: in-the-clear, redirect_uris: [https://x.example/]}]", "reference"},
		{"unset variable", "users: [{username: zoe}, {username: x, password: '${env:NOPE}'}]", "${env:NOPE} is empty"},
		{"missing file", "users: [{username: zoe}, {username: x, password: '${file:/nowhere}'}]", "/nowhere"},
		{"weak password", "users: [{username: zoe}, {username: x, email: x, password: '${env:PW}'}]", "user x: "},
		{"unknown group", "users: [{username: zoe}, {username: x, groups: [nope]}]", "user x: "},
		{"unknown group of a client", "users: [{username: zoe}]\nclients: [{id: x, redirect_uris: [https://x.example/], groups: [nope]}]", "no group nope"},
		{"unknown group of the policy", "users: [{username: zoe}]\npolicy: {mfa_required_groups: [nope]}", "groups"},
		{"negative grace", "users: [{username: zoe}]\npolicy: {mfa_grace: -1h}", "policy: mfa_grace must not be negative"},
		{"a policy that nobody knows", "users: [{username: zoe}]\npolicy: {mfa_required: nobody}", "policy: mfa_required must be groups or everybody"},
		{"bad client", "users: [{username: zoe}]\nclients: [{id: x, redirect_uris: ['http://x.example/']}]", "client x: "},
		{"no such way to consent", "users: [{username: zoe}]\nclients: [{id: x, redirect_uris: [https://x.example/], consent: never}]", "client x: consent: one of ask, skip"},
		{"a private key", "users: [{username: zoe}]\nclients: [{id: x, auth_method: private_key_jwt, redirect_uris: [https://x.example/], " +
			"jwks: {keys: [{kty: oct, k: c2VjcmV0c2VjcmV0}]}}]", "private key"},
		{"reserved claim", "users: [{username: zoe}, {username: x, profile: {sub: admin}}]", "user x: "},
		{"two of one name", "users: [{username: zoe}, {username: ZOE}]", "twice"},
		{"two spellings of a name", "users: [{username: zoe}, {username: ｚｏｅ}]", "twice"},
		{"an address for a name", "users: [{username: zoe}, {username: root@example.com, email: root@example.com, password: '${env:PW}'}]",
			"user root@example.com: this is another person's e-mail address: they are called root"},
		{"two of one id", "users: [{username: zoe}]\nclients: [{id: x}, {id: x}]", "twice"},
		{"nameless", "users: [{username: zoe}, {name: X}]", "named"},
		{"unknown key", "users:\n  - username: zoe\n    admn: true\n", "line 3"},
		{"the last administrator", "users: [{username: zoe}, {username: root, admin: false}]", "last administrator"},
	}
	p := idptest.Start(t)
	p.AddUser("root", func(n *account.NewAccount) { n.Admin = true })
	before := rows(t, p)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changes, err := applyTo(p, tt.text, false, false)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "in-the-clear") {
				t.Errorf("%v %v, want an error about %q", changes, err, tt.want)
			}
			if _, err := p.Accounts.ByUsername(t.Context(), "zoe"); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("zoe: %v", err)
			}
			if after := rows(t, p); after != before {
				t.Errorf("%d audit rows", after-before)
			}
		})
	}
}

// TestApplyLetsOthersWrite: on SQLite nobody can write during a transaction, so passwords are not hashed in it.
func TestApplyLetsOthersWrite(t *testing.T) {
	p := idptest.Start(t, func(c *idp.Config) { c.HashMemory = 0 }) // which takes its time
	var text strings.Builder
	text.WriteString("users:\n")
	for i := range 25 {
		fmt.Fprintf(&text, "- {username: person%d, password: '${env:PW}'}\n", i)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if changes, err := applyTo(p, text.String(), false, false); err != nil || len(changes) != 25 {
			t.Error(changes, err)
		}
	}()
	writes := 0 // that were finished meanwhile
	for done := false; !done; {
		select {
		case <-ended:
			done = true
		case <-time.After(5 * time.Millisecond):
			if err := p.Consents.Decide(t.Context(), "alice", "app", []string{"openid"}, nil); err != nil {
				t.Fatal(err)
			}
			writes++
		}
	}
	// Hashing inside would let one through before the transaction and one after it.
	if writes < 5 {
		t.Errorf("only %d writes were finished while 25 passwords were hashed", writes)
	}
	if _, err := p.Accounts.Authenticate(t.Context(), "person7", idptest.Password, ""); err != nil {
		t.Error(err)
	}
}

func TestApplyChecksPasswordsInARehearsal(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("alice")
	p.AddUser("bob", func(n *account.NewAccount) { n.Password = "" })
	desired, err := idp.ReadDesired(strings.NewReader("users: [{username: alice, password: '${env:PW}'}, {username: bob, password: '${env:PW}'}]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dryRun := range []bool{true, false} {
		changes, err := p.Apply(t.Context(), desired, environment("PW", "short"), false, dryRun)
		var invalid *account.InvalidError
		if !errors.As(err, &invalid) || invalid.Reason != "too_short" || !strings.Contains(err.Error(), "user bob") {
			t.Errorf("dry run %v: %v %v", dryRun, changes, err) // alice has a password: hers is not looked at
		}
	}
}

func TestApplyHandsAdministrationOver(t *testing.T) {
	p := idptest.Start(t)
	p.AddUser("alice", func(n *account.NewAccount) { n.Admin = true })
	_, err := applyTo(p, "users: [{username: alice, email: alice@example.com}, {username: root, admin: true}]", false, false)
	if err != nil {
		t.Fatal(err)
	}
}

func TestApplyPrunes(t *testing.T) {
	p := idptest.Start(t)
	if _, err := applyTo(p, full, false, false); err != nil {
		t.Fatal(err)
	}
	p.AddUser("zoe")
	p.AddClient(oauth.Client{ID: "old", RedirectURIs: []string{"https://old.example/"}})
	if err := p.Consents.Decide(t.Context(), "zoe", "old", []string{"openid"}, nil); err != nil {
		t.Fatal(err)
	}
	// guests is mentioned by Alice, so it stays though it isn't named; extra is neither.
	text := strings.Replace(full, "  - name: guests\n", "", 1)
	if _, err := applyTo(p, "groups: [{name: extra}]", false, false); err != nil {
		t.Fatal(err)
	}
	changes, err := applyTo(p, text, true, false)
	want := []idp.Change{{Action: "delete", What: "client old"}, {Action: "delete", What: "user zoe"}, {Action: "delete", What: "group extra"}}
	if err != nil || !reflect.DeepEqual(changes, want) {
		t.Fatalf("%v %v", changes, err)
	}
	if left, err := p.Consents.List(t.Context(), "zoe"); err != nil || len(left) != 0 {
		t.Errorf("consents of a deleted client: %v %v", left, err)
	}
	if again, err := applyTo(p, text, true, false); err != nil || len(again) != 0 {
		t.Errorf("again: %v %v", again, err)
	}
}
