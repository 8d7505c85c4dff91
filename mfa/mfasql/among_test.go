package mfasql_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfasql"
)

// TestEnrolledAmongManyPeople asks for 100,000 people, of whom every seventh has an app.
func TestEnrolledAmongManyPeople(t *testing.T) {
	const people = 100_000
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		_, err := db.Exec(t.Context(), `INSERT INTO mfa_authenticators
			(id, subject, name, secret, step_offset, run, last_step, added_at, last_used_at)
			WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 7 FROM numbers WHERE n + 7 < $1)
			SELECT 'id' || n, 'person ' || n, 'Phone', $2, 0, 0, 0, 0, 0 FROM numbers`, people, []byte{1})
		must(t, err)
		subjects := make([]string, people)
		for n := range subjects {
			subjects[n] = fmt.Sprint("person ", n)
		}
		counted, trips := dbxtest.Counted(t, db)
		service := serviceOn(t, mfasql.New(counted.SQLX()), &clock{now: time.Unix(1_800_000_000, 0)})
		enrolled, err := service.EnrolledAmong(t.Context(), subjects)
		must(t, err)
		for n, subject := range subjects {
			if enrolled[subject] != (n%7 == 0) {
				t.Fatalf("%s: %v", subject, enrolled[subject])
			}
		}
		statements := 0
		for _, trip := range trips.All() {
			if !strings.HasPrefix(trip, "PREPARE") {
				statements++
			}
		}
		if statements != people/500 {
			t.Errorf("%d statements, want one for 500 people", statements)
		}
	}, "mfa")
}

// TestCodesLeftAmongManyPeople asks for 1,200 people, of whom every third has a set of ten codes, some of them used, and
// every sixth one that waits to be confirmed.
func TestCodesLeftAmongManyPeople(t *testing.T) {
	const people = 1200
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		counted, trips := dbxtest.Counted(t, db)
		store := mfasql.New(counted.SQLX())
		subjects, want := make([]string, people), map[string]int{}
		must(t, store.InTx(t.Context(), func(ctx context.Context) error {
			for n := range subjects {
				subjects[n] = fmt.Sprint("person ", n)
				if n%3 != 0 {
					continue
				}
				for _, active := range []bool{true, false}[:1+n%2] { // the other one waits
					set := mfa.CodeSet{ID: fmt.Sprint("set ", n, active), Owner: mfa.Owner{Subject: subjects[n], Session: "s"}, Salt: []byte{1}, CreatedAt: time.Unix(1, 0)}
					for i := range 10 {
						set.Codes = append(set.Codes, mfa.CodeRecord{N: i, Hash: []byte{byte(i)}})
					}
					if err := store.AddCodes(ctx, set); err != nil || !active {
						return err
					}
					if _, err := store.ActivateCodes(ctx, set.Owner, "", set.ID); err != nil {
						return err
					}
					for i := range n % 11 {
						if _, err := store.UseCode(ctx, subjects[n], set.ID, i, time.Unix(2, 0)); err != nil {
							return err
						}
					}
					if left := 10 - n%11; left > 0 {
						want[subjects[n]] = left
					}
				}
			}
			return nil
		}))
		trips.Reset()
		got, err := store.CodesLeftAmong(t.Context(), subjects)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		statements := slices.DeleteFunc(trips.All(), func(trip string) bool { return strings.HasPrefix(trip, "PREPARE") })
		if len(statements) != 3 {
			t.Errorf("%d statements, want one for 500 people", len(statements))
		}
		if none, err := store.CodesLeftAmong(t.Context(), nil); err != nil || len(none) != 0 {
			t.Errorf("of nobody: %v, %v", none, err)
		}
	}, "mfa")
}
