package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/console"
	"github.com/focushq/idp/idptest"
)

// Who may open a route, as the letters of those who may: a administrator, h help desk, r auditor (who reads); f where the proof
// must be fresh. It says so apart from the routes' own table, so that a slip there is seen.
var matrix = map[string]string{
	"GET /admin": "ahr",

	"GET /admin/first": "af", "POST /admin/first": "af", "GET /admin/first/{client}": "a",

	"GET /admin/people": "ahr", "GET /admin/people/{subject}": "ahr",
	"GET /admin/people/bulk": "ahf", "POST /admin/people/bulk": "ahf",
	"GET /admin/people/export": "af", "POST /admin/people/export": "af",
	"GET /admin/people/new": "ahf", "POST /admin/people": "ahf",
	"GET /admin/people/import": "af", "POST /admin/people/import": "af", "POST /admin/people/import/run": "af", "GET /admin/people/import/template": "a",
	"GET /admin/people/{subject}/edit": "ah", "POST /admin/people/{subject}/edit": "ah",
	"GET /admin/people/{subject}/invite": "ahf", "POST /admin/people/{subject}/invite": "ahf",
	"GET /admin/people/{subject}/reset-password": "ahf", "POST /admin/people/{subject}/reset-password": "ahf",
	"GET /admin/people/{subject}/compromised": "ahf", "POST /admin/people/{subject}/compromised": "ahf",
	"GET /admin/people/{subject}/reset-mfa": "ahf", "POST /admin/people/{subject}/reset-mfa": "ahf",
	"GET /admin/people/{subject}/unseal": "ahf", "POST /admin/people/{subject}/unseal": "ahf",
	"GET /admin/people/{subject}/end-session": "ahf", "POST /admin/people/{subject}/end-session": "ahf",
	"GET /admin/people/{subject}/end-sessions": "ahf", "POST /admin/people/{subject}/end-sessions": "ahf",
	"GET /admin/people/{subject}/forget-device": "ahf", "POST /admin/people/{subject}/forget-device": "ahf",
	"GET /admin/people/{subject}/forget-devices": "ahf", "POST /admin/people/{subject}/forget-devices": "ahf",
	"GET /admin/people/{subject}/disconnect": "ahf", "POST /admin/people/{subject}/disconnect": "ahf",
	"GET /admin/people/{subject}/role": "af", "POST /admin/people/{subject}/role": "af",
	"GET /admin/people/{subject}/disable": "ahf", "POST /admin/people/{subject}/disable": "ahf",
	"GET /admin/people/{subject}/enable": "ahf", "POST /admin/people/{subject}/enable": "ahf",
	"GET /admin/people/{subject}/delete": "af", "POST /admin/people/{subject}/delete": "af",

	"GET /admin/groups": "ahr", "GET /admin/groups/one": "ahr",
	"GET /admin/groups/new": "a", "POST /admin/groups": "a", "POST /admin/groups/describe": "a",
	"POST /admin/groups/add": "a", "POST /admin/groups/remove": "a",
	"GET /admin/groups/delete": "af", "POST /admin/groups/delete": "af",
	"GET /admin/policy": "ar", "POST /admin/policy/preview": "a", "POST /admin/policy": "af",
	"GET /admin/keys": "ar", "GET /admin/keys/rotate": "af", "POST /admin/keys/rotate": "af",
	"GET /admin/keys/{kid}/retire": "af", "POST /admin/keys/{kid}/retire": "af",
	"GET /admin/branding": "ar", "POST /admin/branding": "af",
	"GET /admin/mail": "ar", "POST /admin/mail/test": "a",
	"GET /admin/audit": "ar", "GET /admin/audit/{id}": "ahr", "POST /admin/audit/export": "arf", "POST /admin/audit/verify": "ar",
	"GET /admin/clients": "ar", "GET /admin/new-client": "a", "POST /admin/new-client": "af",
	"GET /admin/clients/{client}": "ar", "GET /admin/clients/{client}/edit": "a", "POST /admin/clients/{client}/edit": "af",
	"GET /admin/clients/{client}/preview":       "ar",
	"GET /admin/clients/{client}/rotate-secret": "af", "POST /admin/clients/{client}/rotate-secret": "af",
	"GET /admin/clients/{client}/end-former-secret": "af", "POST /admin/clients/{client}/end-former-secret": "af",
	"GET /admin/clients/{client}/disable": "af", "POST /admin/clients/{client}/disable": "af",
	"GET /admin/clients/{client}/enable": "af", "POST /admin/clients/{client}/enable": "af",
	"GET /admin/clients/{client}/delete": "af", "POST /admin/clients/{client}/delete": "af",
}

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

