package mfapasskey_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfapasskey"
	"github.com/focushq/idp/mfa/mfapasskey/passkeytest"
	"github.com/focushq/idp/mfa/mfasql"
	"github.com/focushq/idp/mfa/mfatest"
)

const origin = "https://id.example.com:8443"

// replica is one process: services of its own, on a handle of its own.
type replica struct {
	*mfapasskey.Service
	mfa *mfa.Service
}

// world is a database with two replicas, and a clock.
type world struct {
	t testing.TB
	replica
	other replica

	mu     sync.Mutex
	now    time.Time
	events []mfa.Event
	refuse mfa.Kind // the observer refuses this kind
}

var errObserver = errors.New("the audit is full")

// both runs fn on both engines.
func both(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	for engine, url := range map[string]func(testing.TB, ...string) string{
		"sqlite": dbxtest.SQLiteURL, "postgres": dbxtest.PostgresURL,
	} {
		t.Run(engine, func(t *testing.T) { fn(t, newWorld(t, url)) })
	}
}

func newWorld(t testing.TB, url func(testing.TB, ...string) string) *world {
	t.Helper()
	w := &world{t: t, now: time.Unix(1_800_000_000, 0)}
	where := url(t, "mfa")
	w.replica, w.other = w.start(where, origin), w.start(where, origin)
	return w
}

// newWorldAt is newWorld for pages at another origin.
func newWorldAt(t testing.TB, origin string) *world {
	t.Helper()
	w := &world{t: t, now: time.Unix(1_800_000_000, 0)}
	w.replica = w.start(dbxtest.SQLiteURL(t, "mfa"), origin)
	return w
}

func (w *world) start(url, origin string) replica {
	w.t.Helper()
	db, err := dbx.Open(context.Background(), url)
	w.must(err)
	w.t.Cleanup(func() { db.Close() })
	cipher, err := mfa.NewCipher(make([]byte, 32))
	w.must(err)
	service, err := mfa.New(mfa.Config{
		Store: mfasql.New(db.SQLX()), Cipher: cipher, Issuer: "Focus HQ", Now: w.clock, Observe: w.observe,
		RememberFor: 720 * time.Hour, HashMemory: 64,
	})
	w.must(err)
	passkeys, err := mfapasskey.New(mfapasskey.Config{MFA: service, DB: db.SQLX(), Origin: origin, Name: "Focus HQ", Now: w.clock})
	w.must(err)
	return replica{passkeys, service}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) observe(_ context.Context, e mfa.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Kind == w.refuse {
		return errObserver
	}
	w.events = append(w.events, e)
	return nil
}

// happened fails unless these are the events since the last call.
func (w *world) happened(want ...mfa.Kind) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []mfa.Kind
	for _, e := range w.events {
		got = append(got, e.Kind)
	}
	w.events = nil
	if !slices.Equal(got, want) {
		w.t.Fatalf("events: got %v, want %v", got, want)
	}
}

// named fails unless the last event is of this kind and about a passkey of this name.
func (w *world) named(kind mfa.Kind, name string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if last := w.events[len(w.events)-1]; last.Kind != kind || last.Detail["name"] != name {
		w.t.Fatalf("%s %v, want %s of %q", last.Kind, last.Detail, kind, name)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) is(err, target error) {
	w.t.Helper()
	if !errors.Is(err, target) {
		w.t.Fatalf("got %v, want %v", err, target)
	}
}

func browser(subject string) mfa.Owner {
	return mfa.Owner{Subject: subject, Session: subject + "'s browser"}
}

// add adds a passkey of a new device, which edit may bend before.
func (w *world) add(subject string, edit ...func(*passkeytest.Device)) (*passkeytest.Device, mfa.Credential) {
	w.t.Helper()
	d := passkeytest.New(w.t, origin)
	for _, edit := range edit {
		edit(d)
	}
	shown, ceremony, err := w.BeginAdd(w.t.Context(), browser(subject), subject+"@example.com")
	w.must(err)
	passkey, err := w.FinishAdd(w.t.Context(), browser(subject), ceremony, "", d.Create(shown))
	w.must(err)
	return d, passkey
}

// verify gives the second factor.
func (w *world) verify(subject string, d *passkeytest.Device) ([]mfa.Method, error) {
	w.t.Helper()
	shown, ceremony, err := w.BeginVerify(w.t.Context(), subject)
	w.must(err)
	return w.FinishVerify(w.t.Context(), subject, ceremony, d.Get(shown))
}

// signIn signs in with nothing else.
func (w *world) signIn(d *passkeytest.Device) (string, []mfa.Method, error) {
	w.t.Helper()
	shown, ceremony, err := w.BeginSignIn(w.t.Context())
	w.must(err)
	return w.FinishSignIn(w.t.Context(), ceremony, d.Get(shown), nil)
}

// withCodes makes recovery codes that stand.
func (w *world) withCodes(subject string) []string {
	w.t.Helper()
	codes, set, err := w.mfa.NewRecoveryCodes(w.t.Context(), browser(subject), "")
	w.must(err)
	w.must(w.mfa.ConfirmRecoveryCodes(w.t.Context(), browser(subject), set))
	return codes
}

// withApp adds an authenticator app.
func (w *world) withApp(subject string) *mfatest.Phone {
	w.t.Helper()
	e, err := w.mfa.Enroll(w.t.Context(), browser(subject), subject+"@example.com")
	w.must(err)
	phone, err := mfatest.Scan(e.URI)
	w.must(err)
	phone.Clock = w.clock
	_, err = w.mfa.VerifyEnrollment(w.t.Context(), browser(subject), e.ID, phone.Code(0), phone.Code(1))
	w.must(err)
	set := ""
	if e.First {
		_, set, err = w.mfa.NewRecoveryCodes(w.t.Context(), browser(subject), e.ID)
		w.must(err)
	}
	_, err = w.mfa.Confirm(w.t.Context(), browser(subject), e.ID, set)
	w.must(err)
	w.pass(2 * mfa.Period)
	return phone
}

func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = nil
}
