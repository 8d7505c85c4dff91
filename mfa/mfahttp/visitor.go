package mfahttp

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/focushq/idp/mfa"
)

// visitor is the person of a request, with what waits for this step of theirs: asked for when a page first needs it, and
// not twice.
type visitor struct {
	User
	waiting func() Waiting
}

func (h *handler) visitor(r *http.Request, user User) *visitor {
	return &visitor{User: user, waiting: sync.OnceValue(func() Waiting { return h.Waiting(r, user) })}
}

// who names the person of a sign-in.
func (v *visitor) who() Person { return Person{Account: v.Account, AnotherURL: v.waiting().Another} }

// asked is who for the pages that ask for a second factor. Where one is asked for again the person is signed in already, and
// may go back to the app that they came from.
func (h *handler) asked(r *http.Request, v *visitor) Person {
	person := v.who()
	if person.SignedIn = again(r, v); own(r) {
		person.AppName, person.AppURL = h.Back(r)
	}
	return person
}

// again reports whether a page of the host's own wants another proof of somebody who had got in already. Where it takes no
// remembered device either, it is for a change.
func again(r *http.Request, v *visitor) bool {
	return own(r) && (slices.Contains(v.AMR, "mfa") || v.waiting().NoBox)
}

// changes reports whether somebody wants to change something at a page of the host's own, which is why they are asked.
func changes(r *http.Request, v *visitor) bool {
	return again(r, v) || own(r) && strings.HasPrefix(r.URL.Query().Get("to"), pathSettings)
}

// amr returns what was done in the session once these methods are. The pages speak of a password; a session that began
// with a passkey alone has seen none, and keeps that passkey.
func (v *visitor) amr(methods ...mfa.Method) []string {
	now := mfa.AMR(methods...)
	if len(v.AMR) == 0 || slices.Contains(v.AMR, "pwd") {
		return now
	}
	now = slices.DeleteFunc(now, func(value string) bool { return value == "pwd" })
	return mfa.JoinAMR(v.AMR, now)
}

// fresh reports whether the person has just proved all that they have; else they were sent to where that is done.
func (h *handler) fresh(w http.ResponseWriter, r *http.Request, v *visitor) bool {
	return h.Fresh(w, r, v.User, ProofFactor)
}

// overdue reports whether the host's policy demands a factor of the person, and lets it wait no longer.
func (h *handler) overdue(v *visitor) bool {
	waiting := v.waiting()
	return waiting.Demanded && !h.Now().Before(waiting.Due)
}

// postponable returns until when the person may put the enrolment off, zero when they may not.
func (h *handler) postponable(v *visitor) time.Time {
	if until := v.waiting().Postpone; h.Postpone != nil && h.Now().Before(until) {
		return until
	}
	return time.Time{}
}
