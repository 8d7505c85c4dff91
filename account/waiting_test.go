package account

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/internal/throttle"
)

func TestWaiting(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		waiting := func(want int) {
			t.Helper()
			if n, err := f.Waiting(ctx); err != nil || n != want {
				t.Errorf("%d, %v, want %d", n, err, want)
			}
		}
		f.add("ada")
		f.add("bob")
		waiting(0)
		guess := func(name string) {
			t.Helper()
			for range 200 {
				_, err := f.Authenticate(ctx, name, "wrong", "192.0.2.7")
				var wait *throttle.Error
				if errors.As(err, &wait) {
					return
				}
				if !errors.Is(err, ErrCredentials) {
					t.Fatal(err)
				}
			}
			t.Fatal("no wait")
		}
		guess("ada")
		waiting(1)
		guess("nobody of that name")
		waiting(1)
		f.now = f.now.Add(24 * time.Hour)
		waiting(0)
	})
}

// Those who wait are found by an index, however many have failed now and then.
func TestWaitingIsFoundByAnIndex(t *testing.T) {
	db := dbxtest.Postgres(t, "account")
	for _, statement := range []string{
		"INSERT INTO account_attempts (key, n, until) SELECT 'subject/' || i, 2, i FROM generate_series(1, 50000) AS i", "ANALYZE account_attempts",
	} {
		if _, err := db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var plan []string
	err := db.SQLX().SelectContext(t.Context(), &plan, `EXPLAIN SELECT count(*) FROM account_attempts WHERE until > $1 AND key LIKE 'subject/%'`, 49_990)
	if all := strings.Join(plan, "\n"); err != nil || strings.Contains(all, "Seq Scan") {
		t.Errorf("%v\n%s", err, all)
	}
}
