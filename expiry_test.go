package idp_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/migrations"
)

// padding is how many rows each table gets where the plans of PostgreSQL are looked at: enough for a small table to be no excuse.
const padding = 2000

// small are tables that hold few rows whatever happens, for which going through all of them is the right plan.
var small = []string{"oauth_keys", "oauth_gone", "account_figures", "audit_days", "audit_checkpoint", "audit_head", "audit_delivery",
	"account_policy", "brand"}

var (
	pruned  = regexp.MustCompile(`^DELETE FROM (\w+) WHERE ctid = ANY \(ARRAY\(SELECT ctid FROM \w+ WHERE (.+) ORDER BY (\w+) LIMIT (\d+) FOR UPDATE SKIP LOCKED\)\)`)
	seqScan = regexp.MustCompile(`Seq Scan on (\w+)`)
)

// TestExpiryGoesByIndexes: no statement that looks for what has ended goes through a whole table or sorts one, on either engine.
func TestExpiryGoesByIndexes(t *testing.T) {
	t.Parallel()
	raw := dbxtest.PostgresURL(t)
	address, plans := dbxtest.Planned(t, raw)
	p := idptest.Start(t, func(c *idp.Config) {
		c.DatabaseURL, c.AuditRetention = address, idp.Duration(24*time.Hour)
		c.PublicURL = strings.Replace(c.PublicURL, "127.0.0.1", "localhost", 1) // browsers make no passkeys for an address
	})
	db, err := dbx.Open(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range tablesOf(t) {
		if !slices.Contains(small, table) {
			pad(t, db, table)
		}
	}
	for range 7 { // from the sixth time on PostgreSQL may plan for any arguments
		plans.Reset()
		p.Prune(t.Context())
	}
	lite := dbxtest.SQLite(t, migrations.Streams()...)
	seen := map[string]bool{}
	for _, plan := range plans.All() {
		_, query, _ := strings.Cut(plan, "Query Text: ")
		for _, found := range seqScan.FindAllStringSubmatch(plan, -1) {
			if !slices.Contains(small, found[1]) {
				t.Errorf("goes through all of %s:\n%s", found[1], plan)
			}
		}
		if strings.HasPrefix(query, "DELETE") && strings.Contains(plan, "Sort Key") && !slices.Contains(small, pruned.FindStringSubmatch(query)[1]) {
			t.Errorf("sorts:\n%s", plan)
		}
		if m := pruned.FindStringSubmatch(query); m != nil {
			seen[m[1]] = true
			lean(t, lite, m[1], m[3], m[2])
		}
	}
	for _, table := range []string{
		"sessions", "oauth_grants", "oauth_access", "oauth_requests", "oauth_pushed", "oauth_jti", "oauth_proofs", "oauth_revoked", "oauth_logins",
		"oauth_devices", "account_links", "account_attempts", "mfa_enrollments", "mfa_recovery_sets", "mfa_devices", "mfa_attempts", "outbox",
		"console_sessions", "console_imports", "api_answers", "api_calls", "oauth_problems", "mfa_passkey_ceremonies",
	} {
		if !seen[table] {
			t.Errorf("%s was not looked at", table)
		}
	}
}

// lean fails when SQLite would look for a batch otherwise than by an index in its order.
func lean(t *testing.T, db *dbx.DB, table, by, where string) {
	t.Helper()
	rows, err := db.SQLX().QueryContext(t.Context(), `EXPLAIN QUERY PLAN DELETE FROM `+table+` WHERE `+db.Some(table, by, where, 500), 1)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		must(t, rows.Scan(&id, &parent, &unused, &step))
		whole := strings.HasPrefix(step, "SCAN ") && !strings.Contains(step, "USING")
		if (whole || strings.Contains(step, "TEMP B-TREE")) && !slices.Contains(small, table) {
			t.Errorf("SQLite, %s WHERE %s: %s", table, where, step)
		}
	}
	must(t, rows.Err())
}

// pad fills a table of PostgreSQL with rows whose numbers lie far in the future.
func pad(t *testing.T, db *dbx.DB, table string) {
	t.Helper()
	var columns []struct {
		Name string `db:"column_name"`
		Type string `db:"data_type"`
	}
	if err := db.Select(t.Context(), &columns, `SELECT column_name, data_type FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position`, table); err != nil {
		t.Fatal(err)
	}
	var names, values []string
	for _, c := range columns {
		names = append(names, c.Name)
		values = append(values, map[string]string{
			"text": "'x' || n", "bigint": "99999999999999 + n", "boolean": "FALSE", "bytea": "convert_to('x' || n, 'UTF8')",
		}[c.Type])
	}
	for _, query := range []string{
		fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s FROM generate_series(1, %d) AS n ON CONFLICT DO NOTHING`,
			table, strings.Join(names, ", "), strings.Join(values, ", "), padding),
		"ANALYZE " + table,
	} {
		if _, err := db.SQLX().ExecContext(t.Context(), "SET session_replication_role = replica; "+query); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
