package oauth_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/internal/throttle"
	"github.com/focushq/idp/oauth"
)

func TestUserCodesAreReadAsTheyAreTyped(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		for _, how := range []func(string) string{
			strings.ToLower, func(s string) string { return strings.ReplaceAll(s, "-", "") },
			func(s string) string { return "  " + strings.ReplaceAll(s, "-", " – ") + "\t" },
			func(s string) string { return strings.Join(strings.Split(strings.ToLower(s), ""), " ") },
		} {
			_, user := w.codes("tv")
			if _, err := w.open(how(user)); err != nil {
				w.Errorf("%q: %v", how(user), err)
			}
		}
		for _, bad := range []string{"", "BCDF", "AEIO-UAEI", "BCDF-GHJ1", strings.Repeat("B", 9), strings.Repeat("ſ", 8), "\x00"} {
			if _, err := w.open(bad); !errors.Is(err, oauth.ErrNoDevice) {
				w.Errorf("%q: %v", bad, err)
			}
		}
	})
}

// guess types a code that no device has.
func (w *world) guess(address, subject string) error {
	_, err := w.server.OpenDevice(httptest.NewRecorder(), w.visit(), "BBBB-BBBB", address, subject)
	return err
}

func TestGuessingUserCodesIsThrottled(t *testing.T) {
	both(t, func(w *world) {
		w.television()
		_, user := w.codes("tv")
		wait := new(throttle.Error)
		var looked atomic.Int64
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				switch err := w.guess("192.0.2.1", ""); {
				case errors.Is(err, oauth.ErrNoDevice):
					looked.Add(1)
				case !errors.As(err, new(*throttle.Error)):
					w.Error(err)
				}
			})
		}
		wg.Wait()
		if looked.Load() != 20 {
			w.Errorf("%d guesses were looked at", looked.Load())
		}
		if _, err := w.open(user); !errors.As(err, &wait) { // the right one, from the same network
			w.Errorf("looked at: %v", err)
		}
		if err := w.guess("198.51.100.7", ""); !errors.Is(err, oauth.ErrNoDevice) {
			w.Errorf("another network: %v", err)
		}
		w.clock.Add(time.Minute + time.Second)
		if _, err := w.open(user); err != nil {
			w.Errorf("after the wait: %v", err)
		}
		// Codes of one's own give no free guesses.
		if err := w.guess("192.0.2.1", ""); !errors.Is(err, oauth.ErrNoDevice) {
			w.Error(err)
		}
		if _, err := w.open(user); !errors.As(err, &wait) {
			w.Errorf("looked at: %v", err)
		}
		// Somebody who is signed in is counted wherever they are.
		for i := range 10 {
			if err := w.guess("2001:db8:0:"+string(rune('1'+i%9))+"::1", "alice-1"); !errors.Is(err, oauth.ErrNoDevice) {
				w.Error(err)
			}
		}
		if err := w.guess("203.0.113.9", "alice-1"); !errors.As(err, &wait) {
			w.Errorf("looked at: %v", err)
		}
		var keys []string
		if err := w.db.Select(w.Context(), &keys, `SELECT key FROM oauth_device_attempts`); err != nil || len(keys) == 0 {
			w.Errorf("%v, %v", keys, err)
		}
		w.clock.Add(3 * time.Hour)
		if err := w.server.Prune(w.Context()); err != nil {
			w.Fatal(err)
		}
		if err := w.db.Select(w.Context(), &keys, `SELECT key FROM oauth_device_attempts`); err != nil || len(keys) != 0 {
			w.Errorf("left: %v, %v", keys, err)
		}
	})
}
