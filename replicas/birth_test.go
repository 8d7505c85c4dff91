package replicas

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/focushq/idp/idptest"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

var setupLink = regexp.MustCompile(`http://\S+/setup\?\S+`)

// Three processes that start at the same moment on a database without a schema, and without a keyset: each thing is made
// once. Of the links to a first administrator that they print the last one is good, and of all who use it one becomes that.
func TestFault_R01_FirstStartAndFirstAdministrator(t *testing.T) {
	t.Parallel()
	for trial := range times(1, 10) {
		f := &fleet{t: t, front: newFront(t), folder: t.TempDir(), requests: plain(t)}
		var err error
		if f.program, err = program(); err != nil {
			t.Fatal(err)
		}
		database := dbxtest.PostgresURL(t)
		f.prepare(database, plan{})
		f.grow(3)
		if f.db, err = dbx.Open(t.Context(), database); err != nil {
			t.Fatal(err)
		}
		defer f.db.Close()
		var keys []string
		for _, r := range f.each {
			request, _ := http.NewRequest(http.MethodGet, r.origin+"/oauth2/jwks", nil)
			a, err := f.do(request)
			if err != nil || a.status != http.StatusOK {
				t.Fatal(a.status, err)
			}
			keys = append(keys, string(a.body))
		}
		if keys[0] != keys[1] || keys[1] != keys[2] || !strings.Contains(keys[0], `"kid"`) {
			t.Errorf("they do not sign by the same keys: %s", keys)
		}

		b := idptest.NewBrowser(t, f.front.URL)
		var good []*idptest.Page
		for _, r := range f.each {
			link := ""
			until(t, "a link to the first administrator", func() bool {
				link = setupLink.FindString(r.said.String())
				return link != ""
			})
			if page := b.Get(link); page.Has("#setup-submit") {
				good = append(good, page)
			}
		}
		if len(good) != 1 {
			t.Fatalf("%d links are good", len(good))
		}
		form := good[0].Fields("setup-submit")
		all := tab{f: f, cookies: b.Jar.Cookies(good[0].URL), token: form.Get("form_token")}
		f.race("the first administrator", func(i int, replica string) (bool, answer, error) {
			a, err := all.post(replica, good[0].URL.RequestURI(), url.Values{
				"token": form["token"], "username": {fmt.Sprint("root", i)}, "email": {fmt.Sprintf("root%d@example.com", i)}, "password": {idptest.Password},
			})
			return a.status == http.StatusSeeOther, a, err
		})
		if n := f.count(`SELECT COUNT(*) FROM accounts`); n != 1 {
			t.Errorf("trial %d: %d accounts", trial, n)
		}
	}
}
