package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/idptest"
)

// secState is somebody half-way, and what the routes are asked with.
type secState struct {
	name    string
	b       *idptest.Browser
	query   url.Values // of every request
	form    url.Values // of every POST
	account string
}

// secHalfway prepares people who must not get anything: each with a suspended request, a form token and all the right
// answers but the one that is missing.
func secHalfway(t *testing.T, s *secSite) []*secState {
	t.Helper()
	rpGroups(t, s, 0, "staff")
	var all []*secState
	prepare := func(name string, p *secPerson, b *idptest.Browser, page *idptest.Page) *secState {
		t.Helper()
		st := &secState{name: name, b: b, account: p.Username, form: url.Values{
			"form_token": {page.Attr(`input[name=form_token]`, "value")}, "username": {p.Username}, "password": {idptest.Password},
			"decision": {"allow"}, "scope": {"profile"}, "saved": {"1"}, "confirm": {"no"}, "current": {idptest.Password},
		}}
		st.query = url.Values{"request": {page.URL.Query().Get("request")}}
		if st.form.Get("form_token") == "" || st.query.Get("request") == "" {
			t.Fatalf("%s: no form or no request at %s", name, page.URL)
		}
		all = append(all, st)
		return st
	}

	sealed := s.enrolled("sealed")
	secSeal(t, sealed)
	pending, b := s.enrolled("pending"), s.Browser()
	prepare("factor pending", pending, b, secAt(t, secPassword(s.begin(b, s.app), "pending"), "/mfa"))

	passkey, b := s.person("passkey"), s.Browser()
	passkey.passkey()
	prepare("passkey pending", passkey, b, secAt(t, secPassword(s.begin(b, s.app), "passkey"), "/mfa"))

	b = s.Browser()
	page := secAt(t, secPassword(s.begin(b, s.app), "sealed"), "/mfa")
	prepare("sealed", sealed, b, page)

	enrol, b := s.person("enrol", rpIn("staff")), s.Browser()
	prepare("must enrol", enrol, b, secAt(t, secPassword(s.begin(b, s.app), "enrol"), "/account/mfa/enrol/start"))

	change, b := s.enrolled("change"), s.Browser()
	if err := s.Actions().Compromised(t.Context(), change.Subject, "a leak"); err != nil {
		t.Fatal(err)
	}
	page = secAt(t, secPassword(s.begin(b, s.app), "change"), "/mfa").Submit("mfa-submit", "code", change.code())
	prepare("must change", change, b, secAt(t, page, "/account/password"))

	disabled, b := s.enrolled("disabled"), s.Browser()
	prepare("disabled", disabled, b, secAt(t, secPassword(s.begin(b, s.app), "disabled"), "/mfa"))
	if err := s.Accounts.Disable(t.Context(), disabled.Subject); err != nil { // the flag alone: each gate has to look
		t.Fatal(err)
	}
	deleted, b := s.enrolled("deleted"), s.Browser()
	prepare("deleted", deleted, b, secAt(t, secPassword(s.begin(b, s.app), "deleted"), "/mfa"))
	if err := s.Accounts.Delete(t.Context(), deleted.Subject); err != nil {
		t.Fatal(err)
	}
	s.Clock.Add(time.Minute)
	right := map[string]*secPerson{"sealed": sealed, "disabled": disabled, "deleted": deleted}
	for _, st := range all {
		if p := right[st.name]; p != nil { // good for this step and the next
			st.form.Set("code", p.phone.Code(1))
		}
	}
	return all
}

// secSeal has somebody guess until no code of p's is looked at any more.
func secSeal(t *testing.T, p *secPerson) {
	t.Helper()
	for range 60 {
		_ = p.s.MFA.VerifyTOTP(t.Context(), p.Subject, "000000")
		p.s.Clock.Add(time.Hour + time.Second) // the wait is over when the next wrong code comes
	}
	if status, err := p.s.MFA.Status(t.Context(), p.Subject); err != nil || !status.Sealed {
		t.Fatalf("not sealed: %+v, %v", status, err)
	}
}

