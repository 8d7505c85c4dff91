package account

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// crowdSize is how many people benchmarks work with: `go test ./account -run '^$' -bench People -args -people 1000000`.
var crowdSize = flag.Int("people", 20_000, "people of benchmarks")

// crowd makes n people, without a service: of some 1,000 given names and 8,000 surnames, a twentieth disabled, a third
// without a second factor, one in 5,000 administrator. Those of the group board are few, of the group staff every other one.
func crowd(t testing.TB, db *dbx.DB, n int) {
	t.Helper()
	bytes := "CAST(%s AS BLOB)"
	if db.Postgres() {
		bytes = "convert_to(%s, 'UTF8')"
	}
	const syllables = "bacedifogupalemirosuzanekilotuvareminoduwa"
	text := func(number string, upper bool) string {
		part := func(divisor int) string {
			return fmt.Sprintf("substr('%s', 1 + 2 * ((%s) / %d %% 20), 2)", syllables, number, divisor)
		}
		word := part(1) + " || " + part(20) + " || " + part(400)
		if upper {
			return "upper(substr(" + part(1) + ", 1, 1)) || substr(" + word + ", 2)"
		}
		return word
	}
	given, surname := "(n * 617 + n / 13) % 1000", "(n * 1009 + n / 7) % 8000"
	username := text(given, false) + " || '.' || " + text(surname, false) + " || n"
	name := text(given, true) + " || ' ' || " + text(surname, true)
	exec := func(query string) {
		t.Helper()
		if _, err := db.SQLX().ExecContext(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	exec(`INSERT INTO account_groups (name, description) VALUES ('staff', ''), ('board', '')`)
	words := []string{
		"username", "email", "substr(name, instr(name, ' ') + 1)", "substr(name, 1, instr(name, ' ') - 1)", "substr(email, instr(email, '.') + 1)",
	}
	const batch = 2000 // a statement has only seconds
	for from := 1; from <= n; from += batch {
		to := min(from+batch-1, n)
		exec(`INSERT INTO accounts (subject, username, username_key, email, email_key, email_verified, name, admin, disabled, profile,
				password, version, created_at, updated_at, password_at, mfa_due_at, role, name_key, searched, mfa_enrolled, codes_left, signed_in_at) ` +
			fmt.Sprintf(`WITH RECURSIVE numbers (n) AS (SELECT %d UNION ALL SELECT n + 1 FROM numbers WHERE n < %d), `, from, to) +
			`people (n, username, name) AS (SELECT n, ` + username + `, ` + name + ` FROM numbers)
			SELECT 's' || ((n * 7) % 1000003) || '-' || n, username, username, username || '@example.com', username || '@example.com', FALSE, name,
				n % 5000 = 1, n % 20 = 3, '{}', CASE WHEN n % 40 = 7 THEN '' ELSE 'x' END, 1, 1700000000 + n, 1700000000 + n,
				CASE WHEN n % 40 = 7 THEN 0 ELSE 1700000000 + n END, 0, CASE n % 3000 WHEN 2 THEN 'helpdesk' WHEN 3 THEN 'auditor' ELSE '' END,
				lower(name), username || ' ' || username || '@example.com ' || name, n % 3 <> 0,
				CASE WHEN n % 3 <> 0 THEN n % 11 ELSE 0 END, CASE WHEN n % 10 = 7 THEN 0 ELSE 1789000000 - n % 9000000 END
			FROM people`)
		those := fmt.Sprintf(` FROM accounts WHERE created_at BETWEEN %d AND %d`, 1_700_000_000+from, 1_700_000_000+to)
		for _, word := range words {
			if db.Postgres() {
				word = strings.ReplaceAll(word, "instr(", "strpos(")
			}
			exec(`INSERT INTO account_words (word, subject) SELECT ` + fmt.Sprintf(bytes, "lower("+word+")") + `, subject` + those + ` ON CONFLICT DO NOTHING`)
		}
		exec(`INSERT INTO account_members (subject, group_name) SELECT subject, 'staff'` + those + ` AND created_at % 2 = 0`)
		exec(`INSERT INTO account_members (subject, group_name) SELECT subject, 'board'` + those + ` AND created_at % 2000 = 9`)
	}
	if db.Postgres() {
		exec(`VACUUM ANALYZE`) // as the server does by itself; tests' has that switched off
	}
}

// offered is every list that the console offers: each criterion alone and together with every other, searched and not.
func offered() []Query {
	yes, no := true, false
	narrow := []func(*Query){
		func(*Query) {},
		func(q *Query) { q.Group = "staff" },
		func(q *Query) { q.Group = "board" },
		func(q *Query) { q.AnyRole = true },
		func(q *Query) { q.Role = Administrator },
		func(q *Query) { q.Role = HelpDesk },
		func(q *Query) { q.Role = Auditor },
		func(q *Query) { q.Disabled = &yes },
		func(q *Query) { q.Disabled = &no },
		func(q *Query) { q.WithoutMFA = true },
		func(q *Query) { q.FewCodes = true },
		func(q *Query) { q.NeverSignedIn = true },
		func(q *Query) { q.NoPassword = true },
	}
	var all []Query
	for _, text := range []string{"", "b", "bace", "bacedi ba", "nobody", "ba ce"} {
		for i, one := range narrow {
			for _, other := range narrow[min(i, 1):] {
				q := Query{Text: text}
				one(&q)
				other(&q)
				all = append(all, q)
			}
		}
	}
	return all
}

func BenchmarkPeople(b *testing.B) {
	for engine, url := range map[string]func(testing.TB, ...string) string{"sqlite": dbxtest.SQLiteURL, "postgres": dbxtest.PostgresURL} {
		b.Run(engine, func(b *testing.B) { benchmarkPeople(b, url(b, "account")) })
	}
}

func benchmarkPeople(b *testing.B, url string) {
	db, err := dbx.OpenPatient(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	crowd(b, db, *crowdSize)
	s, err := New(Config{DB: db, Hasher: NewHasher(cheap()), Key: make([]byte, 32)})
	if err != nil {
		b.Fatal(err)
	}
	yes := true
	for _, list := range []struct {
		name string
		q    Query
	}{
		{"everybody", Query{}}, {"by last sign-in", Query{Sort: BySignedIn, Descending: true}}, {"one letter", Query{Text: "b", Sort: ByName}},
		{"two syllables", Query{Text: "bace", Sort: ByName}}, {"name and surname", Query{Text: "bacedi baba", Sort: ByName}},
		{"two letters twice", Query{Text: "ba ce", Sort: ByName}}, {"nobody", Query{Text: "nobody"}},
		{"large group", Query{Group: "staff", Sort: ByName}}, {"small group", Query{Group: "board", Sort: ByName}},
		{"administrators", Query{Role: Administrator}}, {"disabled", Query{Disabled: &yes, Sort: ByName}},
		{"disabled, the oldest first", Query{Disabled: &yes, Sort: ByCreated}}, {"without MFA", Query{WithoutMFA: true, Sort: BySignedIn}},
		{"disabled, without MFA, of the board", Query{Disabled: &yes, WithoutMFA: true, Group: "board"}},
		{"never signed in, of staff, the latest first", Query{NeverSignedIn: true, Group: "staff", Sort: BySignedIn, Descending: true}},
	} {
		b.Run(list.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.People(b.Context(), list.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("figures", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.FiguresNow(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
