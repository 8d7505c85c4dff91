package oauth_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/oauth"
)

// pages returns the ids of all pages of a list.
func (w *world) pages(q oauth.ClientQuery) (ids []string) {
	w.Helper()
	for {
		page, err := w.server.Clients().Page(w.Context(), q)
		if err != nil {
			w.Fatalf("%+v: %v", q, err)
		}
		for _, client := range page.Clients {
			ids = append(ids, client.ID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return ids
		}
		if len(page.Clients) == 0 {
			w.Fatal("an empty page with one after it")
		}
	}
}

func TestClientsAreFoundByBeginnings(t *testing.T) {
	both(t, func(w *world) {
		for id, name := range map[string]string{
			"focus-hq": "Focus HQ", "bank": "Société Générale", "hq.mail": "Mail", "ops_1": "Ops  (hq)", "plain": "",
		} {
			w.client(&oauth.Client{ID: id, Name: name})
		}
		for text, want := range map[string][]string{
			"":           {"bank", "focus-hq", "hq.mail", "ops_1", "plain", "spa", "web"},
			"hq":         {"focus-hq", "hq.mail", "ops_1"},
			"Focus H":    {"focus-hq"},
			"focus-h":    {"focus-hq"},
			"  FOCUS":    {"focus-hq"},
			"societe ge": {"bank"},
			"GENÉRALE":   {"bank"},
			"ocus":       nil,
			"hq focus":   nil,
			"1":          {"ops_1"},
			"p":          {"plain"},
			"%":          {"bank", "focus-hq", "hq.mail", "ops_1", "plain", "spa", "web"}, // nothing to search for
		} {
			for _, limit := range []int{1, 2, 50} {
				got := w.pages(oauth.ClientQuery{Text: text, Limit: limit})
				slices.Sort(got)
				if !slices.Equal(got, want) {
					w.Errorf("%q by %d: %v, want %v", text, limit, got, want)
				}
			}
		}
		clients := w.server.Clients()
		renamed, err := clients.Get(w.Context(), "focus-hq")
		if err != nil {
			w.Fatal(err)
		}
		renamed.Name = "Zeta"
		if err := errors.Join(clients.Update(w.Context(), renamed), clients.Delete(w.Context(), "ops_1")); err != nil {
			w.Fatal(err)
		}
		if got := w.pages(oauth.ClientQuery{Text: "zet"}); !slices.Equal(got, []string{"focus-hq"}) {
			w.Errorf("by the new name: %v", got)
		}
		if got := w.pages(oauth.ClientQuery{Text: "ops"}); got != nil {
			w.Errorf("deleted: %v", got)
		}
		// What a former release wrote is found as well.
		if _, err := w.db.Exec(w.Context(), `UPDATE oauth_clients SET name = 'Älter', metadata = replace(metadata, 'Zeta', 'Älter') WHERE id = 'focus-hq'`); err != nil {
			w.Fatal(err)
		}
		if got := w.pages(oauth.ClientQuery{Text: "alt"}); !slices.Equal(got, []string{"focus-hq"}) {
			w.Errorf("of a former release: %v", got)
		}
	})
}

func TestSec_AD08_CursorsOfClientsAreSealed(t *testing.T) {
	both(t, func(w *world) {
		for i := range 5 {
			w.client(&oauth.Client{ID: fmt.Sprint("app-", i), Name: "Secret name"})
		}
		ctx, clients := w.Context(), w.server.Clients()
		page, err := clients.Page(ctx, oauth.ClientQuery{Text: "app", Limit: 2})
		if err != nil || page.Next == "" {
			w.Fatal(page, err)
		}
		if raw, err := base64.RawURLEncoding.DecodeString(page.Next); err != nil || strings.Contains(string(raw), "app-") {
			w.Errorf("readable: %q %v", raw, err)
		}
		flipped := []byte(page.Next)
		flipped[len(flipped)/2] ^= 1
		for name, q := range map[string]oauth.ClientQuery{
			"cursor": {Text: "app", Cursor: string(flipped)}, "cursor ": {Text: "apq", Cursor: page.Next}, "cursor  ": {Cursor: page.Next},
			"cursor   ": {Cursor: "' OR 1=1 --"}, "cursor    ": {Text: "app", Cursor: strings.Repeat("A", 10_000)}, "cursor     ": {Text: "app", Cursor: "AAAA"},
			"limit": {Limit: -1}, "limit ": {Limit: 201}, "text": {Text: strings.Repeat("x", 257)},
		} {
			var invalid *oauth.InvalidError
			if _, err := clients.Page(ctx, q); !errors.As(err, &invalid) || invalid.Field != strings.TrimSpace(name) {
				w.Errorf("%+v: %v", q, err)
			}
		}
		for _, text := range []string{"'; DROP TABLE oauth_clients --", "\x00\xff", "%_", strings.Repeat("é", 128)} {
			if _, err := clients.Page(ctx, oauth.ClientQuery{Text: text}); err != nil {
				w.Errorf("%q: %v", text, err)
			}
		}
		other, _ := w.start(w.config()) // another replica
		if _, err := other.Clients().Page(ctx, oauth.ClientQuery{Text: "app", Limit: 3, Cursor: page.Next}); err != nil {
			w.Error(err)
		}
	})
}

// However many clients there are, and however much a text finds, a page costs two statements that read what they show by an
// index.
func TestListsOfClientsCostTheSame(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		counting, trips := dbxtest.Counted(t, db)
		w := newWorldOn(t, counting)
		w.manyClients(20_000)
		for _, q := range []oauth.ClientQuery{{}, {Text: "app"}, {Text: "many 1"}, {Text: "1"}} {
			for range 3 {
				trips.Reset()
				page, err := w.server.Clients().Page(w.Context(), q)
				if err != nil || len(page.Clients) != 50 {
					t.Fatal(len(page.Clients), err)
				}
				made := slices.DeleteFunc(trips.All(), func(trip string) bool { return strings.HasPrefix(trip, "PREPARE") })
				if len(made) > 2 {
					t.Errorf("%+v: %q", q, made)
				}
				q.Cursor = page.Next
			}
		}
		for statement, args := range oauth.ClientLists() {
			plan := explain(t, db, statement, args)
			if found := wholeTables.FindString(plan); found != "" {
				t.Errorf("%s in\n%s\n%s", found, statement, plan)
			}
		}
	}, "oauth")
}

