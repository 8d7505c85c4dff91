package mfasql_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
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