// ask sends the request of a route, as st, in a copy of the browser: no route sees what another has done to the cookies.
func (st *secState) ask(s *secSite, route secRoute, query url.Values) *idptest.Page {
	b := secCopy(s, st.b)
	address := strings.TrimSuffix(strings.TrimSuffix(route.path, "{$}"), "/") + "?" + query.Encode()
	if route.method == http.MethodPost {
		return b.Post(address, st.form)
	}
	r, err := http.NewRequest(route.method, s.Issuer+address, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return b.Do(r)
}

func TestSec_PW13_MF12_NoRouteForgetsTheGate(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	db := s.database()
	routes := secMustRoutes(t)
	states := secHalfway(t, s)
	again := secSnapshot(t, db, "sessions", "oauth_requests")
	watch := secWatching(t, db)
	before := secCounts(t, db)
	for _, st := range states {
		for _, route := range routes {
			for _, query := range secAsked(s, st, route) {
				page := st.ask(s, route, query)
				what := fmt.Sprintf("%s: %s %s?%s", st.name, route.method, route.path, query.Encode())
				if page.URL.Query().Has("code") || strings.Contains(page.Body, "access_token") || strings.Contains(page.Body, "id_token\"") {
					t.Errorf("%s: a code or token: %d %s", what, page.Status, page.URL)
				}
				if page.Status >= 500 {
					t.Errorf("%s: %d\n%s", what, page.Status, page.Text("main"))
				}
				if !watch.touched() {
					continue
				}
				after := secCounts(t, db)
				if after["oauth_grants"] != before["oauth_grants"] || after["factor"] > before["factor"] {
					t.Errorf("%s: grants %d → %d, sessions with a factor %d → %d", what,
						before["oauth_grants"], after["oauth_grants"], before["factor"], after["factor"])
				}
				if gone := st.name == "disabled" || st.name == "deleted"; gone && after["sessions"] > before["sessions"] {
					t.Errorf("%s: a session for somebody who is gone", what)
				}
				again() // for the next route nothing has ended
				watch.touched()
				before = secCounts(t, db)
			}
		}
	}
}

// secAsked are the queries that a route is asked with.
func secAsked(s *secSite, st *secState, route secRoute) []url.Values {
	switch {
	case route.path == "/oauth2/authorize" && route.method == http.MethodGet:
		queries := []url.Values{{"resume": st.query["request"]}}
		for _, extra := range []string{
			"", "prompt=none", "prompt=login", "prompt=consent", "prompt=select_account", "acr_values=aal1", "acr_values=aal1+aal2", "max_age=0",
			"max_age=99999", "claims=%7B%7D", "login_hint=alice", "request=" + st.query.Get("request"), "to=%2Faccount", "ui_locales=en",
			"scope=openid+offline_access", "response_mode=form_post", "response_mode=fragment", "amr=mfa", "acr=aal2", "resume=",
		} {
			begin, _ := url.Parse(secURL(s.app)) // made by x/oauth2
			query := begin.Query()
			more, _ := url.ParseQuery(extra)
			for name, values := range more {
				query[name] = values
			}
			queries = append(queries, query)
		}
		return queries
	case strings.HasPrefix(route.path, "/oauth2/"):
		return []url.Values{{}}
	}
	return []url.Values{st.query, {}, {"to": {"/account"}}, {"request": st.query["request"], "way": {"recovery"}, "make": {"1"}}}
}

func TestSec_MF15_ADemandedEnrolmentCannotBeGotAround(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	rpGroups(t, s, 0, "staff")
	s.person("alice", rpIn("staff"))
	b := s.Browser()
	secAt(t, secPassword(s.begin(b, s.app), "alice"), "/account/mfa/enrol/start")
	for _, extra := range []string{
		"", "prompt=consent", "acr_values=aal1", "acr_values=aal1+aal2", "acr_values=nonsense", "max_age=99999", `claims={"id_token":{"acr":{"value":"aal1"}}}`,
		"scope=openid", "response_mode=fragment", "response_mode=form_post", "login_hint=bob",
	} {
		name, value, _ := strings.Cut(extra, "=")
		page := s.begin(b, s.app, secParam(name, strings.ReplaceAll(value, "+", " ")))
		if page.URL.Path != "/account/mfa/enrol/start" || page.URL.Query().Has("code") {
			t.Errorf("%s: at %s", extra, page.URL)
		}
	}
	secRefused(t, s.begin(b, s.app, secParam("prompt", "none")), "interaction_required")
	// The pages in between, asked for directly, lead nowhere.
	request := secAt(t, s.begin(b, s.app), "/account/mfa/enrol/start").URL.Query().Get("request")
	for _, path := range []string{
		"/account/mfa/enrol/done?enrolment=x&", "/account/mfa/enrol/recovery?", "/account/mfa/enrol/codes?", "/account/mfa/codes?", "/mfa?", "/consent?",
		"/account/mfa/codes?make=1&", "/account/mfa/passkeys/add?", "/mfa?way=passkey&", "/mfa?way=pair&",
	} {
		if page := b.Get(path + "request=" + request); page.URL.Query().Has("code") {
			t.Errorf("%s has led to a code", path)
		}
	}
	// A half-finished enrolment does not count.
	page := secAt(t, s.begin(b, s.app), "/account/mfa/enrol/start").Submit("enrol-start")
	phone := secPhone(s, page)
	page = page.Submit("scan-next").Submit("codes-next", "code1", phone.Code(-1), "code2", phone.Code(0))
	secAt(t, page, "/account/mfa/enrol/recovery")
	secAt(t, s.begin(b, s.app), "/account/mfa/enrol/start")
}

// secWrites says which tables a GET may touch, and why.
var secWrites = map[string][]string{
	"/oauth2/authorize":           {"oauth_requests", "oauth_grants"},          // the protocol's own
	"/oauth2/logout":              {"oauth_grants"},                            // with a hint of ours: not asked here
	"/account/mfa/enrol/recovery": {"mfa_recovery_sets", "mfa_recovery_codes"}, // each load makes a pending set
	"/account/mfa/codes":          {"mfa_recovery_sets", "mfa_recovery_codes"}, // likewise
	"*":                           {"audit", "mfa_people", "account_attempts"}, // logs, and rows to wait for
}

func TestSec_SS11_NoGetChangesState(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	db := s.database()
	whole, b := s.enrolled("whole"), s.Browser()
	secGranted(t, whole.signIn(b, s.app))
	page := secAt(t, s.begin(b, s.app, secParam("prompt", "consent")), "/consent")
	st := &secState{name: "signed in", b: b, query: url.Values{"request": {page.URL.Query().Get("request")}}}
	nobody := s.Browser()
	page = s.begin(nobody, s.app)
	other := &secState{name: "nobody", b: nobody, query: url.Values{"request": {page.URL.Query().Get("request")}}}
	fresh, b := s.person("fresh"), s.Browser()
	secGranted(t, fresh.signIn(b, s.app))
	page = secAt(t, b.Get("/account/mfa"), "/account/mfa").Submit("enrol-start")
	enrolling := &secState{name: "enrolling", b: b, query: url.Values{"enrolment": {page.URL.Query().Get("enrolment")}}}

	watch := secWatching(t, db)
	for _, st := range []*secState{st, other, enrolling} {
		for _, route := range secMustRoutes(t) {
			if route.method != http.MethodGet {
				continue
			}
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				for _, query := range []url.Values{st.query, {}} {
					st.ask(s, secRoute{method, route.path}, query)
					for _, table := range watch.changed() {
						if !slices.Contains(secWrites[route.path], table) && !slices.Contains(secWrites["*"], table) {
							t.Errorf("%s: %s %s?%s has changed %s", st.name, method, route.path, query.Encode(), table)
						}
					}
				}
			}
		}
	}
}

