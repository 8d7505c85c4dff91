package account

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/internal/throttle"
)

func TestAuthenticate(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		made := f.add("Ada", func(n *NewAccount) { n.Email = "Ada@Example.com" })
		for _, name := range []string{"Ada", "ada", " ADA ", "ada@example.com", "ADA@example.COM", "Ａｄａ"} {
			a, err := f.Authenticate(t.Context(), name, good, "192.0.2.1")
			check(t, err)
			if a.Subject != made.Subject || a.Username != "Ada" {
				t.Errorf("%q: %+v", name, a)
			}
		}
		verify := func(subject, password string) error {
			_, err := f.VerifyPassword(t.Context(), subject, password, "192.0.2.1")
			return err
		}
		check(t, verify(made.Subject, good))
		want(t, verify(made.Subject, "wrong"), ErrCredentials)
		want(t, verify("nobody", good), ErrCredentials)
	})
}

func TestSec_PW08_OneHashWhateverTheAccount(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("right")
		off := f.add("disabled")
		check(t, f.Disable(t.Context(), off.Subject))
		f.add("none", func(n *NewAccount) { n.Password = "" })
		f.add("unverified", func(n *NewAccount) { n.Email = "u@example.com" })
		broken := f.add("broken")
		_, err := f.cfg.DB.Exec(t.Context(), `UPDATE accounts SET password = 'x' WHERE subject = $1`, broken.Subject)
		check(t, err)
		for _, tt := range []struct {
			name, password string
			want           error
		}{
			{"right", good, nil},
			{"right", "wrong", ErrCredentials},
			{"unknown", good, ErrCredentials},
			{"disabled", good, ErrDisabledCredentials}, // says the same, see below
			{"disabled", "wrong", ErrCredentials},
			{"none", good, ErrCredentials},
			{"none", "", ErrCredentials},
			{"unverified", "wrong", ErrCredentials},
			{"broken", good, ErrCredentials},
			{"", "", ErrCredentials},
		} {
			before := f.cfg.Hasher.Runs()
			err := f.signIn(tt.name, tt.password)
			if runs := f.cfg.Hasher.Runs() - before; runs != 1 {
				t.Errorf("%s, %q: %d hashes", tt.name, tt.password, runs)
			}
			if err != tt.want { // the very same value: nothing about any other cause travels with it
				t.Errorf("%s, %q: %v, want %v", tt.name, tt.password, err, tt.want)
			}
			if tt.want != nil && (!errors.Is(err, ErrCredentials) || err.Error() != ErrCredentials.Error()) {
				t.Errorf("%s, %q: %v reads otherwise than a wrong password", tt.name, tt.password, err)
			}
		}
	})
}

func TestSec_PW10_OddPasswordsNeverMatch(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("none", func(n *NewAccount) { n.Password = "" })
		f.add("ada")
		for _, name := range []string{"none", "ada", "", "\x00", "\xff", "a\x00b", strings.Repeat("x", 1<<20)} {
			for _, password := range []string{"", " ", "null", "undefined", "\x00", "\xff", good + "\x00",
				strings.Repeat("x", 1<<20)} {
				_, err := f.cfg.DB.Exec(t.Context(), `DELETE FROM account_attempts`)
				check(t, err)
				want(t, f.signIn(name, password), ErrCredentials)
			}
		}
	})
}

func TestSec_PW11_OneCountWhateverTheSpelling(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("ada", func(n *NewAccount) { n.Email = "lovelace@example.com" })
		known := []string{"ada", "ADA", " ada ", "lovelace@example.com", "Ａｄａ", "LOVELACE@EXAMPLE.COM"}
		unknown := []string{"bob", "BOB", " bob ", "bOb\t", "Ｂｏｂ", "bob"}
		for _, names := range [][]string{known, unknown} {
			for i := range 10 {
				want(t, f.signIn(names[i%len(names)], "wrong"), ErrCredentials)
			}
			for _, name := range names {
				var limit *throttle.Error
				if err := f.signIn(name, good); !errors.As(err, &limit) || !limit.Until.Equal(f.now.Add(time.Minute)) {
					t.Errorf("%q after ten wrong ones: %v", name, err)
				}
			}
		}
	})
}

func TestSec_PW12_LimitIsExactAtOnce(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("ada")
		before := f.cfg.Hasher.Runs()
		var refused, throttled atomic.Int32
		var wait sync.WaitGroup
		for range 200 {
			wait.Go(func() {
				var limit *throttle.Error
				switch err := f.signIn("ada", "wrong"); {
				case errors.Is(err, ErrCredentials):
					refused.Add(1)
				case errors.As(err, &limit):
					throttled.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if runs := f.cfg.Hasher.Runs() - before; runs != 10 || refused.Load() != 10 || throttled.Load() != 190 {
			t.Errorf("%d hashes, %d refused, %d throttled", runs, refused.Load(), throttled.Load())
		}
	})
}

func TestSec_PW12_WaitsGrowAndEnd(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("ada")
		for try := 1; try <= 22; try++ {
			want(t, f.signIn("ada", "wrong"), ErrCredentials)
			pause := time.Minute
			if try < 10 {
				continue
			} else if try >= 20 {
				pause = 15 * time.Minute
			}
			f.now = f.now.Add(pause - time.Second)
			var limit *throttle.Error
			if err := f.signIn("ada", good); !errors.As(err, &limit) {
				t.Fatalf("%v after try %d: %v", pause-time.Second, try, err)
			}
			// A restart forgets nothing.
			if err := fixtureOn(t, f.cfg.DB, func(c *Config) { c.Now = f.cfg.Now }).signIn("ada", good); !errors.As(err, &limit) {
				t.Fatalf("after a restart: %v", err)
			}
			f.now = f.now.Add(time.Second)
		}
		check(t, f.signIn("ada", good))
		for range 10 {
			want(t, f.signIn("ada", "wrong"), ErrCredentials) // the series begins anew
		}
	})
}

