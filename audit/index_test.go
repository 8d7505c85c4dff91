package audit_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/internal/dbxtest"
)

// bulk records many rows.
func bulk(l *audit.Log, n int) func(context.Context) error {
	return func(ctx context.Context) error {
		for range n {
			if err := l.Record(ctx, audit.Event{Action: "x"}); err != nil {
				return err
			}
		}
		return nil
	}
}

// With very many rows each page of the list, and everything that is done by the second, is found by an index.
func TestListsAreFoundByIndexes(t *testing.T) {
	db := dbxtest.Postgres(t, "audit")
	ctx := t.Context()
	for _, statement := range []string{
		`INSERT INTO audit (id, at, action, actor, subject, client, result, address, agent, request_id, detail, mac, seq, link)
		SELECT lpad(to_hex(1790000000000000000 + n * 1000000000), 16, '0') || lpad(to_hex(n), 16, '0'), 1790000000000 + n * 1000,
			'action' || n % 40, CASE WHEN n % 50 = 0 THEN 'root' ELSE 's' || n % 5000 END, 's' || n % 5000, CASE WHEN n % 2 = 0 THEN '' ELSE 'client' || n % 99 END,
			CASE WHEN n % 3 = 0 THEN 'refused' ELSE '' END, '192.0.2.7', repeat('Mozilla/5.0 ', 8), repeat('r', 32), '{}', repeat('m', 43), n, repeat('l', 43)
		FROM generate_series(CAST(1 AS BIGINT), 50000) AS n`,
		"ANALYZE audit",
	} {
		if _, err := db.SQLX().ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	at := func(n int) time.Time { return time.UnixMilli(1_790_000_000_000).Add(time.Duration(n) * time.Second) }
	queries := map[string]func() (string, []any){}
	for name, f := range map[string]audit.Filter{
		"all":                    {},
		"next page":              {Before: fmt.Sprintf("%016x", at(20000).UnixNano())},
		"subject":                {Subject: "s77"},
		"actor":                  {Actor: "s77"},
		"administrator":          {Actor: "root", Limit: 500},
		"actor, page":            {Actor: "root", Before: fmt.Sprintf("%016x", at(20000).UnixNano())},
		"client":                 {Client: "client7"},
		"action":                 {Action: "action7"},
		"result":                 {Result: "refused"},
		"period":                 {Since: at(100), Until: at(200)},
		"subject in a period":    {Subject: "s77", Since: at(100), Until: at(20000)},
		"action by somebody":     {Actor: "root", Action: "action0"},
		"actor and subject":      {Actor: "root", Subject: "s50"},
		"some actions":           {Actions: []string{"action7", "action9", "none"}},
		"some actions, by":       {Actor: "root", Actions: []string{"action7", "action9"}},
		"some actions, of":       {Subject: "s77", Actions: []string{"action7", "action9"}},
		"notable":                {Subject: "s77", Notable: true, Limit: 31},
		"rare result":            {Result: "none"},
		"nobody, whom there was": {Subject: "nobody", Actor: "nobody", Client: "none"},
	} {
		queries[name] = func() (string, []any) { return audit.Query(f) }
	}
	queries["rows to link"] = func() (string, []any) {
		return audit.SelectRows + "WHERE seq IS NULL ORDER BY id LIMIT $1", []any{1000}
	}
	queries["rows to verify"] = func() (string, []any) {
		return audit.SelectRows + "WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3", []any{20000, 50000, 1000}
	}
	queries["rows before the beginning"] = func() (string, []any) { return audit.SelectBefore, []any{20} }
	queries["rows behind the end"] = func() (string, []any) { return audit.SelectBehind, []any{20} }
	queries["what to link is there"] = func() (string, []any) { return audit.SelectHead, nil }
	for name, query := range queries {
		t.Run(name, func(t *testing.T) {
			text, args := query()
			var plan []string
			if err := db.SQLX().SelectContext(ctx, &plan, "EXPLAIN "+text, args...); err != nil {
				t.Fatal(err)
			}
			all := strings.Join(plan, "\n")
			if strings.Contains(text, "NOT IN") && !strings.Contains(all, "audit_notable") || name == "rare result" && !strings.Contains(all, "audit_result") {
				t.Errorf("not by its own index: %s\n%s", text, all)
			}
			if strings.Contains(name, "rows") && !strings.Contains(all, "Index Cond") && name != "rows to link" {
				t.Errorf("the index is read from its end: %s\n%s", text, all)
			}
			if strings.Contains(all, "Seq Scan on audit ") || strings.Contains(all, "Seq Scan on audit\n") || !strings.Contains(all, "Index") {
				t.Errorf("%s\n%s", text, all)
			}
		})
	}
}
