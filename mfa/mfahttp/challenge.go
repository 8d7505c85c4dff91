package mfahttp

import (
	"errors"
	"net/http"
	"time"

	"github.com/focushq/idp/mfa"
)

// challenge asks for a code of the app, or with way=recovery for a recovery code: the app always comes first.
func (h *handler) challenge(w http.ResponseWriter, r *http.Request, user User) {
	status, err := h.MFA.Status(r.Context(), user.Subject)
	switch {
	case err != nil:
		h.Fail(w, r, err)
	case !status.Enrolled:
		h.goTo(w, r, h.onward(r))
	case r.URL.Query().Get("way") == "recovery":
		problem, wait := h.standing("recovery", status.RecoverySealed, status.RecoveryRetryAt)
		h.showRecovery(w, r, http.StatusOK, &RecoveryPage{CodesLeft: status.CodesLeft, Problem: problem, Wait: wait})
	default:
		problem, wait := h.standing("code", status.Sealed, status.RetryAt)
		h.showChallenge(w, r, http.StatusOK, user, &ChallengePage{Problem: problem, Wait: wait})
	}
}

func (h *handler) showChallenge(w http.ResponseWriter, r *http.Request, status int, user User, page *ChallengePage) {
	page.Query = journey(r)
	page.Entry = entry(h.MFA.Issuer(), user.Account)
	page.Client = h.Client(r)
	page.RememberDays = h.rememberDays(r)
	page.RecoveryURL = link(pathChallenge, journey(r, "way", "recovery"))
	page.Cancel = h.mayCancel(r)
	h.Pages.Render(w, r, status, PageChallenge, page)
}

// answer takes what one of the two forms sent.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, user User) {
	switch {
	case h.mayCancel(r) && r.PostFormValue("cancel") != "":
		h.Cancel(w, r)
	case r.PostForm.Has("recovery_code"):
		h.useRecoveryCode(w, r, user)
	default:
		h.useCode(w, r, user)
	}
}

func (h *handler) useCode(w http.ResponseWriter, r *http.Request, user User) {
	err := h.MFA.VerifyTOTP(r.Context(), user.Subject, r.PostFormValue("code"))
	if errors.Is(err, mfa.ErrNotEnrolled) { // turned off while the page was open
		h.goTo(w, r, h.onward(r))
		return
	}
	if err != nil {
		problem := h.codeProblem("code", err)
		if problem == nil {
			h.Fail(w, r, err)
			return
		}
		h.showChallenge(w, r, h.status(w, err), user, &ChallengePage{Problem: problem, Wait: h.wait(err)})
		return
	}
	if r.PostFormValue("remember") != "" && h.Remember(r) {
		if err := h.rememberDevice(w, r, user.Subject); err != nil {
			h.Fail(w, r, err)
			return
		}
	}
	h.Passed(w, r, user, mfa.AMR(mfa.Password, mfa.TOTP))
}

// rememberDays is what the box says; zero hides it.
func (h *handler) rememberDays(r *http.Request) int {
	if !h.Remember(r) {
		return 0
	}
	const day = 24 * time.Hour
	return int((h.MFA.RememberFor() + day - 1) / day)
}
