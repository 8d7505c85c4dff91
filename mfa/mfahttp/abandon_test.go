package mfahttp

import (
	"net/http"
	"testing"

	"github.com/focushq/idp/mfa"
)

// Whoever cannot use the first passkey may remove it, until it has worked once or something else stands beside it.
func TestAbandoningTheFirstPasskey(t *testing.T) {
	t.Parallel()
	b := newWorld(t).browser()
	b.withKey()
	b.get("/mfa?request=r1")
	b.shows(http.StatusOK, PageKey)
	if page := b.data.(*KeyPage); !page.Abandon || page.RecoveryURL != "" {
		t.Errorf("nothing has worked yet: %+v", page)
	}
	b.longAgo = true
	b.leads(b.post("/mfa?request=r1", "abandon", "1"), "/login?password")
	if b.longAgo = false; !b.isEnrolled(alice) {
		t.Error("abandoned for an old password")
	}
	b.leads(b.post("/mfa?request=r1", "abandon", "1"), "/resume?id=r1")
	if b.isEnrolled(alice) || len(b.keys.have[alice.Subject]) != 0 || b.saw(mfa.Disabled) != 1 || len(b.passed)+len(b.proved) != 0 {
		t.Errorf("off %d times, passed %v", b.saw(mfa.Disabled), b.passed)
	}
	b.leads(b.post("/mfa", "abandon", "1"), pathSettings) // a second click
	b.get(pathStart + "?request=r1")
	if page := b.data.(*StartPage); page.Notice != "notice.key_abandoned" {
		t.Errorf("notice %q", page.Notice)
	}

	key := b.withKey()
	b.leads(b.showsKey(key), "/resume")
	refused := func(why string) {
		t.Helper()
		b.get("/mfa?way=passkey")
		b.shows(http.StatusOK, PageKey)
		if page := b.data.(*KeyPage); page.Abandon || page.RecoveryURL == "" {
			t.Errorf("%s: %+v", why, page)
		}
		b.post("/mfa", "abandon", "1")
		b.shows(http.StatusUnprocessableEntity, PageKey)
		if b.problem() != "key.in_use" || !b.isEnrolled(b.user) {
			t.Errorf("%s: %q", why, b.problem())
		}
	}
	refused("it has worked")
	b.withKey()
	refused("one of two has worked")
	if err := b.keys.Remove(t.Context(), alice.Subject, key); err != nil {
		t.Fatal(err)
	}
	refused("the one that is left was not the first")
	b.user = bob
	b.withApp()
	b.leads(b.post("/mfa", "abandon", "1"), pathSettings)
	if !b.isEnrolled(bob) {
		t.Error("an app was abandoned")
	}
	b.withKey()
	b.get("/mfa?way=passkey")
	if page := b.data.(*KeyPage); page.Abandon || page.RecoveryURL == "" {
		t.Errorf("beside an app: %+v", page)
	}

	b.user = User{}
	b.leads(b.post("/mfa", "abandon", "1"), "/login")
	b.user, b.keys.err = bob, errStore
	if b.post("/mfa", "abandon", "1"); b.failed == nil {
		t.Error("a store that fails")
	}
	b.keys.err = nil
	b.config.Passkeys = nil
	b.post("/mfa", "abandon", "1")
	b.shows(http.StatusUnprocessableEntity, PageChallenge) // a form without a code
}
