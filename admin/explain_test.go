package admin_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/admin"
	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
	"github.com/focushq/idp/mfa/mfatest"
	"github.com/focushq/idp/oauth"
)

// walk is a sign-in of alice's at the client "app".
type walk struct {
	*testing.T
	p     *idptest.Server
	alice *account.Account
	app   *idptest.Client
	b     *idptest.Browser
	phone mfatest.Phone
	codes []string
}

func newWalk(t *testing.T, edit ...func(*oauth.Client)) *walk {
	t.Helper()
	p := idptest.Start(t, func(c *idp.Config) { // passkeys need a name
		c.PublicURL = strings.Replace(c.PublicURL, "127.0.0.1", "localhost", 1)
	})
	p.Issuer = strings.Replace(p.Issuer, "127.0.0.1", "localhost", 1)
	c := oauth.Client{ID: "app", RedirectURIs: []string{"https://app.example/callback"}}
	for _, change := range edit {
		change(&c)
	}
	return &walk{T: t, p: p, alice: p.AddUser("alice"), app: p.AddClient(c), b: p.Browser()}
}

func (w *walk) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *walk) owner() mfa.Owner { return mfa.Owner{Subject: w.alice.Subject, Session: "elsewhere"} }

// enrol gives alice an authenticator app and recovery codes, without pages.
func (w *walk) enrol() {
	w.Helper()
	ctx := w.Context()
	e, err := w.p.MFA.Enroll(ctx, w.owner(), "alice")
	w.must(err)
	w.phone = mfatest.Phone{Key: e.Key, Clock: w.p.Clock.Now}
	_, err = w.p.MFA.VerifyEnrollment(ctx, w.owner(), e.ID, w.phone.Code(-1), w.phone.Code(0))
	w.must(err)
	codes, set, err := w.p.MFA.NewRecoveryCodes(ctx, w.owner(), e.ID)
	w.must(err)
	_, err = w.p.MFA.Confirm(ctx, w.owner(), e.ID, set)
	w.must(err)
	w.codes = codes
	w.p.Clock.Add(time.Minute)
}

// passkey gives alice a passkey.
func (w *walk) passkey() *passkeytest.Device {
	w.Helper()
	d := passkeytest.New(w, w.p.Issuer)
	options, ceremony, err := w.p.Passkeys.BeginAdd(w.Context(), w.owner(), "alice")
	w.must(err)
	_, err = w.p.Passkeys.FinishAdd(w.Context(), w.owner(), ceremony, "", d.Create(options))
	w.must(err)
	_, set, err := w.p.MFA.NewRecoveryCodes(w.Context(), w.owner(), "")
	w.must(err)
	w.must(w.p.MFA.ConfirmRecoveryCodes(w.Context(), w.owner(), set))
	return d
}

// touch answers the form of page that wants a passkey.
func (w *walk) touch(page *idptest.Page, d *passkeytest.Device) *idptest.Page {
	w.Helper()
	button := page.Attr("form[data-passkey] button", "id")
	answer := w.b.Post(page.Attr("form[data-passkey]", "data-options"), page.Fields(button))
	var got struct {
		Ceremony string
		Options  json.RawMessage
	}
	w.must(json.Unmarshal([]byte(answer.Body), &got))
	return page.Submit(button, "ceremony", got.Ceremony, "response", string(d.Get(got.Options)))
}

func (w *walk) begin(pairs ...string) *idptest.Page {
	w.Helper()
	var options []oauth2.AuthCodeOption
	for i := 0; i+1 < len(pairs); i += 2 {
		options = append(options, oauth2.SetAuthURLParam(pairs[i], pairs[i+1]))
	}
	return w.b.Get(w.app.AuthCodeURL("s", options...))
}

func (w *walk) password(page *idptest.Page) *idptest.Page {
	w.Helper()
	if page.Has("#username") {
		return page.Submit("login-submit", "username", "alice", "password", idptest.Password)
	}
	return page.Submit("login-submit", "password", idptest.Password)
}

func (w *walk) code(page *idptest.Page, pairs ...string) *idptest.Page {
	w.Helper()
	return page.Submit("mfa-submit", append([]string{"code", w.phone.Code(0)}, pairs...)...)
}

func (w *walk) policy(p account.Policy) {
	w.Helper()
	w.must(w.p.Accounts.SetPolicy(w.Context(), p))
}

// newest returns the last entry with that action, or one of an app's answer where it is "".
func (w *walk) newest(action string) audit.Entry {
	w.Helper()
	entries, err := w.p.Audit.List(w.Context(), audit.Filter{})
	w.must(err)
	for _, e := range entries {
		if e.Action == action || action == "" && (e.Action == oauth.EventAuthorized || e.Action == oauth.EventAuthorizationRefused) {
			return e
		}
	}
	w.Fatalf("no %q on record", action)
	return audit.Entry{}
}

func (w *walk) explain(action string) admin.Explanation {
	w.Helper()
	entries, err := w.p.Actions().SignIn(w.Context(), w.newest(action).ID)
	w.must(err)
	return admin.Explain(entries)
}

