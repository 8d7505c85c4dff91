package oauth_test

import (
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/oauth"
	"github.com/go-jose/go-jose/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/ory/fosite"
)

// What a client may not have, or nobody has, is ignored and told by the scope of the token (decision 0007).
func TestScopesThatAreIgnored(t *testing.T) {
	both(t, func(w *world) {
		w.client(&oauth.Client{ID: "few", Scopes: []string{"openid", "email", "jobs:read"}})
		for scope, want := range map[string]string{
			"openid unknown":            "openid",
			"openid profile email":      "openid email",
			"unknown openid OPENID":     "openid",
			"email openid email openid": "email openid",
			"jobs:read":                 "jobs:read",
			"jobs:write jobs:read":      "jobs:read",
			"  openid   email ":         "openid email",
			"openid offline_access":     "openid",
			"openid <script>\" ünïcode": "openid",
		} {
			got := w.tokens("few", "scope", scope)
			if got["scope"] != want || payload(w, got["access_token"])["scope"] != want {
				w.Errorf("%q: %v", scope, got["scope"])
			}
			if diff := cmp.Diff(strings.Fields(want), w.host.last.Scopes()); diff != "" {
				w.Errorf("%q: the person is shown something else: %s", scope, diff)
			}
			if form := w.host.last.GetRequestForm(); form.Get("scope") != want {
				w.Errorf("%q: %s", scope, form)
			}
		}
		for _, scope := range []string{"-", "", " ", "unknown", "profile", "OpenID", "offline_access"} {
			w.wantRedirected(w.authorize(request("few", "scope", scope)), "invalid_scope")
		}
	})
}

// A scope that the client gets while a page is open is not among those that the person was shown.
func TestScopesOfASuspendedRequestStay(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "few", Scopes: []string{"openid"}})
	id := w.suspend(request("few", "scope", "openid email"))
	client, _ := w.server.Clients().Get(t.Context(), "few")
	edited := *client
	edited.Scopes = []string{"openid", "email"}
	if err := w.server.Clients().Update(t.Context(), &edited); err != nil {
		t.Fatal(err)
	}
	w.signIn(signedIn(w.clock.Now()))
	got := w.token(w.exchange("few", w.get("/oauth2/authorize?resume="+id).location().Query().Get("code")))
	if got.json["scope"] != "openid" {
		t.Error(got.body)
	}
}

// RFC 6749 section 3.1: parameters without a value count as omitted.
func TestEmptyParametersAreOmitted(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{
		"request", "request_uri", "registration", "response_mode", "state", "nonce", "prompt", "max_age", "claims", "acr_values",
		"id_token_hint", "login_hint", "resource", "dpop_jkt", "display",
	} {
		a := w.authorize(request("web", name, ""))
		if q := a.location().Query(); q.Get("code") == "" || q.Has("state") != (name != "state") {
			t.Errorf("%s: %d %s", name, a.status, a.header.Get("Location"))
		}
		if a := w.push(request("web", name, "")); a.status != http.StatusCreated {
			t.Errorf("%s: pushed: %s", name, a.body)
		}
	}
	w.code("web", "code_challenge", "", "code_challenge_method", "")
	w.wantRedirected(w.authorize(request("spa", "code_challenge", "", "code_challenge_method", "")), "invalid_request")
	w.wantRedirected(w.authorize(request("web", "response_type", "")), "unsupported_response_type")
}

// Wishes that cannot be granted are no errors, also when they are pushed.
func TestWishesAreNoErrors(t *testing.T) {
	w := newWorld(t)
	for _, v := range []url.Values{
		request("web", "display", "page"), request("web", "display", "popup"), request("web", "display", "bogus"),
		request("web", "login_hint", "user@foreign.example"), request("web", "ui_locales", "xx-YY de"), request("web", "claims_locales", "fr"),
		request("web", "acr_values", "1 2"), request("web", "audience", "https://api.example"), request("web", "unknown", "\"<>&%"),
		request("web", "vtr", `["P1"]`), request("web", "claims", `{"userinfo":{"name":{"essential":true}}}`),
		request("web", "claims", `{"id_token":{"auth_time":{"essential":true},"unknown":null},"verified":{}}`),
	} {
		if a := w.authorize(v); a.location().Query().Get("code") == "" {
			t.Errorf("%v: %s", v, a.header.Get("Location"))
		}
		if a := w.push(v); a.status != http.StatusCreated {
			t.Errorf("%v: %s", v, a.body)
		}
	}
}

