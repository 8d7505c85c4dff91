package mfahttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfatest"
)

// world is a host with these handlers, a fake clock, and the people and pages it has seen.
type world struct {
	plain  *plain
	t      *testing.T
	now    time.Time
	store  *faultyStore
	mfa    *mfa.Service
	cipher mfa.Cipher
	keys   *fakeKeys
	config Config
	events []mfa.Event

	user     User // whose password was checked; zero: nobody
	stale    bool // Fresh redirects
	longAgo  bool // and so it does where the password would do
	waiting  Waiting
	asked    int // how often this request has asked for it
	passed   [][]string
	proved   [][]string
	reminded int
	failed   error

	page   string // what Pages was last asked for
	data   any
	status int
}

var (
	alice   = User{Subject: "sub-alice", Account: "alice@example.com", Session: "session-a"}
	asAlice = Person{Account: alice.Account, AnotherURL: "/login?other=1"}
	bob     = User{Subject: "sub-bob", Account: "bob@example.com", Session: "session-b"}
)

// faultyStore fails when it is told to, and lets somebody enrol without the costly hashes of recovery codes.
type faultyStore struct {
	mfa.Store
	err    error
	anySet bool
}

var errStore = errors.New("test: the store is gone")

func (s *faultyStore) Authenticators(ctx context.Context, subject string) ([]mfa.AuthenticatorRecord, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Store.Authenticators(ctx, subject)
}

func (s *faultyStore) Devices(ctx context.Context, subject string) ([]mfa.DeviceRecord, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Store.Devices(ctx, subject)
}

func (s *faultyStore) ActivateCodes(ctx context.Context, owner mfa.Owner, enrollment, set string) (bool, error) {
	if s.anySet {
		return true, nil
	}
	return s.Store.ActivateCodes(ctx, owner, enrollment, set)
}

// Render is the host's Pages. The body is the data itself, so that tests find what a page could show.
func (w *world) Render(rw http.ResponseWriter, _ *http.Request, status int, page string, data any) {
	w.page, w.data, w.status = page, data, status
	w.checkPlain(page, data)
	rw.WriteHeader(status)
	fmt.Fprintf(rw, "%s %+v", page, data)
}

func newWorld(t *testing.T) *world { return newWorldRemembering(t, 30*24*time.Hour) }

