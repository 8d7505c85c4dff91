package account

import (
	"errors"
	"testing"
	"time"

	"github.com/focushq/idp/internal/throttle"
)

func TestSec_PW12_TheOwnerIsNotLockedOutInAKnownBrowser(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ada, bob := f.add("ada"), f.add("bob")
		token := f.BrowserToken(ada)
		try := func(password, network string, browser ...string) error {
			_, err := f.Authenticate(t.Context(), "ada", password, network, browser...)
			return err
		}
		var wait *throttle.Error
		guess := func(network string, browser ...string) (looked int) {
			for range 100 {
				if err := try("wrong", network, browser...); errors.Is(err, ErrCredentials) {
					looked++
				} else if !errors.As(err, &wait) {
					t.Fatal(err)
				}
			}
			return looked
		}
		if !f.KnownIn(ada, "", f.BrowserToken(bob), token) || f.KnownIn(ada, "", f.BrowserToken(bob), token+"A") || f.KnownIn(ada) {
			t.Error("known in the wrong browsers")
		}
		altered := "A"
		if token[:1] == altered {
			altered = "B"
		}
		if n := guess("192.0.2.1", f.BrowserToken(bob), "", token[:len(token)-1], token+"A", altered+token[1:]); n != 10 {
			t.Errorf("%d guesses were looked at, of a browser that knows somebody else", n)
		}
		for range 100 { // the network is used up as well
			_, _ = f.Authenticate(t.Context(), "nobody", "wrong", "192.0.2.1")
		}
		for range 3 {
			if err := try(good, "192.0.2.1", f.BrowserToken(bob), token); err != nil {
				t.Errorf("the owner in a known browser: %v", err)
			}
			_, err := f.VerifyPassword(t.Context(), ada.Subject, good, "192.0.2.1", token)
			check(t, err)
		}
		if err := try(good, "192.0.2.9"); !errors.As(err, &wait) {
			t.Errorf("the owner's sign-in gives strangers more guesses: %v", err)
		}
		// The known browser has a budget too, and it is no one else's.
		if n := guess("192.0.2.1", token); n != 10 {
			t.Errorf("%d guesses of the known browser were looked at", n)
		}
		if err := try(good, "192.0.2.1", token); !errors.As(err, &wait) {
			t.Errorf("during the known browser's wait: %v", err)
		}
		check(t, try(good, "192.0.2.1", f.BrowserToken(ada)))
		// It ends with the password, and is good on another replica.
		f.now = f.now.Add(time.Minute)
		check(t, f.SetPassword(t.Context(), ada.Subject, good+" 2"))
		if n := guess("192.0.2.2", f.BrowserToken(ada)); n != 10 {
			t.Errorf("%d guesses with a token of the password before", n)
		}
		if err := try(good+" 2", "192.0.2.9", f.BrowserToken(ada)); !errors.As(err, &wait) {
			t.Errorf("a token of the password before: %v", err)
		}
		other := fixtureOn(t, f.cfg.DB, func(c *Config) { c.Now = f.cfg.Now })
		check(t, try(good+" 2", "192.0.2.1", other.BrowserToken(f.read(ada.Subject))))
	})
}

func TestBrowserTokensAreKeptWhileTheyAreGood(t *testing.T) {
	f := onSQLite(t)
	ada, bob := f.add("ada"), f.add("bob")
	token := f.BrowserToken(ada)
	if got := f.BrowserToken(ada, f.BrowserToken(bob), token); got != token {
		t.Errorf("%q became %q", token, got)
	}
	if got := f.BrowserToken(bob, token); got == token || len(got) != browserToken {
		t.Errorf("bob's browser keeps ada's token, or %q", got)
	}
	if one, other := f.BrowserToken(ada), f.BrowserToken(ada); one == other {
		t.Error("two browsers have one token")
	}
}
