package mfasql_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/internal/dbx"
	"github.com/focushq/idp/internal/dbxtest"
	"github.com/focushq/idp/mfa"
	"github.com/focushq/idp/mfa/mfasql"
	"github.com/focushq/idp/mfa/mfatest"
)

// TestSec_RC06_UseAgainstRenewal lets sixteen callers use eight codes of a set while a new set takes its place: each code
// works once at most, and none once the new set stands. It leaves out the hash, which takes its time.
func TestSec_RC06_UseAgainstRenewal(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		stores := [2]mfa.Store{mfasql.New(db.SQLX()), mfasql.New(db.SQLX())}
		owner, at := mfa.Owner{Subject: "alice", Session: "browser"}, time.Unix(1_800_000_000, 0)
		trials := 200
		if !db.Postgres() {
			trials = 20
		}
		pending := func(trial int) string {
			set := mfa.CodeSet{ID: fmt.Sprint("set", trial), Owner: owner, Salt: []byte("salt"), CreatedAt: at}
			for n := range 8 {
				set.Codes = append(set.Codes, mfa.CodeRecord{N: n, Hash: []byte{1}})
			}
			must(t, stores[0].AddCodes(t.Context(), set))
			return set.ID
		}
		old := pending(0)
		_, err := stores[0].ActivateCodes(t.Context(), owner, "", old)
		must(t, err)
		locked := func(s mfa.Store, do func(ctx context.Context) error) error {
			return s.InTx(context.Background(), func(ctx context.Context) error {
				if err := s.Lock(ctx, "alice"); err != nil {
					return err
				}
				return do(ctx)
			})
		}
		before, after := 0, 0
		for trial := 1; trial <= trials; trial++ {
			fresh := pending(trial)
			var wg sync.WaitGroup
			var renewed atomic.Bool
			var used [8]atomic.Int32
			start := make(chan struct{})
			for caller := range parallel {
				wg.Go(func() {
					<-start
					late, won := renewed.Load(), false
					err := locked(stores[caller%2], func(ctx context.Context) (err error) {
						won, err = stores[caller%2].UseCode(ctx, "alice", old, caller%8, at)
						return err
					})
					if err != nil {
						t.Error(err)
					}
					if won {
						used[caller%8].Add(1)
					}
					if won && late {
						t.Errorf("trial %d: a code of the old set after the renewal", trial)
					}
				})
			}
			wg.Go(func() {
				<-start
				err := locked(stores[trial%2], func(ctx context.Context) error {
					won, err := stores[trial%2].ActivateCodes(ctx, owner, "", fresh)
					if err == nil && !won {
						t.Errorf("trial %d: the new set was refused", trial)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
				renewed.Store(true)
			})
			close(start)
			wg.Wait()
			for n := range used {
				switch used[n].Load() {
				case 0:
					after++
				case 1:
					before++
				default:
					t.Fatalf("trial %d: code %d was used %d times", trial, n, used[n].Load())
				}
			}
			if won, err := stores[0].UseCode(t.Context(), "alice", old, trial%8, at); won || err != nil {
				t.Fatalf("trial %d: %v, %v", trial, won, err)
			}
			set, err := stores[1].Codes(t.Context(), "alice")
			must(t, err)
			if set.ID != fresh || len(set.Codes) != 8 {
				t.Fatalf("trial %d: %s with %d codes", trial, set.ID, len(set.Codes))
			}
			old = fresh
		}
		if db.Postgres() && (before == 0 || after == 0) {
			t.Errorf("%d uses before, %d too late: there was no race", before, after)
		}
	}, "mfa")
}

// TestSec_MF14_AllOrNothingAtEveryStatement has every statement fail that a change of factors writes with, one at a time:
// either the change is done, or all rows are as they were.
func TestSec_MF14_AllOrNothingAtEveryStatement(t *testing.T) {
	now := &clock{now: time.Unix(1_800_000_000, 0)}
	db := dbxtest.SQLite(t, "mfa")
	cipher, err := mfa.NewCipher(make([]byte, 32))
	must(t, err)
	s, err := mfa.New(mfa.Config{
		Store: mfasql.New(db.SQLX()), Cipher: cipher, Issuer: "Focus HQ", Now: now.read, RememberFor: time.Hour, HashMemory: 64,
		Observe: func(ctx context.Context, e mfa.Event) error { // as a host's audit log, in the same transaction
			_, err := db.Exec(ctx, `INSERT INTO mfa_test_audit (kind) VALUES ($1)`, string(e.Kind))
			return err
		},
	})
	must(t, err)
	exec(t, db, `CREATE TABLE mfa_test_audit (kind TEXT NOT NULL)`)
	ctx, owner := t.Context(), mfa.Owner{Subject: "alice", Session: "browser"}
	_, codes := enroll(t, s, "alice", now)
	token, _, err := s.RememberDevice(ctx, "alice", mfa.Label{})
	must(t, err)
	device, _, _ := strings.Cut(token, ".")
	pending, err := s.Enroll(ctx, owner, "alice")
	must(t, err)
	phone, err := mfatest.Scan(pending.URI)
	must(t, err)
	phone.Clock = now.read
	_, err = s.VerifyEnrollment(ctx, owner, pending.ID, phone.Code(0), phone.Code(1))
	must(t, err)
	_, set, err := s.NewRecoveryCodes(ctx, owner, "")
	must(t, err)
	status, err := s.Status(ctx, "alice")
	must(t, err)
	now.pass(time.Minute)

	var tables []string
	must(t, db.Select(ctx, &tables, `SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'mfa_%' ORDER BY name`))
	undo := `BEGIN IMMEDIATE; `
	for _, table := range tables {
		exec(t, db, `CREATE TABLE kept_`+table+` AS SELECT * FROM `+table)
		undo += `DELETE FROM ` + table + `; INSERT INTO ` + table + ` SELECT * FROM kept_` + table + `; `
	}
	was := content(t, db, tables)
	for name, change := range map[string]func() error{
		"remove":   func() error { return s.Remove(ctx, "alice", status.Authenticators[0].ID) },
		"disable":  func() error { return s.Disable(ctx, "alice") },
		"reset":    func() error { return s.Reset(ctx, "alice", "lost") },
		"confirm":  func() error { _, err := s.Confirm(ctx, owner, pending.ID, ""); return err },
		"renew":    func() error { return s.ConfirmRecoveryCodes(ctx, owner, set) },
		"recover":  func() error { _, err := s.VerifyRecoveryCode(ctx, "alice", codes[0]); return err },
		"remember": func() error { _, _, err := s.RememberDevice(ctx, "alice", mfa.Label{}); return err },
		"forget":   func() error { return s.ForgetDevices(ctx, "alice", "test") },
		"device":   func() error { return s.ForgetDevice(ctx, "alice", device) },
		"enrol":    func() error { _, err := s.Enroll(ctx, owner, "alice"); return err },
	} {
		failed := 0
		for _, table := range tables {
			for _, verb := range []string{"INSERT", "UPDATE", "DELETE"} {
				exec(t, db, `CREATE TRIGGER broken BEFORE `+verb+` ON `+table+` BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END`)
				err := change()
				exec(t, db, `DROP TRIGGER broken`)
				got := content(t, db, tables)
				switch {
				case err == nil && got == was:
					t.Errorf("%s without %s of %s: done, and nothing has changed", name, verb, table)
				case err != nil && !strings.Contains(err.Error(), "the disk is gone"):
					t.Errorf("%s without %s of %s: %v", name, verb, table, err)
				case err != nil && got != was:
					t.Errorf("%s without %s of %s: half of it is done\n%s\nwas\n%s", name, verb, table, got, was)
				}
				if err != nil {
					failed++
				}
				exec(t, db, undo+`COMMIT`)
			}
		}
		if failed < 1 {
			t.Errorf("%s has never failed: what was tested?", name)
		}
	}
}

func exec(t *testing.T, db *dbx.DB, query string) {
	t.Helper()
	if _, err := db.SQLX().ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

// content is all that stands in the tables, but for attempts, which are counted whatever comes of them.
func content(t *testing.T, db *dbx.DB, tables []string) string {
	t.Helper()
	var out []string
	for _, table := range tables {
		if table == "mfa_attempts" || table == "mfa_people" {
			continue
		}
		rows, err := db.SQLX().QueryxContext(t.Context(), `SELECT * FROM `+table)
		must(t, err)
		for rows.Next() {
			row := map[string]any{}
			must(t, rows.MapScan(row))
			out = append(out, fmt.Sprintln(table, row))
		}
		must(t, rows.Close())
	}
	slices.Sort(out)
	return strings.Join(out, "")
}
