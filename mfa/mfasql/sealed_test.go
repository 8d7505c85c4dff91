package mfasql_test

import (
	"strings"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa/mfasql"
)

func TestFailing(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		_, err := db.Exec(t.Context(), `INSERT INTO mfa_attempts (key, n, until) VALUES
			('totp/a', 60, 0), ('totp/b', 59, 0), ('recovery/a', 30, 0), ('network/192.0.2.7', 500, 0), ('passkey/c', 70, 0)`)
		must(t, err)
		got, err := mfasql.New(db.SQLX()).Failing(t.Context(), 30, 3)
		must(t, err)
		var keys []string
		for _, f := range got {
			keys = append(keys, f.Key)
		}
		if all := strings.Join(keys, " "); all != "passkey/c totp/a totp/b" {
			t.Error(all)
		}
	}, "mfa")
}

// Whose factors are sealed is found by an index, however many have failed now and then.
func TestFailingIsFoundByAnIndex(t *testing.T) {
	db := dbxtest.Postgres(t, "mfa")
	for _, statement := range []string{
		"INSERT INTO mfa_attempts (key, n, until) SELECT 'totp/' || i, i % 5, 0 FROM generate_series(1, 50000) AS i", "ANALYZE mfa_attempts",
	} {
		_, err := db.Exec(t.Context(), statement)
		must(t, err)
	}
	var plan []string
	must(t, db.SQLX().SelectContext(t.Context(), &plan, `EXPLAIN SELECT key, n FROM mfa_attempts WHERE n >= $1 AND key NOT LIKE 'network/%'
		ORDER BY n DESC LIMIT $2`, 30, 1000))
	if all := strings.Join(plan, "\n"); strings.Contains(all, "Seq Scan") {
		t.Error(all)
	}
}
