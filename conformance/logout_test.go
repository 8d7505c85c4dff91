package conformance

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// goodbye is a state of every kind of printable character.
const goodbye = "a-._~ \"<>&%#{}`'+/?:@!$()*,;=[]\\^|z"

// TestPlanRPInitiatedLogout is oidcc-rp-initiated-logout-certification-test-plan.
func TestPlanRPInitiatedLogout(t *testing.T) {
	t.Parallel()
	redirected := func(state string) func(p *provider, b *idptest.Browser) {
		return func(p *provider, b *idptest.Browser) {
			_, got := p.happy(b, "conf-basic", p.request("conf-basic"))
			page := p.leave(b, with(url.Values{"id_token_hint": {got.str("id_token")}, "post_logout_redirect_uri": {farewell}}, "state", state))
			want := url.Values{}
			if state != "" {
				want.Set("state", state)
			}
			if got := page.URL.Query(); !strings.HasPrefix(page.URL.String(), farewell) || got.Encode() != want.Encode() {
				p.t.Errorf("the browser is at %s, want state %q alone", page.URL, state)
			}
			p.signedOut(b)
		}
	}
	refused := func(parameter string, hint func(p *provider, raw string) string, uri string) func(p *provider, b *idptest.Browser) {
		return func(p *provider, b *idptest.Browser) {
			_, got := p.happy(b, "conf-basic", p.request("conf-basic"))
			v := with(url.Values{"state": {"s"}}, "id_token_hint", hint(p, got.str("id_token")), "post_logout_redirect_uri", uri)
			p.shown(b.Get("/oauth2/logout?"+v.Encode()), parameter)
		}
	}
	stays := func(hint bool, state string) func(p *provider, b *idptest.Browser) {
		return func(p *provider, b *idptest.Browser) {
			_, got := p.happy(b, "conf-basic", p.request("conf-basic"))
			v := with(url.Values{}, "state", state)
			if hint {
				v.Set("id_token_hint", got.str("id_token"))
			}
			if page := p.leave(b, v); page.Status != 200 || !strings.Contains(strings.ToLower(page.Text("body")), "signed out") {
				p.t.Errorf("%d %s does not say signed out: %s", page.Status, page.URL, page.Text("body"))
			}
			p.signedOut(b)
		}
	}
	same := func(_ *provider, raw string) string { return raw }
	open(t, "").plan(t, []module{
		{"oidcc-rp-initiated-logout-discovery-endpoint-verification", func(p *provider, _ *idptest.Browser) {
			if p.discovery()["end_session_endpoint"] != p.Issuer+"/oauth2/logout" {
				p.t.Errorf("end_session_endpoint: %v", p.discovery()["end_session_endpoint"])
			}
		}},
		{"oidcc-rp-initiated-logout", redirected(goodbye)},
		{"oidcc-rp-initiated-logout-no-state", redirected("")},
		{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", refused("post_logout_redirect_uri", same, farewell+"/other")},
		{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", refused("post_logout_redirect_uri", same, farewell+"?foo=bar")},
		{"oidcc-rp-initiated-logout-modified-id-token-hint", refused("id_token_hint", unsigned, farewell)},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", refused("id_token_hint", foreign, farewell)},
		{"oidcc-rp-initiated-logout-no-id-token-hint", refused("id_token_hint", func(*provider, string) string { return "" }, farewell)},
		{"oidcc-rp-initiated-logout-no-params", stays(false, "")},
		{"oidcc-rp-initiated-logout-only-state", stays(false, goodbye)},
		{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", stays(true, goodbye)},
	})
}

// leave opens the logout endpoint and confirms where the provider asks.
func (p *provider) leave(b *idptest.Browser, v url.Values) *idptest.Page {
	p.t.Helper()
	page := b.Get("/oauth2/logout?" + v.Encode())
	if page.Has("#logout-confirm") {
		page = page.Submit("logout-confirm")
	}
	return page
}

// signedOut checks that nobody is signed in at b any more.
func (p *provider) signedOut(b *idptest.Browser) {
	p.t.Helper()
	v := p.request("conf-basic", "prompt", "none")
	p.refused(v, b.Get("/oauth2/authorize?"+v.Encode()), "login_required")
}

// unsigned returns the token with the algorithm none.
func unsigned(p *provider, raw string) string {
	part := strings.Split(raw, ".")
	return "eyJhbGciOiJub25lIn0." + part[1] + "."
}

// foreign returns the token's claims under somebody else's signature.
func foreign(p *provider, raw string) string {
	p.t.Helper()
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		p.t.Fatal(err)
	}
	var claims map[string]any
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		p.t.Fatal(err)
	}
	signed, err := jwt.Signed(signer(p.t, newKey(p.t, "ES256"), "ES256", "JWT")).Claims(claims).Serialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return signed
}

// listener is a relying party of the test's that takes notices.
type listener struct {
	*httptest.Server
	mu  sync.Mutex
	got []url.Values
}

func listen(t testing.TB) *listener {
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, r.PostForm)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) notices() []url.Values {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got)
}

// near lets the provider reach the test's own machine.
func near(c *idp.Config) {
	c.OutboundNetworks = []string{netip.MustParsePrefix("127.0.0.0/8").String()}
}

