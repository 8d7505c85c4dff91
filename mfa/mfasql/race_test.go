package mfasql_test

import (
	"context"
	"errors"
	"fmt"
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

// parallel is how many requests come at once, spread over two replicas.
const parallel = 16

// each runs fn on both engines with two replicas: services that share a database and nothing else. Trials are for
// PostgreSQL, where a store that reads before it writes is found out; SQLite serialises and gets a tenth.
func each(t *testing.T, trials int, fn func(t *testing.T, trials int, clock *clock, replicas [2]*mfa.Service)) {
	t.Helper()
	for engine, url := range map[string]func(testing.TB, ...string) string{
		"sqlite": dbxtest.SQLiteURL, "postgres": dbxtest.PostgresURL,
	} {
		t.Run(engine, func(t *testing.T) {
			where, now := url(t, "mfa"), &clock{now: time.Unix(1_800_000_000, 0)}
			n := trials
			if engine == "sqlite" {
				n = max(1, trials/10)
			}
			fn(t, n, now, [2]*mfa.Service{replica(t, where, now), replica(t, where, now)})
		})
	}
}

func replica(t *testing.T, url string, now *clock) *mfa.Service {
	t.Helper()
	db, err := dbx.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return serviceOn(t, mfasql.New(db.SQLX()), now)
}

func serviceOn(t *testing.T, store mfa.Store, now *clock) *mfa.Service {
	t.Helper()
	cipher, err := mfa.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	service, err := mfa.New(mfa.Config{
		Store: store, Cipher: cipher, Issuer: "Focus HQ", Now: now.read, RememberFor: time.Hour, HashMemory: 64, // for speed
		Limits: mfa.Limits{
			TOTP:    mfa.Limit{Waits: []mfa.Wait{{From: 5, For: time.Minute}}, Seal: 100},
			Network: mfa.Limit{Waits: []mfa.Wait{{From: 20, For: time.Minute}}}, // where a test says from which one
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return service
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// enroll turns MFA on for subject.
func enroll(t *testing.T, s *mfa.Service, subject string, now *clock) (*mfatest.Phone, []string) {
	t.Helper()
	owner := mfa.Owner{Subject: subject, Session: "browser"}
	e, err := s.Enroll(t.Context(), owner, subject)
	must(t, err)
	phone, err := mfatest.Scan(e.URI)
	must(t, err)
	phone.Clock = now.read
	_, err = s.VerifyEnrollment(t.Context(), owner, e.ID, phone.Code(0), phone.Code(1))
	must(t, err)
	codes, set, err := s.NewRecoveryCodes(t.Context(), owner, e.ID)
	must(t, err)
	_, err = s.Confirm(t.Context(), owner, e.ID, set)
	must(t, err)
	now.pass(time.Minute)
	return phone, codes
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// race sends requests to both replicas at once and returns their errors.
func race(replicas [2]*mfa.Service, requests int, fn func(s *mfa.Service) error) []error {
	var wg sync.WaitGroup
	start, out := make(chan struct{}), make([]error, requests)
	for i := range requests {
		wg.Go(func() {
			<-start
			out[i] = fn(replicas[i%2])
		})
	}
	close(start)
	wg.Wait()
	return out
}

// outcome counts the answers of a race.
type outcome struct{ accepted, refused, waits int }

func judge(t *testing.T, errs []error) (out outcome) {
	t.Helper()
	for _, err := range errs {
		var wait *mfa.ThrottledError
		switch {
		case err == nil:
			out.accepted++
		case errors.Is(err, mfa.ErrReplayed), errors.Is(err, mfa.ErrInvalidCode), dbx.IsBusy(err): // it waited for others too long
			out.refused++
		case errors.As(err, &wait):
			out.waits++
		default:
			t.Errorf("neither accepted nor refused: %v", err)
		}
	}
	return out
}

// reopen forgets the wrong codes that were counted, if there were any.
func reopen(t *testing.T, s *mfa.Service) {
	t.Helper()
	if err := s.Unseal(t.Context(), "alice", "asked on the phone"); !errors.Is(err, mfa.ErrNotSealed) {
		must(t, err)
	}
}

func TestSec_MF04_MF05_OneCodeOneWinner(t *testing.T) {
	each(t, 200, func(t *testing.T, trials int, now *clock, replicas [2]*mfa.Service) {
		phone, _ := enroll(t, replicas[0], "alice", now)
		for trial := range trials {
			now.pass(mfa.Period)
			reopen(t, replicas[0])
			code := phone.Code(0)
			got := judge(t, race(replicas, parallel, func(s *mfa.Service) error {
				return s.VerifyTOTP(context.Background(), "alice", code)
			}))
			if got.accepted != 1 {
				t.Fatalf("trial %d: %+v", trial, got)
			}
			if err := replicas[1].VerifyTOTP(t.Context(), "alice", code); err == nil {
				t.Fatalf("trial %d: the code works on another replica again", trial)
			}
		}
	})
}

// unlimited lets every code be compared, so that all callers of a race get as far as the statement that decides it.
type unlimited struct{ mfa.Store }

func (unlimited) CountAttempt(context.Context, string, int, int, time.Time) (bool, error) {
	return true, nil
}

// TestSec_MF04_OnePairOneWinner sends a pair, and another that shares a code with it, from all sides.
func TestSec_MF04_OnePairOneWinner(t *testing.T) {
	const requests = 40
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		now := &clock{now: time.Unix(1_800_000_000, 0)}
		var replicas [2]*mfa.Service
		for i := range replicas {
			replicas[i] = serviceOn(t, unlimited{mfasql.New(db.SQLX())}, now)
		}
		phone, _ := enroll(t, replicas[0], "alice", now)
		for _, steps := range []int{-18, 0, 18} {
			now.pass(time.Hour)
			phone.Offset = time.Duration(steps) * mfa.Period
			codes := [3]string{phone.Code(0), phone.Code(1), phone.Code(2)}
			var caller atomic.Int64
			got := judge(t, race(replicas, requests, func(s *mfa.Service) error {
				from := caller.Add(1) % 2 // (n, n+1) or (n+1, n+2)
				_, err := s.VerifyPair(context.Background(), "alice", codes[from], codes[from+1])
				return err
			}))
			if got.accepted != 1 || got.refused != requests-1 {
				t.Fatalf("%d steps: %+v", steps, got)
			}
			if err := replicas[1].VerifyTOTP(t.Context(), "alice", codes[1]); !errors.Is(err, mfa.ErrReplayed) {
				t.Fatalf("%d steps: the code of both pairs by itself: %v", steps, err)
			}
		}
	}, "mfa")
}

// TestSec_MF10_PairsAtTheLimit guesses by pairs and single codes at once: no more codes are looked at than of either.
func TestSec_MF10_PairsAtTheLimit(t *testing.T) {
	each(t, 10, func(t *testing.T, trials int, now *clock, replicas [2]*mfa.Service) {
		enroll(t, replicas[0], "alice", now)
		for trial := range trials {
			reopen(t, replicas[0])
			var caller atomic.Int64
			var codes atomic.Int64
			judge(t, race(replicas, 40, func(s *mfa.Service) (err error) {
				cost := 1 + caller.Add(1)%2
				if cost == 2 {
					_, err = s.VerifyPair(context.Background(), "alice", "000000", "000001")
				} else {
					err = s.VerifyTOTP(context.Background(), "alice", "000000")
				}
				if errors.Is(err, mfa.ErrInvalidCode) {
					codes.Add(cost)
				}
				return err
			}))
			if codes.Load() != 5 {
				t.Fatalf("trial %d: %d codes were looked at", trial, codes.Load())
			}
		}
	})
}

func TestSec_MF10_ExactlyTheLimit(t *testing.T) {
	each(t, 40, func(t *testing.T, trials int, now *clock, replicas [2]*mfa.Service) {
		enroll(t, replicas[0], "alice", now)
		for trial := range trials {
			reopen(t, replicas[0])
			got := judge(t, race(replicas, 200, func(s *mfa.Service) error {
				return s.VerifyTOTP(context.Background(), "alice", "000000")
			}))
			if got.accepted != 0 || got.refused != 5 || got.waits != 195 {
				t.Fatalf("trial %d: %+v", trial, got)
			}
		}
	})
}

func TestSec_RC05_RC06_UseAndRenewal(t *testing.T) {
	each(t, 3, func(t *testing.T, trials int, now *clock, replicas [2]*mfa.Service) {
		_, codes := enroll(t, replicas[0], "alice", now)
		owner := mfa.Owner{Subject: "alice", Session: "browser"}
		for trial := range trials {
			reopen(t, replicas[0])
			renewed, set, err := replicas[0].NewRecoveryCodes(t.Context(), owner, "")
			must(t, err)
			got := judge(t, race(replicas, 4, func(s *mfa.Service) error {
				_, err := s.VerifyRecoveryCode(context.Background(), "alice", codes[0])
				return err
			}))
			if got.accepted != 1 || got.refused != 3 {
				t.Fatalf("trial %d: %+v", trial, got)
			}
			var confirmed sync.WaitGroup
			confirmed.Go(func() { must(t, replicas[1].ConfirmRecoveryCodes(context.Background(), owner, set)) })
			_, _ = replicas[0].VerifyRecoveryCode(t.Context(), "alice", codes[1]) // before or not at all
			confirmed.Wait()
			if _, err := replicas[0].VerifyRecoveryCode(t.Context(), "alice", codes[2]); !errors.Is(err, mfa.ErrInvalidCode) {
				t.Fatalf("trial %d: a code of the old set after the renewal: %v", trial, err)
			}
			status, err := replicas[0].Status(t.Context(), "alice")
			if err != nil || status.CodesLeft != 10 {
				t.Fatalf("trial %d: %d left, %v", trial, status.CodesLeft, err)
			}
			codes = renewed
		}
	})
}

// TestSec_RC05_OneWinnerInTheStore leaves out the hash, which takes its time.
func TestSec_RC05_OneWinnerInTheStore(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		stores := [2]mfa.Store{mfasql.New(db.SQLX()), mfasql.New(db.SQLX())}
		owner := mfa.Owner{Subject: "alice", Session: "browser"}
		trials := 200
		if !db.Postgres() {
			trials = 20
		}
		set := mfa.CodeSet{ID: "set", Owner: owner, Salt: []byte("salt"), CreatedAt: time.Unix(1_800_000_000, 0)}
		for n := range trials {
			set.Codes = append(set.Codes, mfa.CodeRecord{N: n, Hash: []byte{1}})
		}
		must(t, stores[0].AddCodes(t.Context(), set))
		_, err := stores[0].ActivateCodes(t.Context(), owner, "", "set")
		must(t, err)
		for n := range trials {
			var wg sync.WaitGroup
			var won atomic.Int32
			for caller := range parallel {
				wg.Go(func() {
					used, err := stores[caller%2].UseCode(context.Background(), "alice", "set", n, set.CreatedAt)
					if err != nil {
						t.Error(err)
					}
					if used {
						won.Add(1)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Fatalf("trial %d: %d callers won", n, won.Load())
			}
		}
	}, "mfa")
}

func TestSec_RD07_TabsOnReplicas(t *testing.T) {
	each(t, 100, func(t *testing.T, trials int, now *clock, replicas [2]*mfa.Service) {
		enroll(t, replicas[0], "alice", now)
		token, _, err := replicas[0].RememberDevice(t.Context(), "alice", mfa.Label{})
		must(t, err)
		for trial := range trials {
			now.pass(2 * time.Second)
			var mu sync.Mutex
			var fresh []string
			for _, err := range race(replicas, parallel, func(s *mfa.Service) error {
				next, ok, err := s.DeviceRemembered(context.Background(), "alice", token)
				if err == nil && !ok {
					err = fmt.Errorf("a tab is asked for the code")
				}
				mu.Lock()
				defer mu.Unlock()
				if next != "" {
					fresh = append(fresh, next)
				}
				return err
			}) {
				must(t, err)
			}
			if len(fresh) != 1 {
				t.Fatalf("trial %d: %d secrets live", trial, len(fresh))
			}
			token = fresh[0]
		}
	})
}

// TestHostTransaction shows that a host's own transaction on the same handle is joined, and what it may not do.
func TestHostTransaction(t *testing.T) {
	dbxtest.Each(t, func(t *testing.T, db *dbx.DB) {
		now := &clock{now: time.Unix(1_800_000_000, 0)}
		cipher, err := mfa.NewCipher(make([]byte, 32))
		must(t, err)
		refuse := errors.New("the audit is full")
		var answer error
		service, err := mfa.New(mfa.Config{
			Store: mfasql.New(db.SQLX()), Cipher: cipher, Issuer: "Focus HQ", Now: now.read, HashMemory: 64,
			Observe: func(ctx context.Context, e mfa.Event) error {
				_, err := db.Exec(ctx, "INSERT INTO host_audit (kind) VALUES ($1)", string(e.Kind))
				return errors.Join(err, answer)
			},
		})
		must(t, err)
		_, err = db.Exec(t.Context(), "CREATE TABLE host_audit (kind TEXT NOT NULL)")
		must(t, err)
		phone, _ := enroll(t, service, "alice", now)
		answer = refuse
		if err := service.VerifyTOTP(t.Context(), "alice", phone.Code(0)); !errors.Is(err, refuse) {
			t.Fatal(err)
		}
		answer = nil
		must(t, service.VerifyTOTP(t.Context(), "alice", phone.Code(0)))
		var kinds []string
		must(t, db.Select(t.Context(), &kinds, "SELECT kind FROM host_audit"))
		if len(kinds) != 2 || kinds[0] != string(mfa.Enrolled) || kinds[1] != string(mfa.CodeAccepted) {
			t.Fatalf("on record: %v", kinds)
		}
	}, "mfa")
}

// TestSec_MF10_OneNetworkAtBothReplicas sprays one code over many people: all replicas together look at no more of them
// than the network may be wrong, and those who are right leave nothing behind.
func TestSec_MF10_OneNetworkAtBothReplicas(t *testing.T) {
	each(t, 1, func(t *testing.T, _ int, now *clock, replicas [2]*mfa.Service) {
		const crew = 5
		spray := func(address string, times int, code func(n int) string) outcome {
			var caller atomic.Int64
			return judge(t, race(replicas, times*crew, func(s *mfa.Service) error {
				n := int(caller.Add(1)) % crew
				return s.VerifyTOTP(mfa.WithAddress(context.Background(), address), fmt.Sprintf("person%d", n), code(n))
			}))
		}
		phones := make([]*mfatest.Phone, crew)
		for n := range phones {
			phones[n], _ = enroll(t, replicas[0], fmt.Sprintf("person%d", n), now)
		}
		for range 5 { // more often than the network may be wrong
			now.pass(mfa.Period)
			codes := make([]string, crew)
			for n := range codes {
				codes[n] = phones[n].Code(0)
			}
			if got := spray("2001:db8:1:2::1", 1, func(n int) string { return codes[n] }); got.accepted != crew {
				t.Fatalf("right codes: %+v", got)
			}
		}
		if got := spray("2001:db8:1:2:ffff::9", 5, func(int) string { return "000000" }); got.refused != 20 || got.waits != 5 {
			t.Fatalf("one code for everybody: %+v", got)
		}
		now.pass(mfa.Period)
		home := mfa.WithAddress(t.Context(), "2001:db8:1:2::1")
		for _, s := range replicas {
			var wait *mfa.ThrottledError
			if err := s.VerifyTOTP(home, "person3", phones[3].Code(0)); !errors.As(err, &wait) {
				t.Errorf("a neighbour in the /64: %v", err)
			}
		}
		// Somebody whose own count waits is not looked at from elsewhere either; the others are.
		good := 0
		for n, phone := range phones {
			if replicas[n%2].VerifyTOTP(mfa.WithAddress(t.Context(), "2001:db8:1:3::1"), fmt.Sprintf("person%d", n), phone.Code(0)) == nil {
				good++
			}
		}
		if good == 0 {
			t.Error("another network waits as well")
		}
	})
}
