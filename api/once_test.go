package api_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/focushq/idp"
	"github.com/focushq/idp/account"
	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
)

// One key, forty programs: what they ask for is done once, and whoever is answered is answered alike.
func TestRepeatedRequestsAreDoneOnce(t *testing.T) {
	engines(t, func(f *fixture) {
		t := f.T
		const programs = 40
		answers := make([]answer, programs)
		var wait sync.WaitGroup
		for i := range programs {
			wait.Go(func() {
				for {
					a, err := f.try(f.token, "POST", "/people", object{"username": "alice"}, "Idempotency-Key", "one")
					if err != nil {
						t.Error(err)
						return
					}
					if a.problem() != "idempotency-key-in-use" { // 409, Retry-After: the client asks again
						answers[i] = a
						return
					}
				}
			})
		}
		wait.Wait()
		fresh := 0
		for _, a := range answers {
			if a.status != 201 || a.body != answers[0].body || a.header.Get("ETag") != `"1"` {
				t.Errorf("%d %s", a.status, a.body)
			}
			if a.header.Get("Idempotency-Replayed") == "" {
				fresh++
			}
		}
		if fresh != 1 {
			t.Errorf("done %d times", fresh)
		}
		page, err := f.Accounts.People(t.Context(), account.Query{})
		if err != nil || page.Total != 1 {
			t.Errorf("%d people, %v", page.Total, err)
		}
	})
}

func TestIdempotencyKeys(t *testing.T) {
	f := start(t)
	first := f.want(f.call("POST", "/groups", object{"name": "a"}, "Idempotency-Key", "k"), 201)
	again := f.want(f.call("POST", "/groups", object{"name": "a"}, "Idempotency-Key", "k"), 201)
	if again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" || again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("%v %s", again.header, again.body)
	}
	if again.header.Get("X-Request-Id") == first.header.Get("X-Request-Id") {
		t.Error("an answer that is repeated has the id of another request")
	}
	f.refused(f.call("POST", "/groups", object{"name": "b"}, "Idempotency-Key", "k"), 422, "idempotency-key-reused")
	f.refused(f.call("POST", "/people", object{"name": "a"}, "Idempotency-Key", "k"), 422, "idempotency-key-reused")
	for _, key := range []string{"", strings.Repeat("k", 256)} {
		f.refused(f.call("POST", "/groups", object{"name": "c"}, "Idempotency-Key", key), 400, "invalid-parameter")
	}
	// Another actor's key is another key.
	other := f.Machine("other", "idp.people.write").Token("")
	f.refused(f.as(other, "POST", "/groups", object{"name": "a"}, "Idempotency-Key", "k"), 409, "taken")
	// What was refused may be put right under the same key.
	f.want(f.as(other, "POST", "/groups", object{"name": "d"}, "Idempotency-Key", "k"), 201)
	// Without the scope nobody gets an answer again.
	reader := f.Machine("reader", "idp.people.read").Token("")
	f.refused(f.as(reader, "POST", "/groups", object{"name": "a"}, "Idempotency-Key", "k"), 403, "insufficient-scope")
	// After a day it is forgotten.
	f.Clock.Add(25 * time.Hour)
	f.token = f.Machine("later", everything()...).Token("")
	f.refused(f.call("POST", "/groups", object{"name": "a"}, "Idempotency-Key", "k"), 409, "taken")
}

func TestSec_DR01_KeptAnswersAreSealed(t *testing.T) {
	dbURL := ""
	f := start(t, func(c *idp.Config) { dbURL = c.DatabaseURL; c.SMTPURL, c.Mail = "", nil })
	created := f.want(f.call("POST", "/clients", object{"id": "app", "redirect_uris": []string{"https://app.example/"}}, "Idempotency-Key", "c"), 201)
	secret, _ := created.get(t, "secret").(string)
	alice := f.AddUser("alice", func(n *account.NewAccount) { n.Password = "" })
	invited := f.want(f.call("POST", "/people/"+alice.Subject+"/invite", nil, "Idempotency-Key", "i"), 200)
	link, _ := invited.get(t, "link").(string)
	_, token, _ := strings.Cut(link, "token=")
	if len(secret) < 20 || len(token) < 20 {
		t.Fatalf("%s %s", created.body, invited.body)
	}
	if again := f.call("POST", "/clients", object{"id": "app", "redirect_uris": []string{"https://app.example/"}}, "Idempotency-Key", "c"); again.body != created.body {
		t.Errorf("%s", again.body)
	}
	db, err := dbx.Open(t.Context(), dbURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows []struct {
		Answer []byte `db:"answer"`
	}
	if err := db.Select(t.Context(), &rows, `SELECT answer FROM api_answers`); err != nil || len(rows) != 2 {
		t.Fatalf("%d %v", len(rows), err)
	}
	for _, row := range rows {
		for _, word := range []string{secret, token, "app", "secret", "invite"} {
			if bytes.Contains(row.Answer, []byte(word)) {
				t.Errorf("%q stands in the clear", word)
			}
		}
	}
	// An answer that is moved to another key's place does not open.
	if _, err := db.Exec(t.Context(), `UPDATE api_answers SET answer = (SELECT MIN(answer) FROM api_answers)`); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, again := range []answer{
		f.call("POST", "/clients", object{"id": "app", "redirect_uris": []string{"https://app.example/"}}, "Idempotency-Key", "c"),
		f.call("POST", "/people/"+alice.Subject+"/invite", nil, "Idempotency-Key", "i"),
	} {
		if again.status == 500 && again.problem() == "internal" {
			failed++
		}
	}
	if failed != 1 {
		t.Errorf("%d of two do not open", failed)
	}
}

func TestSec_DR08_AnswersAndCountsArePruned(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		s := bare(db)
		for i := range 30 {
			_, err := db.Exec(t.Context(), `INSERT INTO api_answers (key, actor, asked, status, begun_at, expires_at) VALUES ($1, $2, $2, 201, 0, $3)`,
				[]byte(fmt.Sprint(i)), []byte("a"), int64(i*10))
			if err == nil {
				_, err = db.Exec(t.Context(), `INSERT INTO api_calls (key, n, until) VALUES ($1, 1, $2)`, fmt.Sprint(i), int64(i*10))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"api_answers", "api_calls"} {
			var n int
			if err := db.Get(t.Context(), &n, "SELECT count(*) FROM "+table); err != nil || n != 20 {
				t.Errorf("%s: %d are left, %v", table, n, err)
			}
		}
	}, "api")
}
