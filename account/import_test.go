package account

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// outcomes says in a line each what becomes of an import.
func outcomes(all []Outcome) string {
	var lines []string
	for _, o := range all {
		line := fmt.Sprintf("%d %s %s", o.Line, o.Username, o.Result)
		if len(o.Fields) > 0 {
			line += " " + strings.Join(o.Fields, ",")
		}
		if o.Err != nil {
			line += " " + strings.TrimPrefix(o.Err.Error(), "account: ")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (f *fixture) incoming(text string, format Format) []Incoming {
	f.t.Helper()
	people, err := ReadImport(strings.NewReader(text), format)
	check(f.t, err)
	return people
}

const importCSV = "\ufeffusername,name,email,groups,email_verified\r\n" +
	"ada,Ada Lovelace,ada@example.com,staff board,true\r\n" +
	"Bob,\"Bob \"\"the\"\" Builder\",bob@example.com,staff,TRUE\r\n" +
	"carl,Carl,carl@example.com,,\r\n" +
	"dora,Dora,ada2@example.com,nowhere,\r\n" +
	"eve,Eve,ADA@example.com,,\r\n" +
	",Nobody,,,\r\n" +
	"fay,Fay,not an address,,\r\n" +
	"gus,Gus,root@example.com,,\r\n" +
	"ADA,Once more,,,\r\n" +
	"hal,Hal\r\n" +
	"ina,Ina,,,perhaps\r\n" +
	"x@example.com,X,,,\r\n" +
	"jo,'=Jo,'+49@example.com,,\r\n"

func TestImport(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		check(t, f.SetGroups(ctx, []Group{{Name: "staff"}, {Name: "board"}}))
		f.add("root", func(n *NewAccount) { n.Admin, n.Email = true, "root@example.com" })
		f.add("bob", func(n *NewAccount) { n.Email, n.Name = "bob@example.org", "Bob" })
		f.add("carl", func(n *NewAccount) {
			n.Email, n.Name, n.EmailVerified = "carl@example.com", "Carl", true
		})
		people := f.incoming(importCSV, CSV)
		want := `2 ada create
3 Bob change email,email_verified,groups,name
4 carl unchanged
5 dora refuse groups: unknown
6 eve refuse email: twice
7  refuse username: empty
8 fay refuse email: format
9 gus refuse email: taken
10 ADA refuse username: twice
11  refuse line: format
12 ina refuse email_verified: type
13 x@example.com refuse username: at_sign
14 jo create`
		f.events = nil
		preview, err := f.PreviewImport(ctx, people, nil)
		check(t, err)
		if diff := cmp.Diff(want, outcomes(preview)); diff != "" {
			t.Errorf("preview: -want +got\n%s", diff)
		}
		if n, err := f.Count(ctx); n != 3 || err != nil || len(f.events) > 0 {
			t.Errorf("the preview changed something: %d people, %v, %v", n, f.events, err)
		}
		done, err := f.Import(ctx, people, nil)
		check(t, err)
		if diff := cmp.Diff(want, outcomes(done)); diff != "" {
			t.Errorf("import: -want +got\n%s", diff)
		}
		bob, err := f.ByUsername(ctx, "bob")
		check(t, err)
		if bob.Username != "bob" || bob.Name != `Bob "the" Builder` || bob.Email != "bob@example.com" || !bob.EmailVerified || !cmp.Equal(bob.Groups, []string{"staff"}) {
			t.Errorf("bob: %+v", bob)
		}
		check(t, f.signIn("bob", good)) // nobody's password is touched
		jo, err := f.ByUsername(ctx, "jo")
		check(t, err)
		if jo.Name != "=Jo" || jo.Email != "+49@example.com" || !jo.PasswordAt.IsZero() || jo.Role() != "" {
			t.Errorf("jo: %+v", jo)
		}
		f.events = nil
		done, err = f.Import(ctx, people, nil)
		check(t, err)
		for _, o := range done {
			if o.Result != ImportUnchanged && o.Result != ImportRefuse {
				t.Errorf("again: %+v", o)
			}
		}
		if len(f.events) > 0 {
			t.Errorf("again: %v", f.events)
		}
	})
}

func TestImportOfJSONLines(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		check(t, f.SetGroups(ctx, []Group{{Name: "staff"}}))
		f.add("ada", func(n *NewAccount) {
			n.Email, n.Name, n.EmailVerified, n.Groups = "ada@example.com", "Ada", true, []string{"staff"}
		})
		people := f.incoming(`{"username":"ada","name":null,"groups":[]}

{"username":"bob","name":"=Bob","groups":["staff"],"email_verified":false}
{"username":"eve","role":"administrator"}
{"username":"eve","password":"copper-harbour-violet-17"}
{"username":"eve","name":"Eve","name":"Adam"}
{"username":"eve","groups":"staff"}
{"username":"eve"} {"username":"fay"}
["eve"]
{"username":"gus","email":"gus@example.com"
nonsense
{"username":"hal","email_verified":"yes"}
{"name":"Ina"}
`, JSONLines)
		done, err := f.Import(ctx, people, nil)
		check(t, err)
		want := `1 ada change groups
3 bob create
4  refuse column.role: unknown
5  refuse column.password: unknown
6  refuse column.name: twice
7  refuse groups: type
8  refuse line: format
9  refuse line: format
10  refuse line: format
11  refuse line: format
12  refuse email_verified: type
13  refuse username: empty`
		if diff := cmp.Diff(want, outcomes(done)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		ada, err := f.ByUsername(ctx, "ada")
		check(t, err)
		if ada.Name != "Ada" || ada.Email != "ada@example.com" || !ada.EmailVerified || len(ada.Groups) != 0 {
			t.Errorf("ada: %+v", ada)
		}
		bob, err := f.ByUsername(ctx, "bob")
		check(t, err)
		if bob.Name != "=Bob" {
			t.Errorf("bob is called %q", bob.Name)
		}
	})
}