// posted returns what a form_post document posts.
func posted(body string) url.Values {
	out := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(body, -1) {
		out.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return out
}

func TestStateOfEveryPrintableCharacter(t *testing.T) {
	w := newWorld(t)
	var all strings.Builder
	for c := byte(0x20); c < 0x7F; c++ {
		all.WriteByte(c)
	}
	for _, state := range []string{all.String(), strings.Repeat(all.String(), 4), "ä€😀", " ", "+", "%00", "a\r\nb"} {
		for _, v := range []url.Values{
			request("web", "state", state), request("web", "state", state, "prompt", "create"), bring("web", w.pushed(request("web", "state", state))),
		} {
			if q := w.authorize(v).location().Query(); q.Get("state") != state || q.Get("iss") != issuer {
				t.Errorf("%q came back as %q", state, q.Get("state"))
			}
		}
		if state == "a\r\nb" {
			continue // browsers write line ends their own way into a form
		}
		if got := posted(w.authorize(request("web", "state", state, "response_mode", "form_post")).body); got.Get("state") != state || got.Get("code") == "" {
			t.Errorf("%q came back as %q", state, got)
		}
	}
}

func TestErrorsByFormPost(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "fapi", RequirePAR: true})
	twice := request("web", "response_mode", "form_post")
	twice["nonce"] = []string{"a", "b"}
	post := func(client string, changes ...string) url.Values {
		return request(client, append(changes, "response_mode", "form_post")...)
	}
	w.host.auth = nil
	for want, v := range map[string]url.Values{
		"login_required": post("web", "prompt", "none"), "unsupported_response_type": post("web", "response_type", "-"),
		"invalid_scope": post("web", "scope", "x"), "request_not_supported": post("web", "request", "x.y.z"),
		"request_uri_not_supported": post("web", "request_uri", "https://app.example/object"), "invalid_target": post("web", "resource", "x:y"),
		"invalid_request": twice, "registration_not_supported": post("web", "registration", "{}"),
	} {
		a := w.authorize(v)
		got := posted(a.body)
		if a.status != 200 || a.header.Get("Location") != "" || got.Get("error") != want || got.Get("state") != "st-123" || got.Get("iss") != issuer ||
			!strings.Contains(a.body, `action="`+callback+`"`) {
			t.Errorf("%s: %d %s %s", want, a.status, a.header.Get("Location"), a.body)
		}
	}
	if got := posted(w.authorize(post("fapi")).body); got.Get("error") != "invalid_request" {
		t.Error(got)
	}
}

func TestPromptsReachTheHost(t *testing.T) {
	w := newWorld(t)
	for _, prompt := range []string{"consent", "select_account", "consent select_account"} {
		w.code("web", "prompt", prompt)
		if diff := cmp.Diff(strings.Fields(prompt), w.host.last.Prompt()); diff != "" {
			t.Error(diff)
		}
	}
	for _, prompt := range []string{"create", "login create", "none consent", "Login"} {
		w.wantRedirected(w.authorize(request("web", "prompt", prompt)), "invalid_request")
	}
}

