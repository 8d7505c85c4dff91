package idp_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
	"github.com/google/go-cmp/cmp"
)

// TestRoundTripsOfTheProvider counts what the whole provider asks its database for, on the wire, with audit, consents and
// all that a grant stands on, and compares it with a file: who makes an operation dearer sees it there. `go test . -run
// RoundTrips -args -update` renews that.
func TestRoundTripsOfTheProvider(t *testing.T) {
	const golden = "testdata/roundtrips.txt"
	database, trips := dbxtest.Wire(t, dbxtest.PostgresURL(t))
	var clock idptest.Clock
	var now time.Time // once it is set time stands still: keys are looked at every second
	s := idptest.Start(t, func(c *idp.Config) {
		c.DatabaseURL, c.Now = database, func() time.Time {
			if now.IsZero() {
				return clock.Now()
			}
			return now
		}
	})
	s.Clock = &clock
	s.AddUser("alice")
	bob := s.Person("bob")
	now = clock.Now()
	bob.Phone.Clock = func() time.Time { return now }
	const callback = "https://app.example/callback"
	uris := []string{callback}
	app := &relying{TB: t, s: s, browser: s.Browser(), clients: map[string]*idptest.Client{"app": bob.App}, now: &now, bob: bob}
	for _, c := range []oauth.Client{
		{ID: "asked", RedirectURIs: uris, AuthMethod: "none"},
		{ID: "hears", RedirectURIs: uris, BackchannelLogoutURI: callback},
		{ID: "opaque", RedirectURIs: uris, AccessToken: "opaque"},
		{ID: "machine", GrantTypes: []string{"client_credentials"}, RedirectURIs: uris, Scopes: []string{"read"}},
	} {
		app.clients[c.ID] = s.AddClient(c)
	}
	app.signIn()

	var text strings.Builder
	for _, op := range app.operations() {
		var best []string
		for n := range 8 { // the first ones prepare statements; a slow one reads the client once more
			subject := op.prepare()
			trips.Reset()
			op.do(subject)
			if got := trips.All(); n > 1 && (best == nil || len(got) < len(best)) {
				best = got
			}
		}
		fmt.Fprintf(&text, "%s: %d\n", op.name, len(best))
		for _, trip := range best {
			fmt.Fprintf(&text, "\t%s\n", outline(trip))
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("round trips (-%s +now):\n%s", golden, diff)
	}
}

var update = flag.Bool("update", false, "write golden files")

// outline returns the verb of a statement and its tables.
func outline(statement string) string {
	verb, _, _ := strings.Cut(statement, " ")
	var tables []string
	for _, found := range tableNames.FindAllStringSubmatch(statement, -1) {
		if !slices.Contains(tables, found[1]) && !ownNames.MatchString(found[1]) {
			tables = append(tables, found[1])
		}
	}
	slices.Sort(tables)
	return strings.Join(append([]string{verb}, tables...), " ")
}

var tableNames = regexp.MustCompile(`\b(?:FROM|INTO|JOIN|UPDATE) (\w+)`)

// ownNames are no tables, but what statements that do several things at once call their parts.
var ownNames = regexp.MustCompile(`^(ahead|part\d+|SET)$`)

// relying is a relying party with a person in a browser.
type relying struct {
	testing.TB
	s       *idptest.Server
	browser *idptest.Browser
	clients map[string]*idptest.Client
	now     *time.Time
	bob     *idptest.Person // who has an authenticator app
	page    *idptest.Page   // where a sign-in of his is
}

type providerOperation struct {
	name    string
	prepare func() string
	do      func(string)
}

func (r *relying) operations() []providerOperation {
	code := func(id string) func() string { return func() string { return r.authorize(id) } }
	token := func(id, name string) func() string {
		return func() string { return r.exchange(id, r.authorize(id))[name].(string) }
	}
	none := func() string { return "" }
	return []providerOperation{
		{"client credentials", none, func(string) { r.token("machine", "grant_type", "client_credentials") }},
		{"authorize, signed in", none, func(string) { r.authorize("app") }},
		{"authorize, signed in, consent given before", none, func(string) { r.authorize("asked") }},
		{"authorize, signed in, client that hears of logouts", none, func(string) { r.authorize("hears") }},
		{"exchange", code("app"), func(code string) { r.exchange("app", code) }},
		{"exchange, client that asks for consent", code("asked"), func(code string) { r.exchange("asked", code) }},
		{"exchange, opaque access token", code("opaque"), func(code string) { r.exchange("opaque", code) }},
		{"refresh", token("app", "refresh_token"), func(t string) { r.token("app", "grant_type", "refresh_token", "refresh_token", t) }},
		{"refresh, client that asks for consent", token("asked", "refresh_token"),
			func(t string) { r.token("asked", "grant_type", "refresh_token", "refresh_token", t) }},
		{"introspection", token("app", "access_token"), func(t string) { r.post("app", "/oauth2/introspect", "token", t) }},
		{"userinfo", token("app", "access_token"), r.userinfo},
		{"sign-in, the page", none, func(string) { r.page = r.s.Browser().Get(r.address("app")) }},
		{"sign-in, the password", r.begin, func(string) { r.give("login-submit", "username", "bob", "password", idptest.Password) }},
		{"sign-in, the code", r.gavePassword, func(string) { r.give("mfa-submit", "code", r.bob.Phone.Code(0)) }},
		{"revocation", token("app", "refresh_token"), func(t string) { r.post("app", "/oauth2/revoke", "token", t) }},
	}
}

const proofKey = "0123456789012345678901234567890123456789abc"

// signIn signs alice in, who lets every client have what it asks for.
func (r *relying) signIn() {
	r.Helper()
	page := r.browser.Get(r.address("app")).Submit("login-submit", "username", "alice", "password", idptest.Password)
	if page.URL.Query().Get("code") == "" {
		r.Fatalf("%d %s", page.Status, page.URL)
	}
	if page = r.browser.Get(r.address("asked")).Submit("consent-allow"); page.URL.Query().Get("code") == "" {
		r.Fatalf("%d %s", page.Status, page.URL)
	}
}

// begin begins a sign-in at a new browser, when another code is due.
func (r *relying) begin() string {
	r.Helper()
	*r.now = r.now.Add(time.Minute)
	r.exchange("app", r.authorize("app")) // what is kept of the database is looked at again
	r.page = r.s.Browser().Get(r.address("app"))
	return ""
}

func (r *relying) gavePassword() string {
	r.Helper()
	r.begin()
	r.give("login-submit", "username", "bob", "password", idptest.Password)
	return ""
}

func (r *relying) give(button string, pairs ...string) {
	r.Helper()
	if r.page = r.page.Submit(button, pairs...); r.page.Status >= http.StatusBadRequest {
		r.Fatalf("%d %s", r.page.Status, r.page.URL)
	}
}

func (r *relying) address(id string) string {
	c := r.clients[id]
	return r.s.Issuer + "/oauth2/authorize?" + url.Values{
		"client_id": {id}, "redirect_uri": {c.RedirectURL}, "response_type": {"code"}, "scope": {"openid offline_access"},
		"code_challenge": {"DksyTyvjKJMTgEpPXzLiaCJ1P325hYFdr6STK5uo-WM"}, "code_challenge_method": {"S256"},
	}.Encode()
}

// authorize returns a code for the client id.
func (r *relying) authorize(id string) string {
	r.Helper()
	page := r.browser.Get(r.address(id))
	code := page.URL.Query().Get("code")
	if code == "" {
		r.Fatalf("%d %s", page.Status, page.URL)
	}
	return code
}

func (r *relying) exchange(id, code string) map[string]any {
	r.Helper()
	return r.token(id, "grant_type", "authorization_code", "code", code, "redirect_uri", r.clients[id].RedirectURL,
		"code_verifier", proofKey)
}

func (r *relying) token(id string, pairs ...string) map[string]any {
	r.Helper()
	return r.post(id, "/oauth2/token", pairs...)
}

// post sends a form of the client id.
func (r *relying) post(id, path string, pairs ...string) map[string]any {
	r.Helper()
	c, form := r.clients[id], url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	if c.ClientSecret == "" {
		form.Set("client_id", id)
	}
	request, _ := http.NewRequest(http.MethodPost, r.s.Issuer+path, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.ClientSecret != "" {
		request.SetBasicAuth(id, c.ClientSecret)
	}
	return r.send(request)
}

func (r *relying) userinfo(token string) {
	r.Helper()
	request, _ := http.NewRequest(http.MethodGet, r.s.Issuer+"/oauth2/userinfo", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	r.send(request)
}

// send returns the answer, which must be a good one.
func (r *relying) send(request *http.Request) (answer map[string]any) {
	r.Helper()
	response, err := r.s.HTTP.Do(request)
	if err != nil {
		r.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		r.Fatalf("%s: %d %s", request.URL.Path, response.StatusCode, body)
	}
	json.Unmarshal(body, &answer) // a revocation has none
	return answer
}