// Spreadsheets write semicolons where the comma is for decimals. Cells have both.
func TestImportWithSemicolons(t *testing.T) {
	people, err := ReadImport(strings.NewReader("\ufeffusername;name;groups\r\nada;Lovelace, Ada;staff board\r\nbob;\"B;b\";\r\n"), CSV)
	check(t, err)
	if len(people) != 2 || people[0].Username != "ada" || *people[0].Name != "Lovelace, Ada" || !slices.Equal(*people[0].Groups, []string{"staff", "board"}) ||
		*people[1].Name != "B;b" || people[1].Line != 3 || people[1].Err != nil {
		t.Errorf("%+v", people)
	}
	if people, err = ReadImport(strings.NewReader("username,name\nada,A;B\n"), CSV); err != nil || *people[0].Name != "A;B" {
		t.Errorf("%+v %v", people, err)
	}
}

func TestImportsThatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "account: column.username: missing",
		"name,email\n":                       "account: column.username: missing",
		"username,role\nada,administrator\n": "account: column.role: unknown",
		"username,password\n":                "account: column.password: unknown",
		"user;name\n":                        "account: column.user: unknown",
		"username\nM\xfcller\n":              "account: file: utf8",
		"\xff\xfeu\x00":                      "account: file: utf8",
		"username,name,username\n":           "account: column.username: twice",
		"username,name\nada,\"Ada\nbob,B\n":  "account: import: line 2: account: line: format",
		"username,name\nada,A\"da\n":         "account: import: line 2: account: line: format",
		"username\n" + strings.Repeat("ada\n", ImportPeople+1):            ErrImportSize.Error(),
		"username\n" + strings.Repeat("a", ImportBytes):                   ErrImportSize.Error(),
		strings.Repeat("username,", 3) + strings.Repeat("x", ImportBytes): ErrImportSize.Error(),
	} {
		if _, err := ReadImport(strings.NewReader(text), CSV); err == nil || err.Error() != want {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
	if _, err := ReadImport(strings.NewReader(strings.Repeat("{}\n", ImportPeople+1)), JSONLines); !errors.Is(err, ErrImportSize) {
		t.Error(err)
	}
	if _, err := ReadImport(strings.NewReader(""), "xlsx"); reason(t, err) != "format/unknown" {
		t.Error(err)
	}
	if people, err := ReadImport(strings.NewReader("username\n"+strings.Repeat("ada\n", ImportPeople)), CSV); len(people) != ImportPeople || err != nil {
		t.Errorf("%d people, %v", len(people), err)
	}
}

// Whom the caller may not change stays as they are; whoever is new, or is not changed, is not asked about.
func TestSec_AD04_ImportsAskWhomTheyMayChange(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("root", admin)
		f.add("ada")
		people := f.incoming("username,name\nroot,Gotcha\nada,Ada\nnew,New\n", CSV)
		var asked []string
		refused := errors.New("they have a role")
		allow := func(a *Account) error {
			asked = append(asked, a.Username)
			if a.Role() != "" {
				return refused
			}
			return nil
		}
		done, err := f.Import(t.Context(), people, allow)
		check(t, err)
		if got := outcomes(done); got != "2 root refuse they have a role\n3 ada change name\n4 new create" || strings.Join(asked, " ") != "root ada" {
			t.Errorf("%s; asked about %v", got, asked)
		}
		if root, err := f.ByUsername(t.Context(), "root"); err != nil || root.Name != "" {
			t.Errorf("root: %+v, %v", root, err)
		}
	})
}

// A line that turns out not to be possible when it is written takes nothing of its batch with it.
func TestImportBesideOthers(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		var f *fixture
		met := false
		f = fixtureOn(t, db)
		var text strings.Builder
		text.WriteString("username,email\n")
		for i := range 250 {
			fmt.Fprintf(&text, "ada%d,ada%d@example.com\n", i, i)
		}
		f.add("ada7")
		f.add("ada8")
		people := f.incoming(text.String(), CSV)
		allow := func(a *Account) error { // somebody else changes who is just being changed
			if a.Username == "ada7" && !met {
				met = true
				_, err := db.Exec(t.Context(), `UPDATE accounts SET version = version + 1 WHERE subject = $1`, a.Subject)
				return err
			}
			return nil
		}
		if db.Postgres() { // SQLite has one writer: nobody comes between
			done, err := f.Import(t.Context(), people, allow)
			check(t, err)
			if n, err := f.Count(t.Context()); len(done) != 250 || n != 250 || err != nil {
				t.Errorf("%d lines, %d people, %v", len(done), n, err)
			}
		}
		broken := errors.New("the trail is full")
		f.broken = broken
		fresh := f.incoming("username\nlate1\nlate2\n", CSV)
		if _, err := f.Import(t.Context(), fresh, nil); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		f.broken = nil
		if _, err := f.ByUsername(t.Context(), "late1"); !errors.Is(err, ErrNotFound) {
			t.Errorf("half a batch: %v", err)
		}
	}, "account")
}

func TestImportsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		var text strings.Builder
		text.WriteString("username,email,name\n")
		for i := range 120 {
			fmt.Fprintf(&text, "ada%d,ada%d@example.com,Ada %d\n", i, i, i)
		}
		people := f.incoming(text.String(), CSV)
		errs := make(chan error)
		for i := range 2 {
			go func() {
				mine := slices.Clone(people)
				if i == 0 { // they meet from both ends
					slices.Reverse(mine)
				}
				_, err := f.Import(t.Context(), mine, nil)
				errs <- err
			}()
		}
		for range 2 {
			check(t, <-errs)
		}
		if got := f.names(Query{Text: "ada", Limit: 200}); len(got) != 120 {
			t.Errorf("%d people", len(got))
		}
	})
}

func TestExport(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		check(t, f.SetGroups(ctx, []Group{{Name: "staff"}, {Name: "board"}}))
		ada := f.add("ada", func(n *NewAccount) {
			n.Email, n.Name, n.Groups, n.EmailVerified, n.Role = "+ada@example.com", "=HYPERLINK(\"x\")", []string{"board", "staff"}, true, HelpDesk
		})
		f.add("'-bob", func(n *NewAccount) { n.Name = "O'Neill, Bob" })
		check(t, f.SignedIn(ctx, ada))
		check(t, f.SetFactorFacts(ctx, ada.Subject, Factors{true, 7}))
		export := func(format Format, q Query, columns ...string) string {
			t.Helper()
			var out bytes.Buffer
			check(t, f.Export(ctx, &out, format, q, columns...))
			if strings.Contains(out.String(), "argon2") {
				t.Error("a hash is told")
			}
			return out.String()
		}
		want := "username,email,email_verified,name,groups\r\n" +
			"''-bob,,false,\"O'Neill, Bob\",\r\n" +
			"ada,'+ada@example.com,true,\"'=HYPERLINK(\"\"x\"\")\",board staff\r\n"
		whole := export(CSV, Query{})
		if diff := cmp.Diff(want, whole); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		at := f.now.UTC().Format(time.RFC3339)
		wantAll := fmt.Sprintf(`{"username":"ada","email":"+ada@example.com","email_verified":true,"name":"=HYPERLINK(\"x\")","groups":["board","staff"],`+
			`"sub":"%s","role":"helpdesk","disabled":false,"mfa_enrolled":true,"recovery_codes_left":7,"created_at":"%s","signed_in_at":"%s"}`+"\n", ada.Subject, at, at)
		if diff := cmp.Diff(wantAll, export(JSONLines, Query{AnyRole: true}, ExportColumns()...)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		for format, text := range map[Format]string{CSV: whole, JSONLines: export(JSONLines, Query{})} {
			done, err := f.PreviewImport(ctx, f.incoming(text, format), nil)
			check(t, err)
			for _, o := range done {
				if o.Result != ImportUnchanged {
					t.Errorf("%s, imported again: %+v", format, o)
				}
			}
		}
		if err := f.Export(ctx, &bytes.Buffer{}, CSV, Query{}, "username", "password"); reason(t, err) != "column.password/unknown" {
			t.Error(err)
		}
		if err := f.Export(ctx, &bytes.Buffer{}, "xml", Query{}); reason(t, err) != "format/unknown" {
			t.Error(err)
		}
		if err := f.Export(ctx, &bytes.Buffer{}, CSV, Query{Sort: "password"}); reason(t, err) != "sort/unknown" {
			t.Error(err)
		}
	})
}

// pageWriter notes the largest piece that was written at once.
type pageWriter struct{ lines, largest int }

func (w *pageWriter) Write(p []byte) (int, error) {
	w.lines += bytes.Count(p, []byte("\n"))
	w.largest = max(w.largest, len(p))
	return len(p), nil
}

func TestAnExportHoldsOnePage(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		crowd(t, db, 1500)
		f := fixtureOn(t, db)
		for _, q := range []Query{{}, {Sort: ByName, Descending: true}, {WithoutMFA: true}} {
			for _, format := range []Format{CSV, JSONLines} {
				var out pageWriter
				check(t, f.Export(t.Context(), &out, format, q))
				want := 1500
				if q.WithoutMFA {
					want = 500
				}
				if format == CSV {
					want++
				}
				if out.lines != want || out.largest > pageLimit*256 {
					t.Errorf("%+v as %s: %d lines, %d bytes at once", q, format, out.lines, out.largest)
				}
			}
		}
	}, "account")
}
