package replicas

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/oauth"
)

// within is how soon all replicas know what one has changed: a request that begins later meets the change.
const within = 2 * time.Second

// seen makes a change that no replica knows of yet, and fails the test when a request that begins later than within after it
// is answered as if there had been none.
func (f *fleet) seen(what string, change func(), known func(origin string) bool) {
	f.t.Helper()
	for _, r := range f.each { // all remember how it was
		if known(r.origin) {
			f.t.Fatalf("%s: known before it was done", what)
		}
	}
	change()
	done := time.Now()
	for _, r := range f.each {
		for begun := time.Now(); !known(r.origin); begun = time.Now() {
			if begun.Sub(done) > within {
				f.t.Errorf("%s: not seen by %s", what, r.origin)
				break
			}
		}
	}
}

// What is changed by a command, by the API at one replica or in the database by another provider is known to all.
func TestChangesAreSeenEverywhere(t *testing.T) {
	t.Parallel()
	f := start(t, plan{processes: 3})
	jobs := f.client("jobs", func(c *oauth.Client) { c.GrantTypes, c.Scopes = []string{"client_credentials"}, []string{"run"} })
	issue := func(origin string) answer {
		a, err := f.call(origin, "/oauth2/token", jobs, "grant_type", "client_credentials")
		if err != nil || a.status >= 500 {
			t.Fatal(a.status, err)
		}
		return a
	}
	kid := func(origin string) string {
		raw, _ := base64.RawURLEncoding.DecodeString(strings.Split(issue(origin).json("access_token"), ".")[0])
		var header struct{ Kid string }
		if err := json.Unmarshal(raw, &header); err != nil || header.Kid == "" {
			t.Fatal("no key in the header of an access token", err)
		}
		return header.Kid
	}

	published := f.published(f.at(0))
	f.seen("new signing keys", func() { f.idp("", "key", "rotate") }, func(origin string) bool {
		return len(f.published(origin)) > len(published)
	})
	old := kid(f.at(0))
	f.seen("a revoked signing key", func() { f.idp("", "key", "retire", old) }, func(origin string) bool {
		return !slices.Contains(f.published(origin), old) && kid(origin) != old
	})

	desk := f.Machine("desk", "idp.clients.read", "idp.clients.write").Token("")
	ask := func(method, path, tag string) (etag string) {
		r, err := http.NewRequest(method, f.at(1)+"/api/v1/clients/jobs"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+desk)
		r.Header.Set("If-Match", tag)
		a, err := f.do(r)
		if err != nil || a.status/100 != 2 {
			t.Fatalf("%s: %d %s %v", path, a.status, a.body, err)
		}
		return a.header.Get("ETag")
	}
	do := func(path string) func() {
		return func() {
			ask(http.MethodPost, path, ask(http.MethodGet, "", ""))
		}
	}
	f.seen("a client that is off", do("/disable"), func(origin string) bool { return issue(origin).status == http.StatusUnauthorized })
	f.seen("a client that is on", do("/enable"), func(origin string) bool { return issue(origin).status == http.StatusOK })

	staff := f.AddUser("alice")
	f.client("web")
	at := func(redirect string) func(origin string) bool { // whether an app may send people there
		b := f.tab(staff.Subject)
		query := url.Values{"client_id": {"web"}, "response_type": {"code"}, "redirect_uri": {redirect}, "scope": {"openid"}, "state": {"12345678"}}
		return func(origin string) bool {
			a, err := b.get(origin, "/oauth2/authorize?"+query.Encode())
			if err != nil {
				t.Fatal(err)
			}
			return strings.HasPrefix(a.location, redirect)
		}
	}
	const moved = "https://app.example/moved"
	before, after := at(callback), at(moved)
	edit := func() {
		c, err := f.OAuth.Clients().Get(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		changed := *c
		changed.RedirectURIs = []string{moved}
		if err := f.OAuth.Clients().Update(t.Context(), &changed); err != nil {
			t.Fatal(err)
		}
	}
	f.seen("another redirect URI", edit, func(origin string) bool { return after(origin) && !before(origin) })

	f.seen("a policy", func() {
		f.idp("groups: [{name: staff}]\nusers: [{username: alice, email: alice@example.com, groups: [staff]}]\npolicy: {mfa_required_groups: [staff], mfa_grace: 0s}", "apply", "-f", "-")
	}, func(origin string) bool { return !after(origin) })

	bob := f.AddUser("bob", func(a *account.NewAccount) { a.Email = "bob@example.org" })
	b := f.tab(bob.Subject)
	f.seen("somebody who is disabled", func() { f.idp("", "user", "disable", "bob") }, func(origin string) bool {
		a, err := b.get(origin, "/account")
		if err != nil {
			t.Fatal(err)
		}
		return a.status == http.StatusSeeOther
	})
}

// published returns the keys that a replica tells everybody of.
func (f *fleet) published(origin string) (kids []string) {
	f.t.Helper()
	r, err := http.NewRequest(http.MethodGet, origin+"/oauth2/jwks", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	a, err := f.do(r)
	var set struct{ Keys []struct{ Kid string } }
	if err == nil {
		err = json.Unmarshal(a.body, &set)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	for _, k := range set.Keys {
		kids = append(kids, k.Kid)
	}
	return kids
}
