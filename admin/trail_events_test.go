package admin_test

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
	"github.com/focushq/idp/oauth"
)

// Every event has a row with all that is to be known of it: when (in UTC), who, to whom, through which client, from where, with
// which browser, in which request. The list of what is expected is compared with the one of what there is.
func TestSec_AU01_EveryEventHasItsRow(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, g := range admin.TrailGroups() {
		for _, action := range g.Actions {
			known[action] = true
			if _, ok := expected[action]; !ok {
				t.Errorf("%s: nobody says what is expected of its row", action)
			}
		}
	}
	e := newEvents(t)
	e.people()
	e.factors()
	e.passkeys()
	e.apps()
	e.signIns()
	e.settings()
	seen := map[string]bool{}
	if err := e.p.Audit.Each(t.Context(), audit.Filter{}, func(row audit.Entry) error {
		seen[row.Action] = true
		e.check(row)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	tests := namesOfTests(t)
	for action, want := range expected {
		switch {
		case !known[action]:
			t.Errorf("%s is expected, and not listed", action)
		case want.elsewhere != "" && !slices.Contains(tests, want.elsewhere):
			t.Errorf("%s: there is no test %s", action, want.elsewhere)
		case want.elsewhere == "" && !seen[action]:
			t.Errorf("%s did not happen", action)
		}
	}
}

// events makes things happen, by people in their browsers and by an administrator at a desk.
type events struct {
	*walk
	ctx  context.Context // the administrator's
	hers context.Context // alice's, where no page is used
	root *idptest.Person
	desk *admin.Desk
}

func newEvents(t *testing.T) *events {
	e := &events{walk: newWalk(t, func(c *oauth.Client) { c.Consent = "ask" })}
	e.root = e.p.Staff("root", account.Administrator)
	from := audit.Request{ID: "r1", Address: "192.0.2.7", Agent: "Firefox"}
	e.ctx = audit.WithRequest(t.Context(), from)
	e.desk = e.p.Actions().Desk(admin.Actor{Subject: e.root.Subject, Role: account.Administrator})
	from.Actor = e.alice.Subject
	e.hers = audit.WithRequest(t.Context(), from)
	return e
}

// all fails at the first error.
func (e *events) all(errs ...error) {
	e.Helper()
	for i, err := range errs {
		if err != nil {
			e.Fatalf("step %d: %v", i+1, err)
		}
	}
}

// as is the administrator's context where no desk is used.
func (e *events) as() context.Context { return audit.WithActor(e.ctx, e.root.Subject) }

// doer tells who did row apart.
func (e *events) doer(row audit.Entry) string {
	switch row.Actor {
	case "":
		return "none"
	case audit.Anonymous:
		return "nobody"
	case audit.Server:
		return "server"
	case row.Subject:
		return "person"
	case e.root.Subject:
		return "staff"
	case row.Client:
		return "client"
	}
	return row.Actor
}

// check compares a row with what is expected of it. Who has no browser was set up by the test.
func (e *events) check(row audit.Entry) {
	e.Helper()
	want, line := expected[row.Action], row.Action+" "+row.Result
	by := e.doer(row)
	if want.by != "" && !slices.Contains(strings.Fields(want.by), by) {
		e.Errorf("%s: by %s, want %s", line, by, want.by)
	}
	for what, is := range map[string]struct{ want, value string }{"whom": {want.whom, row.Subject}, "client": {want.app, row.Client}} {
		if is.want == "always" && is.value == "" || is.want == "never" && is.value != "" {
			e.Errorf("%s: %s is %q, want it %s", line, what, is.value, is.want)
		}
	}
	if row.ID == "" || row.Action == "" || row.At.IsZero() || row.At.After(e.p.Clock.Now()) || row.Forged {
		e.Errorf("%s: %+v", line, row)
	}
	setUp := row.Request == audit.Request{}
	if !setUp && (row.Request.ID == "" || row.Request.Address == "" || row.Request.Agent == "" && by != "client") { // programs need not say
		e.Errorf("%s: from %+v", line, row.Request)
	}
	if text, err := row.MarshalJSON(); err != nil || !strings.Contains(string(text), `"time":"`+row.At.UTC().Format("2006-01-02T15:04:05.000Z")) {
		e.Errorf("%s: not in UTC: %s, %v", line, text, err)
	}
}

// people are made, changed and removed.
func (e *events) people() {
	ctx, d := e.ctx, e.desk
	bob, err := d.CreatePerson(ctx, account.NewAccount{Username: "bob", Email: "bob@example.com"})
	e.must(err)
	link, err := e.p.Actions().InviteLink(e.as(), bob.Subject)
	e.must(err)
	e.p.Browser().Get(link).Submit("password-submit", "password", idptest.Password)
	e.p.Browser().Get("/reset").Submit("reset-submit", "username", "bob")
	e.p.Deliver(e.Context())
	now, err := d.Accounts.BySubject(ctx, bob.Subject)
	e.must(err)
	e.must(d.Accounts.VerifyEmail(audit.WithActor(e.ctx, bob.Subject), bob.Subject, now.Email))
	now, err = d.Accounts.BySubject(ctx, bob.Subject)
	e.must(err)
	e.all(
		d.EditPerson(ctx, bob.Subject, admin.Edit{Version: now.Version, Username: "bob", Name: "Bob", Email: "bob@example.org"}),
		d.SetRole(ctx, bob.Subject, account.Auditor), d.SetRole(ctx, bob.Subject, ""),
		d.Disable(ctx, bob.Subject), d.Enable(ctx, bob.Subject),
		d.Compromised(ctx, bob.Subject, "seen in a list"), d.Export(ctx, io.Discard, account.CSV, account.Query{}),
		d.CreateGroup(ctx, account.Group{Name: "staff"}),
	)
	email := "carol@example.com"
	_, err = d.Import(ctx, []account.Incoming{{Line: 1, Username: "carol", Email: &email}})
	e.must(err)
	e.must(d.Delete(ctx, bob.Subject))
	help := e.p.Actions().Desk(admin.Actor{Subject: e.root.Subject, Role: account.Administrator, Client: "m", Scopes: []admin.Permission{}})
	if err := help.Delete(ctx, e.alice.Subject); err == nil {
		e.Error("a program without a scope may delete people")
	}
}

// factors of the app, and codes.
func (e *events) factors() {
	ctx, m, who := e.hers, e.p.MFA, e.alice.Subject
	started, err := m.Enroll(ctx, e.owner(), "alice")
	e.must(err)
	_, _ = m.VerifyEnrollment(ctx, e.owner(), started.ID, "000000", "000001")
	e.enrolIn(ctx)
	add := func() {
		e.Helper()
		second, err := m.Enroll(ctx, e.owner(), "alice")
		e.must(err)
		phone := e.phone
		phone.Key = second.Key
		_, err = m.VerifyEnrollment(ctx, e.owner(), second.ID, phone.Code(-1), phone.Code(0))
		e.must(err)
		_, err = m.Confirm(ctx, e.owner(), second.ID, "")
		e.must(err)
	}
	add()
	status, err := m.Status(ctx, who)
	e.must(err)
	id := status.Authenticators[1].ID
	e.all(m.Rename(ctx, who, id, "Tablet"), m.Remove(ctx, who, id))
	e.p.Clock.Add(10 * time.Minute)
	e.must(m.VerifyTOTP(ctx, who, e.phone.Code(0)))
	_ = m.VerifyTOTP(ctx, who, e.phone.Code(0))
	_ = m.VerifyTOTP(ctx, who, e.phone.Code(-15))
	for range 4 {
		_ = m.VerifyTOTP(ctx, who, "000000")
	}
	_, _ = m.VerifyRecoveryCode(ctx, who, "0000-0000-0000-0000")
	_, err = m.VerifyRecoveryCode(ctx, who, e.codes[0])
	e.must(err)
	token, _, err := m.RememberDevice(ctx, who, mfa.Label{Browser: "Firefox", System: "Linux"})
	e.must(err)
	_, _, err = m.DeviceRemembered(ctx, who, token)
	e.must(err)
	devices, err := m.Devices(ctx, who, "")
	e.must(err)
	e.must(m.ForgetDevice(ctx, who, devices[0].ID))
	_, _, err = m.RememberDevice(ctx, who, mfa.Label{})
	e.all(err, m.ForgetDevices(ctx, who, "removed"))
	for range 60 {
		e.p.Clock.Add(2 * time.Hour)
		_ = m.VerifyTOTP(ctx, who, "000000")
	}
	e.all(e.desk.Unseal(e.ctx, who, "asked"), e.desk.ResetMFA(e.ctx, who, "lost"))
	e.enrolIn(ctx)
	e.must(m.Disable(ctx, who))
}

// enrolIn is enrol by whose context that is.
func (e *events) enrolIn(ctx context.Context) {
	e.Helper()
	m := e.p.MFA
	started, err := m.Enroll(ctx, e.owner(), "alice")
	e.must(err)
	e.phone.Key, e.phone.Clock = started.Key, e.p.Clock.Now
	_, err = m.VerifyEnrollment(ctx, e.owner(), started.ID, e.phone.Code(-1), e.phone.Code(0))
	e.must(err)
	codes, set, err := m.NewRecoveryCodes(ctx, e.owner(), started.ID)
	e.must(err)
	_, err = m.Confirm(ctx, e.owner(), started.ID, set)
	e.must(err)
	e.codes = codes
	e.p.Clock.Add(time.Minute)
}

// passkeys are added, used, refused, copied and removed.
func (e *events) passkeys() {
	d := e.passkey()
	d.Step = 1
	e.touch(e.b.Get("/account"), d)
	copied := *d
	e.b = e.p.Browser()
	e.touch(e.b.Get("/account"), d)
	e.b = e.p.Browser()
	e.touch(e.b.Get("/account"), &copied)
	forged := passkeytest.New(e, e.p.Issuer) // it knows what is public of hers
	forged.ID, forged.Handle = d.ID, d.Handle
	e.b = e.p.Browser()
	e.touch(e.password(e.begin()), forged)
	all, err := e.p.Passkeys.Passkeys(e.hers, e.alice.Subject)
	e.must(err)
	e.all(e.p.Passkeys.Rename(e.hers, e.alice.Subject, all[0].ID, "Key"), e.p.Passkeys.Remove(e.hers, e.alice.Subject, all[0].ID))
	e.b = e.p.Browser()
}

// apps are allowed, use tokens, misuse them and are disconnected.
func (e *events) apps() {
	code := e.password(e.begin()).Submit("consent-allow").URL.Query().Get("code")
	token, err := e.app.Exchange(e.Context(), code)
	e.must(err)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.RefreshToken}}
	e.send("/oauth2/token", form)
	e.send("/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {e.app.RedirectURL}})
	fresh := func() string {
		e.Helper()
		token, err := e.app.Exchange(e.Context(), e.begin().URL.Query().Get("code"))
		e.must(err)
		return token.RefreshToken
	}
	old := fresh()
	next, err := e.app.Exchange(e.Context(), e.begin().URL.Query().Get("code"))
	e.must(err)
	e.send("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old}})
	e.p.Clock.Add(2 * time.Minute)
	e.send("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old}})
	e.send("/oauth2/revoke", url.Values{"token": {next.RefreshToken}})
	fresh()
	e.must(e.desk.Disconnect(e.ctx, e.alice.Subject, "app"))
}

// send sends a form of the app's.
func (e *events) send(path string, form url.Values) {
	e.Helper()
	r, err := http.NewRequest(http.MethodPost, e.p.Issuer+path, strings.NewReader(form.Encode()))
	e.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "app/1")
	r.SetBasicAuth(e.app.ClientID, e.app.ClientSecret)
	answer, err := e.p.HTTP.Do(r)
	e.must(err)
	answer.Body.Close()
}

// signIns end, are refused and are put off.
func (e *events) signIns() {
	e.b = e.p.Browser()
	page := e.begin().Submit("login-submit", "username", "alice", "password", "wrong")
	e.password(page).Submit("consent-deny")
	policy, err := e.desk.Policy(e.ctx)
	e.must(err)
	policy.MFARequired, policy.MFAGrace = account.MFAEverybody, 48*time.Hour
	e.must(e.desk.SetPolicy(e.ctx, policy))
	e.begin().Submit("enrol-postpone")
	sessions, err := e.p.Sessions.List(e.Context(), e.alice.Subject)
	e.must(err)
	e.must(e.desk.EndSession(e.ctx, e.alice.Subject, sessions[0].ID))
	e.password(e.b.Get("/account"))
	e.b.Get("/oauth2/logout").Submit("logout-confirm")
}

// settings of the whole provider.
func (e *events) settings() {
	ctx, d, clients := e.ctx, e.desk, e.p.OAuth.Clients()
	client := func() *oauth.Client {
		e.Helper()
		c, err := clients.Get(ctx, "new")
		e.must(err)
		return c
	}
	_, _, err := d.CreateClient(ctx, "", &oauth.Client{ID: "new", Name: "New", RedirectURIs: []string{callback}, Scopes: []string{"openid"}})
	e.must(err)
	_, err = d.RotateClientSecret(ctx, "new", client().Version, time.Hour)
	e.all(err, d.EndFormerSecret(ctx, "new", client().Version), d.SetClientDisabled(ctx, "new", client().Version, true))
	e.must(d.DeleteClient(ctx, "new", client().Version))
	_, err = d.NewRegistrationToken(ctx, time.Hour, 1)
	e.must(err)
	_, err = d.MailTest(ctx)
	e.must(err)
	look, err := d.Brand(ctx)
	e.must(err)
	look.Name = "Acme"
	e.all(d.SetBrand(ctx, look, nil), d.ExportTrail(ctx, io.Discard, admin.TrailQuery{}))
	_, err = d.RotateKeys(ctx)
	e.must(err)
	keys, err := d.Keys(ctx)
	e.must(err)
	_, err = d.RetireKey(ctx, keys[0].KID, "it may be known")
	e.must(err)
	_, _, err = e.p.RotateEncryption(e.as())
	e.must(err)
}

// namesOfTests returns those of the module.
func namesOfTests(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "func Test"); ok {
				name, _, _ := strings.Cut(rest, "(")
				names = append(names, "Test"+name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
