package focushq_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/focushq"
	"github.com/focushq/idp/internal/htmlcheck"
)

// world is a Focus HQ, its provider and one browser.
type world struct {
	t       *testing.T
	idp     *fake
	url     string
	at      time.Time
	mails   []focushq.Mail
	browser *http.Client
	log     strings.Builder
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, at: time.Date(2026, 10, 7, 14, 3, 0, 0, time.UTC)}
	w.idp = newFake(t, w.now)
	server := httptest.NewUnstartedServer(nil)
	w.url = "http://" + server.Listener.Addr().String()
	app, err := focushq.New(focushq.Config{Issuer: w.idp.URL, ClientID: "focus-hq", ClientSecret: "s3cret", PublicURL: w.url + "/",
		Now: w.now, Mailbox: func() []focushq.Mail { return w.mails }, Log: slog.New(slog.NewTextHandler(&w.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = app.Handler()
	server.Start()
	t.Cleanup(server.Close)
	w.newBrowser()
	return w
}

func (w *world) now() time.Time { return w.at }

func (w *world) newBrowser() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.browser = &http.Client{Jar: jar}
}

// page is an answer after all redirects.
type page struct {
	*htmlcheck.Page
	status int
	url    *url.URL
	header http.Header
	body   string
}

func (w *world) do(r *http.Request) page {
	w.t.Helper()
	resp, err := w.browser.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return page{htmlcheck.Must(w.t, string(body)), resp.StatusCode, resp.Request.URL, resp.Header, string(body)}
}

func (w *world) get(path string) page {
	w.t.Helper()
	r, err := http.NewRequest("GET", w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	p := w.do(r)
	for _, fault := range p.Lint() {
		if !strings.Contains(fault, "form_token") { // these forms are guarded by the request's origin
			w.t.Errorf("%s: %s", path, fault)
		}
	}
	return p
}

func (w *world) post(path string, header ...string) page {
	w.t.Helper()
	r, err := http.NewRequest("POST", w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return w.do(r)
}

// problem fails the test unless p tells of the problem called id.
func (w *world) problem(p page, id string, status int) {
	w.t.Helper()
	if got := p.Attr("[role=alert]", "data-problem"); got != id || p.status != status {
		w.t.Errorf("problem %q, status %d, want %q, %d (%s)\n%s", got, p.status, id, status, p.url, w.log.String())
	}
	if p.Text("[role=alert]") == "" || !strings.HasPrefix(p.Title(), "Error: ") {
		w.t.Errorf("title %q, words %q", p.Title(), p.Text("[role=alert]"))
	}
}

func TestProfileLinkFollowsUserinfo(t *testing.T) {
	w := newWorld(t)
	w.get("/login")
	p := w.get("/profile")
	if got := p.Text("#mfa-link"); got != "Enable multi-factor authentication" {
		t.Errorf("not enrolled: %q", got)
	}
	want := w.idp.URL + "/account/mfa?" + url.Values{"client_id": {"focus-hq"}, "return_to": {w.url + "/profile"}}.Encode()
	if got := p.Attr("#mfa-link", "href"); got != want {
		t.Errorf("link = %s, want %s", got, want)
	}
	w.idp.userinfo["mfa_enrolled"] = true
	if got := w.get("/profile").Text("#mfa-link"); got != "Multi-factor authentication settings (MFA)" {
		t.Errorf("enrolled: %q", got)
	}
	delete(w.idp.userinfo, "mfa_enrolled")
	p = w.get("/profile")
	if got := p.Text("#mfa-link"); got != "Multi-factor authentication settings (MFA)" || !strings.Contains(p.body, "did not share") {
		t.Errorf("not told: %q", got)
	}
}

func TestProfileRefreshesTokens(t *testing.T) {
	w := newWorld(t)
	w.get("/login")
	w.get("/profile")
	if w.idp.refreshes != 0 {
		t.Errorf("%d refreshes although the access token is good", w.idp.refreshes)
	}
	w.at = w.at.Add(10 * time.Minute)
	if p := w.get("/profile"); p.status != 200 || w.idp.refreshes != 1 {
		t.Errorf("an old access token: status %d, %d refreshes", p.status, w.idp.refreshes)
	}
	w.idp.blocked = true
	if p := w.get("/profile"); p.status != 200 || w.idp.refreshes != 2 {
		t.Errorf("a revoked access token: status %d, %d refreshes", p.status, w.idp.refreshes)
	}
	w.idp.blocked, w.idp.refuse = true, "invalid_grant"
	p := w.get("/profile")
	w.problem(p, "ended", 403)
	if p.Attr("#try-again", "href") != "/login?to=%2Fprofile" || p.Has("#sign-out") {
		t.Errorf("after the end:\n%s", p.body)
	}
	w.idp.blocked, w.idp.refuse = false, ""
	if p := w.get(p.Attr("#try-again", "href")); p.url.Path != "/profile" {
		t.Errorf("signed in again: %s", p.url)
	}
}

func TestProfileWithoutRefreshToken(t *testing.T) {
	w := newWorld(t)
	w.idp.noRefresh = true
	w.get("/login")
	if p := w.get("/tokens"); p.Has("#refresh") {
		t.Error("there is a button to refresh")
	}
	w.at = w.at.Add(10 * time.Minute)
	w.problem(w.get("/profile"), "ended", 403)
}

func TestSensitivePageAsksForASecondFactor(t *testing.T) {
	w := newWorld(t)
	w.get("/login")
	w.idp.answer = func(asked, _ url.Values) {
		if asked.Get("acr_values") == "aal2" {
			w.idp.signedInWith("aal2", "pwd", "otp", "mfa")
		}
	}
	p := w.get("/sensitive")
	if p.status != 200 || p.Text("h1") != "Sensitive page" || !strings.Contains(p.Text("main"), "a code from your app") {
		t.Errorf("%s: %s", p.url, p.Text("main"))
	}
	w.get("/sensitive")
	if n := len(w.idp.asked); n != 2 || w.idp.asked[1].Get("acr_values") != "aal2" {
		t.Errorf("%d authorization requests: %v", n, w.idp.asked)
	}
}

func TestSensitivePageStaysClosedWithoutSecondFactor(t *testing.T) {
	w := newWorld(t)
	p := w.get("/sensitive")
	w.problem(p, "insufficient", 403)
	if strings.Contains(p.body, "Front door") || !p.Has("#sign-out") || p.Attr("#try-again", "href") != "/sensitive" {
		t.Errorf("page:\n%s", p.body)
	}
	if n := len(w.idp.asked); n != 1 {
		t.Errorf("%d authorization requests, want 1", n)
	}
}

func TestSignOut(t *testing.T) {
	w := newWorld(t)
	w.get("/login")
	p := w.post("/logout")
	if p.url.String() != w.url+"/" || !p.Has("#sign-in") || !strings.Contains(p.Text("[role=status]"), "signed out") {
		t.Errorf("after signing out: %s\n%s", p.url, p.body)
	}
	hint := w.idp.ended.Get("id_token_hint")
	want := url.Values{"id_token_hint": {hint}, "client_id": {"focus-hq"}, "post_logout_redirect_uri": {w.url + "/"}}
	if diff := cmp.Diff(want, w.idp.ended); diff != "" || strings.Count(hint, ".") != 2 {
		t.Error(diff)
	}
	if w.get("/").Has("[role=status]") {
		t.Error("the news stays")
	}
	if p := w.post("/logout"); p.status != 200 || !p.Has("#sign-in") {
		t.Errorf("signing out twice: %d", p.status)
	}
}

func TestSignOutWhileTheProviderIsAway(t *testing.T) {
	w := newWorld(t)
	w.get("/login")
	w.idp.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) })
	r, _ := http.NewRequest("POST", w.url+"/logout", nil)
	w.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if p := w.do(r); !strings.HasPrefix(p.header.Get("Location"), w.idp.URL+"/logout?") {
		t.Errorf("Location = %s", p.header.Get("Location"))
	}
	if w.get("/").Has("#sign-out") {
		t.Error("still signed in")
	}
}

func TestBackchannelLogout(t *testing.T) {
	w := newWorld(t)
	w.get("/login")
	logout := func(edit func(map[string]any)) int {
		claims := map[string]any{"iss": w.idp.URL, "aud": "focus-hq", "iat": w.at.Unix(), "exp": w.at.Add(time.Minute).Unix(), "jti": "1",
			"sub": "alice-1", "sid": "session-1", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
		edit(claims)
		resp, err := http.PostForm(w.url+"/backchannel-logout", url.Values{"logout_token": {w.idp.sign(claims)}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if status := logout(func(c map[string]any) { c["iss"] = "https://evil.example" }); status != 400 {
		t.Errorf("a foreign token: %d", status)
	}
	if status := logout(func(c map[string]any) { c["sid"] = "session-2" }); status != 200 || !w.get("/").Has("#sign-out") {
		t.Errorf("another session: %d", status)
	}
	if status := logout(func(map[string]any) {}); status != 200 || w.get("/").Has("#sign-out") {
		t.Errorf("this session: %d", status)
	}
	w.get("/login")
	if status := logout(func(c map[string]any) { delete(c, "sid") }); status != 200 || w.get("/").Has("#sign-out") {
		t.Errorf("all of the person's: %d", status)
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	w := newWorld(t)
	w.get("/login")
	w.problem(w.post("/logout", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), "cross_origin", 403)
	if !w.get("/").Has("#sign-out") {
		t.Error("another site signed the person out")
	}
}

func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	w.get("/login")
	w.at = w.at.Add(12 * time.Hour)
	if w.get("/").Has("#sign-out") {
		t.Error("the session is older than twelve hours")
	}
}

func TestMailbox(t *testing.T) {
	w := newWorld(t)
	if p := w.get("/mail"); !strings.Contains(p.Text("main"), "Nothing was sent yet") {
		t.Errorf("empty mailbox: %s", p.Text("main"))
	}
	text := "Hello,\n  see " + w.idp.URL + "/reset?token=a&b=1.\nNot https://evil.example/ <script>alert(1)</script>"
	w.mails = []focushq.Mail{{ID: "1", At: w.at, To: "alice@example.com", Subject: "First", Text: text},
		{ID: "2", At: w.at.Add(time.Minute), To: "bob@example.com", Subject: "Second <b>", Text: "x"}}
	list := w.get("/mail")
	if diff := cmp.Diff([]string{"Second <b>", "First"}, list.Texts(".mails strong")); diff != "" {
		t.Error(diff)
	}
	p := w.get("/mail/1")
	if p.Count("pre a") != 1 || p.Attr("pre a", "href") != w.idp.URL+"/reset?token=a&b=1" || p.Has("main script") {
		t.Errorf("mail:\n%s", p.body)
	}
	if !strings.Contains(p.Text("pre"), "<script>alert(1)</script>") {
		t.Errorf("text = %q", p.Text("pre"))
	}
	w.problem(w.get("/mail/3"), "not_found", 404)
}

func TestHeadersAndStaticFiles(t *testing.T) {
	w := newWorld(t)
	p := w.get("/")
	policy := p.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "form-action 'self' " + w.idp.URL} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q has no %s", policy, want)
		}
	}
	if p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control = %q", p.header.Get("Cache-Control"))
	}
	for _, link := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(p.body, -1) {
		if !strings.HasPrefix(link[1], "/") && !strings.HasPrefix(link[1], "#") {
			t.Errorf("the front page refers to %s", link[1])
		}
	}
	style := w.do(request(t, w.url+p.Attr("link[rel=stylesheet]", "href")))
	if style.status != 200 || !strings.HasPrefix(style.header.Get("Content-Type"), "text/css") ||
		!strings.Contains(style.header.Get("Cache-Control"), "immutable") || strings.Contains(style.body, "url(") {
		t.Errorf("style sheet: %d %v", style.status, style.header)
	}
	w.problem(w.get("/static/style.css"), "not_found", 404)
	w.problem(w.get("/nowhere"), "not_found", 404)
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNewRefusesBadConfig(t *testing.T) {
	good := focushq.Config{Issuer: "https://idp.example", ClientID: "focus-hq", PublicURL: "https://focus.example"}
	if _, err := focushq.New(good); err != nil {
		t.Error(err)
	}
	for name, edit := range map[string]func(*focushq.Config){
		"no issuer": func(c *focushq.Config) { c.Issuer = "" }, "issuer without a host": func(c *focushq.Config) { c.Issuer = "idp.example" },
		"no client": func(c *focushq.Config) { c.ClientID = "" }, "public URL with a path": func(c *focushq.Config) { c.PublicURL += "/app" },
		"public URL of another scheme": func(c *focushq.Config) { c.PublicURL = "ftp://focus.example" },
	} {
		bad := good
		edit(&bad)
		if _, err := focushq.New(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
