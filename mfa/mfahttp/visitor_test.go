package mfahttp

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/focushq/idp/mfa"
)

// What a second factor makes of a session depends on how that began: no password is claimed that was never given.
func TestWhatASessionSaysAfterASecondFactor(t *testing.T) {
	t.Parallel()
	app, code := []mfa.Method{mfa.Password, mfa.TOTP}, []mfa.Method{mfa.Password, mfa.RecoveryCode}
	for name, row := range map[string]struct {
		before []string
		now    []mfa.Method
		want   []string
	}{
		"a host that does not tell":    {nil, app, []string{"pwd", "otp", "mfa"}},
		"a password":                   {[]string{"pwd"}, app, []string{"pwd", "otp", "mfa"}},
		"after a recovery code":        {[]string{"pwd", "mfa"}, app, []string{"pwd", "otp", "mfa"}},
		"the factor of last time":      {[]string{"pwd", "otp", "mfa"}, code, []string{"pwd", "mfa"}},
		"a passkey alone, then an app": {[]string{"hwk", "user", "mfa"}, app, []string{"otp", "hwk", "user", "mfa"}},
		"a synced one, then a code":    {[]string{"swk", "user", "mfa"}, code, []string{"swk", "user", "mfa"}},
	} {
		v := visitor{User: User{AMR: row.before}}
		if diff := cmp.Diff(row.want, v.amr(row.now...)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestPagesToldWhatTheSessionSays(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	phone := b.withApp()
	b.user.AMR = []string{"hwk", "user", "mfa"}
	b.post("/mfa", "code", phone.Code(0))
	if want := [][]string{{"otp", "hwk", "user", "mfa"}}; !cmp.Equal(b.passed, want) {
		t.Errorf("passed %v, want %v", b.passed, want)
	}
}

// slow are pages that have a word for waits.
type slow struct{ *world }

func (slow) Duration(_ *http.Request, d time.Duration) string { return "patience: " + d.String() }

func TestAWaitInTheWordsOfThePages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := newHandler(w.config)
	if got := h.words(nil, time.Minute); got != plainDuration(time.Minute) {
		t.Errorf("without words: %q", got)
	}
	h.Pages = slow{w}
	if got := h.words(nil, time.Minute); got != "patience: 1m0s" {
		t.Errorf("with words: %q", got)
	}
}