func TestSec_PW12_SprayingIsLimitedPerNetwork(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("ada")
		host := netip.MustParseAddr("2001:db8:1:2::1")
		looked := 0
		for i := range 150 {
			_, err := f.Authenticate(t.Context(), fmt.Sprint("user", i), "Spring 2026 is here", host.String())
			if errors.Is(err, ErrCredentials) {
				looked++
			}
			host = host.Next()
		}
		if looked != 100 {
			t.Errorf("%d tries of one network were looked at", looked)
		}
		if _, err := f.Authenticate(t.Context(), "ada", good, "2001:db8:1:3::1"); err != nil {
			t.Errorf("from the next network: %v", err)
		}
		f.now = f.now.Add(time.Minute)
		if _, err := f.Authenticate(t.Context(), "ada", good, "2001:db8:1:2::9"); err != nil {
			t.Errorf("after the wait: %v", err)
		}
	})
}

func TestSuccessIsNotThrottled(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("ada")
		for i := range 220 {
			if _, err := f.Authenticate(t.Context(), "ada", good, "192.0.2.1"); err != nil {
				t.Fatalf("sign-in %d: %v", i+1, err)
			}
		}
		var rows int
		check(t, f.cfg.DB.Get(t.Context(), &rows, `SELECT count(*) FROM account_attempts WHERE n > 0`))
		if rows != 0 {
			t.Errorf("%d counts left", rows)
		}
	})
}

// A success ends the wait that its own reservation began, and no other.
func TestGiveBack(t *testing.T) {
	f := onSQLite(t)
	for _, tt := range []struct {
		n, back, left int
		waits         bool
	}{
		{1, 1, 0, false}, {99, 99, 98, false}, {100, 100, 99, false}, {100, 99, 99, true}, {101, 3, 100, true},
	} {
		_, err := f.cfg.DB.Exec(t.Context(), `
			INSERT INTO account_attempts (key, n, until) VALUES ('k', $1, $2)
			ON CONFLICT (key) DO UPDATE SET n = excluded.n, until = excluded.until`, tt.n, f.now.Add(time.Hour).Unix())
		check(t, err)
		check(t, f.giveBack(t.Context(), "k", tt.back))
		n, until, err := f.attempts.Attempts(t.Context(), "k")
		check(t, err)
		if n != tt.left || until.After(f.now) != tt.waits {
			t.Errorf("%+v: n %d, waits until %v", tt, n, until)
		}
	}
}

func TestNetworkKey(t *testing.T) {
	f := onSQLite(t)
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8::1": "2001:db8::/64",
		"fe80::1%eth0": "fe80::/64", "2001:db8:0:1::": "2001:db8:0:1::/64", "bogus": "other",
	} {
		if got := f.networkKey(address); !strings.HasPrefix(got, "network/"+want+"/") {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestSec_AU06_APasswordInTheNameFieldIsNotKept(t *testing.T) {
	f := onSQLite(t)
	typed := "my secret in the wrong field"
	want(t, f.signIn(typed, "x"), ErrCredentials)
	var keys []string
	check(t, f.cfg.DB.Select(t.Context(), &keys, `SELECT key FROM account_attempts`))
	if len(keys) != 1 || strings.Contains(keys[0], "secret") {
		t.Errorf("kept: %q", keys)
	}
	other := onSQLite(t, func(c *Config) { c.Key = []byte("another key") })
	if other.hashName(typed) == f.hashName(typed) {
		t.Error("the hash does not depend on the key")
	}
	f.now = f.now.Add(25 * time.Hour)
	check(t, f.Prune(t.Context()))
	check(t, f.cfg.DB.Select(t.Context(), &keys, `SELECT key FROM account_attempts`))
	if len(keys) != 0 {
		t.Errorf("after Prune: %q", keys)
	}
}

func TestBusyCostsNoTry(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("ada")
		f.cfg.Hasher.gate = newGate(0)
		for range 3 {
			want(t, f.signIn("ada", good), ErrBusy)
		}
		var rows int
		check(t, f.cfg.DB.Get(t.Context(), &rows, `SELECT count(*) FROM account_attempts WHERE n > 0`))
		if rows != 0 {
			t.Error("tries were counted that nothing was compared for")
		}
	})
}