// story is what an explanation says, by the ids of its sentences without their first part.
func story(x admin.Explanation) string {
	var lines []string
	group := func(title string, sentences []admin.Sentence) {
		var ids []string
		for _, s := range sentences {
			ids = append(ids, strings.TrimPrefix(s.ID, "explain."))
		}
		lines = append(lines, strings.TrimSpace(title+": "+strings.Join(ids, " ")))
	}
	group("asked", x.Asked)
	group("rules", x.Rules)
	group("had", x.Had)
	for _, step := range x.Steps {
		group(strings.TrimPrefix(step.What.ID, "explain."), step.Why)
	}
	return strings.Join(append(lines, "end: "+strings.TrimPrefix(x.Outcome.ID, "explain.")), "\n")
}

// Each row of what a token may say of a sign-in, and each step, is explained by what was recorded while it went on.
func TestExplainSignIns(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/explain.txt")
	if err != nil {
		t.Fatal(err)
	}
	stories := map[string]string{}
	for _, part := range strings.Split(string(text), "\n== ")[1:] {
		name, want, _ := strings.Cut(part, "\n")
		stories[name] = strings.TrimSpace(want)
	}
	if len(stories) != len(signIns) {
		t.Errorf("%d stories of %d sign-ins", len(stories), len(signIns))
	}
	for _, row := range signIns {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWalk(t, func(c *oauth.Client) {
				if row.client != nil {
					row.client(c)
				}
			})
			row.walk(w)
			x := w.explain(row.event)
			if diff := cmp.Diff(stories[row.name], story(x)); diff != "" {
				t.Errorf("-want +got\n%s\nin words:\n%s", diff, x)
			}
			if text := x.String(); strings.Contains(text, "explain.") || strings.Contains(text, "<no value>") {
				t.Errorf("unfinished words:\n%s", text)
			}
			if row.amr != "" {
				e := w.newest("")
				if got := e.Detail["amr"] + "; " + e.Detail["acr"]; got != row.amr {
					t.Errorf("on record: %s, want %s", got, row.amr)
				}
			}
			if x.Subject != w.alice.Subject {
				t.Errorf("subject %q", x.Subject)
			}
		})
	}
}

// An explanation is of one sign-in: another one beside it, in the same browser and at the same app, is none of its business.
func TestExplainKeepsSignInsApart(t *testing.T) {
	t.Parallel()
	w := newWalk(t)
	first := w.begin()
	second := w.begin("prompt", "login")
	w.password(second)
	mine := w.explain("")
	w.b.Get(first.URL.String()) // the other tab
	page := w.b.Get(oauth.ResumeURL(first.URL.Query().Get("request")))
	if page.URL.Query().Get("code") == "" {
		t.Fatal(page.URL)
	}
	if got := story(w.explain("")); strings.Contains(got, "asked.login") {
		t.Errorf("it has the other one's request:\n%s", got)
	}
	if got := story(mine); !strings.Contains(got, "asked.login") || len(mine.Steps) != 2 {
		t.Errorf("%s", got)
	}
}

// The machine's form has each sentence in words, and no secret: neither the request's handle nor a cookie, code or password.
func TestExplanationsForPrograms(t *testing.T) {
	t.Parallel()
	w := newWalk(t)
	w.enrol()
	page := w.password(w.begin("acr_values", "aal2", "nonce", "not-for-the-trail"))
	handle, code := page.URL.Query().Get("request"), w.phone.Code(0)
	w.code(page)
	text, err := json.Marshal(w.explain(""))
	w.must(err)
	var x struct {
		Steps []struct {
			What struct{ Text string }
			Why  []struct{ ID, Text string }
		}
	}
	w.must(json.Unmarshal(text, &x))
	if len(x.Steps) != 5 || x.Steps[1].What.Text != "The second factor was asked for." || x.Steps[1].Why[0].Text != "The app asked for the level aal2." {
		t.Errorf("%s", text)
	}
	for _, secret := range []string{handle, code, idptest.Password, "not-for-the-trail"} {
		entries, err := w.p.Audit.List(t.Context(), audit.Filter{Subject: w.alice.Subject})
		w.must(err)
		for _, e := range entries {
			line, _ := json.Marshal(e)
			if bytes.Contains(line, []byte(secret)) && secret != code || slices.Contains([]string{e.Result, e.Detail["code"]}, code) {
				t.Errorf("%s holds %q", line, secret)
			}
		}
	}
}

// What is no sign-in is not explained as one, and unknown words of another release are shown as they are.
func TestExplainWhatIsUnknown(t *testing.T) {
	if admin.Explains(audit.Entry{Event: audit.Event{Action: "account.created"}}) {
		t.Error("an account that is created is a sign-in")
	}
	e := audit.Entry{Event: audit.Event{
		Action: "oauth.authorized", Detail: map[string]string{"step": "sing", "rule": "choir", "client_mfa": "x", "prompt": "y", "device": "z", "policy": "p"},
	}}
	x := admin.Explain([]audit.Entry{e, {Event: audit.Event{Action: "sign_in", Result: "by song"}}})
	if got := x.Steps[1].What.String(); got != "sign_in by song" && x.Steps[0].What.String() != "sign_in by song" {
		t.Errorf("%s", x)
	}
	if strings.Contains(x.String(), "explain.") {
		t.Errorf("%s", x)
	}
	if empty := admin.Explain(nil); empty.Outcome.ID != "explain.outcome.open" {
		t.Error(empty)
	}
}
