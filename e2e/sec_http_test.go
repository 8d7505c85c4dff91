package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/oauth"
)

// secLanding is an app whose callback takes answers by GET and POST and leads on to another origin, as apps do.
func secLanding(t *testing.T) (callback, home *httptest.Server, codes chan string) {
	t.Helper()
	codes = make(chan string, 10)
	home = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><p id="home">Home</p>`))
	}))
	callback = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		codes <- r.FormValue("code")
		http.Redirect(w, r, home.URL+"/", http.StatusSeeOther)
	}))
	t.Cleanup(home.Close)
	t.Cleanup(callback.Close)
	return callback, home, codes
}

// secPolicy fails unless a page's policy lets in nothing but what this server serves.
func secPolicy(t *testing.T, what, policy string) {
	t.Helper()
	got := map[string]string{}
	for directive := range strings.SplitSeq(policy, ";") {
		name, sources, _ := strings.Cut(strings.TrimSpace(directive), " ")
		got[name] = sources
	}
	for name, want := range map[string]string{"default-src": "'none'", "base-uri": "'none'", "frame-ancestors": "'none'"} {
		if got[name] != want {
			t.Errorf("%s: %s %s", what, name, got[name])
		}
	}
	for name, sources := range got {
		for source := range strings.FieldsSeq(sources) {
			own := source == "'self'" || source == "'none'" || source == "data:" && name == "img-src"
			if !own && !strings.HasPrefix(source, "'sha256-") {
				t.Errorf("%s: %s allows %s", what, name, source)
			}
		}
	}
}

func TestSec_HT01_AStrictPolicyThroughWholeFlows(t *testing.T) {
	s := secOpen(t)
	p := s.enrolled("alice")
	callback, home, codes := secLanding(t)
	app := s.client("landing", func(c *oauth.Client) { c.RedirectURIs, c.Consent = []string{callback.URL}, "ask" })
	b := chromeStart(t).window()
	for _, mode := range []string{"query", "form_post"} {
		b.open(secURL(app, secParam("response_mode", mode), secParam("prompt", "login consent")))
		if mode == "query" { // later the page knows who it is
			b.fill("#username", "alice")
		}
		b.fill("#password", idptest.Password)
		b.follow("#login-submit")
		b.fill("#code", p.code())
		b.follow("#mfa-submit")
		b.follow("#consent-allow")
		b.run(chromedp.WaitReady("#home", chromedp.ByQuery))
		b.at(home.URL)
		if code := <-codes; code == "" {
			t.Errorf("%s: no code", mode)
		}
	}
	asked, st := s.Browser(), &secState{form: url.Values{}}
	secGranted(t, p.signIn(asked, s.app))
	st.b = asked
	pages := 0
	for _, route := range secMustRoutes(t) {
		if strings.HasPrefix(route.path, "/oauth2/logout") || strings.Contains(route.path, "{") && !strings.HasSuffix(route.path, "{$}") {
			continue
		}
		if answer := st.ask(s, route, nil); strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			secPolicy(t, route.method+" "+route.path, answer.Header.Get("Content-Security-Policy"))
			pages++
		}
		if route.method == http.MethodGet && !strings.HasPrefix(route.path, "/oauth2/userinfo") {
			b.open(s.Issuer + strings.TrimSuffix(route.path, "{$}"))
		}
	}
	if pages < 20 {
		t.Errorf("only %d pages were looked at", pages)
	}
	b.onlyTalksTo(s.Issuer, callback.URL, home.URL)
}

// secScripts would each run if some page forgot to escape.
var secScripts = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg onload=alert(1)>`, `</title></textarea><script>alert(1)</script>`,
	`" autofocus onfocus=alert(1) x="`, `javascript:alert(1)`, `{{7*7}}${alert(1)}`, `&lt;script&gt;alert(1)&lt;/script&gt;`,
}

// secScriptless fails the test when a script from outside runs in the window, or an element that was to carry one is there.
func secScriptless(t *testing.T, b *chromeTab) (check func(what string)) {
	var ran atomic.Int64
	chromedp.ListenTarget(b.ctx, func(event any) {
		if _, ok := event.(*page.EventJavascriptDialogOpening); ok {
			ran.Add(1)
			go func() { _ = chromedp.Run(b.ctx, page.HandleJavaScriptDialog(false)) }()
		}
	})
	return func(what string) {
		t.Helper()
		var found []string
		b.ask(`[...document.querySelectorAll("*")].filter(e => [...e.attributes].some(a => a.name.startsWith("on") ||
			/^\s*javascript:/i.test(a.value) && ["href", "src", "action", "formaction"].includes(a.name)) ||
			e.localName === "script" && e.src === "" && e.type !== "application/json" || e.matches("img[src=x]")).map(e => e.outerHTML)`, &found)
		if ran.Load() > 0 || len(found) > 0 {
			t.Errorf("%s: %d scripts ran; %v", what, ran.Swap(0), found)
		}
	}
}

