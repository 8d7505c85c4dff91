package account

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// names returns the user names of a whole list, page by page, and of how many statements each page was.
func (f *fixture) names(q Query) []string {
	f.t.Helper()
	names := []string{}
	for range 1000 {
		page, err := f.People(f.t.Context(), q)
		check(f.t, err)
		for _, a := range page.People {
			names = append(names, a.Username)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return names
		}
	}
	f.t.Fatalf("%+v: no end", q)
	return nil
}

func TestPeopleAreFoundByBeginningsOfWords(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("ada", func(n *NewAccount) { n.Email, n.Name = "Ada.Lovelace@example.com", "Augusta Ada King" })
		f.add("soren", func(n *NewAccount) { n.Name = "Søren Ærø Müller-Lüdenscheidt" })
		f.add("strauss", func(n *NewAccount) { n.Name = "José  Strauß" })
		f.add("o.neill", func(n *NewAccount) { n.Name = "Ｍary (Molly) O'Neill" })
		f.add("yamada", func(n *NewAccount) { n.Name = "山田 太郎" })
		f.add("odd", func(n *NewAccount) { n.Email, n.Name = "o_d%d@example.org", "100% Odd_Fellow" })
		for text, want := range map[string]string{
			"":                         "ada o.neill odd soren strauss yamada",
			"  ":                       "ada o.neill odd soren strauss yamada",
			"A":                        "ada soren", // Ærø
			"aug":                      "ada",
			"king AUGUSTA":             "ada",
			"love":                     "ada",
			"ada.love":                 "ada",
			"ada.lovelace@example.com": "ada",
			"lovelace@ex":              "ada",
			"example":                  "", "com": "",
			"ada soren": "",
			"soren":     "soren", "SØREN": "soren", "aero": "soren", "muller": "soren", "mu\u0308ller": "soren", "lu": "soren",
			"müller-lud": "soren",
			"jose":       "strauss", "STRAUSS josé": "strauss", "strauß": "strauss",
			"mary mol": "o.neill", "molly": "o.neill", "neill": "o.neill", "o'n": "o.neill", "eill": "",
			"山": "yamada", "太郎": "yamada", "田": "",
			"100%": "odd", "%": "", "_": "", "o_": "odd", "fellow": "odd", `\`: "", "' OR 1=1 --": "", "\x00": "", "\xff": "o.neill odd strauss yamada ada soren",
		} {
			if text == "\xff" { // what is no text is left out
				continue
			}
			got := f.names(Query{Text: text})
			if strings.Join(got, " ") != want {
				t.Errorf("%q: %q, want %q", text, got, want)
			}
		}
	})
}

func TestPeopleByCriteria(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx, yes, no := t.Context(), true, false
		check(t, f.SetGroups(ctx, []Group{{Name: "staff"}, {Name: "board"}}))
		f.add("root", admin)
		f.add("help", func(n *NewAccount) { n.Role, n.Groups = HelpDesk, []string{"staff"} })
		f.add("audit", func(n *NewAccount) { n.Role = Auditor })
		ada := f.add("ada", func(n *NewAccount) { n.Groups = []string{"staff", "board"} })
		bob := f.add("bob", func(n *NewAccount) { n.Groups = []string{"staff"} })
		f.add("eve", func(n *NewAccount) { n.Password = "" })
		check(t, f.Disable(ctx, bob.Subject))
		check(t, f.SetFactorFacts(ctx, ada.Subject, Factors{true, 3}))
		check(t, f.SetFactorFacts(ctx, bob.Subject, Factors{true, 4}))
		check(t, f.SignedIn(ctx, ada))
		for _, tt := range []struct {
			q    Query
			want string
		}{
			{Query{Group: "staff"}, "ada bob help"},
			{Query{Group: "board"}, "ada"},
			{Query{Group: "nowhere"}, ""},
			{Query{AnyRole: true}, "audit help root"},
			{Query{Role: Administrator}, "root"},
			{Query{Role: HelpDesk}, "help"},
			{Query{Role: Auditor}, "audit"},
			{Query{Disabled: &yes}, "bob"},
			{Query{Disabled: &no}, "ada audit eve help root"},
			{Query{WithoutMFA: true}, "audit eve help root"},
			{Query{FewCodes: true}, "ada"},
			{Query{NeverSignedIn: true}, "audit bob eve help root"},
			{Query{NoPassword: true}, "eve"},
			{Query{Group: "staff", Disabled: &no, WithoutMFA: true, NeverSignedIn: true}, "help"},
			{Query{Group: "staff", Text: "b"}, "bob"},
			{Query{Group: "staff", Text: "e"}, ""},
			{Query{Role: HelpDesk, Disabled: &yes}, ""},
		} {
			if got := strings.Join(f.names(tt.q), " "); got != tt.want {
				t.Errorf("%+v: %q, want %q", tt.q, got, tt.want)
			}
			page, err := f.People(ctx, tt.q)
			check(t, err)
			if page.More || page.Total != len(strings.Fields(tt.want)) {
				t.Errorf("%+v: %d in all, more %v", tt.q, page.Total, page.More)
			}
		}
	})
}

func TestPeopleInOrder(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		for i, n := range []struct{ username, name string }{
			{"c", "Zoe"}, {"b", "Ärmel"}, {"e", "arm"}, {"a", ""}, {"d", "Zoe"}, {"f", ""}, {"g", "Bär"},
		} {
			f.now = f.now.Add(time.Duration(i/2) * time.Hour) // some in the same second
			a := f.add(n.username, func(a *NewAccount) { a.Name = n.name })
			if i%2 == 0 {
				check(t, f.SignedIn(t.Context(), a))
			}
		}
		for by, want := range map[Sort]string{"": "abcdefg", ByUserName: "abcdefg", ByName: "[af]ebg[cd]", ByCreated: "[cb][ea][df]g", BySignedIn: "[baf]cedg"} {
			for _, text := range []string{"", "noone"} {
				for limit := 1; limit < 9; limit++ {
					q := Query{Sort: by, Limit: limit, Text: text}
					got := strings.Join(f.names(q), "")
					q.Descending = true
					reversed := f.names(q)
					slices.Reverse(reversed)
					if back := strings.Join(reversed, ""); back != got {
						t.Errorf("%+v: %s, and back %s", q, got, back)
					}
					if text == "" && (!regexp.MustCompile("^(?:"+runs(want)+")$").MatchString(got) || len(got) != 7) {
						t.Errorf("%+v: %s, want %s", q, got, want)
					}
				}
			}
		}
	})
}

// runs makes an expression of an order in which those in brackets may stand in any.
func runs(order string) string {
	return regexp.MustCompile(`\[(\w+)\]`).ReplaceAllStringFunc(order, func(set string) string {
		return set + fmt.Sprintf("{%d}", len(set)-2)
	})
}

// Both ways through a list have the same people in the same order, and say how many there are.
func TestBothWaysThroughAListAreOne(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		crowd(t, db, 2500)
		f := fixtureOn(t, db)
		for i, q := range offered() {
			q.Sort = []Sort{ByUserName, ByName, ByCreated, BySignedIn}[i%4]
			q.Descending, q.Limit = i/4%2 == 0, 150
			q, err := q.tidy()
			check(t, err)
			w, err := f.wayTo(t.Context(), q)
			check(t, err)
			if len(w.criteria) == 0 || i%3 != 0 {
				continue
			}
			subjects := func(w way) (found []string, total int) {
				var rows []listed
				query, args := w.page(q, cursor{})
				check(t, db.SelectOnce(t.Context(), &rows, query, args...))
				for _, r := range rows {
					found, total = append(found, r.Subject), r.Total
				}
				return found, total
			}
			w.few, w.limit = true, 10_000
			few, total := subjects(w)
			w.few = false
			many, _ := subjects(w)
			if diff := cmp.Diff(few, many); diff != "" || total < len(few) || len(few) < 151 && total != len(few) {
				t.Errorf("%+v: %d in all; -few +many\n%s", q, total, diff)
			}
		}
	}, "account")
}

// Every list that the console offers is read by an index, whatever it has: in PostgreSQL's plans no table of people is read
// from one end to the other, and nothing at all of SQLite's is looked through but an index in the order of the list.
func TestEveryListIsReadByAnIndex(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		size := 20_000
		if !db.Postgres() {
			size = 3_000 // its plans do not look at the data
		}
		crowd(t, db, size)
		f := fixtureOn(t, db)
		for i, q := range offered() {
			q.Sort = []Sort{ByUserName, ByName, ByCreated, BySignedIn}[(i+i/13)%4]
			q.Descending, q.Limit = i%2 == 0, []int{0, 200}[i/8%2]
			q, err := q.tidy()
			check(t, err)
			w, err := f.wayTo(t.Context(), q)
			check(t, err)
			query, args := sizes(w.asked(q), w.limit+1)
			checkPlan(t, db, q, query, args)
			for _, start := range []cursor{{}, {Text: "m", Number: 1_700_010_000, Subject: "s5"}} {
				if q.Cursor = start.Subject; q.Cursor != "" && w.few {
					continue // the same plan
				}
				query, args := w.page(q, start)
				checkPlan(t, db, q, query, args)
			}
		}
		// And what the front page shows.
		counted, trips := dbxtest.Counted(t, db)
		_, err := fixtureOn(t, counted).FiguresNow(t.Context())
		check(t, err)
		made := slices.DeleteFunc(trips.All(), func(trip string) bool { return strings.HasPrefix(trip, "PREPARE") })
		if len(made) != 1 {
			t.Fatalf("%q", made)
		}
		checkPlan(t, db, Query{}, made[0], []any{1_785_000_000})
	}, "account")
}

// scans are what reads a whole table. SQLite says SCAN also of going along an index, which it names.
var scans = regexp.MustCompile(`(?m)Seq Scan on account(s|_words|_members)\b|SCAN (other|account\w+)( AS \w+)?$`)

func checkPlan(t *testing.T, db *dbx.DB, q Query, query string, args []any) {
	t.Helper()
	plan := explain(t, db, query, args)
	if bad := scans.FindString(plan); bad != "" {
		t.Errorf("%+v: %s in\n%s\n%s", q, bad, query, plan)
	}
}

func explain(t *testing.T, db *dbx.DB, query string, args []any) string {
	t.Helper()
	prefix, at := "EXPLAIN QUERY PLAN ", 3
	if db.Postgres() {
		prefix, at = "EXPLAIN ", 0
	}
	rows, err := db.SQLX().QueryxContext(t.Context(), prefix+query, args...)
	check(t, err)
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		columns, err := rows.SliceScan()
		check(t, err)
		switch line := columns[at].(type) {
		case []byte:
			plan.Write(line)
		case string:
			plan.WriteString(line)
		}
		plan.WriteString("\n")
	}
	check(t, rows.Err())
	return plan.String()
}

// A page is two statements, however many people there are and whatever is asked for.
func TestStatementsOfAPage(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		crowd(t, db, 3_000)
		counted, trips := dbxtest.Counted(t, db)
		f := fixtureOn(t, counted)
		for _, q := range []Query{{}, {Limit: 200}, {Text: "b"}, {Text: "bacedi baba", Limit: 1}, {Group: "staff", WithoutMFA: true, NeverSignedIn: true, Sort: ByName}} {
			for range 3 {
				trips.Reset()
				page, err := f.People(t.Context(), q)
				check(t, err)
				made := slices.DeleteFunc(trips.All(), func(trip string) bool { return strings.HasPrefix(trip, "PREPARE") })
				if len(made) != 2 {
					t.Errorf("%+v: %q", q, made)
				}
				q.Cursor = page.Next
			}
		}
	}, "account")
}

func TestSec_AD08_CursorsAreOurs(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		for i := range 5 {
			f.add(fmt.Sprint("ada", i))
		}
		q := Query{Text: "ada", Limit: 2}
		page, err := f.People(ctx, q)
		check(t, err)
		if plain, _ := base64.RawURLEncoding.DecodeString(page.Next); strings.Contains(string(plain), "ada") {
			t.Error("the cursor tells a name")
		}
		q.Cursor = page.Next
		next, err := f.People(ctx, q)
		check(t, err)
		other := fixtureOn(t, f.cfg.DB, func(c *Config) { c.Key = []byte(strings.Repeat("k", 32)) })
		yes := true
		for name, foreign := range map[string]func(Query) (*Service, Query){
			"another key":       func(q Query) (*Service, Query) { return other.Service, q },
			"another text":      func(q Query) (*Service, Query) { q.Text = "ad"; return f.Service, q },
			"another order":     func(q Query) (*Service, Query) { q.Sort = ByName; return f.Service, q },
			"another direction": func(q Query) (*Service, Query) { q.Descending = true; return f.Service, q },
			"a group":           func(q Query) (*Service, Query) { q.Group = "staff"; return f.Service, q },
			"a role":            func(q Query) (*Service, Query) { q.Role = Auditor; return f.Service, q },
			"disabled":          func(q Query) (*Service, Query) { q.Disabled = &yes; return f.Service, q },
			"without MFA":       func(q Query) (*Service, Query) { q.WithoutMFA = true; return f.Service, q },
			"few codes":         func(q Query) (*Service, Query) { q.FewCodes = true; return f.Service, q },
			"no password":       func(q Query) (*Service, Query) { q.NoPassword = true; return f.Service, q },
			"cut off":           func(q Query) (*Service, Query) { q.Cursor = q.Cursor[:len(q.Cursor)-4]; return f.Service, q },
			"longer":            func(q Query) (*Service, Query) { q.Cursor += "AAAA"; return f.Service, q },
			"padded":            func(q Query) (*Service, Query) { q.Cursor += "="; return f.Service, q },
			"a user name":       func(q Query) (*Service, Query) { q.Cursor = "ada1"; return f.Service, q },
			"a statement":       func(q Query) (*Service, Query) { q.Cursor = "' OR 1=1 --"; return f.Service, q },
			"very long":         func(q Query) (*Service, Query) { q.Cursor = strings.Repeat("A", 1<<20); return f.Service, q },
		} {
			s, q := foreign(q)
			if got, err := s.People(ctx, q); !errors.Is(err, ErrCursor) {
				t.Errorf("%s: %d people, %v", name, len(got.People), err)
			}
		}
		for i := range len(page.Next) {
			forged := []byte(page.Next)
			forged[i] = "AB"[b2i(forged[i] == 'A')]
			q := q
			q.Cursor = string(forged)
			if _, err := f.People(ctx, q); !errors.Is(err, ErrCursor) {
				t.Errorf("byte %d: %v", i, err)
			}
		}
		// Another spelling of the same search, and pages of another size, go on.
		q.Text, q.Limit = " ADA ", 1
		same, err := f.People(ctx, q)
		check(t, err)
		if same.People[0].Subject != next.People[0].Subject {
			t.Error("another place")
		}
	})
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// What there is not is refused by name, and what is typed never becomes a part of a statement.
func TestSec_AD08_ListsTakeWhatThereIs(t *testing.T) {
	corpus := []string{"'", "' OR '1'='1", "1; DROP TABLE accounts; --", "username_key DESC, (SELECT password FROM accounts)", "$1", "%", `\`, "\x00", "\xff\xfe",
		"ada) UNION SELECT 1 --", "/*", "0x00", "(SELECT pg_sleep(10))", strings.Repeat("ä", 120), "password", "username_key", "accounts.password"}
	each(t, func(t *testing.T, f *fixture) {
		f.add("ada", admin)
		for _, text := range corpus {
			for field, q := range map[string]Query{"sort/unknown": {Sort: Sort(text)}, "role/unknown": {Role: Role(text)}} {
				_, err := f.People(t.Context(), q)
				if got := reason(t, err); got != field {
					t.Errorf("%q: %q, want %s", text, got, field)
				}
			}
			_, err := f.People(t.Context(), Query{Group: text})
			if got := reason(t, err); got != "group/characters" && groupName(text) == (got != "") {
				t.Errorf("group %q: %q", text, got)
			}
			page, err := f.People(t.Context(), Query{Text: text})
			check(t, err)
			if len(page.People) > 0 && len(typed(text)) > 0 && !strings.HasPrefix("ada", typed(text)[0]) {
				t.Errorf("text %q finds somebody", text)
			}
		}
		for want, q := range map[string]Query{
			"limit/range": {Limit: 201}, "text/too_long": {Text: strings.Repeat("a", 257)},
		} {
			_, err := f.People(t.Context(), q)
			if got := reason(t, err); got != want {
				t.Errorf("%+v: %q", q, got)
			}
		}
		for _, q := range []Query{{Limit: -1}, {Text: "a b c d e f g h i"}} {
			if _, err := f.People(t.Context(), q); reason(t, err) == "" {
				t.Errorf("%+v is taken", q)
			}
		}
		if n, err := f.Count(t.Context()); n != 1 || err != nil {
			t.Errorf("%d people, %v", n, err)
		}
	})
}

// What a former release left, and what a replica of it writes meanwhile, is made searchable later, by one replica at a
// time, and from where another one was stopped.
func TestNamesOfAFormerRelease(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		var subjects []string
		for i := range 450 {
			a := Account{Subject: fmt.Sprint("s", i), Username: fmt.Sprint("ada", i), Name: fmt.Sprint("Ädä Lövelace", i)}
			subjects = append(subjects, a.Subject)
			f.insertOld(a)
		}
		if got := f.names(Query{Text: "ada7"}); len(got) != 0 {
			t.Errorf("at first: %v", got)
		}
		taken, err := f.claim(ctx, workWords) // by another replica, which is stopped
		check(t, err)
		check(t, f.IndexNames(ctx))
		if got := f.names(Query{Text: "ada7"}); len(got) != 0 {
			t.Errorf("while another replica is at it: %v", got)
		}
		f.now = f.now.Add(shiftLife)
		check(t, f.IndexNames(ctx))
		check(t, taken.advance(ctx, ""))
		if !taken.lost {
			t.Error("two replicas are at it")
		}
		if got := f.names(Query{Text: "ada7 lovelace"}); len(got) != 11 {
			t.Errorf("afterwards: %v", got)
		}
		if got := f.names(Query{Text: "lovelace"}); len(got) != len(subjects) {
			t.Errorf("afterwards %d people are found", len(got))
		}
		_, err = f.cfg.DB.Exec(ctx, `UPDATE accounts SET username = 'grace', username_key = 'grace', name = '', version = version + 1 WHERE subject = 's7'`)
		check(t, err)
		check(t, f.IndexNames(ctx))
		if got := f.names(Query{Text: "g"}); !cmp.Equal(got, []string{"grace"}) {
			t.Errorf("renamed by a former release: %v", got)
		}
		if got := f.names(Query{Text: "ada7"}); len(got) != 10 {
			t.Errorf("by the old name: %v", got)
		}
		grace := f.read("s7")
		grace.Name = "Grace Hopper"
		check(t, f.Update(ctx, grace))
		if got := f.names(Query{Text: "hop"}); !cmp.Equal(got, []string{"grace"}) {
			t.Errorf("by the new name: %v", got)
		}
		check(t, f.Delete(ctx, "s7"))
		var left int
		check(t, f.cfg.DB.Get(ctx, &left, `SELECT count(*) FROM account_words WHERE subject = 's7'`))
		if left != 0 {
			t.Errorf("%d words are left of who was deleted", left)
		}
	})
}

// insertOld writes an account as a release did that knew nothing of words, roles and facts.
func (f *fixture) insertOld(a Account) {
	f.t.Helper()
	_, err := f.cfg.DB.Exec(f.t.Context(), `
		INSERT INTO accounts (subject, username, username_key, email, email_key, email_verified, name, admin,
			disabled, profile, password, version, created_at, updated_at, password_at, mfa_due_at)
		VALUES ($1, $2, $3, $4, $5, FALSE, $6, $7, FALSE, '{}', '', 1, 1, 1, 0, 0)`,
		a.Subject, a.Username, Canonical(a.Username), a.Email, emailKey(a.Email), a.Name, a.Admin)
	check(f.t, err)
}

// While somebody is renamed in many places at once, the words end up as those of the last name.
func TestWordsFollowTheName(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		a := f.add("ada")
		done := make(chan error)
		const renamers = 6
		for i := range renamers {
			go func() {
				for n := range 10 {
					current, err := f.BySubject(context.Background(), a.Subject)
					if err == nil {
						current.Name = fmt.Sprintf("Name%d-%d Ada", i, n)
						err = f.Update(context.Background(), current)
					}
					if err != nil && !errors.Is(err, ErrStale) {
						done <- err
						return
					}
					if err := f.IndexNames(context.Background()); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range renamers {
			check(t, <-done)
		}
		var words [][]byte
		check(t, f.cfg.DB.Select(t.Context(), &words, `SELECT word FROM account_words WHERE subject = $1 ORDER BY word`, a.Subject))
		current := f.read(a.Subject)
		if diff := cmp.Diff(wordsOf(current.Username, current.Email, current.Name), words); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}
