package idp_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

// TestWhatSignInsLeaveBehind measures the bytes that a sign-in with ten refreshes leaves in the database, apart from the trail and
// with the entries of indexes, and that nothing is left of it when it has expired.
func TestWhatSignInsLeaveBehind(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *idptest.Server, db *dbx.DB) {
		app := &relying{TB: t, s: p, clients: map[string]*idptest.Client{
			"app":   p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{"https://app.example/callback"}}),
			"asked": p.AddClient(oauth.Client{ID: "asked", RedirectURIs: []string{"https://app.example/callback"}, AuthMethod: "none"}),
		}}
		visit := func() {
			p.Clock.Add(time.Second)
			app.browser = p.Browser()
			app.browser.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36")
			page := app.browser.Get(app.address("app")).Submit("login-submit", "username", "alice", "password", idptest.Password)
			token := app.exchange("app", page.URL.Query().Get("code"))["refresh_token"].(string)
			for range 10 {
				token = app.token("app", "grant_type", "refresh_token", "refresh_token", token)["refresh_token"].(string)
			}
		}
		visit()
		load := &load{Server: p, t: t}
		const visits = 12
		rows, before, trail := load.counts(db), stored(t, db, false), stored(t, db, true)
		for range visits {
			visit()
		}
		p.Deliver(t.Context()) // letters about a new browser
		left, told := (stored(t, db, false)-before)/visits, (stored(t, db, true)-trail)/visits
		t.Logf("a sign-in with 10 refreshes leaves %d bytes, and %d in the trail", left, told)
		if left < 100 || left > 1500 {
			t.Errorf("%d bytes", left)
		}
		p.Clock.Add(100 * 24 * time.Hour)
		p.Prune(t.Context())
		for table, n := range load.counts(db) {
			if most := rows[table]; !strings.HasPrefix(table, "audit") && n > most || n > 0 && (table == "oauth_grants" || table == "sessions") {
				t.Errorf("%s: %d rows, %d before", table, n, most)
			}
		}
	})
}

// onEachEngine runs fn beside a provider on SQLite and one on PostgreSQL, each with alice, and with a look at its database.
func onEachEngine(t *testing.T, fn func(t *testing.T, p *idptest.Server, db *dbx.DB)) {
	for engine, url := range map[string]string{"sqlite": "", "postgres": dbxtest.PostgresURL(t)} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			p := idptest.Start(t, func(c *idp.Config) {
				if url != "" {
					c.DatabaseURL = url
				}
			})
			p.AddUser("alice")
			fn(t, p, beside(t, p))
		})
	}
}

// stored returns how many bytes the rows of all tables and their entries in indexes take, of the trail or of all else.
func stored(t *testing.T, db *dbx.DB, trail bool) (total int) {
	t.Helper()
	if !db.Postgres() { // what is used of its pages, with what they need to be searched
		must(t, db.Get(t.Context(), &total, `SELECT SUM(pgsize - unused) FROM dbstat WHERE (name LIKE 'audit%' OR name LIKE 'sqlite_autoindex_audit%') = $1`, trail))
		return total
	}
	var parts []string
	must(t, db.Select(t.Context(), &parts, `
		SELECT format('SELECT count(*) * 4 + coalesce(sum(pg_column_size(r.*)), 0) FROM %I AS r', relname) FROM pg_class
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND (relname LIKE 'audit%') = $1
		UNION ALL
		-- An entry is 12 bytes and the values of its columns, in steps of 8; its page is filled to two thirds.
		SELECT format('SELECT coalesce(sum(12 + (pg_column_size(ROW(%s)) - 24 + 7) / 8 * 8), 0) * 3 / 2 FROM %I WHERE %s',
			(SELECT string_agg(pg_get_indexdef(indexrelid, k, true), ', ') FROM generate_series(1, indnatts) AS k), relname,
			coalesce(pg_get_expr(indpred, indrelid), 'TRUE'))
		FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
		WHERE relnamespace = 'public'::regnamespace AND (relname LIKE 'audit%') = $1`, trail))
	for _, part := range parts {
		var n int
		must(t, db.Get(t.Context(), &n, "SELECT CAST(("+part+") AS BIGINT)"))
		total += n
	}
	return total
}

// TestRefreshTouchesAsManyRowsAlongAChain: the two-hundredth rotation of a chain of refresh tokens touches as many rows as the
// first, and writes as much into PostgreSQL's log.
func TestRefreshTouchesAsManyRowsAlongAChain(t *testing.T) {
	onEachEngine(t, func(t *testing.T, p *idptest.Server, db *dbx.DB) {
		app := &relying{TB: t, s: p, browser: p.Browser(), clients: map[string]*idptest.Client{
			"app": p.AddClient(oauth.Client{ID: "app", RedirectURIs: []string{"https://app.example/callback"}}),
		}}
		page := app.browser.Get(app.address("app")).Submit("login-submit", "username", "alice", "password", idptest.Password)
		token := app.exchange("app", page.URL.Query().Get("code"))["refresh_token"].(string)
		watchRows(t, db)
		const rotations = 200
		var touched []int
		var log []int64
		for range rotations {
			token = app.token("app", "grant_type", "refresh_token", "refresh_token", token)["refresh_token"].(string)
			touched, log = append(touched, rowsTouched(t, db)), append(log, logged(t, db))
		}
		first := touched[1] - touched[0]
		for n := 1; n < rotations; n++ {
			if got := touched[n] - touched[n-1]; got != first {
				t.Errorf("rotation %d touches %d rows, the second %d", n+1, got, first)
			}
		}
		early, late := log[50]-log[0], log[rotations-1]-log[rotations-51]
		t.Logf("%d rows a refresh; 50 of them write %d bytes at the beginning of the chain and %d at its end", first, early, late)
		if late > early*5/4+4096 {
			t.Errorf("50 refreshes write %d bytes, at the end of the chain %d", early, late)
		}
	})
}

// watchRows has the database count in the table or sequence touched what is inserted, updated or deleted anywhere.
func watchRows(t *testing.T, db *dbx.DB) {
	t.Helper()
	queries := []string{`CREATE SEQUENCE touched`,
		`CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''touched''); RETURN NULL; END'`, `SELECT nextval('touched')`}
	if !db.Postgres() {
		queries = []string{`CREATE TABLE touched (n BIGINT NOT NULL)`, `INSERT INTO touched VALUES (0)`}
	}
	for _, table := range tablesOf(t) {
		if db.Postgres() {
			queries = append(queries, fmt.Sprintf(`CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION touch()`, table))
			continue
		}
		for _, verb := range []string{"INSERT", "UPDATE", "DELETE"} {
			queries = append(queries, fmt.Sprintf(`CREATE TRIGGER touch_%[1]s_%[2]s AFTER %[2]s ON %[1]s FOR EACH ROW BEGIN UPDATE touched SET n = n + 1; END`, table, verb))
		}
	}
	for _, query := range queries {
		if _, err := db.SQLX().ExecContext(context.Background(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

func rowsTouched(t *testing.T, db *dbx.DB) (n int) {
	t.Helper()
	query := `SELECT n FROM touched`
	if db.Postgres() {
		query = `SELECT last_value FROM touched`
	}
	must(t, db.Get(t.Context(), &n, query))
	return n
}

// logged returns where the log of PostgreSQL is, in bytes; 0 on SQLite.
func logged(t *testing.T, db *dbx.DB) (at int64) {
	t.Helper()
	if db.Postgres() {
		must(t, db.Get(t.Context(), &at, `SELECT CAST(pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS BIGINT)`))
	}
	return at
}
