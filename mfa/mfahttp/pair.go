package mfahttp

import (
	"errors"
	"net/http"
	"time"

	"github.com/focushq/idp/mfa"
)

// pairFrom is from how many wrong codes in a row on the page offers two codes instead.
const pairFrom = 2

// pairURL is where two codes are asked for, "" while one should do.
func (h *handler) pairURL(r *http.Request, status mfa.Status, problem *Problem) string {
	runaway := problem != nil && problem.ID == "problem.code.clock"
	if len(status.Authenticators) == 0 || status.PairSealed || status.Failures < pairFrom && !runaway {
		return ""
	}
	return link(pathChallenge, journey(r, "way", "pair"))
}

// showPair asks for two codes in a row.
func (h *handler) showPair(w http.ResponseWriter, r *http.Request, code int, user *visitor, page *PairPage) {
	if err := h.complete(&page.Asking, r, user, journey(r, "way", "pair")); err != nil {
		h.Fail(w, r, err)
		return
	}
	page.Entry = entry(h.MFA.Issuer(), user.Account)
	page.Remaining = h.remaining()
	page.Code1, page.Code2 = cut(r.PostFormValue("code1")), cut(r.PostFormValue("code2"))
	page.BackURL = link(pathChallenge, journey(r))
	h.Pages.Render(w, r, code, PagePair, page)
}

// usePair takes two codes of an app whose clock has gone wrong, which sets it right for us.
func (h *handler) usePair(w http.ResponseWriter, r *http.Request, user *visitor) {
	_, err := h.MFA.VerifyPair(r.Context(), user.Subject, r.PostFormValue("code1"), r.PostFormValue("code2"))
	problem := h.signInPairProblem(err)
	switch {
	case err == nil:
		h.pass(w, r, user, mfa.Password, mfa.TOTP)
	case errors.Is(err, mfa.ErrNotEnrolled): // turned off while the page was open
		h.goTo(w, r, h.onward(r, user))
	case errors.Is(err, mfa.ErrOneLeft):
		status, err := h.MFA.Status(r.Context(), user.Subject)
		if err != nil {
			h.Fail(w, r, err)
			return
		}
		h.oneLeft(w, r, http.StatusUnprocessableEntity, user, status)
	case problem == nil:
		h.Fail(w, r, err)
	default:
		h.showPair(w, r, h.status(w, err), user, &PairPage{Asking: Asking{Problem: problem, Wait: h.wait(err)}})
	}
}

// oneLeft asks for a single code in the place of two, of which the second would not be looked at any more.
func (h *handler) oneLeft(w http.ResponseWriter, r *http.Request, code int, user *visitor, status mfa.Status) {
	problem, wait := h.standing("code", status.Sealed, status.RetryAt)
	if problem == nil {
		problem = &Problem{ID: "problem.pair.one", Field: "code"}
	}
	h.showChallenge(w, r, code, user, status, &ChallengePage{Asking: Asking{Problem: problem, Wait: wait}})
}

// signInPairProblem puts the refusal of two codes at sign-in into a problem. It is nil for an error that is not the
// person's. Which of the two was right is told to nobody: guesses would cost half.
func (h *handler) signInPairProblem(err error) *Problem {
	var malformed *mfa.PairError
	switch {
	case errors.Is(err, mfa.ErrSameCode):
		return &Problem{ID: "problem.pair.same", Field: "code2"}
	case errors.Is(err, mfa.ErrMalformedCode) && errors.As(err, &malformed):
		return &Problem{ID: "problem.pair.malformed", Field: malformed.Field}
	}
	p := h.codeProblem("pair", err)
	if p != nil && errors.Is(err, mfa.ErrSwapped) {
		p.ID = "problem.pair.swapped"
	}
	return p
}

// remaining returns the seconds until the app shows the next code.
func (h *handler) remaining() int {
	period := int64(mfa.Period / time.Second)
	return int(period - h.Now().Unix()%period)
}
