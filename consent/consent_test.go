package consent_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/consent"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// step is a Decide of the tables below, a minute after the one before.
type step struct{ granted, declined []string }

func TestSec_CO04_GrantedIsPartOfWhatWasShown(t *testing.T) {
	start := time.UnixMilli(1_790_000_000_123)
	minute := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	tests := []struct {
		name   string
		steps  []step
		scopes []string
		want   consent.Decision
	}{
		{"nothing decided", nil, []string{"openid"}, consent.Decision{}},
		{"all granted, in the order requested", []step{{[]string{"openid", "email", "profile"}, nil}},
			[]string{"profile", "openid"}, consent.Decision{Granted: []string{"profile", "openid"}, At: minute(0)}},
		{"declined is decided", []step{{[]string{"openid"}, []string{"email"}}},
			[]string{"openid", "email"}, consent.Decision{Granted: []string{"openid"}, At: minute(0)}},
		{"all declined is decided", []step{{nil, []string{"email"}}},
			[]string{"email"}, consent.Decision{At: minute(0)}},
		{"a new scope asks again", []step{{[]string{"openid"}, nil}},
			[]string{"openid", "email"}, consent.Decision{Granted: []string{"openid"}}},
		{"the last decision counts", []step{{[]string{"openid"}, nil}, {[]string{"email"}, nil}},
			[]string{"openid", "email"}, consent.Decision{Granted: []string{"openid", "email"}, At: minute(1)}},
		{"a later one on another scope does not", []step{{[]string{"openid"}, nil}, {[]string{"email"}, nil}},
			[]string{"openid"}, consent.Decision{Granted: []string{"openid"}, At: minute(0)}},
		{"taken back", []step{{[]string{"email"}, nil}, {nil, []string{"email"}}},
			[]string{"email"}, consent.Decision{At: minute(1)}},
		{"in both lists is declined", []step{{[]string{"email"}, []string{"email"}}},
			[]string{"email"}, consent.Decision{At: minute(0)}},
		{"no scopes, not asked", []step{{[]string{"openid"}, nil}}, nil, consent.Decision{}},
		{"no scopes, asked", []step{{nil, nil}}, nil, consent.Decision{At: minute(0)}},
		{"repeated scope", []step{{[]string{"openid"}, nil}},
			[]string{"openid", "openid"}, consent.Decision{Granted: []string{"openid"}, At: minute(0)}},
		{"a prefix is another scope", []step{{[]string{"profile"}, nil}}, []string{"prof"}, consent.Decision{}},
	}
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				ctx, now := t.Context(), start
				store := &consent.Store{DB: db, Now: func() time.Time { return now }}
				for _, s := range tt.steps {
					check(t, store.Decide(ctx, "alice", tt.name, s.granted, s.declined))
					now = now.Add(time.Minute)
				}
				got, err := store.Decided(ctx, "alice", tt.name, tt.scopes)
				check(t, err)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		}
	}, "consent")
}

func TestSec_CO05_RevokeAsksAgain(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		ctx, now := t.Context(), time.UnixMilli(1_790_000_000_000)
		store := &consent.Store{DB: db, Now: func() time.Time { return now }}
		check(t, store.Decide(ctx, "alice", "mail", []string{"openid", "email"}, []string{"phone"}))
		now = now.Add(time.Hour)
		check(t, store.Decide(ctx, "alice", "focus-hq", []string{"openid"}, nil))
		check(t, store.Decide(ctx, "bob", "focus-hq", []string{"openid"}, nil))

		got, err := store.List(ctx, "alice")
		check(t, err)
		want := []consent.Grant{
			{Client: "focus-hq", Granted: []string{"openid"}, At: now},
			{Client: "mail", Granted: []string{"email", "openid"}, Declined: []string{"phone"}, At: now.Add(-time.Hour)},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}

		check(t, store.Revoke(ctx, "alice", "focus-hq"))
		if decided(ctx, t, store, "alice", "focus-hq") || !decided(ctx, t, store, "alice", "mail") ||
			!decided(ctx, t, store, "bob", "focus-hq") {
			t.Error("Revoke ends one client of one person")
		}
		check(t, store.Decide(ctx, "alice", "focus-hq", []string{"openid"}, nil))
		check(t, store.RevokeClient(ctx, "focus-hq"))
		if decided(ctx, t, store, "alice", "focus-hq") || decided(ctx, t, store, "bob", "focus-hq") ||
			!decided(ctx, t, store, "alice", "mail") {
			t.Error("RevokeClient ends one client of all people")
		}
		check(t, store.Decide(ctx, "bob", "focus-hq", []string{"openid"}, nil))
		check(t, store.RevokeAll(ctx, "alice"))
		if decided(ctx, t, store, "alice", "mail") || !decided(ctx, t, store, "bob", "focus-hq") {
			t.Error("RevokeAll ends all clients of one person")
		}
	}, "consent")
}

// Two tabs answer the same question with the scopes the other way round.
func TestDecideAtOnce(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		ctx := t.Context()
		store := &consent.Store{DB: db}
		check(t, store.Decide(ctx, "alice", "focus-hq", []string{"openid"}, nil))
		var wait sync.WaitGroup
		for i := range 40 {
			scopes := []string{"openid", "email", "profile"}
			if i%2 == 0 {
				scopes = []string{"profile", "email", "openid"}
			}
			wait.Go(func() {
				if err := store.Decide(ctx, "alice", "focus-hq", scopes, nil); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if !decided(ctx, t, store, "alice", "focus-hq") {
			t.Error("undecided")
		}
	}, "consent")
}

func decided(ctx context.Context, t *testing.T, store *consent.Store, subject, client string) bool {
	t.Helper()
	d, err := store.Decided(ctx, subject, client, []string{"openid"})
	check(t, err)
	return !d.At.IsZero()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
