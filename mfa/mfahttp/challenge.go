package mfahttp

import (
	"errors"
	"net/http"
	"time"

	"github.com/focushq/idp/mfa"
)

// challenge asks for a code of the app or, with way, for something else that the person has. The app comes first,
// except for somebody who has passkeys only.
func (h *handler) challenge(w http.ResponseWriter, r *http.Request, user *visitor) {
	status, err := h.MFA.Status(r.Context(), user.Subject)
	switch {
	case err != nil:
		h.Fail(w, r, err)
	case !status.Enrolled:
		h.goTo(w, r, h.onward(r, user))
	case way(r) == "recovery", len(status.Authenticators) == 0 && h.passkeyStatus(status) == nil: // a factor of no page here
		problem, wait := h.standing("recovery", status.RecoverySealed, status.RecoveryRetryAt)
		h.showRecovery(w, r, http.StatusOK, user, status, &RecoveryPage{Problem: problem, Wait: wait})
	case way(r) == "pair" && status.PairSealed && !status.Sealed && len(status.Authenticators) > 0:
		h.oneLeft(w, r, http.StatusOK, user, status)
	case way(r) == "pair" && len(status.Authenticators) > 0:
		problem, wait := h.standing("pair", status.Sealed, status.PairRetryAt)
		h.showPair(w, r, http.StatusOK, user, &PairPage{Asking: Asking{Problem: problem, Wait: wait}})
	case h.passkeyStatus(status) != nil && (way(r) == "passkey" || len(status.Authenticators) == 0):
		keys := h.passkeyStatus(status)
		problem, wait := h.standing("key", keys.Sealed, keys.RetryAt)
		page := &KeyPage{Asking: Asking{Problem: problem, Wait: wait}}
		page.Notice, _ = h.takeThis(w, r, user.Subject, noticeTryKey)
		h.showKey(w, r, http.StatusOK, user, status, page)
	default:
		problem, wait := h.standing("code", status.Sealed, status.RetryAt)
		h.showChallenge(w, r, http.StatusOK, user, status, &ChallengePage{Asking: Asking{Problem: problem, Wait: wait}})
	}
}

// way is what the person wants to give instead of the app's code.
func way(r *http.Request) string { return r.URL.Query().Get("way") }

func (h *handler) showChallenge(w http.ResponseWriter, r *http.Request, code int, user *visitor, status mfa.Status,
	page *ChallengePage) {
	if err := h.complete(&page.Asking, r, user, journey(r)); err != nil {
		h.Fail(w, r, err)
		return
	}
	page.Entry = entry(h.MFA.Issuer(), user.Account)
	page.KeyURL = h.keyURL(r, status)
	page.PairURL = h.pairURL(r, status, page.Problem)
	h.Pages.Render(w, r, code, PageChallenge, page)
}

// complete adds to a page that asks for a second factor, by that query, what it is for and how it looks.
func (h *handler) complete(page *Asking, r *http.Request, user *visitor, query string) (err error) {
	page.Query, page.Person, page.Own = query, h.asked(r, user), changes(r, user)
	page.Client, page.Cancel = user.waiting().Client, h.mayCancel(r)
	page.RecoveryURL = link(pathChallenge, journey(r, "way", "recovery"))
	page.RememberDays, page.Insists, err = h.box(r, user)
	return err
}

// answer takes what one of the forms sent. Of a form that could not be read only the way is known.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, user *visitor) {
	switch {
	case h.mayCancel(r) && r.PostFormValue("cancel") != "":
		h.Cancel(w, r)
	case h.Passkeys != nil && r.PostForm.Has("abandon"):
		h.abandonKey(w, r, user)
	case r.PostForm.Has("recovery_code"):
		h.useRecoveryCode(w, r, user)
	case h.Passkeys != nil && (r.PostForm.Has("response") || way(r) == "passkey"):
		h.useKey(w, r, user)
	case r.PostForm.Has("code1"), way(r) == "pair":
		h.usePair(w, r, user)
	default:
		h.useCode(w, r, user)
	}
}

func (h *handler) useCode(w http.ResponseWriter, r *http.Request, user *visitor) {
	err := h.MFA.VerifyTOTP(r.Context(), user.Subject, r.PostFormValue("code"))
	if errors.Is(err, mfa.ErrNotEnrolled) { // turned off while the page was open
		h.goTo(w, r, h.onward(r, user))
		return
	}
	if err != nil {
		problem := h.codeProblem("code", err)
		if problem == nil {
			h.Fail(w, r, err)
			return
		}
		status, lookup := h.MFA.Status(r.Context(), user.Subject)
		if lookup != nil {
			h.Fail(w, r, lookup)
			return
		}
		h.showChallenge(w, r, h.status(w, err), user, status, &ChallengePage{Asking: Asking{Problem: problem, Wait: h.wait(err)}})
		return
	}
	h.pass(w, r, user, mfa.Password, mfa.TOTP)
}

// pass goes on after the right answer, and honours the box of the page.
func (h *handler) pass(w http.ResponseWriter, r *http.Request, user *visitor, methods ...mfa.Method) {
	if r.PostFormValue("remember") != "" && !user.waiting().NoBox {
		if err := h.rememberDevice(w, r, user.Subject); err != nil {
			h.Fail(w, r, err)
			return
		}
	}
	h.Passed(w, r, user.User, user.amr(methods...))
}

// box returns what the box says, zero where it is hidden, and whether the page says that being remembered is no use here. A
// device that is remembered has no box: the app or the page that asks does not take it.
func (h *handler) box(r *http.Request, user *visitor) (days int, insists bool, err error) {
	if h.MFA.RememberFor() == 0 {
		return 0, false, nil
	}
	days, insists = h.rememberDays(user), user.waiting().Insists
	token := h.thisDevice(r, user.Subject)
	if token == "" || days == 0 && !insists {
		return days, false, nil
	}
	device, err := this(r.Context(), h.MFA, user.Subject, token)
	if err != nil || device == nil {
		return days, false, err
	}
	return 0, insists, nil
}

// rememberDays is for how many days a device is remembered, zero where it is not.
func (h *handler) rememberDays(user *visitor) int {
	if user.waiting().NoBox {
		return 0
	}
	const day = 24 * time.Hour
	return int((h.MFA.RememberFor() + day - 1) / day)
}