// wholeTables are what reads a whole table, or sorts what it found. SQLite says SCAN also of going along an index, which it
// names.
var wholeTables = regexp.MustCompile(`(?m)Seq Scan|Sort|TEMP B-TREE|SCAN \w+( AS \w+)?$`)

// manyClients makes n clients with words, quickly.
func (w *world) manyClients(n int) {
	w.Helper()
	bytes := "CAST(%s AS BLOB)"
	if w.db.Postgres() {
		bytes = "convert_to(%s, 'UTF8')"
	}
	count := fmt.Sprintf("WITH RECURSIVE many(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM many WHERE i < %d) ", n)
	statements := []string{`INSERT INTO oauth_clients (id, name, searched, metadata, created_at, updated_at) ` + count +
		`SELECT 'app-' || i, 'Many ' || i, 'Many ' || i, '{"id":"app-' || i || '","name":"Many ' || i || '"}', 1, 1 FROM many`}
	for _, word := range []string{"'app ' || i", "'many ' || i", "'' || i"} {
		statements = append(statements, `INSERT INTO oauth_client_words (word, client_id) `+count+
			`SELECT `+fmt.Sprintf(bytes, word)+`, 'app-' || i FROM many`)
	}
	for _, statement := range append(statements, "ANALYZE") {
		if _, err := w.db.SQLX().ExecContext(w.Context(), statement); err != nil {
			w.Fatal(err)
		}
	}
}

// explain returns the plan of a statement.
func explain(t *testing.T, db *dbx.DB, query string, args []any) string {
	t.Helper()
	prefix, at := "EXPLAIN QUERY PLAN ", 3
	if db.Postgres() {
		prefix, at = "EXPLAIN ", 0
	}
	rows, err := db.SQLX().QueryxContext(t.Context(), prefix+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		columns, err := rows.SliceScan()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&plan, "%s\n", columns[at])
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
