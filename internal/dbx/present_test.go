package dbx_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func TestPresent(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		if _, err := db.Exec(t.Context(), "CREATE TABLE things (name TEXT NOT NULL)"); err != nil {
			t.Fatal(err)
		}
		var all, want []string
		for n := range 1201 {
			name := fmt.Sprintf("%04d", n)
			all = append(all, name)
			if n%400 != 0 {
				continue
			}
			want = append(want, name)
			for range 2 { // each is told once
				if _, err := db.Exec(t.Context(), "INSERT INTO things (name) VALUES ($1)", name); err != nil {
					t.Fatal(err)
				}
			}
		}
		counted, trips := dbxtest.Counted(t, db)
		for _, tt := range []struct {
			values, want []string
			statements   int
		}{
			{nil, nil, 0},
			{[]string{"0400"}, []string{"0400"}, 1},
			{[]string{"nobody", ""}, nil, 1},
			{all[:500], want[:2], 1},
			{all[:501], want[:2], 2},
			{append(slices.Clone(all), all...), want, 5},
		} {
			trips.Reset()
			got, err := counted.Present(t.Context(), "things", "name", tt.values)
			slices.Sort(got)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%d values: %q, %v, want %q", len(tt.values), got, err, tt.want)
			}
			made := slices.DeleteFunc(trips.All(), func(trip string) bool { return strings.HasPrefix(trip, "PREPARE") })
			if len(made) != tt.statements {
				t.Errorf("%d values: %d statements, want %d", len(tt.values), len(made), tt.statements)
			}
		}
	})
}
