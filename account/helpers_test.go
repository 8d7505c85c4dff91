package account

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

const good = "a quiet corner of the library" // a password that nothing is wrong with

// cheap hashes in well under a millisecond.
func cheap() Params { return Params{MemoryKiB: 32, Time: 1} }

// fixture is a service with a clock that stands until it is moved, and the kinds of the events it reported.
type fixture struct {
	*Service
	t      *testing.T
	now    time.Time
	events []string
	broken error // what the observer answers
}

func fixtureOn(t *testing.T, db *dbx.DB, edit ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Unix(1_790_000_000, 0)}
	var mu sync.Mutex // of f.events
	cfg := Config{
		DB: db, Hasher: NewHasher(cheap()), Key: make([]byte, 32), Words: []string{"Focus HQ"},
		Now: func() time.Time { return f.now },
		Observe: func(_ context.Context, e Event) error {
			mu.Lock()
			defer mu.Unlock()
			f.events = append(f.events, e.Kind)
			return f.broken
		},
	}
	for _, fn := range edit {
		fn(&cfg)
	}
	var err error
	f.Service, err = New(cfg)
	check(t, err)
	return f
}

// each runs fn on both engines.
func each(t *testing.T, fn func(t *testing.T, f *fixture)) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) { fn(t, fixtureOn(t, db)) }, "account")
}

func onSQLite(t *testing.T, edit ...func(*Config)) *fixture {
	return fixtureOn(t, dbxtest.SQLite(t, "account"), edit...)
}

// add makes an account with the password good.
func (f *fixture) add(username string, edit ...func(*NewAccount)) *Account {
	f.t.Helper()
	n := NewAccount{Username: username, Password: good}
	for _, fn := range edit {
		fn(&n)
	}
	a, err := f.Create(f.t.Context(), n)
	check(f.t, err)
	return a
}

func admin(n *NewAccount) { n.Admin = true }

func (f *fixture) read(subject string) *Account {
	f.t.Helper()
	a, err := f.BySubject(f.t.Context(), subject)
	check(f.t, err)
	return a
}

func (f *fixture) signIn(name, password string) error {
	_, err := f.Authenticate(f.t.Context(), name, password, "")
	return err
}

// storedHash returns what the database has of a password.
func (f *fixture) storedHash(subject string) string {
	f.t.Helper()
	var hash string
	check(f.t, f.cfg.DB.Get(f.t.Context(), &hash, `SELECT password FROM accounts WHERE subject = $1`, subject))
	return hash
}

// reason returns field/reason of an InvalidError, "" for none.
func reason(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("not an InvalidError: %v", err)
	}
	return invalid.Field + "/" + invalid.Reason
}

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error %v, want %v", err, target)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
