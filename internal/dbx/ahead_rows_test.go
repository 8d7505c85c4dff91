package dbx

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"
)

type aheadRow struct {
	Text  string        `db:"text"`
	N     int64         `db:"n"`
	Small int           `db:"small"`
	Yes   bool          `db:"yes"`
	Blob  []byte        `db:"blob"`
	Maybe sql.NullInt64 `db:"maybe"`
}

// json is the row as json_agg has it, with spaces where it may have them.
func (r aheadRow) json(space string) string {
	quote := func(v any) string {
		text, _ := json.Marshal(v)
		return string(text)
	}
	blob, maybe := "null", "null"
	if r.Blob != nil {
		blob = quote(`\x` + hexOf(r.Blob))
	}
	if r.Maybe.Valid {
		maybe = quote(r.Maybe.Int64)
	}
	return "{" + space + `"text":` + quote(r.Text) + `,"n":` + quote(r.N) + "," + space + `"small":` + quote(r.Small) + `,"yes":` + quote(r.Yes) +
		`,"blob":` + blob + `,"maybe":` + maybe + space + "}"
}

func hexOf(raw []byte) (out string) {
	for _, b := range raw {
		out += string("0123456789abcdef"[b>>4]) + string("0123456789abcdef"[b&15])
	}
	return out
}

// rowsDB is a handle that knows how fields are called, and has no database.
func rowsDB() *DB { return &DB{sqlx: sqlx.NewDb(nil, "postgres")} }

func TestRowsOfJSON(t *testing.T) {
	db := rowsDB()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) aheadRow {
			return aheadRow{
				Text: rapid.String().Draw(t, "text"), N: rapid.Int64().Draw(t, "n"), Small: rapid.Int().Draw(t, "small"), Yes: rapid.Bool().Draw(t, "yes"),
				Blob:  rapid.SampledFrom([][]byte{nil, {}, {0}, []byte("some\xff\x00thing")}).Draw(t, "blob"),
				Maybe: rapid.SampledFrom([]sql.NullInt64{{}, {Int64: 7, Valid: true}}).Draw(t, "maybe"),
			}
		}), 1, 4).Draw(t, "rows")
		space := rapid.SampledFrom([]string{"", " ", "\n "}).Draw(t, "space")
		text := []byte("[" + space)
		for i, row := range want {
			if i > 0 {
				text = append(text, ","+space...)
			}
			text = append(text, row.json(space)...)
		}
		text = append(text, space+"]"...)
		var got []aheadRow
		if err := (reading{text: text}).all(db, &got); err != nil || !cmp.Equal(got, want) {
			t.Fatalf("%s: %v\n%s", text, err, cmp.Diff(want, got))
		}
		var first aheadRow
		if err := (reading{text: text}).get(db, &first); err != nil || !cmp.Equal(first, want[0]) {
			t.Fatalf("%s: %v", text, err)
		}
	})
}

// Nothing that is no answer of PostgreSQL's is read as if it were one, and nothing makes it panic.
func TestRowsOfBrokenJSON(t *testing.T) {
	db := rowsDB()
	good := []byte("[" + aheadRow{Text: "a \"b\"", Blob: []byte{1}}.json("") + "]")
	for i := range good {
		var rows []aheadRow
		if err := (reading{text: good[:i]}).all(db, &rows); err == nil && i > 0 {
			t.Errorf("%s: %+v", good[:i], rows)
		}
	}
	for _, text := range []string{
		"null", "{}", "[1]", `[{"text":{}}]`, `[{"text":[]}]`, `[{"text":null}]`, `[{"n":"1"}]`, `[{"n":1.5}]`, `[{"yes":"true"}]`, `[{"other":1}]`,
		`[{"text" 1}]`, `[{"":1}]`, `[{"n":1 "small":2}]`, `[{"n":1}{"n":2}]`, `[{"blob":"\\xzz"}]`, `[{"text":"a\"}]`,
	} {
		var rows []aheadRow
		if err := (reading{text: []byte(text)}).all(db, &rows); err == nil {
			t.Errorf("%s: %+v", text, rows)
		}
	}
	var n int64
	if err := (reading{text: []byte(`[{"count":3}]`)}).get(db, &n); err != nil || n != 3 {
		t.Errorf("%d %v", n, err)
	}
	if err := (reading{text: []byte(`[{"count":3,"more":4}]`)}).get(db, &n); err == nil {
		t.Error("two columns for one")
	}
	if err := (reading{}).get(db, &n); !IsNotFound(err) {
		t.Errorf("no rows: %v", err)
	}
}

func FuzzRowsOfJSON(f *testing.F) {
	db := rowsDB()
	f.Add([]byte("[" + aheadRow{Text: "a"}.json(" ") + "]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var rows []aheadRow
		if err := (reading{text: bytes.Clone(text)}).all(db, &rows); err == nil && len(text) > 0 && !json.Valid(text) && len(rows) == 0 {
			t.Errorf("%q is read as nothing", text)
		}
	})
}

// BenchmarkRowsOfJSON is a row with the columns that most have.
func BenchmarkRowsOfJSON(b *testing.B) {
	db := rowsDB()
	r := reading{text: []byte("[" + aheadRow{Text: "alice@example.com", N: 1764468000, Yes: true, Blob: make([]byte, 16)}.json("") + "]")}
	b.ReportAllocs()
	for b.Loop() {
		var row aheadRow
		if err := r.get(db, &row); err != nil {
			b.Fatal(err)
		}
	}
}
