package mfasql_test

import (
	"errors"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa/mfasql"
)

// TestGivenBackHoweverLate: a try that was right is no failure, though its request has no more time for statements.
func TestGivenBackHoweverLate(t *testing.T) {
	store := mfasql.New(dbxtest.Postgres(t, "mfa").SQLX())
	won, err := store.CountAttempt(t.Context(), "network", 0, 2, time.Now())
	if err != nil || !won {
		t.Fatal(won, err)
	}
	late := dbx.Bound(t.Context(), time.Now().Add(-time.Second))
	if _, err := store.CountAttempt(late, "network", 2, 1, time.Now()); !errors.Is(err, dbx.ErrFull) {
		t.Errorf("one more: %v", err)
	}
	if won, err := store.CountAttempt(late, "network", 2, -1, time.Now()); err != nil || !won {
		t.Errorf("one back: %v, %v", won, err)
	}
}
