package e2e

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
)

// secWire is a way to a server that can be cut, frozen and mended.
type secWire struct {
	address string
	target  string

	mu     sync.Mutex
	delay  time.Duration // of every answer
	cut    bool
	frozen chan struct{} // closed when what is frozen may go on; nil: not frozen
	open   map[net.Conn]bool
}

func newSecWire(t *testing.T, target string) *secWire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &secWire{address: l.Addr().String(), target: target, open: map[net.Conn]bool{}}
	t.Cleanup(func() {
		l.Close()
		w.Cut()
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(conn)
		}
	}()
	return w
}

func (w *secWire) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer server.Close()
	w.mu.Lock()
	if w.cut {
		w.mu.Unlock()
		return
	}
	w.open[client], w.open[server] = true, true
	w.mu.Unlock()
	go w.copy(server, client, false)
	w.copy(client, server, true)
	w.mu.Lock()
	delete(w.open, client)
	delete(w.open, server)
	w.mu.Unlock()
}

func (w *secWire) copy(to, from net.Conn, answers bool) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		w.mu.Lock()
		frozen, delay := w.frozen, w.delay
		w.mu.Unlock()
		if answers {
			time.Sleep(delay) // it is what the experiment is about
		}
		if frozen != nil {
			<-frozen
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Cut ends every connection, and every new one at once.
func (w *secWire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for conn := range w.open {
		conn.Close()
	}
}

// Freeze lets nothing through any more: connections stay, answers don't come.
func (w *secWire) Freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = make(chan struct{})
}

// Delay makes every round trip take so much longer.
func (w *secWire) Delay(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// Mend takes Cut, Freeze and Delay back.
func (w *secWire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut, w.delay = false, 0
	if w.frozen != nil {
		close(w.frozen)
		w.frozen = nil
	}
}

// secOverWire is a provider whose PostgreSQL is at the other end of a wire.
func secOverWire(t *testing.T, edit ...func(*idp.Config)) (*secSite, *secWire) {
	t.Helper()
	database, err := url.Parse(dbxtest.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	wire := newSecWire(t, database.Host)
	s := secOpen(t, append(edit, func(c *idp.Config) {
		over := *database
		over.Host = wire.address
		c.DatabaseURL = over.String()
	})...)
	s.DatabaseURL = database.String() // the tests look past the wire
	return s, wire
}

// secOutage checks what a request gets while the database is away.
func secOutage(t *testing.T, what string, page *idptest.Page) {
	t.Helper()
	if page.URL.Host == "app.example" {
		if answer := page.URL.Query(); answer.Get("error") != "temporarily_unavailable" && answer.Get("error") != "server_error" || answer.Has("code") {
			t.Errorf("%s: the app is told %v", what, answer)
		}
		return
	}
	if page.Status != http.StatusServiceUnavailable && page.Status != http.StatusInternalServerError {
		t.Errorf("%s: %d at %s\n%s", what, page.Status, page.URL, page.Text("main"))
	}
	if id := page.Header.Get("X-Request-Id"); id == "" || strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") && !strings.Contains(page.Body, id) {
		t.Errorf("%s: the page doesn't show its request id %q", what, id)
	}
	secNoInside(t, what, page.Body)
	if page.Status == http.StatusServiceUnavailable && page.Header.Get("Retry-After") == "" {
		t.Errorf("%s: 503 without Retry-After", what)
	}
}

// secUnavailable fails unless the token endpoint said that it cannot answer now, and when to try again.
func secUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.Response.StatusCode != http.StatusServiceUnavailable || refused.Response.Header.Get("Retry-After") == "" {
		t.Errorf("%s: %v", what, err)
		return
	}
	secNoInside(t, what, string(refused.Body))
}