// TestPlanBackchannelLogout is oidcc-backchannel-rp-initiated-logout-certification-test-plan.
func TestPlanBackchannelLogout(t *testing.T) {
	t.Parallel()
	p := open(t, "", near)
	l, other := listen(t), listen(t)
	p.client("conf-bc", func(c *oauth.Client) { c.BackchannelLogoutURI, c.BackchannelSession = l.URL+"/bc", true })
	p.client("conf-bc-other", func(c *oauth.Client) { c.BackchannelLogoutURI = other.URL + "/bc" })
	p.plan(t, []module{
		{"oidcc-backchannel-logout-discovery-endpoint-verification", func(p *provider, _ *idptest.Browser) {
			d := p.discovery()
			if d["backchannel_logout_supported"] != true || d["backchannel_logout_session_supported"] != true {
				p.t.Errorf("discovery: %v", d)
			}
		}},
		{"oidcc-backchannel-rp-initiated-logout", func(p *provider, b *idptest.Browser) {
			elsewhere := p.Browser() // another session at another client hears nothing
			p.happy(elsewhere, "conf-bc-other", p.request("conf-bc-other"))
			id, got := p.happy(b, "conf-bc", p.request("conf-bc"))
			if id["sid"] == nil {
				p.t.Fatalf("the ID token has no sid: %v", id)
			}
			page := p.leave(b, url.Values{"id_token_hint": {got.str("id_token")}, "post_logout_redirect_uri": {farewell}, "state": {"s"}})
			if page.URL.String() != farewell+"?state=s" {
				p.t.Errorf("the browser is at %s", page.URL)
			}
			notices := l.notices()
			if len(notices) != 1 || len(notices[0]) != 1 || len(other.notices()) != 0 {
				p.t.Fatalf("notices before the redirect: %v, elsewhere %v", notices, other.notices())
			}
			p.logoutToken("conf-bc", notices[0].Get("logout_token"), id)
			p.signedOut(b)
		}},
	})
}

// logoutToken checks a notice.
func (p *provider) logoutToken(client, raw string, id map[string]any) {
	p.t.Helper()
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		p.t.Fatal(err)
	}
	keys := p.keys(p.Issuer + "/oauth2/jwks").Key(token.Headers[0].KeyID)
	if len(keys) != 1 {
		p.t.Fatalf("the notice is signed by %q", token.Headers[0].KeyID)
	}
	var claims map[string]any
	if err := token.Claims(keys[0], &claims); err != nil {
		p.t.Fatal(err)
	}
	events, _ := json.Marshal(claims["events"])
	for name, ok := range map[string]bool{
		"iss": claims["iss"] == p.Issuer, "aud": slices.Contains(audience(claims), client), "iat": claims["iat"] != nil,
		"exp": claims["exp"] != nil, "jti": claims["jti"] != nil, "sub": claims["sub"] == id["sub"], "sid": claims["sid"] == id["sid"],
		"events": string(events) == `{"http://schemas.openid.net/event/backchannel-logout":{}}`, "nonce": claims["nonce"] == nil,
		"typ": token.Headers[0].ExtraHeaders[jose.HeaderType] == "logout+jwt",
	} {
		if !ok {
			p.t.Errorf("%s of the logout token: %v", name, claims)
		}
	}
}

// TestPlanFrontchannelLogout is oidcc-frontchannel-rp-initiated-logout-certification-test-plan.
func TestPlanFrontchannelLogout(t *testing.T) {
	t.Parallel()
	p := open(t, "")
	p.client("conf-fc", func(c *oauth.Client) { c.FrontchannelLogoutURI, c.FrontchannelSession = rp+"/fc?x=1", true })
	p.plan(t, []module{
		{"oidcc-frontchannel-logout-discovery-endpoint-verification", func(p *provider, _ *idptest.Browser) {
			d := p.discovery()
			if d["frontchannel_logout_supported"] != true || d["frontchannel_logout_session_supported"] != true {
				p.t.Errorf("discovery: %v", d)
			}
		}},
		{"oidcc-frontchannel-rp-initiated-logout", func(p *provider, b *idptest.Browser) {
			id, got := p.happy(b, "conf-fc", p.request("conf-fc"))
			page := p.leave(b, url.Values{"id_token_hint": {got.str("id_token")}, "post_logout_redirect_uri": {farewell}, "state": {goodbye}})
			frame, err := url.Parse(page.Attr("iframe", "src"))
			if err != nil || !strings.HasPrefix(frame.String(), rp+"/fc?") {
				p.t.Fatalf("no frame at %s: %s", page.URL, page.Body)
			}
			sid, _ := id["sid"].(string)
			if q := frame.Query(); len(q) != 3 || q.Get("x") != "1" || q.Get("iss") != p.Issuer || q.Get("sid") != sid || sid == "" {
				p.t.Errorf("the frame is %s, sid %v", frame, id["sid"])
			}
			if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-src "+rp) {
				p.t.Errorf("the policy keeps the frame out: %s", csp)
			}
			want := farewell + "?" + url.Values{"state": {goodbye}}.Encode()
			if refresh := page.Attr(`meta[http-equiv="refresh"]`, "content"); !strings.HasSuffix(refresh, "="+want) {
				p.t.Errorf("the page goes on to %q, want %q", refresh, want)
			}
			p.signedOut(b)
		}},
	})
}
