package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/focushq/idp/internal/throttle"
)

// answered returns who is answered of those who wait.
func (f *fixture) answered() (subjects []string) {
	f.t.Helper()
	check(f.t, f.AnswerAsks(f.t.Context(), func(_ context.Context, a *Account, _ string) error {
		subjects = append(subjects, a.Username)
		return nil
	}))
	return subjects
}

func TestSec_PW15_AskingIsLimitedAndUniform(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		mail := func(n *NewAccount) { n.Email = n.Username + "@example.com" }
		f.add("ada", mail)
		f.add("plain")
		off := f.add("off", mail)
		check(t, f.Disable(t.Context(), off.Subject))
		// Every name is counted alike, and answered alike until its wait.
		var wait *throttle.Error
		for _, name := range []string{"ada", "plain", "off", "nobody", "", "\x00", strings.Repeat("x", 200)} {
			for range 3 {
				check(t, f.AskReset(t.Context(), name, "", ""))
			}
			if err := f.AskReset(t.Context(), " "+strings.ToUpper(name), "", ""); !errors.As(err, &wait) || wait.Until.Sub(f.now) != time.Hour {
				t.Errorf("%.20q: the fourth: %v", name, err)
			}
		}
		if got := f.answered(); !slices.Equal(got, []string{"ada", "ada", "ada"}) {
			t.Errorf("answered %v", got)
		}
		// By another name of the same person nobody sees a wait, and nobody gets more mail.
		check(t, f.AskReset(t.Context(), "ada@example.com", "", ""))
		if got := f.answered(); len(got) != 0 {
			t.Errorf("a fourth mail in an hour to %v", got)
		}
		f.now = f.now.Add(time.Hour)
		check(t, f.AskReset(t.Context(), "Ada", "", ""))
		if got := f.answered(); !slices.Equal(got, []string{"ada"}) {
			t.Errorf("an hour later: %v", got)
		}
		if got := f.answered(); len(got) != 0 {
			t.Errorf("answered twice: %v", got)
		}
		// One network asks thirty times an hour, for whomever.
		for i := range 31 {
			err := f.AskReset(t.Context(), "guess "+string(rune('a'+i)), "2001:db8::1", "de")
			if over := errors.As(err, &wait); over != (i == 30) {
				t.Errorf("ask %d of a network: %v", i+1, err)
			}
		}
		if err := f.AskReset(t.Context(), "ada@example.com", "2001:db8:0:0:ffff::9", "de"); !errors.As(err, &wait) {
			t.Errorf("another address of the same network: %v", err)
		}
	})
}

func TestAsksAreAnsweredOnceOrForgotten(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.add("ada", func(n *NewAccount) { n.Email = "ada@example.com" })
		check(t, f.AskReset(t.Context(), "ada", "", "\xff\xfe"+strings.Repeat("ä", 99)))
		boom := errors.New("boom")
		want(t, f.AnswerAsks(t.Context(), func(context.Context, *Account, string) error { return boom }), boom)
		var n atomic.Int32
		var done sync.WaitGroup
		for range 8 {
			done.Go(func() {
				if err := f.AnswerAsks(t.Context(), func(context.Context, *Account, string) error { n.Add(1); return nil }); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
		if n.Load() != 1 {
			t.Errorf("answered %d times", n.Load())
		}
		check(t, f.AskReset(t.Context(), "ada", "", "\xff\xfe"+strings.Repeat("ä", 99)))
		f.now = f.now.Add(time.Hour)
		check(t, f.Prune(t.Context()))
		if got := f.answered(); len(got) != 0 {
			t.Errorf("an hour later: %v", got)
		}
	})
}

func TestSec_PW05_OnlyACompromisedPasswordMustBeChanged(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ada, none := f.add("ada"), f.add("none", func(n *NewAccount) { n.Password = "" })
		f.now = f.now.AddDate(5, 0, 0)
		check(t, f.signIn("ada", good))
		if f.read(ada.Subject).Compromised {
			t.Fatal("a password has expired")
		}
		check(t, f.Compromise(t.Context(), ada.Subject, "seen in a leak"))
		want(t, f.Compromise(t.Context(), none.Subject, "seen in a leak"), ErrNotFound)
		a, err := f.Authenticate(t.Context(), "ada", good, "")
		if err != nil || !a.Compromised {
			t.Fatalf("%+v, %v", a, err)
		}
		// Its successor is another one, whichever way it comes.
		if got := reason(t, f.SetPassword(t.Context(), ada.Subject, good)); got != "password/same" {
			t.Error(got)
		}
		token, err := f.NewLink(t.Context(), PurposeReset, ada.Subject, time.Hour)
		check(t, err)
		_, err = f.SetPasswordByLink(t.Context(), PurposeReset, token, good, nil)
		if got := reason(t, err); got != "password/same" || !f.read(ada.Subject).Compromised {
			t.Error(got)
		}
		check(t, f.SetPassword(t.Context(), ada.Subject, good+" 2"))
		if f.read(ada.Subject).Compromised {
			t.Error("the new password must be changed too")
		}
	})
}
