package dbxtest_test

import (
	"strings"
	"testing"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

func TestTheServerTellsItsPlans(t *testing.T) {
	address, plans := dbxtest.Planned(t, dbxtest.PostgresURL(t, "session"))
	db, err := dbx.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	plans.Reset()
	var n int
	for range 7 { // the driver's first statements are planned for their arguments, later ones may not be
		if err := db.Get(t.Context(), &n, `SELECT COUNT(*) FROM sessions WHERE agent = $1`, "x"); err != nil {
			t.Fatal(err)
		}
	}
	all := plans.All()
	if len(all) != 7 || !strings.Contains(all[0], "Seq Scan on sessions") || !strings.Contains(all[6], "SELECT COUNT(*)") {
		t.Errorf("%d plans: %q", len(all), all)
	}
}
