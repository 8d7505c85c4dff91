package console_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
)

// How much there is where costs are looked at.
const (
	manyPeople = 100_000
	manyRows   = 1_000_000 // of the trail
)

// crowd are the statements that add people and rows of the trail, those after the first numbers and up to the second, on the
// server itself, in seconds.
func crowd(fromPerson, toPerson, fromRow, toRow int) []string {
	return []string{
		`INSERT INTO account_groups (name, description) VALUES ('staff', 'Everybody who works here'), ('board', '') ON CONFLICT DO NOTHING`,
		fmt.Sprintf(`INSERT INTO accounts (subject, username, username_key, email, email_key, email_verified, name, admin, disabled, profile, password, version,
			created_at, updated_at, password_at, mfa_due_at, role, name_key, searched, mfa_enrolled, codes_left, signed_in_at)
			SELECT 's' || n, 'user' || n, 'user' || n, 'user' || n || '@example.com', 'user' || n || '@example.com', FALSE, 'Person ' || n, FALSE, n %% 20 = 3, '{}', 'x', 1,
				1700000000 + n, 1700000000 + n, 1700000000 + n, 0, CASE n %% 3000 WHEN 2 THEN 'helpdesk' WHEN 3 THEN 'auditor' ELSE '' END, 'person ' || n,
				'user' || n || ' user' || n || '@example.com Person ' || n, n %% 3 <> 0, CASE WHEN n %% 3 <> 0 THEN n %% 11 ELSE 0 END, 1789000000 - n
			FROM generate_series(%d, %d) AS n`, fromPerson+1, toPerson),
		`INSERT INTO account_words (word, subject) SELECT convert_to(username, 'UTF8'), subject FROM accounts WHERE subject LIKE 's%'
			UNION ALL SELECT convert_to('person', 'UTF8'), subject FROM accounts WHERE subject LIKE 's%' ON CONFLICT DO NOTHING`,
		`INSERT INTO account_members (subject, group_name) SELECT subject, 'staff' FROM accounts WHERE created_at % 2 = 0 AND subject LIKE 's%' ON CONFLICT DO NOTHING`,
		`INSERT INTO account_members (subject, group_name) SELECT subject, 'board' FROM accounts WHERE created_at % 2000 = 9 AND subject LIKE 's%' ON CONFLICT DO NOTHING`,
		fmt.Sprintf(`INSERT INTO audit (id, at, action, actor, subject, client, result, address, agent, request_id, detail, mac, seq, link)
			SELECT lpad(to_hex(1700000000000000000 + n::bigint * 60000000000), 16, '0') || lpad(to_hex(n), 16, '0'), 1700000000000 + n::bigint * 60000,
				(ARRAY['sign_in', 'mfa.code_accepted', 'oauth.token_issued', 'session.ended', 'account.updated'])[1 + n %% 5],
				CASE WHEN n %% 50 = 0 THEN 's2' ELSE 's' || n %% %d END, 's' || n %% %d, CASE WHEN n %% 4 = 0 THEN 'app' || n %% 30 ELSE '' END,
				CASE WHEN n %% 9 = 0 THEN 'wrong' ELSE '' END, '192.0.2.' || n %% 250, 'agent', 'r' || n, '{}', '', NULL, ''
			FROM generate_series(%d, %d) AS n`, manyPeople, manyPeople, fromRow+1, toRow),
		`VACUUM ANALYZE`, // as the server does by itself; tests' has that switched off
	}
}

var scan = regexp.MustCompile(`Seq Scan on (accounts|account_words|account_members|audit)\b`)

// clocked is what no page costs: that somebody was seen, once a minute, and what every process reads again each second.
var clocked = regexp.MustCompile(`^\s*UPDATE|FROM brand WHERE|FROM account_policy`)

// TestCostsStayFlat opens the pages of people, search and the trail, on PostgreSQL, over few rows and over many: the number of
// statements is the same, and no plan of any of them goes through a whole table.
func TestCostsStayFlat(t *testing.T) {
	t.Parallel()
	raw := dbxtest.PostgresURL(t)
	address, plans := dbxtest.Planned(t, raw)
	p := idptest.Start(t, func(c *idp.Config) { c.DatabaseURL = address })
	root := p.Staff("root", account.Administrator)
	somebody := p.Person("alice")
	pages := flat(somebody.Subject)
	db, err := sql.Open("postgres", raw)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	add := func(statements []string) {
		t.Helper()
		for _, query := range statements {
			if _, err := db.ExecContext(t.Context(), query); err != nil {
				t.Fatalf("%s: %v", query, err)
			}
		}
	}
	add(crowd(0, 3000, 0, 5000))
	few := map[string]int{}
	for _, path := range pages {
		few[path] = len(open(t, root, plans, path))
	}
	add(crowd(3000, manyPeople, 5000, manyRows))
	for _, path := range pages {
		many := open(t, root, plans, path)
		if len(many) > few[path] {
			t.Errorf("%s: %d statements over few rows, %d over many", path, few[path], len(many))
		}
		for _, plan := range many {
			if scan.MatchString(plan) {
				t.Errorf("%s goes through a whole table:\n%s", path, plan)
			}
		}
	}
}

// open opens a page of the console as an administrator and returns the plans of its statements. Each is opened several times
// before: the first statements of a connection are prepared then, and later ones may be planned for any arguments.
func open(t *testing.T, who *idptest.Person, plans *dbxtest.Plans, path string) (ran []string) {
	t.Helper()
	for range 2 {
		plans.Reset()
		page := who.Enter(path)
		if page.Status != http.StatusOK || !page.Has("body.console") {
			t.Fatalf("%s: %d at %s", path, page.Status, page.URL)
		}
		ran = plans.All()
	}
	asked := ran[:0]
	for _, plan := range ran {
		_, text, _ := strings.Cut(plan, "Query Text: ")
		if !clocked.MatchString(text) {
			asked = append(asked, text)
		}
	}
	return asked
}

// flat are the pages that lists stand on, with every filter that they offer.
func flat(subject string) []string {
	return []string{
		"/admin",
		"/admin/people", "/admin/people?text=person", "/admin/people?text=user77", "/admin/people?text=per+user9", "/admin/people?group=staff",
		"/admin/people?mfa=none", "/admin/people?mfa=few", "/admin/people?text=per&group=board", "/admin/people?sort=-signed_in", "/admin/people?sort=-name",
		"/admin/people?state=disabled", "/admin/people?signin=never&sort=created", "/admin/people?role=any", "/admin/people/" + subject,
		"/admin/groups", "/admin/groups/one?name=staff",
		"/admin/audit", "/admin/audit?person=" + subject, "/admin/audit?actor=s2", "/admin/audit?action=sign_in", "/admin/audit?client=app4",
		"/admin/audit?result=wrong", "/admin/audit?since=2023-11-14&until=2023-11-20", "/admin/audit?group=tokens", "/admin/audit?group=sign_ins&person=" + subject,
		"/admin/policy", "/admin/clients",
	}
}
