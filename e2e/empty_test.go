package e2e

import (
	"fmt"
	"testing"

	"golang.org/x/oauth2"

	"github.com/focushq/idp"
	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// TestNobodyFailsOnAnEmptyDatabase: people who have nothing to do with each other sign in and refresh at the same time, on tables of
// a few rows, at a server whose transactions are serializable unless somebody says otherwise. There rows of different people stand
// on one page, and such transactions fail of each other.
func TestNobodyFailsOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	s := secOpen(t, func(c *idp.Config) {
		c.DatabaseURL = dbxtest.PostgresURL(t)
		db, err := dbx.OpenPatient(t.Context(), c.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var name string
		if err := db.Get(t.Context(), &name, "SELECT current_database()"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), "ALTER DATABASE "+name+" SET default_transaction_isolation = serializable"); err != nil {
			t.Fatal(err)
		}
	})
	const people, refreshes = 8, 10
	var all []*secPerson
	for i := range people {
		all = append(all, s.person(fmt.Sprintf("person-%d", i)))
	}
	browsers := make([]*idptest.Browser, people)
	for i := range browsers {
		browsers[i] = s.Browser()
	}
	secAtOnce(people, func(i int) {
		page := all[i].signIn(browsers[i], s.app)
		tokens, err := s.app.Exchange(t.Context(), page.URL.Query().Get("code"), secVerifierOption())
		if err != nil {
			t.Errorf("%d: %v at %s: %v", i, page.Status, page.URL, err)
			return
		}
		for range refreshes {
			if tokens, err = s.app.TokenSource(t.Context(), &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token(); err != nil {
				t.Errorf("%d: %v", i, err)
				return
			}
		}
	})
}