// An ID token of ours for this client is a hint, however old it is and whichever of our keys signed it.
func TestSec_OA16_Hints(t *testing.T) {
	both(t, func(w *world) {
		got := w.tokens("web")
		hint, foreign := got["id_token"].(string), w.tokens("spa")["id_token"].(string)
		parts := strings.Split(hint, ".")
		kid := part(w, hint, 0)["kid"].(string)
		claims := payload(w, hint)
		key, _ := clientKey(w)
		none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"` + kid + `"}`))
		bad := map[string]string{
			"garbage": "x", "three parts": "x.y.z", "alg none": none + "." + parts[1] + ".", "alg none, signed": none + "." + parts[1] + "." + parts[2],
			"no signature": parts[0] + "." + parts[1] + ".", "other payload": parts[0] + "." + strings.Split(foreign, ".")[1] + "." + parts[2],
			"foreign key, our kid": assertion(w, key, jose.ES256, kid, claims), "foreign key": assertion(w, key, jose.ES256, "k1", claims),
			"HS256":        assertion(w, []byte(strings.Repeat("k", 32)), jose.HS256, kid, claims),
			"access token": got["access_token"].(string), "another client's": foreign,
		}
		for name, token := range bad {
			a := w.authorize(request("web", "id_token_hint", token))
			if a.location().Query().Get("error") != "invalid_request" {
				w.Errorf("%s: %d %s", name, a.status, a.header.Get("Location"))
			}
			w.wantError(w.push(request("web", "id_token_hint", token)), 400, "invalid_request")
		}
		for range 2 {
			w.clock.Add(72 * time.Hour)
			w.signIn(signedIn(w.clock.Now()))
			w.code("web", "id_token_hint", hint)
			w.code("web", "id_token_hint", hint, "prompt", "none")
			if w.host.last.HintSubject() != "alice-1" {
				w.Error("the hint says nothing")
			}
			if _, err := w.server.Keys().Rotate(w.Context()); err != nil {
				w.Fatal(err)
			}
		}
		w.host.auth.Subject = "bob-2"
		w.wantRedirected(w.authorize(request("web", "id_token_hint", hint, "prompt", "none")), "login_required")
		w.wantRedirected(w.authorize(request("web", "id_token_hint", hint, "claims", `{"id_token":{"sub":{"value":"carol"}}}`)), "invalid_request")
	})
}

// What nothing else would do for comes before a wish.
func TestTheEssentialACRCounts(t *testing.T) {
	w := newWorld(t)
	essential := `{"id_token":{"acr":{"essential":true,"values":["aal2","https://refeds.org/profile/mfa"]}}}`
	w.code("web", "acr_values", "aal1", "claims", essential)
	if diff := cmp.Diff([]string{"aal2", "https://refeds.org/profile/mfa"}, w.host.last.ACRValues()); diff != "" {
		t.Error(diff)
	}
	w.code("web", "acr_values", "aal1", "claims", `{"id_token":{"acr":{"values":["aal2"]}}}`)
	if diff := cmp.Diff([]string{"aal1", "aal2"}, w.host.last.ACRValues()); diff != "" {
		t.Error(diff)
	}
	w.code("web", "acr_values", "aal1", "claims", `{"id_token":{"acr":{"essential":true}}}`)
	if diff := cmp.Diff([]string{"aal1"}, w.host.last.ACRValues()); diff != "" {
		t.Error(diff)
	}
	w.host.auth.ACR = "aal1"
	w.wantRedirected(w.authorize(request("web", "acr_values", "aal1", "claims", essential)), "unmet_authentication_requirements")
}

// A client's own default is kept like a parameter.
func TestTrap18_TheDefaultMaxAge(t *testing.T) {
	w := newWorld(t)
	half, none := oauth.Seconds(30), oauth.Seconds(0)
	w.client(&oauth.Client{ID: "half", DefaultMaxAge: &half})
	w.client(&oauth.Client{ID: "zero", DefaultMaxAge: &none})
	w.wantRedirected(w.authorize(request("half")), "login_required") // signed in a minute ago
	w.wantRedirected(w.authorize(request("zero")), "login_required")
	w.code("half", "max_age", "60")
	w.host.auth = signedIn(w.clock.Now())
	w.code("half")
	w.code("zero")
}

func TestOnlyClientsOfTheCodeGrantAreAuthorized(t *testing.T) {
	w := newWorld(t)
	w.client(&oauth.Client{ID: "machine", GrantTypes: []string{"client_credentials"}})
	w.wantRedirected(w.authorize(request("machine")), "unauthorized_client")
	w.host.err = fosite.ErrAccessDenied
	w.wantRedirected(w.authorize(request("web")), "access_denied")
}
