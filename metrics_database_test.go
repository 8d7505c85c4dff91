package idp_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbxtest"
)

func watched(c *idp.Config) { c.MetricsListen = "127.0.0.1:0" }

func TestMetricsOfTheDatabase(t *testing.T) {
	p := idptest.Start(t, watched)
	p.AddUser("alice")
	p.Browser().Get("/login").Submit("login-submit", "username", "alice", "password", idptest.Password)
	got := scrape(t, p)
	for _, want := range []string{
		`idp_database_duration_seconds_bucket{statement="INSERT sessions",le="0.001"} `,
		`idp_database_duration_seconds_count{statement="INSERT sessions"} 1`,
		`idp_database_duration_seconds_count{statement="COMMIT"} `,
		`idp_database_failures_total{statement="INSERT sessions"} 0`,
		`go_sql_in_use_connections{db_name="idp"} 0`,
		`go_sql_wait_duration_seconds_total{db_name="idp"} `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "alice") {
		t.Error(got)
	}
	if off := scrape(t, idptest.Start(t)); strings.Contains(off, "idp_database_duration_seconds") {
		t.Error("statements are watched though nobody looks")
	}
}

// The manual's list of metrics is what there is: each of them, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	p := idptest.Start(t, watched, func(c *idp.Config) { c.DatabaseURL = dbxtest.PostgresURL(t) }) // which has a clock of its own
	a := p.AddUser("alice")
	enrol(t, p, a.Subject)
	p.Browser().Get("/login").Submit("login-submit", "username", "alice", "password", "wrong")
	p.Browser().Get("/readyz")
	manual, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(manual), "\n## Watching\n")
	section, _, _ = strings.Cut(section, "\n## ")
	all := func(pattern, text string) (names []string) {
		for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			names = append(names, found[1])
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	ours := `((?:idp|go_sql)_\w+)`
	if diff := cmp.Diff(all("`"+ours+"`", section), all(`(?m)^# TYPE `+ours, scrape(t, p))); diff != "" {
		t.Errorf("metrics (-documented +there):\n%s", diff)
	}
}