// secOpener is what the page at a path says of the window that opened it: apps may open a sign-in in a pop-up.
func secOpener(path string) string {
	for _, part := range []string{"/oauth2/", "/login", "/mfa", "/consent", "/account/password", "/account/mfa/enrol/", "/account/mfa/codes", "/account/mfa/passkeys/"} {
		if strings.HasPrefix(path, part) && path != "/oauth2/jwks" {
			return "unsafe-none"
		}
	}
	return "same-origin"
}

func TestSec_HT02_HT03_EveryRoute(t *testing.T) {
	t.Parallel()
	s := secOpen(t, secNamed)
	p, b := s.person("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	st := &secState{b: b, form: url.Values{"form_token": {b.Get("/account/mfa").Fields("enrol-start").Get("form_token")}}}
	methods := map[string][]string{}
	for _, route := range secMustRoutes(t) {
		methods[route.path] = append(methods[route.path], route.method)
		for _, form := range []url.Values{st.form, {}} {
			st := &secState{b: b, form: form}
			page := st.ask(s, route, nil)
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": secOpener(page.URL.Path),
				"Permissions-Policy": "camera=(), geolocation=(), microphone=()",
			} {
				if got := page.Header.Get(name); got != want {
					t.Errorf("%s %s: %s is %q", route.method, route.path, name, got)
				}
			}
			html := strings.HasPrefix(page.Header.Get("Content-Type"), "text/html")
			if policy := page.Header.Get("Content-Security-Policy"); html && (!strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe")) {
				t.Errorf("%s %s: a page with the policy %q", route.method, route.path, policy)
			}
			if html && page.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: a page with Cache-Control %q", route.method, route.path, page.Header.Get("Cache-Control"))
			}
			if page.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s %s: no request id", route.method, route.path)
			}
		}
	}
	for path, allowed := range methods {
		for _, method := range []string{"PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"} {
			page := st.ask(s, secRoute{method, path}, nil)
			if page.Status != http.StatusMethodNotAllowed && page.Status != http.StatusForbidden && page.Status != http.StatusNotFound {
				t.Errorf("%s %s (%v): %d", method, path, allowed, page.Status)
			}
		}
		r, _ := http.NewRequest(http.MethodGet, s.Issuer+path, nil)
		r.Header.Set("Origin", "https://evil.example")
		origin := s.Browser().Do(r).Header.Get("Access-Control-Allow-Origin")
		public := strings.HasPrefix(path, "/.well-known/o") || path == "/oauth2/jwks"
		if origin != "" && !public {
			t.Errorf("%s may be read by a foreign page", path)
		}
	}
}
