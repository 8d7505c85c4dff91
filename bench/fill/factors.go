package fill

import (
	"context"
	"crypto/sha256"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/focushq/idp/audit"
	"github.com/focushq/idp/mfa"
)

// factors writes authenticators and recovery codes. Every secret is sealed for its row: that takes a few microseconds.
func (f *filler) factors(ctx context.Context) error {
	if f.Factors == 0 || f.People == 0 {
		return nil
	}
	all := map[string]*table{}
	for _, name := range []string{"mfa_people", "mfa_authenticators", "mfa_recovery_sets", "mfa_recovery_codes"} {
		var err error
		if all[name], err = read(ctx, f.db, name, "subject = $1", f.pattern.subject); err != nil {
			return err
		}
	}
	key, err := f.appKey()
	if err != nil {
		return err
	}
	sets := all["mfa_recovery_sets"]
	place := sets.rows[0][sets.at["id"]].(string)
	salt, err := f.keys.Decrypt(sets.rows[0][sets.at["salt"]].([]byte), []byte(mfa.PlaceCodes+place+"/"+f.pattern.subject))
	if err != nil {
		return err
	}
	for name, each := range map[string]func(t *table, n int, add func([]any) error) error{
		"mfa_people": func(t *table, n int, add func([]any) error) error { return add(t.like(0, "subject", Subject(n))) },
		"mfa_authenticators": func(t *table, n int, add func([]any) error) error {
			id := digits("authenticator", n)
			sealed, err := f.keys.Encrypt(key, []byte(mfa.PlaceAuthenticator+id+"/"+Subject(n)))
			if err != nil {
				return err
			}
			// The code of this moment is not used up: the pattern used its own.
			return add(t.like(0, "id", id, "subject", Subject(n), "secret", sealed, "last_step", t.number(0, "last_step")-10))
		},
		"mfa_recovery_sets": func(t *table, n int, add func([]any) error) error {
			id := digits("codes", n)
			sealed, err := f.keys.Encrypt(salt, []byte(mfa.PlaceCodes+id+"/"+Subject(n)))
			if err != nil {
				return err
			}
			return add(t.like(0, "id", id, "subject", Subject(n), "salt", sealed))
		},
		"mfa_recovery_codes": func(t *table, n int, add func([]any) error) error {
			for k := range t.rows {
				if err := add(t.like(k, "set_id", digits("codes", n), "subject", Subject(n))); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t := all[name]
		if err := f.copies(ctx, t, func(add func([]any) error) error {
			for n := range f.People {
				if !f.Enrolled(n) {
					continue
				}
				if err := each(t, n, add); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// trail records what people did, through the log itself, which signs each row, and links them.
func (f *filler) trail(ctx context.Context) error {
	const batch = 1000
	began := time.Now()
	var group sync.WaitGroup
	var once sync.Once
	var failed error
	workers := min(4, runtime.GOMAXPROCS(0)) // SQLite has one writer, and waits
	for worker := range workers {
		group.Go(func() {
			for from := worker * batch; from < f.Trail; from += workers * batch {
				if err := f.record(ctx, from, min(from+batch, f.Trail)); err != nil {
					once.Do(func() { failed = err })
					return
				}
			}
		})
	}
	group.Wait()
	for linked := 1; failed == nil && linked > 0; {
		linked, failed = f.p.Audit.Link(ctx)
	}
	if f.Trail > 0 {
		f.tell("audit", f.Trail, began)
	}
	return failed
}

// record records some of what the crowd did: a sign-in and then refreshes, by turns.
func (f *filler) record(ctx context.Context, from, to int) error {
	return f.p.Accounts.InTx(ctx, func(ctx context.Context) error {
		for n := from; n < to; n++ {
			subject := Subject(n % max(1, f.People))
			e := audit.Event{Action: "oauth.token_issued", Actor: subject, Subject: subject, Client: f.Client(n),
				Detail: map[string]string{"grant": digits("trail", n), "type": "refresh_token"}}
			if n%10 == 0 {
				e = audit.Event{Action: "sign_in", Actor: subject, Subject: subject, Detail: map[string]string{"amr": "pwd"}}
			}
			ctx := audit.WithRequest(ctx, audit.Request{ID: digits("request", n), Address: "192.0.2." + strconv.Itoa(n%250), Agent: agent})
			if err := f.p.Audit.Record(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// tidy does what autovacuum would do in the next minutes.
func (f *filler) tidy(ctx context.Context) error {
	query := `ANALYZE`
	if f.db.Postgres() {
		query = `VACUUM ANALYZE`
	}
	began := time.Now()
	_, err := f.db.SQLX().ExecContext(ctx, query)
	f.tell(query, 0, began)
	return err
}

func hash(value string) []byte {
	sum := sha256.Sum256([]byte(value))
	return sum[:]
}

// folded is a name as it is sorted and searched by. Those of a crowd are plain letters.
func folded(name string) string { return strings.ToLower(name) }

// wordsOf returns by what a person is found: user name, address and the parts of their name.
func wordsOf(n int) []string {
	words := append(strings.Fields(folded(name(n))), Username(n), Username(n)+"@example.com")
	slices.Sort(words)
	return slices.Compact(words)
}