func TestTheDatabaseGoesAway(t *testing.T) {
	t.Parallel()
	s, wire := secOverWire(t)
	p, b := s.enrolled("alice"), s.Browser()
	tokens := s.exchange(s.app, p.signIn(b, s.app))
	asks := rpAsking(s, "asks")
	code := secGranted(t, s.begin(b, s.app))
	login := secAt(t, s.begin(s.Browser(), s.app), "/login")
	mfa := p.atCode()
	consent := secAt(t, s.begin(b, asks), "/consent")
	scanner := s.Browser()
	secGranted(t, s.person("bob").signIn(scanner, s.app))
	settings := secAt(t, scanner.Get("/account/mfa"), "/account/mfa")
	count := func() [4]int {
		return [4]int{
			s.count(`SELECT COUNT(*) FROM sessions`), s.count(`SELECT COUNT(*) FROM oauth_grants`), s.count(`SELECT COUNT(*) FROM consents`),
			s.count(`SELECT COUNT(*) FROM mfa_enrollments`),
		}
	}
	before, typed := count(), p.code()

	wire.Cut()
	secOutage(t, "a new sign-in", s.begin(s.Browser(), s.app))
	secOutage(t, "the password", secPassword(login, "alice"))
	secOutage(t, "the code", mfa.Submit("mfa-submit", "code", typed))
	secOutage(t, "consent", consent.Submit("consent-allow"))
	secOutage(t, "enrolment", settings.Submit("enrol-start"))
	secOutage(t, "the account page", b.Get("/account"))
	secOutage(t, "sign-out", b.Get("/oauth2/logout"))
	_, err := s.app.Exchange(t.Context(), code, secVerifierOption())
	secUnavailable(t, "the code", err)
	_, err = s.refresh(s.app, tokens)
	secUnavailable(t, "the refresh token", err)
	r, _ := http.NewRequest(http.MethodGet, s.Issuer+"/oauth2/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	if page := s.Browser().Do(r); page.Status != http.StatusServiceUnavailable {
		t.Errorf("userinfo: %d %s", page.Status, page.Body)
	}
	for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} { // never a false "inactive" or "revoked"
		if page := s.asks(s.Issuer+path, tokens.AccessToken); page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, page.Status, page.Body)
		}
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/.well-known/openid-configuration": 200} {
		page := s.Browser().Get(path)
		if page.Status != want {
			t.Errorf("%s: %d, want %d", path, page.Status, want)
		}
		secNoInside(t, path, page.Body)
	}
	if after := count(); after != before {
		t.Errorf("half done: %v → %v", before, after)
	}

	wire.Mend() // and nothing else is done
	if page := s.Browser().Get("/readyz"); page.Status != http.StatusOK {
		t.Errorf("/readyz after the outage: %d", page.Status)
	}
	secAt(t, b.Get("/account"), "/account")
	secAt(t, secPassword(login, "alice"), "/mfa")
	secGranted(t, mfa.Submit("mfa-submit", "code", typed)) // it was not used up
	secGranted(t, consent.Submit("consent-allow"))
	if _, err := s.app.Exchange(t.Context(), code, secVerifierOption()); err != nil {
		t.Errorf("the code after the outage: %v", err)
	}
	tokens = s.mustRefresh(s.app, tokens)
	secAt(t, settings.Submit("enrol-start"), "/account/mfa/enrol/scan")
	for i, want := range []string{`"active":true`, `"active":false`} {
		if page := s.asks(s.Issuer+"/oauth2/introspect", tokens.AccessToken); !strings.Contains(page.Body, want) {
			t.Errorf("introspection after %d revocations: %s", i, page.Body)
		}
		s.asks(s.Issuer+"/oauth2/revoke", tokens.AccessToken)
	}
}

func TestSec_DS07_ADatabaseThatIsSilent(t *testing.T) {
	t.Parallel()
	s, wire := secOverWire(t)
	p, b := s.person("alice"), s.Browser()
	secGranted(t, p.signIn(b, s.app))
	login := secAt(t, s.begin(s.Browser(), s.app), "/login")
	wire.Freeze()
	asked := map[string]func() *idptest.Page{
		"the account page": func() *idptest.Page { return secCopy(s, b).Get("/account") },
		"a new sign-in":    func() *idptest.Page { return s.begin(s.Browser(), s.app) },
		"the password":     func() *idptest.Page { return secPassword(login, "alice") },
		"/readyz":          func() *idptest.Page { return s.Browser().Get("/readyz") },
		"/livez":           func() *idptest.Page { return s.Browser().Get("/livez") },
	}
	var names []string
	for name := range asked {
		names = append(names, name)
	}
	secAtOnce(len(names), func(i int) {
		began := time.Now()
		page := asked[names[i]]()
		if took := time.Since(began); took > 12*time.Second { // five, and what a busy machine adds
			t.Errorf("%s: %v", names[i], took)
		}
		switch names[i] {
		case "/livez":
			if page.Status != http.StatusOK {
				t.Errorf("/livez: %d", page.Status)
			}
		case "/readyz":
			if page.Status != http.StatusServiceUnavailable {
				t.Errorf("/readyz: %d", page.Status)
			}
		default:
			secOutage(t, names[i], page)
		}
	})
	wire.Mend()
	secAt(t, b.Get("/account"), "/account")
	secGranted(t, secPassword(login, "alice"))
}
