package oauth_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

// last returns the newest problem of a client, a moment after which the next one may be kept.
func (w *world) last(client string) oauth.ClientProblem {
	w.Helper()
	all, err := w.server.Clients().Problems(w.Context(), client)
	if err != nil {
		w.Fatal(err)
	}
	w.clock.Add(time.Second)
	if len(all) == 0 {
		return oauth.ClientProblem{}
	}
	return all[0]
}

func TestProblemsSayWhatWentWrong(t *testing.T) {
	both(t, func(w *world) {
		w.crowd()
		w.client(&oauth.Client{ID: "post", AuthMethod: "client_secret_post"})
		w.client(&oauth.Client{ID: "machine", GrantTypes: []string{"client_credentials"}, Scopes: []string{"read"}, Resources: []string{"https://api.example"}})
		w.client(&oauth.Client{ID: "off"})
		off := w.stored("off")
		off.Disabled = true
		w.update(off)
		used := w.code("web")
		w.token(w.exchange("web", used))
		rotated := w.secrets["post"]
		if _, err := w.server.Clients().RotateSecret(w.Context(), "post", "", 0); err != nil {
			w.Fatal(err)
		}
		ask := func(client string, change ...string) func() {
			v := request(client)
			for i := 0; i < len(change); i += 2 {
				if v.Del(change[i]); change[i+1] != "" {
					v.Set(change[i], change[i+1])
				}
			}
			return func() { w.authorize(v) }
		}
		redeem := func(code string, change ...string) func() {
			return func() { w.token(w.exchange("web", code, change...)) }
		}
		old := w.tokens("web")["refresh_token"].(string)
		next := w.token(w.refreshing("web", old)).json["refresh_token"].(string)
		w.token(w.refreshing("web", next))
		for i, tt := range []struct {
			do     func()
			client string
			want   oauth.ClientProblem
			words  string
		}{
			{ask("web", "redirect_uri", "https://app.example/calback"), "web",
				oauth.ClientProblem{Kind: "redirect_uri", Came: "https://app.example/calback", Registered: []string{callback}},
				`the redirect_uri is not registered: "https://app.example/calback" came; registered: ` + callback},
			{ask("web", "redirect_uri", ""), "web", oauth.ClientProblem{Kind: "redirect_uri", Registered: []string{callback}}, "none came"},
			{ask("web", "redirect_uri", "https://me:pw@app.example/cb?code=secret&x#y"), "web",
				oauth.ClientProblem{Kind: "redirect_uri", Came: "https://app.example/cb?code=…&…", Registered: []string{callback}}, ""},
			{func() { w.with("web", "wrong-and-wrong") }, "web", oauth.ClientProblem{Kind: "secret", Why: "guess"}, "a wrong client secret came"},
			{func() { w.with("post", w.secrets["post"]) }, "post",
				oauth.ClientProblem{Kind: "auth_method", Came: "client_secret_basic", Registered: []string{"client_secret_post"}},
				"wrong authentication method: client_secret_basic came; registered: client_secret_post"},
			{func() {
				w.post("/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {"post"}, "client_secret": {rotated}})
			}, "post", oauth.ClientProblem{Kind: "secret", Why: "former"}, "before the last rotation"},
			{func() {
				w.post("/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {"post"}})
			}, "post",
				oauth.ClientProblem{Kind: "auth_method", Came: "none", Registered: []string{"client_secret_post"}}, ""},
			{func() {
				w.post("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic("machine", w.secrets["web"]))
			},
				"machine", oauth.ClientProblem{Kind: "secret", Why: "guess"}, ""},
			{func() { w.with(w.secrets["machine"], "machine") }, "machine", oauth.ClientProblem{Kind: "swapped"}, "rotate the secret"},
			{func() { w.post("/oauth2/token", url.Values{"grant_type": {"x"}, "client_id": {"web"}}) }, "web",
				oauth.ClientProblem{Kind: "grant_type", Came: "x", Registered: []string{"authorization_code", "refresh_token"}}, ""},
			{func() { w.with("web", w.secrets["web"]) }, "web",
				oauth.ClientProblem{Kind: "grant_type", Came: "client_credentials", Registered: []string{"authorization_code", "refresh_token"}}, ""},
			{func() { w.token(w.machine("machine", "scope", "write")) }, "machine",
				oauth.ClientProblem{Kind: "scope", Came: "write", Registered: []string{"read"}}, `no scope that the client may have: "write" came; registered: read`},
			{func() { w.token(w.machine("machine", "resource", "https://other.example")) }, "machine",
				oauth.ClientProblem{Kind: "resource", Came: "https://other.example", Registered: []string{"https://api.example"}}, ""},
			{ask("web", "scope", "admin"), "web", oauth.ClientProblem{Kind: "scope", Came: "admin",
				Registered: []string{"openid", "profile", "email", "mfa", "offline_access"}}, ""},
			{ask("spa", "code_challenge", "", "code_challenge_method", ""), "spa", oauth.ClientProblem{Kind: "pkce", Why: "missing"}, "no code_challenge"},
			{ask("spa", "code_challenge_method", "plain"), "spa", oauth.ClientProblem{Kind: "pkce", Why: "method", Came: "plain"}, "must be S256"},
			{ask("web", "response_type", "token"), "web", oauth.ClientProblem{Kind: "response_type", Came: "token"}, ""},
			{ask("web", "max_age", "old"), "web", oauth.ClientProblem{Kind: "parameter", Parameter: "max_age",
				Text: "The max_age must be a number of seconds."}, "max_age: The max_age must be a number of seconds."},
			{redeem("x"), "web", oauth.ClientProblem{Kind: "invalid_grant", Why: "code_unknown"}, "none of ours"},
			{redeem(used), "web", oauth.ClientProblem{Kind: "invalid_grant", Why: "code_used"}, ""},
			{func() { w.token(w.exchange("web", w.code("web"), "code_verifier", strings.Repeat("x", 43))) }, "web",
				oauth.ClientProblem{Kind: "invalid_grant", Why: "verifier"}, ""},
			{func() { w.token(w.exchange("web", w.code("web"), "code_verifier", "short")) }, "web",
				oauth.ClientProblem{Kind: "invalid_grant", Why: "verifier_form"}, ""},
			{func() { w.token(w.exchange("web", w.code("web"), "redirect_uri", "https://app.example/other")) }, "web",
				oauth.ClientProblem{Kind: "invalid_grant", Why: "redirect_uri"}, ""},
			{func() {
				code := w.code("web")
				w.clock.Add(2 * time.Minute)
				w.token(w.exchange("web", code))
			}, "web", oauth.ClientProblem{Kind: "invalid_grant", Why: "code_ended"}, ""},
			{func() { w.token(w.refreshing("web", "x")) }, "web", oauth.ClientProblem{Kind: "invalid_grant", Why: "refresh_unknown"}, ""},
			{func() { w.token(w.refreshing("spa", next)) }, "spa", oauth.ClientProblem{Kind: "invalid_grant", Why: "other_client"}, ""},
			{func() {
				w.clock.Add(2 * time.Minute)
				w.token(w.refreshing("web", old))
			}, "web", oauth.ClientProblem{Kind: "invalid_grant", Why: "refresh_reused"}, ""},
			{func() {
				token := w.tokens("web")["refresh_token"].(string)
				w.host.set(func(h *host) { h.alive = oauth.ErrEnded })
				w.token(w.refreshing("web", token))
				w.host.set(func(h *host) { h.alive = nil })
			}, "web", oauth.ClientProblem{Kind: "invalid_grant", Why: "person"}, "the person was disabled"},
			{func() {
				w.post("/oauth2/par", request("spa"), "DPoP", "no proof")
			}, "spa", oauth.ClientProblem{Kind: "dpop", Why: "form"}, ""},
			{func() { w.post("/oauth2/introspect", url.Values{"client_id": {"spa"}, "token": {"x"}}) }, "spa", oauth.ClientProblem{Kind: "public"}, ""},
			{func() { w.post("/oauth2/token", w.exchange("web", "x"), "Authorization", "Bearer web") }, "web",
				oauth.ClientProblem{Kind: "authorization_header"}, ""},
			{ask("off"), "off", oauth.ClientProblem{Kind: "disabled"}, "disabled"},
			{func() {
				token := w.tokens("web")["id_token"].(string)
				w.browse("/oauth2/logout?" + url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {"https://app.example/gone"}}.Encode())
			}, "web", oauth.ClientProblem{Kind: "post_logout_redirect_uri", Came: "https://app.example/gone",
				Registered: []string{"https://app.example/bye"}}, ""},
		} {
			w.clock.Add(10 * time.Minute) // of the limit of failed authentications
			w.host.set(func(h *host) { h.auth = signedIn(w.clock.Now()) })
			began := w.clock.Now().Truncate(time.Second)
			tt.do()
			got := w.last(tt.client)
			if got.Last.Before(began) || got.Times != 1 || got.Network != "192.0.2.1" || !got.First.Equal(got.Last) {
				t.Errorf("%d: %+v", i, got)
			}
			want := tt.want
			want.Network, want.Times, want.First, want.Last = got.Network, got.Times, got.First, got.Last
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%d: %+v\nwant %+v", i, got, want)
			}
			if words := got.Words(); words == "" || !strings.Contains(words, tt.words) {
				t.Errorf("%d: words: %q", i, words)
			}
		}
		w.noSecretsInProblems(used, old, next, rotated, "wrong-and-wrong", "pw@", "secret&")
	})
}

// browse follows a link.
func (w *world) browse(link string) {
	w.Helper()
	response, err := w.browser.Get(issuer + link)
	if err != nil {
		w.Fatal(err)
	}
	response.Body.Close()
}

func (w *world) noSecretsInProblems(secrets ...string) {
	w.Helper()
	var rows []string
	if err := w.db.Select(w.Context(), &rows, `SELECT id || ' ' || client_id || ' ' || detail FROM oauth_problems`); err != nil {
		w.Fatal(err)
	}
	for _, secret := range w.secrets {
		secrets = append(secrets, secret)
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(strings.Join(rows, "\n"), secret) {
			w.Errorf("%s is kept", secret)
		}
	}
}

// What is fine, what the person decides, and what a protocol has for steps is no problem, and writes nothing.
func TestGoodRequestsLeaveNoProblem(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		counting, trips := dbxtest.Counted(t, db)
		w := newWorldOn(t, counting)
		w.client(&oauth.Client{ID: "tv", AuthMethod: "none", GrantTypes: []string{"urn:ietf:params:oauth:grant-type:device_code"}, RedirectURIs: []string{}})
		w.tokens("web")
		w.host.set(func(h *host) { h.auth = nil })
		w.authorize(request("web", "prompt", "none"))
		device := w.post("/oauth2/device", url.Values{"client_id": {"tv"}, "scope": {"openid"}}).json
		for range 2 { // too early
			w.post("/oauth2/token", url.Values{"client_id": {"tv"}, "device_code": {device["device_code"].(string)},
				"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}})
		}
		w.userinfo("nothing")
		for _, trip := range trips.All() {
			if strings.Contains(trip, "oauth_problems") {
				t.Error(trip)
			}
		}
		// And what fails writes once.
		trips.Reset()
		w.authorize(request("web", "redirect_uri", "https://evil.example"))
		w.authorize(request("web", "redirect_uri", "https://evil.example")) // in the same second
		if n := len(slices.DeleteFunc(trips.Writes(), func(trip string) bool { return !strings.HasPrefix(trip, "INSERT INTO oauth_problems") })); n != 1 {
			t.Errorf("%d writes: %q", n, trips.Writes())
		}
	}, "oauth")
}

// A flood in a client's name, from one network or from many, leaves a bounded number of rows, and hides neither what happens
// elsewhere nor other kinds of problems.
func TestSec_DR08_ProblemsAreBounded(t *testing.T) {
	both(t, func(w *world) {
		c := w.crowd()
		w.machines("one")
		c.from = "203.0.113.1"
		w.with("one", "the developer's slip")
		for i := range 300 {
			w.clock.Add(time.Second)
			c.from = fmt.Sprintf("2001:db8:%x::1", i)
			w.authorize(request("web", "redirect_uri", fmt.Sprint("https://evil.example/", i)))
			w.authorize(request("one", "redirect_uri", fmt.Sprint("https://evil.example/", i)))
			w.authorize(request("one", "response_type", fmt.Sprint("token", i)))
			w.authorize(request(fmt.Sprint("unknown-", i)))
		}
		n := w.count("oauth_problems")
		if n > 3*8+1+100 {
			w.Errorf("%d rows", n)
		}
		shown, err := w.server.Clients().Problems(w.Context(), "one")
		if err != nil || len(shown) > 20 || !slices.ContainsFunc(shown, func(p oauth.ClientProblem) bool { return p.Kind == oauth.ProblemSecret }) {
			w.Errorf("%d are shown, without the developer's slip: %v", len(shown), err)
		}
		// One network has one place of each kind, and five of unknown ids.
		c.from = "203.0.113.2"
		w.with("one", "another slip")
		c.from = "198.51.100.9"
		before := w.allProblems()
		for i := range 50 {
			w.clock.Add(time.Second)
			w.authorize(request("web", "redirect_uri", fmt.Sprint("https://evil.example/again", i)))
			w.authorize(request(fmt.Sprint("again-", i)))
		}
		changed := 0
		for id, detail := range w.allProblems() {
			if before[id] != detail {
				changed++
			}
		}
		if changed > 1+5 {
			w.Errorf("one network changed %d rows", changed)
		}
		unknown, err := w.server.Clients().UnknownClients(w.Context())
		if err != nil || len(unknown) == 0 || len(unknown) > 100 || !strings.HasPrefix(unknown[0].Came, "again-") ||
			unknown[0].Words() != `no client has the id "`+unknown[0].Came+`"` {
			w.Errorf("%d unknown, %+v %v", len(unknown), unknown, err)
		}
		w.clock.Add(31 * 24 * time.Hour)
		if shown, err := w.server.Clients().Problems(w.Context(), "one"); err != nil || len(shown) != 0 {
			w.Errorf("after a month: %+v %v", shown, err)
		}
		if err := w.server.Prune(w.Context()); err != nil || w.count("oauth_problems") != 0 {
			w.Errorf("%d rows after a month (%v)", w.count("oauth_problems"), err)
		}
	})
}

func (w *world) allProblems() map[string]string {
	w.Helper()
	var rows []struct {
		ID     string `db:"id"`
		Detail string `db:"detail"`
	}
	if err := w.db.Select(w.Context(), &rows, `SELECT id, detail || network AS detail FROM oauth_problems`); err != nil {
		w.Fatal(err)
	}
	out := map[string]string{}
	for _, row := range rows {
		out[row.ID] = row.Detail
	}
	return out
}

// Alike things are counted, and what a stranger sends is cut and cleaned.
func TestSec_AU04_ProblemsAreClean(t *testing.T) {
	both(t, func(w *world) {
		for range 3 {
			w.authorize(request("web", "redirect_uri", "https://app.example/typo"))
			w.clock.Add(time.Second)
		}
		if got := w.last("web"); got.Times != 3 || got.Last.Sub(got.First) != 2*time.Second {
			w.Errorf("%+v", got)
		}
		nasty := "https://app.example/<script>\u202e\x00\r\nx\x1b[31m" + strings.Repeat("é", 5000)
		w.authorize(request("web", "redirect_uri", nasty))
		got := w.last("web")
		if len(got.Came) > 204 || strings.ContainsAny(got.Came, "\x00\r\n\x1b\u202e") || !strings.HasPrefix(got.Came, "https://app.example/<script>\ufffd") {
			w.Errorf("%q", got.Came)
		}
		for _, id := range []string{"\x00", strings.Repeat("x", 6000), "a\nb", w.secrets["web"]} {
			w.authorize(request(id))
			w.clock.Add(time.Second)
		}
		unknown, err := w.server.Clients().UnknownClients(w.Context())
		if err != nil || len(unknown) == 0 {
			w.Fatal(unknown, err)
		}
		for _, p := range unknown {
			if len(p.Came) > 60 || strings.ContainsAny(p.Came, "\x00\n") {
				w.Errorf("%q", p.Came)
			}
		}
		w.noSecretsInProblems()
		// What was mended says so.
		fixed := w.stored("web")
		fixed.RedirectURIs = append(slices.Clone(fixed.RedirectURIs), "https://app.example/typo")
		w.authorize(request("web", "redirect_uri", "https://app.example/typo"))
		if got := w.last("web"); got.Settled {
			w.Errorf("%+v", got)
		}
		w.update(fixed)
		if got := w.last("web"); !got.Settled || len(got.Registered) != 2 {
			w.Errorf("%+v", got)
		}
		// And a client of the same id that comes later has none.
		w.clock.Add(time.Second)
		if err := w.server.Clients().Delete(w.Context(), "web"); err != nil {
			w.Fatal(err)
		}
		w.client(&oauth.Client{ID: "web"})
		if got := w.last("web"); got.Kind != "" {
			w.Errorf("of another client: %+v", got)
		}
	})
}

// Forty failures at the same moment are one row, and every answer is as it would be.
func TestProblemsAtTheSameMoment(t *testing.T) {
	both(t, func(w *world) {
		w.crowd()
		for _, err := range atOnce(40, func(i int) error {
			if a := w.authorize(request("web", "redirect_uri", fmt.Sprint("https://evil.example/", i%2))); a.status != http.StatusBadRequest {
				return fmt.Errorf("%d", a.status)
			}
			return nil
		}) {
			if err != nil {
				w.Error(err)
			}
		}
		if n := w.count("oauth_problems"); n != 1 {
			w.Errorf("%d rows", n)
		}
	})
}

// A table that cannot be written changes no answer.
func TestProblemsAreNeverInTheWay(t *testing.T) {
	w := newWorld(t)
	if _, err := w.db.Exec(context.Background(), `DROP TABLE oauth_problems`); err != nil {
		t.Fatal(err)
	}
	if a := w.authorize(request("web", "redirect_uri", "https://evil.example")); a.status != http.StatusBadRequest {
		t.Error(a.status)
	}
	if !strings.Contains(w.log.String(), "problem is not kept") {
		t.Error(w.log)
	}
}

// Every reason that a refusal gives for a code, a token, an assertion or a proof has an id, and every id has words.
func TestEveryReasonIsKnown(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || lastName(call.Fun) != "because" {
				return true
			}
			kind := map[string]oauth.ProblemKind{"ErrNotFound": oauth.ProblemGrant, "errInvalidProof": oauth.ProblemProof}[lastName(call.Args[0])]
			if entry.Name() == "assertion.go" {
				kind = oauth.ProblemAssertion
			}
			text, ok := call.Args[2].(*ast.BasicLit)
			if kind == "" || !ok || text.Value == `""` {
				return true
			}
			words, err := strconv.Unquote(text.Value)
			if err != nil {
				t.Fatal(err)
			}
			if found++; oauth.ReasonOf(kind, words) == "other" && !strings.Contains(words, "no such client") {
				t.Errorf("%s: %q has no id", entry.Name(), words)
			}
			return true
		})
	}
	if found < 20 {
		t.Errorf("only %d reasons were found", found)
	}
	for kind, reasons := range oauth.ProblemReasons() {
		for _, reason := range append(reasons, "") {
			words := oauth.ClientProblem{Kind: kind, Why: reason, Text: "x"}.Words()
			if words == "" && (reason != "" || reasons == nil) {
				t.Errorf("%s %s has no words", kind, reason)
			}
		}
	}
	for kind, ids := range oauth.ReasonIDs() {
		for _, id := range ids {
			if !slices.Contains(oauth.ProblemReasons()[kind], id) {
				t.Errorf("%s %s is not listed", kind, id)
			}
		}
	}
}

// lastName returns the name that an expression ends with.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
