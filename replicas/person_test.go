package replicas

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

const (
	callback = "https://app.example/callback" // where a browser leaves the provider
	verifier = "a-verifier-that-is-long-enough-for-PKCE" + "-0123456789"
)

// person is somebody with an authenticator app and recovery codes.
type person struct {
	*account.Account
	f     *fleet
	phone *mfatest.Phone
	codes []string
}

// enrolled makes somebody whose app has shown no code of this hour yet.
func (f *fleet) enrolled(name string) *person {
	f.t.Helper()
	p := &person{Account: f.AddUser(name), f: f}
	f.Clock.Add(-time.Hour)
	defer f.Clock.Add(time.Hour)
	ctx, owner := f.t.Context(), mfa.Owner{Subject: p.Subject, Session: "elsewhere"}
	e, err := f.MFA.Enroll(ctx, owner, p.Email)
	if err != nil {
		f.t.Fatal(err)
	}
	p.phone = &mfatest.Phone{Key: e.Key, Clock: f.Clock.Now}
	if _, err = f.MFA.VerifyEnrollment(ctx, owner, e.ID, p.phone.Code(-1), p.phone.Code(0)); err != nil {
		f.t.Fatal(err)
	}
	var set string
	if p.codes, set, err = f.MFA.NewRecoveryCodes(ctx, owner, e.ID); err == nil {
		_, err = f.MFA.Confirm(ctx, owner, e.ID, set)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// tab is a browser of somebody whose password was given: its cookies and its form token.
type tab struct {
	f       *fleet
	cookies []*http.Cookie
	token   string
}

// tab returns one for somebody.
func (f *fleet) tab(subject string) tab {
	f.t.Helper()
	r, w := httptest.NewRequest(http.MethodGet, f.Issuer+"/", nil), httptest.NewRecorder()
	if _, err := f.Sessions.Start(w, r, subject, mfa.AMR(mfa.Password)); err != nil {
		f.t.Fatal(err)
	}
	out := tab{f: f}
	for _, c := range w.Result().Cookies() {
		if c.MaxAge >= 0 {
			out.cookies = append(out.cookies, c)
			r.AddCookie(c)
		}
	}
	out.token = f.Sessions.FormToken(httptest.NewRecorder(), r)
	return out
}

// tabs returns n of them.
func (f *fleet) tabs(n int, subject string) (all []tab) {
	f.t.Helper()
	for range n {
		all = append(all, f.tab(subject))
	}
	return all
}

// answer is what a replica said.
type answer struct {
	status   int
	location string
	header   http.Header
	body     []byte
}

// json returns a field of the answer, "" when there is none.
func (a answer) json(field string) string {
	var fields map[string]any
	_ = json.Unmarshal(a.body, &fields)
	text, _ := fields[field].(string)
	return text
}

// do sends a request and reads the answer. It follows nothing.
func (f *fleet) do(r *http.Request) (answer, error) {
	response, err := f.requests.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header.Get("Location"), response.Header, body}, err
}

// get opens a page of a replica in the tab.
func (b tab) get(origin, path string) (answer, error) {
	r, err := http.NewRequest(http.MethodGet, origin+path, nil)
	if err != nil {
		return answer{}, err
	}
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	return b.f.do(r)
}

// post sends a form to a replica from the tab. Whoever a busy server turns away tries again, as its page says.
func (b tab) post(origin, path string, form url.Values) (a answer, err error) {
	form.Set("form_token", b.token)
	for range 50 {
		r, err := http.NewRequest(http.MethodPost, origin+path, strings.NewReader(form.Encode()))
		if err != nil {
			return answer{}, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range b.cookies {
			r.AddCookie(c)
		}
		if a, err = b.f.do(r); err != nil || a.status != http.StatusServiceUnavailable {
			return a, err
		}
	}
	return a, err
}

// call sends a form as a client does, by its secret where it has one. Pairs are names and values.
func (f *fleet) call(origin, path string, c *idptest.Client, pairs ...string) (answer, error) {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	if c != nil && c.ClientSecret == "" {
		form.Set("client_id", c.ClientID)
	}
	r, err := http.NewRequest(http.MethodPost, origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c != nil && c.ClientSecret != "" {
		r.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.ClientSecret))
	}
	return f.do(r)
}

// must is call, which has to succeed.
func (f *fleet) must(origin, path string, c *idptest.Client, pairs ...string) answer {
	f.t.Helper()
	a, err := f.call(origin, path, c, pairs...)
	if err != nil || a.status/100 != 2 {
		f.t.Fatalf("%s: %d %s %v", path, a.status, a.body, err)
	}
	return a
}

// link is where a client sends people, with PKCE.
func link(c *idptest.Client) string {
	return c.AuthCodeURL("state-of-"+c.ClientID, oauth2.S256ChallengeOption(verifier))
}

// granted returns the code that the browser has brought to the app.
func granted(t testing.TB, page *idptest.Page) string {
	t.Helper()
	code := page.URL.Query().Get("code")
	if page.URL.Host != "app.example" || code == "" {
		t.Fatalf("at %s (%d), not back at the app with a code: %s", page.URL, page.Status, page.Text("main"))
	}
	return code
}

// at fails unless the page is one of ours at that path.
func at(t testing.TB, page *idptest.Page, path string) *idptest.Page {
	t.Helper()
	if page.URL.Path != path || page.URL.Host == "app.example" {
		t.Fatalf("at %s (%d), want %s: %s", page.URL, page.Status, path, page.Text("main"))
	}
	return page
}

// codeIn has the tab ask a replica for an authorization code.
func (b tab) codeIn(origin string, c *idptest.Client) string {
	b.f.t.Helper()
	u, _ := url.Parse(link(c))
	a, err := b.get(origin, u.RequestURI())
	if err != nil {
		b.f.t.Fatal(err)
	}
	to, _ := url.Parse(a.location)
	if to == nil || to.Query().Get("code") == "" {
		b.f.t.Fatalf("no code: %d to %q", a.status, a.location)
	}
	return to.Query().Get("code")
}