// TestSec_AD01_EveryRouteEveryRoleEveryAssurance opens each route of the console as each visitor. Ids in paths are nobody's, so that
// whoever may is told that nothing is there, and nothing happens.
func TestSec_AD01_EveryRouteEveryRoleEveryAssurance(t *testing.T) {
	p := idptest.Start(t)
	staff := map[string]*idptest.Person{
		"a": p.Staff("root", account.Administrator), "h": p.Staff("help", account.HelpDesk), "r": p.Staff("reader", account.Auditor),
	}
	anonymous := &idptest.Person{Browser: p.Browser()}
	user := p.Person("alice")
	once := p.Staff("once", account.Administrator) // signed in by password alone
	once.Browser = p.Browser()
	once.Browser.Get("/account/password").Submit("login-submit", "username", "once", "password", idptest.Password)
	for letter, who := range staff { // all proofs are of this moment
		if page := who.Enter("/admin/login?to=/admin"); at(page) != "/admin" {
			t.Fatalf("%s is at %s", letter, page.URL)
		}
	}
	routes := console.Routes()
	for pattern := range matrix {
		if !slices.ContainsFunc(routes, func(r console.Route) bool { return r.Pattern == pattern }) {
			t.Errorf("the matrix has %s, which is no route", pattern)
		}
	}
	each := func(when string, fresh bool) {
		for _, route := range routes {
			row, ok := matrix[route.Pattern]
			if !ok {
				t.Fatalf("%s has no row in the matrix", route.Pattern)
			}
			if strings.Contains(row, "f") != route.Fresh {
				t.Errorf("%s: fresh is %v", route.Pattern, route.Fresh)
			}
			for letter, who := range staff {
				want := "refused"
				if strings.Contains(row, letter) {
					want = "open"
				}
				if route.Fresh && !fresh {
					want = "prove"
				}
				if got := outcome(t, who, route.Pattern); got != want {
					t.Errorf("%s, %s: %s is %s, not %s", when, letter, route.Pattern, got, want)
				}
			}
		}
	}
	outside := func(when string, who *idptest.Person) {
		for _, route := range routes {
			if got := outcome(t, who, route.Pattern); got == "open" {
				t.Errorf("%s: %s is %s", when, route.Pattern, got)
			}
		}
	}
	each("just proved", true)
	outside("anonymous", anonymous)
	outside("a person on a remembered device", user)
	outside("an administrator by password alone", once)
	p.Clock.Add(11 * time.Minute)
	each("proved eleven minutes ago", false)
	for range 2 {
		p.Clock.Add(25 * time.Minute)
		for _, who := range staff {
			who.Browser.Get("/admin")
		}
	}
	for letter, who := range staff {
		outside("an hour later, "+letter, who)
	}
}

// outcome is what comes of a request: open, refused (the role does not allow it), or prove (both factors are wanted first).
func outcome(t *testing.T, who *idptest.Person, pattern string) string {
	t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	path = strings.TrimSuffix(wildcard.ReplaceAllString(path, "nobody"), "{$}")
	var page *idptest.Page
	if method == http.MethodGet {
		page = who.Browser.Get(path)
		if page.Status == http.StatusOK && at(page) != strings.SplitN(path, "?", 2)[0] && !page.Has("body.console") && page.Header.Get("Content-Disposition") == "" {
			return "prove"
		}
	} else {
		token := who.Browser.Get("/account/password").Attr("input[name=form_token]", "value")
		page = who.Browser.Post(path, url.Values{"form_token": {token}})
	}
	switch {
	case page.Has("#kept-send"), page.URL.Path == "/login" || page.URL.Path == "/mfa":
		return "prove"
	case page.Status == http.StatusForbidden:
		return "refused"
	case page.Status >= 500:
		t.Errorf("%s: %d", pattern, page.Status)
	}
	return "open"
}