func newWorldRemembering(t *testing.T, remember time.Duration) *world {
	t.Helper()
	w := &world{t: t, plain: Plain(nil).(*plain), user: alice, store: &faultyStore{Store: mfatest.Memory()},
		waiting: Waiting{Client: "Focus HQ", Another: "/login?other=1"}, now: time.Date(2026, 11, 2, 9, 0, 10, 0, time.UTC)}
	cipher, err := mfa.NewCipher(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.cipher = cipher
	clock := func() time.Time { return w.now }
	w.mfa, err = mfa.New(mfa.Config{
		Store: w.store, Cipher: cipher, Issuer: "Acme", RememberFor: remember, Now: clock, HashMemory: 64,
		Observe: func(_ context.Context, e mfa.Event) error { w.events = append(w.events, e); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.keys = &fakeKeys{mfa: w.mfa, now: clock, have: map[string][]mfa.Credential{}, begun: map[string]fakeCeremony{}}
	if err := w.mfa.Register(w.keys); err != nil {
		t.Fatal(err)
	}
	w.config = Config{
		MFA: w.mfa, Passkeys: w.keys, Pages: w, Now: clock,
		User:   func(*http.Request) (User, bool) { return w.user, w.user.Subject != "" },
		SignIn: func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/login", http.StatusSeeOther) },
		Fresh: func(rw http.ResponseWriter, r *http.Request, _ User, proof Proof) bool {
			old, to := w.stale, "/login?to="+url.QueryEscape(r.URL.Path)
			if proof == ProofPassword {
				old, to = w.longAgo, "/login?password"
			}
			if old {
				http.Redirect(rw, r, to, http.StatusSeeOther)
			}
			return !old
		},
		Passed: func(rw http.ResponseWriter, r *http.Request, _ User, amr []string) {
			w.passed = append(w.passed, amr)
			http.Redirect(rw, r, "/resume", http.StatusSeeOther)
		},
		Proved: func(_ http.ResponseWriter, _ *http.Request, _ User, amr []string) error {
			w.proved = append(w.proved, amr)
			return nil
		},
		Waiting: func(r *http.Request, _ User) Waiting {
			w.asked++
			waiting := w.waiting
			if id := r.URL.Query().Get("request"); id != "" {
				waiting.Resume = "/resume?id=" + id
			}
			return waiting
		},
		Reminded: func(rw http.ResponseWriter, r *http.Request, _ User) {
			w.reminded++
			http.Redirect(rw, r, "/resume", http.StatusSeeOther)
		},
		Back:   func(*http.Request) (string, string) { return "Focus HQ", "https://focus.example/profile" },
		Cancel: func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/cancelled", http.StatusSeeOther) },
		Fail: func(rw http.ResponseWriter, _ *http.Request, err error) {
			w.failed = err
			rw.WriteHeader(http.StatusInternalServerError)
		},
	}
	return w
}

// browser keeps cookies and follows nothing.
type browser struct {
	*world
	cookies map[string]string
	agent   string
}

func (w *world) browser() *browser { return &browser{world: w, cookies: map[string]string{}} }

func (b *browser) send(r *http.Request) *http.Response {
	b.t.Helper()
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	r.Header.Set("User-Agent", b.agent)
	b.page, b.data, b.status, b.failed, b.asked = "", nil, 0, nil, 0
	answer := httptest.NewRecorder()
	mux := http.NewServeMux()
	challenge := Challenge(b.config)
	mux.Handle("/mfa", challenge)
	mux.Handle("/mfa/", challenge)
	settings := Settings(b.config)
	mux.Handle("/account/mfa", settings)
	mux.Handle("/account/mfa/", settings)
	mux.ServeHTTP(answer, r)
	got := answer.Result()
	if b.asked > 1 {
		b.t.Errorf("%s %s: asked %d times what waits", r.Method, r.URL, b.asked)
	}
	for _, c := range got.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	if b.page != "" && got.Header.Get("Cache-Control") != "no-store" {
		b.t.Errorf("%s %s: page %s without no-store", r.Method, r.URL, b.page)
	}
	return got
}

func (b *browser) get(target string) *http.Response {
	b.t.Helper()
	return b.send(httptest.NewRequest("GET", target, nil))
}

func (b *browser) post(target string, pairs ...string) *http.Response {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest("POST", target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.send(r)
}

// leads fails the test unless got is a 303 to a URL that begins with prefix; it returns the URL.
func (b *browser) leads(got *http.Response, prefix string) string {
	b.t.Helper()
	location := got.Header.Get("Location")
	if got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, prefix) {
		b.t.Fatalf("status %d to %q (page %s %+v, failed %v), want 303 to %s",
			got.StatusCode, location, b.page, b.data, b.failed, prefix)
	}
	return location
}

// shows fails the test unless the last answer was this page with this status.
func (b *browser) shows(status int, page string) {
	b.t.Helper()
	if b.page != page || b.status != status {
		b.t.Fatalf("page %q with status %d (failed %v), want %q with %d", b.page, b.status, b.failed, page, status)
	}
}

// problem is the id of the problem on the last page, with its field.
func (b *browser) problem() string {
	var p *Problem
	switch page := b.data.(type) {
	case *ChallengePage:
		p = page.Problem
	case *KeyPage:
		p = page.Problem
	case *PairPage:
		p = page.Problem
	case *AddKeyPage:
		p = page.Problem
	case *RecoveryPage:
		p = page.Problem
	case *SettingsPage:
		p = page.Problem
	case *StartPage:
		p = page.Problem
	case *CodesPage:
		p = page.Problem
	case *RecoveryCodesPage:
		p = page.Problem
	}
	if p == nil {
		return ""
	}
	return strings.TrimSpace(strings.TrimPrefix(p.ID, "problem.") + " " + p.Field)
}

// scanned begins an enrolment and returns its query and the phone that has scanned the code.
func (b *browser) scanned(query string) (string, *mfatest.Phone) {
	b.t.Helper()
	at := b.leads(b.post("/account/mfa/enrol/start"+query), pathScan+"?")
	b.get(at)
	b.shows(http.StatusOK, PageScan)
	page := b.data.(*ScanPage)
	return "?" + page.Query, &mfatest.Phone{Key: page.KeyRaw, Clock: b.config.Now}
}

// proven begins an enrolment and types its two codes: those of the step that is and of the next one.
func (b *browser) proven(query string) (string, *mfatest.Phone) {
	b.t.Helper()
	query, phone := b.scanned(query)
	b.leads(b.post(pathCodes+query, "code1", phone.Code(0), "code2", phone.Code(1)), "/account/mfa/enrol/")
	return query, phone
}

// enrolled turns MFA on for the user and waits until the phone shows a code that was not used for that. It returns the
// phone and the recovery codes.
func (b *browser) enrolled() (*mfatest.Phone, []string) {
	b.t.Helper()
	query, phone := b.proven("")
	b.get(pathRecovery + query)
	b.shows(http.StatusOK, PageRecoveryCodes)
	page := b.data.(*RecoveryCodesPage)
	b.leads(b.post(pathRecovery+query, "set", page.Set, "saved", "1"), pathDone)
	b.pass(time.Minute)
	return phone, page.Codes
}

// withApp turns MFA on for the user, who has no recovery codes then.
func (b *browser) withApp() *mfatest.Phone {
	b.t.Helper()
	query, phone := b.proven("")
	b.confirmed(query)
	b.pass(time.Minute)
	return phone
}

// confirmed confirms an enrolment without recovery codes and returns where that leads.
func (b *browser) confirmed(query string) string {
	b.t.Helper()
	b.store.anySet = true
	defer func() { b.store.anySet = false }()
	return b.leads(b.post(pathRecovery+query, "set", "any", "saved", "1"), pathDone)
}

// about allows for the step of typing that nobody can tell from a wrong clock.
func about(got, want time.Duration) bool { return (got - want).Abs() <= mfa.Period }

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

func (w *world) isEnrolled(user User) bool {
	w.t.Helper()
	status, err := w.mfa.Status(context.Background(), user.Subject)
	if err != nil {
		w.t.Fatal(err)
	}
	return status.Enrolled
}

// saw counts the events of a kind.
func (w *world) saw(kind mfa.Kind) int {
	n := 0
	for _, e := range w.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}