func TestSec_HT07_StoredScriptsAreText(t *testing.T) {
	s := secOpen(t)
	callback, home, codes := secLanding(t)
	c := chromeStart(t)
	half := len(secScripts) / 2
	for i, script := range secScripts[:half] { // of a person; the other half of an app, and both of a browser
		name, other := "user"+string(rune('a'+i)), secScripts[half+i]
		s.AddUser(name, func(n *account.NewAccount) { n.Name, n.Profile = script, map[string]any{"nickname": script} })
		app := s.client("app-"+name, func(c *oauth.Client) { c.Name, c.RedirectURIs, c.Consent = other, []string{callback.URL}, "ask" })
		b := c.window()
		check := secScriptless(t, b)
		b.run(emulation.SetUserAgentOverride(script + " Chrome/1 " + other)) // the list of sessions shows it
		b.open(secURL(app))
		check(other + ": login")
		b.fill("#username", name, "#password", idptest.Password)
		b.follow("#login-submit")
		b.says("main", strings.Join(strings.Fields(other), " ")) // it is shown, as text
		check(other + ": consent")
		b.follow("#consent-allow")
		b.run(chromedp.WaitReady("#home", chromedp.ByQuery))
		<-codes
		for _, path := range []string{"/account", "/account/sessions", "/account/activity", "/account/apps", "/account/mfa"} {
			b.open(s.Issuer + path)
			check(script + ": " + path)
		}
		b.open(s.Issuer + "/oauth2/logout?client_id=app-" + name)
		check(script + ": sign-out")
		b.onlyTalksTo(s.Issuer, callback.URL, home.URL)
	}
}

func TestSec_HT07_ReflectedScriptsAreText(t *testing.T) {
	s := secOpen(t)
	callback, home, codes := secLanding(t)
	app := s.client("landing", func(c *oauth.Client) { c.RedirectURIs = []string{callback.URL} })
	b := chromeStart(t).window()
	check := secScriptless(t, b)
	b.open(secURL(app))
	var waiting string
	b.run(chromedp.Location(&waiting))
	request, _ := url.Parse(waiting)
	for _, script := range secScripts[:3] {
		q := url.QueryEscape(script)
		for _, address := range []string{
			secURL(app, secParam("login_hint", script), secParam("ui_locales", script)), secURL(app, secParam("client_id", script)),
			secURL(app, secParam("redirect_uri", script)), secURL(app, secParam("scope", script)),
			s.Issuer + "/oauth2/authorize?" + q + "=" + q, s.Issuer + "/oauth2/authorize?resume=" + q, s.Issuer + "/login?request=" + q,
			s.Issuer + "/mfa?request=" + q, s.Issuer + "/oauth2/logout?client_id=landing&state=" + q, s.Issuer + "/oauth2/logout?id_token_hint=" + q,
			s.Issuer + "/account/mfa?to=" + q, s.Issuer + "/setup?token=" + q, s.Issuer + "/device?user_code=" + q, s.Issuer + "/" + url.PathEscape(script),
		} {
			b.open(address)
			check(address)
		}
		b.open(s.Issuer + "/login?" + request.RawQuery)
		b.fill("#username", script, "#password", script)
		b.follow("#login-submit")
		b.mustHave("[role=alert]")
		check(script + ": as a name")
	}
	// An error goes back to the app by a form with the state in it.
	for _, script := range secScripts {
		b.open(secURL(app, secParam("prompt", "none"), secParam("response_mode", "form_post"), secParam("state", script)))
		b.run(chromedp.WaitReady("#home", chromedp.ByQuery))
		<-codes
	}
	b.onlyTalksTo(s.Issuer, callback.URL, home.URL)
}

// secCertificate makes a certificate for localhost in folder.
func secCertificate(t *testing.T, folder string) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", private), pool
}

func TestSec_HT08_ModernTLSOnly(t *testing.T) {
	t.Parallel()
	binary, err := demoBinary()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	certFile, keyFile, pool := secCertificate(t, folder)
	address := secServe(t, binary, folder, "IDP_PUBLIC_URL=https://localhost:8443", "IDP_TLS_CERT_FILE="+certFile, "IDP_TLS_KEY_FILE="+keyFile)
	host := strings.TrimPrefix(address, "http://")
	shake := func(config *tls.Config) (tls.ConnectionState, error) {
		config.RootCAs, config.ServerName = pool, "localhost"
		conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", host)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState(), nil
	}
	if state, err := shake(&tls.Config{}); err != nil || state.Version != tls.VersionTLS13 {
		t.Errorf("by default: %x, %v", state.Version, err)
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := shake(&tls.Config{MinVersion: version, MaxVersion: version}); err == nil {
			t.Errorf("%s is spoken", tls.VersionName(version))
		}
	}
	// What RFC 9325 section 4.2 recommends, for this certificate's kind of key.
	modern := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		_, err := shake(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		if good := slices.Contains(modern, suite.ID); good != (err == nil) {
			t.Errorf("%s: %v", suite.Name, err)
		}
	}
	secPlainText(t, address)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}}}
	response, err := client.Get("https://" + host + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

// secPlainText fails unless what is sent in the clear is refused: a redirect would hide that a secret was on the wire.
func secPlainText(t *testing.T, address string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{"/oauth2/token", "/oauth2/introspect", "/login", "/oauth2/userinfo"} {
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, address+path, strings.NewReader("client_secret=x"))
		response, err := client.Do(r)
		if err != nil {
			t.Error(err)
		} else {
			response.Body.Close()
			if response.StatusCode != http.StatusBadRequest || response.Header.Get("Location") != "" {
				t.Errorf("%s in the clear: %d %s", path, response.StatusCode, response.Header.Get("Location"))
			}
		}
		stop()
	}
}
